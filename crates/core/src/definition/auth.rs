//! How the orchestrator proves itself to a participant: the value of `Authorization`, and the request for an access token.
//!
//! The secrets are named here ([`SecretSource`]) and read elsewhere, each time anew: a definition that is stored in the
//! journal has none, and a secret that changes is used without a restart.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use form_urlencoded::byte_serialize;
use http::Uri;
use strum::{Display, EnumString, VariantNames};

use super::secret::{SecretSource, SecretText};

/// How calls to a participant prove who makes them. Equal ones get the same credentials.
#[derive(Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// A token that somebody else renews (RFC 6750).
    Bearer(SecretSource),
    /// A name and a password (RFC 7617), in UTF-8.
    Basic {
        /// Without a colon.
        user: Box<str>,
        /// Its password.
        password: SecretSource,
    },
    /// An access token that is asked for with the client's own credentials (RFC 6749, 4.4).
    OAuth2(Arc<TokenClient>),
}

/// How access tokens are asked for.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct TokenClient {
    /// Where.
    pub token_url: Uri,
    /// The orchestrator's name there.
    pub client_id: Box<str>,
    /// Its password there.
    pub client_secret: SecretSource,
    /// How the two are sent.
    pub client_auth: ClientAuth,
    /// What the token is for, in words of the token endpoint; `None`: what it gives by itself.
    pub scope: Option<Box<str>>,
    /// Whom the token is for, where the token endpoint wants to know (RFC 8707 calls it resource, many call it audience).
    pub audience: Option<Box<str>>,
}

/// How a client proves itself to a token endpoint, by the names of RFC 8414.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Display, EnumString, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum ClientAuth {
    /// By `Authorization: Basic`, which every token endpoint has to take (RFC 6749, 2.3.1).
    ClientSecretBasic,
    /// In the request's body.
    ClientSecretPost,
}

/// A request for an access token.
#[derive(Debug)]
pub struct TokenRequest {
    /// The value of `Authorization`; `None`: the body has the client's secret.
    pub authorization: Option<SecretText>,
    /// `application/x-www-form-urlencoded`.
    pub form: SecretText,
}

/// A secret that cannot be sent. It says what is wrong, and has no part of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableSecret {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// A token is visible ASCII without spaces (RFC 6750, 2.1, has even fewer characters).
    #[error("it has a space, a line break or another character that a token cannot have")]
    NoToken,
    /// A password has no control characters (RFC 7617, 2).
    #[error("it has a line break or another control character, which a password cannot have")]
    NoPassword,
}

impl Auth {
    /// The secret that the definition names.
    pub fn secret(&self) -> &SecretSource {
        match self {
            Self::Bearer(secret) | Self::Basic { password: secret, .. } => secret,
            Self::OAuth2(client) => &client.client_secret,
        }
    }

    /// Whether `secret` can be sent as this kind of secret.
    pub fn suits(&self, secret: &str) -> Result<(), UnusableSecret> {
        match self {
            Self::Bearer(_) => is_token(secret),
            Self::Basic { .. } | Self::OAuth2(_) => is_password(secret),
        }
    }

    /// The value of `Authorization` for a bearer's token or a password; `None`: an access token has to be asked for.
    pub fn authorization(&self, secret: &str) -> Option<SecretText> {
        match self {
            Self::Bearer(_) => Some(bearer(secret)),
            Self::Basic { user, .. } => Some(basic(user, secret)),
            Self::OAuth2(_) => None,
        }
    }
}

impl TokenClient {
    /// The request for an access token.
    pub fn request(&self, secret: &str) -> TokenRequest {
        // Names and values are encoded for a form first, also in `Authorization` (RFC 6749, 2.3.1).
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let mut form = String::from("grant_type=client_credentials");
        let mut add = |name: &str, value: &str| {
            form.push('&');
            form.push_str(name);
            form.push('=');
            form.extend(byte_serialize(value.as_bytes()));
        };
        let named = [("scope", &self.scope), ("audience", &self.audience)];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
            add(name, value);
        }
        let authorization = match self.client_auth {
            ClientAuth::ClientSecretBasic => {
                Some(basic(&encoded(&self.client_id), SecretText::new(encoded(secret)).reveal()))
            }
            ClientAuth::ClientSecretPost => {
                add("client_id", &self.client_id);
                add("client_secret", secret);
                None
            }
        };
        TokenRequest { authorization, form: SecretText::new(form) }
    }
}

