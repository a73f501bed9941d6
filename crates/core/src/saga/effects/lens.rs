//! A lens that tests put between a saga and its driver: the driver then sees other effects than the saga has.
//!
//! Only in builds with debug assertions. The production code has one lens, which is none.

use std::cell::Cell;

use super::{Effects, Saga};

/// Changes the effects that a driver sees of a saga.
pub type Lens = fn(&Saga, Effects) -> Effects;

thread_local! {
    static LENS: Cell<Option<Lens>> = const { Cell::new(None) };
}

/// Puts a lens before all sagas of this thread, or takes it away.
pub fn look_through(lens: Option<Lens>) {
    LENS.set(lens);
}

pub(super) fn seen(saga: &Saga, effects: Effects) -> Effects {
    match LENS.get() {
        Some(lens) => lens(saga, effects),
        None => effects,
    }
}
