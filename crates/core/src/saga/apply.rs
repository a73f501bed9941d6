//! What each event does to the state. Nothing else changes a saga, live or when it is read back.

use std::sync::Arc;

use super::{Blocked, Marks, Phase, Progress, Saga, StepState, Tries};
use crate::definition::{Definition, Safety};
use crate::event::{Direction, Event, Outcome, Record};
use crate::id::{AttemptNumber, Epoch, SagaId, Seq, Timestamp};

/// An event that cannot follow the history before it: the journal is damaged, or was written by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({event}) cannot stand here: {why}")]
pub struct IllegalEvent {
    /// Its position.
    pub seq: Seq,
    /// What it is.
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

impl Saga {
    /// The saga that `record`, which must be its start, brings about.
    pub(super) fn begin(
        id: SagaId,
        definition: Arc<Definition>,
        record: &Record,
    ) -> Result<Self, IllegalEvent> {
        let seq = Seq::NONE.next();
        let Event::Started { definition: pinned, input, deadline, .. } = &record.event else {
            return Err(IllegalEvent::new(seq, &record.event, "a history begins with `started`"));
        };
        if *pinned != definition.hash {
            return Err(IllegalEvent::new(seq, &record.event, "the saga is pinned to another definition"));
        }
        let steps = vec![StepState::Pending { shadow: false }; definition.steps.len()];
        Ok(Self {
            id,
            input: input.clone(),
            created: record.at,
            updated: record.at,
            deadline: *deadline,
            seq,
            epoch: Epoch::FIRST,
            etat: record.etat.clone().unwrap_or_else(|| definition.states.started.clone()),
            phase: Phase::Forward { step: 0 },
            steps,
            marks: Marks::default(),
            definition,
        })
    }

    /// Applies the next event.
    pub fn apply(&mut self, record: &Record) -> Result<(), IllegalEvent> {
        let seq = self.seq.next();
        self.change(seq, record).map_err(|why| IllegalEvent::new(seq, &record.event, why))?;
        self.seq = seq;
        self.updated = record.at;
        if let Some(etat) = &record.etat {
            self.etat = etat.clone();
        }
        Ok(())
    }

    fn change(&mut self, seq: Seq, record: &Record) -> Result<(), &'static str> {
        if self.is_over() {
            return Err("the saga is over");
        }
        match &record.event {
            Event::Started { .. } => Err("a saga starts once"),
            Event::AttemptStarted { step, direction, attempt } => {
                self.attempt_started(seq, *step, *direction, *attempt)
            }
            Event::AttemptEnded { step, direction, attempt, .. } => {
                self.attempt_ended(seq, *step, *direction, *attempt, &record.event)
            }
            Event::RollbackDecided { cause } => {
                if !matches!(self.phase, Phase::Forward { .. }) {
                    return Err("the rollback is decided once");
                }
                let current = self.current();
                self.phase = Phase::RollingBack { cause: cause.clone(), blocked: None };
                // From here on another patience applies, and its count begins anew.
                if let Some(StepState::Doing { tries, .. }) = current.map(|step| &mut self.steps[step]) {
                    tries.failures = 0;
                }
                self.marks.rollback = seq;
                Ok(())
            }
            Event::Blocked { step, stuck, reason } => match &mut self.phase {
                Phase::RollingBack { blocked: blocked @ None, .. } if *step < self.steps.len() => {
                    *blocked =
                        Some(Blocked { since: seq, step: *step, stuck: *stuck, reason: reason.clone() });
                    Ok(())
                }
                _ => Err("only a rollback can be blocked, and only once at a time"),
            },
            Event::Completed => match self.phase {
                Phase::Forward { step } if step == self.steps.len() => {
                    self.phase = Phase::Completed;
                    Ok(())
                }
                _ => Err("not every step has succeeded"),
            },
            Event::RolledBack => match &self.phase {
                Phase::RollingBack { cause, .. } if self.undoing().is_none() => {
                    let undone = self.steps.iter().any(|state| matches!(state, StepState::Undone));
                    self.phase = Phase::RolledBack { cause: cause.clone(), undone };
                    Ok(())
                }
                _ => Err("something is left to undo"),
            },
            Event::TakenOver { epoch, .. } => {
                if *epoch != self.epoch.next() {
                    return Err("epochs grow by one");
                }
                self.epoch = *epoch;
                self.marks.take_over = seq;
                self.lose_sight(record.at);
                Ok(())
            }
        }
    }

