//! The cost of operations on values beyond a step, charged before they are done.
//!
//! Values share their parts: `reduce range(30) as $i ([1]; [., .])` is small in memory, but comparing, printing and
//! hashing visit a thousand million parts. So these walks charge as they go, and end with the budget.

use std::cmp::Ordering;

use jaq_json::{Map, Num, Val};

use super::meter;

/// Charges a walk over all of `value`, as for hashing or printing it.
pub(super) fn whole(value: &Val) {
    match value {
        Val::Null | Val::Bool(_) => meter::work(1),
        Val::Num(number) => meter::work(1 + digits(number) / 8),
        Val::TStr(text) | Val::BStr(text) => meter::work(1 + text.len() / 32),
        Val::Arr(items) => {
            meter::work(2);
            items.iter().for_each(whole);
        }
        Val::Obj(members) => {
            members_sorted(members);
            for (key, value) in members.iter() {
                whole(key);
                whole(value);
            }
        }
    }
}

/// To hash and to order objects, jaq sorts their members.
fn members_sorted(members: &Map) {
    let log = members.len().checked_ilog2().unwrap_or(0) as usize + 1;
    meter::work(2 + 4 * members.len() * log);
    // Long keys are compared this many times.
    members.keys().for_each(|key| {
        if let Val::TStr(text) | Val::BStr(text) = key {
            meter::work(text.len() / 32 * log);
        } else if !matches!(key, Val::Null | Val::Bool(_) | Val::Num(_)) {
            (0..log).for_each(|_| whole(key));
        }
    });
}

fn digits(number: &Num) -> usize {
    match number {
        Num::Int(_) | Num::Float(_) => 0,
        Num::Dec(text) => text.len() + 32,
        Num::BigInt(int) => int.bits() as usize / 4,
    }
}

/// Charges a comparison of two values for equality.
pub(super) fn equal(a: &Val, b: &Val) {
    match (a, b) {
        (Val::Arr(a), Val::Arr(b)) if a.len() == b.len() => {
            meter::work(2);
            a.iter().zip(b.iter()).for_each(|(a, b)| equal(a, b));
        }
        (Val::Obj(a), Val::Obj(b)) if a.len() == b.len() => both(a, b),
        (Val::TStr(a) | Val::BStr(a), Val::TStr(b) | Val::BStr(b)) if a.len() == b.len() => {
            meter::work(1 + a.len() / 32);
        }
        (Val::Num(a), Val::Num(b)) => meter::work(1 + (digits(a) + digits(b)) / 8),
        _ => meter::work(1),
    }
}

/// Charges a comparison of two values for order.
pub(super) fn order(a: &Val, b: &Val) {
    match (a, b) {
        (Val::Arr(a), Val::Arr(b)) => {
            meter::work(2);
            a.iter().zip(b.iter()).for_each(|(a, b)| order(a, b));
        }
        (Val::Obj(a), Val::Obj(b)) => both(a, b),
        (Val::TStr(a) | Val::BStr(a), Val::TStr(b) | Val::BStr(b)) => {
            meter::work(1 + a.len().min(b.len()) / 32);
        }
        (Val::Num(a), Val::Num(b)) => meter::work(1 + (digits(a) + digits(b)) / 8),
        _ => meter::work(1),
    }
}

fn both(a: &Map, b: &Map) {
    for members in [a, b] {
        members_sorted(members);
        for (key, value) in members {
            whole(key);
            whole(value);
        }
    }
}

/// Charges a search for `key` in an object of `members`.
pub(super) fn lookup(key: &Val, members: usize) {
    match key {
        Val::TStr(text) | Val::BStr(text) => meter::work(1 + text.len() / 32),
        key => {
            whole(key);
            // NaN equals nothing, not even itself, and all NaN have the same hash.
            if has_nan(key) {
                meter::work(members * 2);
            }
        }
    }
}

fn has_nan(value: &Val) -> bool {
    match value {
        // jaq gives all numbers that are not finite the same hash.
        Val::Num(Num::Float(float)) => !float.is_finite(),
        Val::Num(Num::Dec(_)) => true,
        Val::Arr(items) => items.iter().any(has_nan),
        Val::Obj(members) => members.iter().any(|(key, value)| has_nan(key) || has_nan(value)),
        _ => false,
    }
}

/// Charges one multiplication, division or remainder of long integers.
pub(super) fn long_product(a: &Num, b: &Num) {
    if let (Num::BigInt(a), Num::BigInt(b)) = (a, b) {
        let words = |bits: u64| bits as usize / 64 + 1;
        meter::work(words(a.bits()) * words(b.bits()));
    }
}

/// The depth of `value`; the walk is charged to the budget.
pub(super) fn depth(value: &Val) -> u32 {
    meter::work(1);
    match value {
        Val::Arr(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Val::Obj(members) => {
            1 + members.iter().map(|(key, value)| depth(key).max(depth(value))).max().unwrap_or(0)
        }
        _ => 0,
    }
}

/// A value that is charged whenever it is compared.
#[derive(Clone, Copy)]
pub(super) struct Compared<'a>(pub(super) &'a Val);

impl Ord for Compared<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self.0, other.0);
        self.0.cmp(other.0)
    }
}

impl PartialOrd for Compared<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Compared<'_> {
    fn eq(&self, other: &Self) -> bool {
        equal(self.0, other.0);
        self.0 == other.0
    }
}

impl Eq for Compared<'_> {}
