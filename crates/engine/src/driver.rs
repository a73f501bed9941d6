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

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::{Etat, Safety};
use saga_core::reply::{self, Reply, Verdict};
use saga_core::saga::{CallWanted, Effects, Input, Rejected, Rollback};
use saga_core::seeded::{Bug, is_on};
use saga_core::{Direction, Json, Outcome, Record, Saga, SagaId, Seq, Timestamp};
use saga_journal::{AppendError, Appending, Entry, Projection, ReplicaId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::breaker::{Permit, Turn};
use crate::breakers;
use crate::observer::{CallEnded, Called, News};
use crate::participants::Calling;
use crate::registry::Place;
use crate::shared::{HeldUp, Shared};

/// While the lease may have run out, a call that wants to leave looks this often whether it holds.
const LEASE_AGAIN_AFTER: Duration = Duration::from_millis(50);

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
}

/// One running saga.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    owner: ReplicaId,
    saga: Saga,
    /// The projection's columns that come from the input.
    client_id: Option<i64>,
    magasin_id: Option<i64>,
    inbox: mpsc::Receiver<Command>,
    waiting: Vec<Waiter>,
    /// The last event on disk.
    durable: Seq,
    /// Events after the ones being appended.
    unsaved: Vec<Record>,
    saving: Saving,
    saving_since: Timestamp,
    /// Times that the journal could not take the entry that is being appended.
    save_failures: u32,
    held_up: Option<HeldUp>,
    flush_at: Option<Timestamp>,
    /// When a call that may not leave now is looked at again.
    act_at: Option<Timestamp>,
    call: Option<Call>,
    /// The wanted call's turn at its participant's breaker.
    turn: Option<Asked>,
    /// Tells when the participant that the next attempt waits for has come back.
    recovered: Option<(usize, watch::Receiver<u64>)>,
    /// Whether the saga went forward when it was last looked at.
    forward: bool,
    alarm: Option<(Timestamp, Pin<Box<Sleep>>)>,
    stopping: bool,
    disowned: bool,
    place: Place,
}

enum Waiter {
    Started(oneshot::Sender<Told>),
    Settled(oneshot::Sender<Told>),
    Tried(oneshot::Sender<Told>),
    /// Gave a word: what came of it, and the event that must be durable before it may be told.
    Taken {
        outcome: Result<(), Rejected>,
        needs: Seq,
        answer: oneshot::Sender<Result<(), Rejected>>,
    },
}

/// The append under way, if any: one at a time for each saga.
enum Saving {
    Idle,
    Appending {
        contents: Contents,
        appending: Appending,
    },
    /// The journal could not take the entry. It is offered again, to the letter, so that one that did arrive is
    /// recognized.
    Waiting {
        contents: Contents,
        entry: Box<Entry>,
        until: Timestamp,
    },
}

/// What has to be known of an entry once it is durable.
struct Contents {
    events: usize,
    news: News,
}

struct Call {
    wanted: CallWanted,
    permit: Permit,
    since: Timestamp,
    reply: Calling,
}

/// A call that has asked its participant's breaker.
struct Asked {
    wanted: CallWanted,
    turn: Turn,
}

/// What a turn of the loop waits for.
enum Happened {
    Permitted(Permit),
    Recovered,
    Command(Option<Command>),
    Saved(Result<(), saga_journal::NotAppended>),
    Replied(Reply),
    Alarm,
}

