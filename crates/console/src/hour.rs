//! The last hour, from the journal's figures of its minutes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use saga_core::{FlowOutcome, Timestamp};
use saga_journal::{MinuteFigures, SagaDurations};

/// Minutes that are shown: the current one is the last.
pub const MINUTES_SHOWN: usize = 60;

/// A minute, in microseconds.
const MINUTE_US: i64 = 60_000_000;

/// The last hour, of all definitions together or of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// How many sagas started in each minute, the oldest first.
    pub started_by_minute: [u64; MINUTES_SHOWN],
    /// How many started.
    pub started: u64,
    /// How many ended as they should.
    pub completed: u64,
    /// How many failed, by the step that failed them; `None`: it is not known which.
    pub failed_at: BTreeMap<Option<Arc<str>>, u64>,
    /// How many a command has stopped.
    pub cancelled: u64,
    /// How many their own deadline has stopped.
    pub deadline_passed: u64,
    /// How long those took that ended as they should.
    pub durations: SagaDurations,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            started_by_minute: [0; MINUTES_SHOWN],
            started: 0,
            completed: 0,
            failed_at: BTreeMap::new(),
            cancelled: 0,
            deadline_passed: 0,
            durations: SagaDurations::default(),
        }
    }
}

/// The last hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hour {
    /// The beginning of its first minute, in microseconds since the epoch.
    first_us: i64,
    /// Of all definitions.
    pub all: Flow,
    /// Of each definition that has figures, by its name.
    pub of: BTreeMap<Arc<str>, Flow>,
}

impl Hour {
    /// The beginning of the hour that is shown at `now`: its figures are asked for from then on.
    pub fn begins(now: Timestamp) -> Timestamp {
        let us = now.as_micros();
        let minute = us.saturating_sub(us.rem_euclid(MINUTE_US));
        Timestamp::from_micros(minute.saturating_sub((MINUTES_SHOWN as i64 - 1) * MINUTE_US))
    }

    /// From the figures of its minutes; those of others are passed over.
    pub fn of<'f>(figures: impl IntoIterator<Item = &'f MinuteFigures>, now: Timestamp) -> Self {
        let first_us = Self::begins(now).as_micros();
        let mut hour = Self { first_us, ..Self::default() };
        for figures in figures {
            let place = figures.minute.as_micros().saturating_sub(first_us) / MINUTE_US;
            let Ok(place) = usize::try_from(place) else { continue };
            if place < MINUTES_SHOWN && figures.minute.as_micros() >= first_us {
                hour.all.add(place, figures);
                hour.of.entry(figures.definition.clone()).or_default().add(place, figures);
            }
        }
        hour
    }

    /// The beginning of the minute at this place.
    pub fn minute(&self, place: usize) -> Timestamp {
        Timestamp::from_micros(self.first_us.saturating_add(place as i64 * MINUTE_US))
    }
}

impl Flow {
    fn add(&mut self, place: usize, figures: &MinuteFigures) {
        let count = figures.count;
        match figures.outcome {
            FlowOutcome::Started => {
                self.started += count;
                self.started_by_minute[place] += count;
            }
            FlowOutcome::Completed => {
                self.completed += count;
                self.durations.merge(&figures.durations);
            }
            FlowOutcome::Failed => *self.failed_at.entry(figures.step.clone()).or_default() += count,
            FlowOutcome::Cancelled => self.cancelled += count,
            FlowOutcome::DeadlinePassed => self.deadline_passed += count,
        }
    }

    /// How many did not end as they should, for whatever reason.
    pub fn failed(&self) -> u64 {
        self.failed_at.values().sum::<u64>() + self.cancelled + self.deadline_passed
    }

    /// The time that half of those took, or less, that ended as they should.
    pub fn p50(&self) -> Option<Duration> {
        self.durations.quantile(0.5)
    }

    /// The time that all but a hundredth of them took, or less.
    pub fn p99(&self) -> Option<Duration> {
        self.durations.quantile(0.99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(minute_us: i64, outcome: FlowOutcome, step: Option<&str>, count: u64) -> MinuteFigures {
        let mut durations = SagaDurations::default();
        if outcome == FlowOutcome::Completed {
            durations.observe(Duration::from_millis(7));
        }
        let minute = Timestamp::from_micros(minute_us);
        MinuteFigures {
            minute,
            definition: "travel".into(),
            outcome,
            step: step.map(Into::into),
            count,
            durations,
        }
    }

    #[test]
    fn an_hour_has_sixty_minutes_up_to_now() {
        let now = Timestamp::from_micros(100 * MINUTE_US + 5);
        assert_eq!(Hour::begins(now).as_micros(), 41 * MINUTE_US);
        let all = [
            figures(40 * MINUTE_US, FlowOutcome::Started, None, 1_000),
            figures(41 * MINUTE_US, FlowOutcome::Started, None, 1),
            figures(100 * MINUTE_US, FlowOutcome::Started, None, 2),
            figures(101 * MINUTE_US, FlowOutcome::Started, None, 1_000),
            figures(100 * MINUTE_US, FlowOutcome::Completed, None, 1),
            figures(99 * MINUTE_US, FlowOutcome::Failed, Some("pay"), 3),
            figures(98 * MINUTE_US, FlowOutcome::Failed, Some("pay"), 4),
            figures(98 * MINUTE_US, FlowOutcome::Cancelled, None, 5),
            figures(98 * MINUTE_US, FlowOutcome::DeadlinePassed, None, 6),
        ];
        let hour = Hour::of(&all, now);
        assert_eq!((hour.all.started, hour.all.completed, hour.all.failed()), (3, 1, 18));
        assert_eq!((hour.all.started_by_minute[0], hour.all.started_by_minute[59]), (1, 2));
        assert_eq!(hour.minute(59), Timestamp::from_micros(100 * MINUTE_US));
        assert_eq!(hour.all.failed_at[&Some("pay".into())], 7);
        assert_eq!(hour.of["travel"], hour.all);
        let p50 = hour.all.p50().unwrap();
        assert!((Duration::from_millis(5)..=Duration::from_millis(10)).contains(&p50), "{p50:?}");
        assert_eq!(Flow::default().p99(), None);
    }

    #[test]
    fn the_ends_of_time_break_nothing() {
        for us in [i64::MIN, i64::MAX] {
            let now = Timestamp::from_micros(us);
            let hour = Hour::of(
                &[figures(us, FlowOutcome::Started, None, 1), figures(0, FlowOutcome::Started, None, 1)],
                now,
            );
            assert!(hour.all.started <= 2);
            let _ = hour.minute(59);
        }
    }
}
