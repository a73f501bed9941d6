//! Runs the interpreter under the meter: the interpreter requests each term before it runs it, so each term is
//! charged.

use jaq_core::data::HasLut;
use jaq_core::{Cv, DataT, Lut};

use super::meter;
use super::value::Metered;

/// The types of values and data for jaq.
pub(super) struct Expressions;

/// Context and input of a filter.
pub(super) type Input<'a> = Cv<'a, Expressions>;

impl DataT for Expressions {
    type V<'a> = Metered;
    type Data<'a> = RunningProgram<'a>;
}

/// The data in every context of a running program.
pub(super) struct RunningProgram<'a>(&'a Lut<Expressions>);

impl<'a> RunningProgram<'a> {
    pub(super) fn new(terms: &'a Lut<Expressions>) -> Self {
        meter::context_made();
        Self(terms)
    }
}

impl Clone for RunningProgram<'_> {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for RunningProgram<'_> {
    fn drop(&mut self) {
        meter::context_gone();
    }
}

impl<'a> HasLut<'a, Expressions> for RunningProgram<'a> {
    /// Called for every term that runs, including those of recursive functions.
    fn lut(&self) -> &'a Lut<Expressions> {
        meter::step();
        self.0
    }
}
