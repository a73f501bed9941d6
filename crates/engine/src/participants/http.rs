//! Participants over HTTP/1.1: kept connections, TLS, no redirects, no proxies.
//!
//! ```text
//!   call ──▶ message.rs ──▶ pool.rs ──▶ exchange.rs ──▶ answer.rs ──▶ Reply
//!                             │ none is idle   ▲
//!                             ▼                │
//!                           connect.rs ── resolve.rs, trust.rs, tls_files.rs
//! ```
//!
//! Where a participant has `auth`, `credentials.rs` (with `files.rs` and `tokens.rs`) gives the value of `Authorization`.
//!
//! The main task is to distinguish "certainly not sent" from "lost": a call that was not sent may always be repeated,
//! a lost one only if the participant's promise allows it. A call counts as lost from the moment that the
//! connection has taken the first byte of the request.
//!
//! A redirect is an answer like any other and is not followed: the request would go to a host that the definition
//! does not name. `HTTP_PROXY` and similar variables are not read. An `https` participant is never called without
//! TLS.
//!
//! An answer 401 that shows that the call did not run (`may_repeat`) is the participant's word about the credential, not about the
//! order. If another credential can be had, the same call is made once more with it, whatever the participant promises: with the
//! same keys, and within the same time.

mod listing;

use std::collections::HashMap;
use std::future::{pending, ready};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::HeaderValue;
use rustls::RootCertStore;
use saga_core::budget::{Budget, within};
use saga_core::definition::{Participant, Safety};
use saga_core::reply::{self, Reply};
use saga_core::saga::Request;
use saga_core::{Definition, Outcome};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::access::{AccessTrouble, AwaitedAccess};
use super::address::Address;
use super::answer::Wanted;
use super::connect::{Connector, TlsSource};
use super::credentials::{CallCredential, CredentialMeans, Keyring};
use super::exchange::{Connection, Failed, Message};
use super::files::Files;
use super::message::{TraceHeaders, message};
use super::pool::{CONNECTION_AGE_MAX, Pool};
use super::resolve::{self, Lookup, Resolver};
use super::signing::{self, LacksKey, Signer};
use super::tls_files::OwnTls;
use super::tokens::TokenEndpoints;
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
    /// Signs the calls to participants that want it; `None`: such a call waits.
    pub signer: Option<Arc<Signer>>,
    /// What participants are told of traces.
    pub traces: TraceHeaders,
}

impl Default for Settings {
    fn default() -> Self {
        let resolver = Arc::new(resolve::machine);
        Self {
            authorities: None,
            resolver,
            connection_age_max: CONNECTION_AGE_MAX,
            signer: None,
            traces: TraceHeaders::default(),
        }
    }
}

/// Connections to all participants.
pub struct HttpParticipants {
    tls: TlsConnector,
    roots: Arc<RootCertStore>,
    files: Files,
    lookup: Lookup,
    connection_age_max: Duration,
    signer: Result<Arc<Signer>, LacksKey>,
    traces: TraceHeaders,
    /// By [`Participant::reached_by`].
    endpoints: RwLock<HashMap<Arc<str>, Arc<Endpoint>>>,
    keyring: Keyring,
}

/// One participant's address with its `tls`, and the connections to it.
struct Endpoint {
    host_header: HeaderValue,
    own_tls: Option<Arc<OwnTls>>,
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
        let roots = Arc::new(trust::roots("--participants-ca", settings.authorities.as_deref())?);
        let tls = TlsConnector::from(trust::config(roots.clone(), None)?);
        let (files, lookup) = (Files::new(), Lookup::new(settings.resolver));
        let endpoints = TokenEndpoints { tls: tls.clone(), lookup: lookup.clone() };
        Ok(Self {
            tls,
            roots,
            lookup,
            connection_age_max: settings.connection_age_max,
            signer: settings.signer.ok_or_else(LacksKey::default),
            traces: settings.traces,
            endpoints: RwLock::default(),
            keyring: Keyring::new(CredentialMeans { files: files.clone(), endpoints }),
            files,
        })
    }

    /// Opens a connection to a participant as a call would, and closes it again without a request. Where the participant has
    /// `auth`, its secret is read, and an access token is asked for.
    pub async fn reach(&self, participant: &Participant) -> io::Result<()> {
        let endpoint = self.endpoint(participant)?;
        let connected = endpoint.connector.connect(participant.connect_timeout).await;
        connected.map(drop).map_err(|error| io::Error::other(error.to_string()))?;
        match &participant.auth {
            None => Ok(()),
            Some(auth) => self.keyring.credential(auth).probe().await.map_err(io::Error::other),
        }
    }

    fn endpoint(&self, participant: &Participant) -> io::Result<Arc<Endpoint>> {
        let known = self
            .endpoints
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&participant.reached_by)
            .cloned();
        if let Some(endpoint) = known {
            return Ok(endpoint);
        }
        let named = participant.tls.as_ref();
        let address = Address::of(&participant.base, named.and_then(|named| named.server_name.as_deref()))?;
        let own_tls =
            named.map(|named| Arc::new(OwnTls::new(named.clone(), self.files.clone(), self.roots.clone())));
        let source = own_tls.clone().map_or_else(|| TlsSource::Machines(self.tls.clone()), TlsSource::Own);
        let endpoint = Arc::new(Endpoint {
            connector: Connector::new(&address, &source, &self.lookup),
            own_tls,
            host_header: address.header,
            pool: Pool::new(self.connection_age_max),
        });
        let mut endpoints = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        Ok(endpoints.entry(participant.reached_by.clone()).or_insert(endpoint).clone())
    }
}

