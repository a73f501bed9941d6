//! The graph of a definition, drawn as text, and the ways through it.
//!
//! ```text
//!   ●      cart
//!   ├─●    stock
//!   ●─│    payment      payment and stock run at the same time
//!   ●─┘    sale         sale waits for both
//! ```
//!
//! A line goes down from each step for as long as a step below waits for it. A step stands in the place of a line that ends at it,
//! or else in a place that is free.

use std::collections::BTreeMap;

use saga_core::Definition;
use saga_core::definition::{Graph, PauseEnd, Step, StepSet, StepWork};
use saga_core::understood::Ways;

/// The graph, a line for each step.
pub(super) fn drawn(definition: &Definition) -> String {
    let rows = rows(&definition.graph);
    let width = rows.iter().map(|row| row.chars().count()).max().unwrap_or_default();
    let names = definition.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (row, step) in rows.iter().zip(&definition.steps) {
        let waits = step.as_call().is_none().then(|| does(step));
        let notes = [
            waits,
            step.when.as_ref().map(|when| format!("when {}", when.code())),
            step.optional.then(|| "optional".to_owned()),
            step.is_pivot().then(|| "pivot: no way back once it is done".to_owned()),
        ];
        let notes = notes.into_iter().flatten().collect::<Vec<_>>().join("; ");
        let line = format!("  {row:width$}  {:names$}  {notes}", step.name);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The ways through, a line for each: the names of its steps.
pub(super) fn listed(definition: &Definition, ways: &Ways) -> String {
    let all = (0..definition.steps.len()).collect::<StepSet>();
    let mut text = String::new();
    for (number, way) in (1..).zip(&ways.ways) {
        let names: Vec<&str> = way.steps.iter().map(|step| &*definition.steps[step].name).collect();
        let names = match () {
            () if way.steps == all => "all steps".to_owned(),
            () if names.is_empty() => "no step: all are skipped".to_owned(),
            () => names.join(", "),
        };
        let pauses = match way.pauses.is_zero() {
            true => String::new(),
            false => format!(" (pauses take {:?})", way.pauses),
        };
        text += &format!("  {number:>2}  {names}{pauses}\n");
    }
    if ways.are_more {
        text += "      and others\n";
    }
    text
}

/// What a step does, in a word or two.
pub(super) fn does(step: &Step) -> String {
    match &step.work {
        StepWork::Call(call) => call.action.method.to_string(),
        StepWork::Signal(signal) => format!("signal {}, within {:?}", signal.name, signal.within),
        StepWork::Pause(PauseEnd::After(pause)) => format!("pause of {pause:?}"),
        StepWork::Pause(PauseEnd::Until(_)) => "pause, computed".to_owned(),
    }
}

/// What stands before each step's name.
fn rows(graph: &Graph) -> Vec<String> {
    let after: Vec<StepSet> = (0..graph.len()).map(|step| needed(graph, step)).collect();
    let is_waited_for_below =
        |step: usize, below: usize| after[below + 1..].iter().any(|after| after.contains(step));
    // The steps whose lines go on, by their places.
    let mut lines: BTreeMap<usize, usize> = BTreeMap::new();
    let mut step_above = None;
    let mut rows = Vec::with_capacity(graph.len());
    for (step, after) in after.iter().enumerate() {
        let is_source = |(_, above): &(&usize, &usize)| after.contains(**above);
        let sources: BTreeMap<usize, usize> = lines.iter().filter(is_source).map(|(a, b)| (*a, *b)).collect();
        let ending = sources.iter().find(|(_, above)| !is_waited_for_below(**above, step));
        // Below the step before, it would seem to wait for that.
        let free = || {
            let is_free = |place: &usize| !lines.contains_key(place) && Some(*place) != step_above;
            (0..).find(is_free).unwrap_or_default()
        };
        let place = ending.map_or_else(free, |(place, _)| *place);
        let from = sources.keys().copied().chain([place]).min().unwrap_or(place);
        let to = sources.keys().copied().chain([place]).max().unwrap_or(place);
        let width = lines.keys().copied().chain([place]).max().unwrap_or(place);
        let mut row = String::new();
        for column in 0..=width {
            if column > 0 {
                row.push(if column > from && column <= to { '─' } else { ' ' });
            }
            let is_crossed = column > from && column < to;
            row.push(match (sources.get(&column), lines.contains_key(&column)) {
                _ if column == place => '●',
                (Some(above), _) => corner((column == from, column == to), is_waited_for_below(*above, step)),
                (None, true) => '│',
                (None, false) if is_crossed => '─',
                (None, false) => ' ',
            });
        }
        lines.retain(|_, above| is_waited_for_below(*above, step));
        if is_waited_for_below(step, step) {
            lines.insert(place, step);
        }
        rows.push(row);
        step_above = Some(place);
    }
    rows
}

/// Where a line meets the one that leads to a step: at its first or last place, or between, and whether it goes on below.
fn corner((is_first, is_last): (bool, bool), goes_on: bool) -> char {
    match (is_first, is_last, goes_on) {
        (true, _, true) => '├',
        (true, _, false) => '└',
        (_, true, true) => '┤',
        (_, true, false) => '┘',
        (false, false, true) => '┼',
        (false, false, false) => '┴',
    }
}

/// The steps that a step waits for, without those that one of the others waits for anyway.
fn needed(graph: &Graph, step: usize) -> StepSet {
    let after = graph.after(step);
    let is_implied = |earlier: usize| after.iter().any(|other| graph.before(other).contains(earlier));
    after.iter().filter(|earlier| !is_implied(*earlier)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(after: &[&[usize]]) -> String {
        let graph = Graph::new(after.iter().map(|after| after.iter().copied().collect()).collect());
        rows(&graph).join("\n")
    }

    #[test]
    fn a_chain_is_a_column() {
        assert_eq!(drawn(&[&[], &[0], &[1]]), "●\n●\n●");
    }

    #[test]
    fn a_diamond_forks_and_joins() {
        assert_eq!(drawn(&[&[], &[0], &[0], &[1, 2]]), "●\n├─●\n● │\n●─┘");
    }

    #[test]
    fn steps_that_wait_for_none_have_columns_of_their_own() {
        assert_eq!(drawn(&[&[], &[], &[], &[0, 1, 2]]), "●\n│ ●\n│ │ ●\n●─┴─┘");
    }

    #[test]
    fn a_step_does_not_stand_below_one_that_it_does_not_wait_for() {
        assert_eq!(drawn(&[&[], &[], &[]]), "●\n  ●\n●");
        assert_eq!(drawn(&[&[], &[], &[1]]), "●\n  ●\n  ●");
    }

    #[test]
    fn a_line_that_is_crossed_goes_on() {
        assert_eq!(drawn(&[&[], &[], &[], &[0, 2], &[1, 3]]), "●\n│ ●\n│ │ ●\n●─│─┘\n●─┘");
    }

    #[test]
    fn what_is_waited_for_anyway_is_not_drawn() {
        assert_eq!(drawn(&[&[], &[0], &[0, 1]]), "●\n●\n●");
    }

    #[test]
    fn a_fork_of_63_and_their_join_is_drawn() {
        let mut after: Vec<StepSet> = vec![StepSet::NONE];
        after.extend([StepSet::of(0); 62]);
        after.push((1..63).collect());
        let rows = rows(&Graph::new(after));
        assert_eq!(rows.len(), 64);
        assert!(rows.iter().all(|row| row.chars().count() <= 2 * 63), "{rows:#?}");
        assert!(rows[63].starts_with("●─┴─┴"), "{}", rows[63]);
    }
}
