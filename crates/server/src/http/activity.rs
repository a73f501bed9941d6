//! The state of a connection, and since when: written by the connection's task, read by the task that closes
//! connections.
//!
//! Time is counted in sweeps, so that a request reads no clock: it costs a few atomic stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use strum::IntoStaticStr;

use super::ConnectionLimits;

/// Sweeps so far; the first one is 1, so that 0 can mean "never".
#[derive(Debug, Clone)]
pub(super) struct SweepClock(Arc<AtomicU32>);

impl SweepClock {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    pub(super) fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionPhase {
    /// TLS is being agreed on.
    Handshake,
    /// Waits for the rest of a request's head.
    Head,
    /// A request is being answered. The API limits the time for that.
    Busy,
    /// Waits for the next request.
    Idle,
}

/// Why a connection is closed. The name is a label of `http_connections_closed_total`: `head_timeout`, `idle_timeout`, ...
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case", suffix = "_timeout")]
pub(super) enum Cut {
    Handshake,
    Head,
    Idle,
    Stall,
    Answer,
}

/// The activity of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    clock: SweepClock,
    /// The phase, and in the lower half the sweep in which it began.
    phase: AtomicU64,
    /// The sweep since which bytes wait for the client; 0: no bytes wait.
    unsent_since: AtomicU32,
    /// The sweep in which the client last took bytes.
    taken_at: AtomicU32,
}

impl Activity {
    pub(super) fn new(clock: SweepClock) -> Arc<Self> {
        let activity = Self {
            clock,
            phase: AtomicU64::new(0),
            unsent_since: AtomicU32::new(0),
            taken_at: AtomicU32::new(0),
        };
        activity.is(ConnectionPhase::Head);
        Arc::new(activity)
    }

    /// Sets the phase from now on.
    pub(super) fn is(&self, phase: ConnectionPhase) {
        let bits = match phase {
            ConnectionPhase::Head => 0,
            ConnectionPhase::Busy => 1,
            ConnectionPhase::Idle => 2,
            ConnectionPhase::Handshake => 3,
        };
        self.phase.store(bits << 32 | u64::from(self.clock.now()), Ordering::Relaxed);
    }

    /// Bytes came from the client.
    pub(super) fn received(&self) {
        if self.phase().0 == ConnectionPhase::Idle {
            self.is(ConnectionPhase::Head);
        }
    }

    /// Bytes are offered to the client, which takes some or none of them.
    pub(super) fn offered(&self, taken: bool) {
        let now = self.clock.now();
        let is_first = self.unsent_since.load(Ordering::Relaxed) == 0;
        if is_first {
            self.unsent_since.store(now, Ordering::Relaxed);
        }
        if taken || is_first {
            self.taken_at.store(now, Ordering::Relaxed);
        }
    }

    /// The client has taken all offered bytes.
    pub(super) fn all_taken(&self) {
        self.unsent_since.store(0, Ordering::Relaxed);
    }

    fn phase(&self) -> (ConnectionPhase, u32) {
        let word = self.phase.load(Ordering::Relaxed);
        let phase = match word >> 32 {
            0 => ConnectionPhase::Head,
            1 => ConnectionPhase::Busy,
            2 => ConnectionPhase::Idle,
            _ => ConnectionPhase::Handshake,
        };
        (phase, word as u32)
    }

    /// Since when the connection has waited for a request, with no bytes waiting for the client; `None`: it is at
    /// work.
    pub(super) fn waiting_since(&self) -> Option<u32> {
        let (phase, since) = self.phase();
        (phase != ConnectionPhase::Busy && self.unsent_since.load(Ordering::Relaxed) == 0).then_some(since)
    }