impl Participants for HttpParticipants {
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, limit: Duration) -> Calling {
        let participant = definition.participant(step);
        let endpoint = participant.map(|participant| self.endpoint(participant));
        let credential =
            participant.and_then(|called| called.auth.as_ref()).map(|auth| self.keyring.credential(auth));
        let definition = definition.clone();
        let is_signed = definition.participant(step).is_some_and(|participant| participant.is_signed);
        let signer = match (is_signed, &self.signer) {
            (false, _) => None,
            (true, Ok(signer)) => Some(signer.clone()),
            // Calls wait before they come here.
            (true, Err(_)) => {
                return Box::pin(ready(Reply::NotSent { reason: signing::NO_KEY.to_owned() }));
            }
        };
        let traces = self.traces;
        Box::pin(async move {
            match (endpoint, definition.participant(step)) {
                (Some(Ok(endpoint)), Some(participant)) => {
                    let call = OutgoingCall {
                        participant,
                        request: &request,
                        proof: None,
                        signer: signer.as_deref(),
                        limit,
                        traces,
                    };
                    match credential {
                        None => endpoint.call(&definition, step, call).await,
                        Some(credential) => endpoint.prove(&definition, step, call, &credential).await,
                    }
                }
                (None, _) | (_, None) => Reply::Impossible { reason: "the step calls no participant".into() },
                (Some(Err(error)), _) => Reply::NotSent { reason: format!("set up the connection: {error}") },
            }
        })
    }

    fn access(&self, definition: &Arc<Definition>, step: usize) -> Option<AwaitedAccess> {
        let participant = definition.participant(step)?;
        if participant.is_signed
            && let Err(lacks_key) = &self.signer
        {
            lacks_key.tell(&participant.name);
            // This process gets none: another one goes on with the saga, or this one's next start.
            return Some(Box::pin(pending()));
        }
        if participant.auth.is_none() && participant.tls.is_none() {
            return None;
        }
        // An address that cannot be used is the call's to tell.
        let own_tls = participant.tls.as_ref().and_then(|_| self.endpoint(participant).ok()?.own_tls.clone());
        let own_tls = own_tls.filter(|own| !own.is_usable());
        let credential = participant.auth.as_ref().map(|auth| self.keyring.credential(auth));
        let credential = credential.filter(|credential| credential.current().is_none());
        if own_tls.is_none() && credential.is_none() {
            return None;
        }
        Some(Box::pin(async move {
            if let Some(own_tls) = own_tls {
                own_tls.usable().await;
            }
            if let Some(credential) = credential {
                credential.obtained().await;
            }
        }))
    }

    fn access_trouble(&self, participant: &Participant) -> Option<AccessTrouble> {
        let of_tls = || self.endpoint(participant).ok()?.own_tls.as_ref()?.trouble();
        let of_tls = participant.tls.as_ref().and_then(|_| of_tls());
        let of_auth = participant.auth.as_ref().and_then(|auth| self.keyring.credential(auth).trouble());
        match (of_tls, of_auth) {
            (Some(tls), Some(auth)) if auth.holds_calls && !tls.holds_calls => Some(auth),
            (of_tls, of_auth) => of_tls.or(of_auth),
        }
    }
}

/// Whether an answer 401 shows that the call had no effect, so that it can be made again: by its definition's own words, or
/// because the call only asks.
fn may_repeat(definition: &Definition, step: usize, request: &Request, answer: &Reply) -> bool {
    let Some(call) = definition.call(step, request.direction) else { return false };
    if call.asks() {
        return true;
    }
    // Conditions that take long are for another thread: the call is not made again then.
    let judged = within(Budget::INLINE, || reply::verdict(call, answer).outcome);
    judged.over.is_none() && judged.value == Outcome::NotSent
}

/// A call to be made.
#[derive(Clone, Copy)]
struct OutgoingCall<'c> {
    participant: &'c Participant,
    request: &'c Request,
    /// The value of `Authorization`; `None`: the participant has no `auth`.
    proof: Option<&'c HeaderValue>,
    /// `None`: it is not signed.
    signer: Option<&'c Signer>,
    limit: Duration,
    traces: TraceHeaders,
}

