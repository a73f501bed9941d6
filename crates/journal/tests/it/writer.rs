//! The journal's writer never dies in silence.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::{BulkActionId, CommandId, SagaId, Seq, Timestamp};
use saga_journal::memory::Memory;
use saga_journal::{
    AgedSaga, AppendError, Backlog, BulkActions, BulkBegun, BulkCounts, BulkCursor, BulkItemResult,
    BulkState, CauseCursor, CauseMembers, CauseMinute, Causes, ClaimedItem, CommandStatus, Cursor,
    DeedCursor, DeedsOf, Entry, FedFrame, FeedPlace, Filter, Forgotten, Histories, Inbox, Joining, Journal,
    KeptBulkAction, KeptBulkItem, KeptCommand, KeptDeed, KeptDefinition, KeptRow, KeptSession, Lease,
    Library, LoadedHistory, Membership, MinuteFigures, NewBulkAction, Page, Posted, ReplicaId,
    ReplicaStanding, Resting, Retention, SessionHash, Sessions, StoreFuture, Unavailable, UnderWay, WakeUp,
};
use tokio::time::timeout;

use crate::entries::{OWNER, saga, start};
use crate::fixture::{Fixture, InMemory, join};

/// Far longer than telling takes.
const SOON: Duration = Duration::from_secs(10);

/// A store whose appends panic once that is switched on, on the writer's thread or in its task.
struct Panicking {
    memory: Memory,
    panics: AtomicBool,
    is_blocking: bool,
}

impl Panicking {
    async fn new(is_blocking: bool) -> Arc<Self> {
        let memory = Memory::default();
        join(&memory, OWNER).await;
        Arc::new(Self { memory, panics: AtomicBool::new(false), is_blocking })
    }
}

async fn a_panic_is_told_and_later_appends_fail_at_once(is_blocking: bool) {
    let store = Panicking::new(is_blocking).await;
    let journal = Journal::new(store.clone());
    journal.append(start(1)).await.unwrap();
    let ended = journal.ended();
    assert!(timeout(Duration::from_millis(50), journal.ended()).await.is_err());
    store.panics.store(true, Ordering::SeqCst);
    let (failed, reason) = tokio::join!(journal.append(start(2)), timeout(SOON, ended));
    assert!(failed.is_err());
    let reason = reason.expect("the panic is told");
    assert_eq!(&*reason, "the journal's writer has panicked: on purpose, within the store");
    let failed = journal.append(start(3)).await.unwrap_err();
    assert!(failed.error.to_string().contains(&*reason), "{failed}");
    assert_eq!(failed.entry.unwrap().saga, saga(3), "the entry comes back");
    // Told again to later askers.
    assert_eq!(timeout(SOON, journal.ended()).await, Ok(reason));
}

#[tokio::test]
async fn a_store_that_panics_in_the_writer_s_task_is_noticed() {
    a_panic_is_told_and_later_appends_fail_at_once(false).await;
}

#[tokio::test]
async fn a_store_that_panics_in_the_writer_s_thread_is_noticed() {
    a_panic_is_told_and_later_appends_fail_at_once(true).await;
}

#[tokio::test]
async fn a_writer_that_is_dropped_is_noticed_and_one_that_is_closed_is_no_death() {
    let (journal, writer) = Journal::with_writer(InMemory::new().open().await);
    drop(writer);
    assert_eq!(&*timeout(SOON, journal.ended()).await.unwrap(), "the journal's writer was stopped");

    let (journal, writer) = Journal::with_writer(InMemory::new().open().await);
    let ended = journal.ended();
    // A task that waits for the end does not keep the writer alive.
    drop(journal);
    timeout(SOON, writer).await.expect("it is closed");
    tokio::select! {
        biased;
        reason = ended => panic!("{reason}"),
        () = tokio::time::sleep(Duration::from_millis(20)) => {}
        () = pending() => {}
    }
}

impl Histories for Panicking {
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>> {
        assert!(!self.panics.load(Ordering::SeqCst), "on purpose, within the store");
        self.memory.append(batch)
    }

    fn is_blocking(&self) -> bool {
        self.is_blocking
    }

    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>> {
        self.memory.histories(sagas)
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        self.memory.row(saga)
    }

    fn known(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
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
        self.memory.probe()
    }
}

impl Membership for Panicking {
    fn clock(&self) -> StoreFuture<'_, Result<Option<Timestamp>, Unavailable>> {
        self.memory.clock()
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

    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        self.memory.renew(replica, lease)
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.leave(replica)
    }

    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.expire()
    }

    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>> {
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

impl Inbox for Panicking {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        self.memory.post(command)
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
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

impl Sessions for Panicking {
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

impl Retention for Panicking {
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

impl BulkActions for Panicking {
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

impl Library for Panicking {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.memory.define(hash, kept)
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        self.memory.definition(hash)
    }
}
