//! The issuer's keys as this process has them: fetched again regularly, and at once for a token of a key that is not among them.
//!
//! ```text
//!   requests ──▶ current() ──▶ keys ──▶ judge a token
//!      │ unknown key               ▲
//!      └──▶ look_again() ─ ─ ─▶ keep(): one fetch after the other
//! ```
//!
//! One task fetches (`keep`); requests read what it has fetched last, and do not wait. Only the request that comes with a token of an
//! unknown key has the task fetch at once, and waits for it; further ones wait for the same fetch. Requests can have the keys fetched
//! once in [`ASKED_AGAIN_AFTER`], whatever they send. When the issuer does not answer, its last keys go on for [`KEYS_AGE_MAX`].

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use saga_core::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use super::generations::Generations;
use super::holder::TokenHolder;
use super::key_set::KeySet;

/// How often the keys are fetched while nothing asks for it.
const KEYS_FETCHED_EVERY: Duration = Duration::from_secs(300);
/// How soon they are fetched again after that has failed; and `Retry-After` of callers that must wait for it.
pub(super) const KEYS_RETRY_AFTER: Duration = Duration::from_secs(10);
/// Tokens of unknown keys have the keys fetched no more often than this.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// The keys go on for this time when the issuer does not answer.
const KEYS_AGE_MAX: Duration = Duration::from_secs(86_400);
/// How long the request that had the keys fetched waits for them.
const KEYS_WAIT_MAX: Duration = Duration::from_secs(2);
/// Tokens that were found to be good, and are not checked again.
const TOKENS_KEPT_MAX: usize = 10_000;

/// The keys of the issuer, and all that is known of them.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    held: RwLock<Option<HeldKeys>>,
    progress: watch::Sender<FetchProgress>,
    wanted: Notify,
    /// When a request last had the keys fetched.
    pub(super) asked: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct HeldKeys {
    trusted: Arc<TrustedKeys>,
    fetched: Instant,
}

/// Keys, and the tokens that they were found to have signed. Both go together: a token of a key that the issuer has taken back is
/// checked again, and found to be bad.
#[derive(Debug)]
pub(super) struct TrustedKeys {
    pub(super) set: KeySet,
    good: Mutex<Generations<TokenHash, Arc<TokenHolder>>>,
}

/// The SHA-256 of a token.
pub(super) type TokenHash = [u8; 32];

/// The fetches so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct FetchProgress {
    /// A fetch has begun, or will at once.
    is_under_way: bool,
    ended: u64,
    /// Whether the last one has brought keys.
    has_succeeded: bool,
}

/// Whether there is something new since keys were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LookedAgain {
    /// There may be other keys.
    Fetched,
    /// The keys were asked for a short while ago, and count as all that there are.
    AllThereAre,
    /// The issuer does not give its keys now.
    Unreachable,
}

/// What a fetch came to.
#[derive(Debug)]
pub(super) enum FetchEnded {
    Fetched { keys: usize },
    Failed { why: String, keys_are_left: bool },
}

impl TrustedKeys {
    fn new(set: KeySet) -> Arc<Self> {
        Arc::new(Self { set, good: Mutex::new(Generations::new(TOKENS_KEPT_MAX)) })
    }

    /// The holder of a token that was found to be good, and still is.
    pub(super) fn good(&self, token: &TokenHash, now: Timestamp) -> Option<Arc<TokenHolder>> {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.get(token).filter(|holder| now < holder.until)
    }

    pub(super) fn found_good(&self, token: TokenHash, holder: Arc<TokenHolder>) {
        self.good.lock().unwrap_or_else(PoisonError::into_inner).insert(token, holder);
    }
}

impl IssuerKeys {
    /// None yet: [`Self::keep`] fetches them.
    pub(super) fn new() -> Self {
        let progress = FetchProgress { is_under_way: true, ended: 0, has_succeeded: false };
        Self {
            held: RwLock::default(),
            progress: watch::Sender::new(progress),
            wanted: Notify::new(),
            asked: Mutex::default(),
        }
    }

    /// The fetches so far, to be read before the keys are: [`Self::look_again`] tells what has come since.
    pub(super) fn progress(&self) -> FetchProgress {
        *self.progress.borrow()
    }

    /// The keys that count now. `None`: none were fetched yet, or too long ago.
    pub(super) fn current(&self) -> Option<Arc<TrustedKeys>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| held.fetched.elapsed() < KEYS_AGE_MAX).map(|held| held.trusted.clone())
    }

    /// Fetches the keys again and again, and reports each time.
    ///
    /// *Cancel point:* it is dropped at the process's end alone.
    pub(super) async fn keep(
        &self,
        fetch: impl AsyncFn() -> Result<KeySet, String>,
        report: impl Fn(FetchEnded),
    ) -> Infallible {
        loop {
            self.progress.send_modify(|progress| progress.is_under_way = true);
            let fetched = fetch().await;
            let has_succeeded = fetched.is_ok();
            report(match fetched {
                Ok(set) => FetchEnded::Fetched { keys: self.hold(set) },
                Err(why) => FetchEnded::Failed { why, keys_are_left: self.current().is_some() },
            });
            self.progress.send_modify(|progress| {
                *progress = FetchProgress { is_under_way: false, ended: progress.ended + 1, has_succeeded };
            });
            let pause = if has_succeeded { KEYS_FETCHED_EVERY } else { KEYS_RETRY_AFTER };
            let _ = timeout(pause, self.wanted.notified()).await;
        }
    }

    /// How many there are now.
    fn hold(&self, set: KeySet) -> usize {
        let keys = set.len();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let trusted = match held.take() {
            Some(held) if held.trusted.set == set => held.trusted,
            _ => TrustedKeys::new(set),
        };
        *held = Some(HeldKeys { trusted, fetched: Instant::now() });
        keys
    }

    /// Has the keys fetched at once.
    pub(super) fn fetch_now(&self) {
        self.progress.send_modify(|progress| progress.is_under_way = true);
        self.wanted.notify_one();
    }

    /// Waits for keys that are newer than those at `seen`, if there may be some soon.
    pub(super) async fn look_again(&self, seen: FetchProgress) -> LookedAgain {
        let mut progress = self.progress.subscribe();
        let at = *progress.borrow_and_update();
        if at.ended == seen.ended && !at.is_under_way && !self.ask() {
            return if at.has_succeeded { LookedAgain::AllThereAre } else { LookedAgain::Unreachable };
        }
        let fetched = progress.wait_for(|progress| progress.ended != seen.ended);
        match timeout(KEYS_WAIT_MAX, fetched).await {
            Ok(Ok(progress)) if progress.has_succeeded => LookedAgain::Fetched,
            Ok(Ok(_) | Err(_)) | Err(_) => LookedAgain::Unreachable,
        }
    }

    /// Has the keys fetched for a request, if none had for a while.
    fn ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|asked| asked.elapsed() < ASKED_AGAIN_AFTER) {
            // Another request may have asked a moment ago.
            return self.progress().is_under_way;
        }
        *asked = Some(Instant::now());
        self.fetch_now();
        true
    }
}
