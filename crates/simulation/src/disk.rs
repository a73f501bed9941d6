//! The journal's disk, as each process reaches it: a memory store behind a line that may be slow, cut, or lose answers.
//! An operation that has arrived is done, whether or not the process that asked is still there to hear of it.
// Long: one database, and each of the store's methods with what may befall it.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::event::{Cause, Stuck};
use saga_core::{BulkActionId, CommandId, Event, SagaId, Seq, Timestamp};
use saga_journal::memory::Memory;
use saga_journal::{
    AgedSaga, Backlog, BulkActions, BulkBegun, BulkCounts, BulkCursor, BulkItemResult, BulkState,
    CauseCursor, CauseMembers, CauseMinute, Causes, ClaimedItem, CommandStatus, Cursor, DeedCursor, DeedsOf,
    Entry, FedFrame, FeedPlace, Filter, Forgotten, Histories, Inbox, Joining, KeptBulkAction, KeptBulkItem,
    KeptCommand, KeptDeed, KeptDefinition, KeptRow, KeptSession, Lease, Library, LoadedHistory, Membership,
    MinuteFigures, NewBulkAction, Page, Posted, ReplicaId, ReplicaStanding, Resting, Retention, SessionHash,
    Sessions, StoreFuture, Unavailable, UnderWay, WakeUp,
};
use saga_testkit::dice::Dice;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::bugs::{Appended, Lies};
use crate::process::{BEGINNING_US, Process, STORE_PANICS, outside};
use crate::record::Recorder;
use crate::script::{Crash, Script};

/// The database: one for all processes.
pub(crate) struct Disk {
    pub(crate) memory: Memory,
    /// Whether it is out of every process's reach.
    pub(crate) is_out: AtomicBool,
    /// When the world began; the database's clock is right.
    pub(crate) begun: Instant,
    /// Whether the database has a clock that processes can ask.
    pub(crate) has_clock: bool,
    /// When each saga says that it started.
    pub(crate) started: Mutex<HashMap<SagaId, Timestamp>>,
    /// Until when each step waits.
    waits: Mutex<HashMap<(SagaId, usize), Timestamp>>,
    /// The commands that were posted for each saga.
    posted: Mutex<HashMap<SagaId, Vec<CommandId>>>,
}

/// How far a process's clock may be off.
const CLOCK_SLACK: Duration = Duration::from_secs(2);
/// How long a start may take to be kept: its process may be paused, the database out.
const START_KEPT_WITHIN: Duration = Duration::from_secs(90);

impl Disk {
    pub(crate) fn new(has_clock: bool) -> Self {
        Self {
            memory: Memory::new(),
            is_out: AtomicBool::new(false),
            begun: Instant::now(),
            has_clock,
            started: Mutex::default(),
            waits: Mutex::default(),
            posted: Mutex::default(),
        }
    }

    /// Whether a command waits for this saga's owner.
    pub(crate) fn is_commanded(&self, saga: SagaId) -> bool {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |id: &CommandId| matches!(now(self.memory.status(saga, *id)), Ok(CommandStatus::Waiting));
        posted.get(&saga).is_some_and(|posted| posted.iter().any(waits))
    }

    /// The right time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(BEGINNING_US).plus(self.begun.elapsed())
    }

    /// A start is recorded about when it happened, whatever the clocks of processes show.
    fn judge_start(&self, saga: SagaId, at: Timestamp, recorder: &Recorder) {
        let now = self.now();
        if self.has_clock && (at.since(now) > CLOCK_SLACK || now.since(at) > START_KEPT_WITHIN) {
            recorder.violation("time", format_args!("{saga} says that it started at {at}, and it is {now}"));
        }
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.entry(saga).or_insert(at);
    }

    /// Nor does a deadline fire before its time.
    fn judge_deadline(&self, saga: SagaId, deadline: Duration, recorder: &Recorder) {
        let now = self.now();
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner).get(&saga).copied();
        if let Some(started) = started.filter(|_| self.has_clock)
            && now.since(started) + CLOCK_SLACK < deadline
        {
            recorder.violation(
                "time",
                format_args!("{saga}'s deadline of {deadline:?} fired at {now}; it started at {started}"),
            );
        }
    }
}

