//! The story that is foretold of each command, against the story that the history tells.

use saga_core::event::Cause;
use saga_core::retry::Random;
use saga_core::saga::{Following, FollowingEnd, Moment};
use saga_core::{AttemptNumber, Direction, Event, Outcome, Record, Saga, Timestamp};
use saga_core::{Command, CommandKind};

use crate::scene::Scene;

/// A call: its step, its direction, its attempt.
type Called = (usize, Direction, AttemptNumber);

/// Foretells each command of a history from the events before it, and compares.
pub(super) fn judge(scene: &Scene, whole: &Saga, records: &[Record], broken: &dyn Fn(&str, String)) {
    for (place, record) in records.iter().enumerate() {
        let Some(command) = command_of(record) else { continue };
        let before = match Saga::fold(whole.id(), scene.definition.clone(), &records[..place]) {
            Ok(before) => before,
            Err(error) => return broken("follows", format!("event {place}: {error}")),
        };
        let moment = Moment { now: record.at, random: Random(0) };
        let following = match before.what_follows(&command, moment) {
            Ok(following) => following,
            Err(rejected) => {
                return broken("follows", format!("{command:?} was applied, and {rejected:?} is foretold"));
            }
        };
        let decides = |record: &Record| matches!(record.event, Event::RollbackDecided { .. });
        let is_rollback = before.cause().is_some() || following.records.iter().any(decides);
        if let Some(wrong) = contradiction(&following, is_rollback, &records[place..]) {
            return broken("follows", format!("{command:?}: {wrong}; foretold: {following:?}"));
        }
        scene.recorder.hit(match following.end {
            FollowingEnd::Over(_) => "follows: a command was foretold to the saga's end",
            FollowingEnd::Waits(_) => "follows: a command was foretold to a wait",
            FollowingEnd::GoesOn => "follows: a command was foretold to its next answers",
        });
    }
}

/// The command that has brought an event about.
fn command_of(record: &Record) -> Option<Command> {
    let (kind, unseen) = match record.event.clone() {
        Event::RollbackDecided { cause: Cause::Cancelled } => (CommandKind::Cancel, false),
        Event::RollbackDecided { cause: Cause::CancelledBy { by, reason } } => {
            (CommandKind::CancelBy { by, reason }, false)
        }
        Event::Resumed { by, reason, unseen } => (CommandKind::Resume { by, reason }, unseen),
        Event::Signalled { name, key, body, trace } => {
            (CommandKind::Signal { name, key, body, trace }, false)
        }
        Event::Resolved { step, finding, output, by, reason } => {
            (CommandKind::Resolve { step, finding, output, by, reason }, false)
        }
        _ => return None,
    };
    // An operator who did not see the obstacle gave the command before it came.
    let asked = if unseen { Timestamp::from_micros(i64::MIN) } else { record.at };
    Some(Command { id: record.command?, asked, by: record.by.clone(), kind })
}

/// Where a history differs from what was foretold; it begins with the command's own event.
fn contradiction(following: &Following, is_rollback: bool, happened: &[Record]) -> Option<String> {
    let known = following.records.len();
    if happened.get(..known) != Some(&following.records) {
        return Some(format!("its events are {:?}", happened.get(..known)));
    }
    // A poll has no event until it has an answer.
    let leaves_event = following.calls.iter().filter(|call| call.direction != Direction::Poll);
    let mut left: Vec<Called> = leaves_event.map(|call| (call.step, call.direction, call.attempt)).collect();
    for (place, record) in happened.iter().enumerate() {
        match &record.event {
            Event::AttemptStarted { step, direction, attempt } => {
                let call = (*step, *direction, *attempt);
                let foretold = left.iter().position(|known| *known == call);
                match foretold {
                    Some(foretold) => drop(left.remove(foretold)),
                    // The command's own events may begin a call, and then decide that there is no order: it never leaves.
                    None if place < known => {}
                    // Going forward, the answers decide which calls come next.
                    None if !is_rollback => return None,
                    None => return Some(format!("{call:?} was called")),
                }
            }
            // From here on it is another story than the one that was foretold.
            Event::AttemptEnded { outcome, .. } if *outcome != Outcome::Ok => return None,
            Event::AttemptEnded { .. } if !is_rollback => return None,
            Event::TakenOver { .. } | Event::Blocked { .. } | Event::PassedOver { .. } => return None,
            Event::RollbackDecided { cause: Cause::DeadlinePassed } => return None,
            _ if place > 0 && command_of(record).is_some() => return None,
            Event::Completed | Event::RolledBack => {
                let missing = left.iter().find(|call| {
                    !following.calls.iter().any(|known| {
                        known.is_under_way && (known.step, known.direction, known.attempt) == **call
                    })
                });
                return match (&following.end, missing) {
                    (FollowingEnd::Over(_), Some(missing)) => Some(format!("{missing:?} was not called")),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    None
}
