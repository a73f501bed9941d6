//! The timeline of a saga: a row for each step, time from left to right.
//!
//! - `marks.rs`: the history as marks, without pixels. `scale.rs`: from times to pixels; quiet spans are folded.
//! - Here: the drawing.
//!
//! Times are told from the saga's start on: a drawing's texts are not turned into the reader's time zone.

mod marks;
mod scale;

use std::sync::Arc;
use std::time::Duration;

use saga_core::saga::Saga;
use saga_core::{Direction, Timestamp};

use self::marks::{Bar, BarKind, InstantKind, SpanKind, SpanMark, TimelineMarks};
use self::scale::{Scale, Stretch};
use crate::Lang;
use crate::graph::Layout;
use crate::history::AttemptTold;
use crate::sentence::answer;
use crate::shown::{Area, Drawing, Line, Span, visible_cut};
use crate::words::SagaWords;

/// Bars that one timeline draws; of more, the table tells.
const BARS_MAX: usize = 1_500;
/// Steps up to which rows have all their room.
const ROOMY_STEPS_MAX: usize = 20;
/// Pixels of the whole drawing.
const WIDTH: f64 = 1_200.0;
/// Pixels to the right of now, where the next attempt stands.
const AHEAD: f64 = 46.0;
/// Where the rows begin.
const TOP: f64 = 48.0;

/// What a timeline is made of.
pub(crate) struct TimelineOf<'a> {
    pub(crate) saga: &'a Saga,
    pub(crate) records: &'a [saga_core::Record],
    pub(crate) attempts: &'a [AttemptTold<'a>],
    /// The steps whose calls their participants hold back.
    pub(crate) held_back: &'a [Arc<str>],
    pub(crate) now: Timestamp,
    pub(crate) to_scale: bool,
    pub(crate) lang: Lang,
}

/// A drawn timeline.
#[derive(Debug)]
pub struct Timeline {
    /// The drawing.
    pub drawing: Drawing,
    /// The kinds of marks that it has: the class of each, and its meaning.
    pub legend: Vec<LegendLine>,
    /// Whether a span is folded.
    pub is_folded: bool,
    /// Attempts that are not drawn, because there are too many.
    pub left_out: usize,
}

/// A line of the legend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegendLine {
    /// The mark, as it is drawn.
    pub mark: Drawing,
    /// Its meaning.
    pub meaning: &'static str,
}

/// The pattern of folded spans.
const HATCH: &str = "<pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><path d=\"M0 0V7\" class=\"hx\"/></pattern>";

/// The timeline of a saga.
pub(crate) fn timeline(of: &TimelineOf<'_>) -> Timeline {
    let mut marks = TimelineMarks::of(of);
    let left_out = marks.bars.len().saturating_sub(BARS_MAX);
    marks.bars.drain(..left_out);
    let order = Layout::of(&of.saga.definition().graph).reading_order();
    let pitch = if order.len() > ROOMY_STEPS_MAX { 20.0 } else { 28.0 };
    let names = order.iter().map(|step| name_of(of.saga, *step).chars().count()).max().unwrap_or(0);
    let left = (names as f64 * 7.2 + 12.0).clamp(96.0, 168.0);
    let right = if marks.is_over { WIDTH - 12.0 } else { WIDTH - AHEAD };
    let scale = Scale::new(&marks, left, right, of.to_scale);
    let mut rows = vec![0; order.len()];
    for (row, step) in order.iter().enumerate() {
        rows[*step] = row;
    }
    let bottom = TOP + order.len() as f64 * pitch;
    let canvas =
        Canvas { of, marks: &marks, scale: &scale, rows, pitch, left, bottom, words: SagaWords::of(of.lang) };
    let mut drawing = Drawing::default();
    drawing.definitions(HATCH);
    canvas.axis(&mut drawing);
    canvas.owners(&mut drawing);
    canvas.rows(&order, &mut drawing);
    marks.spans.iter().for_each(|span| canvas.span(span, &mut drawing));
    let folded = |bar: &&Bar<'_>| scale.is_folded(bar.from);
    marks.bars.iter().filter(|bar| !folded(bar)).for_each(|bar| canvas.bar(bar, &mut drawing));
    canvas.folds(&mut drawing);
    canvas.instants(&mut drawing);
    canvas.now(&mut drawing);
    let drawing = Drawing::whole("img", WIDTH, bottom + 22.0, canvas.words.timeline_alt, &drawing);
    Timeline { drawing, legend: canvas.legend(), is_folded: scale.is_any_folded(), left_out }
}

