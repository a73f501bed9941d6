//! Sessions of people who are signed in to the console.
//!
//! A session is known by the hash of its cookie, and names the key that it stands for. Whether that key still counts is not the
//! journal's to say.

use std::fmt;
use std::sync::Arc;

use saga_core::Timestamp;

/// How many sessions one name may have at the same time.
pub const SESSIONS_PER_NAME_MAX: usize = 50;
/// How many sessions one call of [`Sessions::forget_sessions`](crate::Sessions::forget_sessions) takes away.
pub const SESSIONS_FORGOTTEN_MAX: usize = 1_000;

/// The SHA-256 of a cookie's random bits: whoever reads the journal cannot make the cookie of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHash(pub [u8; 32]);

/// A digest of a key's hash: it tells one key from another, and nobody signs in with it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub [u8; 32]);

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// Which session.
    pub id: SessionHash,
    /// The name of its key.
    pub name: Arc<str>,
    /// The key that it stands for.
    pub key: KeyDigest,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last used, to about a minute.
    pub used: Timestamp,
    /// When it ends, however much it is used.
    pub ends: Timestamp,
}

impl fmt::Debug for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionHash(..)")
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}
