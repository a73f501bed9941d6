//! Which names this server answers to. A page whose name was made to lead here (DNS rebinding) sends its own name as
//! `Host`; so names that cannot be bought on the Internet are answered, and other names only when they are allowed.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Request, StatusCode, Version};

use super::problem::Problem;

/// Ends of names that are not on the Internet: this machine, private networks (RFC 6761, and ICANN's
/// `.internal`), and services of a Kubernetes cluster.
const PRIVATE_ENDS: [&str; 4] = ["localhost", "internal", "svc", "svc.cluster.local"];

/// A name that may be asked for, as a flag says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost(Allowed);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Allowed {
    /// An empty variable.
    Nothing,
    Name(String),
    /// `*.example.com`: every name under it.
    Under(String),
    Everything,
}

impl FromStr for AllowedHost {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        };
        Ok(Self(match name.strip_prefix("*.") {
            _ if name.is_empty() => Allowed::Nothing,
            _ if text.trim() == "*" => Allowed::Everything,
            Some(under) if is_name(under) => Allowed::Under(under.to_owned()),
            None if is_name(&name) => Allowed::Name(name),
            _ => {
                return Err(
                    "write a host's name without a port, such as orders.example.com, *.example.com for \
                            all names under it, or * for any name"
                        .into(),
                );
            }
        }))
    }
}

/// The names that this server answers to.
#[derive(Debug, Clone, Default)]
pub struct Hosts(Vec<AllowedHost>);

/// The host that a request asks for: `name[:port]`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestedHost(Authority);

impl Hosts {
    /// These beside what is always answered.
    pub fn new(allowed: impl IntoIterator<Item = AllowedHost>) -> Self {
        Self(allowed.into_iter().collect())
    }

    /// The host that `request` asks for, if this server is that. `None`: it does not say, as HTTP/1.0 allows.
    pub(crate) fn of<B>(&self, request: &Request<B>) -> Result<Option<RequestedHost>, Problem> {
        let mut named = request.headers().get_all(HOST).iter();
        let (first, second) = (named.next(), named.next());
        if second.is_some() {
            let detail = "The request has more than one Host header; send one";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "two_hosts", detail));
        }
        let Some(first) = first else {
            // Health checks of old load balancers; browsers never leave it out.
            if request.version() < Version::HTTP_11 && request.uri().authority().is_none() {
                return Ok(None);
            }
            return Err(unnamed());
        };
        let header = first.to_str().ok().and_then(RequestedHost::read).ok_or_else(malformed)?;
        self.check(&header)?;
        // `GET http://name/path`: that name counts, and not the header (RFC 9112, section 3.2.2).
        let Some(authority) = request.uri().authority() else { return Ok(Some(header)) };
        let target = RequestedHost::read(authority.as_str()).ok_or_else(malformed)?;
        self.check(&target)?;
        Ok(Some(target))
    }

    fn check(&self, host: &RequestedHost) -> Result<(), Problem> {
        if self.allow(&host.name()) {
            return Ok(());
        }
        Err(foreign(&host.name()))
    }

    fn allow(&self, name: &str) -> bool {
        let is_under = |end: &str| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        // A name without a dot is resolved by the machine and its network alone: the services of a compose
        // file.
        is_address
            || !name.contains('.')
            || PRIVATE_ENDS.into_iter().any(is_under)
            || self.0.iter().any(|allowed| match &allowed.0 {
                Allowed::Nothing => false,
                Allowed::Name(allowed) => allowed == name,
                Allowed::Under(end) => is_under(end),
                Allowed::Everything => true,
            })
    }
}

/// The request does not say which host it is for.
pub(crate) fn unnamed() -> Problem {
    let detail = "The request has no Host header; send one, such as Host: localhost:8023";
    Problem::new(StatusCode::BAD_REQUEST, "no_host", detail)
}

/// The request is for the host `name`, which this server is not.
pub(crate) fn foreign(name: &str) -> Problem {
    let detail = format!(
        "This server does not answer for the host `{name}`; if that is its name, start it with \
         --allowed-host {name} (ORCHESTRATEUR_ALLOWED_HOST)"
    );
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "host_not_allowed", detail)
}

fn malformed() -> Problem {
    let detail = "The Host header must be a name or an address, and a port where there is one";
    Problem::new(StatusCode::BAD_REQUEST, "bad_host", detail)
}

impl RequestedHost {
    fn read(text: &str) -> Option<Self> {
        let authority: Authority = text.trim().to_ascii_lowercase().parse().ok()?;
        let has_port = authority.as_str().len() > authority.host().len();
        let is_whole = !authority.host().is_empty() && !authority.as_str().contains('@');
        (is_whole && (!has_port || authority.port_u16().is_some())).then_some(Self(authority))
    }

    /// Without the port, and without the dot at the end of an absolute name.
    fn name(&self) -> String {
        self.0.host().trim_end_matches('.').to_owned()
    }