fn name_of(saga: &Saga, step: usize) -> String {
    saga.definition().steps.get(step).map_or_else(String::new, |step| visible_cut(&step.name, 20))
}

/// Everything that the parts of the drawing need.
struct Canvas<'a> {
    of: &'a TimelineOf<'a>,
    marks: &'a TimelineMarks<'a>,
    scale: &'a Scale,
    /// The row of each step.
    rows: Vec<usize>,
    pitch: f64,
    left: f64,
    bottom: f64,
    words: &'static SagaWords,
}

impl Canvas<'_> {
    /// The middle of a step's row.
    fn y(&self, step: usize) -> f64 {
        TOP + (self.rows.get(step).copied().unwrap_or(0) as f64 + 0.5) * self.pitch
    }

    /// `+39 min`, from the saga's start on.
    fn since_start(&self, at: Timestamp) -> String {
        let since = at.since(self.marks.begun);
        if since.is_zero() { "0".to_owned() } else { format!("+{}", offset(since, self.of.lang)) }
    }

    fn axis(&self, drawing: &mut Drawing) {
        for tick in self.scale.ticks() {
            let x = tick.x;
            drawing.line(
                &Line::from(x, TOP - 6.0).to(x, self.bottom),
                if tick.is_new { "gr z" } else { "gr" },
                None,
            );
            if tick.has_text {
                drawing.text(x + 3.0, TOP - 10.0, "ax", "start", &self.since_start(tick.at));
            }
        }
    }

    /// The lane of the processes that ran the saga, one after the other.
    fn owners(&self, drawing: &mut Drawing) {
        drawing.text(0.0, 20.0, "s2", "start", self.words.run_by);
        for (index, from) in self.marks.owners.iter().enumerate() {
            let to = self.marks.owners.get(index + 1).copied().unwrap_or(self.marks.end);
            let (x, end) = (self.scale.x(*from), self.scale.x(to));
            let width = (end - x - 2.0).max(2.0);
            let text = format!("{} {}", self.words.process, index + 1);
            let title = format!("{text}, {}", self.since_start(*from));
            let area = Area { x, y: 9.0, width, height: 15.0 };
            drawing.rect(area, 3.0, "ow", Some(&title));
            if width > text.chars().count() as f64 * 6.0 + 8.0 {
                drawing.text(x + 6.0, 20.0, "ow1", "start", &text);
            }
        }
    }

    fn rows(&self, order: &[usize], drawing: &mut Drawing) {
        for step in order {
            let y = self.y(*step);
            drawing.text(0.0, y + 4.0, "lb", "start", &name_of(self.of.saga, *step));
            let line = Line::from(self.left, y + self.pitch / 2.0).to(WIDTH - 6.0, y + self.pitch / 2.0);
            drawing.line(&line, "rw", None);
        }
    }

    fn span(&self, span: &SpanMark, drawing: &mut Drawing) {
        let (from, to) = (self.scale.x(span.from), self.scale.x(span.to));
        let mut y = self.y(span.step);
        let (class, meaning) = match span.kind {
            SpanKind::Retry => ("wt", self.words.between),
            SpanKind::Signal => ("w2", self.words.waits_signal),
            SpanKind::Pause => ("w2", self.words.waits_time),
            SpanKind::UndoTurn => ("w2", self.words.waits_turn),
            SpanKind::Blocked => ("bk", self.words.needs_person),
        };
        if span.kind == SpanKind::Blocked {
            y -= self.pitch / 2.0 - 3.0;
        }
        let lasted = Span(span.to.since(span.from)).text(self.of.lang);
        let title = format!("{meaning}, {lasted}, {}", self.since_start(span.from));
        drawing.line(&Line::from(from, y).to(to.max(from + 2.0), y), class, Some(&title));
    }

    fn bar(&self, bar: &Bar<'_>, drawing: &mut Drawing) {
        let x = self.scale.x(bar.from);
        let width = (self.scale.x(bar.to) - x).max(4.0);
        let height = match bar.direction {
            Direction::Action | Direction::Compensation => 12.0,
            Direction::Probe | Direction::Poll => 7.0,
        };
        let area = Area { x, y: self.y(bar.step) - height / 2.0, width, height };
        drawing.rect(area, 2.0, class_of(bar.kind), Some(&self.title(bar)));
    }

    /// `undo paiement, attempt 3: 503 “away”, 4 ms, +2 s`.
    fn title(&self, bar: &Bar<'_>) -> String {
        let direction = self.words.direction(bar.direction);
        let name = name_of(self.of.saga, bar.step);
        let end = match bar.kind {
            BarKind::UnderWay => self.words.under_way.to_owned(),
            BarKind::Held => self.words.held_back.to_owned(),
            BarKind::Lost => self.words.lost.to_owned(),
            _ => answer(&bar.end, self.of.lang),
        };
        let lasted = Span(bar.to.since(bar.from)).text(self.of.lang);
        let since = self.since_start(bar.from);
        let colon = if self.of.lang == Lang::Fr { " :" } else { ":" };
        format!("{direction} {name}, {} {}{colon} {end}, {lasted}, {since}", self.words.attempt, bar.number)
    }

    /// The folded spans: their duration, and how many attempts are in them.
    fn folds(&self, drawing: &mut Drawing) {
        for Stretch { from, to, left, right, is_folded } in &self.scale.stretches {
            if !is_folded {
                continue;
            }
            let inside = self.marks.bars.iter().filter(|bar| bar.from > *from && bar.from < *to).count();
            let area = Area { x: *left, y: TOP - 6.0, width: right - left, height: self.bottom - TOP + 6.0 };
            let lasted = Span(to.since(*from)).text(self.of.lang);
            let title = format!("{lasted} {}, {}", self.words.folded, self.words.attempts_counted(inside));
            drawing.hatched(area, &title);
            let middle = f64::midpoint(*left, *right);
            drawing.text(middle, TOP - 10.0, "ax", "middle", &lasted);
            if inside > 0 {
                let pill =
                    Area { x: left + 3.0, y: self.bottom - 21.0, width: right - left - 6.0, height: 18.0 };
                drawing.rect(pill, 9.0, "pill", None);
                drawing.text(middle, self.bottom - 8.0, "pt", "middle", &self.words.attempts_counted(inside));
            }
        }
    }

    fn instants(&self, drawing: &mut Drawing) {
        for instant in &self.marks.instants {
            let x = self.scale.x(instant.at);
            let since = self.since_start(instant.at);
            match &instant.kind {
                InstantKind::Rollback => {
                    drawing.line(
                        &Line::from(x, TOP - 6.0).to(x, self.bottom),
                        "dc",
                        Some(&format!("{}, {since}", self.words.decision)),
                    );
                    let is_right = x > WIDTH - 160.0;
                    let (at, anchor) = if is_right { (x - 5.0, "end") } else { (x + 5.0, "start") };
                    drawing.text(at, self.bottom + 14.0, "dl", anchor, self.words.decision);
                }
                InstantKind::Person(by) => {
                    let triangle = Line::from(x - 5.0, TOP - 6.0).to(x + 5.0, TOP - 6.0).to(x, TOP + 2.0);
                    drawing.line(&triangle, "dp", Some(&format!("{by}, {since}")));
                }
                InstantKind::Signal(name) => {
                    let diamond = Line::from(x, TOP - 8.0)
                        .to(x + 5.0, TOP - 3.0)
                        .to(x, TOP + 2.0)
                        .to(x - 5.0, TOP - 3.0);
                    drawing.line(&diamond, "ds", Some(&format!("{} {name}, {since}", self.words.signal)));
                }
            }
        }
    }

    /// The line of now, and the next attempts behind it.
    fn now(&self, drawing: &mut Drawing) {
        if self.marks.is_over {
            return;
        }
        let x = self.scale.x(self.marks.end);
        drawing.line(&Line::from(x, TOP - 6.0).to(x, self.bottom), "now", None);
        drawing.text(x - 4.0, self.bottom + 14.0, "nw1", "end", self.words.now);
        for (step, at) in &self.marks.next {
            let middle = self.y(*step);
            let area = Area { x: x + 20.0, y: middle - 6.0, width: 6.0, height: 12.0 };
            let lasted = offset(at.since(self.marks.end), self.of.lang);
            drawing.line(&Line::from(x, middle).to(x + 20.0, middle), "wt", None);
            drawing.rect(area, 2.0, "fu", Some(&format!("{} {lasted}", self.words.next_in)));
        }
    }

    fn legend(&self) -> Vec<LegendLine> {
        let words = self.words;
        let bars = [
            (BarKind::Ok, words.l_ok),
            (BarKind::Accepted, words.l_accepted),
            (BarKind::Undone, words.l_undone),
            (BarKind::Refused, words.l_refused),
            (BarKind::Unsure, words.l_unsure),
            (BarKind::Failing, words.l_failing),
            (BarKind::UnderWay, words.under_way),
            (BarKind::Held, words.held_back),
            (BarKind::Lost, words.lost),
        ];
        let spans = [
            (SpanKind::Retry, "wt", words.between),
            (SpanKind::Signal, "w2", words.waits_signal),
            (SpanKind::Pause, "w2", words.waits_time),
            (SpanKind::UndoTurn, "w2", words.waits_turn),
            (SpanKind::Blocked, "bk", words.needs_person),
        ];
        let swatch = |parts: &Drawing| Drawing::decoration(18.0, 10.0, parts);
        let mut legend = Vec::new();
        for (kind, meaning) in bars {
            if self.marks.bars.iter().any(|bar| bar.kind == kind) {
                let mut mark = Drawing::default();
                mark.rect(Area { x: 1.0, y: 1.0, width: 16.0, height: 8.0 }, 2.0, class_of(kind), None);
                legend.push(LegendLine { mark: swatch(&mark), meaning });
            }
        }
        for (kind, class, meaning) in spans {
            if self.marks.spans.iter().any(|span| span.kind == kind) {
                let mut mark = Drawing::default();
                mark.line(&Line::from(0.0, 5.0).to(18.0, 5.0), class, None);
                legend.push(LegendLine { mark: swatch(&mark), meaning });
            }
        }
        legend
    }
}

/// A span from the start on: as spans are, but with what is lost by two units where it is short.
fn offset(span: Duration, lang: Lang) -> String {
    let ms = span.as_millis();
    let text = match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 if ms % 1_000 >= 50 => {
            let text = format!("{:.1} s", ms as f64 / 1_000.0);
            if lang == Lang::Fr { text.replace('.', ",") } else { text }
        }
        1_000..120_000 => format!("{} s", ms / 1_000),
        120_000..3_600_000 if !(ms / 1_000).is_multiple_of(60) => {
            format!("{} min {} s", ms / 60_000, ms / 1_000 % 60)
        }
        _ => return Span(span).text(lang),
    };
    text.replace(' ', "\u{a0}")
}

fn class_of(kind: BarKind) -> &'static str {
    match kind {
        BarKind::Ok => "ba",
        BarKind::Accepted => "ba bo",
        BarKind::Undone => "bu",
        BarKind::Refused => "bq br",
        BarKind::Unsure => "bq",
        BarKind::Failing => "bq bf",
        BarKind::UnderWay => "bw",
        BarKind::Held => "bw bh",
        BarKind::Lost => "bq bl",
    }
}
