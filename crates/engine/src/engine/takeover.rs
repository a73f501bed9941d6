//! The sagas that this process has to run because their owner is gone.
//!
//! ```text
//!   look ──▶ claim sagas whose owner is gone ──▶ load ──▶ run      (the only way in, at the start as well)
//!        ──▶ commands left for this process ──▶ the saga concerned
//!        ──▶ now and then: does every saga that is owned here run here?
//! ```
//!
//! This loop and the loop that renews the lease are apart, so that loading many sagas cannot cost the lease.

use std::sync::Arc;
use std::time::Duration;

use saga_core::SagaId;
use saga_journal::Unavailable;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Engine;
use crate::journal_health::JOURNAL_PROBE_AFTER;

/// How long figures of a minute are kept: a month is there in full some days after its end.
const FIGURES_KEPT: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// Figures that are taken away at a time. That is more than a process makes between two sweeps, unless it runs hundreds of
/// definitions.
const FIGURES_FORGOTTEN_MAX: usize = 1_000;

impl Engine {
    /// Joins the replicas that share the journal, and takes over every saga whose owner is gone. Returns when each is
    /// running or parked; from then on it goes on by itself. Keeps trying while the journal is unavailable.
    pub async fn recover(&self) {
        let lifecycle = &self.parts.lifecycle;
        // The writer outlives all sagas, so nothing waits for the end of this task.
        lifecycle.world().spawn(Box::pin(lifecycle.vital().watch(self.journal().ended())));
        self.keep_definitions().await;
        let engine = self.clone();
        lifecycle.spawn_vital("rests", async move { engine.put_to_sleep().await });
        while let Err(error) = self.take_orphans().await {
            self.journal_health().fails(&error);
            if !lifecycle.pause(JOURNAL_PROBE_AFTER).await {
                return;
            }
        }
        lifecycle.recovered();
        let engine = self.clone();
        lifecycle.spawn_vital("take-over", async move { engine.look_around().await });
        let engine = self.clone();
        lifecycle.spawn_vital("sleepers", async move { engine.wake_sleepers().await });
        let engine = self.clone();
        lifecycle.spawn_vital("bulk actions", async move { engine.carry_out_bulk_actions().await });
    }

    /// The same in the background, and watched over: should it fail, [`Engine::died`] tells.
    pub fn recover_in_background(&self) {
        let engine = self.clone();
        self.parts.lifecycle.spawn_recovery(async move { engine.recover().await });
    }

    /// Takes over what others leave, and applies the commands that are left for the sagas here.
    async fn look_around(&self) {
        let mut swept = Instant::now();
        while self.parts.lifecycle.pause(self.limits().beat).await {
            let looked = async {
                self.take_orphans().await?;
                self.apply_posted_commands().await?;
                if swept.elapsed() >= self.limits().sweep {
                    swept = Instant::now();
                    self.sweep().await?;
                    self.forget_refusals().await?;
                    let before = self.clock().now().minus(FIGURES_KEPT);
                    self.journal().forget_figures(before, FIGURES_FORGOTTEN_MAX).await?;
                    self.forget_bulk_actions().await?;
                }
                Ok::<_, Unavailable>(())
            };
            if let Err(error) = looked.await {
                self.journal_health().fails(&error);
            }
        }
    }

    /// Claims all sagas whose owner is gone, and runs them. Returns when each is running or parked.
    async fn take_orphans(&self) -> Result<(), Unavailable> {
        let id = self.joined().await?;
        if self.membership().is_steady() {
            self.journal().expire().await?;
        }
        let turns = Arc::new(Semaphore::new(self.limits().take_ups_max));
        let mut taken = 0;
        loop {
            let page = self.journal().claim(id, self.limits().claim_rows_max).await?;
            if page.is_empty() || self.parts.lifecycle.is_stopping() {
                break;
            }
            taken += page.len();
            self.parts.recent.be_cautious(self.limits().cautious_for);
            // This process owns the claimed sagas by now, and no other replica will look after them: they run even if
            // their commands cannot be applied.
            if let Err(error) = self.apply_posted_first(id, &page).await {
                self.journal_health().fails(&error);
            }
            self.run_all(page, &turns).await;
        }
        let all = u32::try_from(self.limits().take_ups_max).unwrap_or(u32::MAX);
        let _ = turns.acquire_many(all).await;
        if taken > 0 {
            self.observer().taken_over(taken);
            tracing::info!(sagas = taken, "took over {taken} unfinished orders");
        }
        Ok(())
    }

    /// Every saga that is owned here and has something to do has to run here. One may not, if the journal's answer to
    /// its claim was lost.
    async fn sweep(&self) -> Result<(), Unavailable> {
        let Some(id) = self.membership().id() else { return Ok(()) };
        let turns = Arc::new(Semaphore::new(self.limits().take_ups_max));
        let mut after = None;
        loop {
            let page = self.journal().owned(id, after, self.limits().claim_rows_max).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(*last);
            let is_known = |saga: &SagaId| self.parts.woken.has(*saga, id) || self.parts.registry.runs(*saga);
            let stray: Vec<SagaId> = page.into_iter().filter(|saga| !is_known(saga)).collect();
            self.run_all(stray, &turns).await;
        }
    }
}
