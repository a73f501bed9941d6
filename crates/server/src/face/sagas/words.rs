//! The words of this face where they are not the core's own.

use saga_core::saga;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether what was done is being undone. `blocked`: a person is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SagaRollback)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RollbackWord {
    None,
    Running,
    Done,
    Blocked,
}

impl From<saga::Rollback> for RollbackWord {
    fn from(rollback: saga::Rollback) -> Self {
        match rollback {
            saga::Rollback::None => Self::None,
            saga::Rollback::Running => Self::Running,
            saga::Rollback::Done => Self::Done,
            saga::Rollback::Blocked => Self::Blocked,
        }
    }
}

impl From<RollbackWord> for saga::Rollback {
    fn from(rollback: RollbackWord) -> Self {
        match rollback {
            RollbackWord::None => Self::None,
            RollbackWord::Running => Self::Running,
            RollbackWord::Done => Self::Done,
            RollbackWord::Blocked => Self::Blocked,
        }
    }
}
