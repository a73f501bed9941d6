//! What the engine tells whoever counts. Metrics count committed events only, so this is called after the fact.

use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::Etat;
use saga_core::{Direction, Outcome};

/// Listens. Every method is called often and must return at once.
pub trait Observer: Send + Sync + 'static {
    /// An order's entering these states is durable.
    fn committed(&self, etats: &[Etat]) {
        let _ = etats;
    }

    /// A call has left.
    fn call_started(&self, participant: &Arc<str>) {
        let _ = participant;
    }

    /// A call has ended, or was abandoned.
    fn call_ended(&self, call: &CallEnded<'_>) {
        let _ = call;
    }

    /// Unfinished sagas were taken over.
    fn taken_over(&self, sagas: usize) {
        let _ = sagas;
    }

    /// The lease was lost; so many sagas were dropped.
    fn lease_lost(&self, sagas: usize) {
        let _ = sagas;
    }

    /// A saga could not be read and was parked for a person.
    fn parked(&self) {}
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct CallEnded<'a> {
    /// Whom it went to.
    pub participant: &'a Arc<str>,
    /// The step's name.
    pub step: &'a Arc<str>,
    /// Whether it was done or undone.
    pub direction: Direction,
    /// `None`: abandoned, the saga wants something else.
    pub outcome: Option<Outcome>,
    /// From its start.
    pub duration: Duration,
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
