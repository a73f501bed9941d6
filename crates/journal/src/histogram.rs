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
}
