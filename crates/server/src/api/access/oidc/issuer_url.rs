//! The issuer's address, as the flag has it, and the addresses that follow from it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::Uri;
use axum::http::uri::Scheme;

/// Where an issuer's document is, below its address (OpenID Connect Discovery 1.0, 4).
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// The address of an issuer, which is its name, too: both are compared letter by letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IssuerUrl {
    text: Arc<str>,
    document: Uri,
    /// On this machine, where nobody listens between.
    is_local: bool,
}

impl IssuerUrl {
    pub(super) fn name(&self) -> &Arc<str> {
        &self.text
    }

    /// The issuer's document.
    pub(super) fn document(&self) -> &Uri {
        &self.document
    }

    /// The address that the issuer's document names. Only an issuer on this machine may name a plain one.
    pub(super) fn keys_at(&self, text: &str) -> Result<Uri, String> {
        let uri: Uri = text.parse().map_err(|error| format!("`{}`: {error}", text.escape_debug()))?;
        let is_local = checked(&uri, false)?;
        if uri.scheme() == Some(&Scheme::HTTP) && !(is_local && self.is_local) {
            return Err(format!("`{uri}` is not https"));
        }
        Ok(uri)
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for IssuerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "write the issuer as its documents do, such as https://id.example.com/realms/shop";
        let uri: Uri = text.parse().map_err(|error| format!("{error}; {wanted}"))?;
        let is_local = checked(&uri, true).map_err(|error| format!("{error}; {wanted}"))?;
        if uri.scheme() == Some(&Scheme::HTTP) && !is_local {
            return Err(format!(
                "it is not https, which only an issuer on this machine need not be; {wanted}"
            ));
        }
        let document = format!("{}{WELL_KNOWN}", text.trim_end_matches('/'));
        let document = document.parse().map_err(|error| format!("{error}; {wanted}"))?;
        Ok(Self { text: text.into(), document, is_local })
    }
}

/// Whether a URL that can be fetched leads to this machine.
fn checked(uri: &Uri, is_issuer: bool) -> Result<bool, String> {
    let is_http = uri.scheme() == Some(&Scheme::HTTP) || uri.scheme() == Some(&Scheme::HTTPS);
    match (is_http, uri.authority()) {
        (true, Some(authority)) if !authority.as_str().contains('@') => {}
        _ => return Err(format!("`{uri}` is no https address without a password")),
    }
    if is_issuer && uri.query().is_some() {
        return Err(format!("`{uri}` has a query, which no issuer has"));
    }
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_address = bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    Ok(is_address || bare == "localhost" || bare.ends_with(".localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_reached_by_https_unless_it_is_on_this_machine() {
        let document = |text: &str| text.parse::<IssuerUrl>().map(|issuer| issuer.document.to_string());
        for (issuer, expected) in [
            ("https://id.example.com", "https://id.example.com/.well-known/openid-configuration"),
            ("https://id.example.com/", "https://id.example.com/.well-known/openid-configuration"),
            ("https://id.example.com/a/b/", "https://id.example.com/a/b/.well-known/openid-configuration"),
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a/.well-known/openid-configuration"),
            ("http://[::1]:8080", "http://[::1]:8080/.well-known/openid-configuration"),
            ("http://id.localhost", "http://id.localhost/.well-known/openid-configuration"),
        ] {
            assert_eq!(document(issuer).as_deref(), Ok(expected));
        }
        for (wrong, why) in [
            ("http://id.example.com", "is not https"),
            ("http://10.0.0.1", "is not https"),
            ("http://localhost.example.com", "is not https"),
            ("https://user:password@id.example.com", "without a password"),
            ("https://id.example.com/?a=b", "has a query"),
            ("ftp://id.example.com", "no https address"),
            ("id.example.com", "no https address"),
            ("/realms", "no https address"),
            ("", "write the issuer"),
        ] {
            let told = document(wrong).unwrap_err();
            assert!(told.contains(why), "{wrong}: {told}");
        }
    }

    #[test]
    fn only_an_issuer_on_this_machine_has_its_keys_at_a_plain_address() {
        let local: IssuerUrl = "http://127.0.0.1:1".parse().unwrap();
        let remote: IssuerUrl = "https://id.example.com".parse().unwrap();
        assert!(local.keys_at("http://127.0.0.1:1/keys?v=2").is_ok());
        assert!(remote.keys_at("https://keys.example.com/v2?a=b").is_ok());
        for wrong in
            ["http://127.0.0.1:1/keys", "http://id.example.com/keys", "file:///etc/passwd", "/keys", ""]
        {
            assert!(remote.keys_at(wrong).is_err(), "{wrong}");
        }
        assert!(local.keys_at("http://id.example.com/keys").is_err());
    }
}
