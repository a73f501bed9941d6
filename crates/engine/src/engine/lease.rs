//! Joining the replicas that share the journal, renewing the lease, and losing it.

use std::time::Duration;

use futures_util::future::join_all;
use saga_journal::{Lease, ReplicaId, Unavailable};
use tokio::time::Instant;

use super::Engine;

/// How often the journal's clock is followed.
const FOLLOW_CLOCK_AFTER: Duration = Duration::from_secs(10);

impl Engine {
    /// Under which id sagas are owned, joining first where that has not been done.
    pub(super) async fn joined(&self) -> Result<ReplicaId, Unavailable> {
        let joined = self.membership().join().await?;
        if joined.is_first {
            let engine = self.clone();
            self.parts.lifecycle.spawn_vital("lease", async move { engine.keep_lease().await });
        }
        Ok(joined.id)
    }

    /// Renews the lease for as long as the process needs it.
    async fn keep_lease(&self) {
        let mut followed = Instant::now();
        while self.parts.lifecycle.pause_until_left(self.limits().beat).await {
            match self.membership().renew().await {
                Ok(Lease::Held) if followed.elapsed() >= FOLLOW_CLOCK_AFTER => {
                    followed = Instant::now();
                    self.membership().follow_clock().await;
                }
                Ok(Lease::Held) => {}
                Ok(Lease::Lost) => self.rejoin().await,
                Err(error) => self.journal_health().fails(&error),
            }
        }
    }

    /// Others own this process's sagas: drops them all, and joins again.
    async fn rejoin(&self) {
        let (membership, registry) = (self.membership(), &self.parts.registry);
        if let Some(lost) = membership.id() {
            let _kept_out = membership.keep_out().await;
            let sagas = registry.active();
            tracing::warn!(
                replica = %lost,
                sagas,
                "this process was paused or cut off from the journal for longer than its lease, or another one was \
                 started under its name ({}): others take over its {sagas} orders, which are dropped here",
                membership.name()
            );
            self.observer().lease_lost(sagas);
            membership.lose();
            self.parts.woken.clear();
            // None begins under the lost id any more: see `may_begin`.
            let handles = registry.all();
            join_all(handles.iter().map(|handle| handle.disown(lost))).await;
            registry.free_of(lost).await;
        }
        if let Err(error) = membership.join().await {
            self.journal_health().fails(&error);
        }
    }
}
