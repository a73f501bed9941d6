//! False answers of a store, and work that it must not do.

use std::time::Duration;

use saga_core::{CallbackSecret, Callbacks, Event, SagaId, Seq, Timestamp};
use saga_journal::memory::Memory;
use saga_journal::{
    AppendError, Entry, Filter, Histories, History, Inbox, Membership, ReplicaId, Unavailable,
};

use super::{Bug, Lies};
use crate::callback::CALLED_BACK_AT;

/// A store's answer about a batch.
pub(crate) type Appended = Result<Vec<Result<(), AppendError>>, Unavailable>;

impl Lies {
    /// Keeps a batch.
    pub(crate) async fn append(self, memory: &Memory, batch: &[Entry]) -> Appended {
        if !self.has(Bug::AppendsWithoutLooking) {
            return memory.append(batch).await;
        }
        let mut results = Vec::new();
        for entry in batch {
            let mut entry = entry.clone();
            if let (Some(row), Ok(Some(history))) =
                (memory.row(entry.saga).await?, memory.load(entry.saga).await)
            {
                entry.owner = row.owner;
                entry.expected = Seq::NONE.plus(history.records.len());
            }
            results.extend(memory.append(&[entry]).await?);
        }
        Ok(results)
    }

    /// The answer about its batch that a process gets.
    pub(crate) fn appended(self, said: Appended, entries: usize) -> Appended {
        match (self.0, said) {
            (Some(Bug::DoubtIsDone), Err(_)) => Ok(vec![Ok(()); entries]),
            (Some(Bug::ConflictIsDone), Ok(results)) => {
                let believed = |result| match result {
                    Err(AppendError::Conflict) => Ok(()),
                    other => other,
                };
                Ok(results.into_iter().map(believed).collect())
            }
            (_, said) => said,
        }
    }

    /// The history that a process gets.
    pub(crate) fn history(self, mut history: History) -> History {
        if let Some(Event::Started { callbacks, .. }) =
            history.records.first_mut().map(|record| &mut record.event)
            && self.has(Bug::ForgetsSecrets)
        {
            let other = Callbacks::new(CALLED_BACK_AT.into(), CallbackSecret::drawn(1));
            *callbacks = callbacks.take().map(|_| other);
        }
        history
    }

    /// The lease that a process gets when it asks for this one: it counts on what it has asked for.
    pub(crate) fn lease(self, asked: Duration) -> Duration {
        if self.has(Bug::IgnoresLease) { asked / 5 } else { asked }
    }

    /// The time of the store's clock that a process gets, if the store has one.
    pub(crate) fn clock(self, clock: Option<Timestamp>) -> Option<Timestamp> {
        clock.filter(|_| !self.has(Bug::TrustsWallClock))
    }

    /// Gives sagas without an owner to `replica`.
    pub(crate) async fn claim(
        self,
        memory: &Memory,
        replica: ReplicaId,
        limit: usize,
    ) -> Result<Vec<SagaId>, Unavailable> {
        if self.has(Bug::ClaimsFromTheLiving) {
            let rows = memory.list(Filter::default(), None, limit).await?.rows;
            for row in rows.iter().filter(|row| row.owner != replica) {
                memory.leave(row.owner).await?;
            }
        }
        let claimed = memory.claim(replica, limit).await?;
        if self.has(Bug::ForgetsInbox) {
            let waiting = memory.commands(replica, usize::MAX).await?;
            for command in waiting.iter().filter(|command| claimed.contains(&command.saga)) {
                memory.remove(command.saga, command.id).await?;
            }
        }
        Ok(claimed)
    }

    /// The sagas that a replica owns.
    pub(crate) fn owned(self, sagas: Vec<SagaId>) -> Vec<SagaId> {
        if self.has(Bug::NeverSweeps) { Vec::new() } else { sagas }
    }
}
