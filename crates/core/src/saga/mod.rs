//! One saga: its state, folded from its events.
//!
//! ```text
//!              Started                     every step done
//!                 │                              │
//!                 ▼       RollbackDecided        ▼
//!              Forward ───────────────────▶  Over(Completed)
//!                 │
//!                 ▼        nothing left to undo
//!            RollingBack ────────────────▶  Over(RolledBack)
//!              (Blocked is a flag on it: the saga waits for an operator)
//! ```
//!
//! - `apply.rs`: the effect of each event on the state. The only place that changes it.
//! - `decide.rs`: the event that an input, or the passing of time, brings about.
//! - `effects.rs`: the effects that the state wants, and the events that must be on disk before.
//! - `waiting.rs`: conditions, pauses and signals; the pivot. `polling.rs`: actions that were accepted.
//! - `following.rs`: what follows from a command, foretold by the same rules.
//! - `doubt.rs`: outcomes that repeating a call cannot settle.
//! - `failure.rs`, `pending.rs`: the report to operators about a saga that fails or is blocked. `shown.rs`: what each step
//!   in progress waits for. `stands.rs`: where each step stands.
//! - `since.rs`: the events since a person looked at a saga, and the result of that person's command.
// Long: the state and every question about it that its own modules and others ask.

mod apply;
mod callbacks;
mod decide;
mod doubt;
mod effects;
mod failure;
mod following;
mod pending;
mod polling;
mod shown;
mod since;
mod stands;
mod waiting;

use std::sync::Arc;

pub use self::apply::IllegalEvent;
pub use self::decide::{Input, Moment, NewSaga, Rejected};
pub use self::effects::{CallWanted, Effects, Request, RequestError};
#[cfg(debug_assertions)]
pub use self::effects::{Lens, look_through};
pub use self::failure::Failure;
pub use self::following::{Following, FollowingCall, FollowingEnd};
pub use self::pending::Pending;
use self::polling::AcceptedWork;
pub use self::shown::{Waiting, WaitingFor};
pub use self::since::{CameSince, SeenUntil, Tried};
pub use self::stands::StepStands;
pub use self::waiting::{Evaluated, PauseTime};
use strum::{EnumString, IntoStaticStr};

use crate::callback::Callbacks;
use crate::definition::{Definition, Labels, Safety, StateName, StepSet};
use crate::direction::Direction;
use crate::event::{Cause, Record, Stuck};
use crate::id::{AttemptNumber, CommandId, Epoch, SagaId, Seq, Timestamp};
use crate::json::Json;
use crate::rules;
use crate::trace::SagaTrace;
use crate::trace_context::{Sampler, TraceId};

/// A saga as its events tell it.
#[derive(Debug, Clone)]
pub struct Saga {
    id: SagaId,
    definition: Arc<Definition>,
    input: Json,
    labels: Labels,
    /// Where it is called back, if its definition reads that.
    callbacks: Option<Box<Callbacks>>,
    /// The name of the caller who has started it, where callers are known by their keys.
    started_by: Option<Arc<str>>,
    created: Timestamp,
    updated: Timestamp,
    deadline: Timestamp,
    /// Of the last event applied.
    seq: Seq,
    epoch: Epoch,
    state: StateName,
    phase: Phase,
    steps: Vec<StepState>,
    /// Derived from phase and steps, after each event: it is read more often than it changes.
    active: StepSet,
    /// Facts about each step, whatever its state.
    notes: Vec<StepNotes>,
    /// The commands that have brought about an event.
    commands: Vec<CommandId>,
    /// The signals that were sent, in their order.
    signals: Vec<SignalKept>,
    /// What it answers, once that has been made.
    output: Option<Json>,
    marks: Marks,
    traces: SagaTrace,
}

/// Where the saga as a whole stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// Doing steps. `blocked`: the saga's task fails ([`Stuck::TaskFailed`]), or there is no way back from a step that
    /// fails; as below.
    Forward { blocked: Vec<Blocked> },
    /// Undoing steps, each after those that waited for it. `blocked`: at most one flag for each step, in the order in
    /// which they were set.
    RollingBack { cause: Cause, blocked: Vec<Blocked> },
    /// Over, and the order stands.
    Completed,
    /// Over, and there is no order. `undone`: whether anything had to be undone.
    RolledBack { cause: Cause, undone: bool },
}

/// The obstacle for which a saga waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The event that says so.
    pub since: Seq,
    /// When that event was recorded.
    pub recorded: Timestamp,
    /// Since when the saga waits for an operator, whatever was stuck at first.
    pub at: Timestamp,
    /// The step's index.
    pub step: usize,
    /// The kind of obstacle.
    pub stuck: Stuck,
    /// The reason, as a text for operators.
    pub reason: Box<str>,
    /// The status of the answer that the reason is about, if there was one.
    pub status: Option<u16>,
}

