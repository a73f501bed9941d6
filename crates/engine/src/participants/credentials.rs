//! The credentials of `auth`: each is kept by a task of its own while calls use it, and all calls share it.
//!
//! ```text
//!   call ── current ──▶ CallCredential ◀── read the secret, and where it is oauth2, ask for a token ── its task
//!     └──── 401: refused ──▶ nudge ──────────────────────────────────────────────────────────────▶ at once
//! ```
//!
//! - A secret in a file is read again every [`SECRET_LOOK_EVERY`].
//! - An access token is renewed [`TOKEN_RENEWED_AHEAD`] before its end, and not used any more [`TOKEN_USED_UNTIL`] before it.
//! - A credential that no call has used since it was last obtained is let go, with its task.
//! - Without a credential, calls wait. If a secret's file cannot be read any more, or a token cannot be renewed, the credential
//!   from before is used as long as it is good.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use saga_core::definition::{Auth, SECRET_BYTES_MAX, SecretSource, SecretText};
use saga_core::retry::{Backoff, Random};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use super::access::{AccessTrouble, LastingTrouble};
use super::files::Files;
use super::message::sensitive;
use super::tokens::{NotGranted, TokenEndpoints};

/// How often a secret's file is read while calls use it.
const SECRET_LOOK_EVERY: Duration = Duration::from_secs(1);
/// A token is renewed this long before its end, or at half of a life that is not twice as long.
const TOKEN_RENEWED_AHEAD: Duration = Duration::from_secs(60);
/// A token is not used for calls any more this long before its end, or for the last tenth of a life that is not ten times as
/// long: a call takes its time.
const TOKEN_USED_UNTIL: Duration = Duration::from_secs(5);
/// The first wait before a token endpoint that gave no token is asked again; it doubles each time, ...
const TOKEN_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// ... up to this one, and is shortened at random, ...
const TOKEN_AGAIN_AFTER_MAX: Duration = Duration::from_secs(10);
/// ... but not below this one.
const TOKEN_AGAIN_AFTER_MIN: Duration = Duration::from_millis(50);
/// After a credential was renewed because a participant answered 401, a further 401 renews it no sooner than this: a participant
/// that takes no credential must not have tokens made without end.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What credentials are made with.
pub(super) struct CredentialMeans {
    pub(super) files: Files,
    pub(super) endpoints: TokenEndpoints,
}

/// All credentials of this process, one for each way of proving.
pub(super) struct Keyring {
    means: Arc<CredentialMeans>,
    known: RwLock<HashMap<Arc<Auth>, Arc<CallCredential>>>,
}

impl Keyring {
    pub(super) fn new(means: CredentialMeans) -> Self {
        Self { means: Arc::new(means), known: RwLock::default() }
    }

