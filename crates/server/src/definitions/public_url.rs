//! The address under which services outside reach this server.

use std::str::FromStr;
use std::sync::Arc;

use axum::http::Uri;

/// Bytes of such an address. It stands in requests to services.
const PUBLIC_URL_BYTES_MAX: usize = 512;

/// An address such as `https://sagas.example.com` or `https://example.com/sagas`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    text: Arc<str>,
    host: Arc<str>,
}

impl PublicUrl {
    /// The name or address in it, without the port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is an address of TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
    }

    /// Where callbacks are taken: see `face/sagas/callbacks.rs`.
    pub(super) fn callbacks_at(&self) -> Arc<str> {
        format!("{}/api/callbacks", self.text).into()
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            "write the address under which services reach this server, such as https://sagas.example.com";
        if text.len() > PUBLIC_URL_BYTES_MAX {
            return Err(format!("it has {} bytes; the limit is {PUBLIC_URL_BYTES_MAX}", text.len()));
        }
        let text = text.trim().trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|error| format!("{error}; {wanted}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(format!("it needs http:// or https://; {wanted}"));
        }
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(format!("it names no host; {wanted}"));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(format!("it has a user name or a password, which every service would see; {wanted}"));
        }
        if text.contains(['?', '#']) {
            return Err(format!("it has a query or a fragment; {wanted}"));
        }
        Ok(Self { text: text.into(), host: host.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_callbacks_stands_behind_it() {
        for (text, callbacks, host) in [
            ("https://sagas.example.com", "https://sagas.example.com/api/callbacks", "sagas.example.com"),
            ("https://example.com/sagas/", "https://example.com/sagas/api/callbacks", "example.com"),
            ("http://127.0.0.1:8023", "http://127.0.0.1:8023/api/callbacks", "127.0.0.1"),
            ("http://[::1]:8023", "http://[::1]:8023/api/callbacks", "[::1]"),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((&*url.callbacks_at(), url.host()), (callbacks, host), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_is_wrong() {
        let long = format!("https://{}", "a".repeat(PUBLIC_URL_BYTES_MAX));
        for (text, why) in [
            ("sagas.example.com", "it needs http:// or https://"),
            ("ftp://sagas.example.com", "it needs http:// or https://"),
            ("/sagas", "it needs http:// or https://"),
            ("https://", "write the address"),
            ("https://me:secret@example.com", "it has a user name or a password"),
            ("https://example.com/?a=1", "it has a query"),
            ("https://example.com/#a", "it has a query"),
            ("https://exa mple.com", "invalid"),
            (long.as_str(), "the limit is 512"),
        ] {
            let refused = text.parse::<PublicUrl>().unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
