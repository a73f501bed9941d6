//! The family of a saga's state: five words that all definitions share, whatever their own states are called.

use saga_core::saga::{Rollback, WaitingFor};
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::KeptRow;

/// The family of a saga's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum StateFamily {
    /// It waits for an operator.
    Person,
    /// It waits for a time, a retry, a signal or its participant: it goes on by itself.
    Waiting,
    /// It goes on, and waits for answers alone.
    Running,
    /// It is over, and its order stands.
    Done,
    /// It is over, and nothing is left of it.
    Failed,
}

impl KeptRow {
    /// The family of the saga's state, by the summary's `waiting`.
    pub fn family(&self) -> StateFamily {
        let rollback = self.rollback();
        if rollback == Rollback::Blocked {
            return StateFamily::Person;
        }
        let summary = &self.row.summary;
        if self.row.over {
            let stands = summary.failure.is_none() && rollback == Rollback::None;
            return if stands { StateFamily::Done } else { StateFamily::Failed };
        }
        let waits = summary.waiting.iter().any(|waiting| waiting.cause != WaitingFor::Call);
        if waits { StateFamily::Waiting } else { StateFamily::Running }
    }
}
