//! The page that asks for a key, and the one that loads it again.

use askama::Template;

use crate::frame::{PageFrame, PageName};
use crate::words::{Lang, SignInWords};

/// The page that asks for a key.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignInPage {
    /// The frame; it has a reader where somebody is signed in already.
    pub frame: PageFrame,
    /// The proof in this page's form. The one in the frame is of the session, if there is one.
    pub token: String,
    /// The page to go on to.
    pub next: Option<String>,
    /// Why nobody is signed in.
    pub trouble: Option<SignInTrouble>,
}

/// Why a sign-in failed, or would fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInTrouble {
    /// The key is none that may be used.
    BadKey,
    /// It is a token of an issuer.
    Token,
    /// There were too many tries.
    TooMany,
    /// The server has no file of keys.
    NoKeys,
    /// The session cannot be kept now.
    Unavailable,
}

/// A page that leads to the sign-in at once: then the browser sends the cookie of a session, if it has one.
#[derive(Debug, Template)]
#[template(path = "again.html")]
pub struct AgainPage {
    /// The frame.
    pub frame: PageFrame,
    /// Where it leads.
    pub address: String,
}

impl SignInTrouble {
    pub(crate) fn text(&self, lang: Lang) -> &'static str {
        let words = SignInWords::of(lang);
        match self {
            Self::BadKey => words.bad_key,
            Self::Token => words.token,
            Self::TooMany => words.too_many,
            Self::NoKeys => words.no_keys,
            Self::Unavailable => words.unavailable,
        }
    }
}

impl SignInPage {
    pub(crate) fn words(&self) -> &'static SignInWords {
        SignInWords::of(self.frame.lang())
    }
}

impl AgainPage {
    pub(crate) fn words(&self) -> &'static SignInWords {
        SignInWords::of(self.frame.lang())
    }
}
