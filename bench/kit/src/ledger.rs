//! The effects at the participants: each has happened once or not at all, whatever was repeated, and all are
//! counted.
//!
//! A key is `saga:step:action` or `saga:step:compensation`, and the two belong together: a barrier as
//! `docs/definitions.md` has it, in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// Locks for the keys, so that threads seldom wait for each other.
const SHARDS: usize = 64;

/// Something that a call does, and that another call undoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Stock is reserved, and given back.
    Reservation,
    /// A client pays, and gets the money back.
    Payment,
    /// A sale is recorded, and struck out.
    Sale,
}

/// Whether a call does the effect or undoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `...:action`
    Do,
    /// `...:compensation`
    Undo,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has taken effect, or had already; or there was nothing to undo.
    Done {
        /// Whether it has taken effect just now.
        first: bool,
    },
    /// An action after its compensation: refused, for nothing would undo it any more.
    TooLate,
}

/// Where the effect of one step of one saga stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Done,
    Undone,
}

/// All effects since the start, or since the last [`Ledger::clear`].
#[derive(Debug)]
pub struct Ledger {
    counts: Counts,
    keys: Vec<Mutex<HashMap<u64, Stand>>>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Counts {
    carts: AtomicU64,
    done: [AtomicU64; 3],
    undone: [AtomicU64; 3],
    paid_cents: AtomicU64,
    refused: AtomicU64,
    duplicates: AtomicU64,
    without_key: AtomicU64,
    nothing_to_undo: AtomicU64,
    too_late: AtomicU64,
}

/// The figures of a ledger.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it, and bench/README.md has them")]
pub struct Figures {
    pub carts: u64,
    pub reserved: u64,
    pub released: u64,
    pub paid: u64,
    pub refunded: u64,
    pub sold: u64,
    pub unsold: u64,
    pub paid_cents: u64,
    pub refused: u64,
    pub duplicates: u64,
    pub without_key: u64,
    pub nothing_to_undo: u64,
    pub too_late: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        let keys = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { counts: Counts::default(), keys, hasher: RandomState::new() }
    }
}

impl Ledger {
    /// A cart was read.
    pub fn cart(&self) {
        self.counts.carts.fetch_add(1, Relaxed);
    }

    /// A call was refused, and had no effect.
    pub fn refused(&self) {
        self.counts.refused.fetch_add(1, Relaxed);
    }

    /// Applies a call, unless it was applied before. Calls without a key are always applied.
    pub fn apply(&self, effect: Effect, way: Way, key: Option<&[u8]>) -> Outcome {
        let counts = &self.counts;
        let count = match way {
            Way::Do => &counts.done[effect as usize],
            Way::Undo => &counts.undone[effect as usize],
        };
        let Some(key) = key else {
            counts.without_key.fetch_add(1, Relaxed);
            count.fetch_add(1, Relaxed);
            return Outcome::Done { first: true };
        };
        let hash = self.hasher.hash_one((effect as u8, stem(key)));
        let (outcome, count) = match (shard(&self.keys, hash).entry(hash), way) {
            (Entry::Vacant(entry), Way::Do) => {
                entry.insert(Stand::Done);
                (Outcome::Done { first: true }, count)
            }
            (Entry::Vacant(entry), Way::Undo) => {
                entry.insert(Stand::Undone);
                (Outcome::Done { first: false }, &counts.nothing_to_undo)
            }
            (Entry::Occupied(mut entry), Way::Undo) if *entry.get() == Stand::Done => {
                entry.insert(Stand::Undone);
                (Outcome::Done { first: true }, count)
            }
            (Entry::Occupied(entry), Way::Do) if *entry.get() == Stand::Undone => {
                (Outcome::TooLate, &counts.too_late)
            }
            (Entry::Occupied(_), _) => (Outcome::Done { first: false }, &counts.duplicates),
        };
        count.fetch_add(1, Relaxed);
        outcome
    }

    /// Adds to the money that was taken. It shows whether amounts are right, too.
    pub fn took(&self, cents: u64) {
        self.counts.paid_cents.fetch_add(cents, Relaxed);
    }

