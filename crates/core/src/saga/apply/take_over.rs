//! The knowledge of a new owner about the former one's calls.

use super::super::{Phase, Progress, Question, Saga, StepState, Tries};
use crate::definition::{Safety, StepSet};
use crate::id::Timestamp;
use crate::retry::RETRY_AFTER_MAX;
use crate::rules;

impl Saga {
    /// A new owner does not know the outcomes of the former one's calls.
    pub(super) fn lose_sight(&mut self, now: Timestamp) {
        let forward = matches!(self.phase, Phase::Forward { .. });
        let none_has_left = self.marks.first_effect.is_none();
        // The steps that may have succeeded by now, whatever the history says: what waits for them may have been called.
        let mut maybe_done = StepSet::NONE;
        for step in 0..self.steps.len() {
            let is_reached = self.definition.graph.after(step).is_within(maybe_done);
            let definition = &self.definition.steps[step];
            let is_read = definition.is_read();
            let safety = self.definition.safety(step);
            let longest = definition
                .as_call()
                .map_or(RETRY_AFTER_MAX, |call| call.retry.cap.max(call.persist.cap).max(RETRY_AFTER_MAX));
            let is_announced_first = self.is_announced_first(step);
            let last_event = self.updated;
            let cut_short = |tries: &mut Tries| {
                if tries.in_flight() {
                    let repeatable = is_read || safety != Safety::None;
                    tries.progress = if repeatable { Progress::Due(now) } else { Progress::GivenUp };
                    if !repeatable {
                        tries.reason = Some("the call was cut short by a restart".into());
                        tries.status = None;
                    }
                }
                if tries.progress == Progress::Late {
                    tries.progress = Progress::GivenUp;
                }
                // Clocks differ, and the former owner may have called again after an answer that no event records: the
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
                StepState::Pending { shadow }
                    if forward && is_reached && !none_has_left && !is_announced_first =>
                {
                    *shadow |= rules::may_have_run_ahead(safety, is_read);
                    if *shadow {
                        self.notes[step].first_called.get_or_insert(last_event);
                    }
                }
                StepState::Pending { .. }
                | StepState::Waiting { .. }
                | StepState::Skipped
                | StepState::Done { .. }
                | StepState::NotDone { .. }
                | StepState::Undone => {}
            }
            let may_be_done = match &self.steps[step] {
                // Its event is on disk before it is called, and so before anything is called that waits for it.
                StepState::Pending { .. } => is_reached && !is_announced_first && !self.is_waited_for(step),
                _ if self.notes[step].passed_over => true,
                // A question may have found that it succeeded although it was given up.
                StepState::Doing { tries, .. } => {
                    let may_ask = self.definition.steps[step].probe().is_some();
                    (tries.progress != Progress::GivenUp || may_ask) && !self.is_waited_for(step)
                }
                StepState::Waiting { .. } | StepState::NotDone { .. } => false,
                StepState::Skipped
                | StepState::Done { .. }
                | StepState::Undoing { .. }
                | StepState::Undone => true,
            };
            if may_be_done {
                maybe_done = maybe_done.with(StepSet::of(step));
            }
        }
    }
}
