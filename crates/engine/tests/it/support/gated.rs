//! A journal in memory that waits, fails and panics when a test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::{BulkActionId, CommandId, Incarnation, SagaId, Seq, Timestamp};
use saga_journal::memory::Memory;
use saga_journal::{
    AgedSaga, AppendError, Backlog, BulkActions, BulkBegun, BulkCounts, BulkCursor, BulkItemResult,
    BulkState, CauseCursor, CauseMembers, CauseMinute, Causes, ClaimedItem, CommandStatus, Cursor,
    DeedCursor, DeedsOf, Entry, FedFrame, FeedPlace, Filter, Forgotten, Histories, Inbox, Joining,
    KeptBulkAction, KeptBulkItem, KeptCommand, KeptDeed, KeptDefinition, KeptRow, KeptSession, Lease,
    Library, LoadedHistory, Membership, MinuteFigures, NewBulkAction, Page, Posted, ReplicaId,
    ReplicaStanding, Resting, Retention, SessionHash, Sessions, StoreFuture, Unavailable, UnderWay, WakeUp,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Log;

/// A memory journal behind a gate: appends wait while it is shut, and fail while it is broken.
pub struct Gated {
    memory: Memory,
    open: watch::Sender<bool>,
    pub broken: AtomicBool,
    /// Whether it puts no saga to sleep.
    pub sleepless: AtomicBool,
    /// Words left for owners cannot be read.
    pub deaf: AtomicBool,
    /// Keep the next batch, but lose its answer.
    pub lose_answer: AtomicBool,
    /// Renewing the lease panics.
    pub panics: AtomicBool,
    /// Appending panics.
    pub appends_panic: AtomicBool,
    /// The journal has a clock of its own, which shows the right time.
    pub has_clock: AtomicBool,
    /// How often the journal was set back to an older copy of itself.
    pub incarnation: AtomicI64,
    /// For how many sagas it was asked whether they are kept.
    pub looked_up: AtomicUsize,
    /// How far its clock has been set on, in seconds.
    stepped: AtomicI64,
    begun: Instant,
    pub log: Log,
}

impl Gated {
    /// An empty journal whose gate is open and whose parts all work.
    pub fn open_now(log: Log) -> Self {
        Self {
            memory: Memory::default(),
            open: watch::channel(true).0,
            broken: AtomicBool::new(false),
            sleepless: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            lose_answer: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            appends_panic: AtomicBool::new(false),
            has_clock: AtomicBool::new(false),
            incarnation: AtomicI64::new(1),
            looked_up: AtomicUsize::new(0),
            stepped: AtomicI64::new(0),
            begun: Instant::now(),
            log,
        }
    }

    /// Sets the journal's clock on, as its administrator may.
    pub fn step_clock(&self, seconds: i64) {
        self.stepped.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }
}

impl Histories for Gated {
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>> {
        Box::pin(async move {
            assert!(!self.appends_panic.load(Ordering::SeqCst), "on purpose");
            let mut open = self.open.subscribe();
            let _ = open.wait_for(|open| *open).await;
            if self.broken.load(Ordering::SeqCst) {
                return Err(Unavailable::because("broken"));
            }
            let results = self.memory.append(batch).await?;
            for (entry, result) in batch.iter().zip(&results) {
                let last = entry.expected.plus(entry.records.len());
                let how = if result.is_ok() { "durable" } else { "conflict" };
                self.log.lock().unwrap().push(format!("{how} {}-{last}", entry.expected.next()));
            }
            if self.lose_answer.swap(false, Ordering::SeqCst) {
                return Err(Unavailable::because("the answer was lost"));
            }
            Ok(results)
        })
    }

    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>> {
        self.memory.histories(sagas)
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        self.memory.row(saga)
    }

    fn known(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        self.looked_up.fetch_add(sagas.len(), Ordering::SeqCst);
        self.memory.known(sagas)
    }

    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>> {
        self.memory.backlog()
    }

    fn under_way(&self) -> StoreFuture<'_, Result<UnderWay, Unavailable>> {
        self.memory.under_way()
    }

    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>> {
        self.memory.list(filter, after, limit)
    }

    fn figures(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<MinuteFigures>, Unavailable>> {
        self.memory.figures(since, until)
    }

    fn forget_figures(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.forget_figures(before, limit)
    }

    fn feed(&self, from: FeedPlace, limit: usize) -> StoreFuture<'_, Result<Vec<FedFrame>, Unavailable>> {
        self.memory.feed(from, limit)
    }

    fn feed_end(&self) -> StoreFuture<'_, Result<FeedPlace, Unavailable>> {
        self.memory.feed_end()
    }

    fn causes(&self, recent: Timestamp, limit: usize) -> StoreFuture<'_, Result<Causes, Unavailable>> {
        self.memory.causes(recent, limit)
    }

    fn cause_members(
        &self,
        of: CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptRow>, Unavailable>> {
        self.memory.cause_members(of, after, limit)
    }

    fn cause_minutes(
        &self,
        cause: Arc<str>,
        since: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<CauseMinute>, Unavailable>> {
        self.memory.cause_minutes(cause, since)
    }

    fn deeds(
        &self,
        of: DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptDeed>, Unavailable>> {
        self.memory.deeds(of, after, limit)
    }

    fn park(
        &self,
        saga: SagaId,
        owner: ReplicaId,
        reason: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.park(saga, owner, reason)
    }

    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("broken")) });
        }
        self.memory.probe()
    }
}

