//! Where each step stands, as the graph shows it.

use saga_core::saga::{Saga, StepStands, Waiting, WaitingFor};

use crate::shown::{Badge, Family};
use crate::words::SagaWords;

/// One for each step, in the order of the file.
pub(super) fn badges(saga: &Saga, waiting: &[Waiting], words: &SagaWords) -> Vec<Badge> {
    let steps = &saga.definition().steps;
    (0..steps.len())
        .map(|step| {
            let waits = waiting.iter().find(|waiting| waiting.step == steps[step].name);
            badge(saga, step, waits.map(|waiting| waiting.cause), words)
        })
        .collect()
}

fn badge(saga: &Saga, step: usize, waits_for: Option<WaitingFor>, words: &SagaWords) -> Badge {
    let stands = saga.stands(step);
    if saga.blocked_steps().contains(step) {
        let word = match stands {
            StepStands::Undoing | StepStands::ToUndo => words.s_undoing_stuck,
            StepStands::Unsure => words.s_unsure,
            _ => words.s_stuck,
        };
        return Badge::new(Family::Pers, word);
    }
    let has_failed = saga.cause().is_some();
    let failed = |word| Badge::with_icon(Family::Undo, "fail", word);
    match (stands, waits_for) {
        (StepStands::NotReached, _) => Badge::new(Family::None, words.s_not_reached),
        (StepStands::Skipped, _) => Badge::new(Family::None, words.s_skipped),
        (StepStands::Waiting, Some(WaitingFor::Time)) => Badge::new(Family::Wait, words.s_time),
        (StepStands::Waiting, _) => Badge::new(Family::Wait, words.s_signal),
        (StepStands::Doing | StepStands::Undoing, Some(WaitingFor::Retry)) => {
            Badge::new(Family::Wait, words.s_retry)
        }
        (StepStands::Doing | StepStands::Undoing, Some(WaitingFor::Participant)) => {
            Badge::new(Family::Wait, words.s_held)
        }
        (StepStands::Doing, _) => Badge::new(Family::Run, words.s_doing),
        (StepStands::Accepted, Some(WaitingFor::Signal)) => Badge::new(Family::Wait, words.s_signal),
        (StepStands::Accepted, _) => Badge::new(Family::Wait, words.s_accepted),
        (StepStands::Done, _) if has_failed => Badge::new(Family::Done, words.s_done_kept),
        (StepStands::Done, _) => Badge::new(Family::Done, words.s_done),
        (StepStands::PassedOver, _) => failed(words.s_passed_over),
        (StepStands::NotDone, _) if saga.failure().is_some_and(|failure| failure.step.is_some()) => {
            failed(words.s_not_done)
        }
        (StepStands::NotDone, _) => Badge::new(Family::None, words.s_not_done_plain),
        (StepStands::Unsure, _) => Badge::new(Family::Undo, words.s_unsure),
        (StepStands::ToUndo, _) => Badge::new(Family::Wait, words.s_to_undo),
        (StepStands::Undoing, _) => Badge::new(Family::Run, words.s_undoing),
        (StepStands::Undone, _) => Badge::new(Family::Undo, words.s_undone),
    }
}
