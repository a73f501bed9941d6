//! Times and durations for the report.

/// Microseconds since the Unix epoch, by this machine's clock, which the processes' events use, too.
pub(crate) type Micros = i64;

/// Now.
#[expect(clippy::disallowed_methods, reason = "real processes run in real time")]
pub(crate) fn now() -> Micros {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as Micros)
}

/// Durations of one kind of fault.
#[derive(Debug, Default, Clone)]
pub(crate) struct Durations(Vec<Micros>);

impl Durations {
    pub(crate) fn add(&mut self, micros: Micros) {
        self.0.push(micros);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The nearest-rank percentile of the durations, in seconds.
    pub(crate) fn percentile(&self, of_hundred: usize) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * of_hundred).div_ceil(100).max(1);
        sorted.get(rank - 1).map(|micros| *micros as f64 / 1e6)
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.percentile(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let mut durations = Durations::default();
        assert_eq!(durations.percentile(50), None);
        (1..=200).rev().for_each(|n| durations.add(n * 1_000_000));
        assert_eq!([50, 99, 100].map(|n| durations.percentile(n)), [Some(100.0), Some(198.0), Some(200.0)]);
    }
}
