//! Access tokens, asked for over HTTP: one request with one answer, within limits of time and bytes, and no redirects.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method};
use saga_core::access_token::{self, AccessToken};
use saga_core::definition::{SecretText, TokenClient, TokenRequest};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::address::Address;
use super::answer::Wanted;
use super::connect::{Connector, TlsSource};
use super::exchange::{Failed, Message};
use super::message::{AGENT, JSON, sensitive};
use super::resolve::Lookup;

/// The largest body of a token endpoint's answer.
const TOKEN_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Time for opening a connection to a token endpoint.
const TOKEN_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time from sending a request for a token to the end of its answer.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(5);

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Reaches token endpoints. They are trusted as the machine has it: a participant's `tls` is for the participant.
#[derive(Clone)]
pub(super) struct TokenEndpoints {
    pub(super) tls: TlsConnector,
    pub(super) lookup: Lookup,
}

/// Why there is no token.
pub(super) struct NotGranted {
    pub(super) reason: String,
    /// The wait that the endpoint asked for.
    pub(super) retry_after: Option<Duration>,
}

impl From<String> for NotGranted {
    fn from(reason: String) -> Self {
        Self { reason, retry_after: None }
    }
}

impl TokenEndpoints {
    /// Asks for a token.
    pub(super) async fn ask(
        &self,
        client: &TokenClient,
        secret: &SecretText,
    ) -> Result<AccessToken, NotGranted> {
        let address = Address::of(&client.token_url, None).map_err(|error| error.to_string())?;
        let message = message(client, secret, &address.header)
            .map_err(|error| format!("write the request: {error}"))?;
        let connector = Connector::new(&address, &TlsSource::Machines(self.tls.clone()), &self.lookup);
        let connected = connector.connect(TOKEN_CONNECT_TIMEOUT).await;
        let mut connection =
            connected.map_err(|error| format!("the token endpoint cannot be reached: {error}"))?;
        let wanted = Wanted { bytes_max: TOKEN_ANSWER_BYTES_MAX, headers: false };
        let answer =
            connection.exchange(message, wanted, TOKEN_TIMEOUT).await.map_err(|failed| match failed {
                Failed::NotTaken(_) => "the token endpoint closed the connection".to_owned(),
                Failed::Unwelcome(reason) | Failed::Lost(reason) | Failed::Silent(reason) => {
                    format!("the token endpoint: {reason}")
                }
            })?;
        let body = Zeroizing::new(answer.body);
        access_token::read(answer.status, &body)
            .map_err(|why| NotGranted { reason: why.to_string(), retry_after: answer.retry_after })
    }
}

fn message(client: &TokenClient, secret: &SecretText, host: &HeaderValue) -> Result<Message, http::Error> {
    let TokenRequest { authorization, form } = client.request(secret.reveal());
    let mut request = http::Request::builder()
        .method(Method::POST)
        .uri(client.token_url.path_and_query().map_or("/", |target| target.as_str()))
        .header(HOST, host.clone())
        .header(ACCEPT, JSON)
        .header(USER_AGENT, AGENT)
        .header(CONTENT_TYPE, FORM);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, sensitive(&authorization)?);
    }
    request.body(form.reveal().as_bytes().to_vec().into())
}