/// The state of one step, as far as the saga knows it. Small: each saga in memory has one for each of its steps, and one or two are being called.
#[derive(Debug, Clone, PartialEq, Eq)]
enum StepState {
    /// Not begun by any owner, as far as the history tells. `shadow`: a former owner may have called it all the
    /// same, ahead of the disk, and then died before the history caught up.
    Pending { shadow: bool },
    /// Its condition did not hold.
    Skipped,
    /// A signal step or a pause that waits, since when and until when.
    Waiting { since: Timestamp, until: Timestamp },
    /// Its action is being called, or waits to be.
    Doing { tries: Box<Tries>, may_have_run: bool },
    /// Its action took effect.
    Done { output: Option<Json> },
    /// Its action certainly has no effect.
    NotDone { reason: Box<str> },
    /// Its compensation is being called, or waits to be. `has_run`: the action is known to have taken effect, so that
    /// "nothing to undo" contradicts it. `may_have_run`: an earlier sending of the compensation may have undone it.
    Undoing { tries: Box<Tries>, may_have_run: bool, has_run: bool, output: Option<Json> },
    /// Its compensation took effect.
    Undone,
}

/// Facts about a step, whatever its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct StepNotes {
    /// The number of its last probe, whatever it was asked about.
    probe: Option<AttemptNumber>,
    /// Its success, where later steps wait for that (see [`Saga::is_waited_for`]), or its skip: they may not run ahead of it.
    waited_for: Seq,
    /// The last time that an operator vouched for its participant.
    vouched: Option<Vouched>,
    /// When its action was called first, or may have been.
    first_called: Option<Timestamp>,
    /// It is optional and has failed: it counts as done for those that wait for it.
    passed_over: bool,
    /// An operator has found its effect: it is undone whatever its compensation's condition says.
    to_be_undone: bool,
}

/// A signal that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SignalKept {
    name: Box<str>,
    key: Option<Box<str>>,
    body: Json,
    taken: bool,
}

/// The attempts of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tries {
    /// The number of the last attempt.
    attempt: AttemptNumber,
    progress: Progress,
    /// Where the last attempt started.
    started: Seq,
    /// When the first attempt started, and when the last one ended or was lost from sight.
    first_at: Timestamp,
    ended_at: Timestamp,
    /// Attempts that ended badly. Attempts that a restart cut short do not count.
    failures: u32,
    /// Of the last bad end.
    reason: Option<Box<str>>,
    /// The status of the answer that this reason is about, if there was one.
    status: Option<u16>,
    asked: ProbeState,
    /// How the action comes to its end that was accepted.
    accepted: Option<Box<AcceptedWork>>,
}

/// Where asking about the last attempt of a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct ProbeState {
    question: Question,
    /// Questions without an answer.
    failures: u32,
}

/// A step's probe, since the last attempt of the call that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Question {
    /// Not asked. It may be once the call has been over for the probe's `after`.
    #[default]
    NotYet,
    /// Being asked.
    InFlight(AttemptNumber),
    /// Asked without an answer; asked again then.
    Due(Timestamp),
}

impl ProbeState {
    fn is_in_flight(&self) -> bool {
        matches!(self.question, Question::InFlight(_))
    }
}

impl Tries {
    fn in_flight(&self) -> bool {
        self.progress == Progress::InFlight
    }
}

/// Where a call's attempts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The last attempt has started and not ended.
    InFlight,
    /// The next attempt starts then.
    Due(Timestamp),
    /// The action was accepted, and is not done yet.
    Accepted,
    /// The last attempt was in flight when the rollback was decided, which does not wait for it: the step has no compensation. Its
    /// answer is recorded if it comes before the saga is over.
    Late,
    /// There is no next attempt, by itself.
    GivenUp,
    /// The compensation was answered with "nothing to undo", which cannot be: only an operator has the next attempt
    /// made.
    Contradicted,
}

/// Places in the history that later calls have to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Marks {
    /// The first call with an effect may leave from here.
    first_effect: Option<Seq>,
    /// The decision to roll back.
    rollback: Seq,
    /// The last take-over.
    take_over: Seq,
    /// Take-overs in a row that found a call in flight, or a condition to be evaluated, and no end of a call since the
    /// take-over before: the owner did not survive this call, its answer, or the condition.
    lost_owners: u32,
}

/// An operator says that a step's participant has not forgotten: its promise is counted anew from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Vouched {
    seq: Seq,
    at: Timestamp,
}

/// Whether what was done is being undone.
///
/// The names, in snake case, are the words of the journal's column `rollback`, which operators read with SQL. A variant
/// with a new name keeps its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Rollback {
    /// Nothing to undo.
    None,
    /// Under way.
    Running,
    /// Everything is undone.
    Done,
    /// The saga waits for an operator.
    Blocked,
}