/// What it is, for people: never a secret.
impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer(secret) => write!(f, "the bearer token {secret}"),
            Self::Basic { user, password } => write!(f, "the password {password} of `{user}`"),
            Self::OAuth2(client) => {
                write!(f, "an access token from {} for `{}`", client.token_url, client.client_id)
            }
        }
    }
}

/// `Authorization: Bearer`.
pub(crate) fn bearer(token: &str) -> SecretText {
    SecretText::new(format!("Bearer {token}"))
}

fn basic(user: &str, password: &str) -> SecretText {
    let both = SecretText::new(format!("{user}:{password}"));
    let encoded = SecretText::new(BASE64_STANDARD.encode(both.reveal()));
    SecretText::new(format!("Basic {}", encoded.reveal()))
}

/// Whether a text can stand behind `Bearer`.
pub(crate) fn is_token(text: &str) -> Result<(), UnusableSecret> {
    if text.is_empty() {
        return Err(UnusableSecret::Empty);
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { Ok(()) } else { Err(UnusableSecret::NoToken) }
}

fn is_password(text: &str) -> Result<(), UnusableSecret> {
    if text.is_empty() {
        return Err(UnusableSecret::Empty);
    }
    if text.chars().any(char::is_control) { Err(UnusableSecret::NoPassword) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> SecretSource {
        SecretSource::File("/secret".into())
    }

    fn client(client_auth: ClientAuth) -> TokenClient {
        TokenClient {
            token_url: Uri::from_static("https://idp/token"),
            client_id: "our shop:1".into(),
            client_secret: file(),
            client_auth,
            scope: Some("stock:write a&b".into()),
            audience: None,
        }
    }

    /// The examples of RFC 7617, 2 and 2.1.
    #[test]
    fn passwords_are_sent_in_utf_8() {
        let sent = |user: &str, password: &str| {
            let auth = Auth::Basic { user: user.into(), password: file() };
            auth.authorization(password).expect("a password").reveal().to_owned()
        };
        assert_eq!(sent("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(sent("test", "123\u{a3}"), "Basic dGVzdDoxMjPCow==");
        assert_eq!(Auth::Bearer(file()).authorization("t").expect("a token").reveal(), "Bearer t");
    }

    #[test]
    fn a_client_proves_itself_in_the_header_or_in_the_body() {
        let sent = |client_auth| {
            let TokenRequest { authorization, form } = client(client_auth).request("p%&w");
            (authorization.map(|text| text.reveal().to_owned()), form.reveal().to_owned())
        };
        let (header, form) = sent(ClientAuth::ClientSecretBasic);
        assert_eq!(form, "grant_type=client_credentials&scope=stock%3Awrite+a%26b");
        let decoded = BASE64_STANDARD.decode(&header.expect("a header")["Basic ".len()..]).expect("base64");
        assert_eq!(String::from_utf8(decoded).expect("text"), "our+shop%3A1:p%25%26w");
        let (header, form) = sent(ClientAuth::ClientSecretPost);
        assert_eq!(header, None);
        assert!(form.ends_with("&client_id=our+shop%3A1&client_secret=p%25%26w"), "{form}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let (bearer, basic) = (Auth::Bearer(file()), Auth::Basic { user: "u".into(), password: file() });
        for (auth, secret, expected) in [
            (&bearer, "eyJ.a-b_c~d+e/f==", Ok(())),
            (&bearer, "", Err(UnusableSecret::Empty)),
            (&bearer, "a b", Err(UnusableSecret::NoToken)),
            (&bearer, "a\r\nHost: evil", Err(UnusableSecret::NoToken)),
            (&bearer, "caf\u{e9}", Err(UnusableSecret::NoToken)),
            (&basic, "a b:\u{e9}", Ok(())),
            (&basic, "a\n", Err(UnusableSecret::NoPassword)),
            (&basic, "a\u{85}", Err(UnusableSecret::NoPassword)),
        ] {
            assert_eq!(auth.suits(secret), expected, "{secret:?}");
        }
    }

    #[test]
    fn no_report_has_a_secret() {
        let value = Some(SecretText::new("hunter2".into()));
        let auth =
            Auth::Basic { user: "u".into(), password: SecretSource::Variable { name: "P".into(), value } };
        let authorization = auth.authorization("hunter2");
        let request = client(ClientAuth::ClientSecretPost).request("hunter2");
        let shown = format!("{auth} {auth:?} {authorization:?} {request:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMg"), "{shown}");
        assert!(shown.contains("the password ${P} of `u`"), "{shown}");
    }
}
