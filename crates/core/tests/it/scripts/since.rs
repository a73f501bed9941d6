//! The events since a person looked, and the result of that person's command.

use saga_core::event::Event;
use saga_core::saga::{CameSince, SeenUntil, Tried};
use saga_core::{CommandId, Deed, Saga, Seq, Timestamp};

use crate::support::{Kind, Run, Spec, definition};

/// A saga of two steps at which this has happened.
fn after(kind: Kind, script: &str) -> Run {
    let mut run = Run::start(&definition(&[Spec::new(kind), Spec::new(kind)]));
    run.steps(script);
    run
}

/// The compensation of the first step fails, and the saga waits for an operator: eleven events.
const BLOCKED: &str = "ok; refused; not_sent; wait; not_sent; wait; unknown";

const NOBODY: CommandId = CommandId::new(uuid::Uuid::nil());

fn since(run: &Run, position: u64) -> Option<CameSince> {
    let seen = SeenUntil { at: Timestamp::from_micros(0), position: Some(Seq::new(position)) };
    run.saga.came_since(&run.records, seen, NOBODY)
}

fn last_command(run: &Run) -> CommandId {
    run.records.iter().rev().find_map(|record| record.command).expect("a command was given")
}

fn position(run: &Run, is_it: impl Fn(&Event) -> bool) -> u64 {
    run.records.iter().position(|record| is_it(&record.event)).expect("it happened") as u64 + 1
}

#[test]
fn a_step_that_was_blocked_since_is_told() {
    let run = after(Kind::Barrier, BLOCKED);
    let blocked = position(&run, |event| matches!(event, Event::Blocked { .. }));
    assert_eq!(since(&run, blocked), None);
    let at = run.records[blocked as usize - 1].at;
    assert_eq!(since(&run, blocked - 1), Some(CameSince::Blocked { step: "a".into(), at }));
    // The same by the time.
    let by =
        |micros| run.saga.came_since(&run.records, SeenUntil::by(Timestamp::from_micros(micros)), NOBODY);
    assert_eq!(by(at.as_micros()), None);
    assert!(by(at.as_micros() - 1).is_some());
}

#[test]
fn another_person_s_event_is_told_with_the_name() {
    for (command, deed, by) in
        [("resume", Deed::Resume, Some("Ana")), ("resolve a undone", Deed::Resolve, Some("Ana"))]
    {
        let mut run = after(Kind::Barrier, BLOCKED);
        let seen = run.records.len() as u64;
        run.steps("wait 5s; not_sent");
        assert_eq!(since(&run, seen), None, "attempts are no person's");
        let asked = run.records.len();
        run.step(command);
        let at = run.records[asked].at;
        let told = CameSince::Person { by: by.map(Into::into), deed, at };
        assert_eq!(since(&run, seen), Some(told));
        assert_eq!(since(&run, asked as u64 + 1), None, "the person has seen it");
    }
    let mut run = after(Kind::Barrier, "ok");
    let seen = run.records.len() as u64;
    run.step("cancel");
    let Some(CameSince::Person { by: None, deed: Deed::Cancel, .. }) = since(&run, seen) else {
        panic!("{:?}", since(&run, seen));
    };
    // The name of a caller's key counts more than the one that the command gives.
    let mut run = after(Kind::Barrier, "ok; cancel Ana");
    let cancelled = run.records.iter().position(|record| record.command.is_some()).expect("it was cancelled");
    run.records[cancelled].by = Some("ops".into());
    let Some(CameSince::Person { by, .. }) = since(&run, 1) else { panic!("{:?}", since(&run, 1)) };
    assert_eq!(by.as_deref(), Some("ops"));
}

#[test]
fn a_command_s_own_event_and_those_after_it_do_not_count() {
    let mut run = after(Kind::Barrier, BLOCKED);
    let seen = run.records.len() as u64;
    run.step("resume");
    let own = last_command(&run);
    assert!(Saga::was_brought_about(&run.records, own) && !Saga::was_brought_about(&run.records, NOBODY));
    run.steps("not_sent 30s; resume");
    let seen = SeenUntil { at: Timestamp::from_micros(0), position: Some(Seq::new(seen)) };
    assert_eq!(run.saga.came_since(&run.records, seen, own), None);
    assert!(
        run.saga.came_since(&run.records, seen, last_command(&run)).is_some(),
        "the second one knew nothing of it"
    );
}

#[test]
fn the_result_of_a_try_is_the_saga_s_end_or_its_last_attempt_s_reason() {
    let tried = |script: &str| {
        let mut run = after(Kind::Barrier, BLOCKED);
        run.step("resume");
        let own = last_command(&run);
        assert_eq!(run.saga.result_of_try(&run.records, own), Tried::GoesOn, "its call is under way");
        run.steps(script);
        run.saga.result_of_try(&run.records, own)
    };
    assert_eq!(tried("ok"), Tried::Undone);
    assert_eq!(tried("not_sent 30s"), Tried::FailedAgain { reason: "why".into() });
    assert_eq!(tried("not_sent 30s; resume"), Tried::GoesOn);
    // Without an attempt, the obstacle says why.
    let run = after(Kind::Barrier, BLOCKED);
    let obstacle = run.saga.blocked_by().expect("it is blocked");
    let Tried::FailedAgain { reason } = run.saga.result_of_try(&[], NOBODY) else { panic!("{obstacle:?}") };
    assert_eq!(reason, obstacle.reason);
    let run = after(Kind::Barrier, "ok; ok");
    assert_eq!(run.saga.result_of_try(&run.records, NOBODY), Tried::Completed);
}
