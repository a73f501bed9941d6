//! Whether a step is done, undone, or asked about.

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr};

/// Whether a call does its step, undoes it, or asks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Display, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Direction {
    /// Does it.
    Action,
    /// Undoes it.
    Compensation,
    /// Asks whether its effect is there. Of such a call, the outcome `ok` says that it is, `refused` that it is not.
    Probe,
    /// Asks whether an accepted action is done. Of such a call, the outcome `ok` says that it is, `refused` that it has no
    /// effect.
    Poll,
}
