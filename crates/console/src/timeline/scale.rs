//! From times to pixels. Time is drawn to scale but for quiet spans, which are folded: they have a fixed width.

use std::time::Duration;

use saga_core::Timestamp;

use super::marks::TimelineMarks;

/// A quiet span is folded if it lasts longer than this,
const FOLDED_FROM: Duration = Duration::from_secs(5);
/// and longer than this part of what is not folded.
const FOLDED_FROM_PERCENT: u32 = 5;
/// Spans that are folded: the longest ones.
const FOLDS_MAX: usize = 7;
/// Pixels of a folded span.
const FOLD_PX: f64 = 76.0;
/// Pixels between a stretch's ends and its first and last instant: a stretch of no time is wide enough for a bar.
const PAD_PX: f64 = 7.0;
/// Pixels between two marks of the axis, at least.
const TICK_PX: f64 = 92.0;

/// The scale of one timeline.
#[derive(Debug)]
pub(super) struct Scale {
    /// From the saga's start to its end, without gaps.
    pub(super) stretches: Vec<Stretch>,
    /// Pixels of a second.
    second_px: f64,
}

/// A stretch of time, to scale or folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stretch {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) is_folded: bool,
}

/// A mark of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tick {
    pub(super) at: Timestamp,
    pub(super) x: f64,
    /// Whether a folded span ends there.
    pub(super) is_new: bool,
    pub(super) has_text: bool,
}

impl Scale {
    pub(super) fn new(marks: &TimelineMarks<'_>, left: f64, right: f64, to_scale: bool) -> Self {
        let loud = marks.loud();
        let folded = if to_scale { Vec::new() } else { folded(&loud) };
        let first = loud.first().copied().unwrap_or(marks.begun);
        let last = loud.last().copied().unwrap_or(marks.end);
        let mut cuts: Vec<(Timestamp, Timestamp, bool)> = Vec::new();
        let mut at = first;
        for (from, to) in folded {
            cuts.push((at, from, false));
            cuts.push((from, to, true));
            at = to;
        }
        cuts.push((at, last, false));
        let fixed: f64 =
            cuts.iter().map(|(.., is_folded)| if *is_folded { FOLD_PX } else { 2.0 * PAD_PX }).sum();
        let open = cuts.iter().filter(|(.., is_folded)| !is_folded);
        let seconds: f64 = open.map(|(from, to, _)| to.since(*from).as_secs_f64()).sum();
        let second_px = if seconds > 0.0 { (right - left - fixed).max(1.0) / seconds } else { 0.0 };
        let mut x = left;
        let mut stretches = Vec::with_capacity(cuts.len());
        for (from, to, is_folded) in cuts {
            let width = match is_folded {
                true => FOLD_PX,
                false => 2.0 * PAD_PX + to.since(from).as_secs_f64() * second_px,
            };
            stretches.push(Stretch { from, to, left: x, right: x + width, is_folded });
            x += width;
        }
        Self { stretches, second_px }
    }

    /// Where an instant is.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        // An instant at which a stretch ends and another one begins belongs to the one that is to scale.
        let is_in = |stretch: &&Stretch| stretch.from <= at && at <= stretch.to;
        let found = self.stretches.iter().find(|stretch| is_in(stretch) && !stretch.is_folded);
        let found = found.or_else(|| self.stretches.iter().find(is_in));
        match found {
            Some(Stretch { from, to, left, right, is_folded: true }) => {
                let share = at.since(*from).as_secs_f64() / to.since(*from).as_secs_f64().max(1e-6);
                left + share * (right - left)
            }
            Some(Stretch { from, left, .. }) => {
                left + PAD_PX + at.since(*from).as_secs_f64() * self.second_px
            }
            None => {
                let is_before = self.stretches.first().is_some_and(|first| at < first.from);
                let (first, last) = (self.stretches.first(), self.stretches.last());
                if is_before {
                    first.map_or(0.0, |first| first.left)
                } else {
                    last.map_or(0.0, |last| last.right)
                }
            }
        }
    }

    /// Whether an instant is inside a folded span.
    pub(super) fn is_folded(&self, at: Timestamp) -> bool {
        self.stretches.iter().any(|stretch| stretch.is_folded && stretch.from < at && at < stretch.to)
    }

    pub(super) fn is_any_folded(&self) -> bool {
        self.stretches.iter().any(|stretch| stretch.is_folded)
    }

    /// The marks of the axis: round times from the beginning of each stretch.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let mut ticks = Vec::new();
        let every = every(self.second_px);
        let Some(begun) = self.stretches.first().map(|first| first.from) else { return ticks };
        let mut text_free_from = f64::NEG_INFINITY;
        for (index, stretch) in self.stretches.iter().enumerate().filter(|(_, stretch)| !stretch.is_folded) {
            let mut tick = |at: Timestamp, is_new: bool| {
                let x = self.x(at);
                // A folded span tells its own duration there.
                let is_before_fold = self.stretches.get(index + 1).is_some();
                let has_room = !is_before_fold || stretch.right - x >= TICK_PX / 2.0;
                let has_text = x >= text_free_from && has_room;
                if has_text {
                    text_free_from = x + TICK_PX * 0.8;
                }
                ticks.push(Tick { at, x, is_new, has_text });
            };
            tick(stretch.from, index > 0);
            let Some(every) = every else { continue };
            let passed = stretch.from.since(begun).as_micros() / every.as_micros().max(1) + 1;
            let mut at = begun.plus(every.saturating_mul(u32::try_from(passed).unwrap_or(u32::MAX)));
            while at < stretch.to {
                if self.x(at) - self.x(stretch.from) >= TICK_PX * 0.6 {
                    tick(at, false);
                }
                let next = at.plus(every);
                if next <= at {
                    break;
                }
                at = next;
            }
        }
        ticks
    }
}

