//! How the participants stand, for people.

use std::sync::Arc;
use std::time::Duration;

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
    /// Whether calls to it are let through.
    pub breaker: crate::breaker::State,
    /// How it has answered in this process.
    pub standing: super::Standing,
}

impl Engine {
    /// The participants of the definition that new sagas run, by their names.
    pub fn participants(&self) -> Vec<ParticipantState> {
        let participants = &self.definition().participants;
        let breakers = &self.shared.breakers;
        participants
            .iter()
            .map(|participant| ParticipantState {
                name: participant.name.clone(),
                url: participant.address.to_string(),
                safety: participant.safety,
                timeout: participant.timeout,
                calls_max: participant.calls_max,
                horizon: participant.horizon,
                breaker: breakers.of_participant(participant).state(),
                standing: breakers.standing(participant),
            })
            .collect()
    }
}