    pub(super) fn credential(&self, auth: &Arc<Auth>) -> Arc<CallCredential> {
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(auth) {
            return known.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(auth.clone()).or_insert_with(|| Arc::new(CallCredential::new(auth, &self.means))).clone()
    }
}

/// One credential.
pub(super) struct CallCredential {
    auth: Arc<Auth>,
    means: Arc<CredentialMeans>,
    state: Mutex<CredentialState>,
    /// Told at each change of the state.
    changed: watch::Sender<()>,
    nudged: Notify,
}

#[derive(Default)]
struct CredentialState {
    known: Option<KnownProof>,
    /// Counts the values that differ from the one before.
    edition: u64,
    /// Whether a participant has answered the current value with 401, and it is being renewed for that.
    is_refused: bool,
    /// When it was last renewed for that.
    refused_at: Option<Instant>,
    trouble: Option<LastingTrouble>,
    /// Whether a task keeps it.
    is_kept: bool,
    /// Whether it has been asked for since it was last obtained.
    is_used: bool,
}

/// The value of `Authorization`, and which of the values it is.
#[derive(Clone)]
pub(super) struct Proof {
    pub(super) value: HeaderValue,
    pub(super) edition: u64,
}

struct KnownProof {
    proof: Proof,
    /// `None`: as long as it is there.
    used_until: Option<Instant>,
}

/// A value that was read or given.
struct Obtained {
    value: HeaderValue,
    /// Of a token.
    life: Option<Duration>,
}

impl CallCredential {
    fn new(auth: &Arc<Auth>, means: &Arc<CredentialMeans>) -> Self {
        Self {
            auth: auth.clone(),
            means: means.clone(),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            nudged: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, CredentialState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The current value, if there is one that can be used. Has a task keep it from now on.
    pub(super) fn current(self: &Arc<Self>) -> Option<Proof> {
        let mut state = self.lock();
        state.is_used = true;
        if !state.is_kept {
            state.is_kept = true;
            let credential = self.clone();
            #[expect(clippy::disallowed_methods, reason = "one task for each credential that is in use")]
            tokio::spawn(async move { credential.keep().await });
        }
        state.usable()
    }

    /// Waits for a value that can be used. Loses nothing when it is dropped.
    pub(super) async fn obtained(self: Arc<Self>) -> Proof {
        let mut changed = self.changed.subscribe();
        loop {
            if let Some(proof) = self.current() {
                return proof;
            }
            // The sender is a part of this credential.
            let _ = changed.changed().await;
        }
    }

    /// A participant has answered this value with 401: it is renewed. Returns whether another value may come.
    pub(super) fn refused(&self, proof: &Proof) -> bool {
        if matches!(self.auth.secret(), SecretSource::Variable { .. })
            && !matches!(*self.auth, Auth::OAuth2(_))
        {
            return false;
        }
        let mut state = self.lock();
        state.is_used = true;
        if state.edition != proof.edition || state.is_refused {
            return true;
        }
        if state.refused_at.is_some_and(|at| at.elapsed() < REFUSED_AGAIN_AFTER) {
            return false;
        }
        state.is_refused = true;
        state.refused_at = Some(Instant::now());
        self.nudged.notify_one();
        true
    }

    pub(super) fn trouble(&self) -> Option<AccessTrouble> {
        let state = self.lock();
        state.trouble.as_ref().map(|trouble| trouble.shown(state.usable().is_none()))
    }

    /// The trouble as a text, for a call that can wait no longer.
    pub(super) fn missing(&self) -> String {
        let why = self.trouble().map_or_else(|| "it is being obtained".into(), |trouble| trouble.reason);
        format!("there is no credential ({}): {why}", self.auth)
    }

    /// Obtains the value once, for a look at it. Nothing is kept.
    pub(super) async fn probe(&self) -> Result<(), String> {
        self.obtain().await.map(drop).map_err(|not| not.reason)
    }

    /// The task: obtains the value again and again, until no call uses it any more.
    async fn keep(&self) {
        let mut failures = 0;
        loop {
            let obtained = self.obtain().await;
            let pause = self.note(obtained, &mut failures);
            self.changed.send_replace(());
            tokio::select! {
                () = self.nudged.notified() => {}
                () = sleep(pause) => {}
            }
            if self.let_go() {
                return;
            }
        }
    }

    async fn obtain(&self) -> Result<Obtained, NotGranted> {
        let secret = self.secret().await?;
        let granted = match (&*self.auth, self.auth.authorization(secret.reveal())) {
            (_, Some(authorization)) => (authorization, None),
            (Auth::OAuth2(client), None) => {
                let token = self.means.endpoints.ask(client, &secret).await?;
                (token.authorization, Some(token.life))
            }
            (Auth::Bearer(_) | Auth::Basic { .. }, None) => {
                return Err("it has no value".to_owned().into());
            }
        };
        let (authorization, life) = granted;
        let value = sensitive(&authorization).map_err(|_| "it cannot be sent in a header".to_owned())?;
        Ok(Obtained { value, life })
    }

    async fn secret(&self) -> Result<SecretText, String> {
        let source = self.auth.secret();
        let text = match source {
            SecretSource::Variable { value: None, .. } => Err("it is not set".to_owned()),
            SecretSource::Variable { value: Some(value), .. } => {
                Ok(SecretText::new(value.reveal().to_owned()))
            }
            SecretSource::File(path) => {
                self.means.files.read(path, SECRET_BYTES_MAX).await.and_then(|content| {
                    let text = str::from_utf8(&content).map_err(|_| "it is not UTF-8 text".to_owned())?;
                    Ok(SecretText::new(text.trim_end_matches(['\r', '\n']).to_owned()))
                })
            }
        };
        let suits = |text: SecretText| match self.auth.suits(text.reveal()) {
            Ok(()) => Ok(text),
            Err(why) => Err(why.to_string()),
        };
        text.and_then(suits).map_err(|why| format!("{source} cannot be used: {why}"))
    }

    /// Notes what was obtained; returns when to obtain it again.
    fn note(&self, obtained: Result<Obtained, NotGranted>, failures: &mut u32) -> Duration {
        let mut state = self.lock();
        match obtained {
            Ok(Obtained { value, life }) => {
                *failures = 0;
                let is_other = state.known.as_ref().is_none_or(|known| known.proof.value != value);
                state.edition += u64::from(is_other);
                let used_for = life.map(|life| life - TOKEN_USED_UNTIL.min(life / 10));
                let proof = Proof { value, edition: state.edition };
                state.known =
                    Some(KnownProof { proof, used_until: used_for.map(|used| Instant::now() + used) });
                state.is_refused = false;
                state.is_used = false;
                if state.trouble.take().is_some() {
                    tracing::info!(auth = %self.auth, "a credential is there again: {}", self.auth);
                }
                life.map_or(SECRET_LOOK_EVERY, |life| life - TOKEN_RENEWED_AHEAD.min(life / 2))
            }
            Err(NotGranted { reason, retry_after }) => {
                *failures = failures.saturating_add(1);
                let goes_on = match state.usable() {
                    Some(_) => "calls go on with the one from before",
                    None => "the calls wait that need it",
                };
                if LastingTrouble::note(&mut state.trouble, &reason) {
                    tracing::warn!(auth = %self.auth, reason, "there is no new credential ({}), and {goes_on}: {reason}", self.auth);
                }
                let (base, cap) = (TOKEN_AGAIN_AFTER, TOKEN_AGAIN_AFTER_MAX);
                let backoff = Backoff { attempts: u32::MAX, base, cap };
                match &*self.auth {
                    Auth::OAuth2(_) => {
                        backoff.delay(*failures, retry_after, random()).max(TOKEN_AGAIN_AFTER_MIN)
                    }
                    Auth::Bearer(_) | Auth::Basic { .. } => SECRET_LOOK_EVERY,
                }
            }
        }
    }

    /// Ends the keeping of a value that no call has used, or waits for.
    fn let_go(&self) -> bool {
        let mut state = self.lock();
        if state.is_used || self.changed.receiver_count() > 0 {
            return false;
        }
        // The next call reads it anew: it may be another one by then.
        *state = CredentialState {
            edition: state.edition,
            refused_at: state.refused_at,
            ..CredentialState::default()
        };
        true
    }
}

impl CredentialState {
    fn usable(&self) -> Option<Proof> {
        let known = self.known.as_ref().filter(|_| !self.is_refused)?;
        let is_good = known.used_until.is_none_or(|until| Instant::now() < until);
        is_good.then(|| known.proof.clone())
    }
}

/// Spreads the requests of several processes. Nothing depends on these numbers but the time of a request for a token.
fn random() -> Random {
    Random(RandomState::new().hash_one(0))
}
