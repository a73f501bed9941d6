//! Rules that promises hang on, each a predicate with a name.
//!
//! They stand here because nothing outside of them could bend them: a wrong definition, store or participant cannot make
//! the saga forget what may have run. In builds with debug assertions, tests break one at a time (`seeded`). A release
//! has the rules alone.

use crate::definition::Safety;
use crate::id::{CommandId, Seq, Timestamp};
#[cfg(debug_assertions)]
use crate::seeded::{Rule, is_broken};

/// The result of a rule while a test has broken it.
macro_rules! broken {
    ($rule:ident => $says:expr) => {
        #[cfg(debug_assertions)]
        if is_broken(Rule::$rule) {
            return $says;
        }
    };
}

/// Rolling back undoes a step whose action may have an effect, not only one that is known to have succeeded.
pub(crate) fn may_have_an_effect(is_in_flight: bool, may_have_run: bool) -> bool {
    broken!(MayHaveAnEffect => false);
    is_in_flight || may_have_run
}

/// A step is undone once every step that waited for it is settled.
pub(crate) fn may_be_undone(are_followers_settled: bool) -> bool {
    broken!(MayBeUndone => true);
    are_followers_settled
}

/// A new owner takes a call in flight for one that may have run, and so a call that could leave ahead of its record.
pub(crate) fn may_have_left(is_in_flight: bool, could_run_ahead: bool) -> bool {
    broken!(MayHaveLeft => false);
    is_in_flight || could_run_ahead
}

/// A new owner takes a step that the history does not mention for one that may have run, if its call needs no record.
pub(crate) fn may_have_run_ahead(safety: Safety, is_read: bool) -> bool {
    broken!(MayHaveRunAhead => false);
    safety == Safety::Barrier && !is_read
}

/// However far ahead a former owner's clock was, the new one waits no longer than any retry does.
pub(crate) fn wait_after_take_over(due: Timestamp, latest: Timestamp) -> Timestamp {
    broken!(WaitAfterTakeOver => due);
    due.min(latest)
}

/// An order that has lost this many owners in a row may be what ends them.
pub(crate) fn may_end_its_process(lost_owners: u32, most: u32) -> bool {
    broken!(MayEndItsProcess => false);
    lost_owners >= most
}

/// A command that has brought about an event is not applied again.
pub(crate) fn was_applied(applied: &[CommandId], command: CommandId) -> bool {
    broken!(WasApplied => false);
    applied.contains(&command)
}

/// A signal is taken once.
pub(crate) fn may_be_taken(is_taken: bool) -> bool {
    broken!(MayBeTaken => true);
    !is_taken
}

/// A step has waited for too long once its time is over and no signal is there for it: a signal that was recorded before is in
/// time.
pub(crate) fn is_late(is_over: bool, has_signal: bool) -> bool {
    broken!(IsLate => is_over);
    is_over && !has_signal
}

/// An action that was accepted may have an effect until it is known how it ended, also when the order rolls back.
pub(crate) fn may_have_run(may_have_run: bool, _is_accepted: bool) -> bool {
    broken!(MayHaveRun => may_have_run && !_is_accepted);
    may_have_run
}

/// An optional step that has failed counts as done for those that wait for it, and for nothing else.
pub(crate) fn is_not_done(is_passed_over: bool) -> bool {
    broken!(IsNotDone => false);
    is_passed_over
}

/// An order is cancelled as long as there is a way back.
pub(crate) fn may_be_cancelled(is_past_pivot: bool) -> bool {
    broken!(MayBeCancelled => true);
    !is_past_pivot
}

/// The result of a command, or of a start, is reported once the event that it rests on is on disk.
pub fn is_durable(needs: Seq, durable: Seq) -> bool {
    broken!(IsDurable => true);
    needs <= durable
}

/// Sagas that are asleep are woken when their time has come: up to this instant.
pub fn awake_by(now: Timestamp) -> Timestamp {
    broken!(AwakeBy => Timestamp::from_micros(0));
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_durable_once_the_journal_has_kept_it_or_a_later_one() {
        let durable = |needs, durable| is_durable(Seq::new(needs), Seq::new(durable));
        assert_eq!([durable(3, 2), durable(3, 3), durable(3, 4)], [false, true, true]);
        assert!(durable(0, 0), "nothing is needed");
    }
}
