//! The contract of a backend: keep bytes and compare numbers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::{DefinitionHash, StateName};
use saga_core::saga::Rollback;
use saga_core::{BulkActionId, CommandId, Incarnation, Record, SagaId, Seq, Timestamp};

use crate::{
    AgedSaga, AppendError, Backlog, BulkBegun, BulkCounts, BulkCursor, BulkItemResult, BulkState,
    CauseCursor, CauseMembers, CauseMinute, Causes, ClaimedItem, CommandStatus, DeedCursor, DeedsOf,
    FedFrame, FeedPlace, Forgotten, Joining, KeptBulkAction, KeptBulkItem, KeptCommand, KeptDeed, KeptRow,
    KeptSession, Lease, LineageCounts, LoadError, MinuteFigures, NewBulkAction, Posted, ReplicaId,
    ReplicaStanding, Resting, Row, SessionHash, Unavailable, UnderWay, WakeUp,
};

/// A page of [`Histories::list`], [`Histories::deeds`], [`Histories::feed`], [`Membership::claim`], [`Membership::owned`], [`Inbox::commands`]
/// or [`BulkActions::bulk_items`] has at most this many rows.
pub const ROWS_MAX: usize = 1_000;

/// Histories that are read in one request to the store. Each may be large, so they are fewer than the rows of a page.
pub const LOADED_TOGETHER_MAX: usize = 32;

/// A saga's history as it was read; `None`: there is none.
pub type LoadedHistory = Result<Option<History>, LoadError>;

/// The result of a store's methods.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place to keep sagas.
pub trait Store: Histories + Membership + Inbox + BulkActions + Library + Sessions + Retention {}

impl<T: Histories + Membership + Inbox + BulkActions + Library + Sessions + Retention> Store for T {}

