//! Histograms over fixed ranges: the writer fills them, and metrics read them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A bound that nothing is above.
pub(crate) const ANY: u64 = u64::MAX;

/// Values counted by range, as of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    /// The largest value that each range takes, rising; the last one is `u64::MAX`.
    pub bounds: &'static [u64; N],
    /// How many values fell into each range.
    pub counts: [u64; N],
    /// Of all values.
    pub sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// The values that came since `earlier`, which was read from the same histogram.
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = std::array::from_fn(|range| self.counts[range].saturating_sub(earlier.counts[range]));
        Self { bounds: self.bounds, counts, sum: self.sum.saturating_sub(earlier.sum) }
    }

    /// The value that the share `share` of all does not exceed, taken to lie evenly within its range: it lies in the range of the true
    /// one. Of a value in the last range only its lower bound is known. `None`: there are no values.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let total: u64 = self.counts.iter().sum();
        let rank = share.clamp(0.0, 1.0) * total as f64;
        let (mut before, mut lowest, mut found) = (0, 0, None);
        for (bound, count) in self.bounds.iter().zip(self.counts) {
            if count > 0 {
                let within = ((rank - before as f64) / count as f64).clamp(0.0, 1.0);
                let width = if *bound == ANY { 0 } else { bound - lowest };
                found = Some(lowest + (width as f64 * within) as u64);
                before += count;
                if before as f64 >= rank {
                    break;
                }
            }
            lowest = *bound;
        }
        found
    }
}

/// The same while it is being filled.
pub(crate) struct Filling<const N: usize> {
    bounds: &'static [u64; N],
    counts: [AtomicU64; N],
    sum: AtomicU64,
}

impl<const N: usize> Filling<N> {
    pub(crate) fn over(bounds: &'static [u64; N]) -> Self {
        Self { bounds, counts: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }

    pub(crate) fn observe(&self, value: u64) {
        let range = self.bounds.partition_point(|bound| *bound < value).min(N - 1);
        self.counts[range].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Histogram<N> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = std::array::from_fn(|range| read(&self.counts[range]));
        Histogram { bounds: self.bounds, counts, sum: read(&self.sum) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_first_range_that_takes_it() {
        let filling = Filling::over(&[1, 10, ANY]);
        for value in [0, 1, 2, 10, 11, 1 << 40] {
            filling.observe(value);
        }
        let histogram = filling.read();
        assert_eq!((histogram.counts, histogram.sum), ([2, 2, 2], 24 + (1 << 40)));
    }

    #[test]
    fn a_quantile_lies_in_the_range_of_the_true_one() {
        let filling = Filling::over(&[10, 20, ANY]);
        assert_eq!(filling.read().quantile(0.5), None);
        for value in [4, 5, 12, 18] {
            filling.observe(value);
        }
        let four = filling.read();
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|share| four.quantile(share)), [0, 10, 15, 20].map(Some));
        for _ in 0..4 {
            filling.observe(1 << 40);
        }
        assert_eq!(filling.read().quantile(0.99), Some(20), "more is not known");
        let later = filling.read().since(&four);
        assert_eq!((later.counts, later.sum), ([0, 0, 4], 1 << 42));
    }
}
