//! The pages. Each is a struct of the values that it shows, with its template.

mod notice;

pub use self::notice::NoticePage;