/// How long a message may take, and over which connections it may go.
struct SendLimits {
    /// From sending it to the end of its answer.
    answer: Duration,
    connect: Duration,
    /// Whether a kept connection may have it.
    may_reuse: bool,
}

/// Signs a message if that is wanted. To be called just before the message is sent: signatures do not live long.
fn sign(message: &mut Message, signer: Option<&Signer>) -> Result<(), Reply> {
    let Some(signer) = signer else { return Ok(()) };
    signer.sign(message).map_err(|why| Reply::Impossible { reason: why.to_string() })
}

impl Endpoint {
    /// A call with the participant's credential, and with another one after an answer 401.
    async fn prove(
        &self,
        definition: &Definition,
        step: usize,
        call: OutgoingCall<'_>,
        credential: &Arc<CallCredential>,
    ) -> Reply {
        let connect_timeout = call.participant.connect_timeout;
        let Ok(proof) = timeout(connect_timeout, credential.clone().obtained()).await else {
            return Reply::NotSent { reason: credential.missing() };
        };
        let begun = Instant::now();
        let first = self.call(definition, step, OutgoingCall { proof: Some(&proof.value), ..call }).await;
        let is_refusal = matches!(&first, Reply::Answered(answer) if answer.status == 401);
        if !is_refusal || !may_repeat(definition, step, call.request, &first) || !credential.refused(&proof) {
            return without(first, &proof.value);
        }
        let left = || call.limit.saturating_sub(begun.elapsed());
        match timeout(left(), credential.clone().obtained()).await {
            Ok(other) if other.edition != proof.edition && !left().is_zero() => {
                let again = OutgoingCall { proof: Some(&other.value), limit: left(), ..call };
                without(self.call(definition, step, again).await, &other.value)
            }
            Ok(_) | Err(_) => without(first, &proof.value),
        }
    }

    async fn call(&self, definition: &Definition, step: usize, call: OutgoingCall<'_>) -> Reply {
        let OutgoingCall { participant, request, proof, signer, limit, traces } = call;
        let wanted = Wanted {
            bytes_max: participant.answer_bytes_max,
            headers: definition.call(step, request.direction).is_some_and(|call| call.reads_headers()),
        };
        // If a lost call cannot be repeated, no kept connection is used, because the peer may be closing it.
        let may_reuse = participant.safety != Safety::None || definition.steps[step].is_read();
        let mut message = match message(participant, &self.host_header, request, (proof, &traces)) {
            Ok(message) => message,
            Err(error) => return Reply::NotSent { reason: format!("write the request: {error}") },
        };
        if signer.is_some() {
            signing::prepare_call(&mut message, participant, request);
        }
        self.send(
            message,
            signer,
            wanted,
            SendLimits { answer: limit, connect: participant.connect_timeout, may_reuse },
        )
        .await
    }

    /// Sends a message that is complete but for its signature.
    async fn send(
        &self,
        mut message: Message,
        signer: Option<&Signer>,
        wanted: Wanted,
        limits: SendLimits,
    ) -> Reply {
        let SendLimits { answer: limit, connect, may_reuse } = limits;
        if may_reuse {
            match self.call_kept(message, signer, wanted, limit).await {
                Ok(reply) => return reply,
                Err(untouched) => message = *untouched,
            }
        }
        let mut connection = match self.connector.connect(connect).await {
            Ok(connection) => connection,
            Err(error) => return Reply::NotSent { reason: error.to_string() },
        };
        // Also if a kept connection had it, which has not taken it: a signature does not live long, and connecting may take a while.
        if let Err(reply) = sign(&mut message, signer) {
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
            Err(Failed::Unwelcome(reason)) => Reply::NotSent { reason },
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
            Err(Failed::Unwelcome(reason) | Failed::Lost(reason)) => Ok(Reply::Lost { reason }),
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

/// The shortest credential that is looked for in answers, in bytes: a shorter one may be a word.
const ECHO_BYTES_MIN: usize = 12;

/// The reply without our credential: an answer that says no may repeat what it was sent, and its words are kept and shown.
fn without(mut reply: Reply, proof: &HeaderValue) -> Reply {
    if let Reply::Answered(answer) = &mut reply
        && answer.status >= 400
        && let Some(secret) =
            proof.to_str().ok().and_then(|value| value.split_once(' ')).map(|(_, secret)| secret)
        && secret.len() >= ECHO_BYTES_MIN
    {
        while let Some(at) = answer.body.windows(secret.len()).position(|part| part == secret.as_bytes()) {
            answer.body.splice(at..at + secret.len(), *b"***");
        }
        for (_, value) in &mut answer.headers {
            *value = value.replace(secret, "***");
        }
    }
    reply
}
