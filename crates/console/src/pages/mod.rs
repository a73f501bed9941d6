//! The pages. Each is a struct of the values that it shows, with its template.

mod filters;
mod notice;
mod saga_rows;
mod sagas;
mod search;

pub use self::filters::{FAMILY, LABEL, LIST, ListFilters};
pub use self::notice::NoticePage;
pub use self::saga_rows::{SagaLine, SagaPlace, ShownLabel};
pub use self::sagas::{FoundRows, KnownNames, SagasPage};
pub use self::search::{FoundFilter, NothingFound, SearchPage};