impl Disk {
    fn note_wait(&self, saga: SagaId, step: usize, until: Timestamp) {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner).insert((saga, step), until);
    }

    /// No pause ends before its time, whatever the clocks of processes show.
    fn judge_pause(&self, saga: SagaId, step: usize, recorder: &Recorder) {
        let until = self.waits.lock().unwrap_or_else(PoisonError::into_inner).get(&(saga, step)).copied();
        let now = self.now();
        if let Some(until) = until.filter(|_| self.has_clock)
            && now.plus(CLOCK_SLACK) < until
        {
            recorder.violation("time", format_args!("a pause of {saga} until {until} has ended at {now}"));
        }
    }
}

/// A future of the memory store, which is always ready.
pub(crate) fn now<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store waits for nothing"),
    }
}

/// How often the line fails, out of a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LineFaults {
    pub(crate) refused: u32,
    pub(crate) answer_lost: u32,
    pub(crate) stalled: u32,
    pub(crate) unavailable: u32,
    /// A renewal of the lease panics, as a bug in a store would.
    pub(crate) panics: u32,
}

/// One process's line to the database.
pub(crate) struct DatabaseLine {
    pub(crate) disk: Arc<Disk>,
    pub(crate) process: Arc<Process>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) dice: Dice,
    pub(crate) faults: LineFaults,
    /// The world is kind by now.
    pub(crate) kind: Arc<AtomicBool>,
    /// How long sagas may go forward.
    pub(crate) deadline: Duration,
    pub(crate) lies: Lies,
    /// In a small world, when the process dies.
    pub(crate) script: Option<Arc<Script>>,
}

impl DatabaseLine {
    fn faults(&self) -> LineFaults {
        if self.kind.load(Ordering::Relaxed) { LineFaults::default() } else { self.faults }
    }

    fn out(&self) -> Result<(), Unavailable> {
        if self.disk.is_out.load(Ordering::Relaxed) {
            self.recorder.hit("journal: outage");
            return Err(Unavailable::because("the database is out"));
        }
        Ok(())
    }

    /// A round trip that may fail on the way there; then nothing was done.
    async fn reach(&self, fault: &'static str) -> Result<(), Unavailable> {
        sleep(self.dice.millis(0, 3)).await;
        self.out()?;
        if self.dice.chance(self.faults().unavailable) {
            self.recorder.hit(fault);
            return Err(Unavailable::because("the line broke"));
        }
        Ok(())
    }

    /// As the script has it: the process may die before the batch is durable, or right after.
    async fn append_scripted(&self, script: &Script, batch: &[Entry]) -> Appended {
        let (dies_before, dies_after) =
            (script.dies_writing(Crash::Before), script.dies_writing(Crash::After));
        if dies_before {
            self.process.kill();
            return pending().await;
        }
        let result = self.disk.memory.append(batch).await;
        if dies_after {
            self.process.kill();
            return pending().await;
        }
        sleep(Duration::from_millis(1)).await;
        result
    }

