//! `+`, `-`, `*`, `/`, `%` on values.

use jaq_core::ValR;
use jaq_core::ops::Math;
use jaq_json::{Map, Num, Rc, Val};
use jaq_std::ValT as _;

use super::{
    ELEMENT_BYTES, Error, Metered, copied_array, copied_object, lost, put, unshared, unshared_members,
};
use crate::definition::program::meter;
use crate::definition::program::weigh::{self, Compared};

impl std::ops::Add for Metered {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        use Val::{Arr, BStr, Null, Num, Obj, TStr};
        let depth = self.depth.max(other.depth);
        match (self.val, other.val) {
            (Null, val) | (val, Null) => Ok(Self::of(val, depth)),
            (Num(a), Num(b)) => {
                meter::work(1);
                Ok(Self::number(a + b))
            }
            (TStr(a), TStr(b)) => {
                joined(&a, a.is_unique(), &b);
                (TStr(a) + TStr(b)).map(Self::scalar).map_err(lost)
            }
            (BStr(a), BStr(b)) => {
                joined(&a, a.is_unique(), &b);
                (BStr(a) + BStr(b)).map(Self::scalar).map_err(lost)
            }
            (Arr(a), Arr(b)) => {
                if Rc::strong_count(&a) > 1 {
                    copied_array(a.len());
                }
                meter::work(b.len());
                meter::bytes(b.len() * ELEMENT_BYTES);
                (Arr(a) + Arr(b)).map(|val| Self::of(val, depth)).map_err(lost)
            }
            (Obj(mut a), Obj(b)) => {
                if Rc::strong_count(&a) > 1 {
                    copied_object(a.len());
                }
                let members = Rc::make_mut(&mut a);
                for (key, val) in b.iter() {
                    put(members, key.clone(), val.clone());
                }
                Ok(Self::of(Obj(a), depth))
            }
            (a, b) => Err(Error::math(Self::of(a, depth), Math::Add, Self::of(b, depth))),
        }
    }
}

/// Charges a text that is appended to another one.
fn joined(a: &[u8], is_unique: bool, b: &[u8]) {
    if is_unique && a.len() + b.len() <= meter::EXPRESSION_TEXT_BYTES_MAX {
        // It grows in place, and now and then moves to a place of twice the size.
        meter::text(b.len() * 3);
        meter::work(a.len() / 64);
    } else {
        meter::text(a.len() + b.len());
    }
}

impl std::ops::Sub for Metered {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Val::Num(a), Val::Num(b)) => {
                meter::work(1);
                Ok(Self::number(a - b))
            }
            (Val::Arr(a), Val::Arr(b)) => {
                meter::bytes(b.len() * ELEMENT_BYTES);
                let without: std::collections::BTreeSet<_> = b.iter().map(Compared).collect();
                let mut items = unshared(a);
                items.retain(|item| !without.contains(&Compared(item)));
                Ok(Self::of(Val::Arr(items.into()), a_depth))
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Sub, Self::of(b, b_depth))),
        }
    }
}

impl std::ops::Mul for Metered {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        use Val::{BStr, Num, Obj, TStr};
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Num(a), Num(b)) => {
                meter::work(1);
                weigh::long_product(&a, &b);
                Ok(Self::number(a * b))
            }
            // As in jq: integers only.
            (text @ (TStr(_) | BStr(_)), Num(times)) if is_integer(&times) => repeated(text, times),
            (Num(times), text @ (TStr(_) | BStr(_))) if is_integer(&times) => repeated(text, times),
            (Obj(mut a), Obj(b)) => {
                merge(&mut a, b);
                Ok(Self::of(Obj(a), a_depth.max(b_depth)))
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Mul, Self::of(b, b_depth))),
        }
    }
}

fn is_integer(number: &Num) -> bool {
    matches!(number, Num::Int(_) | Num::BigInt(_))
}

/// A text, repeated.
fn repeated(text: Val, times: Num) -> ValR<Metered> {
    let times = Val::Num(times);
    let length = text.as_bytes().map_or(0, <[u8]>::len) as f64 * times.as_f64().unwrap_or(0.0).max(0.0);
    // Saturates, far beyond the limit.
    meter::text(length as usize);
    (text * times).map(Metered::scalar).map_err(lost)
}

/// Merges the members of `b` into `a`; if both have an object for a key, these are merged in the same way.
fn merge(a: &mut Rc<Map>, b: Rc<Map>) {
    if Rc::strong_count(a) > 1 {
        copied_object(a.len());
    }
    let a = Rc::make_mut(a);
    for (key, val) in unshared_members(b) {
        weigh::lookup(&key, a.len());
        match (a.get_mut(&key), val) {
            (Some(Val::Obj(a)), Val::Obj(b)) => merge(a, b),
            (Some(old), val) => *old = val,
            (None, val) => put(a, key, val),
        }
    }
}

impl std::ops::Div for Metered {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> ValR<Self> {
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Val::Num(a), Val::Num(b)) => {
                meter::work(1);
                Ok(Self::number(a / b))
            }
            (a @ Val::TStr(_), b @ Val::TStr(_)) | (a @ Val::BStr(_), b @ Val::BStr(_)) => {
                let (text, separator) = (a.as_bytes().unwrap_or(&[]), b.as_bytes().unwrap_or(&[]));
                meter::work(text.len() / 4 + text.len() / 16 * (separator.len() / 32));
                let parts = match (std::str::from_utf8(text), std::str::from_utf8(separator)) {
                    (_, Ok("")) => text.len(),
                    (Ok(text), Ok(separator)) => text.matches(separator).count(),
                    _ => text.len() / separator.len().max(1),
                };
                meter::work(parts);
                meter::bytes(48 + (parts + 1).saturating_mul(ELEMENT_BYTES + 48));
                (a / b).map(|val| Self::new(val, 1)).map_err(lost)
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Div, Self::of(b, b_depth))),
        }
    }
}

impl std::ops::Rem for Metered {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> ValR<Self> {
        let (a_depth, b_depth) = (self.depth, other.depth);
        match (self.val, other.val) {
            (Val::Num(a), Val::Num(b)) => {
                meter::work(1);
                weigh::long_product(&a, &b);
                let (a, b) = (Val::Num(a), Val::Num(b));
                (a % b).map(Self::scalar).map_err(lost)
            }
            (a, b) => Err(Error::math(Self::of(a, a_depth), Math::Rem, Self::of(b, b_depth))),
        }
    }
}

impl std::ops::Neg for Metered {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        match self.val {
            // jaq writes `-+1.5`, which it cannot read itself.
            Val::Num(Num::Dec(text)) if text.starts_with('+') => {
                Ok(Self::scalar(Val::Num(Num::Dec(Rc::new(format!("-{}", &text[1..]))))))
            }
            Val::Num(number) => Ok(Self::number(-number)),
            _ => Err(self.typ("number")),
        }
    }
}
