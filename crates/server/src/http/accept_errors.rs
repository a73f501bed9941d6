//! Errors of accepting connections: the wait grows with each error; the log has one line, and a counter counts.

use std::io;
use std::time::Duration;

use crate::metrics::ConnectionCounts as Counts;

/// The first and the longest wait after an error.
const ACCEPT_RETRY_MIN: Duration = Duration::from_millis(50);
/// See [`ACCEPT_RETRY_MIN`].
const ACCEPT_RETRY_MAX: Duration = Duration::from_secs(1);

pub(super) struct AcceptErrors {
    counts: Counts,
    /// Errors since the last connection that was accepted.
    in_a_row: u32,
    /// Whether the errors have been logged, and fewer than [`AcceptErrors::CALM`] connections have been accepted
    /// since.
    told: bool,
    /// Connections accepted since the last error.
    good: u32,
    /// Errors since the last log line.
    untold: u64,
}

impl AcceptErrors {
    /// After this many accepted connections in a row the errors are over, and the next one is logged again.
    const CALM: u32 = 1_000;

    pub(super) fn new(counts: Counts) -> Self {
        Self { counts, in_a_row: 0, told: false, good: 0, untold: 0 }
    }

    /// The wait before the next attempt.
    pub(super) fn met(&mut self, error: &io::Error) -> Duration {
        // Caused by this client; the next connection is another client's.
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
        ) {
            return Duration::ZERO;
        }
        self.counts.not_accepted();
        self.good = 0;
        if self.told {
            self.untold += 1;
        } else {
            self.told = true;
            tracing::warn!(
                error = %error,
                "connections cannot be accepted; further failures are counted in http_accept_errors_total"
            );
        }
        let wait = ACCEPT_RETRY_MIN.saturating_mul(1 << self.in_a_row.min(10));
        self.in_a_row += 1;
        wait.min(ACCEPT_RETRY_MAX)
    }

    /// A connection was accepted.
    pub(super) fn over(&mut self) {
        self.in_a_row = 0;
        if !self.told {
            return;
        }
        self.good += 1;
        if self.good >= Self::CALM {
            let errors = std::mem::take(&mut self.untold);
            tracing::info!(errors, "connections can be accepted again; {errors} more had failed");
            self.told = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_second_and_begin_anew_after_a_success() {
        let mut errors = AcceptErrors::new(Counts::default());
        let full = io::Error::from_raw_os_error(24);
        let waits: Vec<u128> = (0..7).map(|_| errors.met(&full).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_000, 1_000]);
        errors.over();
        assert_eq!(errors.met(&full), ACCEPT_RETRY_MIN);
        assert_eq!(errors.untold, 7, "said once, then counted");
        let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(errors.met(&gone), Duration::ZERO);
    }
}
