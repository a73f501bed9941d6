//! A participant's address, parsed once from its base URL.

use std::io;
use std::net::{IpAddr, SocketAddr};

use http::{HeaderValue, Uri};
use rustls::pki_types::ServerName;

/// A participant's host, port and scheme.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) host: Host,
    pub(super) port: u16,
    /// `Some`: always use TLS, with this name.
    pub(super) tls: Option<ServerName<'static>>,
    /// The value of `Host`.
    pub(super) header: HeaderValue,
}

/// The host in a URL.
#[derive(Debug)]
pub(super) enum Host {
    /// An address, which needs no resolution.
    Literal(IpAddr),
    /// A name, which may have several addresses, and later different ones.
    Name(Box<str>),
}

impl Address {
    /// The address in `base`. `server_name` is the name for TLS, instead of the host.
    pub(super) fn of(base: &Uri, server_name: Option<&str>) -> io::Result<Self> {
        let host = base.host().unwrap_or_default();
        let is_secure = base.scheme_str() == Some("https");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let authority = base.authority().map_or(host, |authority| authority.as_str());
        Ok(Self {
            host: match bare.parse() {
                Ok(address) => Host::Literal(address),
                Err(_) => Host::Name(bare.into()),
            },
            port: base.port_u16().unwrap_or(if is_secure { 443 } else { 80 }),
            tls: is_secure
                .then(|| ServerName::try_from(server_name.unwrap_or(bare).to_owned()))
                .transpose()
                .map_err(io::Error::other)?,
            header: HeaderValue::from_str(authority).map_err(io::Error::other)?,
        })
    }
}

/// The order in which addresses are tried: addresses that failed recently come last; otherwise the resolver's order,
/// with both families in turn (RFC 8305, 4).
pub(super) fn order(resolved: &[SocketAddr], is_avoided: impl Fn(&SocketAddr) -> bool) -> Vec<SocketAddr> {
    let first_is_v6 = resolved.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<&SocketAddr>, Vec<&SocketAddr>) =
        resolved.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered: Vec<SocketAddr> = Vec::with_capacity(resolved.len());
    for turn in 0..first.len().max(second.len()) {
        for family in [&first, &second] {
            ordered.extend(family.get(turn).copied().filter(|address| !ordered.contains(address)));
        }
    }
    ordered.sort_by_key(is_avoided);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resolved: &[&str], avoided: &[&str], expected: &[&str]) {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().expect("an address")).collect()
        };
        let avoided = parse(avoided);
        assert_eq!(order(&parse(resolved), |address| avoided.contains(address)), parse(expected));
    }

    #[test]
    fn families_take_turns_and_what_failed_comes_last() {
        check(&[], &[], &[]);
        check(&["10.0.0.1:1", "10.0.0.2:1"], &[], &["10.0.0.1:1", "10.0.0.2:1"]);
        check(&["10.0.0.1:1", "10.0.0.2:1"], &["10.0.0.1:1"], &["10.0.0.2:1", "10.0.0.1:1"]);
        check(
            &["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1"],
            &[],
            &["[::1]:1", "10.0.0.1:1", "[::2]:1", "[::3]:1"],
        );
        check(
            &["10.0.0.1:1", "[::1]:1", "[::2]:1"],
            &["10.0.0.1:1", "[::2]:1"],
            &["[::1]:1", "10.0.0.1:1", "[::2]:1"],
        );
        // If all of them failed, the order is as if none had.
        check(&["10.0.0.1:1", "[::1]:1"], &["10.0.0.1:1", "[::1]:1"], &["10.0.0.1:1", "[::1]:1"]);
        check(&["10.0.0.1:1", "10.0.0.1:1"], &[], &["10.0.0.1:1"]);
    }
}
