//! Participants over HTTP/1.1: kept connections, TLS, no redirects, no proxies.
//!
//! ```text
//!   call ──▶ message.rs ──▶ pool.rs ──▶ exchange.rs ──▶ answer.rs ──▶ Reply
//!                             │ none is idle   ▲
//!                             ▼                │
//!                           connect.rs ── resolve.rs, trust.rs
//! ```
//!
//! The main task is to distinguish "certainly not sent" from "lost": a call that was not sent may always be repeated,
//! a lost one only if the participant's promise allows it. A call counts as lost from the moment that hyper has taken
//! the request for writing.
//!
//! A redirect is an answer like any other and is not followed: the request would go to a host that the definition
//! does not name. `HTTP_PROXY` and similar variables are not read. An `https` participant is never called without
//! TLS.

use std::collections::HashMap;
use std::future::ready;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderValue, Uri};
use saga_core::Definition;
use saga_core::definition::{Participant, Safety};
use saga_core::reply::Reply;
use saga_core::saga::Request;
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::answer::Wanted;
use super::connect::Connector;
use super::exchange::{Connection, Failed, Message};
use super::message::message;
use super::pool::{CONNECTION_AGE_MAX, Pool};
use super::resolve::{self, Lookup, Resolver};
use super::signing::{self, Signer};
use super::trust::{self, SetupError};
use super::{Calling, Participants};

/// How participants are reached.
pub struct Settings {
    /// A PEM file with certificates to trust in addition to the machine's.
    pub authorities: Option<PathBuf>,
    /// Resolves names to addresses.
    pub resolver: Arc<Resolver>,
    /// The longest life of a connection.
    pub connection_age_max: Duration,
    /// Signs the calls to participants that want it; `None`: such a call is not made.
    pub signer: Option<Arc<Signer>>,
}

impl Default for Settings {
    fn default() -> Self {
        let resolver = Arc::new(resolve::machine);
        Self { authorities: None, resolver, connection_age_max: CONNECTION_AGE_MAX, signer: None }
    }
}

/// Connections to all participants.
pub struct HttpParticipants {
    tls: TlsConnector,
    lookup: Lookup,
    connection_age_max: Duration,
    signer: Option<Arc<Signer>>,
    endpoints: RwLock<HashMap<Uri, Arc<Endpoint>>>,
}

/// One participant's address, and the connections to it.
struct Endpoint {
    host_header: HeaderValue,
    connector: Connector,
    pool: Arc<Pool>,
}

impl HttpParticipants {
    /// Trusts the machine's certificates, and uses its resolver.
    pub fn new() -> Result<Self, SetupError> {
        Self::with(Settings::default())
    }

    /// Reaches participants by `settings`.
    pub fn with(settings: Settings) -> Result<Self, SetupError> {
        Ok(Self {
            tls: TlsConnector::from(trust::config("--participants-ca", settings.authorities.as_deref())?),
            lookup: Lookup::new(settings.resolver),
            connection_age_max: settings.connection_age_max,
            signer: settings.signer,
            endpoints: RwLock::default(),
        })
    }

    /// Opens a connection to a participant as a call would, and closes it again without a request.
    pub async fn reach(&self, participant: &Participant) -> io::Result<()> {
        let endpoint = self.endpoint(participant)?;
        let connected = endpoint.connector.connect(participant.connect_timeout).await;
        connected.map(drop).map_err(|error| io::Error::other(error.to_string()))
    }

    fn endpoint(&self, participant: &Participant) -> io::Result<Arc<Endpoint>> {
        let known =
            self.endpoints.read().unwrap_or_else(PoisonError::into_inner).get(&participant.base).cloned();
        if let Some(endpoint) = known {
            return Ok(endpoint);
        }
        let address = Address::of(participant)?;
        let endpoint = Arc::new(Endpoint {
            connector: Connector::new(&address, &self.tls, &self.lookup),
            host_header: address.header,
            pool: Pool::new(self.connection_age_max),
        });
        let mut endpoints = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        Ok(endpoints.entry(participant.base.clone()).or_insert(endpoint).clone())
    }
}