/// The shortest round time that is wide enough; `None`: no time is.
fn every(second_px: f64) -> Option<Duration> {
    const DAY_MS: u64 = 86_400_000;
    let round_ms = [1_u64, 2, 5].into_iter().flat_map(|digit| [1, 10, 100].map(move |ten| digit * ten));
    let mut round_ms: Vec<u64> = round_ms.collect();
    round_ms.extend([1, 2, 5, 10, 15, 30].map(|s| s * 1_000));
    round_ms.extend([1, 2, 5, 10, 15, 30].map(|min| min * 60_000));
    round_ms.extend([1, 2, 3, 6, 12].map(|h| h * 3_600_000));
    round_ms.extend([1, 2, 7, 14, 30, 90, 365, 1_000, 3_650].map(|day| day * DAY_MS));
    round_ms.sort_unstable();
    let fits = |ms: &u64| *ms as f64 / 1_000.0 * second_px >= TICK_PX;
    round_ms.into_iter().find(fits).map(Duration::from_millis)
}

/// The quiet spans that are folded, in their order: the longest first, as long as each is long beside what is left.
fn folded(loud: &[Timestamp]) -> Vec<(Timestamp, Timestamp)> {
    let mut quiet: Vec<(Timestamp, Timestamp)> = loud.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let lasted = |(from, to): &(Timestamp, Timestamp)| to.since(*from);
    let mut left: Duration = quiet.iter().map(lasted).sum();
    // The earlier one of two that last as long.
    quiet.sort_by_key(|span| std::cmp::Reverse(lasted(span)));
    let mut folded = Vec::new();
    for span in quiet.into_iter().take(FOLDS_MAX) {
        let is_all = lasted(&span) == left;
        if is_all || lasted(&span) <= FOLDED_FROM.max(left * FOLDED_FROM_PERCENT / 100) {
            break;
        }
        left = left.saturating_sub(lasted(&span));
        folded.push(span);
    }
    folded.sort_unstable();
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(Duration::from_millis(ms))
    }

    #[test]
    fn long_quiet_spans_are_folded_and_short_ones_are_not() {
        let folds = |times: &[u64]| {
            let loud: Vec<Timestamp> = times.iter().map(|ms| at(*ms)).collect();
            folded(&loud).into_iter().map(|(from, _)| from.as_micros() / 1_000).collect::<Vec<_>>()
        };
        assert_eq!(folds(&[0, 100, 4_900]), [0; 0], "under 5 s");
        assert_eq!(folds(&[0, 1_000, 2_400_000, 2_403_000]), [1_000]);
        assert_eq!(folds(&[]), [0; 0]);
        assert_eq!(folds(&[0, 60_000]), [0; 0], "nothing would be left");
        let even: Vec<u64> = (0..100).map(|index| index * 6_000).collect();
        assert!(folds(&even).is_empty(), "each is under 5 % of the whole");
    }

    #[test]
    fn the_axis_has_round_times() {
        assert_eq!(every(100.0), Some(Duration::from_secs(1)));
        assert_eq!(every(1_000.0), Some(Duration::from_millis(100)));
        assert_eq!(every(0.01), Some(Duration::from_secs(10_800)));
        assert_eq!(every(0.0), None);
    }
}
