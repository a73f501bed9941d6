//! What people ask of an order, as it is left in the journal for whichever process runs the order.

use saga_core::event::Finding;
use saga_core::saga::Input;
use saga_core::{Event, Json, Record};
use serde::{Deserialize, Serialize};

/// What a person wants of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Stop it.
    Cancel,
    /// Try the next attempt now.
    Resume {
        /// Who wants it.
        by: Box<str>,
        /// Why, where they say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Box<str>>,
    },
    /// Go on from what they found.
    Resolve {
        /// The step's index.
        step: usize,
        /// What they found.
        finding: Finding,
        /// What the action's answer would have given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output: Option<Json>,
        /// Who found it.
        by: Box<str>,
        /// How they know.
        reason: Box<str>,
    },
}

impl Demand {
    /// As the core takes it.
    pub(crate) fn input(&self) -> Input {
        match self.clone() {
            Self::Cancel => Input::Cancel,
            Self::Resume { by, reason } => Input::Resume { by, reason },
            Self::Resolve { step, finding, output, by, reason } => {
                Input::Resolve { step, finding, output, by, reason }
            }
        }
    }

    /// Whether what was recorded since it was asked shows that it was followed. What shows nothing (trying what is being
    /// tried already) does not count, unless the end has come since.
    pub(crate) fn was_followed(&self, records: &[Record]) -> bool {
        records.iter().any(|record| match (self, &record.event) {
            (Self::Resume { by, reason }, Event::Resumed { by: b, reason: r }) => (by, reason) == (b, r),
            (Self::Resume { .. }, Event::Completed | Event::RolledBack) => true,
            (
                Self::Resolve { step, finding, output, by, reason },
                Event::Resolved { step: s, finding: f, output: o, by: b, reason: r },
            ) => (step, finding, output, by, reason) == (s, f, o, b, r),
            _ => false,
        })
    }
}
