//! The pages. Each is a struct of the values that it shows, with its template.

mod actions;
mod definition;
mod definitions;
mod filters;
mod inbox;
mod notice;
mod overview;
mod participants;
mod saga;
mod saga_raw;
mod saga_rows;
mod sagas;
mod search;
mod sign_in;

pub use self::actions::{
    ACTIONS, ActionCount, ActionLine, ActionPage, ActionsPage, ItemLine, ItemWhy, bulk_state, item_href,
    no_such_action,
};
pub use self::definition::{DefinitionKnown, DefinitionPage};
pub use self::definitions::DefinitionsPage;
pub use self::filters::{FAMILY, LABEL, LIST, ListFilters};
pub use self::inbox::{
    CauseFacts, CauseObstacle, CauseOrder, INBOX, InboxAnswer, InboxPage, InboxView, MINUTES_SHOWN,
    MinuteBars, OpenCause, SuspendedParticipant, TypedTexts, TypicalTry, cause_place, finding_word,
    takes_finding,
};
pub use self::notice::NoticePage;
pub use self::overview::{NeedFacts, OverviewPage, StaleFacts, WholeKnown};
pub use self::participants::{
    AccessFacts, CallGate, FailureKind, LastFailure, Latency, ParticipantFacts, ParticipantsPage, Trouble,
};
pub use self::saga::{
    ActCard, ActTab, FindingChoice, FollowLine, GivenShown, HistoryShown, LabelShown, PendingCallShown,
    PendingCard, SagaAct, SagaAsked, SagaPage, SagaRow, SagaRowKind, SagaRows, SagaSeen, SagaView, StepShown,
    TypedAct,
};
pub use self::saga_raw::SagaRawPage;
pub use self::saga_rows::{ListedSaga, SagaPlace, ShownLabel};
pub use self::sagas::{FoundRows, KnownNames, SagasPage};
pub use self::search::{FoundFilter, NothingFound, SearchPage};
pub use self::sign_in::{AgainPage, SignInPage, SignInTrouble};
