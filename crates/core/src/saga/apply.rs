//! The effect of each event on the state. Nothing else changes a saga, live or when it is read back.
//!
//! - `attempt.rs`: calls that do a step or undo it, from start to end.
//! - `probe.rs`: calls that ask about a step.
//! - `command.rs`: operators' commands.
//! - `waiting.rs`: conditions, pauses, signals, and steps that are passed over.
//! - `take_over.rs`: the knowledge of a new owner about the former one's calls.

mod attempt;
mod command;
mod probe;
mod take_over;
mod waiting;

use std::sync::Arc;

use super::polling::Polling;
use super::{Blocked, Marks, Phase, Progress, Question, Saga, StepNotes, StepState};
use crate::definition::{Definition, StepSet};
use crate::direction::Direction;
use crate::event::{Cause, Event, Outcome, Record, Stuck};
use crate::id::{Epoch, SagaId, Seq, Timestamp};
use crate::json::Json;
use crate::trace::SagaTrace;

/// An event that cannot follow the history before it: the journal is damaged, or was written by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({event}) cannot stand here: {why}")]
pub struct IllegalEvent {
    /// Its position.
    pub seq: Seq,
    /// The name of the event.
    pub event: String,
    /// Which rule it breaks.
    pub why: &'static str,
}

impl IllegalEvent {
    pub(super) const NO_HISTORY: Self =
        Self { seq: Seq::NONE, event: String::new(), why: "there are no events at all" };

    fn new(seq: Seq, event: &Event, why: &'static str) -> Self {
        Self { seq, event: format!("{event:?}").chars().take(120).collect(), why }
    }
}

/// The end of a call, as its event tells it.
struct EndedCall<'a> {
    seq: Seq,
    at: Timestamp,
    step: usize,
    outcome: Outcome,
    status: Option<u16>,
    reason: Option<&'a str>,
    output: Option<&'a Json>,
    retry_at: Option<Timestamp>,
}

impl Saga {
    /// The saga that `record`, which must be its start, brings about.
    pub(super) fn begin(
        id: SagaId,
        definition: Arc<Definition>,
        record: &Record,
    ) -> Result<Self, IllegalEvent> {
        let seq = Seq::NONE.next();
        let Event::Started { definition: pinned, input, labels, callbacks, deadline, epoch, trace, .. } =
            &record.event
        else {
            return Err(IllegalEvent::new(seq, &record.event, "a history begins with `started`"));
        };
        if *pinned != definition.hash {
            return Err(IllegalEvent::new(seq, &record.event, "the saga is pinned to another definition"));
        }
        if *epoch != Epoch::first_of(epoch.incarnation()) {
            return Err(IllegalEvent::new(
                seq,
                &record.event,
                "a saga starts in the first epoch of an incarnation",
            ));
        }
        let steps = vec![StepState::Pending { shadow: false }; definition.steps.len()];
        let mut saga = Self {
            id,
            input: input.clone(),
            labels: labels.clone(),
            callbacks: callbacks.clone().map(Box::new),
            started_by: record.by.clone(),
            created: record.at,
            updated: record.at,
            deadline: *deadline,
            seq,
            epoch: *epoch,
            state: record.state.clone().unwrap_or_else(|| definition.states.started.clone()),
            phase: Phase::Forward { blocked: Vec::new() },
            notes: vec![StepNotes::default(); steps.len()],
            commands: Vec::new(),
            signals: Vec::new(),
            output: None,
            steps,
            marks: Marks::default(),
            traces: SagaTrace::of(trace.clone()),
            active: StepSet::NONE,
            definition,
        };
        saga.active = saga.derived_active();
        Ok(saga)
    }

    /// Applies the next event.
    pub fn apply(&mut self, record: &Record) -> Result<(), IllegalEvent> {
        let seq = self.seq.next();
        self.change(seq, record).map_err(|why| IllegalEvent::new(seq, &record.event, why))?;
        self.traces.goes_on(seq, record, self.updated);
        self.seq = seq;
        self.updated = record.at;
        self.commands.extend(record.command);
        if let Some(state) = &record.state {
            self.state = state.clone();
        }
        self.active = self.derived_active();
        Ok(())
    }

