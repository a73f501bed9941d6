//! A trace as a picture: a bar for each span, below the one above it.

use std::fmt::Write;

use crate::collector::KeptSpan;

/// Pixels.
const ROW: usize = 26;
const NAMES: usize = 330;
const BARS: f64 = 560.0;
/// The label of a bar needs so much.
const LABEL: f64 = 110.0;

/// The picture of one trace, as SVG. `cut_ms`: when the process was killed, after the first span's begin. Spans of other
/// services than `own` have the service's name.
pub fn drawn(spans: &[KeptSpan], cut_ms: f64, own: &str) -> String {
    let first = spans.iter().map(|span| span.span.start_time_unix_nano).min().unwrap_or(0);
    let last = spans.iter().map(|span| span.span.end_time_unix_nano).max().unwrap_or(1);
    let scale = BARS / (last - first).max(1) as f64;
    let mut rows = Vec::new();
    let roots = spans.iter().filter(|span| !spans.iter().any(|above| above.id == span.parent));
    roots.for_each(|root| below(spans, root, 0, &mut rows));
    let (width, height) = (NAMES + BARS as usize + 90, (rows.len() + 2) * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let killed = NAMES as f64 + cut_ms * 1e6 * scale;
    writeln!(
        svg,
        "<line x1=\"{killed:.1}\" x2=\"{killed:.1}\" y1=\"{ROW}\" y2=\"{height}\" stroke=\"#b00\" stroke-dasharray=\"4 3\"/>\n<text x=\"{killed:.1}\" y=\"18\" text-anchor=\"middle\" fill=\"#b00\">kill -9</text>"
    )
    .expect("writing to memory cannot fail");
    for (row, (span, depth)) in rows.iter().enumerate() {
        let y = (row + 1) * ROW;
        let start = NAMES as f64 + (span.span.start_time_unix_nano - first) as f64 * scale;
        let nanos = span.span.end_time_unix_nano - span.span.start_time_unix_nano;
        let length = (nanos as f64 * scale).max(2.0);
        let outcome = span.attribute("saga.outcome").unwrap_or_default();
        let colour = match (&*outcome, span.span.kind) {
            ("", _) if span.service != own => "#7d8597",
            ("ok" | "completed" | "paused", 3) => "#2f8f5b",
            ("ok" | "completed" | "paused", _) => "#4a6fa5",
            ("interrupted", _) => "#c77700",
            _ => "#b00020",
        };
        // Behind the bar, before it, or in it: where there is room.
        let (label, anchor, ink) = if start + length + LABEL <= width as f64 {
            (start + length + 4.0, "start", "#555")
        } else if start - LABEL >= NAMES as f64 {
            (start - 4.0, "end", "#555")
        } else {
            (start + 6.0, "start", "#fff")
        };
        let service = if span.service == own { String::new() } else { format!("{}: ", span.service) };
        let name = format!("{service}{}", span.span.name).replace('&', "&amp;").replace('<', "&lt;");
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\">{name}</text>\n<rect x=\"{start:.1}\" y=\"{}\" width=\"{length:.1}\" height=\"14\" rx=\"2\" fill=\"{colour}\"/>\n<text x=\"{label:.1}\" y=\"{}\" font-size=\"11\" text-anchor=\"{anchor}\" fill=\"{ink}\">{:.0} ms {outcome}</text>",
            8 + depth * 16,
            y + 17,
            y + 6,
            y + 17,
            nanos as f64 / 1e6,
        )
        .expect("writing to memory cannot fail");
    }
    svg + "</svg>\n"
}

fn below<'s>(spans: &'s [KeptSpan], span: &'s KeptSpan, depth: usize, rows: &mut Vec<(&'s KeptSpan, usize)>) {
    rows.push((span, depth));
    let mut children: Vec<_> = spans.iter().filter(|child| child.parent == span.id).collect();
    children.sort_by_key(|child| child.span.start_time_unix_nano);
    children.into_iter().for_each(|child| below(spans, child, depth + 1, rows));
}
