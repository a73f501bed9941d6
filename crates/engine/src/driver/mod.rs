//! The task of one saga.
//!
//! ```text
//!   ┌─▶ what does the state want?  (effects)
//!   │      ├─ a call that is not under way, and what it needs is durable  ─▶ start it; drop any other
//!   │      ├─ something that needs events that are not durable yet        ─▶ append them
//!   │      ├─ an answer whose event is durable                            ─▶ answer whoever waits
//!   │      └─ nothing any more, and all is durable                        ─▶ end
//!   └── wait for one thing: a command, the journal, a reply, the time  ─▶ the core says what it means
//! ```
//!
//! Live work, restart and take-over are this one loop: a saga that was read from the journal enters it with
//! nothing under way, and finds out by itself what to do.
//!
//! *Cancel points.* The four things waited for are kept in the driver between turns, so none is lost when another
//! comes first. The driver itself is dropped only by the end of the process, which is a crash, and safe as one.
//!
//! - `calling.rs`: the call that is wanted: its turn, its request, its reply.
//! - `saving.rs`: what is on disk, and how the rest gets there.
//! - `waiters.rs`: those who wait for an answer.

mod calling;
mod saving;
mod waiters;

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use saga_core::definition::{Etat, Safety};
use saga_core::event::Cause;
use saga_core::reply::Verdict;
use saga_core::saga::{CallWanted, Effects, Input, Rejected, Rollback};
use saga_core::{Direction, Json, Outcome, Record, Saga, SagaId, Seq, Timestamp};
use saga_journal::{NotAppended, ReplicaId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};

use self::calling::{Calling, Heard};
use self::saving::Saving;
use self::waiters::{Waiter, Waiters};
use crate::registry::Place;
use crate::shared::Shared;
use crate::sleepers::Sleeper;

/// What others can ask of a running saga.
#[derive(Debug)]
pub(crate) enum Command {
    /// Answer once the start is durable.
    WhenStarted(oneshot::Sender<Told>),
    /// Answer once the saga is over or blocked.
    WhenSettled(oneshot::Sender<Told>),
    /// Answer once the saga is over, or blocked with no call under way.
    WhenTried(oneshot::Sender<Told>),
    /// Answer at once.
    Look(oneshot::Sender<Told>),
    /// Take a person's word. Answer once that is durable, or once that is which forbids it.
    Take { input: Input, answer: oneshot::Sender<Result<(), Rejected>> },
    /// The saga is not this owner's any more.
    Disown(ReplicaId),
    /// End at the next point where nothing is under way; the next start of the process goes on.
    Stop,
}

/// What a running saga says.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// Where it stands.
    Stands(Snapshot),
    /// It is not ours (any more): the journal knows.
    NotOurs,
}

/// Where a running saga stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which saga.
    pub saga: SagaId,
    /// The order's state.
    pub etat: Etat,
    /// Whether what was done is being undone.
    pub rollback: Rollback,
    /// Over or blocked, and that is on disk.
    pub settled: bool,
    /// Whether a call is under way, or about to be.
    pub calling: bool,
    /// Whether its start is on disk.
    pub started: bool,
    /// What it was asked for.
    pub input: Json,
    /// Why there is no order, once that is decided.
    pub failure: Option<Failed>,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The name of the step that failed; `None`: the saga as a whole was stopped.
    pub step: Option<Arc<str>>,
    /// For people.
    pub reason: Arc<str>,
}

impl Failed {
    /// Why a saga rolls back, or has rolled back.
    pub fn of(saga: &Saga) -> Option<Self> {
        Some(match saga.cause()? {
            Cause::StepFailed { step, reason } => Self {
                step: saga.definition().steps.get(*step).map(|step| step.name.clone()),
                reason: reason.as_ref().into(),
            },
            Cause::Cancelled => Self { step: None, reason: "cancelled on request".into() },
            Cause::DeadlinePassed => Self { step: None, reason: "the saga's deadline passed".into() },
        })
    }
}

/// One running saga.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    owner: ReplicaId,
    saga: Saga,
    calling: Calling,
    saving: Saving,
    waiters: Waiters,
    inbox: mpsc::Receiver<Command>,
    alarm: Option<(Timestamp, Pin<Box<Sleep>>)>,
    /// Whether the saga went forward when it was last looked at.
    forward: bool,
    stopping: bool,
    disowned: bool,
    place: Place,
}

/// What a turn of the loop waits for.
enum Happened {
    Saved(Result<(), NotAppended>),
    Heard(Heard),
    Command(Option<Command>),
    Alarm,
}

/// Why the saga's task cannot go on.
enum Dropped {
    /// The saga belongs to somebody else now.
    NotOurs,
    /// The journal does not take what has happened to it.
    Refused(String),
}