/// The saga belongs to somebody else now.
struct NotOurs;

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
        let number = |name: &str| match saga_core::json::pick(saga.input().text(), &[name.into()]) {
            saga_core::json::Picked::Value(text) => text.parse().ok(),
            _ => None,
        };
        let (client_id, magasin_id) = (number("client_id"), number("magasin_id"));
        Self {
            shared,
            owner,
            saga,
            client_id,
            magasin_id,
            inbox,
            waiting: Vec::new(),
            durable,
            unsaved: records,
            saving: Saving::Idle,
            saving_since: Timestamp::from_micros(0),
            save_failures: 0,
            held_up: None,
            flush_at: None,
            act_at: None,
            call: None,
            turn: None,
            recovered: None,
            forward: true,
            alarm: None,
            stopping: false,
            disowned: false,
            place,
        }
    }

    /// Answers once the saga is settled. Used by whoever starts it.
    pub(crate) fn when_settled(&mut self, answer: oneshot::Sender<Told>) {
        self.waiting.push(Waiter::Settled(answer));
    }

    /// Answers once the saga is over, or blocked with no call under way.
    pub(crate) fn when_tried(&mut self, answer: oneshot::Sender<Told>) {
        self.waiting.push(Waiter::Tried(answer));
    }

    /// Answers once the start is durable.
    pub(crate) fn when_started(&mut self, answer: oneshot::Sender<Told>) {
        self.waiting.push(Waiter::Started(answer));
    }

    /// Runs the saga until it is over, stopped, somebody else's, or waits for nothing but a person.
    pub(crate) async fn run(mut self) {
        loop {
            let effects = self.saga.effects();
            if (self.stopping || self.has_turned_back()) && self.withdraw(&effects) {
                continue;
            }
            self.act(&effects);
            self.save(&effects);
            self.answer(&effects);
            if self.is_finished(&effects) {
                break;
            }
            let happened = self.wait(&effects).await;
            if self.take(happened).is_err() {
                tracing::warn!(saga.id = %self.saga.id(), saga.epoch = self.saga.epoch().get(),
                    "the saga has another owner; it is dropped here");
                for waiter in self.waiting.drain(..) {
                    match waiter {
                        Waiter::Started(answer) | Waiter::Settled(answer) | Waiter::Tried(answer) => {
                            let _ = answer.send(Told::NotOurs);
                        }
                        // Whoever asked finds the saga again, wherever it is.
                        Waiter::Taken { .. } => {}
                    }
                }
                if let Some(abandoned) = self.call.take() {
                    self.ended(&abandoned, None);
                }
                break;
            }
        }
    }

    fn is_finished(&self, effects: &Effects) -> bool {
        let saved = matches!(self.saving, Saving::Idle) && self.unsaved.is_empty();
        let wants_nothing = effects.call.is_none() && effects.wake_at.is_none();
        saved && self.call.is_none() && (wants_nothing || self.stopping)
    }

    /// Starts the call that is wanted, if it may leave; drops one that is not wanted any more.
    fn act(&mut self, effects: &Effects) {
        let is_wanted = |call: &Call| {
            effects.call.as_ref().is_some_and(|wanted| {
                (wanted.step, wanted.direction, wanted.attempt)
                    == (call.wanted.step, call.wanted.direction, call.wanted.attempt)
            })
        };
        self.act_at = None;
        if let Some(abandoned) = self.call.take_if(|call| !is_wanted(call)) {
            self.ended(&abandoned, None);
        }
        self.turn.take_if(|asked| effects.call != Some(asked.wanted));
        let Some(wanted) = effects.call else { return };
        if self.call.is_some() || wanted.needs > self.durable || self.stopping {
            return;
        }
        // Whoever cannot know whether it still owns the saga calls nobody for it.
        if !self.shared.membership.may_act(self.owner) {
            self.act_at = Some(self.shared.world.now().plus(LEASE_AGAIN_AFTER));
            return;
        }
        let Some(permit) = self.permit(wanted) else { return };
        let reply: Calling = match self.saga.request(&wanted) {
            Ok(request) => {
                self.shared.participants.call(self.saga.definition(), wanted.step, request, wanted.timeout)
            }
            Err(error) => Box::pin(std::future::ready(Reply::Impossible { reason: error.to_string() })),
        };
        self.shared.observer.call_started(&self.called(&wanted));
        self.call = Some(Call { wanted, permit, since: self.shared.world.now(), reply });
    }

    /// The breaker's permit for a call, once it has been given.
    fn permit(&mut self, wanted: CallWanted) -> Option<Permit> {
        let turn = match self.turn.take() {
            Some(asked) => asked.turn,
            None => self.shared.breakers.of(self.saga.definition(), wanted.step).ask(),
        };
        match turn {
            Turn::Go(permit) => Some(permit),
            Turn::Wait(_) => {
                self.turn = Some(Asked { wanted, turn });
                None
            }
        }
    }

    /// The breaker lets the call through that has waited for it.
    fn permitted(&mut self, permit: Permit) {
        let Some(Asked { wanted, .. }) = self.turn.take() else { return };
        if self.saga.is_too_late(&wanted, self.shared.world.now()) {
            let CallWanted { step, direction, attempt, .. } = wanted;
            let reason = "the participant was suspended for longer than its promise holds";
            let verdict = Verdict::without_answer(Outcome::NotSent, reason);
            let _ = self.input(&Input::Reply { step, direction, attempt, verdict });
            return;
        }
        self.turn = Some(Asked { wanted, turn: Turn::Go(permit) });
    }

    /// Appends what is not durable, if something waits for it or it has waited long enough.
    fn save(&mut self, effects: &Effects) {
        if !matches!(self.saving, Saving::Idle) || self.unsaved.is_empty() {
            return;
        }
        let now = self.shared.world.now();
        let flush_at = *self.flush_at.get_or_insert_with(|| now.plus(self.shared.limits.flush_after));
        let blocks = |needs: Seq| needs > self.durable;
        // A start alone waits for nothing but those who want to know of it: it joins what the first read brings.
        let is_awaited = self.durable == Seq::NONE
            && self.waiting.iter().any(|waiter| matches!(waiter, Waiter::Started(_)));
        let is_needed = is_awaited
            || effects.call.is_some_and(|wanted| blocks(wanted.needs))
            || effects.answer.is_some_and(blocks)
            || self.waiting.iter().any(|w| matches!(w, Waiter::Taken { needs, .. } if blocks(*needs)))
            || self.stopping
            || now >= flush_at;
        if !is_needed {
            return;
        }
        self.flush_at = None;
        let records = std::mem::take(&mut self.unsaved);
        let contents = Contents { events: records.len(), news: News::of(&self.saga, &records) };
        let entry = Entry {
            saga: self.saga.id(),
            owner: self.owner,
            expected: self.durable,
            records,
            projection: Projection::of(&self.saga, self.client_id, self.magasin_id),
        };
        self.saving_since = now;
        self.saving = Saving::Appending { contents, appending: self.shared.journal.append(entry) };
    }

    /// Answers those whose event is durable.
    fn answer(&mut self, effects: &Effects) {
        if self.waiting.is_empty() {
            return;
        }
        let snapshot = self.snapshot(effects);
        let (started, settled, durable) = (snapshot.started, snapshot.settled, self.durable);
        let tried = settled && !snapshot.calling;
        let due = |waiter: &mut Waiter| match waiter {
            Waiter::Started(_) => started || is_on(Bug::AcknowledgesBeforeDisk),
            Waiter::Settled(_) => settled,
            Waiter::Tried(_) => tried,
            Waiter::Taken { needs, .. } => *needs <= durable || is_on(Bug::AcknowledgesBeforeDisk),
        };
        for waiter in self.waiting.extract_if(.., due) {
            match waiter {
                Waiter::Started(answer) | Waiter::Settled(answer) | Waiter::Tried(answer) => {
                    let _ = answer.send(Told::Stands(snapshot.clone()));
                }
                Waiter::Taken { outcome, answer, .. } => {
                    let _ = answer.send(outcome);
                }
            }
        }
    }

    fn snapshot(&self, effects: &Effects) -> Snapshot {
        Snapshot {
            saga: self.saga.id(),
            etat: self.saga.etat().clone(),
            rollback: self.saga.rollback(),
            settled: effects.answer.is_some_and(|needs| needs <= self.durable),
            calling: effects.call.is_some(),
            started: self.durable > Seq::NONE,
            input: self.saga.input().clone(),
        }
    }

    async fn wait(&mut self, effects: &Effects) -> Happened {
        self.set_alarm(effects);
        self.place.is_due(self.due());
        self.watch_participant();
        let saved = async {
            match &mut self.saving {
                Saving::Appending { appending, .. } => appending.await,
                Saving::Idle | Saving::Waiting { .. } => pending().await,
            }
        };
        let replied = async {
            match &mut self.call {
                Some(call) => call.reply.as_mut().await,
                None => pending().await,
            }
        };
        let alarm = async {
            match &mut self.alarm {
                Some((_, alarm)) => alarm.as_mut().await,
                None => pending().await,
            }
        };
        let permitted = async {
            match &mut self.turn {
                Some(Asked { turn: Turn::Wait(waiting), .. }) => Pin::new(waiting).await,
                _ => pending().await,
            }
        };
        let recovered = async {
            match &mut self.recovered {
                // The sender lives as long as the breaker, which this process keeps.
                Some((_, recovered)) => _ = recovered.changed().await,
                None => pending().await,
            }
        };
        // Each branch leaves its future where it was, so whatever is not taken now is there the next time.
        tokio::select! {
            biased;
            result = saved => Happened::Saved(result),
            reply = replied => Happened::Replied(reply),
            permit = permitted => Happened::Permitted(permit),
            command = self.inbox.recv() => Happened::Command(command),
            () = recovered => Happened::Recovered,
            () = alarm => Happened::Alarm,
        }
    }

    /// Listens to the breaker of the participant that the next attempt waits for.
    fn watch_participant(&mut self) {
        let step = self.saga.waiting();
        self.recovered.take_if(|(watched, _)| Some(*watched) != step);
        if let (Some(step), None) = (step, &self.recovered) {
            let breaker = self.shared.breakers.of(self.saga.definition(), step);
            self.recovered = Some((step, breaker.recovered()));
        }
    }

    /// When something has to happen here by itself, for the watchdog.
    fn due(&self) -> Option<Timestamp> {
        let call = self.call.as_ref().map(|call| {
            let participant = self.saga.definition().participant(call.wanted.step);
            call.since.plus(participant.connect_timeout + call.wanted.timeout)
        });
        let saving = (!matches!(self.saving, Saving::Idle)).then_some(self.saving_since);
        let alarm = self.alarm.as_ref().map(|(at, _)| *at);
        [call, saving, alarm].into_iter().flatten().min()
    }

    /// Sets the alarm for the earliest instant that matters. One that is early already is left: waking up once
    /// for nothing costs less than setting it anew on every turn.
    fn set_alarm(&mut self, effects: &Effects) {
        let offer_at = match &self.saving {
            Saving::Waiting { until, .. } => Some(*until),
            Saving::Idle | Saving::Appending { .. } => None,
        };
        let wake_at = effects.wake_at.filter(|_| !self.stopping);
        let Some(at) = [wake_at, self.flush_at, self.act_at, offer_at].into_iter().flatten().min() else {
            self.alarm = None;
            return;
        };
        if self.alarm.as_ref().is_some_and(|(set_for, _)| *set_for <= at) {
            return;
        }
        let instant = Instant::now() + at.since(self.shared.world.now());
        match &mut self.alarm {
            Some((set_for, alarm)) => {
                *set_for = at;
                alarm.as_mut().reset(instant);
            }
            None => self.alarm = Some((at, Box::pin(sleep_until(instant)))),
        }
    }

    fn take(&mut self, happened: Happened) -> Result<(), NotOurs> {
        match happened {
            Happened::Permitted(permit) => self.permitted(permit),
            Happened::Recovered => {
                let _ = self.input(&Input::Hurry);
            }
            Happened::Saved(Ok(())) => self.saved(),
            Happened::Saved(Err(failed)) => self.not_saved(failed)?,
            Happened::Replied(reply) => self.replied(&reply),
            Happened::Command(command) => self.command(command),
            Happened::Alarm => {
                self.alarm = None;
                self.offer_again();
                let _ = self.input(&Input::Tick);
            }
        }
        if self.disowned { Err(NotOurs) } else { Ok(()) }
    }

    fn input(&mut self, input: &Input) -> Result<(), Rejected> {
        let records = self.saga.handle(input, self.shared.world.moment())?;
        self.unsaved.extend(records);
        Ok(())
    }

    fn saved(&mut self) {
        if let Saving::Appending { contents, .. } = std::mem::replace(&mut self.saving, Saving::Idle) {
            self.durable = self.durable.plus(contents.events);
            if self.held_up.take().is_some() {
                self.save_failures = 0;
                self.shared.journal_works();
            }
            self.shared.observer.committed(self.saga.definition(), &contents.news);
        }
    }

    fn not_saved(&mut self, failed: saga_journal::NotAppended) -> Result<(), NotOurs> {
        let is_conflict = failed.error == AppendError::Conflict;
        if is_on(Bug::ConflictIsDone) && is_conflict || is_on(Bug::DoubtIsDone) && !is_conflict {
            self.saved();
            return Ok(());
        }
        if is_on(Bug::ForgetsToReoffer) && !is_conflict {
            self.saving = Saving::Idle;
            return Ok(());
        }
        let (AppendError::Unavailable(reason), Some(entry)) = (failed.error, failed.entry) else {
            return Err(NotOurs);
        };
        let Saving::Appending { contents, .. } = std::mem::replace(&mut self.saving, Saving::Idle) else {
            return Ok(());
        };
        self.shared.journal_fails(&reason);
        let (base, cap) = self.shared.limits.journal_retry;
        let wait = base.saturating_mul(1 << self.save_failures.min(10)).min(cap);
        self.save_failures += 1;
        self.held_up.get_or_insert_with(|| HeldUp::new(&self.shared));
        let until = self.shared.world.now().plus(wait);
        self.saving = Saving::Waiting { contents, entry, until };
        Ok(())
    }

    /// Offers an entry that the journal could not take once more, when its wait is over.
    fn offer_again(&mut self) {
        let now = self.shared.world.now();
        self.saving = match std::mem::replace(&mut self.saving, Saving::Idle) {
            Saving::Waiting { contents, entry, until } if now >= until => {
                Saving::Appending { contents, appending: self.shared.journal.append(*entry) }
            }
            other => other,
        };
    }

    fn replied(&mut self, reply: &Reply) {
        let Some(call) = self.call.take() else { return };
        let CallWanted { step, direction, attempt, .. } = call.wanted;
        let Some(definition) = self.saga.call(step, direction) else { return };
        let verdict = reply::verdict(definition, reply);
        self.ended(&call, Some(verdict.outcome));
        // A call that could not even be made says nothing about its participant.
        if !matches!(reply, Reply::Impossible { .. }) {
            call.permit.ended(breakers::ended(&verdict));
        }
        // A stale reply cannot come: the call is dropped as soon as another is wanted.
        let _ = self.input(&Input::Reply { step, direction, attempt, verdict });
    }

    fn ended(&self, call: &Call, outcome: Option<Outcome>) {
        self.shared.observer.call_ended(&CallEnded {
            call: self.called(&call.wanted),
            outcome,
            duration: self.shared.world.now().since(call.since),
        });
    }

    fn called(&self, wanted: &CallWanted) -> Called<'_> {
        let &CallWanted { step, direction, attempt, .. } = wanted;
        Called { definition: self.saga.definition(), step, direction, attempt }
    }

    fn command(&mut self, command: Option<Command>) {
        match command {
            Some(Command::WhenStarted(answer)) => self.waiting.push(Waiter::Started(answer)),
            Some(Command::WhenSettled(answer)) => self.waiting.push(Waiter::Settled(answer)),
            Some(Command::WhenTried(answer)) => self.waiting.push(Waiter::Tried(answer)),
            Some(Command::Look(answer)) => {
                let _ = answer.send(Told::Stands(self.snapshot(&self.saga.effects())));
            }
            Some(Command::Take { input, answer }) => {
                let outcome = self.input(&input);
                self.waiting.push(Waiter::Taken { outcome, needs: self.saga.seq(), answer });
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
        if self.call.is_some()
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