    /// The figures now.
    pub fn figures(&self) -> Figures {
        let counts = &self.counts;
        let of = |count: &AtomicU64| count.load(Relaxed);
        Figures {
            carts: of(&counts.carts),
            reserved: of(&counts.done[Effect::Reservation as usize]),
            released: of(&counts.undone[Effect::Reservation as usize]),
            paid: of(&counts.done[Effect::Payment as usize]),
            refunded: of(&counts.undone[Effect::Payment as usize]),
            sold: of(&counts.done[Effect::Sale as usize]),
            unsold: of(&counts.undone[Effect::Sale as usize]),
            paid_cents: of(&counts.paid_cents),
            refused: of(&counts.refused),
            duplicates: of(&counts.duplicates),
            without_key: of(&counts.without_key),
            nothing_to_undo: of(&counts.nothing_to_undo),
            too_late: of(&counts.too_late),
        }
    }

    /// Forgets everything, as a new process.
    pub fn clear(&self) {
        let counts = &self.counts;
        let single = [
            &counts.carts,
            &counts.paid_cents,
            &counts.refused,
            &counts.duplicates,
            &counts.without_key,
            &counts.nothing_to_undo,
            &counts.too_late,
        ];
        for count in single.into_iter().chain(&counts.done).chain(&counts.undone) {
            count.store(0, Relaxed);
        }
        for keys in &self.keys {
            keys.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// The part that an action's key has in common with its compensation's. A key of another form stands for
/// itself.
///
/// The quotation marks of a structured header (RFC 8941) are not a part of it.
fn stem(key: &[u8]) -> &[u8] {
    let key = key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")).unwrap_or(key);
    key.strip_suffix(b":action").or_else(|| key.strip_suffix(b":compensation")).unwrap_or(key)
}

fn shard(keys: &[Mutex<HashMap<u64, Stand>>], hash: u64) -> MutexGuard<'_, HashMap<u64, Stand>> {
    keys[hash as usize % keys.len()].lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTION: Option<&[u8]> = Some(b"7:paiement:action");
    const COMPENSATION: Option<&[u8]> = Some(b"7:paiement:compensation");

    fn paid_refunded_duplicates(ledger: &Ledger) -> (u64, u64, u64) {
        let figures = ledger.figures();
        (figures.paid, figures.refunded, figures.duplicates)
    }

    #[test]
    fn a_repeated_call_has_one_effect() {
        let ledger = Ledger::default();
        for first in [true, false, false] {
            assert_eq!(ledger.apply(Effect::Payment, Way::Do, ACTION), Outcome::Done { first });
        }
        assert_eq!(paid_refunded_duplicates(&ledger), (1, 0, 2));
        for first in [true, false] {
            assert_eq!(ledger.apply(Effect::Payment, Way::Undo, COMPENSATION), Outcome::Done { first });
        }
        assert_eq!(paid_refunded_duplicates(&ledger), (1, 1, 3));
    }

    #[test]
    fn an_action_after_its_compensation_is_refused() {
        let ledger = Ledger::default();
        assert_eq!(ledger.apply(Effect::Payment, Way::Undo, COMPENSATION), Outcome::Done { first: false });
        assert_eq!(ledger.apply(Effect::Payment, Way::Do, ACTION), Outcome::TooLate);
        assert_eq!(paid_refunded_duplicates(&ledger), (0, 0, 0));
        assert_eq!((ledger.figures().nothing_to_undo, ledger.figures().too_late), (1, 1));
    }

    #[test]
    fn a_key_may_stand_in_quotation_marks() {
        assert_eq!(stem(b"\"7:stock:action\""), b"7:stock");
        assert_eq!(stem(b"7:stock:compensation"), b"7:stock");
        assert_eq!(stem(b"\"other"), b"\"other");
    }

    #[test]
    fn steps_and_effects_are_apart() {
        let ledger = Ledger::default();
        ledger.apply(Effect::Payment, Way::Do, ACTION);
        ledger.apply(Effect::Payment, Way::Do, Some(b"7:second:action"));
        ledger.apply(Effect::Sale, Way::Do, ACTION);
        ledger.apply(Effect::Sale, Way::Do, None);
        let figures = ledger.figures();
        assert_eq!((figures.paid, figures.sold, figures.without_key, figures.duplicates), (2, 2, 1, 0));
        ledger.clear();
        assert_eq!(ledger.figures(), Ledger::default().figures());
    }
}