impl Saga {
    /// The saga that a complete or cut-off history tells. `records` are its events from the first on.
    pub fn fold(id: SagaId, definition: Arc<Definition>, records: &[Record]) -> Result<Self, IllegalEvent> {
        let (first, rest) = records.split_first().ok_or(IllegalEvent::NO_HISTORY)?;
        let mut saga = Self::begin(id, definition, first)?;
        rest.iter().try_for_each(|record| saga.apply(record))?;
        Ok(saga)
    }

    /// Its id, which is the order's id too.
    pub fn id(&self) -> SagaId {
        self.id
    }

    /// The definition that it runs.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// Its input.
    pub fn input(&self) -> &Json {
        &self.input
    }

    /// The labels by which it is found.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The name of the caller who has started it, where callers are known by their keys.
    pub fn started_by(&self) -> Option<&Arc<str>> {
        self.started_by.as_ref()
    }

    /// Bytes of the payloads that it keeps: its input, and its steps' outputs.
    pub fn payload_bytes(&self) -> usize {
        let outputs = self.steps.iter().filter_map(|state| match state {
            StepState::Done { output } | StepState::Undoing { output, .. } => output.as_ref(),
            _ => None,
        });
        let signals = self.signals.iter().map(|signal| &signal.body);
        let kept = outputs.chain(signals).chain(&self.output);
        let kept = kept.map(|kept| kept.text().len()).sum::<usize>();
        self.input.text().len() + kept + self.traces.bytes()
    }

    /// Whether it keeps the output of any step.
    pub fn keeps_outputs(&self) -> bool {
        self.steps.iter().any(|state| {
            matches!(state, StepState::Done { output: Some(_) } | StepState::Undoing { output: Some(_), .. })
        })
    }

    /// What it answers, once it has completed.
    pub fn output(&self) -> Option<&Json> {
        self.output.as_ref()
    }

    /// The traces that it belongs to.
    pub fn traces(&self) -> &SagaTrace {
        &self.traces
    }

    /// The trace in which it is now.
    pub fn trace_id(&self) -> TraceId {
        self.traces.id(self.id, self.traces.since(self.seq))
    }

    /// Whether its traces are recorded: all of them or none.
    pub fn is_sampled(&self, sampler: &Sampler) -> bool {
        self.traces.is_sampled(self.id, sampler)
    }

    /// When it started.
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// When its last event was recorded.
    pub fn updated(&self) -> Timestamp {
        self.updated
    }

    /// The position of its last event.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// Of its current owner.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The order's state.
    pub fn state(&self) -> &StateName {
        &self.state
    }

