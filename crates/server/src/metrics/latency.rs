//! How long the latest calls to each participant took, for the console. The metric with the same times is
//! `saga_call_duration_seconds`, which counts all calls since the process began.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use saga_journal::Histogram;
use tokio::time::Instant;

/// The calls of the last one to two of these are shown.
const CALLS_WINDOW: Duration = Duration::from_secs(300);

/// The longest time in each range, in microseconds: from a quick loopback call to a participant's longest timeout.
static RANGES_US: [u64; 18] = [
    250,
    500,
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    120_000_000,
    u64::MAX,
];

/// The times of the calls to each participant, by how it is reached.
#[derive(Default)]
pub(super) struct Latencies(RwLock<HashMap<Arc<str>, Arc<CallTimes>>>);

/// The times of the calls to one participant.
pub(super) struct CallTimes(Mutex<Windows>);

#[derive(Clone, Copy)]
struct Windows {
    current: [u64; RANGES_US.len()],
    former: [u64; RANGES_US.len()],
    /// When the current one began.
    begun: Instant,
}

impl Windows {
    fn turn(&mut self, now: Instant) {
        let age = now.duration_since(self.begun);
        if age < CALLS_WINDOW {
            return;
        }
        let none = [0; RANGES_US.len()];
        self.former = if age < CALLS_WINDOW * 2 { self.current } else { none };
        (self.current, self.begun) = (none, now);
    }
}

impl Default for CallTimes {
    fn default() -> Self {
        let none = [0; RANGES_US.len()];
        Self(Mutex::new(Windows { current: none, former: none, begun: Instant::now() }))
    }
}

impl CallTimes {
    /// Counts a call that has ended.
    pub(super) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let range = RANGES_US.partition_point(|longest| *longest < us).min(RANGES_US.len() - 1);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(Instant::now());
        windows.current[range] += 1;
    }

    fn read(&self) -> Histogram<18> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(Instant::now());
        let counts = std::array::from_fn(|range| windows.current[range] + windows.former[range]);
        Histogram { bounds: &RANGES_US, counts, sum: 0 }
    }
}

/// How long the latest calls took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecentCalls {
    /// Half of them took this, or less.
    pub(crate) p50: Duration,
    /// All but a hundredth took this, or less.
    pub(crate) p99: Duration,
    /// How many there were.
    pub(crate) calls: u64,
}

impl Latencies {
    /// The times of the participant that is reached by this.
    pub(super) fn of(&self, reached_by: &Arc<str>) -> Arc<CallTimes> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(reached_by).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(reached_by.clone()).or_default().clone()
        })
    }

    /// Forgets participants that nothing counts for any more.
    pub(super) fn tidy(&self) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, times| Arc::strong_count(times) > 1);
    }

    /// The latest calls to the participant that is reached by this; `None`: there were none.
    pub(super) fn recent(&self, reached_by: &str) -> Option<RecentCalls> {
        let times = self.0.read().unwrap_or_else(PoisonError::into_inner).get(reached_by).cloned()?.read();
        let of = |share| times.quantile(share).map(Duration::from_micros);
        Some(RecentCalls { p50: of(0.5)?, p99: of(0.99)?, calls: times.counts.iter().sum() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_are_forgotten_after_two_windows() {
        let (latencies, client) = (Latencies::default(), Arc::from("client"));
        assert_eq!(latencies.recent("client"), None);
        let times = latencies.of(&client);
        for _ in 0..99 {
            times.observe(Duration::from_millis(15));
        }
        times.observe(Duration::from_secs(9));
        let recent = latencies.recent("client").unwrap();
        let between = |span: Duration, low, high| {
            assert!(span > Duration::from_millis(low) && span <= Duration::from_millis(high), "{span:?}");
        };
        between(recent.p50, 10, 20);
        between(recent.p99, 10, 20);
        assert_eq!(recent.calls, 100);
        tokio::time::advance(CALLS_WINDOW).await;
        times.observe(Duration::MAX);
        assert_eq!(latencies.recent("client").unwrap().calls, 101);
        tokio::time::advance(CALLS_WINDOW).await;
        assert_eq!(latencies.recent("client").unwrap().calls, 1);
        tokio::time::advance(CALLS_WINDOW * 2).await;
        assert_eq!(latencies.recent("client"), None);
        latencies.tidy();
        assert!(latencies.0.read().unwrap().contains_key("client"), "it is still counted for");
        drop(times);
        latencies.tidy();
        assert!(latencies.0.read().unwrap().is_empty());
    }
}