/// The history of each saga, and the row that says where it stands.
pub trait Histories: Send + Sync + 'static {
    /// Appends all entries in one transaction, and makes them durable before it answers: one result for each, in
    /// order. A batch has at most one entry for a saga.
    ///
    /// An entry whose saga is not at `expected`, or has another owner, conflicts and changes nothing, while the others
    /// are kept; so does a start whose owner is gone. But an entry that is already there to the letter, of a saga that
    /// still has that owner, is `Ok`: its first append's answer was lost, and it comes again.
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>>;

    /// The whole histories of these sagas: one result for each, in order. At most [`LOADED_TOGETHER_MAX`] of them: more must not
    /// be asked for. A history that is damaged leaves the others as they are.
    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>>;

    /// A saga's whole history; `None`: there is none.
    fn load(&self, saga: SagaId) -> StoreFuture<'_, LoadedHistory> {
        Box::pin(async move { self.histories(vec![saga]).await?.pop().unwrap_or(Ok(None)) })
    }

    /// A saga's row.
    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>>;

    /// Those of these sagas that are kept, at most [`ROWS_MAX`] of them: more must not be asked for.
    fn known(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>>;

    /// Counts the sagas that are not over.
    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>>;

    /// The oldest sagas that are not over, by what each waits for and by its definition: at most
    /// [`UNDER_WAY_READ_MAX`](crate::UNDER_WAY_READ_MAX).
    fn under_way(&self) -> StoreFuture<'_, Result<UnderWay, Unavailable>>;

    /// Rows, newest first.
    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>>;

    /// The causes for which sagas need a person, in figures: at most `limit`, and at most [`CAUSES_MAX`](crate::CAUSES_MAX). Sagas that
    /// have come since `recent` are counted, too.
    fn causes(&self, recent: Timestamp, limit: usize) -> StoreFuture<'_, Result<Causes, Unavailable>>;

    /// The sagas of one cause, those first that have waited for longest, at most `limit`, from the first one after `after`.
    fn cause_members(
        &self,
        of: CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptRow>, Unavailable>>;

    /// How many sagas of one cause that still need a person came within each minute since then: minutes in which none came are not
    /// told, nor more than the last [`CAUSE_MINUTES_MAX`](crate::CAUSE_MINUTES_MAX), nor more sagas than the last
    /// [`CAUSE_SAGAS_COUNTED_MAX`](crate::CAUSE_SAGAS_COUNTED_MAX).
    fn cause_minutes(
        &self,
        cause: Arc<str>,
        since: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<CauseMinute>, Unavailable>>;

    /// The deeds of one name, newest first, at most `limit`, from the first one after `after`. They are kept with the
    /// entries that have them ([`Record::deed`]).
    fn deeds(
        &self,
        of: DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptDeed>, Unavailable>>;

    /// The figures of the minutes that began at `since` or later and before `until`, the owners of sagas added up: by minute,
    /// definition, outcome and step. At most [`FIGURES_ROWS_MAX`](crate::FIGURES_ROWS_MAX), the oldest ones.
    ///
    /// An entry that is kept is counted in its own transaction, and only once. Sagas that started or ended before the journal had
    /// figures are not in them.
    fn figures(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<MinuteFigures>, Unavailable>>;

    /// Takes away figures of minutes that began before that instant: the oldest, and at most `limit` rows, or [`ROWS_MAX`].
    fn forget_figures(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// The frames of all sagas in the feed's order, from the one that has `from` on: at most `limit`, and no more than about a
    /// mebibyte. A frame that has come since is behind those that were there. Frames that were kept before the journal had a
    /// feed may be missing.
    fn feed(&self, from: FeedPlace, limit: usize) -> StoreFuture<'_, Result<Vec<FedFrame>, Unavailable>>;

    /// The place from which the feed has the frames that come from now on, and perhaps some of this moment.
    fn feed_end(&self) -> StoreFuture<'_, Result<FeedPlace, Unavailable>>;

    /// Keeps why `owner` cannot read a saga of its own: it waits for an operator, since its last event if it did not before. Its history,
    /// and the rest of its row, are left as they are; so is a saga that has another owner by now, and may be read there.
    fn park(
        &self,
        saga: SagaId,
        owner: ReplicaId,
        reason: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Writes something that changes nothing, and makes it durable: whether that works tells whether the store can
    /// write at all.
    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Which of several databases this store has used, for metrics.
    fn lineage(&self) -> LineageCounts {
        LineageCounts::default()
    }

    /// Whether [`Histories::append`] blocks its thread: then the writer has a thread of its own.
    fn is_blocking(&self) -> bool {
        false
    }
}

/// The replicas that share the store, and which sagas each owns.
pub trait Membership: Send + Sync + 'static {
    /// The time of the store's own clock; `None`: it has none but this machine's.
    fn clock(&self) -> StoreFuture<'_, Result<Option<Timestamp>, Unavailable>> {
        Box::pin(async { Ok(None) })
    }

    /// How often the journal was set back to an older copy of itself. A replica asks after it has joined: one that joined in an earlier
    /// incarnation is gone by the time that a later one begins.
    fn incarnation(&self) -> StoreFuture<'_, Result<Incarnation, Unavailable>> {
        Box::pin(async { Ok(Incarnation::FIRST) })
    }

    /// Makes `replica` known, with a lease of this length, or [`LEASE_MAX`](crate::LEASE_MAX). Its id must be fresh.
    /// Joining again, because the answer was lost, is renewing: a replica that is gone stays gone.
    ///
    /// [`Joining::Started`]: the replica that had the same `name` before is gone.
    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        lease: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Renews a replica's lease: it lasts this long from now, by the store's own clock. A lease that ran out holds
    /// again if no other replica has made that final.
    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>>;

    /// Ends a replica's lease: the sagas that it owns can be claimed at once.
    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Makes final that leases have run out: those replicas are gone.
    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Puts sagas of `replica` to sleep: from then on they have no owner, and [`Membership::claim`] passes over them. A saga
    /// that is not where its [`Resting`] says, or is not the replica's, is left as it is; so asking again, because the
    /// answer was lost, does no harm.
    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Gives `replica` at most `limit` of the sagas that are asleep and whose time has come, or that a command waits for.
    /// From then on they are awake, and its own: each with its last event, where it fell asleep. A replica that is gone itself gets
    /// none.
    ///
    /// If this is `Unavailable`, some may be its own all the same: see [`Membership::claim`].
    fn wake(
        &self,
        replica: ReplicaId,
        due: WakeUp,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<(SagaId, Seq)>, Unavailable>>;

    /// Gives `replica` at most `limit` of the sagas that are awake and not over, and whose owner is gone. From then on they are
    /// its own, and only then may they be loaded. A replica that is gone itself gets none.
    ///
    /// If this is `Unavailable`, some may be its own all the same, and no other replica will look after them:
    /// [`Membership::owned`] tells.
    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>>;

    /// At most `limit` of the sagas that `replica` owns and that have something to do by themselves, in an
    /// order of the store's own, from the first one after `after`.
    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>>;

    /// The replicas that are not gone, and those that are, still own sagas and are known to the store: by their names, at most
    /// [`REPLICAS_TOLD_MAX`](crate::REPLICAS_TOLD_MAX).
    fn replicas(&self) -> StoreFuture<'_, Result<Vec<ReplicaStanding>, Unavailable>>;
}

/// Operators' commands, on their way to the owners of sagas.
pub trait Inbox: Send + Sync + 'static {
    /// Keeps a command for the owner of its saga, whichever replica that is by then.
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>>;

    /// At most `limit` of the commands that wait for `replica`, the first ones given first: those for sagas that it owns,
    /// and those for sagas that are over, which every replica can answer.
    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>>;

    /// How a command stands that was posted.
    fn status(&self, saga: SagaId, command: CommandId)
    -> StoreFuture<'_, Result<CommandStatus, Unavailable>>;

    /// Keeps why a command is refused, for the process that posted it.
    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Takes a command away: it was applied, or its refusal has been read.
    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Takes away the refused commands that were given before that instant, and whose sender has not come for the
    /// answer.
    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>>;
}

/// People who are signed in to the console, for all processes that share the store.
pub trait Sessions: Send + Sync + 'static {
    /// Keeps a new session. Its name keeps [`SESSIONS_PER_NAME_MAX`](crate::SESSIONS_PER_NAME_MAX) with it: the oldest others
    /// go. Opening it again, because the answer was lost, does no harm.
    fn open_session(&self, session: KeptSession) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// A session, if it was not closed. Whether it is over is for the caller to say.
    fn session(&self, id: SessionHash) -> StoreFuture<'_, Result<Option<KeptSession>, Unavailable>>;

    /// Keeps that a session was used at that instant, if that is later than what is kept.
    fn touch_session(&self, id: SessionHash, used: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Takes a session away.
    fn close_session(&self, id: SessionHash) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Takes away all sessions of a name.
    fn close_sessions_of(&self, name: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Takes away sessions that have ended by `now`, or that were last used at `unused_since` or before: at most
    /// [`SESSIONS_FORGOTTEN_MAX`](crate::SESSIONS_FORGOTTEN_MAX).
    fn forget_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
    ) -> StoreFuture<'_, Result<(), Unavailable>>;
}

/// Bulk actions: operators' wishes for many sagas, and what has come of each saga.
pub trait BulkActions: Send + Sync + 'static {
    /// Keeps an action with all its items, unless there is one of its key.
    fn begin_bulk(&self, action: NewBulkAction) -> StoreFuture<'_, Result<BulkBegun, Unavailable>>;

    /// Gives `replica` at most `limit` items to carry out: those of its own that are not `in_hand` (the answer was lost), those
    /// of replicas that are gone, and then waiting ones, of the action that was begun first, in its order. From then on they are
    /// [`BulkState::Sent`], and its own. A replica that is gone itself gets none. Asking again, because the answer was
    /// lost, gives the same ones.
    ///
    /// Actions that have no item left to carry out have ended, `now` if they had not before.
    fn claim_items(
        &self,
        replica: ReplicaId,
        in_hand: Vec<(BulkActionId, SagaId)>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<ClaimedItem>, Unavailable>>;

    /// Keeps the result of an item that is [`BulkState::Sent`]. An item that has a result keeps it.
    fn record_item(
        &self,
        action: BulkActionId,
        saga: SagaId,
        result: BulkItemResult,
    ) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// Takes back the items that wait: they are not carried out. Tells how many they were.
    fn take_back(&self, action: BulkActionId, now: Timestamp) -> StoreFuture<'_, Result<u64, Unavailable>>;

    /// An action.
    fn bulk_action(
        &self,
        action: BulkActionId,
    ) -> StoreFuture<'_, Result<Option<KeptBulkAction>, Unavailable>>;

    /// How many items of an action are in each state.
    fn bulk_counts(&self, action: BulkActionId) -> StoreFuture<'_, Result<BulkCounts, Unavailable>>;

    /// Actions, those that were begun last first, at most `limit`, from the first one after `after`.
    fn bulk_actions(
        &self,
        after: Option<BulkCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkAction>, Unavailable>>;

    /// The items of an action that are in that state, or all, in their order: at most `limit`, from the first one whose place is
    /// greater than `after`.
    fn bulk_items(
        &self,
        action: BulkActionId,
        state: Option<BulkState>,
        after: Option<u64>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkItem>, Unavailable>>;

    /// Takes away at most `limit` items of the oldest action that was begun and had ended before that instant, and the action
    /// once it has no items any more.
    fn forget_bulk(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>>;
}

/// Sagas that are over, and are taken away for good. The core says which are old enough.
pub trait Retention: Send + Sync + 'static {
    /// The names of all definitions that sagas have run, in their order.
    fn definition_names(&self) -> StoreFuture<'_, Result<Vec<Arc<str>>, Unavailable>>;

    /// The statements that grant the rights which [`Retention::forget`] needs and the store's role does not have; empty: none is
    /// missing.
    fn missing_grants(&self) -> StoreFuture<'_, Result<String, Unavailable>> {
        Box::pin(async { Ok(String::new()) })
    }

    /// Makes `replica` the one that takes sagas away, unless another one is that is not gone. Whether it is.
    fn hold_retention(&self, replica: ReplicaId) -> StoreFuture<'_, Result<bool, Unavailable>>;

    /// The sagas of a definition that started before `until`, whether they are over or not, the oldest first: at most `limit`, from
    /// the first one after `after`.
    fn aged(
        &self,
        definition: Arc<str>,
        until: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AgedSaga>, Unavailable>>;

    /// Takes sagas away for good, with their events, labels, deeds and commands, in one transaction. A saga that is not over stays, and so
    /// does one that somebody has to look at; a store may keep its newest saga. At most [`FORGOTTEN_TOGETHER_MAX`](crate::FORGOTTEN_TOGETHER_MAX)
    /// of them: more must not be given. Asking again, because the answer was lost, does no harm. Tells how many went.
    fn forget(&self, sagas: Vec<Forgotten>) -> StoreFuture<'_, Result<usize, Unavailable>>;
}

/// The definitions that sagas are pinned to.
pub trait Library: Send + Sync + 'static {
    /// Keeps a definition under its hash, for as long as there are sagas. Keeping it again is no mistake, and changes
    /// nothing but that its sagas become orders, if they are to be.
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>>;

    /// The definition kept under `hash`.
    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>>;
}

/// A definition as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDefinition {
    /// The saga's name, shown to readers of the table.
    pub name: Arc<str>,
    /// The YAML.
    pub source: Arc<str>,
    /// The number of the rules that it was checked with. Whether this release knows them is for the core to say.
    pub format: i64,
    /// Whether its sagas are orders, which the views for people show. Once that has been kept it stays so.
    pub orders: bool,
}

/// The events that one saga has to add.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Whose history it is.
    pub saga: SagaId,
    /// The replica that appends; a start makes it the saga's owner.
    pub owner: ReplicaId,
    /// The position of the last event before these; [`Seq::NONE`] for a start.
    pub expected: Seq,
    /// The events, at positions `expected + 1` and on; at least one.
    pub records: Vec<Record>,
    /// Where the saga stands after them.
    pub row: Row,
}

/// A saga's history as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The definition that the saga is pinned to.
    pub definition_hash: DefinitionHash,
    /// From the first event on, without gaps.
    pub records: Vec<Record>,
}

/// Which rows to list; `None` is any.
///
/// `query.rs` says which index serves which part. The name of the definition together with any other part is
/// served by an index of the latter: a caller for whom that could be many rows passes over the rows of other definitions by
/// itself, and stops after so many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The name of the definition.
    pub definition: Option<Arc<str>>,
    /// Whether only sagas that are not over are wanted.
    pub under_way: bool,
    /// Whether sagas that need a person are left out.
    pub needs_nobody: bool,
    /// Sagas that started then or later.
    pub since: Option<Timestamp>,
    /// Sagas that started before then.
    pub until: Option<Timestamp>,
    /// The saga's state.
    pub state: Option<StateName>,
    /// Whether done steps are being undone. A saga that cannot be read is blocked.
    pub rollback: Option<Rollback>,
    /// The key of the cause for which the saga needs a person; it may stand for several.
    pub cause: Option<Arc<str>>,
    /// The cause of the saga's failure. Only sagas that are over are wanted then.
    pub failed: Option<FailedAt>,
    /// Labels, each with its value as text.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
}

/// The cause of a saga's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailedAt {
    /// Anything: a step, a command, or its deadline.
    Any,
    /// The step of this name.
    Step(Arc<str>),
}

/// The last row of a page: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When that saga started.
    pub created: Timestamp,
    /// Tells sagas of the same instant apart.
    pub saga: SagaId,
}

impl Cursor {
    /// Before the first one, in the order of starts.
    pub(crate) const BEFORE_ALL: Self =
        Self { created: Timestamp::from_micros(i64::MIN), saga: SagaId::new(uuid::Uuid::nil()) };
}

/// Some rows, and where the next ones begin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Newest first.
    pub rows: Vec<KeptRow>,
    /// `None`: there are no more.
    pub next: Option<Cursor>,
}
