//! The caller, as far as the connection shows it.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

/// A caller, for shares and counts: one IPv4 address, or one /64 of IPv6, which is what one customer of a network
/// has. All clients behind one load balancer are one caller.
///
/// Every request of a connection has it among its extensions. A request without a connection comes from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerAddress(IpAddr);

impl CallerAddress {
    /// The network address: an IPv4 address, or a /64 with its host part zero.
    pub fn network(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for CallerAddress {
    fn from(address: IpAddr) -> Self {
        // An IPv6 listener shows an IPv4 caller as `::ffff:192.0.2.1`.
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 => Self(v4),
        }
    }
}

impl Default for CallerAddress {
    fn default() -> Self {
        Self(Ipv4Addr::LOCALHOST.into())
    }
}

impl fmt::Display for CallerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for CallerAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_an_ipv4_address_or_a_64_of_ipv6() {
        for (address, caller) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(
                CallerAddress::from(address.parse::<IpAddr>().unwrap()).to_string(),
                caller,
                "{address}"
            );
        }
        assert_ne!(
            CallerAddress::from("192.0.2.7".parse::<IpAddr>().unwrap()),
            CallerAddress::from("192.0.2.8".parse::<IpAddr>().unwrap())
        );
    }
}