    /// An append on its way there and back.
    async fn carry(&self, batch: &[Entry]) -> Appended {
        let faults = self.faults();
        self.out()?;
        if let Some(script) = &self.script {
            return self.append_scripted(script, batch).await;
        }
        if self.dice.chance(faults.refused) {
            self.recorder.hit("journal: append refused");
            return Err(Unavailable::because("refused"));
        }
        let stalled = self.dice.chance(faults.stalled);
        if stalled {
            self.recorder.hit("journal: append stalled");
        }
        let long = if stalled { 6_000 } else { 4 };
        let (there, back) = (self.dice.millis(0, long), self.dice.millis(0, 4));
        let lost = self.dice.chance(faults.answer_lost);
        let (answer, answered) = oneshot::channel();
        let (disk, recorder, process) = (self.disk.clone(), self.recorder.clone(), self.process.clone());
        let (deadline, lies) = (self.deadline, self.lies);
        let batch = batch.to_vec();
        // On its way to the database, it is out of the process's hands.
        outside(async move {
            sleep(there).await;
            let result = match disk.is_out.load(Ordering::Relaxed) {
                true => Err(Unavailable::because("the database is out")),
                false => lies.append(&disk.memory, &batch).await,
            };
            if let Ok(results) = &result {
                if process.is_dead() && results.iter().any(Result::is_ok) {
                    recorder.hit("journal: append lands after its process is dead");
                }
                for (entry, kept) in batch.iter().zip(results) {
                    recorder.note(|| {
                        format!("{} {}", if kept.is_ok() { "disk" } else { "conflict" }, describe(entry))
                    });
                    if kept.is_err() {
                        recorder.hit("journal: conflict");
                    }
                    for record in entry.records.iter().filter(|_| kept.is_ok()) {
                        match &record.event {
                            Event::TakenOver { .. } => recorder.hit("saga: taken over"),
                            Event::Started { .. } => disk.judge_start(entry.saga, record.at, &recorder),
                            Event::Blocked { stuck: Stuck::TaskFailed, .. } => recorder.hit("saga: parked"),
                            Event::Blocked { stuck: Stuck::HorizonPassed, .. } => {
                                recorder.hit("saga: blocked, the promise has ended");
                            }
                            Event::Blocked { .. } => recorder.hit("saga: blocked"),
                            Event::Waits { step, until } => disk.note_wait(entry.saga, *step, *until),
                            Event::PauseEnded { step } => disk.judge_pause(entry.saga, *step, &recorder),
                            Event::RollbackDecided { cause: Cause::DeadlinePassed } => {
                                recorder.hit("saga: deadline passed");
                                disk.judge_deadline(entry.saga, deadline, &recorder);
                            }
                            _ => {}
                        }
                    }
                }
            }
            sleep(back).await;
            let _ = answer.send(result);
        });
        let result = answered.await.unwrap_or_else(|_| Err(Unavailable::because("the line broke")))?;
        if lost {
            self.recorder.hit("journal: append kept, answer lost");
            return Err(Unavailable::because("the answer was lost"));
        }
        Ok(result)
    }

    /// Whether the answer of something that was done is lost on the way back.
    fn loses_answer(&self, fault: &'static str) -> Result<(), Unavailable> {
        if self.dice.chance(self.faults().answer_lost) {
            self.recorder.hit(fault);
            return Err(Unavailable::because("the answer was lost"));
        }
        Ok(())
    }
}

/// An entry's content, for a trace.
fn describe(entry: &Entry) -> String {
    let events: Vec<String> = entry
        .records
        .iter()
        .map(|record| match &record.event {
            Event::AttemptStarted { step, direction, attempt } => {
                format!("{step} {direction}#{}", attempt.get())
            }
            Event::AttemptEnded { step, direction, attempt, outcome, .. } => {
                format!("{step} {direction}#{} {outcome}", attempt.get())
            }
            Event::Started { .. } => "started".into(),
            Event::TakenOver { epoch, .. } => format!("taken over {}", epoch.get()),
            other => format!("{other:?}").chars().take(60).collect(),
        })
        .collect();
    let saga = entry.saga.to_string();
    format!("{}: {}", &saga[saga.len() - 4..], events.join(", "))
}

