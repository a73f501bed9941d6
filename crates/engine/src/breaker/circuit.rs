//! The breaker's decisions: a state, and its transitions by calls and time. It knows neither tasks nor the queue.

use std::time::Duration;

use saga_core::definition::BreakerSettings as Settings;
use saga_core::retry::{RETRY_AFTER_MAX, Random};
use tokio::time::Instant;

use super::CallEnd;
use super::window::{Counts, Window};

/// After a pause, one call is let through; after a success two at a time, then four, and so on, so that a service
/// that works again is not hit by all waiting calls at once. From this many on, calls are not held back any more.
pub(super) const SLOW_START_MAX: u32 = 64;
/// A round of fewer calls is judged as if it had this many: a single call without an answer may be that call's own
/// fault, and proves less about the participant than two.
pub(super) const ROUND_MIN: u32 = 4;
/// A wait is shortened by a random share, at most this one, so that the processes of one fleet do not all try at
/// once.
const JITTER_SHARE: u32 = 10;

#[derive(Debug)]
pub(super) struct Circuit {
    settings: Settings,
    phase: CircuitPhase,
    since: Instant,
    /// Distinguishes the calls of this phase from the calls that an earlier phase let through.
    generation: u64,
    /// How often it has opened since it was last closed.
    openings: u32,
}

#[derive(Debug)]
pub(super) enum CircuitPhase {
    /// Calls pass, and are counted.
    Closed { window: Window },
    /// No call passes before `until`.
    Open { until: Instant },
    /// `limit` calls pass at once: one on trial, then more in each round.
    HalfOpen { limit: u32, in_flight: u32, round: Round },
}

/// Ends with as many successes as calls may pass at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    succeeded: u32,
    failed: u32,
    /// The most calls in flight at once.
    peak: u32,
}

impl Round {
    fn too_many_failed(self, limit: u32, settings: &Settings) -> bool {
        is_share_reached(self.failed, limit.max(ROUND_MIN), settings)
    }
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) generation: u64,
}

