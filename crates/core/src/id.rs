//! The small values that name things: sagas, events, attempts, owners, instants.
//!
//! Each is its own type, so that a sequence number cannot be passed where an epoch is meant.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Identifies one saga, and the order that it carries: both have the same id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SagaId(Uuid);

impl SagaId {
    /// An id made elsewhere, such as a fresh UUIDv7.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The id that belongs to a caller's `Idempotency-Key`: a UUIDv8 over the key's SHA-256 (RFC 9562, 5.8).
    ///
    /// The same key names the same saga on every replica and after every restart, so the journal's primary key
    /// is what keeps two racing requests from starting two sagas; there is no second table that could drift.
    pub fn from_idempotency_key(key: &str) -> Self {
        Self::hashed(Sha256::new().chain_update(b"orchestrateur/idempotency-key/").chain_update(key))
    }

    /// The id that belongs to a key of callers of one saga: as [`Self::from_idempotency_key`], but the same key of another
    /// saga is another id.
    pub fn of_key(saga: &str, key: &str) -> Self {
        let hash = Sha256::new().chain_update(b"orchestrateur/saga-key/").chain_update(saga);
        Self::hashed(hash.chain_update([0]).chain_update(key))
    }

    /// The id that belongs to a key of one caller of one saga: another caller's same key is another id.
    pub fn of_callers_key(caller: &str, saga: &str, key: &str) -> Self {
        let hash = Sha256::new().chain_update(b"orchestrateur/caller-key/").chain_update(caller);
        Self::hashed(hash.chain_update([0]).chain_update(saga).chain_update([0]).chain_update(key))
    }

    fn hashed(hash: Sha256) -> Self {
        Self(hashed_uuid(hash))
    }

    /// The plain UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// Writes it behind `text`.
    pub fn write(&self, text: &mut String) {
        text.push_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    }
}

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for SagaId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Identifies one command. The event that a command brings about repeats it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandId(Uuid);

impl CommandId {
    /// An id made elsewhere; it has to be fresh.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The id of the command that a bulk action gives one saga. It is the same for every process that carries the action out, so
    /// that the saga applies the command once, however many processes come to it.
    pub fn of_bulk_action(action: BulkActionId, saga: SagaId) -> Self {
        let hash =
            Sha256::new().chain_update(b"orchestrateur/bulk-action/").chain_update(action.0.as_bytes());
        Self(hashed_uuid(hash.chain_update(saga.0.as_bytes())))
    }

