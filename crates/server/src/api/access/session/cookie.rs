//! The console's cookies that have a secret: a session's, and that of forms which are sent without a session.
//!
//! A session's cookie is never sent with a request that another site has brought about, not even with a followed link
//! (`SameSite=Strict`). The cookie of forms is sent with followed links, so that a link does not make another one; it lets nobody in.

use std::fmt;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::hmac;
use saga_journal::SessionHash;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a header `Cookie` that are looked at.
const COOKIES_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a cookie's random part.
const COOKIE_SECRET_BYTES: usize = 32;
/// The purpose that the tokens of forms are derived for.
const TOKEN_PURPOSE: &[u8] = b"the forms of the console";

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CookieKind {
    /// Of somebody who is signed in.
    Session,
    /// Of forms that are sent without a session: the sign-in, and all of them where no keys are configured.
    Form,
}

/// The random bits of a cookie.
#[derive(Clone)]
pub(crate) struct CookieSecret(Zeroizing<[u8; COOKIE_SECRET_BYTES]>);

/// The proof, in each form, that it comes from a page which was made for the holder of this cookie. It does not tell the cookie.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct CsrfToken(String);

impl CookieKind {
    /// The cookie's name. A browser takes one with `__Host-` from this very host alone, and over TLS alone
    /// (RFC 6265bis, 4.1.3.2). Cookies do not know ports: the name is not one that another program of this machine has.
    fn name(self, is_https: bool) -> &'static str {
        match (self, is_https) {
            (Self::Session, true) => "__Host-orchestrateur-session",
            (Self::Session, false) => "orchestrateur-session",
            (Self::Form, true) => "__Host-orchestrateur-form",
            (Self::Form, false) => "orchestrateur-form",
        }
    }

    /// The secret of this cookie in a request. A cookie that is there twice is none: one of them is somebody else's.
    pub(crate) fn of(self, headers: &HeaderMap, is_https: bool) -> Option<CookieSecret> {
        let name = self.name(is_https);
        let mut values = cookies(headers).filter(|(known, _)| *known == name).map(|(_, value)| value);
        let first = values.next()?;
        if values.next().is_some() { None } else { CookieSecret::read(first) }
    }

    /// `Set-Cookie` for this secret; `None`: to take the cookie away.
    pub(crate) fn set(self, secret: Option<&CookieSecret>, is_https: bool) -> HeaderValue {
        let (name, same_site) = (self.name(is_https), if self == Self::Session { "Strict" } else { "Lax" });
        let secure = if is_https { "; Secure" } else { "" };
        let (value, age) = match secret {
            Some(secret) => (secret.text(), ""),
            None => (Zeroizing::default(), "; Max-Age=0"),
        };
        let text = format!("{name}={}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}", *value);
        let mut value = HeaderValue::try_from(text).expect("base64 and names are visible characters");
        value.set_sensitive(true);
        value
    }
}

impl CookieSecret {
    /// A new one.
    pub(crate) fn draw() -> Result<Self, getrandom::Error> {
        let mut bits = Zeroizing::new([0; COOKIE_SECRET_BYTES]);
        getrandom::fill(&mut *bits)?;
        Ok(Self(bits))
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?);
        let bits: [u8; COOKIE_SECRET_BYTES] = bytes.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(bits)))
    }

    fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*self.0))
    }

    /// The hash by which the journal knows a session.
    pub(crate) fn hash(&self) -> SessionHash {
        SessionHash(Sha256::digest(*self.0).into())
    }

    /// The token of this cookie's forms: derived, so that nothing more is kept.
    pub(crate) fn token(&self) -> CsrfToken {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &*self.0), TOKEN_PURPOSE);
        CsrfToken(BASE64_URL_SAFE_NO_PAD.encode(tag))
    }
}

impl CsrfToken {
    /// As it stands in a form.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether a form has this token; the comparison takes the same time wherever two tokens differ.
    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// The cookies of a request (RFC 6265, 4.2): their names and values.
pub(crate) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|header| header.to_str().ok());
    let all = all.filter(|header| header.len() <= COOKIES_BYTES_MAX);
    all.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(..)")
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(cookies: &[&str]) -> HeaderMap {
        cookies.iter().map(|cookie| (header::COOKIE, cookie.parse().unwrap())).collect()
    }

    #[test]
    fn a_cookie_is_read_as_it_was_set_and_one_that_is_there_twice_is_none() {
        for (is_https, is_secure) in [(true, true), (false, false)] {
            let secret = CookieSecret::draw().unwrap();
            let set = CookieKind::Session.set(Some(&secret), is_https);
            let set = set.to_str().unwrap();
            assert!(set.contains("; Path=/; HttpOnly; SameSite=Strict") && !set.contains("Domain"), "{set}");
            assert_eq!((set.contains("; Secure"), set.starts_with("__Host-")), (is_secure, is_secure));
            let pair = set.split(';').next().unwrap();
            let read = |cookies: &[&str]| {
                CookieKind::Session.of(&request(cookies), is_https).map(|read| read.hash() == secret.hash())
            };
            assert_eq!(read(&[pair]), Some(true));
            assert_eq!(read(&["lang=fr", &format!("a=b; {pair};c")]), Some(true));
            assert_eq!(read(&[pair, pair]), None);
            assert_eq!(read(&[&format!("{pair}; {pair}")]), None);
            assert_eq!(read(&[&pair[..pair.len() - 1]]), None);
            assert_eq!(read(&[&format!("{pair}A")]), None);
            assert!(CookieKind::Session.of(&request(&[pair]), !is_https).is_none());
            assert!(CookieKind::Form.of(&request(&[pair]), is_https).is_none());
        }
    }

    #[test]
    fn a_token_is_that_of_its_cookie_alone_and_does_not_tell_it() {
        let [one, other] = [(); 2].map(|()| CookieSecret::draw().unwrap());
        assert!(one.token().is(one.token().text()) && !one.token().is(other.token().text()));
        for wrong in ["", "x", &format!("{}x", one.token().text()), &one.token().text()[1..]] {
            assert!(!one.token().is(wrong), "{wrong}");
        }
        assert_ne!(one.token().text(), &**one.text());
        assert_ne!(one.hash().0, *one.0);
        assert!(!format!("{one:?} {:?}", one.token()).contains(one.token().text()));
    }
}
