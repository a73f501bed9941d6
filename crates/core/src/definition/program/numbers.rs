//! `number(VALUE; FROM; TO)` and `whole(VALUE; FROM; TO)`, in addition to jq's own filters: they accept a number, or
//! give an error with the reason.
//!
//! jq compares values of different kinds without an error (`"19.99" >= 0` is true), and multiplies a text by
//! repeating it. A participant's answer may contain anything; with these filters a definition states the expected
//! values.

use jaq_core::ValR;
use jaq_json::Val;
use jaq_std::ValT as _;

use super::value::{Error, Metered};
use super::weigh::Compared;

/// The value, if it is a number from `from` to `to`.
pub(super) fn number(value: Metered, from: &Metered, to: &Metered) -> ValR<Metered> {
    if is_number(&value, from, to) {
        Ok(value)
    } else {
        Err(Error::str(format_args!("{value} is no number from {from} to {to}")))
    }
}

/// The value, if it is a whole number from `from` to `to`.
pub(super) fn whole(value: Metered, from: &Metered, to: &Metered) -> ValR<Metered> {
    if is_whole(&value, from, to) {
        Ok(value)
    } else {
        Err(Error::str(format_args!("{value} is no whole number from {from} to {to}")))
    }
}

/// Whether the value is a whole number from `from` to `to`.
pub(super) fn is_whole(value: &Metered, from: &Metered, to: &Metered) -> bool {
    is_number(value, from, to) && value.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// Whether the value is a number from `from` to `to`.
pub(super) fn is_number(value: &Metered, from: &Metered, to: &Metered) -> bool {
    let compared = Compared(value.val());
    matches!(value.val(), Val::Num(_)) && Compared(from.val()) <= compared && compared <= Compared(to.val())
}
