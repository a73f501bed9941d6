//! The threads that serve connections and run orders.
//!
//! A lane is a thread with a runtime of its own. A connection stays on its lane, and so do the orders that it starts: their tasks wake
//! each other without another thread, and their sockets have one thread that waits for them. The process's other tasks (take-overs, sleepers that
//! wake, the lease, listeners) run on its main runtime, which several threads share: there, a task that is ready runs on whichever is free.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The lanes of a process. Their threads end when it is dropped, and with them the connections and tasks that are left.
pub(crate) struct Lanes {
    lanes: Vec<Handle>,
    next: AtomicUsize,
    /// Dropped to end the threads.
    _running: Vec<oneshot::Sender<()>>,
}

impl Lanes {
    /// How many lanes a process has: as many as cores.
    pub(super) fn number() -> usize {
        thread::available_parallelism().map_or(1, NonZero::get)
    }

    /// Starts [`number`](Self::number) lanes.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let (mut lanes, mut running) = (Vec::new(), Vec::new());
        for lane in 0..Self::number() {
            let runtime =
                Builder::new_current_thread().enable_all().build().context("start the runtime of a lane")?;
            let (run, ended) = oneshot::channel();
            lanes.push(runtime.handle().clone());
            running.push(run);
            let work = move || {
                runtime.block_on(async {
                    tokio::select! {
                        never = saga_journal::deliver_here() => match never {},
                        _ = ended => {}
                    }
                });
            };
            thread::Builder::new().name(format!("lane-{lane}")).spawn(work).context("start a lane")?;
        }
        Ok(Self { lanes, next: AtomicUsize::new(0), _running: running })
    }

    /// The runtime of the caller as the only lane.
    pub(crate) fn here() -> Self {
        Self { lanes: vec![Handle::current()], next: AtomicUsize::new(0), _running: Vec::new() }
    }

    /// The lane of the next connection: each in turn.
    pub(super) fn next(&self) -> &Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &self.lanes[turn % self.lanes.len()]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn lane_of_this_task() -> String {
        thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "stands for the task of an order")]
    async fn connections_take_turns_and_their_orders_stay_on_their_lane() {
        let lanes = Lanes::start().unwrap();
        let cores = lanes.lanes.len();
        for turn in 0..2 * cores {
            let task = async {
                let order = tokio::spawn(async { lane_of_this_task() });
                (lane_of_this_task(), order.await.unwrap())
            };
            let (connection, order) = lanes.next().spawn(task).await.unwrap();
            assert_eq!(
                (connection, order),
                (format!("lane-{}", turn % cores), format!("lane-{}", turn % cores))
            );
        }
    }

    #[tokio::test]
    async fn the_tasks_of_lanes_end_with_them() {
        let lanes = Lanes::start().unwrap();
        let (held, ended) = mpsc::channel::<()>();
        for _ in 0..lanes.lanes.len() {
            let held = held.clone();
            lanes.next().spawn(async move {
                let _held = held;
                std::future::pending::<()>().await;
            });
        }
        drop(held);
        assert_eq!(ended.recv_timeout(Duration::from_millis(20)), Err(mpsc::RecvTimeoutError::Timeout));
        drop(lanes);
        assert_eq!(ended.recv_timeout(SOON), Err(mpsc::RecvTimeoutError::Disconnected));
    }
}
