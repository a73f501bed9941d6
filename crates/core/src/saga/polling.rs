//! Actions that were accepted and are done later: a poll asks until they are.
//!
//! A poll is asked many times and changes nothing, so it writes no event until it has an answer. When it is asked next is
//! known to the running saga alone; a new owner begins anew.

use std::fmt;

use http::Uri;

use super::{Phase, Progress, Saga, StepState};
use crate::definition::{Acceptance, PollCall, SignalWait, StepSet};
use crate::direction::Direction;
use crate::event::Outcome;
use crate::id::{AttemptNumber, Timestamp};
use crate::json::{Json, Picked, pick};
use crate::location::{LocationPath, resolve};
use crate::reply::Verdict;
use crate::retry::Random;

/// An action that was accepted, and is not done yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AcceptedWork {
    /// The time of the answer that accepted it.
    pub(super) at: Timestamp,
    /// The part of the answer that its poll reads.
    pub(super) answer: Option<Json>,
    pub(super) polling: Polling,
}

/// Where polling stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Polling {
    pub(super) turn: PollTurn,
    /// Polls without an answer since the saga's direction, or the patience with it, last changed.
    pub(super) unanswered: u32,
}

/// When a poll is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum PollTurn {
    Due(Timestamp),
    Now,
}

/// No event tells it, so a saga that is read back differs in it from the one that ran: what shows sagas leaves it out.
impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

impl Polling {
    pub(super) fn from(at: Timestamp) -> Self {
        Self { turn: PollTurn::Due(at), unanswered: 0 }
    }
}

impl Saga {
    /// The accepted action of a step that the saga is at.
    pub(super) fn accepted(&self, step: usize) -> Option<(&Acceptance, &AcceptedWork)> {
        let StepState::Doing { tries, .. } = &self.steps[step] else { return None };
        let work = tries.accepted.as_deref().filter(|_| tries.progress == Progress::Accepted)?;
        Some((self.definition.steps[step].acceptance()?, work))
    }

    pub(super) fn accepted_mut(&mut self, step: usize) -> Option<&mut AcceptedWork> {
        let StepState::Doing { tries, .. } = &mut self.steps[step] else { return None };
        let is_accepted = tries.progress == Progress::Accepted;
        tries.accepted.as_deref_mut().filter(|_| is_accepted)
    }

    /// The poll of a step that the saga is at, if its action was accepted.
    pub(super) fn poll(&self, step: usize) -> Option<(&PollCall, &AcceptedWork)> {
        let (acceptance, work) = self.accepted(step)?;
        Some((acceptance.poll.as_ref()?, work))
    }

    /// The signal that a step waits for whose action was accepted.
    pub(super) fn awaits(&self, step: usize) -> Option<&SignalWait> {
        self.accepted(step).and_then(|(acceptance, _)| acceptance.signal.as_ref())
    }

    /// Until when an accepted action may take; `None`: as long as the saga may.
    pub(super) fn accepted_until(&self, step: usize) -> Option<Timestamp> {
        let (acceptance, work) = self.accepted(step)?;
        Some(work.at.plus(acceptance.within?))
    }

    /// The polls that are being asked.
    pub(super) fn polls(&self) -> impl Iterator<Item = (usize, Direction, AttemptNumber)> {
        let active = if self.is_parked() { StepSet::NONE } else { self.active() };
        active.iter().filter_map(|step| {
            let (_, work) = self.poll(step)?;
            let (_, tries) = self.tries(step)?;
            (work.polling.turn == PollTurn::Now).then_some((step, Direction::Poll, tries.attempt))
        })
    }

    /// When the next poll of a step is asked, unless it is being asked.
    pub(super) fn poll_at(&self, step: usize) -> Option<Timestamp> {
        match self.poll(step)?.1.polling.turn {
            PollTurn::Due(at) => Some(at),
            PollTurn::Now => None,
        }
    }

