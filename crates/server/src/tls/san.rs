//! A name of a certificate's subject (`subjectAltName`, RFC 5280, 4.2.1.6), as the keys file has it: `dns:shop.internal`.

use std::fmt;
use std::str::FromStr;

/// Characters of a name.
const SAN_CHARS_MAX: usize = 255;

/// A name that a certificate is for. Two names are the same if they are of one kind and equal; the case of a DNS name does not
/// matter. A name with a wildcard is none: it stands for many.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum San {
    /// In lower case.
    Dns(String),
    Uri(String),
    Email(String),
}

impl San {
    /// The DNS name that a certificate has.
    pub(crate) fn dns(name: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let is_name =
            !name.is_empty() && name.chars().all(is_plain) && name.split('.').all(|label| !label.is_empty());
        (is_name && name.len() <= SAN_CHARS_MAX).then(|| Self::Dns(name.to_ascii_lowercase()))
    }

    /// The URI that a certificate has, such as `spiffe://example.org/shop`.
    pub(crate) fn uri(uri: &str) -> Option<Self> {
        let (scheme, rest) = uri.split_once(':')?;
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        (is_scheme && !rest.is_empty() && is_line(uri)).then(|| Self::Uri(uri.to_owned()))
    }

    /// The address of electronic mail that a certificate has.
    pub(crate) fn email(address: &str) -> Option<Self> {
        let (mailbox, host) = address.rsplit_once('@')?;
        (!mailbox.is_empty() && !host.is_empty() && is_line(address)).then(|| Self::Email(address.to_owned()))
    }
}

/// Visible ASCII characters, not too many, and no wildcard.
fn is_line(text: &str) -> bool {
    text.len() <= SAN_CHARS_MAX && text.chars().all(|c| c.is_ascii_graphic() && c != '*')
}

impl FromStr for San {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = match text.split_once(':') {
            Some(("dns", name)) => Self::dns(name),
            Some(("uri", uri)) => Self::uri(uri),
            Some(("email", address)) => Self::email(address),
            _ => None,
        };
        found.ok_or_else(|| {
            format!(
                "`{}` is no name of a certificate; write dns:shop.internal, uri:spiffe://example.org/shop or \
                 email:shop@example.org, without a wildcard and of {SAN_CHARS_MAX} characters at most",
                text.escape_debug()
            )
        })
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Email(address) => write!(f, "email:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_kind_and_is_compared_exactly_but_for_the_case_of_dns() {
        let parse = |text: &str| text.parse::<San>();
        assert_eq!(parse("dns:Shop.Internal").unwrap(), San::dns("SHOP.internal").unwrap());
        assert_eq!(parse("dns:Shop.Internal").unwrap().to_string(), "dns:shop.internal");
        assert_eq!(parse("uri:spiffe://a/b").unwrap(), San::uri("spiffe://a/b").unwrap());
        assert_ne!(parse("uri:spiffe://a/B").unwrap(), San::uri("spiffe://a/b").unwrap());
        assert_eq!(parse("email:a@b.org").unwrap().to_string(), "email:a@b.org");
        assert_ne!(parse("dns:a.org").unwrap(), parse("uri:a.org:x").unwrap());
        for wrong in [
            "",
            "shop.internal",
            "dns:",
            "dns:*.internal",
            "dns:a..b",
            "dns:.a",
            "dns:a b",
            "dns:ä.org",
            "DNS:a.org",
            "ip:127.0.0.1",
            "uri:",
            "uri:shop",
            "uri:spiffe:",
            "uri:1:x",
            "uri:https://*.org/",
            "uri:a:b\n",
            "email:a",
            "email:@b",
            "email:a@",
            "email:*@b.org",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(
            San::dns(&"a".repeat(SAN_CHARS_MAX)).is_some()
                && San::dns(&"a".repeat(SAN_CHARS_MAX + 1)).is_none()
        );
        assert!(San::dns("a\0.internal").is_none(), "a name of a certificate may have any character");
    }
}
