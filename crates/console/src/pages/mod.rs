//! The pages. Each is a struct of the values that it shows, with its template.

mod notice;
mod saga;
mod saga_raw;

pub use self::notice::NoticePage;
pub use self::saga::{
    ActCard, ActTab, FindingChoice, FollowLine, GivenShown, HistoryShown, LabelShown, PendingCallShown,
    PendingCard, SagaAct, SagaAsked, SagaPage, SagaRow, SagaRowKind, SagaRows, SagaSeen, SagaView, StepShown,
    TypedAct,
};
pub use self::saga_raw::SagaRawPage;
