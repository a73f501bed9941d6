//! Events of operators' commands: the next attempt at once, and findings.

use super::super::{Phase, ProbeState, Progress, Question, Saga, StepState, Vouched};
use crate::event::{Finding, Stuck};
use crate::id::{Seq, Timestamp};
use crate::json::Json;

impl Saga {
    /// An operator wants the next attempts at once. Where the one that the saga shows is not made by itself because the
    /// participant may have forgotten the order, the operator vouches for this participant, and for no other: the saga shows
    /// one obstacle at a time. Where it came about after the command (`unseen`), the operator vouches for none.
    ///
    /// A probe is not sent before its time, even for an operator: the call that it asks about may still be on its way.
    pub(super) fn resumed(&mut self, seq: Seq, now: Timestamp, unseen: bool) -> Result<(), &'static str> {
        let active = self.active();
        if !active.is_empty() && active.iter().all(|step| self.is_calling(step)) {
            return Err("an attempt is in flight already");
        }
        let shown = self.blocked().filter(|_| !unseen).map(|blocked| (blocked.step, blocked.stuck));
        self.unpark();
        for step in active.iter().filter(|step| !self.is_calling(*step)).collect::<Vec<_>>() {
            self.hurry(seq, now, step, shown == Some((step, Stuck::HorizonPassed)));
        }
        Ok(())
    }

    /// A step's next attempt, or its next question, is due now. `vouches`: the operator vouches for its participant.
    fn hurry(&mut self, seq: Seq, now: Timestamp, step: usize, vouches: bool) {
        if vouches {
            self.unblock(step);
            self.notes[step].vouched = Some(Vouched { seq, at: now });
        }
        let is_in_doubt = self.is_in_doubt(step, now);
        let Some(tries) = self.tries_mut(step) else { return };
        if vouches {
            tries.failures = 0;
        }
        if !is_in_doubt {
            tries.asked = ProbeState::default();
            tries.progress = Progress::Due(now);
        } else if let Question::Due(at) = &mut tries.asked.question {
            *at = now;
        }
    }

    /// An operator has the saga run again where its task failed.
    fn unpark(&mut self) {
        self.marks.lost_owners = 0;
        match &mut self.phase {
            Phase::RollingBack { blocked, .. } => blocked.retain(|flag| flag.stuck != Stuck::TaskFailed),
            Phase::Forward { parked } => *parked = None,
            Phase::Completed | Phase::RolledBack { .. } => {}
        }
    }

    /// An operator reports a finding about the step that is stuck.
    pub(super) fn resolved(
        &mut self,
        seq: Seq,
        now: Timestamp,
        step: usize,
        finding: Finding,
        output: Option<&Json>,
        reason: &str,
    ) -> Result<(), &'static str> {
        if step < self.steps.len() && self.is_calling(step) {
            return Err("an attempt is in flight");
        }
        if self.cause().is_none() || self.blocked_at(step).is_none() {
            return Err("no person is needed for that step");
        }
        self.unblock(step);
        self.marks.lost_owners = 0;
        let state = &mut self.steps[step];
        match (finding, &mut *state) {
            (Finding::Undone, _) => *state = StepState::Undone,
            (Finding::NotRun, _) => *state = StepState::NotDone { reason: reason.into() },
            (Finding::Ran, StepState::Undoing { tries, may_have_run, has_run, .. }) => {
                (*may_have_run, *has_run) = (false, true);
                tries.failures = 0;
                tries.asked = ProbeState::default();
                tries.progress = Progress::Due(now);
            }
            (Finding::Ran, StepState::Done { .. }) => {}
            (Finding::Ran, _) => *state = StepState::Done { output: output.cloned() },
        }
        if finding == Finding::Ran {
            self.notes[step].vouched = Some(Vouched { seq, at: now });
        }
        Ok(())
    }
}