impl Membership for Gated {
    fn incarnation(&self) -> StoreFuture<'_, Result<Incarnation, Unavailable>> {
        let incarnation = Incarnation::new(self.incarnation.load(Ordering::SeqCst)).unwrap();
        Box::pin(async move { Ok(incarnation) })
    }

    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        lease: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.join(replica, name, joining, lease)
    }

    fn clock(&self) -> StoreFuture<'_, Result<Option<Timestamp>, Unavailable>> {
        let stepped = self.stepped.load(Ordering::SeqCst) * 1_000_000;
        let right = Timestamp::from_micros(1_700_000_000_000_000 + stepped).plus(self.begun.elapsed());
        let time = self.has_clock.load(Ordering::SeqCst).then_some(right);
        Box::pin(async move { Ok(time) })
    }

    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        assert!(!self.panics.load(Ordering::SeqCst), "the store panics");
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("broken")) });
        }
        self.memory.renew(replica, lease)
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.leave(replica)
    }

    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.expire()
    }

    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>> {
        if self.sleepless.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("sleepless")) });
        }
        self.memory.rest(replica, sagas)
    }

    fn wake(
        &self,
        replica: ReplicaId,
        due: WakeUp,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<(SagaId, Seq)>, Unavailable>> {
        self.memory.wake(replica, due, limit)
    }

    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        self.memory.claim(replica, limit)
    }

    fn replicas(&self) -> StoreFuture<'_, Result<Vec<ReplicaStanding>, Unavailable>> {
        self.memory.replicas()
    }

    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        self.memory.owned(replica, after, limit)
    }
}

impl Inbox for Gated {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        self.memory.post(command)
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
        if self.deaf.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("deaf")) });
        }
        self.memory.commands(replica, limit)
    }

    fn status(
        &self,
        saga: SagaId,
        command: CommandId,
    ) -> StoreFuture<'_, Result<CommandStatus, Unavailable>> {
        self.memory.status(saga, command)
    }

    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.refuse(saga, command, why)
    }

    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.remove(saga, command)
    }

    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.forget_refused(before)
    }
}

impl Sessions for Gated {
    fn open_session(&self, session: KeptSession) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.open_session(session)
    }

    fn session(&self, id: SessionHash) -> StoreFuture<'_, Result<Option<KeptSession>, Unavailable>> {
        self.memory.session(id)
    }

    fn touch_session(&self, id: SessionHash, used: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.touch_session(id, used)
    }

    fn close_session(&self, id: SessionHash) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.close_session(id)
    }

    fn close_sessions_of(&self, name: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.close_sessions_of(name)
    }

    fn forget_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.forget_sessions(now, unused_since)
    }
}

impl Retention for Gated {
    fn definition_names(&self) -> StoreFuture<'_, Result<Vec<Arc<str>>, Unavailable>> {
        self.memory.definition_names()
    }

    fn hold_retention(&self, replica: ReplicaId) -> StoreFuture<'_, Result<bool, Unavailable>> {
        self.memory.hold_retention(replica)
    }

    fn aged(
        &self,
        definition: Arc<str>,
        until: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AgedSaga>, Unavailable>> {
        self.memory.aged(definition, until, after, limit)
    }

    fn forget(&self, sagas: Vec<Forgotten>) -> StoreFuture<'_, Result<usize, Unavailable>> {
        self.memory.forget(sagas)
    }
}

impl BulkActions for Gated {
    fn begin_bulk(&self, action: NewBulkAction) -> StoreFuture<'_, Result<BulkBegun, Unavailable>> {
        self.memory.begin_bulk(action)
    }

    fn claim_items(
        &self,
        replica: ReplicaId,
        in_hand: Vec<(BulkActionId, SagaId)>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<ClaimedItem>, Unavailable>> {
        self.memory.claim_items(replica, in_hand, limit, now)
    }

    fn record_item(
        &self,
        action: BulkActionId,
        saga: SagaId,
        result: BulkItemResult,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.record_item(action, saga, result)
    }

    fn take_back(&self, action: BulkActionId, now: Timestamp) -> StoreFuture<'_, Result<u64, Unavailable>> {
        self.memory.take_back(action, now)
    }

    fn bulk_action(
        &self,
        action: BulkActionId,
    ) -> StoreFuture<'_, Result<Option<KeptBulkAction>, Unavailable>> {
        self.memory.bulk_action(action)
    }

    fn bulk_counts(&self, action: BulkActionId) -> StoreFuture<'_, Result<BulkCounts, Unavailable>> {
        self.memory.bulk_counts(action)
    }

    fn bulk_actions(
        &self,
        after: Option<BulkCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkAction>, Unavailable>> {
        self.memory.bulk_actions(after, limit)
    }

    fn bulk_items(
        &self,
        action: BulkActionId,
        state: Option<BulkState>,
        after: Option<u64>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkItem>, Unavailable>> {
        self.memory.bulk_items(action, state, after, limit)
    }

    fn forget_bulk(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.forget_bulk(before, limit)
    }
}

impl Library for Gated {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(Unavailable::because("broken")) });
        }
        self.memory.define(hash, kept)
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        self.memory.definition(hash)
    }
}
