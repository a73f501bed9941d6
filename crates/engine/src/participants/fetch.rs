//! Reads documents from servers that are no participants, such as the keys of an identity provider.
//!
//! One request, one answer, over a connection of its own, with the same care as calls: addresses in turn, TLS by the machine's
//! certificates and further ones, bytes and time within limits, no redirects, no proxies.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{HeaderValue, StatusCode, Uri};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::answer::Wanted;
use super::connect::{Connector, TlsSource};
use super::exchange::{Failed, Message};
use super::resolve::{self, Lookup};
use super::trust::{self, SetupError};

/// Fetches documents.
pub struct Fetcher {
    tls: TlsSource,
    lookup: Lookup,
}

/// There is no document: why, for operators.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotFetched(Box<str>);

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// Trusts the machine's certificates, and those of the PEM file that this flag names.
    pub fn trusting(flag: &'static str, authorities: Option<&Path>) -> Result<Self, SetupError> {
        let config = trust::config(trust::roots(flag, authorities)?, None)?;
        let tls = TlsSource::Machines(TlsConnector::from(config));
        Ok(Self { tls, lookup: Lookup::new(Arc::new(resolve::machine)) })
    }

    /// The document at `url`, which has no more than `bytes_max` bytes and is there `within` this time.
    pub async fn fetch(&self, url: &Uri, bytes_max: usize, within: Duration) -> Result<Vec<u8>, NotFetched> {
        let begun = Instant::now();
        let failed = |why: &dyn fmt::Display| NotFetched(format!("GET {url}: {why}").into());
        let address = Address::of(url, None).map_err(|error| failed(&error))?;
        let mut message = Message::new(Bytes::new());
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        *message.uri_mut() = target.parse().map_err(|error| failed(&error))?;
        message.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        message.headers_mut().insert(HOST, address.header.clone());
        let connector = Connector::new(&address, &self.tls, &self.lookup);
        let mut connection = connector.connect(within).await.map_err(|error| failed(&error))?;
        let left = within.saturating_sub(begun.elapsed());
        let exchange = connection.exchange(message, Wanted { bytes_max, headers: false }, left);
        // `exchange` has its own deadline; this one is for both parts together.
        let answer = match timeout(left, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(Failed::Unwelcome(why) | Failed::Lost(why) | Failed::Silent(why))) => {
                return Err(failed(&why));
            }
            Ok(Err(Failed::NotTaken(_))) => return Err(failed(&"the connection was closed at once")),
            Err(_) => return Err(failed(&format!("no answer within {within:?}"))),
        };
        match StatusCode::from_u16(answer.status) {
            Ok(StatusCode::OK) => Ok(answer.body),
            Ok(status) if status.is_redirection() => {
                Err(failed(&format!("it answers {status}, and redirects are not followed")))
            }
            _ => Err(failed(&format!("it answers {}, and not 200", answer.status))),
        }
    }
}
