//! The consequence of a lost answer at a step, as text.

use saga_core::Direction;
use saga_core::definition::Step;
use saga_core::event::Stuck;
use saga_core::understood::Turn;

/// One sentence about a call whose answer is lost, and whose service does not answer again. `cancelled` is the state
/// of an order whose deadline has passed.
pub(super) fn sentence(step: &Step, direction: Direction, turns: &[Turn], cancelled: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    // In a rollback, no call is given up.
    let mut is_going_back = direction == Direction::Compensation;
    for (i, turn) in turns.iter().enumerate() {
        let never = if i == 0 { "never repeated: " } else { "" };
        let again = if step.is_read() { "asked again" } else { "repeated with the same key" };
        let at_most =
            |times: u32| if is_going_back { String::new() } else { format!(", at most {}", often(times)) };
        parts.push(match turn {
            Turn::Repeated { times } => format!("{again}{}", at_most(*times)),
            Turn::Asked { after, times } => format!("its probe asks {after:?} later{}", at_most(*times)),
            Turn::Failed | Turn::Late => {
                is_going_back = true;
                match turn {
                    Turn::Failed => format!("{never}the order fails ({})", step.failure),
                    _ => format!("{never}its deadline stops the order ({cancelled})"),
                }
            }
            Turn::Undone => "the step is undone at once, whether or not it ran".to_owned(),
            Turn::PassedOver => format!("{never}the step is passed over, and the order goes on"),
            Turn::Left if step.is_read() => continue,
            Turn::Left => "the step is left as it is, whether or not it ran".to_owned(),
            Turn::Parked { stuck, goes_on } => {
                let after = match turns[..i].last() {
                    Some(Turn::Repeated { times } | Turn::Asked { times, .. }) => {
                        format!("after {} ", often(*times))
                    }
                    _ => String::new(),
                };
                let and = if *goes_on { ", and it goes on" } else { "" };
                format!("{never}{after}an operator is needed (BLOQUE, {}){and}", name(*stuck))
            }
        });
    }
    parts.join(", then ")
}

fn often(times: u32) -> String {
    match times {
        1 => "once".to_owned(),
        2..=1000 => format!("{times} times"),
        _ => "thousands of times".to_owned(),
    }
}

/// The name that the API uses in `motif`.
fn name(stuck: Stuck) -> String {
    serde_json::to_value(stuck).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}
