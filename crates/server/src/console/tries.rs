//! How often somebody may try to sign in in vain. A key is 256 random bits, which nobody guesses: these limits keep the log short, and
//! show that somebody tries.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use saga_core::Timestamp;

use crate::http::CallerAddress;

/// The time in which tries are counted; then all counts begin anew.
const TRIES_WINDOW: Duration = Duration::from_secs(60);
/// Tries in vain of one address.
const TRIES_PER_ADDRESS_MAX: u32 = 10;
/// Tries in vain of all addresses together. Beyond it, an address that has not failed yet may try once: so nobody keeps everybody
/// else out.
const TRIES_MAX: u32 = 200;
/// Addresses whose tries are counted.
const TRIERS_MAX: usize = 4_096;

/// The tries of this process.
#[derive(Debug, Default)]
pub(super) struct SignInTries(Mutex<TriesWindow>);

#[derive(Debug, Default)]
struct TriesWindow {
    since: Option<Timestamp>,
    all: u32,
    by_address: HashMap<CallerAddress, u32>,
}

impl SignInTries {
    /// Counts a try, which [`SignInTries::succeeded`] takes back. `Err`: there were too many; seconds until there may be more.
    pub(super) fn begin(&self, caller: CallerAddress, now: Timestamp) -> Result<(), u32> {
        let mut window = self.window();
        let since = window.since.filter(|since| now >= *since && now.since(*since) < TRIES_WINDOW);
        let Some(since) = since else {
            *window = TriesWindow { since: Some(now), all: 1, by_address: HashMap::from([(caller, 1)]) };
            return Ok(());
        };
        let own = window.by_address.get(&caller).copied();
        let is_full = match own {
            Some(own) => own >= TRIES_PER_ADDRESS_MAX || (own > 0 && window.all >= TRIES_MAX),
            None => window.by_address.len() >= TRIERS_MAX,
        };
        if is_full {
            let left = TRIES_WINDOW.saturating_sub(now.since(since)).as_secs();
            return Err(u32::try_from(left).unwrap_or(u32::MAX).saturating_add(1));
        }
        window.all = window.all.saturating_add(1);
        window.by_address.insert(caller, own.unwrap_or(0) + 1);
        Ok(())
    }

    /// The try that this caller has begun was none in vain.
    pub(super) fn succeeded(&self, caller: CallerAddress) {
        let mut window = self.window();
        window.all = window.all.saturating_sub(1);
        if let Some(own) = window.by_address.get_mut(&caller) {
            *own = own.saturating_sub(1);
        }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, TriesWindow> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn caller(number: u32) -> CallerAddress {
        IpAddr::from(Ipv4Addr::from(number)).into()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn an_address_tries_so_often_in_a_minute_and_success_does_not_count() {
        let tries = SignInTries::default();
        for _ in 0..3 * TRIES_PER_ADDRESS_MAX {
            tries.begin(caller(1), at(0)).unwrap();
            tries.succeeded(caller(1));
        }
        for _ in 0..TRIES_PER_ADDRESS_MAX {
            tries.begin(caller(1), at(20)).unwrap();
        }
        assert_eq!(tries.begin(caller(1), at(20)), Err(41));
        assert_eq!(tries.begin(caller(2), at(20)), Ok(()));
        assert_eq!(tries.begin(caller(1), at(59)), Err(2));
        assert_eq!(tries.begin(caller(1), at(60)), Ok(()));
        // A clock that steps back does not shut anybody out.
        assert_eq!(tries.begin(caller(1), at(10)), Ok(()));
    }

    #[test]
    fn many_addresses_together_keep_nobody_else_from_trying() {
        let tries = SignInTries::default();
        for number in 0..TRIES_MAX {
            tries.begin(caller(number), at(0)).unwrap();
        }
        assert!(tries.begin(caller(0), at(1)).is_err(), "this address has failed");
        assert_eq!(tries.begin(caller(TRIES_MAX), at(1)), Ok(()), "this one has not");
        tries.succeeded(caller(TRIES_MAX));
        for number in TRIES_MAX + 1..TRIERS_MAX as u32 {
            tries.begin(caller(number), at(2)).unwrap();
        }
        assert!(tries.begin(caller(TRIERS_MAX as u32), at(3)).is_err(), "memory has a limit");
        assert_eq!(tries.begin(caller(TRIES_MAX), at(3)), Ok(()));
    }
}
