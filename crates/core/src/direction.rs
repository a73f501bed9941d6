//! Whether a step is done, undone, or asked about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a call does its step, undoes it, or asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Does it.
    Action,
    /// Undoes it.
    Compensation,
    /// Asks whether its effect is there. Of such a call, the outcome `ok` says that it is, `refused` that it is not.
    Probe,
}

impl Direction {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Compensation => "compensation",
            Self::Probe => "probe",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
