//! A driver's view of a saga's effects: calls that need less than they do, an answer that needs nothing.

use saga_core::definition::Safety;
use saga_core::event::Cause;
use saga_core::saga::{CallWanted, Effects, Lens};
use saga_core::{Direction, Epoch, Saga, Seq};

use super::Bug;

/// Where a saga's start is in its history.
const START: Seq = Seq::NONE.next();

/// The lens of this bug before drivers, if it is one of theirs.
pub(super) fn lens(bug: Bug) -> Option<Lens> {
    let lens: Lens = match bug {
        Bug::AheadOfStart => |_, wants| calls(wants, is_action, |_| Seq::NONE),
        Bug::AheadOfAnnouncement => |saga, wants| {
            let is_plain =
                |call: &CallWanted| is_action(call) && is_first_owner(saga) && !is_barrier(saga, call);
            calls(wants, is_plain, |needs| needs.min(START))
        },
        Bug::AheadOfRollback => {
            |_, wants| calls(wants, |call| call.direction == Direction::Compensation, |_| Seq::NONE)
        }
        Bug::AheadOfTakeOver => |saga, wants| calls(wants, |_| !is_first_owner(saga), |_| Seq::NONE),
        Bug::AheadOfOutputs => |saga, wants| {
            let follows_output = |call: &CallWanted| {
                is_action(call) && is_first_owner(saga) && is_barrier(saga, call) && saga.keeps_outputs()
            };
            calls(wants, follows_output, |needs| needs.min(START))
        },
        // A step that is only taken for a barrier is announced all the same: the bug is in how the step is undone.
        Bug::TakesIdempotentForBarrier => {
            |saga, wants| calls(wants, is_action, |needs| needs.max(saga.seq()))
        }
        Bug::AheadOfConditions => |saga, wants| {
            let is_conditional = |call: &CallWanted| {
                is_action(call)
                    && is_first_owner(saga)
                    && is_barrier(saga, call)
                    && saga.definition().steps[call.step].when.is_some()
            };
            calls(wants, is_conditional, |needs| needs.min(START))
        },
        Bug::AheadOfWaits => |saga, wants| {
            let follows_wait = |call: &CallWanted| {
                let (definition, graph) = (saga.definition(), &saga.definition().graph);
                let mut before = graph.before(call.step).iter();
                is_action(call)
                    && is_first_owner(saga)
                    && is_barrier(saga, call)
                    && before.any(|earlier| definition.steps[earlier].as_call().is_none())
            };
            calls(wants, follows_wait, |needs| needs.min(START))
        },
        Bug::ForgetsSiblings => |saga, wants| {
            let failed = saga.cause().and_then(|cause| match cause {
                Cause::StepFailed { step, .. } => Some(*step),
                Cause::Cancelled | Cause::CancelledBy { .. } | Cause::DeadlinePassed => None,
            });
            let is_sibling =
                |call: &CallWanted| failed.is_some_and(|step| step != call.step) && is_action(call);
            Effects { calls: wants.calls.into_iter().filter(|call| !is_sibling(call)).collect(), ..wants }
        },
        Bug::AnswersBeforeTheEnd => |saga, wants| Effects {
            answer: wants.answer.map(|needs| if saga.is_over() { Seq::NONE } else { needs }),
            ..wants
        },
        _ => return None,
    };
    Some(lens)
}

/// The wants, but that calls which are `meant` need other events.
fn calls(wants: Effects, meant: impl Fn(&CallWanted) -> bool, needs: impl Fn(Seq) -> Seq) -> Effects {
    let seen =
        |call: CallWanted| if meant(&call) { CallWanted { needs: needs(call.needs), ..call } } else { call };
    Effects { calls: wants.calls.into_iter().map(seen).collect(), ..wants }
}

fn is_action(call: &CallWanted) -> bool {
    call.direction == Direction::Action
}

fn is_barrier(saga: &Saga, call: &CallWanted) -> bool {
    saga.definition().safety(call.step) == Safety::Barrier
}

fn is_first_owner(saga: &Saga) -> bool {
    saga.epoch() == Epoch::FIRST
}