    /// Whether the connection must be closed at `now`, and why.
    pub(super) fn cut(&self, now: u32, limits: &Sweeps) -> Option<Cut> {
        let passed = |since: u32, limit: u32| now.wrapping_sub(since) > limit;
        let unsent_since = self.unsent_since.load(Ordering::Relaxed);
        if unsent_since != 0 {
            if passed(self.taken_at.load(Ordering::Relaxed), limits.stall) {
                return Some(Cut::Stall);
            }
            if passed(unsent_since, limits.answer) {
                return Some(Cut::Answer);
            }
        }
        match self.phase() {
            (ConnectionPhase::Handshake, since) if passed(since, limits.handshake) => Some(Cut::Handshake),
            (ConnectionPhase::Head, since) if passed(since, limits.head) => Some(Cut::Head),
            (ConnectionPhase::Idle, since) if passed(since, limits.idle) => Some(Cut::Idle),
            _ => None,
        }
    }
}

/// The timeouts, in sweeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweeps {
    handshake: u32,
    head: u32,
    idle: u32,
    pub(super) settled: u32,
    stall: u32,
    answer: u32,
}

impl Sweeps {
    pub(super) fn of(limits: &ConnectionLimits) -> Self {
        let sweep = limits.sweep.as_millis().max(1);
        let sweeps = |time: std::time::Duration| {
            u32::try_from(time.as_millis().div_ceil(sweep)).unwrap_or(u32::MAX / 2)
        };
        Self {
            handshake: sweeps(limits.handshake_timeout),
            head: sweeps(limits.head_timeout),
            idle: sweeps(limits.idle_timeout),
            settled: sweeps(limits.settled_after),
            stall: sweeps(limits.stall_timeout),
            answer: sweeps(limits.answer_timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Handshake 1, head 2, idle 5, stall 3, answer 10.
    fn sweeps() -> Sweeps {
        Sweeps { handshake: 1, head: 2, idle: 5, settled: 1, stall: 3, answer: 10 }
    }

    /// The number of further sweeps until it is closed, and the reason.
    fn cut_after(activity: &Activity) -> Option<(u32, Cut)> {
        (0..100).find_map(|after| Some((after, activity.cut(activity.clock.now() + after, &sweeps())?)))
    }

    fn activity() -> Arc<Activity> {
        Activity::new(SweepClock::new())
    }

    #[test]
    fn a_head_that_does_not_end_is_cut_off_and_bytes_win_it_no_time() {
        let activity = activity();
        assert_eq!(cut_after(&activity), Some((3, Cut::Head)));
        activity.clock.advance();
        activity.received();
        assert_eq!(cut_after(&activity), Some((2, Cut::Head)));
    }

    #[test]
    fn a_handshake_that_does_not_end_is_cut_off_and_the_head_after_it_has_its_own_time() {
        let activity = activity();
        activity.is(ConnectionPhase::Handshake);
        activity.clock.advance();
        activity.received();
        assert_eq!(cut_after(&activity), Some((1, Cut::Handshake)));
        assert!(activity.waiting_since().is_some(), "it may be closed for another one");
        activity.is(ConnectionPhase::Head);
        assert_eq!(cut_after(&activity), Some((3, Cut::Head)));
    }

    #[test]
    fn an_idle_connection_has_longer_until_the_first_byte_of_its_next_request() {
        let activity = activity();
        activity.is(ConnectionPhase::Busy);
        assert_eq!(cut_after(&activity), None);
        activity.is(ConnectionPhase::Idle);
        assert_eq!(cut_after(&activity), Some((6, Cut::Idle)));
        activity.received();
        assert_eq!(cut_after(&activity), Some((3, Cut::Head)));
    }

    #[test]
    fn a_client_that_takes_nothing_is_cut_off_and_a_slow_one_later() {
        let activity = activity();
        activity.is(ConnectionPhase::Busy);
        activity.offered(false);
        assert_eq!(cut_after(&activity), Some((4, Cut::Stall)));
        for _ in 0..10 {
            activity.clock.advance();
            activity.offered(true);
            assert_eq!(activity.cut(activity.clock.now(), &sweeps()), None);
        }
        activity.clock.advance();
        activity.offered(true);
        assert_eq!(cut_after(&activity), Some((0, Cut::Answer)));
        activity.all_taken();
        assert_eq!(cut_after(&activity), None);
    }
}
