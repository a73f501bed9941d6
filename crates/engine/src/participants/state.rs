//! The state of the participants, for reports.

use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::{Participant, Safety};

use super::{AccessTrouble, Standing};
use crate::breaker::BreakerState;

/// A participant of a definition that new sagas can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantState {
    /// The definition's name.
    pub saga: Arc<str>,
    /// Its name in the definition.
    pub name: Arc<str>,
    /// Its URL. Without its headers: they may be secret.
    pub url: String,
    /// The address and the files of `tls`: participants that are reached alike share a breaker.
    pub reached_by: Arc<str>,
    /// The participant's promise about repeated and undone calls.
    pub safety: Safety,
    /// Time from sending a request to the end of its answer.
    pub timeout: Duration,
    /// Calls under way at the same time.
    pub calls_max: usize,
    /// The time for which it keeps its promise for one order.
    pub horizon: Duration,
    /// Whether calls to it are let through.
    pub breaker: BreakerState,
    /// Its answers to this process.
    pub standing: Standing,
    /// Why calls to it cannot be made, or its credential or files cannot be renewed; `None`: all is well.
    pub access: Option<AccessTrouble>,
}

impl ParticipantState {
    pub(crate) fn of(
        saga: &Arc<str>,
        participant: &Participant,
        breaker: BreakerState,
        standing: Standing,
        access: Option<AccessTrouble>,
    ) -> Self {
        Self {
            saga: saga.clone(),
            name: participant.name.clone(),
            url: participant.address.to_string(),
            reached_by: participant.reached_by.clone(),
            safety: participant.safety,
            timeout: participant.timeout,
            calls_max: participant.calls_max,
            horizon: participant.horizon,
            breaker,
            standing,
            access,
        }
    }
}
