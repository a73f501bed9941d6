//! Where expressions are evaluated: at once, as long as that takes next to no time; else on a thread of its own.
//!
//! The threads that drive orders also answer the API, keep the lease and write the journal. So what they evaluate ends
//! after [`INLINE_STEPS_MAX`](saga_core::budget::INLINE_STEPS_MAX), which orders as they usually are do not come near.
//! An evaluation that has not ended by then is begun again, with the full budget, on one of a few threads that do
//! nothing else.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use saga_core::budget::{Budget, within};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::evaluation::{Busy, Evaluation};
use crate::world::World;

/// While the queue of evaluations is full, a further evaluation asks for room this often.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The result of an evaluation elsewhere; `None` if it panicked.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Machine;

    #[tokio::test]
    async fn an_evaluation_that_panics_has_no_result_and_those_behind_it_have_theirs() {
        let world: Arc<dyn World> = Arc::new(Machine::new());
        for _ in 0..20 {
            let panics = || elsewhere::<i32>(world.clone(), || panic!("on purpose"));
            let ends = || elsewhere(world.clone(), || 7);
            let results = tokio::join!(panics(), panics(), ends(), ends(), ends(), ends());
            assert_eq!(results, (None, None, Some(7), Some(7), Some(7), Some(7)));
            assert_eq!(ends().await, Some(7));
        }
    }
}