/// Why a saga's task has ended.
pub(crate) enum Ended {
    /// The saga is over, waits for a person alone, belongs to somebody else, or the process stops.
    Done,
    /// It has nothing to do until then.
    Asleep(Sleeper),
    /// It cannot go on, and would not if it were run again: how so.
    Failed(String),
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        owner: ReplicaId,
        saga: Saga,
        durable: Seq,
        records: Vec<Record>,
        inbox: mpsc::Receiver<Command>,
        place: Place,
    ) -> Self {
        Self {
            calling: Calling::new(shared.clone(), owner),
            saving: Saving::new(shared.clone(), owner, saga.input(), durable, records),
            forward: saga.cause().is_none(),
            shared,
            owner,
            saga,
            waiters: Waiters::default(),
            inbox,
            alarm: None,
            stopping: false,
            disowned: false,
            place,
        }
    }

    pub(crate) fn saga_id(&self) -> SagaId {
        self.saga.id()
    }

    pub(crate) fn owner(&self) -> ReplicaId {
        self.owner
    }

    /// Answers once the saga is settled. Used by whoever starts it.
    pub(crate) fn when_settled(&mut self, answer: oneshot::Sender<Told>) {
        self.waiters.add(Waiter::Settled(answer));
    }

    /// Answers once the saga is over, or blocked with no call under way.
    pub(crate) fn when_tried(&mut self, answer: oneshot::Sender<Told>) {
        self.waiters.add(Waiter::Tried(answer));
    }

    /// Answers once the start is durable.
    pub(crate) fn when_started(&mut self, answer: oneshot::Sender<Told>) {
        self.waiters.add(Waiter::Started(answer));
    }

    /// Runs the saga until it is over, stopped, somebody else's, or waits for nothing but a person.
    pub(crate) async fn run(mut self) -> Ended {
        loop {
            let effects = self.saga.effects();
            if (self.stopping || self.has_turned_back()) && self.withdraw(&effects) {
                continue;
            }
            self.act(&effects);
            self.save(&effects);
            self.answer(&effects);
            if self.is_finished(&effects) {
                return Ended::Done;
            }
            if let Some(until) = self.may_sleep(&effects) {
                return Ended::Asleep(Sleeper { owner: self.owner, seq: self.saga.seq(), until });
            }
            let happened = self.wait(&effects).await;
            match self.take(happened) {
                Ok(()) => {}
                Err(Dropped::NotOurs) => break,
                Err(Dropped::Refused(reason)) => {
                    self.waiters.send_away();
                    self.calling.abandon(&self.saga);
                    return Ended::Failed(reason);
                }
            }
        }
        // A start that conflicts is a repeated request, whose saga exists already: nothing is lost.
        if self.saving.durable() > Seq::NONE {
            tracing::warn!(saga.id = %self.saga.id(), saga.epoch = self.saga.epoch().get(),
                "the saga has another owner; it is dropped here");
        }
        self.waiters.send_away();
        self.calling.abandon(&self.saga);
        Ended::Done
    }

    /// Until when the saga may leave memory: nothing is under way, all is on disk, nobody waits, and its time is far.
    fn may_sleep(&self, effects: &Effects) -> Option<Timestamp> {
        let until = effects.wake_at.filter(|_| effects.call.is_none() && !self.stopping)?;
        let is_far = until > self.shared.clock.now().plus(self.shared.limits.sleep_after);
        let is_free = self.saving.is_done() && !self.calling.is_under_way() && self.waiters.is_empty();
        (is_far && is_free && self.inbox.is_empty() && !self.calling.waits_for_participant(&self.saga))
            .then_some(until)
    }

    /// Starts the call that is wanted, if it may leave; drops one that is not wanted any more.
    fn act(&mut self, effects: &Effects) {
        self.calling.keep(&self.saga, effects.call);
        if let Some(wanted) = effects.call
            && !self.stopping
        {
            self.calling.start(&self.saga, wanted, self.saving.durable());
        }
    }

    /// Appends what is not durable, if something waits for it or it has waited long enough.
    fn save(&mut self, effects: &Effects) {
        let durable = self.saving.durable();
        let blocks = |needs: Seq| needs > durable;
        // A start alone waits for nothing but those who want to know of it: it joins what the first read brings.
        let is_needed = durable == Seq::NONE && self.waiters.want_start()
            || effects.call.is_some_and(|wanted| blocks(wanted.needs))
            || effects.answer.is_some_and(blocks)
            || self.waiters.need_more_than(durable)
            || self.stopping;
        self.saving.save(&self.saga, is_needed);
    }

    /// Answers those whose event is durable.
    fn answer(&mut self, effects: &Effects) {
        if !self.waiters.is_empty() {
            let snapshot = self.snapshot(effects);
            self.waiters.answer(&snapshot, self.saving.durable());
        }
    }

    fn snapshot(&self, effects: &Effects) -> Snapshot {
        let durable = self.saving.durable();
        Snapshot {
            saga: self.saga.id(),
            etat: self.saga.etat().clone(),
            rollback: self.saga.rollback(),
            settled: effects.answer.is_some_and(|needs| needs <= durable),
            calling: effects.call.is_some(),
            started: durable > Seq::NONE,
            input: self.saga.input().clone(),
            failure: Failed::of(&self.saga),
        }
    }

    fn is_finished(&self, effects: &Effects) -> bool {
        let wants_nothing = effects.call.is_none() && effects.wake_at.is_none();
        self.saving.is_done() && !self.calling.is_under_way() && (wants_nothing || self.stopping)
    }

    async fn wait(&mut self, effects: &Effects) -> Happened {
        self.set_alarm(effects);
        self.place.is_due(self.due());
        self.place.takes(self.saga.payload_bytes(), self.saga.cause().is_none() && !self.saga.is_parked());
        self.calling.listen(&self.saga);
        let alarm = async {
            match &mut self.alarm {
                Some((_, alarm)) => alarm.as_mut().await,
                None => pending().await,
            }
        };
        // Each branch leaves its future where it was, so whatever is not taken now is there the next time.
        tokio::select! {
            biased;
            result = self.saving.ended() => Happened::Saved(result),
            heard = self.calling.hear() => Happened::Heard(heard),
            command = self.inbox.recv() => Happened::Command(command),
            () = alarm => Happened::Alarm,
        }
    }

    /// When something has to happen here by itself, for the watchdog.
    fn due(&self) -> Option<Timestamp> {
        let alarm = self.alarm.as_ref().map(|(at, _)| *at);
        [self.calling.due(&self.saga), self.saving.under_way_since(), alarm].into_iter().flatten().min()
    }

    /// Sets the alarm for the earliest instant that matters. One that is early already is left: waking up once
    /// for nothing costs less than setting it anew on every turn.
    fn set_alarm(&mut self, effects: &Effects) {
        let wake_at = effects.wake_at.filter(|_| !self.stopping);
        let Some(at) = [wake_at, self.saving.wake_at(), self.calling.wake_at()].into_iter().flatten().min()
        else {
            self.alarm = None;
            return;
        };
        if self.alarm.as_ref().is_some_and(|(set_for, _)| *set_for <= at) {
            return;
        }
        let instant = Instant::now() + at.since(self.shared.clock.now());
        match &mut self.alarm {
            Some((set_for, alarm)) => {
                *set_for = at;
                alarm.as_mut().reset(instant);
            }
            None => self.alarm = Some((at, Box::pin(sleep_until(instant)))),
        }
    }

    fn take(&mut self, happened: Happened) -> Result<(), Dropped> {
        match happened {
            Happened::Saved(Ok(())) => self.saving.saved(&self.saga),
            Happened::Saved(Err(failed)) => self.saving.not_saved(&self.saga, failed)?,
            Happened::Heard(heard) => {
                if let Some(input) = self.calling.take(&self.saga, heard) {
                    // A stale reply cannot come: the call is dropped as soon as another is wanted.
                    let _ = self.input(&input);
                }
            }
            Happened::Command(command) => self.command(command),
            Happened::Alarm => {
                self.alarm = None;
                self.saving.offer_again();
                let _ = self.input(&Input::Tick);
            }
        }
        if self.disowned { Err(Dropped::NotOurs) } else { Ok(()) }
    }

    fn input(&mut self, input: &Input) -> Result<(), Rejected> {
        let records = self.saga.handle(input, self.shared.clock.moment())?;
        self.saving.add(records);
        Ok(())
    }

    fn command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::WhenStarted(answer)) => self.waiters.add(Waiter::Started(answer)),
            Some(Command::WhenSettled(answer)) => self.waiters.add(Waiter::Settled(answer)),
            Some(Command::WhenTried(answer)) => self.waiters.add(Waiter::Tried(answer)),
            Some(Command::Look(answer)) => {
                let _ = answer.send(Told::Stands(self.snapshot(&self.saga.effects())));
            }
            Some(Command::Take { input, answer }) => {
                let outcome = self.input(&input);
                self.waiters.add(Waiter::Taken { outcome, needs: self.saga.seq(), answer });
            }
            Some(Command::Disown(owner)) => self.disowned |= owner == self.owner,
            // The registry holds a sender for as long as the saga has its place in it.
            Some(Command::Stop) | None => self.stopping = true,
        }
    }

    /// Whether the saga has begun to roll back since it was last looked at.
    fn has_turned_back(&mut self) -> bool {
        let forward = self.saga.cause().is_none();
        std::mem::replace(&mut self.forward, forward) && !forward
    }

    /// While stopping, and when the saga has just turned back: an action that is recorded as started but has not left
    /// (it waits for the disk, or for its participant's breaker) is recorded as not sent, so that nobody has to wonder
    /// whether it ran. Tells whether that changed anything.
    fn withdraw(&mut self, effects: &Effects) -> bool {
        let Some(CallWanted { step, direction, attempt, .. }) = effects.call else { return false };
        let has_promise = self.saga.definition().participant(step).safety != Safety::None;
        if self.calling.is_under_way()
            || self.stopping && has_promise
            || !self.stopping && direction != Direction::Action
        {
            return false;
        }
        let verdict =
            Verdict::without_answer(Outcome::NotSent, "the call had not left yet when the order was stopped");
        self.input(&Input::Reply { step, direction, attempt, verdict }).is_ok()
    }
}
