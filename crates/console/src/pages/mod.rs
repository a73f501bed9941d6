//! The pages. Each is a struct of the values that it shows, with its template.

mod definition;
mod definitions;
mod notice;
mod overview;
mod participants;

pub use self::definition::{DefinitionKnown, DefinitionPage};
pub use self::definitions::DefinitionsPage;
pub use self::notice::NoticePage;
pub use self::overview::{NeedFacts, OverviewPage, StaleFacts, WholeKnown};
pub use self::participants::{
    AccessFacts, FailureKind, Gate, LastFailure, Latency, ParticipantFacts, ParticipantsPage, Trouble,
};