    /// The plain UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl CommandId {
    /// The id that belongs to the key of a form about a saga: the same form, sent again, is the same command.
    pub fn of_key(saga: SagaId, key: &str) -> Self {
        let hash = Sha256::new().chain_update(b"orchestrateur/command-key/").chain_update(saga.0.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.chain_update(key).finalize()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl std::str::FromStr for CommandId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Identifies one bulk action: an operator's wish for many sagas.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BulkActionId(Uuid);

impl BulkActionId {
    /// An id made elsewhere, such as a fresh UUIDv7.
    pub const fn new(id: Uuid) -> Self {
        Self(id)
    }

    /// The plain UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for BulkActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BulkActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::str::FromStr for BulkActionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A position in one saga's history. Events are numbered from 1; [`Seq::NONE`] is before the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before the first event.
    pub const NONE: Self = Self(0);

    /// A position read back from a journal.
    pub const fn new(seq: u64) -> Self {
        Self(seq)
    }

    /// The number itself.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `events` later.
    pub const fn plus(self, events: usize) -> Self {
        Self(self.0 + events as u64)
    }

    /// The position after this one.
    pub const fn next(self) -> Self {
        self.plus(1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which call of one step and direction this is, counted from 1 and never used again for another call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNumber(u32);

impl AttemptNumber {
    /// The first attempt.
    pub const FIRST: Self = Self(1);

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The attempt after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// How often the journal was set back to an older copy of itself, counted from 1. An operator who lets a restored journal run begins
/// the next one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Incarnation(u32);

impl Incarnation {
    /// Of a journal that was never restored.
    pub const FIRST: Self = Self(1);
    /// The highest one: its epochs fit 32 bits with a sign, as a participant may keep them.
    pub const LAST: Self = Self(i32::MAX as u32 / Epoch::PER_INCARNATION);

    /// An incarnation that a journal keeps; `None`: it is none.
    pub const fn new(number: i64) -> Option<Self> {
        if 1 <= number && number <= Self::LAST.0 as i64 { Some(Self(number as u32)) } else { None }
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The one after this; `None`: there are no more.
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0 as i64 + 1)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Grows each time a saga gets a new owner (restart or take-over): by one, or to the first one of a new [`Incarnation`]. A participant
/// that has seen a higher epoch refuses a lower one, so a paused former owner that wakes up can do no harm, nor can a process that
/// does not know that the journal was restored.
///
/// ```text
///   incarnation 1      1, 2, 3, ...
///   incarnation 2      1048577, 1048578, ...
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u32);

impl Epoch {
    /// The epoch of the replica that started the saga, in a journal that was never restored.
    pub const FIRST: Self = Self(1);
    /// From the first epoch of one incarnation to that of the next: more owners than any history has room for.
    pub const PER_INCARNATION: u32 = 1 << 20;

    /// The epoch of a saga that is started in this incarnation.
    pub const fn first_of(incarnation: Incarnation) -> Self {
        Self((incarnation.0 - 1) * Self::PER_INCARNATION + 1)
    }

    /// The number itself.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The epoch of the next owner in the same incarnation.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The epoch of the next owner, in this incarnation or the saga's own if that is later.
    #[must_use]
    pub fn next_in(self, incarnation: Incarnation) -> Self {
        self.next().max(Self::first_of(incarnation))
    }

    /// The incarnation that it is of.
    pub const fn incarnation(self) -> Incarnation {
        Incarnation(self.0.saturating_sub(1) / Self::PER_INCARNATION + 1)
    }

    pub(crate) const fn first() -> Self {
        Self::FIRST
    }

    pub(crate) fn is_first(&self) -> bool {
        *self == Self::FIRST
    }
}

/// Drawn at random by a replica that starts a saga or takes it over. Two replicas that do so at the same microsecond
/// write records that differ all the same, so neither can take the other's entry in the journal for its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Claim(u64);

impl Claim {
    /// A claim from a random number. 53 bits are kept: every JSON reader reads those exactly.
    pub const fn drawn(random: u64) -> Self {
        Self(random >> 11)
    }
}

/// An instant, in microseconds since the Unix epoch. The driver brings it along with every input; nothing in
/// this crate reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant from microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The instant that a text of RFC 3339 with an offset names; `None`: it is no such text.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse().ok().map(|at: jiff::Timestamp| Self(at.as_microsecond()))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This instant, `duration` later; the far end of time if that overflows.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This much earlier.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after it (clocks may step back).
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, always with six decimals, so that texts sort as the instants do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.6}"),
            Err(_) => write!(f, "{} us", self.0),
        }
    }
}

/// A UUIDv8 over a hash (RFC 9562, 5.8).
fn hashed_uuid(hash: Sha256) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process of a later release may go on with an action that one of this release has begun.
    #[test]
    fn the_id_of_a_bulk_action_s_command_never_changes() {
        let of = |action, saga| {
            let (action, saga) = (Uuid::from_u128(action), Uuid::from_u128(saga));
            CommandId::of_bulk_action(BulkActionId::new(action), SagaId::new(saga)).to_string()
        };
        assert_eq!(of(7, 8), "f4d1be48-08cc-857f-b348-05597779cb9c");
        assert_ne!(of(7, 8), of(8, 7));
        assert_ne!(of(7, 8), of(7, 9));
    }

    /// Journals hold these ids: a key that is repeated after an upgrade must find its saga. The texts were made with another
    /// implementation of SHA-256.
    #[test]
    fn the_id_of_a_key_never_changes() {
        assert_eq!(
            SagaId::from_idempotency_key("panier-7").to_string(),
            "bf574fff-a277-89eb-8cd9-de92eb03a43e"
        );
        assert_eq!(SagaId::of_key("travel", "trip-7").to_string(), "b6c8e29a-6b08-8b49-a206-30de7302ed88");
        let callers = SagaId::of_callers_key("shop", "checkout", "k");
        assert_eq!(callers.to_string(), "5591db25-7b18-80ba-be4c-f098c2618bc6");
    }

    #[test]
    fn epochs_of_a_later_incarnation_are_higher_than_all_before() {
        let second = Incarnation::FIRST.next().unwrap();
        assert_eq!((Incarnation::FIRST.get(), second.get()), (1, 2));
        assert_eq!(Epoch::first_of(Incarnation::FIRST), Epoch::FIRST);
        assert_eq!(Epoch::first_of(second).get(), 1_048_577);
        for (epoch, incarnation, next) in
            [(1, 1, 2), (7, 1, 8), (7, 2, 1_048_577), (1_048_577, 2, 1_048_578), (1_048_590, 1, 1_048_591)]
        {
            let next_in = Epoch(epoch).next_in(Incarnation::new(incarnation).unwrap());
            assert_eq!(next_in.get(), next, "{epoch} in {incarnation}");
        }
        for (epoch, incarnation) in [(0, 1), (1, 1), (1_048_576, 1), (1_048_577, 2), (u32::MAX, 4096)] {
            assert_eq!(Epoch(epoch).incarnation().get(), incarnation, "{epoch}");
        }
        assert_eq!(Epoch(u32::MAX).next(), Epoch(u32::MAX));
    }

    /// A participant may keep epochs in 32 bits with a sign.
    #[test]
    fn incarnations_have_an_end() {
        assert_eq!(Incarnation::LAST.get(), 2_047);
        let last_epoch = Epoch::first_of(Incarnation::LAST).get() + Epoch::PER_INCARNATION - 1;
        assert!(last_epoch <= i32::MAX.unsigned_abs());
        assert_eq!(Incarnation::LAST.next(), None);
        for number in [i64::MIN, -1, 0, 2_048, i64::MAX] {
            assert_eq!(Incarnation::new(number), None, "{number}");
        }
    }

    #[test]
    fn a_form_s_key_is_one_command_of_one_saga() {
        let of = |saga, key| CommandId::of_key(SagaId::new(Uuid::from_u128(saga)), key);
        assert_eq!(of(7, "k"), of(7, "k"));
        assert_ne!(of(7, "k"), of(8, "k"));
        assert_ne!(of(7, "k"), of(7, "l"));
        assert_eq!(of(7, "k").to_string().parse().ok(), Some(of(7, "k")));
    }

    #[test]
    fn a_key_belongs_to_one_saga() {
        assert_ne!(SagaId::of_key("travel", "trip-7"), SagaId::of_key("trave", "ltrip-7"));
        assert_ne!(SagaId::of_key("travel", "trip-7"), SagaId::of_key("trial", "trip-7"));
        assert_ne!(SagaId::of_callers_key("a", "bc", "k"), SagaId::of_callers_key("ab", "c", "k"));
    }
}
