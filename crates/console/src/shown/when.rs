//! Instants and spans of time.

use std::time::Duration;

use saga_core::Timestamp;

use crate::Lang;

/// An instant, as a page shows it: relative to the page's own time, with the exact one at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// RFC 3339, for the attribute `datetime`.
    pub iso: String,
    /// The date and the time of day, in UTC, to the millisecond.
    pub exact: String,
    /// The time of day, in UTC, to the second.
    pub clock: String,
    /// `41 min`, `2 h 10 min`.
    pub span: String,
    /// `41 min ago`, `in 22 s`.
    pub relative: String,
}

impl When {
    /// The instant `at`, seen at `now`.
    pub fn of(at: Timestamp, now: Timestamp, lang: Lang) -> Self {
        let iso = at.to_string();
        // Years beyond four digits have no such form; their text says what they are.
        let (exact, clock) = match (iso.get(0..10), iso.get(11..23), iso.get(11..19)) {
            (Some(day), Some(exact), Some(clock)) => (format!("{day} {exact} UTC"), clock.to_owned()),
            _ => (iso.clone(), iso.clone()),
        };
        let is_past = at <= now;
        let span = Span(if is_past { now.since(at) } else { at.since(now) }).text(lang);
        let relative = match (lang, is_past) {
            (Lang::En, true) => format!("{span} ago"),
            (Lang::En, false) => format!("in {span}"),
            (Lang::Fr, true) => format!("il y a {span}"),
            (Lang::Fr, false) => format!("dans {span}"),
        };
        Self { iso, exact, clock, span, relative }
    }
}

/// A span of time, with one or two units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Span {
    /// `240 ms`, `22 s`, `41 min`, `2 h 10 min`, `3 d 4 h`; in French `3 j 4 h`.
    pub fn text(self, lang: Lang) -> String {
        let ms = self.0.as_millis();
        let (s, min, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
        let (days, day) = (h / 24, if lang == Lang::Fr { "j" } else { "d" });
        let two = |much: u128, unit: &str, rest: u128, smaller: &str| match rest {
            0 => format!("{much} {unit}"),
            _ => format!("{much} {unit} {rest} {smaller}"),
        };
        // Spaces inside a span do not break lines.
        let text = match ms {
            0..1_000 => format!("{ms} ms"),
            1_000..120_000 => format!("{s} s"),
            120_000..3_600_000 => format!("{min} min"),
            3_600_000..86_400_000 => two(h, "h", min % 60, "min"),
            _ => two(days, day, h % 24, "h"),
        };
        text.replace(' ', "\u{a0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(s: u64, lang: Lang) -> String {
        Span(Duration::from_secs(s)).text(lang).replace('\u{a0}', " ")
    }

    #[test]
    fn a_span_has_one_or_two_units() {
        assert_eq!(Span(Duration::from_millis(240)).text(Lang::En), "240\u{a0}ms");
        assert_eq!(span(22, Lang::En), "22 s");
        assert_eq!(span(41 * 60 + 9, Lang::Fr), "41 min");
        assert_eq!(span(2 * 3600 + 10 * 60, Lang::En), "2 h 10 min");
        assert_eq!(span(3 * 86_400, Lang::En), "3 d");
        assert_eq!(span(3 * 86_400 + 4 * 3600, Lang::Fr), "3 j 4 h");
    }

    #[test]
    fn an_instant_is_relative_and_exact() {
        let at = Timestamp::from_rfc3339("2026-11-25T13:58:02.002Z").unwrap();
        let when = When::of(at, at.plus(Duration::from_secs(41 * 60)), Lang::Fr);
        assert_eq!(when.relative, "il y a 41\u{a0}min");
        assert_eq!(when.exact, "2026-11-25 13:58:02.002 UTC");
        assert_eq!(when.clock, "13:58:02");
        let later = When::of(at.plus(Duration::from_secs(22)), at, Lang::En);
        assert_eq!(later.relative, "in 22\u{a0}s");
        let far = When::of(Timestamp::from_micros(i64::MAX), at, Lang::En);
        assert!(!far.iso.is_empty());
    }
}
