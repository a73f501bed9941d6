//! A definition's steps as a graph, from left to right: a step stands right of those that it waits for.
//!
//! - `layout.rs`: where the steps are, by the definition alone.
//! - Here: the drawing, with what is known of each step. Of a definition without a saga, that is what kind of step it is.

mod layout;

use saga_core::definition::Graph;

use self::layout::HEIGHT;
pub use self::layout::{Edge, Layout, StepPlace};
use crate::shown::{Area, Drawing, Family, Line};

/// A step, as the graph shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphStep {
    /// Its name.
    pub name: String,
    /// Beside the name, where it differs from it: the participant.
    pub beside: String,
    /// Where it stands, or what kind of step it is.
    pub note: String,
    /// Its colour; `None`: that of a definition, without a saga.
    pub family: Option<Family>,
    /// Its symbol, if it has one.
    pub icon: Option<&'static str>,
    /// Where it leads.
    pub address: String,
}

/// The arrow at an edge's end.
const ARROW: &str = "<marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M1 1 7 4 1 7\" class=\"ah\"/></marker>";

/// The graph with these steps, in the order of the file. `name`: of the drawing.
pub fn drawn(graph: &Graph, steps: &[GraphStep], name: &str) -> Drawing {
    let layout = Layout::of(graph);
    let mut parts = Drawing::default();
    parts.definitions(ARROW);
    for edge in &layout.edges {
        let (from, to) = (layout.steps[edge.from], layout.steps[edge.to]);
        let mut at = (from.x + layout.step_width, from.y);
        let mut line = Line::from(at.0, at.1);
        for (left, right, y) in &edge.passes {
            line = line.level_to(at, (*left, *y)).to(*right, *y);
            at = (*right, *y);
        }
        line = line.level_to(at, (to.x - 1.0, to.y));
        let is_open = steps.get(edge.to).is_some_and(|step| step.family == Some(Family::None));
        parts.line(&line, if is_open { "e d" } else { "e" }, None);
    }
    for (place, step) in layout.steps.iter().zip(steps) {
        parts.link(&step.address, &format!("{}: {}", step.name, step.note), &boxed(step, *place, &layout));
    }
    Drawing::whole("group", layout.width, layout.height, name, &parts)
}

/// Pixels of a character of a name, and of a participant: wider than most are.
const NAME_PX: f64 = 7.6;
const BESIDE_PX: f64 = 6.6;

fn boxed(step: &GraphStep, place: StepPlace, layout: &Layout) -> Drawing {
    let mut drawing = Drawing::default();
    let (left, top) = (place.x, place.y - HEIGHT / 2.0);
    let area = Area { x: left, y: top, width: layout.step_width, height: HEIGHT };
    drawing.rect(area, 7.0, box_class(step.family), None);
    let mut text_x = left + 12.0;
    if let Some(icon) = step.icon {
        drawing.icon(left + 12.0, top + 12.0, colour_class(step.family), icon);
        text_x += 18.0;
    }
    let room = left + layout.step_width - 10.0 - text_x;
    let name = fitting(&step.name, room, NAME_PX);
    drawing.text(text_x, top + 22.0, "nm", "start", &name);
    let beside_room = room - name.chars().count() as f64 * NAME_PX - 8.0;
    if step.beside != step.name && beside_room >= 4.0 * BESIDE_PX {
        let beside = fitting(&step.beside, beside_room, BESIDE_PX);
        drawing.text(left + layout.step_width - 10.0, top + 22.0, "sv", "end", &beside);
    }
    let note = fitting(&step.note, layout.step_width - 22.0, BESIDE_PX);
    drawing.text(left + 12.0, top + 41.0, note_class(step.family), "start", &note);
    drawing
}

/// As much of the text as fits.
fn fitting(text: &str, room: f64, character: f64) -> String {
    let fits = (room / character).max(1.0) as usize;
    if text.chars().count() <= fits {
        return text.to_owned();
    }
    text.chars().take(fits.saturating_sub(1)).chain(['…']).collect()
}

fn box_class(family: Option<Family>) -> &'static str {
    match family {
        Some(Family::Pers) => "k kp",
        Some(Family::None) => "k kn",
        Some(Family::Run) => "k kr",
        Some(Family::Wait | Family::Done | Family::Undo) | None => "k",
    }
}

fn note_class(family: Option<Family>) -> &'static str {
    if family == Some(Family::Pers) { "st sp" } else { "st" }
}

/// The class that gives a symbol its colour.
fn colour_class(family: Option<Family>) -> &'static str {
    match family {
        Some(Family::Run) => "c-run",
        Some(Family::Wait) => "c-wait",
        Some(Family::Done) => "c-done",
        Some(Family::Undo) => "c-undo",
        Some(Family::Pers) => "c-pers",
        Some(Family::None) | None => "c-none",
    }
}
