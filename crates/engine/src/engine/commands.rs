//! What operators want of a saga: applied where the saga runs, or left in the journal for the process that runs it.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use saga_core::SagaId;
use saga_core::saga::Input;
use saga_journal::{Asked, ReplicaId, Unavailable};
use tokio::time::{Instant, sleep};

use super::Engine;
use super::running::{How, Resumed};
use super::whereabouts::{LOOK_AGAIN_AFTER, Whereabouts};
use crate::demand::Demand;
use crate::handle::{Snapshot, Wait};
use crate::refusal::Refusal;

impl Engine {
    /// Has a person's word followed, wherever the order runs: returns when that is on disk.
    pub async fn demand(&self, id: SagaId, demand: &Demand) -> Result<(), Refusal> {
        let give_up = Instant::now() + self.limits().demand_wait;
        let mut pause = LOOK_AGAIN_AFTER.0;
        loop {
            match self.tell(id, demand).await {
                Err(Refusal::Asked(_)) if Instant::now() < give_up => {}
                // Nothing of this one is left there.
                Err(Refusal::Asked(_)) => return Err(Refusal::Busy(id)),
                result => return result,
            }
            // The same may have been asked, and followed, before.
            let before = self.journal().load(id).await.ok().flatten().map_or(0, |it| it.records.len());
            let text: Arc<str> = serde_json::to_string(demand).unwrap_or_default().into();
            let is_left = match self.journal().ask(id, text.clone()).await? {
                Asked::Kept => true,
                Asked::Busy => false,
                // It has come to its end meanwhile, or moved here.
                Asked::Nobody => continue,
            };
            while self.journal().row(id).await?.is_some_and(|row| row.demand.is_some()) {
                if Instant::now() >= give_up {
                    return Err(if is_left { Refusal::Asked(id) } else { Refusal::Busy(id) });
                }
                sleep(pause).await;
                pause = (pause * 2).min(LOOK_AGAIN_AFTER.1);
            }
            if !is_left {
                continue;
            }
            // Whether it was followed or refused, the order shows.
            let (mut saga, history) = self.read(id).await?.ok_or(Refusal::Unknown)?;
            if demand.was_followed(history.records.get(before..).unwrap_or_default()) {
                return Ok(());
            }
            if saga.handle(&demand.input(), self.clock().moment())?.is_empty() {
                return Ok(());
            }
        }
    }

    /// Stops an order that is still going forward, and rolls it back. Waits for that to be over.
    pub async fn cancel(&self, id: SagaId, wait: Duration) -> Result<Snapshot, Refusal> {
        self.demand(id, &Demand::Cancel).await?;
        self.wait(id, Wait::settled(wait)).await
    }

    /// Has a person's word followed if the order runs here or is over; [`Refusal::Asked`]: another process runs it.
    async fn tell(&self, id: SagaId, demand: &Demand) -> Result<(), Refusal> {
        // A saga may leave this process between being found and being told; then it is found again elsewhere.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let handle = match self.whereabouts(id).await? {
                Whereabouts::Running(handle) => handle,
                Whereabouts::Over(_) => {
                    // Nothing can change any more; the saga says whether that is what the person wants.
                    let mut saga = self.parts.catalog.load(id).await?.ok_or(Refusal::Unknown)?;
                    saga.handle(&demand.input(), self.clock().moment())?;
                    return Ok(());
                }
                Whereabouts::Elsewhere(_) => return Err(Refusal::Asked(id)),
                Whereabouts::Resting(row) => {
                    self.try_out(id, demand).await?;
                    let how = self.parts.sleepers.take(id).map_or(How::TakeOver, How::Wake);
                    match self.resume(id, row.owner, how).await? {
                        Resumed::Here(handle) | Resumed::Before(handle) => handle,
                        Resumed::Over => continue,
                    }
                }
            };
            if let Ok(outcome) = handle.apply(demand.input()).await {
                return Ok(outcome?);
            }
        }
        Err(Refusal::Unavailable(Unavailable::because("the order keeps moving between processes")))
    }

    /// Whether a saga that does not run here, but is this process's, could follow: what it would refuse must not leave
    /// a take-over behind.
    async fn try_out(&self, id: SagaId, demand: &Demand) -> Result<(), Refusal> {
        let mut saga = match self.parts.catalog.load(id).await {
            Ok(saga) => saga.ok_or(Refusal::Unknown)?,
            Err(error @ Refusal::Damaged(_)) => {
                // Why may have changed since it was parked.
                self.parts.unreadable.park(id, &error).await;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        // A saga that is over by now is found to be so by `resume`.
        if saga.handle(&Input::TakeOver, self.clock().moment()).is_ok() {
            saga.handle(&demand.input(), self.clock().moment())?;
        }
        Ok(())
    }

    /// Applies the commands that were left for this process.
    pub(super) async fn follow_demands(&self) -> Result<(), Unavailable> {
        let Some(id) = self.membership().id() else { return Ok(()) };
        for (saga, text) in self.journal().demands(id, self.limits().claim_rows_max).await? {
            if !self.parts.following.lock().unwrap_or_else(PoisonError::into_inner).insert(saga) {
                continue;
            }
            let engine = self.clone();
            self.parts.lifecycle.spawn(async move {
                engine.follow(saga, &text).await;
                engine.parts.following.lock().unwrap_or_else(PoisonError::into_inner).remove(&saga);
            });
        }
        Ok(())
    }

    /// Applies what former owners of `sagas` were asked and did not hear of, before the sagas run here: an operator who
    /// has cancelled an order does not want to see it carried on.
    pub(super) async fn follow_first(&self, id: ReplicaId, sagas: &[SagaId]) -> Result<(), Unavailable> {
        for (saga, text) in self.journal().demands(id, self.limits().claim_rows_max).await? {
            if sagas.contains(&saga) {
                self.follow(saga, &text).await;
            }
        }
        Ok(())
    }

    /// Applies a command. One that cannot be applied yet is left where it is, for the next beat.
    async fn follow(&self, saga: SagaId, text: &Arc<str>) {
        if let Err(error) = self.try_to_follow(saga, text).await {
            tracing::warn!(saga.id = %saga, error = %error, "cannot follow what was asked of an order yet");
        }
    }

    async fn try_to_follow(&self, saga: SagaId, text: &Arc<str>) -> Result<(), Refusal> {
        match serde_json::from_str::<Demand>(text) {
            Ok(demand) => match self.tell(saga, &demand).await {
                // The one who asked finds out why from the order itself.
                Ok(()) | Err(Refusal::Rejected(_) | Refusal::Damaged(_)) => {}
                Err(error) => return Err(error),
            },
            Err(error) => {
                tracing::error!(saga.id = %saga, error = %error, "what was asked of an order cannot be read; it is dropped");
            }
        }
        Ok(self.journal().answered(saga, text.clone()).await?)
    }
}
