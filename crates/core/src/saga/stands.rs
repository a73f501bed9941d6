//! Where each step stands, as it is shown. Derived from the state, as effects are.

use super::{Phase, Progress, Saga, StepState};
use crate::definition::StepSet;

/// Where one step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepStands {
    /// It has not begun.
    NotReached,
    /// Its condition did not hold.
    Skipped,
    /// It waits for a signal or for a time.
    Waiting,
    /// Its action is being called, or will be again.
    Doing,
    /// Its action was accepted, and is not done yet.
    Accepted,
    /// Its action has taken effect.
    Done,
    /// It is optional and has failed: the saga goes on without it.
    PassedOver,
    /// Its action has no effect.
    NotDone,
    /// Whether its action has an effect is not known, and nothing is done about that now.
    Unsure,
    /// Its effect is there, and is going to be undone: steps that waited for it are undone first.
    ToUndo,
    /// Its compensation is being called, or will be again.
    Undoing,
    /// Its compensation has taken effect.
    Undone,
}

impl Saga {
    /// Where the step with this index stands; a step that the definition does not have is not reached.
    pub fn stands(&self, step: usize) -> StepStands {
        let Some(state) = self.steps.get(step) else { return StepStands::NotReached };
        let goes_back = matches!(self.phase, Phase::RollingBack { .. });
        match state {
            _ if self.notes[step].passed_over => StepStands::PassedOver,
            StepState::Pending { .. } if goes_back && !self.is_settled(step) => StepStands::Unsure,
            StepState::Pending { .. } => StepStands::NotReached,
            StepState::Skipped => StepStands::Skipped,
            StepState::Waiting { .. } if self.cause().is_some() => StepStands::NotDone,
            StepState::Waiting { .. } => StepStands::Waiting,
            StepState::Doing { tries, may_have_run } if self.cause().is_some() && self.is_settled(step) => {
                if *may_have_run || tries.in_flight() {
                    StepStands::Unsure
                } else {
                    StepStands::NotDone
                }
            }
            StepState::Doing { tries, .. } => match tries.progress {
                Progress::Accepted => StepStands::Accepted,
                Progress::InFlight | Progress::Due(_) => StepStands::Doing,
                Progress::GivenUp | Progress::Late | Progress::Contradicted => StepStands::Unsure,
            },
            StepState::Done { .. } if goes_back && !self.is_settled(step) => StepStands::ToUndo,
            StepState::Done { .. } => StepStands::Done,
            StepState::NotDone { .. } => StepStands::NotDone,
            StepState::Undoing { .. } => StepStands::Undoing,
            StepState::Undone => StepStands::Undone,
        }
    }

    /// The steps for which an operator is needed.
    pub fn blocked_steps(&self) -> StepSet {
        self.flags().map(|flag| flag.step).collect()
    }

    /// The steps that a rollback has still to settle.
    pub fn left_to_undo(&self) -> StepSet {
        match self.phase {
            Phase::RollingBack { .. } => self.steps_that(|step| !self.is_settled(step)),
            Phase::Forward { .. } | Phase::Completed | Phase::RolledBack { .. } => StepSet::NONE,
        }
    }
}
