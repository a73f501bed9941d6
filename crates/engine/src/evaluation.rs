//! Threads that evaluate expressions which take long, and do nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};

/// Threads that evaluate what takes long.
const EVALUATORS: usize = 2;
/// Evaluations that wait for one of them. Further ones ask again.
const EVALUATIONS_WAITING_MAX: usize = 64;

/// Something to be evaluated, with the full budget.
pub type Evaluation = Box<dyn FnOnce() + Send>;

/// There are too many evaluations that wait. It is handed back.
pub struct Busy(pub Evaluation);

/// The threads that evaluate what takes long. They are started when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Evaluators(Mutex<Vec<Evaluator>>);

/// The queue of one of these threads.
#[derive(Debug)]
struct Evaluator(SyncSender<Evaluation>);

impl Evaluators {
    /// Gives `evaluation` to a thread that has room.
    pub(crate) fn evaluate(&self, evaluation: Evaluation) -> Result<(), Busy> {
        let mut threads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        // The evaluator that was given work last has its turn last.
        threads.rotate_left(1);
        for evaluator in threads.iter() {
            match evaluator.0.try_send(evaluation) {
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
        // The thread ends with the last sender.
        std::thread::Builder::new().name("evaluator".into()).spawn(move || evaluate(&waiting))?;
        Ok(Self(queue))
    }
}

/// Evaluates until all senders are gone. An evaluation that panics has no result; those that wait behind it have theirs.
fn evaluate(waiting: &Receiver<Evaluation>) {
    while let Ok(evaluation) = waiting.recv() {
        // The panic hook reports it. The evaluation is gone, with all that a panic may have left half done.
        let _ = catch_unwind(AssertUnwindSafe(evaluation));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

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