    /// Whether an `Origin` such as `https://name:port` is this host. Its scheme says nothing: in front of
    /// this server something may speak TLS.
    pub(crate) fn is_origin(&self, origin: &str) -> bool {
        let (Some((_, host)), port) = (origin.split_once("://"), self.0.port_u16()) else { return false };
        let Some(origin) = Self::read(host) else { return false };
        let plain = |port: Option<u16>| port.filter(|port| ![80, 443].contains(port));
        self.name() == origin.name() && plain(port) == plain(origin.0.port_u16())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(allowed: &[&str]) -> Hosts {
        Hosts::new(allowed.iter().map(|allowed| allowed.parse().unwrap()))
    }

    fn ask(hosts: &Hosts, target: &str, version: Version, headers: &[&str]) -> Result<Option<String>, u16> {
        let mut request = Request::get(target).version(version);
        for header in headers {
            request = request.header(HOST, axum::http::HeaderValue::from_bytes(header.as_bytes()).unwrap());
        }
        let host = hosts.of(&request.body(()).unwrap());
        host.map(|host| host.map(|host| host.0.to_string())).map_err(|problem| problem.status())
    }

    #[test]
    fn names_that_nobody_on_the_internet_can_own_are_answered() {
        for host in [
            "127.0.0.1:8023",
            "10.2.3.4",
            "[::1]:8023",
            "[fd00::1]",
            "localhost",
            "LOCALHOST:8023",
            "localhost.:8023",
            "shop.localhost",
            "orchestrateur-service:8023",
            "shop_orchestrateur_1:8023",
            "orchestrateur.shop.svc",
            "orchestrateur.shop.svc.cluster.local:8023",
            "a.internal",
        ] {
            assert!(ask(&hosts(&[]), "/", Version::HTTP_11, &[host]).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8023",
            "evil.example.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1.nip.io",
            "notlocalhost.com",
            "xsvc.cluster.local",
            "evil.local",
            "1.2.3",
        ] {
            assert_eq!(ask(&hosts(&[]), "/", Version::HTTP_11, &[host]), Err(421), "{host}");
        }
    }

    #[test]
    fn further_names_are_answered_when_they_are_allowed() {
        let hosts_allowed = hosts(&["Orders.Example.com.", "*.shop.example", ""]);
        for (host, taken) in [
            ("orders.example.com", true),
            ("ORDERS.example.com:443", true),
            ("a.shop.example", true),
            ("a.b.shop.example", true),
            ("shop.example", false),
            ("notshop.example", false),
            ("example.com", false),
        ] {
            assert_eq!(ask(&hosts_allowed, "/", Version::HTTP_11, &[host]).is_ok(), taken, "{host}");
        }
        assert!(ask(&hosts(&["*"]), "/", Version::HTTP_11, &["evil.example"]).is_ok());
        for wrong in ["http://a.example", "a.example:80", "a b", "*a.example", "*.", "a.*", "é"] {
            assert!(wrong.parse::<AllowedHost>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_host_is_named_once_and_can_be_read() {
        let ask = |target, version, headers: &[&str]| ask(&hosts(&[]), target, version, headers);
        assert_eq!(ask("/", Version::HTTP_11, &[]), Err(400));
        assert_eq!(ask("/", Version::HTTP_10, &[]), Ok(None));
        assert_eq!(ask("http://evil.example/", Version::HTTP_10, &[]), Err(400));
        assert_eq!(ask("/", Version::HTTP_11, &["a", "a"]), Err(400));
        assert_eq!(ask("/", Version::HTTP_10, &["a", "b"]), Err(400));
        for host in
            ["", " ", "a b", "u@a", "u:p@a", "a:", "a:b", "a:99999", ":80", "a/b", "[::1", "é", "a,b c"]
        {
            assert_eq!(ask("/", Version::HTTP_11, &[host]), Err(400), "{host}");
        }
        // The target's own name counts.
        assert_eq!(ask("http://b:1/x", Version::HTTP_11, &["a"]), Ok(Some("b:1".into())));
        assert_eq!(ask("http://evil.example/x", Version::HTTP_11, &["a"]), Err(421));
        assert_eq!(ask("http://a/x", Version::HTTP_11, &["evil.example"]), Err(421));
    }

    #[test]
    fn an_origin_is_this_host_when_name_and_port_are() {
        let host = |text: &str| RequestedHost::read(text).unwrap();
        for (asked, origin, same) in [
            ("localhost:8023", "http://localhost:8023", true),
            ("localhost:8023", "http://localhost:8024", false),
            ("localhost:8023", "http://127.0.0.1:8023", false),
            ("localhost:8023", "http://localhost", false),
            ("orders.example.com", "https://orders.example.com", true),
            ("orders.example.com:443", "https://orders.example.com", true),
            ("orders.example.com", "https://evil.example", false),
            ("orders.example.com", "null", false),
            ("orders.example.com", "", false),
            ("[::1]:8023", "http://[::1]:8023", true),
        ] {
            assert_eq!(host(asked).is_origin(origin), same, "{asked} {origin}");
        }
    }
}
