//! Drawings (SVG): made of numbers, of class names of this crate, and of texts that [`escaped`] has escaped. So they may stand in a
//! page as they are.

use std::fmt::Write;

use super::visible;

/// A foreign text as it may stand in HTML and SVG, in an element or in a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in visible(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A number of pixels, with a tenth at most.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), ToOwned::to_owned)
}

/// The attribute `class`, where there is one.
fn class_of(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") }
}

/// A part of a drawing, or the whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawing(String);

/// A rectangle, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

/// A line, as the attribute `d` of a path has it: made of numbers alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(String);

impl Line {
    pub(crate) fn from(x: f64, y: f64) -> Self {
        Self(format!("M{} {}", px(x), px(y)))
    }

    /// Straight on.
    pub(crate) fn to(mut self, x: f64, y: f64) -> Self {
        let _ = write!(self.0, "L{} {}", px(x), px(y));
        self
    }

    /// On in a curve that begins and ends level.
    pub(crate) fn level_to(mut self, from: (f64, f64), to: (f64, f64)) -> Self {
        let half = px(f64::midpoint(from.0, to.0));
        let _ = write!(self.0, "C{half} {} {half} {} {} {}", px(from.1), px(to.1), px(to.0), px(to.1));
        self
    }
}

impl Drawing {
    /// The markup, for a template.
    pub(crate) fn markup(&self) -> &str {
        &self.0
    }

    /// The whole: so large, with a name for readers who do not see it. `role`: `img`, or `group` where it has links in it.
    pub(crate) fn whole(role: &'static str, width: f64, height: f64, name: &str, parts: &Self) -> Self {
        let (width, height) = (px(width), px(height));
        Self(format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"{role}\" aria-label=\"{}\">{}</svg>",
            escaped(name),
            parts.0
        ))
    }

    /// A small drawing that says nothing that the text beside it does not say.
    pub(crate) fn decoration(width: f64, height: f64, parts: &Self) -> Self {
        let (width, height) = (px(width), px(height));
        Self(format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" aria-hidden=\"true\">{}</svg>",
            parts.0
        ))
    }

    /// Definitions that other parts refer to: fixed texts of this crate.
    pub(crate) fn definitions(&mut self, fixed: &'static str) {
        let _ = write!(self.0, "<defs>{fixed}</defs>");
    }

    pub(crate) fn rect(&mut self, area: Area, rx: f64, class: &'static str, title: Option<&str>) {
        let Area { x, y, width, height } = area;
        let class = class_of(class);
        let _ = write!(
            self.0,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"{class}",
            px(x),
            px(y),
            px(width),
            px(height),
            px(rx)
        );
        match title {
            Some(title) => {
                let _ = write!(self.0, "><title>{}</title></rect>", escaped(title));
            }
            None => self.0.push_str("/>"),
        }
    }

    /// A rectangle that is filled with the pattern `hatch` of the same drawing.
    pub(crate) fn hatched(&mut self, area: Area, title: &str) {
        let Area { x, y, width, height } = area;
        let _ = write!(
            self.0,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"url(#hatch)\"><title>{}</title></rect>",
            px(x),
            px(y),
            px(width),
            px(height),
            escaped(title)
        );
    }

    pub(crate) fn line(&mut self, line: &Line, class: &'static str, title: Option<&str>) {
        let class = class_of(class);
        match title {
            Some(title) => {
                let _ =
                    write!(self.0, "<path d=\"{}\"{class}><title>{}</title></path>", line.0, escaped(title));
            }
            None => {
                let _ = write!(self.0, "<path d=\"{}\"{class}/>", line.0);
            }
        }
    }

    /// A text. `anchor`: `start`, `middle` or `end`.
    pub(crate) fn text(&mut self, x: f64, y: f64, class: &'static str, anchor: &'static str, text: &str) {
        let anchor = if anchor == "start" { String::new() } else { format!(" text-anchor=\"{anchor}\"") };
        let _ = write!(
            self.0,
            "<text x=\"{}\" y=\"{}\"{}{anchor}>{}</text>",
            px(x),
            px(y),
            class_of(class),
            escaped(text)
        );
    }

    /// One of the frame's symbols.
    pub(crate) fn icon(&mut self, x: f64, y: f64, class: &'static str, symbol: &'static str) {
        let _ = write!(
            self.0,
            "<svg x=\"{}\" y=\"{}\" width=\"12\" height=\"12\"{}><use href=\"#{symbol}\"/></svg>",
            px(x),
            px(y),
            class_of(class)
        );
    }

    /// Parts that are a link.
    pub(crate) fn link(&mut self, address: &str, title: &str, parts: &Self) {
        let _ = write!(
            self.0,
            "<a href=\"{}\"><title>{}</title>{}</a>",
            escaped(address),
            escaped(title),
            parts.0
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_a_drawing_is_markup() {
        let hostile = "</title><script>\"onload='x'\u{202e}&\0";
        let mut parts = Drawing::default();
        parts.text(1.0, 2.25, "nm", "end", hostile);
        parts.rect(Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 }, 0.0, "", Some(hostile));
        parts.line(&Line::from(0.0, 0.0).to(1.0, 1.0), "", Some(hostile));
        let mut linked = Drawing::default();
        linked.link(hostile, hostile, &parts);
        let whole = Drawing::whole("img", 10.0, 10.0, hostile, &linked);
        assert!(!whole.markup().contains("<script"), "{}", whole.markup());
        assert!(!whole.markup().contains("\"onload") && !whole.markup().contains('\u{202e}'));
        assert_eq!(whole.markup().matches("</title>").count(), 3, "only our own");
        assert!(whole.markup().contains("<text x=\"1\" y=\"2.2\" class=\"nm\" text-anchor=\"end\">"));
    }
}