impl Circuit {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        let phase = CircuitPhase::Closed { window: Window::new(settings.window) };
        Self { settings, phase, since: now, generation: 0, openings: 0 }
    }

    /// Changes the settings. A window of another length begins anew.
    pub(super) fn adjust(&mut self, settings: Settings) {
        if let CircuitPhase::Closed { window } = &mut self.phase
            && settings.window != self.settings.window
        {
            *window = Window::new(settings.window);
        }
        self.settings = settings;
    }

    pub(super) fn phase(&self) -> &CircuitPhase {
        &self.phase
    }

    /// The number that the tickets of this phase carry.
    #[cfg(test)]
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// When the next call is let through, while no call passes.
    pub(super) fn tried_at(&self) -> Option<Instant> {
        match self.phase {
            CircuitPhase::Open { until } => Some(until),
            CircuitPhase::Closed { .. } | CircuitPhase::HalfOpen { .. } => None,
        }
    }

    pub(super) fn counts(&self, now: Instant) -> Counts {
        match &self.phase {
            CircuitPhase::Closed { window } => window.counts(now),
            CircuitPhase::Open { .. } | CircuitPhase::HalfOpen { .. } => Counts::default(),
        }
    }

    /// Applies the time that has passed.
    pub(super) fn pass(&mut self, now: Instant) {
        if self.tried_at().is_some_and(|until| now >= until) {
            self.enter(CircuitPhase::HalfOpen { limit: 1, in_flight: 0, round: Round::default() }, now);
        }
    }

    /// Lets one more call through, if it may pass now.
    pub(super) fn admit(&mut self) -> Option<Ticket> {
        let may_pass = match &mut self.phase {
            CircuitPhase::Closed { .. } => true,
            CircuitPhase::Open { .. } => false,
            CircuitPhase::HalfOpen { limit, in_flight, round } => {
                let may_pass = in_flight < limit;
                *in_flight += u32::from(may_pass);
                round.peak = round.peak.max(*in_flight);
                may_pass
            }
        };
        may_pass.then_some(Ticket { generation: self.generation })
    }

    /// The call was not made, or its outcome is unknown.
    pub(super) fn given_back(&mut self, ticket: Ticket) {
        if ticket.generation != self.generation {
            return;
        }
        match &mut self.phase {
            CircuitPhase::HalfOpen { in_flight, .. } => *in_flight -= 1,
            CircuitPhase::Closed { .. } | CircuitPhase::Open { .. } => {}
        }
    }

    /// Records the end of a call. Returns whether the participant works again with it.
    pub(super) fn ended(
        &mut self,
        ticket: Ticket,
        ended: CallEnd,
        now: Instant,
        random: impl FnOnce() -> Random,
    ) -> bool {
        if ticket.generation != self.generation {
            self.ended_late(ended, now);
            return false;
        }
        match (&mut self.phase, ended) {
            (CircuitPhase::Closed { window }, ended) => {
                window.count(ended != CallEnd::Good, now);
                if let CallEnd::Bad { retry_after } = ended
                    && too_many(window.counts(now), &self.settings)
                {
                    self.open(retry_after, now, random());
                }
            }
            (CircuitPhase::HalfOpen { limit, in_flight, round }, CallEnd::Good) => {
                *in_flight -= 1;
                round.succeeded += 1;
                let has_come_back = *limit == 1;
                let is_round = round.succeeded >= *limit;
                let is_enough = round.peak < *limit || *limit >= SLOW_START_MAX;
                match (is_round, is_enough) {
                    (false, _) => {}
                    (true, true) => self.close(now),
                    (true, false) => {
                        *limit *= 2;
                        *round = Round { peak: *in_flight, ..Round::default() };
                    }
                }
                return has_come_back;
            }
            (CircuitPhase::HalfOpen { limit, in_flight, round }, CallEnd::Bad { retry_after }) => {
                *in_flight -= 1;
                round.failed += 1;
                if retry_after.is_some() || round.too_many_failed(*limit, &self.settings) {
                    self.open(retry_after, now, random());
                }
            }
            // No call of this phase was let through.
            (CircuitPhase::Open { .. }, _) => {}
        }
        false
    }

    /// A call from an earlier phase does not count for this one, except for the time that the participant asks to be
    /// left alone.
    fn ended_late(&mut self, ended: CallEnd, now: Instant) {
        if let (CircuitPhase::Open { until }, CallEnd::Bad { retry_after: Some(wait) }) =
            (&mut self.phase, ended)
        {
            *until = (*until).max(now + wait.min(RETRY_AFTER_MAX));
        }
    }

    fn open(&mut self, retry_after: Option<Duration>, now: Instant, Random(random): Random) {
        let doublings = self.openings.min(31);
        let wait = self.settings.open.saturating_mul(1 << doublings).min(self.settings.open_max);
        let earlier = wait.mul_f64(random as f64 / u64::MAX as f64 / f64::from(JITTER_SHARE));
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        self.openings = self.openings.saturating_add(1);
        self.enter(CircuitPhase::Open { until: now + (wait - earlier).max(asked) }, now);
    }

    fn close(&mut self, now: Instant) {
        self.openings = 0;
        self.enter(CircuitPhase::Closed { window: Window::new(self.settings.window) }, now);
    }

    fn enter(&mut self, phase: CircuitPhase, now: Instant) {
        self.phase = phase;
        self.since = now;
        self.generation += 1;
    }
}

fn too_many(Counts { calls, failures }: Counts, settings: &Settings) -> bool {
    calls >= settings.calls_min && is_share_reached(failures, calls, settings)
}

fn is_share_reached(failures: u32, calls: u32, settings: &Settings) -> bool {
    u64::from(failures) * 100 >= u64::from(settings.failures_percent) * u64::from(calls)
}
