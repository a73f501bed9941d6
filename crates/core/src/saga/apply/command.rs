//! Events of operators' commands: the next attempt at once, and findings.

use super::super::polling::Polling;
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
        if let Some(work) = self.accepted_mut(step) {
            work.polling = Polling::from(now);
            return;
        }
        let is_in_doubt = self.is_in_doubt(step, now);
        // A condition that was an error is evaluated again.
        let stuck = self.blocked_at(step).map(|blocked| blocked.stuck);
        let is_error = matches!(stuck, Some(Stuck::ActionFailing | Stuck::CompensationFailing));
        if is_error && matches!(self.steps[step], StepState::Pending { .. } | StepState::Done { .. }) {
            self.unblock(step);
        }
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
            Phase::Forward { blocked } | Phase::RollingBack { blocked, .. } => {
                blocked.retain(|flag| flag.stuck != Stuck::TaskFailed);
            }
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
        let flag = self.blocked_at(step).map(|blocked| blocked.stuck);
        let is_forward = self.cause().is_none();
        if flag.is_none() || (is_forward && flag == Some(Stuck::TaskFailed)) {
            return Err("no person is needed for that step");
        }
        self.unblock(step);
        self.marks.lost_owners = 0;
        let state = &mut self.steps[step];
        match (finding, &mut *state) {
            (Finding::Undone, _) if is_forward => {
                return Err("nothing is undone while the saga goes forward");
            }
            (Finding::Undone, _) => *state = StepState::Undone,
            // Behind a pivot it is done all the same: it is called again.
            (Finding::NotRun, StepState::Doing { tries, may_have_run }) if is_forward => {
                *may_have_run = false;
                (tries.failures, tries.accepted) = (0, None);
                tries.asked = ProbeState::default();
                tries.progress = Progress::Due(now);
            }
            (Finding::NotRun, StepState::Pending { .. }) if is_forward => {}
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
            if is_forward {
                self.notes[step].waited_for = seq;
            } else {
                self.notes[step].to_be_undone = true;
            }
            self.notes[step].vouched = Some(Vouched { seq, at: now });
        }
        Ok(())
    }
}