impl Histories for DatabaseLine {
    fn append<'a>(&'a self, batch: &'a [Entry]) -> StoreFuture<'a, Appended> {
        Box::pin(async move { self.lies.appended(self.carry(batch).await, batch.len()) })
    }

    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            let loaded = self.disk.memory.histories(sagas).await?;
            let seen = |history: Option<_>| history.map(|history| self.lies.history(history));
            Ok(loaded.into_iter().map(|loaded| loaded.map(seen)).collect())
        })
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.row(saga).await
        })
    }

    fn known(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.known(sagas).await
        })
    }

    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>> {
        self.disk.memory.backlog()
    }

    fn under_way(&self) -> StoreFuture<'_, Result<UnderWay, Unavailable>> {
        self.disk.memory.under_way()
    }

    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>> {
        self.disk.memory.list(filter, after, limit)
    }

    fn figures(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<MinuteFigures>, Unavailable>> {
        self.disk.memory.figures(since, until)
    }

    fn forget_figures(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.forget_figures(before, limit)
    }

    fn feed(&self, from: FeedPlace, limit: usize) -> StoreFuture<'_, Result<Vec<FedFrame>, Unavailable>> {
        self.disk.memory.feed(from, limit)
    }

    fn feed_end(&self) -> StoreFuture<'_, Result<FeedPlace, Unavailable>> {
        self.disk.memory.feed_end()
    }

    fn causes(&self, recent: Timestamp, limit: usize) -> StoreFuture<'_, Result<Causes, Unavailable>> {
        self.disk.memory.causes(recent, limit)
    }

    fn cause_members(
        &self,
        of: CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptRow>, Unavailable>> {
        self.disk.memory.cause_members(of, after, limit)
    }

    fn cause_minutes(
        &self,
        cause: Arc<str>,
        since: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<CauseMinute>, Unavailable>> {
        self.disk.memory.cause_minutes(cause, since)
    }

    fn deeds(
        &self,
        of: DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptDeed>, Unavailable>> {
        self.disk.memory.deeds(of, after, limit)
    }

    fn park(
        &self,
        saga: SagaId,
        owner: ReplicaId,
        reason: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.recorder.violation("P6", format_args!("{saga} could not be read: {reason}"));
        self.disk.memory.park(saga, owner, reason)
    }

    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move { self.reach("journal: read unavailable").await })
    }
}

impl Membership for DatabaseLine {
    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        lease: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: renewal unavailable").await?;
            self.disk.memory.join(replica, name, joining, self.lies.lease(lease)).await
        })
    }

    fn clock(&self) -> StoreFuture<'_, Result<Option<Timestamp>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: renewal unavailable").await?;
            Ok(self.lies.clock(self.disk.has_clock.then_some(self.disk.now())))
        })
    }

    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        Box::pin(async move {
            if self.dice.chance(self.faults().panics) {
                self.recorder.hit("process: a vital task dies");
                panic!("{STORE_PANICS}");
            }
            self.reach("journal: renewal unavailable").await?;
            let lease = self.disk.memory.renew(replica, self.lies.lease(lease)).await?;
            if lease == Lease::Lost {
                self.recorder.hit("process: lease lost and noticed");
            }
            Ok(lease)
        })
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: renewal unavailable").await?;
            self.disk.memory.leave(replica).await
        })
    }

    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: renewal unavailable").await?;
            self.disk.memory.expire().await
        })
    }

    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.rest(replica, sagas).await?;
            self.recorder.hit("saga: falls asleep");
            self.loses_answer("journal: asleep, answer lost")
        })
    }

    fn wake(
        &self,
        replica: ReplicaId,
        due: WakeUp,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<(SagaId, Seq)>, Unavailable>> {
        Box::pin(async move {
            // Most looks find nothing: whether such a look gets through makes no difference.
            if !self.disk.memory.has_to_wake(due) {
                return Ok(Vec::new());
            }
            self.reach("journal: read unavailable").await?;
            let woken = self.disk.memory.wake(replica, due, limit).await?;
            if !woken.is_empty() {
                self.recorder.note(|| format!("{replica} wakes {}", woken.len()));
                self.loses_answer("journal: awake, answer lost")?;
            }
            Ok(woken)
        })
    }

    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            let claimed = self.lies.claim(&self.disk.memory, replica, limit).await?;
            if !claimed.is_empty() {
                self.recorder.note(|| format!("{replica} claims {}", claimed.len()));
                self.loses_answer("journal: claim kept, answer lost")?;
            }
            Ok(claimed)
        })
    }

    fn replicas(&self) -> StoreFuture<'_, Result<Vec<ReplicaStanding>, Unavailable>> {
        self.disk.memory.replicas()
    }

    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            Ok(self.lies.owned(self.disk.memory.owned(replica, after, limit).await?))
        })
    }
}

