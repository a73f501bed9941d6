//! The address to listen on, as a flag.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// The default address of the API: only this machine can reach it, on the port of the first system.
pub(super) const LISTEN_DEFAULT: &str = "127.0.0.1:8023";

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listen(pub(super) SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        match text.rsplit_once(':') {
            Some((name, port)) if name.eq_ignore_ascii_case("localhost") => match port.parse() {
                Ok(port) => Ok(Self((Ipv4Addr::LOCALHOST, port).into())),
                Err(_) => {
                    Err(format!("`{port}` is no port; write a number up to 65535, such as localhost:8023"))
                }
            },
            _ => {
                let port = match text.trim_start_matches(':').parse() {
                    Ok(port) if port > 0 => port,
                    _ => 8023_u16,
                };
                Err(format!(
                    "write an address and a port: 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for every \
                     network ([::]:{port} with IPv6)"
                ))
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_a_mistake_gets_an_example() {
        for (text, address) in [
            ("127.0.0.1:8023", "127.0.0.1:8023"),
            (" 0.0.0.0:1 ", "0.0.0.0:1"),
            ("[::]:8023", "[::]:8023"),
            ("localhost:8023", "127.0.0.1:8023"),
            ("LOCALHOST:0", "127.0.0.1:0"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), address, "{text}");
        }
        for (text, said) in [
            ("8023", "127.0.0.1:8023 for this machine alone"),
            (":9000", "127.0.0.1:9000 for this machine alone"),
            ("localhost", "127.0.0.1:8023"),
            ("127.0.0.1", "127.0.0.1:8023"),
            ("myhost:80", "0.0.0.0:8023"),
            ("*:8023", "0.0.0.0:8023"),
            ("", "0.0.0.0:8023"),
            ("http://127.0.0.1:8023", "127.0.0.1:8023"),
            ("localhost:99999", "`99999` is no port"),
            ("localhost:", "`` is no port"),
        ] {
            let error = text.parse::<Listen>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
