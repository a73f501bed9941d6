//! `number(VALUE; FROM; TO)` and `whole(VALUE; FROM; TO)`, beside jq's own filters: a number is let through, or it is said
//! why not.
//!
//! jq compares values of different kinds without a word (`"19.99" >= 0` is true), and multiplies a text by repeating it.
//! What a participant answers is foreign; a definition says here what it has to be.

use jaq_core::ValR;
use jaq_json::Val;
use jaq_std::ValT as _;

use super::value::{Error, Metered};
use super::weigh::Compared;

/// The value, if it is a number from `from` to `to`.
pub(super) fn number(value: Metered, from: &Metered, to: &Metered) -> ValR<Metered> {
    if is_between(&value, from, to) {
        Ok(value)
    } else {
        Err(Error::str(format_args!("{value} is no number from {from} to {to}")))
    }
}

/// The value, if it is a whole number from `from` to `to`.
pub(super) fn whole(value: Metered, from: &Metered, to: &Metered) -> ValR<Metered> {
    let is_whole = || value.as_f64().is_some_and(|float| float.fract() == 0.0);
    if is_between(&value, from, to) && is_whole() {
        Ok(value)
    } else {
        Err(Error::str(format_args!("{value} is no whole number from {from} to {to}")))
    }
}

fn is_between(value: &Metered, from: &Metered, to: &Metered) -> bool {
    let compared = Compared(value.val());
    matches!(value.val(), Val::Num(_)) && Compared(from.val()) <= compared && compared <= Compared(to.val())
}
