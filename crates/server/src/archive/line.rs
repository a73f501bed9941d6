//! A saga as a line of the archive.

use std::sync::Arc;

use saga_core::definition::{DefinitionHash, Labels, StateName};
use saga_core::retention::SagaEnd;
use saga_core::{Record, SagaId};
use saga_engine::ArchivedSaga;
use serde::{Deserialize, Serialize};

/// The line: one JSON object. `id` is its first member, so that it is found without the rest being read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ArchiveLine {
    pub(crate) id: SagaId,
    /// The definition's name, and the hash of its version.
    pub(crate) saga: Arc<str>,
    pub(crate) definition_hash: DefinitionHash,
    /// `completed` or `failed`.
    pub(crate) end: String,
    /// The last state.
    pub(crate) state: Option<StateName>,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) ended_at: String,
    pub(crate) labels: Labels,
    /// The names of the definition's steps: events have their indices.
    pub(crate) steps: Vec<String>,
    /// Everything that has happened, in order, with inputs and outputs: the journal's records. `at` is in microseconds since 1970.
    pub(crate) events: Vec<Record>,
}

impl ArchiveLine {
    pub(super) fn of(saga: ArchivedSaga) -> Self {
        let ArchivedSaga { saga, definition, end, started, ended, labels, records } = saga;
        Self {
            id: saga,
            saga: definition.name.clone(),
            definition_hash: definition.hash.clone(),
            end: <&str>::from(end).to_owned(),
            state: records.iter().rev().find_map(|record| record.state.clone()),
            started_at: started.to_string(),
            ended_at: ended.to_string(),
            labels,
            steps: definition.steps.iter().map(|step| step.name.to_string()).collect(),
            events: records,
        }
    }

    /// Whether it has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.end == <&str>::from(SagaEnd::Failed)
    }
}

/// The first bytes of the line of a saga.
pub(super) fn beginning(saga: SagaId) -> String {
    format!("{{\"id\":\"{saga}\",")
}

/// The saga of a line, by its first bytes.
pub(super) fn saga_of(line: &[u8]) -> Option<SagaId> {
    let id = line.strip_prefix(b"{\"id\":\"")?.split(|byte| *byte == b'"').next()?;
    std::str::from_utf8(id).ok()?.parse().ok()
}
