//! How long to wait before the next attempt.

use std::time::Duration;

/// A random number, uniform over all of `u64`: an input, brought along by the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random(pub u64);

impl Random {
    /// A duration in `0..=most`, uniform.
    fn up_to(self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        let scaled = (u128::from(self.0) * (u128::from(most) + 1)) >> 64;
        Duration::from_micros(scaled as u64)
    }
}

/// Exponential backoff with a cap and full jitter: the wait before attempt `n + 1` is uniform over
/// `0..=min(cap, base * 2^(n-1))`. (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Failed attempts after which the step has failed, or, where giving up is not allowed, the saga is flagged for an
    /// operator.
    pub attempts: u32,
    /// The longest wait after the first failure.
    pub base: Duration,
    /// The longest wait ever.
    pub cap: Duration,
}

/// A participant's `Retry-After` is honoured up to this; one bad header must not park an order for a week.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

impl Backoff {
    /// For actions: five attempts within about two seconds, so that a caller hears of a failure while it waits.
    pub const ACTION: Self =
        Self { attempts: 5, base: Duration::from_millis(100), cap: Duration::from_secs(2) };

    /// For calls that must be carried through (compensations, and finding out whether an action ran): they are repeated
    /// for ever at the capped rate; after `attempts` the saga is flagged for an operator.
    pub const PERSISTENT: Self =
        Self { attempts: 8, base: Duration::from_millis(100), cap: Duration::from_secs(30) };

    /// The wait after the `failures`-th failed attempt (counted from 1), never less than what the participant
    /// asked for with `Retry-After`.
    pub fn delay(&self, failures: u32, asked: Option<Duration>, random: Random) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let ceiling = self.base.saturating_mul(1 << doublings).min(self.cap);
        let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
        // The jitter comes on top of what was asked for: all callers were told the same instant.
        if asked.is_zero() { random.up_to(ceiling) } else { asked + random.up_to(self.base) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_cap_and_is_fully_jittered() {
        let most = |failures| Backoff::ACTION.delay(failures, None, Random(u64::MAX)).as_millis();
        assert_eq!([1, 2, 3, 4, 5, 6, 40].map(most), [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(Backoff::ACTION.delay(3, None, Random(0)), Duration::ZERO);
        let half = Backoff::ACTION.delay(1, None, Random(u64::MAX / 2)).as_micros();
        assert!((49_990..=50_010).contains(&half), "{half}");
    }

    #[test]
    fn retry_after_is_a_floor_with_a_limit() {
        let wait = |s| Backoff::ACTION.delay(1, Some(Duration::from_secs(s)), Random(0));
        assert_eq!(wait(3), Duration::from_secs(3));
        assert_eq!(wait(9_000), RETRY_AFTER_MAX);
    }
}
