//! How the participants stand, for people.

use std::sync::Arc;
use std::time::Duration;

use saga_core::Timestamp;
use saga_core::definition::Safety;

use crate::Engine;

/// A participant of the definition that new sagas run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantState {
    /// Its name in the definition.
    pub name: Arc<str>,
    /// Where it is. Without its headers: they may be secret.
    pub url: String,
    /// What it promises.
    pub safety: Safety,
    /// From sending a request to the end of its answer.
    pub timeout: Duration,
    /// Calls under way at the same time.
    pub calls_max: usize,
    /// How long it keeps its promise for one order.
    pub horizon: Duration,
    /// Whether calls to it are suspended; `None`: nobody watches that.
    pub breaker: Option<BreakerState>,
}

/// Whether calls to a participant are let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// They are.
    Closed,
    /// They are not, until then at least.
    Open {
        /// When one is let through to see.
        until: Timestamp,
    },
    /// One is, to see whether it works again.
    HalfOpen,
}

impl Engine {
    /// The participants of the definition that new sagas run, by their names.
    pub fn participants(&self) -> Vec<ParticipantState> {
        let participants = &self.definition().participants;
        participants
            .iter()
            .map(|participant| ParticipantState {
                name: participant.name.clone(),
                url: participant.base.to_string(),
                safety: participant.safety,
                timeout: participant.timeout,
                calls_max: participant.calls_max,
                horizon: participant.horizon,
                breaker: None,
            })
            .collect()
    }
}
