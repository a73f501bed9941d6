//! Figures about the flow of sagas: how many of each definition have started and ended in each minute, and how long they took.
//!
//! Each saga is counted in the transaction of the event that it is counted for, so no crash and no repeated append makes a
//! figure wrong; reading them counts nothing. `figure_rows.rs` has the rows as they are written.

use std::cmp::Ordering;
use std::sync::Arc;
use std::time::Duration;

use saga_core::{FlowOutcome, Timestamp};

use crate::histogram::ANY;

/// [`Histories::figures`](crate::Histories::figures) gives at most this many rows: six megabytes.
pub const FIGURES_ROWS_MAX: usize = 20_000;

/// A minute, in microseconds.
const MINUTE_US: i64 = 60_000_000;

/// The ranges of durations: the column of each in `saga_minute`, and the longest duration in it, in microseconds. The steps are
/// near 1, 2 and 5; sagas that wait for people take days, so the coarse ones go that far.
pub(crate) const DURATION_RANGES: [(&str, u64); 24] = [
    ("to_1ms", 1_000),
    ("to_2ms", 2_000),
    ("to_5ms", 5_000),
    ("to_10ms", 10_000),
    ("to_20ms", 20_000),
    ("to_50ms", 50_000),
    ("to_100ms", 100_000),
    ("to_200ms", 200_000),
    ("to_500ms", 500_000),
    ("to_1s", 1_000_000),
    ("to_2s", 2_000_000),
    ("to_5s", 5_000_000),
    ("to_10s", 10_000_000),
    ("to_20s", 20_000_000),
    ("to_1min", 60_000_000),
    ("to_2min", 120_000_000),
    ("to_5min", 300_000_000),
    ("to_10min", 600_000_000),
    ("to_30min", 1_800_000_000),
    ("to_1h", 3_600_000_000),
    ("to_4h", 14_400_000_000),
    ("to_1d", 86_400_000_000),
    ("to_7d", 604_800_000_000),
    ("over_7d", ANY),
];

/// The sagas of one definition that started, or ended in one way, within one minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinuteFigures {
    /// The minute's beginning.
    pub minute: Timestamp,
    /// The name of the definition.
    pub definition: Arc<str>,
    /// Whether they started, or how they ended.
    pub outcome: FlowOutcome,
    /// The step whose failure ended them, where one did.
    pub step: Option<Arc<str>>,
    /// How many there are.
    pub count: u64,
    /// How long they took, from their start to their end; empty for those that started.
    pub durations: SagaDurations,
}

/// SagaDurations, counted by range.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SagaDurations([u64; DURATION_RANGES.len()]);

impl SagaDurations {
    /// Counts a duration.
    pub fn observe(&mut self, duration: Duration) {
        self.add_to(range_of(duration));
    }

    pub(crate) fn add_to(&mut self, range: usize) {
        self.0[range] += 1;
    }

    /// Adds those that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count = count.saturating_add(more);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The longest duration of each range, rising, and how many are in the range; the last range has no longest.
    pub fn ranges(&self) -> impl Iterator<Item = (Option<Duration>, u64)> + '_ {
        DURATION_RANGES
            .iter()
            .zip(self.0)
            .map(|((_, longest), count)| ((*longest != ANY).then(|| Duration::from_micros(*longest)), count))
    }

    /// The duration that the share `share` of all does not exceed: 0.5 is the median. `None`: there are none, or `share` is no
    /// number.
    ///
    /// Within a range they are taken to lie evenly, as Prometheus' `histogram_quantile` takes them. So the result lies in the range
    /// of the true quantile: it is off by a millisecond or a factor of 3 at most where that is half an hour or less, and by a factor
    /// of 7 beyond. Of a quantile that is longer than seven days only that is known, and the result is seven days.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let total = self.count();
        if total == 0 || share.is_nan() {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * total as f64;
        let (mut before, mut shortest, mut found) = (0_u64, 0, 0.0);
        for ((_, longest), count) in DURATION_RANGES.iter().zip(self.0) {
            if count > 0 {
                let within = ((rank - before as f64) / count as f64).clamp(0.0, 1.0);
                let width = if *longest == ANY { 0 } else { longest - shortest };
                found = shortest as f64 + width as f64 * within;
                before = before.saturating_add(count);
                if before as f64 >= rank {
                    break;
                }
            }
            shortest = *longest;
        }
        Some(Duration::from_micros(found as u64))
    }

    /// As columns have them.
    pub(crate) fn cells(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().map(|count| i64::try_from(*count).unwrap_or(i64::MAX))
    }

    /// From the columns.
    pub(crate) fn read<E>(mut cell: impl FnMut(usize) -> Result<i64, E>) -> Result<Self, E> {
        let mut durations = Self::default();
        for (range, count) in durations.0.iter_mut().enumerate() {
            *count = u64::try_from(cell(range)?).unwrap_or(0);
        }
        Ok(durations)
    }
}

impl MinuteFigures {
    /// The order of the list.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let Self { minute, definition, outcome, step, .. } = self;
        (minute, definition, outcome, step).cmp(&(
            &other.minute,
            &other.definition,
            &other.outcome,
            &other.step,
        ))
    }
}

