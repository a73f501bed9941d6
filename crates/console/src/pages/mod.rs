//! The pages. Each is a struct of the values that it shows, with its template.

mod notice;
mod sign_in;

pub use self::notice::NoticePage;
pub use self::sign_in::{AgainPage, SignInPage, SignInTrouble};