impl Participants for HttpParticipants {
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, limit: Duration) -> Calling {
        let endpoint = definition.participant(step).map(|participant| self.endpoint(participant));
        let definition = definition.clone();
        let is_signed = definition.participant(step).is_some_and(|participant| participant.is_signed);
        let signer = match (is_signed, &self.signer) {
            (false, _) => None,
            (true, Some(signer)) => Some(signer.clone()),
            (true, None) => {
                return Box::pin(ready(Reply::NotSent { reason: signing::NO_KEY.to_owned() }));
            }
        };
        Box::pin(async move {
            match (endpoint, definition.participant(step)) {
                (Some(Ok(endpoint)), Some(participant)) => {
                    let call = OutgoingCall { participant, request, signer, limit };
                    endpoint.call(&definition, step, call).await
                }
                (None, _) | (_, None) => Reply::Impossible { reason: "the step calls no participant".into() },
                (Some(Err(error)), _) => Reply::NotSent { reason: format!("set up the connection: {error}") },
            }
        })
    }
}

/// A call to be made.
struct OutgoingCall<'d> {
    participant: &'d Participant,
    request: Request,
    /// `None`: it is not signed.
    signer: Option<Arc<Signer>>,
    limit: Duration,
}

/// Signs a message if that is wanted. To be called just before the message is sent: signatures do not live long.
fn sign(message: &mut Message, signer: Option<&Signer>) -> Result<(), Reply> {
    let Some(signer) = signer else { return Ok(()) };
    signer.sign(message).map_err(|why| Reply::Impossible { reason: why.to_string() })
}

impl Endpoint {
    async fn call(&self, definition: &Definition, step: usize, call: OutgoingCall<'_>) -> Reply {
        let OutgoingCall { participant, request, signer, limit } = call;
        let wanted = Wanted {
            bytes_max: participant.answer_bytes_max,
            headers: definition.call(step, request.direction).is_some_and(|call| call.reads_headers()),
        };
        // If a lost call cannot be repeated, no kept connection is used, because the peer may be closing it.
        let may_reuse = participant.safety != Safety::None || definition.steps[step].is_read();
        let mut message = match message(participant, &self.host_header, &request) {
            Ok(message) => message,
            Err(error) => return Reply::NotSent { reason: format!("write the request: {error}") },
        };
        if signer.is_some() {
            signing::prepare_call(&mut message, participant, &request);
        }
        if may_reuse {
            match self.call_kept(message, signer.as_deref(), wanted, limit).await {
                Ok(reply) => return reply,
                Err(untouched) => message = *untouched,
            }
        }
        let mut connection = match self.connector.connect(participant.connect_timeout).await {
            Ok(connection) => connection,
            Err(error) => return Reply::NotSent { reason: error.to_string() },
        };
        // Also if a kept connection had it, which has not taken it: a signature does not live long, and connecting may take a while.
        if let Err(reply) = sign(&mut message, signer.as_deref()) {
            return reply;
        }
        match connection.exchange(message, wanted, limit).await {
            Ok(answer) => {
                if may_reuse {
                    self.pool.keep(connection);
                }
                Reply::Answered(answer)
            }
            Err(Failed::NotTaken(_)) => Reply::NotSent {
                reason: "the connection was closed at once, or sent an answer to nothing".into(),
            },
            Err(Failed::Lost(reason)) => Reply::Lost { reason },
            Err(Failed::Silent(reason)) => self.silent(&connection, reason),
        }
    }

    /// Makes the call over a kept connection. Returns the message, to be sent in another way, if there is no such connection, or if
    /// it was closed before it took the request.
    async fn call_kept(
        &self,
        mut message: Message,
        signer: Option<&Signer>,
        wanted: Wanted,
        limit: Duration,
    ) -> Result<Reply, Box<Message>> {
        let Some(mut connection) = self.pool.take() else { return Err(Box::new(message)) };
        if let Err(reply) = sign(&mut message, signer) {
            return Ok(reply);
        }
        match connection.exchange(message, wanted, limit).await {
            Ok(answer) => {
                self.pool.keep(connection);
                Ok(Reply::Answered(answer))
            }
            Err(Failed::NotTaken(untouched)) => Err(untouched),
            Err(Failed::Lost(reason)) => Ok(Reply::Lost { reason }),
            Err(Failed::Silent(reason)) => Ok(self.silent(&connection, reason)),
        }
    }

    /// No answer came in time: the name's other addresses, if there are any, are tried first for a while.
    fn silent(&self, connection: &Connection, reason: String) -> Reply {
        if self.connector.lost_at(connection.address) {
            self.pool.leave(connection.address);
        }
        Reply::Lost { reason }
    }
}