    fn attempt_started(
        &mut self,
        seq: Seq,
        step: usize,
        direction: Direction,
        attempt: AttemptNumber,
    ) -> Result<(), &'static str> {
        if step >= self.steps.len() {
            return Err("there is no such step");
        }
        let rolling_back = matches!(self.phase, Phase::RollingBack { .. });
        match direction {
            Direction::Action => match self.phase {
                Phase::Forward { step: current } if current != step => {
                    return Err("it is not this step's turn");
                }
                _ if rolling_back && self.undoing() != Some(step) => {
                    return Err("it is not this step's turn");
                }
                _ => {}
            },
            Direction::Compensation => {
                if !rolling_back {
                    return Err("nothing is undone before that is decided");
                }
                if self.undoing() != Some(step) || self.definition.steps[step].compensation.is_none() {
                    return Err("it is not this step's turn to be undone");
                }
            }
        }
        let is_barrier = self.is_barrier(step);
        let is_read = self.definition.steps[step].is_read();
        let start = |tries: Option<&Tries>| -> Result<Tries, &'static str> {
            let due = tries.map_or(AttemptNumber::FIRST, |tries| tries.attempt.next());
            if tries.is_some_and(Tries::in_flight) {
                return Err("an attempt is still in flight");
            }
            if attempt != due {
                return Err("attempts are numbered without gaps");
            }
            Ok(Tries {
                attempt,
                progress: Progress::InFlight,
                first_started: tries.map_or(seq, |tries| tries.first_started),
                started: seq,
                failures: tries.map_or(0, |tries| tries.failures),
                reason: tries.and_then(|tries| tries.reason.clone()),
            })
        };
        let state = &mut self.steps[step];
        *state = match (&*state, direction) {
            (StepState::Pending { shadow }, Direction::Action) => {
                StepState::Doing { tries: start(None)?, may_have_run: *shadow }
            }
            (StepState::Doing { tries, may_have_run }, Direction::Action) => {
                StepState::Doing { tries: start(Some(tries))?, may_have_run: *may_have_run }
            }
            (StepState::Done { output, at }, Direction::Compensation) => {
                StepState::Undoing { tries: start(None)?, output: output.clone(), done_at: *at }
            }
            // Barriers are undone at once, even with the action in flight: it is refused if it arrives late.
            (StepState::Doing { .. } | StepState::Pending { shadow: true }, Direction::Compensation)
                if is_barrier =>
            {
                StepState::Undoing { tries: start(None)?, output: None, done_at: Seq::NONE }
            }
            (StepState::Undoing { tries, output, done_at }, Direction::Compensation) => {
                StepState::Undoing { tries: start(Some(tries))?, output: output.clone(), done_at: *done_at }
            }
            _ => return Err("the step is not in a state for that"),
        };
        if direction == Direction::Action && !is_read && self.marks.first_effect.is_none() {
            self.marks.first_effect = Some(seq);
        }
        Ok(())
    }

    fn attempt_ended(
        &mut self,
        seq: Seq,
        step: usize,
        direction: Direction,
        attempt: AttemptNumber,
        event: &Event,
    ) -> Result<(), &'static str> {
        let Event::AttemptEnded { outcome, reason, output, retry_at, .. } = event else {
            return Err("not the end of an attempt");
        };
        let is_barrier = self.is_barrier(step.min(self.steps.len() - 1));
        if self.in_flight().is_none_or(|(s, d, tries)| (s, d, tries.attempt) != (step, direction, attempt)) {
            return Err("that attempt is not in flight");
        }
        let Some(state) = self.steps.get_mut(step) else { return Err("there is no such step") };
        let tries = match (&mut *state, direction) {
            (StepState::Doing { tries, .. }, Direction::Action) => tries,
            (StepState::Undoing { tries, .. }, Direction::Compensation) => tries,
            _ => return Err("no such call is under way"),
        };
        tries.progress = retry_at.map_or(Progress::GivenUp, Progress::Due);
        if *outcome != Outcome::Ok {
            tries.failures += 1;
            tries.reason.clone_from(reason);
        }
        let succeeded = match (state, direction, outcome) {
            (state, Direction::Action, Outcome::Ok) => {
                *state = StepState::Done { output: output.clone(), at: seq };
                true
            }
            (StepState::Doing { may_have_run, .. }, Direction::Action, Outcome::Unknown) => {
                *may_have_run = true;
                false
            }
            (StepState::Doing { .. }, Direction::Action, Outcome::NotSent) => false,
            (state, Direction::Action, Outcome::Refused) => {
                // A barrier that may have run before is undone all the same: that is always safe, and a refusal
                // of the repetition says little about the first call.
                let keep = is_barrier && matches!(state, StepState::Doing { may_have_run: true, .. });
                if !keep {
                    *state = StepState::NotDone { reason: reason.clone().unwrap_or_default() };
                }
                false
            }
            (state, Direction::Compensation, Outcome::Ok) => {
                *state = StepState::Undone;
                true
            }
            (_, _, Outcome::Unknown | Outcome::NotSent | Outcome::Refused) => false,
        };
        let settled_something = succeeded || self.is_settled(step);
        match &mut self.phase {
            Phase::Forward { step: current } if succeeded => *current += 1,
            // What the person was needed for has come about by itself.
            Phase::RollingBack { blocked, .. }
                if settled_something && blocked.as_ref().is_some_and(|blocked| blocked.step == step) =>
            {
                *blocked = None;
            }
            _ => {}
        }
        if succeeded && self.is_waited_for(step) {
            self.marks.last_waited_for = seq;
        }
        Ok(())
    }

    /// A new owner cannot know what became of the former one's calls.
    fn lose_sight(&mut self, now: Timestamp) {
        let forward = matches!(self.phase, Phase::Forward { .. });
        let none_has_left = self.marks.first_effect.is_none();
        for step in 0..self.steps.len() {
            let is_read = self.definition.steps[step].is_read();
            let safety = self.definition.participant(step).safety;
            let cut_short = |tries: &mut Tries| {
                if tries.in_flight() {
                    let repeatable = is_read || safety != Safety::None;
                    tries.progress = if repeatable { Progress::Due(now) } else { Progress::GivenUp };
                    if !repeatable {
                        tries.reason = Some("the call was cut short by a restart".into());
                    }
                }
            };
            match &mut self.steps[step] {
                StepState::Doing { tries, may_have_run } => {
                    // A barrier's next attempt may leave ahead of the record of its start.
                    let ahead =
                        forward && safety == Safety::Barrier && matches!(tries.progress, Progress::Due(_));
                    *may_have_run |= !is_read && (tries.in_flight() || ahead);
                    cut_short(tries);
                }
                StepState::Undoing { tries, .. } => cut_short(tries),
                // Forward, calls to barriers may be any number of steps ahead of the history.
                StepState::Pending { shadow } if forward && !none_has_left => {
                    *shadow |= !is_read && safety == Safety::Barrier;
                }
                StepState::Pending { .. }
                | StepState::Done { .. }
                | StepState::NotDone { .. }
                | StepState::Undone => {}
            }
            // What comes after it can have left only if this step may have succeeded ahead of the history.
            let is_edge = match &self.steps[step] {
                StepState::Pending { .. } => self.is_waited_for(step),
                StepState::Doing { tries, .. } => {
                    tries.progress == Progress::GivenUp || self.is_waited_for(step)
                }
                StepState::NotDone { .. } => true,
                StepState::Done { .. } | StepState::Undoing { .. } | StepState::Undone => false,
            };
            if forward && is_edge {
                break;
            }
        }
    }
}