    fn change(&mut self, seq: Seq, record: &Record) -> Result<(), &'static str> {
        if self.is_over() {
            return Err("the saga is over");
        }
        match &record.event {
            Event::Started { .. } => Err("a saga starts once"),
            Event::Skipped { step } => self.skipped(seq, *step),
            Event::Waits { step, until } => self.waits(record.at, *step, *until),
            Event::PauseEnded { step } => self.pause_ended(seq, *step),
            Event::Signalled { name, key, body, .. } => self.signalled(name, key.as_deref(), body),
            Event::SignalTaken { step, signal, outcome, reason, output } => {
                let meaning = (*outcome, reason.as_deref(), output.as_ref());
                self.signal_taken(seq, record.at, *step, *signal, meaning)
            }
            Event::PassedOver { step, reason } => self.passed_over(seq, *step, reason),
            Event::OutputMade { output, .. } => {
                if !self.wants_output() {
                    return Err("no output is asked for");
                }
                self.output = Some(output.clone());
                Ok(())
            }
            Event::AttemptStarted { step, direction: Direction::Probe, attempt } => {
                self.probe_started(*step, *attempt)
            }
            Event::AttemptStarted { step, direction, attempt } => {
                self.attempt_started(seq, record.at, *step, *direction, *attempt)
            }
            Event::AttemptEnded { step, direction, attempt, outcome, status, reason, output, retry_at } => {
                let is_asked = |step: usize| {
                    let tries = self.tries(step).filter(|_| self.active().contains(step));
                    self.accepted(step).is_some() && tries.is_some_and(|(_, tries)| tries.attempt == *attempt)
                };
                let is_in_flight = match direction {
                    Direction::Poll => *step < self.steps.len() && is_asked(*step),
                    _ => {
                        self.in_flight().chain(self.late()).any(|call| call == (*step, *direction, *attempt))
                    }
                };
                if !is_in_flight {
                    return Err("that attempt is not in flight");
                }
                let (reason, output) = (reason.as_deref(), output.as_ref());
                let ended = EndedCall {
                    seq,
                    at: record.at,
                    step: *step,
                    outcome: *outcome,
                    status: *status,
                    reason,
                    output,
                    retry_at: *retry_at,
                };
                self.marks.lost_owners = 0;
                match direction {
                    Direction::Probe => self.probe_ended(&ended),
                    Direction::Poll => self.poll_ended(&ended),
                    Direction::Action | Direction::Compensation => self.attempt_ended(*direction, &ended),
                }
            }
            Event::RollbackDecided { cause } => self.rollback_decided(seq, record.at, cause),
            Event::Blocked { step, stuck, reason } => self.block_at(seq, record.at, *step, *stuck, reason),
            Event::Completed => match self.phase {
                Phase::Forward { .. } if self.active().is_empty() && !self.wants_output() => {
                    self.phase = Phase::Completed;
                    Ok(())
                }
                _ => Err("not every step has succeeded"),
            },
            Event::RolledBack => match &self.phase {
                Phase::RollingBack { cause, .. } if self.active().is_empty() => {
                    let undone = self.steps.iter().any(|state| matches!(state, StepState::Undone));
                    self.phase = Phase::RolledBack { cause: cause.clone(), undone };
                    Ok(())
                }
                _ => Err("something is left to undo"),
            },
            Event::Resumed { unseen, .. } => self.resumed(seq, record.at, *unseen),
            Event::Resolved { step, finding, output, reason, .. } => {
                self.resolved(seq, record.at, *step, *finding, output.as_ref(), reason)
            }
            Event::TakenOver { epoch, .. } => {
                if *epoch != self.epoch.next_in(epoch.incarnation()) {
                    return Err("epochs grow by one, or to the first one of a later incarnation");
                }
                self.epoch = *epoch;
                if self.in_flight().next().is_some() || !self.evaluations().is_empty() || self.wants_output()
                {
                    self.marks.lost_owners += 1;
                }
                self.marks.take_over = seq;
                self.lose_sight(record.at);
                Ok(())
            }
        }
    }

    /// Flags the saga at a step: it waits for an operator.
    fn block_at(
        &mut self,
        seq: Seq,
        now: Timestamp,
        step: usize,
        stuck: Stuck,
        reason: &str,
    ) -> Result<(), &'static str> {
        let before = self.blocked_at(step);
        if step >= self.steps.len() || before.is_some_and(|flag| flag.stuck == stuck) {
            return Err("a saga is blocked once for the same, and at a step that it has");
        }
        let at = before.map_or(now, |flag| flag.at);
        let answered = self.tries(step).and_then(|(_, tries)| tries.status);
        let status = answered.filter(|_| stuck != Stuck::TaskFailed);
        let flag = Blocked { since: seq, recorded: now, at, step, stuck, reason: reason.into(), status };
        let may_be_blocked = self.cause().is_some() || self.is_past_pivot();
        match &mut self.phase {
            Phase::Forward { blocked } | Phase::RollingBack { blocked, .. }
                if may_be_blocked || stuck == Stuck::TaskFailed =>
            {
                match blocked.iter_mut().find(|known| known.step == step) {
                    Some(known) => *known = flag,
                    None => blocked.push(flag),
                }
            }
            _ => return Err("only a rollback can be blocked, but for a task that fails, or behind a pivot"),
        }
        if stuck == Stuck::TaskFailed {
            // The next task that runs it knows no more of this one's calls than another owner would.
            self.marks.take_over = seq;
            self.lose_sight(now);
        }
        Ok(())
    }

    fn rollback_decided(&mut self, seq: Seq, now: Timestamp, cause: &Cause) -> Result<(), &'static str> {
        if !matches!(self.phase, Phase::Forward { .. }) {
            return Err("the rollback is decided once");
        }
        self.phase = Phase::RollingBack { cause: cause.clone(), blocked: Vec::new() };
        self.marks.rollback = seq;
        self.marks.lost_owners = 0;
        // Steps of barriers that wait for one of these may have been called ahead of the disk, and are undone first.
        let goes_on = self.derived_active();
        for (step, state) in self.steps.iter_mut().enumerate() {
            let StepState::Doing { tries, may_have_run } = state else { continue };
            // From here on another patience applies, and its count begins anew.
            tries.failures = 0;
            tries.asked.failures = 0;
            if let Some(work) = &mut tries.accepted {
                work.polling = Polling::from(now);
            }
            if !goes_on.contains(step) && (tries.in_flight() || tries.asked.is_in_flight()) {
                *may_have_run = true;
                let is_heard = tries.in_flight() && self.definition.steps[step].compensation().is_none();
                tries.progress = if is_heard { Progress::Late } else { Progress::GivenUp };
                tries.ended_at = now;
                tries.asked.question = Question::NotYet;
            }
        }
        Ok(())
    }

    /// A step has taken effect, or been undone.
    fn succeeded(&mut self, seq: Seq, step: usize) {
        if self.is_waited_for(step) {
            self.notes[step].waited_for = seq;
        }
        self.unblock(step);
    }

    /// Takes the flag from a step: the event that its operator was needed for has come about.
    fn unblock(&mut self, step: usize) {
        if let Phase::Forward { blocked } | Phase::RollingBack { blocked, .. } = &mut self.phase {
            blocked.retain(|blocked| blocked.step != step);
        }
    }
}
