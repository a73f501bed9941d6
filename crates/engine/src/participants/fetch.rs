//! Requests to servers that are no participants: documents that are read, such as the keys of an identity provider, and documents
//! that are sent, such as spans.
//!
//! One request, one answer, over a connection of its own, with the same care as calls: addresses in turn, TLS by the machine's
//! certificates and further ones, bytes and time within limits, no redirects, no proxies.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::answer::Wanted;
use super::connect::{Connector, TlsSource};
use super::exchange::{Failed, Message};
use super::resolve::{self, Lookup};
use super::trust::{self, NamedFile, SetupError};
use saga_core::reply::Answer;

/// Fetches documents, and sends them.
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
        Ok(Self::with(trust::config(trust::roots(flag, authorities)?, None)?))
    }

    /// The same, and shows servers that ask for one a certificate: of these PEM files, with those between it and an authority, and its key.
    pub fn showing(
        certificate: NamedFile<'_>,
        key: NamedFile<'_>,
        flag: &'static str,
        authorities: Option<&Path>,
    ) -> Result<Self, SetupError> {
        let chain = certificate.read(trust::certificates)?;
        let identity = (chain, key.read(trust::private_key)?);
        let roots = trust::roots(flag, authorities)?;
        let config = trust::config(roots, Some(identity));
        Ok(Self::with(config.map_err(|error| key.unfit(format!("with the certificate: {error}")))?))
    }

    fn with(config: Arc<ClientConfig>) -> Self {
        let tls = TlsSource::Machines(TlsConnector::from(config));
        Self { tls, lookup: Lookup::new(Arc::new(resolve::machine)) }
    }

    /// The document at `url`, which has no more than `bytes_max` bytes and is there `within` this time.
    pub async fn fetch(&self, url: &Uri, bytes_max: usize, within: Duration) -> Result<Vec<u8>, NotFetched> {
        let failed = |why: &dyn fmt::Display| NotFetched(format!("GET {url}: {why}").into());
        let mut message = Message::new(Bytes::new());
        message.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.exchange(url, message, bytes_max, within).await.map_err(|why| failed(&why))?;
        match StatusCode::from_u16(answer.status) {
            Ok(StatusCode::OK) => Ok(answer.body),
            Ok(status) if status.is_redirection() => {
                Err(failed(&format!("it answers {status}, and redirects are not followed")))
            }
            _ => Err(failed(&format!("it answers {}, and not 200", answer.status))),
        }
    }

    /// Sends a document to `url`: its status tells whether it was taken. The answer's body, of `bytes_max` bytes at most, is not kept.
    pub async fn send(
        &self,
        url: &Uri,
        headers: &HeaderMap,
        document: Bytes,
        bytes_max: usize,
        within: Duration,
    ) -> Result<DocumentTaken, NotFetched> {
        let mut message = Message::new(document);
        *message.method_mut() = Method::POST;
        *message.headers_mut() = headers.clone();
        let answer = self.exchange(url, message, bytes_max, within).await;
        let answer =
            answer.map_err(|why| NotFetched(format!("POST {}: {why}", without_query(url)).into()))?;
        Ok(DocumentTaken { status: answer.status, retry_after: answer.retry_after })
    }

    /// One request and one answer.
    async fn exchange(
        &self,
        url: &Uri,
        mut message: Message,
        bytes_max: usize,
        within: Duration,
    ) -> Result<Answer, String> {
        let begun = Instant::now();
        let address = Address::of(url, None).map_err(|error| error.to_string())?;
        let target = url.path_and_query().map_or("/", |target| target.as_str());
        *message.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        message.headers_mut().insert(HOST, address.header.clone());
        let connector = Connector::new(&address, &self.tls, &self.lookup);
        let mut connection = connector.connect(within).await.map_err(|error| error.to_string())?;
        let left = within.saturating_sub(begun.elapsed());
        let exchange = connection.exchange(message, Wanted { bytes_max, headers: false }, left);
        // `exchange` has its own deadline; this one is for both parts together.
        match timeout(left, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failed::Unwelcome(why) | Failed::Lost(why) | Failed::Silent(why))) => Err(why),
            Ok(Err(Failed::NotTaken(_))) => Err("the connection was closed at once".to_owned()),
            Err(_) => Err(format!("no answer within {within:?}")),
        }
    }
}

/// The answer to a document that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentTaken {
    /// The HTTP status.
    pub status: u16,
    /// How long the server wants to be left alone, a minute at most.
    pub retry_after: Option<Duration>,
}

/// An address as the log may have it: a query may hold a secret.
fn without_query(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or("http");
    format!("{scheme}://{}{}", url.authority().map_or("", |at| at.as_str()), url.path())
}
