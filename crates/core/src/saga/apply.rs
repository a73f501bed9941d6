//! What each event does to the state. Nothing else changes a saga, live or when it is read back.

use std::sync::Arc;

use super::{Asked, Blocked, Marks, Phase, Progress, Saga, StepState, Tries};
use crate::definition::{Definition, Safety};
use crate::event::{Direction, Event, Finding, Outcome, Record, Stuck};
use crate::id::{AttemptNumber, Epoch, SagaId, Seq, Timestamp};
use crate::json::Json;
use crate::retry::RETRY_AFTER_MAX;

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
                self.attempt_started(seq, record.at, *step, *direction, *attempt)
            }
            Event::AttemptEnded { step, direction: Direction::Probe, attempt, .. } => {
                self.probe_ended(seq, record.at, *step, *attempt, &record.event)
            }
            Event::AttemptEnded { step, direction, attempt, .. } => {
                self.attempt_ended(seq, record.at, *step, *direction, *attempt, &record.event)
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
                    tries.asked.failures = 0;
                }
                self.marks.rollback = seq;
                Ok(())
            }
            Event::Blocked { step, stuck, reason } => match &mut self.phase {
                Phase::RollingBack { blocked, .. }
                    if *step < self.steps.len() && blocked.as_ref().is_none_or(|b| b.stuck != *stuck) =>
                {
                    *blocked =
                        Some(Blocked { since: seq, step: *step, stuck: *stuck, reason: reason.clone() });
                    Ok(())
                }
                _ => Err("only a rollback can be blocked, and only once for the same"),
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
            Event::Resumed { .. } => self.resumed(record.at),
            Event::Resolved { step, finding, output, reason, .. } => {
                self.resolved(seq, record.at, *step, *finding, output.as_ref(), reason)
            }
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
        now: Timestamp,
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
            Direction::Probe => return self.probe_started(step, attempt),
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
                first_at: tries.map_or(now, |tries| tries.first_at),
                ended_at: now,
                failures: tries.map_or(0, |tries| tries.failures),
                reason: tries.and_then(|tries| tries.reason.clone()),
                asked: Asked { attempt: tries.and_then(|tries| tries.asked.attempt), ..Asked::default() },
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
        now: Timestamp,
        step: usize,
        direction: Direction,
        attempt: AttemptNumber,
        event: &Event,
    ) -> Result<(), &'static str> {
        let Event::AttemptEnded { outcome, reason, output, retry_at, .. } = event else {
            return Err("not the end of an attempt");
        };
        let is_barrier = self.is_barrier(step.min(self.steps.len() - 1));
        if self.in_flight() != Some((step, direction, attempt)) {
            return Err("that attempt is not in flight");
        }
        let Some(state) = self.steps.get_mut(step) else { return Err("there is no such step") };
        let tries = match (&mut *state, direction) {
            (StepState::Doing { tries, .. }, Direction::Action) => tries,
            (StepState::Undoing { tries, .. }, Direction::Compensation) => tries,
            _ => return Err("no such call is under way"),
        };
        tries.progress = retry_at.map_or(Progress::GivenUp, Progress::Due);
        tries.ended_at = now;
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
            (_, Direction::Action | Direction::Compensation, _) => false,
            (_, Direction::Probe, _) => return Err("a probe is no attempt of the call it asks about"),
        };
        self.moved_on(seq, step, succeeded);
        Ok(())
    }

    /// What follows for the saga when a step's call has `succeeded`, or it may be settled.
    fn moved_on(&mut self, seq: Seq, step: usize, succeeded: bool) {
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
    }

    fn probe_started(&mut self, step: usize, attempt: AttemptNumber) -> Result<(), &'static str> {
        if self.current() != Some(step) || self.definition.steps[step].probe.is_none() {
            return Err("there is nothing to ask about that step");
        }
        let (StepState::Doing { tries, .. } | StepState::Undoing { tries, .. }) = &mut self.steps[step]
        else {
            return Err("there is nothing to ask about that step");
        };
        if tries.in_flight() || tries.asked.progress == Some(Progress::InFlight) {
            return Err("an attempt is still in flight");
        }
        if attempt != tries.asked.attempt.map_or(AttemptNumber::FIRST, AttemptNumber::next) {
            return Err("attempts are numbered without gaps");
        }
        tries.asked.attempt = Some(attempt);
        tries.asked.progress = Some(Progress::InFlight);
        Ok(())
    }

    fn probe_ended(
        &mut self,
        seq: Seq,
        now: Timestamp,
        step: usize,
        attempt: AttemptNumber,
        event: &Event,
    ) -> Result<(), &'static str> {
        let Event::AttemptEnded { outcome, reason, output, retry_at, .. } = event else {
            return Err("not the end of an attempt");
        };
        if self.in_flight() != Some((step, Direction::Probe, attempt)) {
            return Err("that attempt is not in flight");
        }
        let forward = matches!(self.phase, Phase::Forward { .. });
        let attempts = self.definition.steps[step].retry.attempts;
        let state = &mut self.steps[step];
        let (StepState::Doing { tries, .. } | StepState::Undoing { tries, .. }) = &mut *state else {
            return Err("no such call is under way");
        };
        tries.asked.progress = retry_at.map(Progress::Due);
        let mut succeeded = false;
        match (outcome, &mut *state) {
            (
                Outcome::Unknown | Outcome::NotSent,
                StepState::Doing { tries, .. } | StepState::Undoing { tries, .. },
            ) => {
                tries.asked.failures += 1;
                tries.asked.progress = Some(Progress::Due(retry_at.unwrap_or(now)));
            }
            (Outcome::Ok, StepState::Doing { .. }) => {
                *state = StepState::Done { output: output.clone(), at: seq };
                succeeded = true;
            }
            // It is still there: the call that was to undo it did not.
            (Outcome::Ok, StepState::Undoing { tries, .. }) => {
                tries.progress = Progress::Due(now);
                self.marks.vouched = Some(now);
            }
            (Outcome::Refused, StepState::Doing { tries, may_have_run }) if forward => {
                *may_have_run = false;
                let again = tries.failures < attempts;
                tries.progress = if again { Progress::Due(now) } else { Progress::GivenUp };
            }
            (Outcome::Refused, StepState::Doing { .. }) => {
                *state = StepState::NotDone { reason: reason.clone().unwrap_or_default() };
            }
            (Outcome::Refused, StepState::Undoing { .. }) => {
                *state = StepState::Undone;
                succeeded = true;
            }
            _ => return Err("no such call is under way"),
        }
        self.moved_on(seq, step, succeeded);
        Ok(())
    }

    /// A person wants the next attempt at once, and vouches for it where it would not be made by itself.
    fn resumed(&mut self, now: Timestamp) -> Result<(), &'static str> {
        if self.in_flight().is_some() {
            return Err("an attempt is in flight already");
        }
        self.marks.vouched = Some(now);
        let current = self.current();
        let may_ask = current.is_some_and(|step| self.definition.steps[step].probe.is_some());
        let horizon = match &mut self.phase {
            Phase::RollingBack { blocked, .. } => {
                blocked.take_if(|blocked| blocked.stuck == Stuck::HorizonPassed).is_some()
            }
            _ => false,
        };
        if let Some(StepState::Doing { tries, .. } | StepState::Undoing { tries, .. }) =
            current.map(|step| &mut self.steps[step])
        {
            match (tries.asked.progress, tries.progress) {
                (Some(_), _) if !horizon => tries.asked.progress = Some(Progress::Due(now)),
                (_, Progress::GivenUp) if may_ask && !horizon => {
                    tries.asked.progress = Some(Progress::Due(now));
                }
                (_, Progress::Due(_) | Progress::GivenUp) => {
                    tries.asked.progress = None;
                    tries.progress = Progress::Due(now);
                }
                (_, Progress::InFlight) => {}
            }
        }
        Ok(())
    }

    /// A person says what became of the step that is stuck.
    fn resolved(
        &mut self,
        seq: Seq,
        now: Timestamp,
        step: usize,
        finding: Finding,
        output: Option<&Json>,
        reason: &str,
    ) -> Result<(), &'static str> {
        if self.in_flight().is_some() {
            return Err("an attempt is in flight");
        }
        match &mut self.phase {
            Phase::RollingBack { blocked, .. } if blocked.as_ref().is_some_and(|b| b.step == step) => {
                *blocked = None;
            }
            _ => return Err("no person is needed for that step"),
        }
        let state = &mut self.steps[step];
        match finding {
            Finding::Undone => *state = StepState::Undone,
            Finding::NotRun => *state = StepState::NotDone { reason: reason.into() },
            Finding::Ran => {
                self.marks.vouched = Some(now);
                match state {
                    StepState::Undoing { tries, .. } => {
                        tries.asked = Asked { attempt: tries.asked.attempt, ..Asked::default() };
                        tries.progress = Progress::Due(now);
                    }
                    StepState::Done { .. } => {}
                    _ => *state = StepState::Done { output: output.cloned(), at: seq },
                }
            }
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
            let longest = self.definition.steps[step].retry.cap.max(self.definition.steps[step].persist.cap);
            let cut_short = |tries: &mut Tries| {
                if tries.in_flight() {
                    let repeatable = is_read || safety != Safety::None;
                    tries.progress = if repeatable { Progress::Due(now) } else { Progress::GivenUp };
                    if !repeatable {
                        tries.reason = Some("the call was cut short by a restart".into());
                    }
                }
                // Clocks differ: the new owner's own patience begins now, and no former owner's clock, however far ahead,
                // makes it wait for longer than any retry does.
                tries.ended_at = now;
                if let Progress::Due(at) = tries.progress {
                    tries.progress = Progress::Due(at.min(now.plus(RETRY_AFTER_MAX.max(longest))));
                }
                if tries.asked.progress.is_some() {
                    tries.asked.progress = Some(Progress::Due(now));
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