    /// Whether nothing will ever change any more.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Completed | Phase::RolledBack { .. })
    }

    /// Whether what was done is being undone.
    pub fn rollback(&self) -> Rollback {
        match &self.phase {
            Phase::Forward { blocked } | Phase::RollingBack { blocked, .. } if !blocked.is_empty() => {
                Rollback::Blocked
            }
            Phase::Forward { .. } | Phase::Completed => Rollback::None,
            Phase::RollingBack { .. } => Rollback::Running,
            Phase::RolledBack { undone: false, .. } => Rollback::None,
            Phase::RolledBack { undone: true, .. } => Rollback::Done,
        }
    }

    /// Why there is no order, once that is decided.
    pub fn cause(&self) -> Option<&Cause> {
        match &self.phase {
            Phase::RollingBack { cause, .. } | Phase::RolledBack { cause, .. } => Some(cause),
            Phase::Forward { .. } | Phase::Completed => None,
        }
    }

    /// The obstacle for which it waits for an operator, if it does: that of the step that was blocked first.
    pub fn blocked(&self) -> Option<&Blocked> {
        self.flags().next()
    }

    /// The obstacle for which a step waits for an operator, if it does.
    fn blocked_at(&self, step: usize) -> Option<&Blocked> {
        self.flags().find(|blocked| blocked.step == step)
    }

    /// All obstacles for which it waits for an operator, in the order in which they came about.
    fn flags(&self) -> impl Iterator<Item = &Blocked> {
        let flags = match &self.phase {
            Phase::Forward { blocked } | Phase::RollingBack { blocked, .. } => &blocked[..],
            Phase::Completed | Phase::RolledBack { .. } => &[],
        };
        flags.iter()
    }

    /// Whether nothing goes on by itself because the saga's task fails at this point.
    pub fn is_parked(&self) -> bool {
        self.flags().any(|blocked| blocked.stuck == Stuck::TaskFailed)
    }

    fn is_barrier(&self, step: usize) -> bool {
        self.definition.safety(step) == Safety::Barrier
    }

    /// Whether nothing after this step may be called until its success is on disk: it cannot be had a second time,
    /// or the requests of later steps are computed from it. A new owner needs it to undo them.
    fn is_waited_for(&self, step: usize) -> bool {
        let definition = &self.definition.steps[step];
        let is_call = definition.as_call().is_some();
        !is_call || definition.keeps_output() || !(definition.is_read() || self.is_barrier(step))
    }

    /// Whether no call of the step's action leaves before its `attempt_started` is on disk: a new owner may find that the condition
    /// is an error, and looks for no effect of a step without a compensation that its history does not show.
    fn is_announced_first(&self, step: usize) -> bool {
        let definition = &self.definition.steps[step];
        let is_kept = !definition.is_read() && definition.compensation().is_none();
        definition.when.is_some() || is_kept
    }

    /// Whether rolling back has nothing (more) to do for a step.
    pub(crate) fn is_settled(&self, step: usize) -> bool {
        if self.definition.steps[step].compensation().is_none() {
            return true;
        }
        match &self.steps[step] {
            StepState::Pending { shadow } => !shadow,
            StepState::Doing { tries, may_have_run } => {
                let may_run = rules::may_have_run(*may_have_run, tries.progress == Progress::Accepted);
                !rules::may_have_an_effect(tries.in_flight(), may_run)
            }
            StepState::Skipped
            | StepState::Waiting { .. }
            | StepState::NotDone { .. }
            | StepState::Undone => true,
            StepState::Done { .. } | StepState::Undoing { .. } => false,
        }
    }

    /// The steps of which that is true.
    fn steps_that(&self, is_one: impl Fn(usize) -> bool) -> StepSet {
        (0..self.steps.len()).filter(|step| is_one(*step)).collect()
    }

    /// The steps that the saga is at, in its present direction.
    fn active(&self) -> StepSet {
        self.active
    }

    /// The same, derived from the states of all steps.
    ///
    /// Forward, those that are neither done, skipped nor passed over, and wait for none that is not. Back, those that are not
    /// settled and that no unsettled one has waited for: a step is undone after every step that waited for it.
    fn derived_active(&self) -> StepSet {
        let graph = &self.definition.graph;
        match self.phase {
            Phase::Forward { .. } => {
                let is_passed = |step: usize| {
                    matches!(self.steps[step], StepState::Done { .. } | StepState::Skipped)
                        || self.notes[step].passed_over
                };
                let done = self.steps_that(is_passed);
                self.steps_that(|step| !done.contains(step) && graph.after(step).is_within(done))
            }
            Phase::RollingBack { .. } => {
                let settled = self.steps_that(|step| self.is_settled(step));
                let may_be_undone = |step| rules::may_be_undone(graph.behind(step).is_within(settled));
                self.steps_that(|step| !settled.contains(step) && may_be_undone(step))
            }
            Phase::Completed | Phase::RolledBack { .. } => StepSet::NONE,
        }
    }

    /// The attempts that are in flight and still matter.
    fn in_flight(&self) -> impl Iterator<Item = (usize, Direction, AttemptNumber)> {
        self.active().iter().filter_map(|step| self.in_flight_at(step))
    }

    /// The attempt of a step that is in flight, if one is.
    fn in_flight_at(&self, step: usize) -> Option<(usize, Direction, AttemptNumber)> {
        let (direction, tries) = self.tries(step)?;
        if let Question::InFlight(attempt) = tries.asked.question {
            return Some((step, Direction::Probe, attempt));
        }
        tries.in_flight().then_some((step, direction, tries.attempt))
    }

    /// The attempts whose answers are only recorded: see [`Progress::Late`].
    fn late(&self) -> impl Iterator<Item = (usize, Direction, AttemptNumber)> {
        let steps = self.steps.iter().enumerate().filter(|_| !self.is_over());
        steps.filter_map(|(step, state)| match state {
            StepState::Doing { tries, .. } if tries.progress == Progress::Late => {
                Some((step, Direction::Action, tries.attempt))
            }
            _ => None,
        })
    }

    /// Whether an attempt of a step is in flight.
    fn is_calling(&self, step: usize) -> bool {
        self.in_flight_at(step).is_some()
    }

    /// The attempts of what a step is being called for, if it is.
    fn tries(&self, step: usize) -> Option<(Direction, &Tries)> {
        match &self.steps[step] {
            StepState::Doing { tries, .. } => Some((Direction::Action, tries)),
            StepState::Undoing { tries, .. } => Some((Direction::Compensation, tries)),
            _ => None,
        }
    }

    fn tries_mut(&mut self, step: usize) -> Option<&mut Tries> {
        match &mut self.steps[step] {
            StepState::Doing { tries, .. } | StepState::Undoing { tries, .. } => Some(tries),
            _ => None,
        }
    }

    /// The number of the step's next probe.
    fn next_probe(&self, step: usize) -> AttemptNumber {
        self.notes[step].probe.map_or(AttemptNumber::FIRST, AttemptNumber::next)
    }
}