    /// Whether the saga knows something that no event tells: how often a poll has had no answer, while a person is told of that
    /// after a number of them. A saga that is read back counts anew.
    pub fn counts_polls(&self) -> bool {
        let is_patient = self.cause().is_some() || self.is_past_pivot();
        let counts = |step: usize| self.poll(step).is_some() && self.blocked_at(step).is_none();
        self.definition.has_polls && is_patient && self.active().iter().any(counts)
    }

    /// Whether a step's poll has had no answer so often that an operator is told.
    pub(super) fn is_polled_too_often(&self, step: usize) -> bool {
        let attempts = self.definition.steps[step].as_call().map_or(0, |call| call.persist.attempts);
        self.poll(step).is_some_and(|(_, work)| work.polling.unanswered >= attempts)
    }

    /// Asks the polls whose time has come.
    pub(super) fn ask_polls(&mut self, now: Timestamp) {
        if self.is_over() || self.is_parked() {
            return;
        }
        for step in self.active().iter() {
            if self.poll_at(step).is_some_and(|at| now >= at)
                && let Some(work) = self.accepted_mut(step)
            {
                work.polling.turn = PollTurn::Now;
            }
        }
    }

    /// The answer to a poll says nothing yet: it is asked again after `every`, or when the answer says; while the saga rolls
    /// back or can fail no more, at the pace of `persist`.
    pub(super) fn poll_again(&mut self, step: usize, verdict: &Verdict, now: Timestamp, random: Random) {
        let is_patient = !matches!(self.phase, Phase::Forward { .. }) || self.is_past_pivot();
        let persist = self.definition.steps[step].as_call().map(|call| call.persist);
        let Some((poll, _)) = self.poll(step) else { return };
        let every = poll.wait(verdict.retry_after);
        // A saga that was read back counts anew, but not what an operator has been told of.
        let told = self.blocked_at(step).and(persist).map_or(0, |persist| persist.attempts);
        let Some(work) = self.accepted_mut(step) else { return };
        work.polling.unanswered = work.polling.unanswered.saturating_add(1);
        let wait = match persist.filter(|_| is_patient) {
            Some(persist) => persist.delay(work.polling.unanswered.max(told), verdict.retry_after, random),
            None => every,
        };
        work.polling.turn = PollTurn::Due(now.plus(wait));
    }

    /// Whether the answer that accepted an action can be followed; else, why its outcome is unknown.
    pub(super) fn followable(&self, step: usize, verdict: &Verdict) -> Result<(), String> {
        let Some(poll) = self.definition.steps[step].acceptance().and_then(|accept| accept.poll.as_ref())
        else {
            return Ok(());
        };
        if !poll.follows_location {
            return Ok(());
        }
        let location = location_of(verdict.output.as_ref())
            .ok_or("unreadable answer: it says that the action was accepted, and has no header Location")?;
        let base = self.base(step).ok_or("the step has no participant")?;
        resolve(&base, "/", &location).map(|_| ()).map_err(|why| format!("unreadable answer: {why}"))
    }

    /// The address that the poll of a step is sent to, where its action's answer gave it.
    pub(super) fn poll_target(&self, step: usize, action_path: &str) -> Result<LocationPath, String> {
        let (_, work) = self.poll(step).ok_or("the step has no poll")?;
        let location = location_of(work.answer.as_ref()).ok_or("the answer had no header Location")?;
        let base = self.base(step).ok_or("the step has no participant")?;
        resolve(&base, action_path, &location).map_err(str::to_owned)
    }

    fn base(&self, step: usize) -> Option<Uri> {
        self.definition.participant(step).map(|participant| participant.base.clone())
    }
}

/// The header `Location` of the answer that accepted an action.
fn location_of(answer: Option<&Json>) -> Option<String> {
    match pick(answer?.text(), &["headers".into(), "location".into()]) {
        Picked::Value(json) => serde_json::from_str(json).ok(),
        Picked::Missing | Picked::NotAnObject => None,
    }
}

/// Whether the outcome of a poll is an answer.
pub(super) fn is_final(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Refused)
}