/// The range that a duration is in.
pub(crate) fn range_of(duration: Duration) -> usize {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    DURATION_RANGES.partition_point(|(_, longest)| *longest < us).min(DURATION_RANGES.len() - 1)
}

/// The beginning of the minute in which `at` is.
pub(crate) fn minute_us(at: Timestamp) -> i64 {
    at.as_micros().saturating_sub(at.as_micros().rem_euclid(MINUTE_US))
}

/// The columns of the ranges, with commas between what `column` makes of each.
pub(crate) fn range_columns(column: impl Fn(usize, &str) -> String) -> String {
    let columns: Vec<String> =
        DURATION_RANGES.iter().enumerate().map(|(range, (name, _))| column(range, name)).collect();
    columns.join(", ")
}

#[cfg(test)]
mod tests {
    use saga_testkit::dice::Dice;

    use super::*;

    const SHARES: [f64; 7] = [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0];

    fn counted(durations: &[Duration]) -> SagaDurations {
        let mut counted = SagaDurations::default();
        durations.iter().for_each(|duration| counted.observe(*duration));
        counted
    }

    #[test]
    fn a_duration_is_in_the_first_range_that_takes_it() {
        assert!(DURATION_RANGES.is_sorted_by(|(_, one), (_, next)| one < next));
        for (us, name) in [
            (0, "to_1ms"),
            (1_000, "to_1ms"),
            (1_001, "to_2ms"),
            (60_000_000, "to_1min"),
            (604_800_000_000, "to_7d"),
            (604_800_000_001, "over_7d"),
            (u64::MAX, "over_7d"),
        ] {
            assert_eq!(DURATION_RANGES[range_of(Duration::from_micros(us))].0, name, "{us}");
        }
        assert_eq!(DURATION_RANGES[range_of(Duration::MAX)].0, "over_7d");
    }

    #[test]
    fn a_quantile_is_interpolated_within_its_range() {
        let ms = Duration::from_millis;
        assert_eq!(SagaDurations::default().quantile(0.5), None);
        assert_eq!(counted(&[ms(7)]).quantile(f64::NAN), None);
        // Four between 5 and 10 ms, four between 20 and 50 ms.
        let eight = counted(&[6, 7, 8, 9, 21, 30, 40, 50].map(ms));
        for (share, us) in [
            (-1.0, 5_000),
            (0.0, 5_000),
            (0.25, 7_500),
            (0.5, 10_000),
            (0.75, 35_000),
            (1.0, 50_000),
            (2.0, 50_000),
        ] {
            assert_eq!(eight.quantile(share), Some(Duration::from_micros(us)), "{share}");
        }
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(counted(&[days(30), days(90)]).quantile(0.5), Some(days(7)), "more is not known");
    }

    #[test]
    fn a_quantile_lies_in_the_range_of_the_true_one() {
        let dice = Dice::new(20_261_129);
        for _ in 0..500 {
            let longest_us = 10_u64.pow(dice.between(1, 13) as u32);
            let mut durations: Vec<Duration> = (0..dice.between(1, 200))
                .map(|_| Duration::from_micros(dice.between(0, longest_us)))
                .collect();
            let counted = counted(&durations);
            durations.sort();
            let mut last = Duration::ZERO;
            for share in SHARES {
                let rank = ((share * durations.len() as f64).ceil() as usize).clamp(1, durations.len());
                let (range, found) = (range_of(durations[rank - 1]), counted.quantile(share).unwrap());
                let shortest = if range == 0 { 0 } else { DURATION_RANGES[range - 1].1 };
                let (shortest, longest) =
                    (Duration::from_micros(shortest), Duration::from_micros(DURATION_RANGES[range].1));
                assert!(
                    (shortest..=longest).contains(&found),
                    "{share} of {durations:?}: {found:?} is not in {shortest:?} to {longest:?}"
                );
                assert!(found >= last, "{share} of {durations:?}");
                last = found;
            }
        }
    }

    #[test]
    fn merged_durations_are_those_of_both() {
        let dice = Dice::new(7);
        let some = || -> Vec<Duration> {
            (0..dice.between(0, 50)).map(|_| Duration::from_micros(dice.between(0, 1 << 40))).collect()
        };
        for _ in 0..100 {
            let (one, two) = (some(), some());
            let mut merged = counted(&one);
            merged.merge(&counted(&two));
            assert_eq!(merged, counted(&[one.clone(), two.clone()].concat()));
            assert_eq!(merged.count(), (one.len() + two.len()) as u64);
            assert_eq!(merged.ranges().map(|(_, count)| count).sum::<u64>(), merged.count());
        }
    }

    #[test]
    fn a_minute_begins_at_its_first_microsecond() {
        for (us, minute) in [(0, 0), (59_999_999, 0), (60_000_000, 60_000_000), (-1, -60_000_000)] {
            assert_eq!(minute_us(Timestamp::from_micros(us)), minute, "{us}");
        }
        assert_eq!(minute_us(Timestamp::from_micros(i64::MIN)), i64::MIN);
    }
}
