//! Where expressions are evaluated: at once, as long as that takes next to no time; else on a thread of its own.
//!
//! The threads that drive orders also answer the API, keep the lease and write the journal. So what they evaluate ends
//! after [`INLINE_STEPS_MAX`](saga_core::budget::INLINE_STEPS_MAX), which orders as they usually are do not come near.
//! What has not ended by then is begun again, with the full budget, on one of a few threads that do nothing else.

use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use saga_core::budget::{Budget, within};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::world::World;

/// Threads that evaluate what takes long.
const EVALUATORS: usize = 2;
/// Evaluations that wait for one of them. Further ones ask again.
const EVALUATIONS_WAITING_MAX: usize = 64;
/// While so many wait, one that does not fit asks this often.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Something to be evaluated, with the full budget.
pub type Evaluation = Box<dyn FnOnce() + Send>;

/// There are too many evaluations that wait. It is handed back.
pub struct Busy(pub Evaluation);

/// What comes of an evaluation elsewhere; `None` if its thread is gone.
pub(crate) type Elsewhere<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

/// Evaluates here, if that takes next to no time. `None`: it takes longer, and nothing has come of it.
pub(crate) fn at_once<T>(task: impl FnOnce() -> T) -> Option<T> {
    let spent = within(Budget::INLINE, task);
    spent.over.is_none().then_some(spent.value)
}

/// Evaluates with the full budget, wherever the world does that.
pub(crate) fn elsewhere<T: Send + 'static>(
    world: Arc<dyn World>,
    task: impl FnOnce() -> T + Send + 'static,
) -> Elsewhere<T> {
    Box::pin(async move {
        let (done, result) = oneshot::channel();
        let mut evaluation: Evaluation = Box::new(move || {
            // The order may be gone by now.
            let _ = done.send(within(Budget::FULL, task).value);
        });
        while let Err(Busy(back)) = world.evaluate(evaluation) {
            evaluation = back;
            sleep(AGAIN_AFTER).await;
        }
        result.await.ok()
    })
}

/// The threads that evaluate what takes long. They are started when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Evaluators(Mutex<Vec<Evaluator>>);

#[derive(Debug)]
struct Evaluator {
    queue: SyncSender<Evaluation>,
    thread: JoinHandle<()>,
}

impl Evaluators {
    /// Gives `evaluation` to a thread that has room. One that has died is replaced.
    pub(crate) fn evaluate(&self, evaluation: Evaluation) -> Result<(), Busy> {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|evaluator| !evaluator.thread.is_finished());
        while threads.len() < EVALUATORS {
            match Evaluator::start() {
                Ok(evaluator) => threads.push(evaluator),
                Err(error) if threads.is_empty() => {
                    tracing::error!(error = %error, "cannot start a thread that evaluates expressions");
                    return Err(Busy(evaluation));
                }
                Err(_) => break,
            }
        }
        let mut evaluation = evaluation;
        // The one that was given work last has its turn last.
        threads.rotate_left(1);
        for evaluator in threads.iter() {
            match evaluator.queue.try_send(evaluation) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => evaluation = back,
            }
        }
        Err(Busy(evaluation))
    }
}

impl Evaluator {
    fn start() -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(EVALUATIONS_WAITING_MAX / EVALUATORS);
        let thread =
            std::thread::Builder::new().name("evaluator".into()).spawn(move || evaluate(&waiting))?;
        Ok(Self { queue, thread })
    }
}

/// Evaluates until nobody can ask for more. A panic ends the thread; what it evaluated has no result then.
fn evaluate(waiting: &Receiver<Evaluation>) {
    while let Ok(evaluation) = waiting.recv() {
        evaluation();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Machine;

    #[tokio::test]
    async fn a_thread_that_has_died_is_replaced() {
        let world: Arc<dyn World> = Arc::new(Machine::new());
        for _ in 0..2 * EVALUATORS {
            assert_eq!(elsewhere::<()>(world.clone(), || panic!("on purpose")).await, None);
            assert_eq!(elsewhere(world.clone(), || 7).await, Some(7));
        }
    }

    #[tokio::test]
    async fn more_evaluations_than_may_wait_are_all_done() {
        let evaluators = Evaluators::default();
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let (done, finished) = std::sync::mpsc::channel();
        let (mut taken, mut busy) = (0, 0);
        for _ in 0..2 * EVALUATIONS_WAITING_MAX {
            let (held, done) = (held.clone(), done.clone());
            let evaluation: Evaluation = Box::new(move || {
                _ = held.lock().unwrap_or_else(PoisonError::into_inner).recv();
                _ = done.send(());
            });
            match evaluators.evaluate(evaluation) {
                Ok(()) => taken += 1,
                Err(Busy(_)) => busy += 1,
            }
        }
        assert!(taken >= EVALUATIONS_WAITING_MAX && busy > 0, "{taken} taken, {busy} handed back");
        drop(release);
        drop(done);
        assert_eq!(finished.iter().count(), taken);
    }
}
