//! The end: no new sagas, time for the running sagas to end, then each task ends when no call is under way.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::Engine;

/// How long `stop` waits for calls under way once the drain time is over.
const LAST_CALLS_WAIT: Duration = Duration::from_secs(10);
/// How long `stop` waits for tasks that are no sagas.
const LAST_TASKS_WAIT: Duration = Duration::from_secs(1);

impl Engine {
    /// Refuses new sagas, lets running ones go on for `drain`, then ends each at the next point where nothing is
    /// under way. Sagas that have nothing to do before `drain` is over are not waited for. A saga that is not over by
    /// then can be taken over at once, by the next start or another process.
    pub async fn stop(&self, drain: Duration) {
        let lifecycle = &self.parts.lifecycle;
        lifecycle.drain();
        let until = self.clock().now().plus(drain);
        let _ = timeout(drain, self.parts.registry.idle_until(until)).await;
        lifecycle.end();
        let _ = timeout(LAST_CALLS_WAIT, self.end_sagas()).await;
        let left = self.parts.registry.active();
        if left > 0 {
            tracing::warn!(
                sagas = left,
                "{left} orders have calls under way; the next start takes them over"
            );
        }
        lifecycle.leave();
        if let Some(id) = self.membership().id()
            && let Err(error) = self.journal().leave(id).await
        {
            tracing::warn!(error = %error, "cannot hand over at once; others take over when the lease runs out");
        }
        lifecycle.tasks_end(LAST_TASKS_WAIT).await;
    }

    /// Ends all sagas that run. None begins any more: see [`may_begin`](Engine::may_begin).
    async fn end_sagas(&self) {
        let registry = &self.parts.registry;
        let handles = registry.all();
        join_all(handles.iter().map(|handle| handle.stop())).await;
        registry.empty().await;
    }
}
