//! A participant's URL: every part of it has a meaning, or is a mistake. No part is dropped silently.

use super::super::InputForm;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::path::{Spelling, literal_segment};

/// The correction in messages.
pub(super) const HELP: &str = "write http://host:port or https://host, with or without a path, e.g. \
                               \"${STOCK_URL:-http://stock-service:8000}\"";
/// The longest name of a host (RFC 1035, 2.3.4).
const HOST_CHARS_MAX: usize = 253;

/// Why `text` is not the URL of a service.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("the URL is empty; {HELP}"));
    }
    // Not repeated in the message: the text before the `@` is a secret.
    if text.contains('@') {
        return Err(
            "a URL cannot carry a name or password; put what the service asks for into `headers`".into()
        );
    }
    let wrong =
        |why: &str| Err(format!("`{}` is not a URL of a service: {why}; {HELP}", text.escape_debug()));
    if let Some(c) = text.chars().find(|c| !c.is_ascii_graphic()) {
        return wrong(&format!("it has the character `{}`", c.escape_debug()));
    }
    let Some(rest) = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")) else {
        let lower = text.to_ascii_lowercase();
        return wrong(if lower.starts_with("http://") || lower.starts_with("https://") {
            "its scheme has to be in lower case"
        } else if lower.starts_with("http:") || lower.starts_with("https:") {
            "two slashes follow the scheme"
        } else {
            "it has to begin with http:// or https://"
        });
    };
    if rest.contains('#') {
        return wrong("it has a fragment, `#`, which no service would see");
    }
    if rest.contains('?') {
        return wrong("it has a query, which belongs into the paths of the calls");
    }
    let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if host.parse::<Ipv6Addr>().is_ok() => (None, port),
            _ => return wrong("what stands in `[ ]` is no IPv6 address"),
        },
        None if authority.matches(':').count() > 1 => return wrong("an IPv6 address stands in `[ ]`"),
        None => {
            let (host, _) = authority.split_once(':').unwrap_or((authority, ""));
            (Some(host), &authority[host.len()..])
        }
    };
    if let Some(why) = host.and_then(wrong_host) {
        return wrong(&why);
    }
    let number = port.strip_prefix(':');
    let is_a_port = number.is_some_and(|digits| {
        digits.bytes().all(|c| c.is_ascii_digit()) && digits.parse().is_ok_and(|port: u16| port > 0)
    });
    if !port.is_empty() && !is_a_port {
        return wrong(&format!("`{}` is not a port from 1 to 65535", number.unwrap_or(port)));
    }
    let nothing = Spelling { inputs: &InputForm::Members(Vec::new()), steps: &[] };
    let mut segments: Vec<&str> = prefix.split('/').collect();
    // A `/` at the end is no segment.
    segments.pop_if(|last| last.is_empty());
    match segments.iter().find_map(|segment| literal_segment(segment, &nothing).err()) {
        Some(why) => wrong(&why),
        None => Ok(()),
    }
}

/// Why a text is no name of a host; `None`: it is one.
pub(super) fn wrong_host(host: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    if name.is_empty() {
        Some("it has no host".into())
    } else if let Some(c) = host.chars().find(|c| !is_plain(*c)) {
        Some(format!("a host cannot have the character `{c}`"))
    } else if name.split('.').any(str::is_empty) || host.len() > HOST_CHARS_MAX {
        Some("its host is no name".into())
    } else if last.bytes().all(|c| c.is_ascii_digit()) && host.parse::<Ipv4Addr>().is_err() {
        Some(format!("`{host}` is no IPv4 address"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn addresses_of_services() {
        for url in [
            "http://stock",
            "http://stock/",
            "https://stock.example.",
            "http://stock_service:8000/v1/api/",
            "http://127.0.0.1:1",
            "https://[::1]:65535/x",
            "http://[2001:db8::1]",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_would_be_dropped_or_read_otherwise_is_refused() {
        for (url, why) in [
            ("http://h:99999", "`99999` is not a port"),
            ("http://h:0", "`0` is not a port"),
            ("http://h:", "`` is not a port"),
            ("http://h:+80", "`+80` is not a port"),
            ("http://h:80a", "`80a` is not a port"),
            ("http://[::1]80", "`80` is not a port"),
            ("http://h:80:90", "an IPv6 address stands in"),
            ("http://::1", "an IPv6 address stands in"),
            ("http://[::1", "no IPv6 address"),
            ("http://[fe80::1%25eth0]", "no IPv6 address"),
            ("http://u:p@h", "cannot carry a name or password"),
            ("http://@h", "cannot carry a name or password"),
            ("http://h#x", "fragment"),
            ("http://h?x=1", "query"),
            ("http:/h", "two slashes"),
            ("http:h", "two slashes"),
            ("HTTP://h", "lower case"),
            ("Https://h", "lower case"),
            ("http://", "no host"),
            ("http:///x", "no host"),
            ("http://:80", "no host"),
            ("http://.", "no host"),
            ("http://a..b", "no name"),
            ("http://a b", "the character ` `"),
            (" http://a", "the character ` `"),
            ("http://a\n", "the character `\\n`"),
            ("http://caf\u{e9}", "the character"),
            ("http://a\\b", "the character `\\`"),
            ("http://a%20b", "the character `%`"),
            ("http://999.1.1.1", "no IPv4 address"),
            ("http://1", "no IPv4 address"),
            ("http://h//x", "empty segment"),
            ("http://h//", "empty segment"),
            ("http://h/../x", "leads elsewhere"),
            ("http://h/%2E%2e", "leads elsewhere"),
            ("http://h/{tenant}", "would be sent as it stands"),
            ("//h", "has to begin with"),
            ("h:80", "has to begin with"),
            ("localhost", "has to begin with"),
            ("ftp://h", "has to begin with"),
            ("unix:/run/x", "has to begin with"),
        ] {
            let told = check(url).expect_err(url);
            assert!(told.contains(why), "{url}: {told}");
        }
    }
}