impl Inbox for DatabaseLine {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            let (saga, id) = (command.saga, command.id);
            let posted = self.disk.memory.post(command).await?;
            let mut all = self.disk.posted.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(saga).or_default().push(id);
            drop(all);
            self.loses_answer("inbox: posted, answer lost")?;
            Ok(posted)
        })
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.commands(replica, limit).await
        })
    }

    fn status(
        &self,
        saga: SagaId,
        command: CommandId,
    ) -> StoreFuture<'_, Result<CommandStatus, Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.status(saga, command).await
        })
    }

    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.refuse(saga, command, why).await
        })
    }

    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("inbox: applied, and not taken away").await?;
            self.disk.memory.remove(saga, command).await?;
            self.loses_answer("inbox: taken away, answer lost")
        })
    }

    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.forget_refused(before).await
        })
    }
}

impl Sessions for DatabaseLine {
    fn open_session(&self, session: KeptSession) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.open_session(session)
    }

    fn session(&self, id: SessionHash) -> StoreFuture<'_, Result<Option<KeptSession>, Unavailable>> {
        self.disk.memory.session(id)
    }

    fn touch_session(&self, id: SessionHash, used: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.touch_session(id, used)
    }

    fn close_session(&self, id: SessionHash) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.close_session(id)
    }

    fn close_sessions_of(&self, name: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.close_sessions_of(name)
    }

    fn forget_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.forget_sessions(now, unused_since)
    }
}

impl Retention for DatabaseLine {
    fn definition_names(&self) -> StoreFuture<'_, Result<Vec<Arc<str>>, Unavailable>> {
        self.disk.memory.definition_names()
    }

    fn hold_retention(&self, replica: ReplicaId) -> StoreFuture<'_, Result<bool, Unavailable>> {
        self.disk.memory.hold_retention(replica)
    }

    fn aged(
        &self,
        definition: Arc<str>,
        until: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AgedSaga>, Unavailable>> {
        self.disk.memory.aged(definition, until, after, limit)
    }

    fn forget(&self, sagas: Vec<Forgotten>) -> StoreFuture<'_, Result<usize, Unavailable>> {
        self.disk.memory.forget(sagas)
    }
}

impl BulkActions for DatabaseLine {
    fn begin_bulk(&self, action: NewBulkAction) -> StoreFuture<'_, Result<BulkBegun, Unavailable>> {
        self.disk.memory.begin_bulk(action)
    }

    fn claim_items(
        &self,
        replica: ReplicaId,
        in_hand: Vec<(BulkActionId, SagaId)>,
        limit: usize,
        now: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<ClaimedItem>, Unavailable>> {
        Box::pin(async move {
            // Most looks find nothing: whether such a look gets through makes no difference.
            if !self.disk.memory.has_bulk_action() {
                return Ok(Vec::new());
            }
            self.reach("journal: read unavailable").await?;
            self.disk.memory.claim_items(replica, in_hand, limit, now).await
        })
    }

    fn record_item(
        &self,
        action: BulkActionId,
        saga: SagaId,
        result: BulkItemResult,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.record_item(action, saga, result).await
        })
    }

    fn take_back(&self, action: BulkActionId, now: Timestamp) -> StoreFuture<'_, Result<u64, Unavailable>> {
        self.disk.memory.take_back(action, now)
    }

    fn bulk_action(
        &self,
        action: BulkActionId,
    ) -> StoreFuture<'_, Result<Option<KeptBulkAction>, Unavailable>> {
        self.disk.memory.bulk_action(action)
    }

    fn bulk_counts(&self, action: BulkActionId) -> StoreFuture<'_, Result<BulkCounts, Unavailable>> {
        self.disk.memory.bulk_counts(action)
    }

    fn bulk_actions(
        &self,
        after: Option<BulkCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkAction>, Unavailable>> {
        self.disk.memory.bulk_actions(after, limit)
    }

    fn bulk_items(
        &self,
        action: BulkActionId,
        state: Option<BulkState>,
        after: Option<u64>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptBulkItem>, Unavailable>> {
        self.disk.memory.bulk_items(action, state, after, limit)
    }

    fn forget_bulk(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        self.disk.memory.forget_bulk(before, limit)
    }
}

impl Library for DatabaseLine {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.reach("journal: read unavailable").await?;
            self.disk.memory.define(hash, kept).await
        })
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        self.disk.memory.definition(hash)
    }
}
