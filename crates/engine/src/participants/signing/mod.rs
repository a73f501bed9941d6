//! Signed calls: participants know that a call comes from this orchestrator, and that nobody has changed it (RFC 9421, Ed25519).
//!
//! ```text
//!   file.rs ──▶ key.rs ──▶ Signer ──▶ Signature-Input, Signature
//!                            ▲
//!                base.rs ────┘ (the text that is signed; pure)
//! ```
//!
//! The key is the process's, never a definition's: whichever replica makes a call signs it with the key of its own file. Without a key, a
//! call that is to be signed waits, as for a credential, and is not made.

mod base;
mod file;
mod key;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use saga_core::Timestamp;
use saga_core::definition::Participant;
use saga_core::saga::Request;

pub use self::base::SIGNATURE_LIFE_SECONDS;
pub(super) use self::base::Unsignable;
use self::base::{Made, add, authority, base, prepare};
pub use self::file::{KeyFileError, SigningKeys};
pub use self::key::SigningKey;
use super::exchange::Message;
use crate::clock::Clock;

/// The reason of a call that is not made because no key is there.
pub(super) const NO_KEY: &str = "its calls are signed (`sign: true`), and this process has no signing key; start it with --signing-key \
                                 FILE (ORCHESTRATEUR_SIGNING_KEY), the file that the other processes have";

/// This process has no signing key. No definition that it serves has `sign` then, but one that an older saga is pinned to may.
#[derive(Default)]
pub(super) struct LacksKey {
    told: AtomicBool,
}

impl LacksKey {
    /// Tells the log that calls wait for it, once.
    pub(super) fn tell(&self, participant: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::error!(participant, "calls to `{participant}` wait: {NO_KEY}");
        }
    }
}

/// Signs calls with the first key of a file, which can be read again.
pub struct Signer {
    file: PathBuf,
    keys: RwLock<Arc<SigningKeys>>,
    clock: Arc<Clock>,
}

impl Signer {
    /// Reads the keys of a file. `clock`: the time of signatures.
    pub fn open(file: &Path, clock: Arc<Clock>) -> Result<Self, KeyFileError> {
        let keys = SigningKeys::read(file)?;
        warn_if_open(file);
        Ok(Self { file: file.to_owned(), keys: RwLock::new(Arc::new(keys)), clock })
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The keys that it has now.
    pub fn keys(&self) -> Arc<SigningKeys> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again: the calls from now on are signed with its first key. After an error, the keys from before stay.
    pub fn reload(&self) -> Result<Arc<SigningKeys>, KeyFileError> {
        let keys = Arc::new(SigningKeys::read(&self.file)?);
        warn_if_open(&self.file);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.clone();
        Ok(keys)
    }

    /// Signs a message that [`prepare_call`] has prepared, at this moment. An earlier signature is replaced.
    pub(super) fn sign(&self, message: &mut Message) -> Result<(), Unsignable> {
        sign(message, self.keys().current(), self.clock.now())
    }
}

/// Prepares the message of `request` for a signature.
pub(super) fn prepare_call(message: &mut Message, participant: &Participant, request: &Request) {
    let body = request.body.as_ref().map(|body| body.text().as_bytes()).unwrap_or_default();
    prepare(message.headers_mut(), authority(&participant.base), body);
}

/// The same for a request that lists effects: it is about no saga, and has no body.
pub(super) fn prepare_listing(message: &mut Message, participant: &Participant) {
    prepare(message.headers_mut(), authority(&participant.base), &[]);
}

fn sign(message: &mut Message, key: &SigningKey, now: Timestamp) -> Result<(), Unsignable> {
    let created = u64::try_from(now.as_micros()).unwrap_or(0) / 1_000_000;
    let made = Made { created, key_id: key.id() };
    let base = base((message.method(), message.uri()), message.headers(), &made)?;
    let signature = key.sign(&base.text);
    add(message.headers_mut(), &base, &signature);
    Ok(())
}

/// Everybody who can read the file can sign.
fn warn_if_open(file: &Path) {
    let mode = fs::metadata(file).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o004 != 0 {
        tracing::warn!("other users of this machine can read the signing keys {}: chmod 600", file.display());
    }
}
