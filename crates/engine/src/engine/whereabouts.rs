//! Where a saga is, and waiting for it there: in this process, in the journal, with another process.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use saga_core::saga::Rollback;
use saga_core::{Json, SagaId};
use saga_journal::{KeptRow, Unavailable};
use tokio::time::{Instant, sleep, timeout};

use super::Engine;
use crate::handle::{Gone, Handle, Milestone, Snapshot, Wait};
use crate::refusal::Refusal;

/// A saga that another process runs is looked at in the journal this soon while a caller waits for it, and then less
/// and less often.
pub(super) const LOOK_AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Where a saga is.
pub(super) enum Whereabouts {
    /// It runs here.
    Running(Handle),
    /// It is over.
    Over(Box<KeptRow>),
    /// It is this process's own, and does not run yet.
    Waiting(Box<KeptRow>),
    /// Another process owns it, or it is asleep.
    Elsewhere(Box<KeptRow>),
}

impl Engine {
    /// Where a saga is.
    pub(super) async fn whereabouts(&self, id: SagaId) -> Result<Whereabouts, Refusal> {
        if let Some(handle) = self.running_here(id) {
            return Ok(Whereabouts::Running(handle));
        }
        let row: Box<KeptRow> = self.in_the_journal(id).await?.ok_or(Refusal::Unknown)?.into();
        Ok(match () {
            () if row.row.over => Whereabouts::Over(row),
            () if self.membership().id() == Some(row.owner) => Whereabouts::Waiting(row),
            () => Whereabouts::Elsewhere(row),
        })
    }

    /// The handle of a saga that runs here.
    pub(super) fn running_here(&self, id: SagaId) -> Option<Handle> {
        self.parts.registry.find(id)
    }

    /// The row of a saga that the journal keeps, whichever process owns the saga.
    pub(super) async fn in_the_journal(&self, id: SagaId) -> Result<Option<KeptRow>, Unavailable> {
        self.journal().row(id).await
    }

    /// The name of a saga's definition; `None`: there is no such saga.
    pub async fn name_of(&self, id: SagaId) -> Result<Option<Arc<str>>, Unavailable> {
        if let Some(handle) = self.running_here(id)
            && let Ok(snapshot) = handle.look().await
        {
            return Ok(Some(snapshot.definition));
        }
        Ok(self.in_the_journal(id).await?.map(|row| row.row.definition))
    }

    /// The names of the steps of a saga whose calls their participants hold back. A saga that runs in another process has
    /// none: only its own process knows.
    pub async fn held_back(&self, id: SagaId) -> Vec<Arc<str>> {
        let Some(handle) = self.running_here(id) else { return Vec::new() };
        handle.look().await.map(|snapshot| snapshot.held_back).unwrap_or_default()
    }

    /// Waits for a saga, wherever it is.
    pub async fn wait(&self, id: SagaId, wait: Wait) -> Result<Snapshot, Refusal> {
        let whereabouts = self.whereabouts(id).await.map_err(|refusal| match refusal {
            // Callers wait for what they have asked for before: it was done, so "nothing was done" would be wrong.
            Refusal::Unavailable(_) => Refusal::InDoubt(id),
            other => other,
        });
        match whereabouts? {
            Whereabouts::Running(handle) => self.ask(id, &handle, wait).await,
            Whereabouts::Over(row) => Ok(kept(*row)),
            Whereabouts::Waiting(row) | Whereabouts::Elsewhere(row)
                if is_settled(&row) && wait.until != Milestone::Tried =>
            {
                Ok(kept(*row))
            }
            Whereabouts::Waiting(_) | Whereabouts::Elsewhere(_) => self.watch(id, wait).await,
        }
    }

    /// Asks a running saga, and goes by the journal when it leaves this process meanwhile.
    pub(super) async fn ask(&self, id: SagaId, handle: &Handle, wait: Wait) -> Result<Snapshot, Refusal> {
        match self.reached(id, handle, handle.reaches(wait.until), wait).await? {
            Ok(snapshot) => Ok(snapshot),
            Err(Gone) => self.watch(id, wait).await,
        }
    }

    /// The snapshot of a running saga once the saga has `reached` the milestone, or when the wait is over.
    pub(super) async fn reached(
        &self,
        id: SagaId,
        handle: &Handle,
        reached: impl Future<Output = Result<Snapshot, Gone>>,
        wait: Wait,
    ) -> Result<Result<Snapshot, Gone>, Refusal> {
        let start_wait = self.limits().start_wait;
        let limit = if wait.until == Milestone::Started { start_wait } else { wait.at_most };
        let mut reached = pin!(reached);
        if let Ok(snapshot) = timeout(limit.min(start_wait), &mut reached).await {
            return Ok(snapshot);
        }
        // A caller that is told that an order goes on may ask for it: its start has to be on disk, however short the
        // caller's own wait was; and where it is not by now, the caller need not wait to its end to hear so.
        if !has_started(handle, start_wait.saturating_sub(limit)).await {
            return Err(Refusal::InDoubt(id));
        }
        if let Ok(snapshot) = timeout(limit.saturating_sub(start_wait), reached).await {
            return Ok(snapshot);
        }
        Ok(handle.look().await)
    }

    /// Watches a saga through the journal: another process runs it, or is going to.
    async fn watch(&self, id: SagaId, wait: Wait) -> Result<Snapshot, Refusal> {
        let give_up = Instant::now() + wait.at_most;
        let mut pause = LOOK_AGAIN_AFTER.0;
        loop {
            // The order exists, so "nothing was done" would be wrong.
            let row = self.in_the_journal(id).await.ok().flatten().ok_or(Refusal::InDoubt(id))?;
            let is_calling =
                wait.until == Milestone::Tried && is_settled(&row) && self.is_calling(&row).await;
            let has_reached = match wait.until {
                Milestone::Started => true,
                Milestone::Settled | Milestone::Tried => is_settled(&row) && !is_calling,
            };
            if has_reached || self.parts.lifecycle.is_stopping() || Instant::now() >= give_up {
                return Ok(Snapshot { calling: is_calling, ..kept(row) });
            }
            // It may have come here.
            if let Some(handle) = self.running_here(id) {
                let left = give_up.saturating_duration_since(Instant::now());
                return Box::pin(self.ask(id, &handle, Wait { at_most: left, ..wait })).await;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN_AFTER.1);
        }
    }

    /// Whether a call of a saga that another process runs is under way, as far as its history tells.
    async fn is_calling(&self, row: &KeptRow) -> bool {
        if row.row.over {
            return false;
        }
        matches!(self.parts.catalog.load(row.saga).await, Ok(Some(saga)) if !saga.effects().calls.is_empty())
    }
}

/// Whether a running saga's start is on disk, or will be within `wait`. A saga that does not run any more has started,
/// or was never this process's: what is asked next tells.
async fn has_started(handle: &Handle, wait: Duration) -> bool {
    match handle.look().await {
        Ok(snapshot) if !snapshot.started => timeout(wait, handle.reaches(Milestone::Started)).await.is_ok(),
        Ok(_) | Err(Gone) => true,
    }
}

/// A saga as its row tells it.
fn kept(row: KeptRow) -> Snapshot {
    Snapshot {
        saga: row.saga,
        definition: row.row.definition.clone(),
        settled: is_settled(&row),
        rollback: row.rollback(),
        calling: false,
        started: true,
        input: Json::null(),
        failure: row.row.summary.failure,
        held_back: Vec::new(),
        state: row.row.state,
    }
}

fn is_settled(row: &KeptRow) -> bool {
    row.row.over || row.rollback() == Rollback::Blocked
}
