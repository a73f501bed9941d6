//! The pages. Each is a struct of the values that it shows, with its template.

mod actions;
mod filters;
mod inbox;
mod notice;
mod saga_rows;
mod sagas;
mod search;

pub use self::actions::{
    ACTIONS, ActionCount, ActionLine, ActionPage, ActionsPage, ItemLine, ItemWhy, bulk_state, item_href,
    no_such_action,
};
pub use self::filters::{FAMILY, LABEL, LIST, ListFilters};
pub use self::inbox::{
    CauseFacts, CauseObstacle, CauseOrder, INBOX, InboxAnswer, InboxPage, InboxView, MINUTES_SHOWN,
    MinuteBars, OpenCause, SuspendedParticipant, TypedTexts, TypicalTry, cause_place, finding_word,
    takes_finding,
};
pub use self::notice::NoticePage;
pub use self::saga_rows::{ListedSaga, SagaPlace, ShownLabel};
pub use self::sagas::{FoundRows, KnownNames, SagasPage};
pub use self::search::{FoundFilter, NothingFound, SearchPage};
