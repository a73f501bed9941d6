//! The form of a participant's `auth` and `tls`.

use super::Spanned;
use super::keys::Keys;

/// How the orchestrator proves itself: each way that is present.
pub(in super::super) struct AuthIn {
    pub(in super::super) bearer: Option<Spanned<String>>,
    pub(in super::super) basic: Option<Spanned<BasicIn>>,
    pub(in super::super) oauth2: Option<Spanned<OAuth2In>>,
    /// Whether some of its keys are wrong, which has been reported.
    pub(in super::super) is_mistaken: bool,
}

pub(in super::super) struct BasicIn {
    pub(in super::super) user: Option<Spanned<String>>,
    pub(in super::super) password: Option<Spanned<String>>,
}

pub(in super::super) struct OAuth2In {
    pub(in super::super) token_url: Option<Spanned<String>>,
    pub(in super::super) client_id: Option<Spanned<String>>,
    pub(in super::super) client_secret: Option<Spanned<String>>,
    pub(in super::super) client_auth: Option<Spanned<String>>,
    pub(in super::super) scope: Option<Spanned<String>>,
    pub(in super::super) audience: Option<Spanned<String>>,
}

pub(in super::super) struct TlsIn {
    pub(in super::super) ca: Option<Spanned<String>>,
    pub(in super::super) cert: Option<Spanned<String>>,
    pub(in super::super) key: Option<Spanned<String>>,
    pub(in super::super) server_name: Option<Spanned<String>>,
}

impl AuthIn {
    pub(super) fn read_at(keys: &mut Keys<'_, '_>) -> Option<Spanned<Self>> {
        let told = keys.notes.mistakes.len();
        let mut auth = keys.mapping("auth", Self::read)?;
        auth.value.is_mistaken = keys.notes.mistakes.len() > told;
        Some(auth)
    }

    fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            bearer: keys.text("bearer"),
            basic: keys.mapping("basic", BasicIn::read),
            oauth2: keys.mapping("oauth2", OAuth2In::read),
            is_mistaken: false,
        }
    }
}

impl BasicIn {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let basic = Self { user: keys.text("user"), password: keys.text("password") };
        ["user", "password"].into_iter().for_each(|key| keys.require(key));
        basic
    }
}

impl OAuth2In {
    fn read(keys: &mut Keys<'_, '_>) -> Self {
        let oauth2 = Self {
            token_url: keys.text("token_url"),
            client_id: keys.text("client_id"),
            client_secret: keys.text("client_secret"),
            client_auth: keys.text("client_auth"),
            scope: keys.text("scope"),
            audience: keys.text("audience"),
        };
        ["token_url", "client_id", "client_secret"].into_iter().for_each(|key| keys.require(key));
        oauth2
    }
}

impl TlsIn {
    pub(super) fn read(keys: &mut Keys<'_, '_>) -> Self {
        Self {
            ca: keys.text("ca"),
            cert: keys.text("cert"),
            key: keys.text("key"),
            server_name: keys.text("server_name"),
        }
    }
}
