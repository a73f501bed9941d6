//! What a new owner can know of the former one's calls.

use super::super::{Phase, Progress, Question, Saga, StepState, Tries};
use crate::definition::{Safety, Step};
use crate::id::Timestamp;
use crate::retry::RETRY_AFTER_MAX;
use crate::rules;

impl Saga {
    /// A new owner cannot know what became of the former one's calls.
    pub(super) fn lose_sight(&mut self, now: Timestamp) {
        let forward = matches!(self.phase, Phase::Forward { .. });
        let none_has_left = self.marks.first_effect.is_none();
        for step in 0..self.steps.len() {
            let is_read = self.definition.steps[step].is_read();
            let safety = self.definition.participant(step).safety;
            let Step { retry, persist, .. } = &self.definition.steps[step];
            let longest = retry.cap.max(persist.cap).max(RETRY_AFTER_MAX);
            let cut_short = |tries: &mut Tries| {
                if tries.in_flight() {
                    let repeatable = is_read || safety != Safety::None;
                    tries.progress = if repeatable { Progress::Due(now) } else { Progress::GivenUp };
                    if !repeatable {
                        tries.reason = Some("the call was cut short by a restart".into());
                    }
                }
                // Clocks differ, and the former owner may have called again after an answer that nobody recorded: the
                // wait before asking begins anew.
                tries.ended_at = now;
                if let Progress::Due(at) = &mut tries.progress {
                    *at = rules::wait_after_take_over(*at, now.plus(longest));
                }
                tries.asked.question = Question::NotYet;
            };
            match &mut self.steps[step] {
                StepState::Doing { tries, may_have_run } => {
                    // A barrier's next attempt may leave ahead of the record of its start.
                    let ahead =
                        forward && safety == Safety::Barrier && matches!(tries.progress, Progress::Due(_));
                    *may_have_run |= !is_read && rules::may_have_left(tries.in_flight(), ahead);
                    cut_short(tries);
                }
                StepState::Undoing { tries, may_have_run, .. } => {
                    // A barrier's next attempt may leave ahead of the record of its start, too.
                    let ahead = safety == Safety::Barrier && matches!(tries.progress, Progress::Due(_));
                    *may_have_run |= rules::may_have_left(tries.in_flight(), ahead);
                    cut_short(tries);
                }
                // Forward, calls to barriers may be any number of steps ahead of the history.
                StepState::Pending { shadow } if forward && !none_has_left => {
                    *shadow |= rules::may_have_run_ahead(safety, is_read);
                }
                StepState::Pending { .. }
                | StepState::Done { .. }
                | StepState::NotDone { .. }
                | StepState::Undone => {}
            }
            // Calls of later steps can have left only if this step may have succeeded ahead of the history.
            let is_edge = match &self.steps[step] {
                StepState::Pending { .. } => self.is_waited_for(step),
                // A question may have found that it succeeded although it was given up.
                StepState::Doing { tries, .. } => {
                    let may_ask = self.definition.steps[step].probe.is_some();
                    (tries.progress == Progress::GivenUp && !may_ask) || self.is_waited_for(step)
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
