//! A request in the form that is sent: target, headers, body.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, InvalidHeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use saga_core::definition::{Body, Participant, SecretText};
use saga_core::saga::Request;
use saga_core::trace::{CallTrace, Propagation, Sampler};

use uuid::fmt::Hyphenated;

use super::exchange::Message;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const SAGA_ID: HeaderName = HeaderName::from_static("saga-id");
const SAGA_STEP: HeaderName = HeaderName::from_static("saga-step");
const SAGA_ATTEMPT: HeaderName = HeaderName::from_static("saga-attempt");
const SAGA_EPOCH: HeaderName = HeaderName::from_static("saga-epoch");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("orchestrateur/", env!("CARGO_PKG_VERSION")));

/// What participants are told of traces.
#[derive(Debug, Clone, Copy, Default)]
pub struct TraceHeaders {
    /// Which traces are recorded: participants are told so.
    pub sampler: Sampler,
    /// Which headers are sent.
    pub propagation: Propagation,
}

impl TraceHeaders {
    /// Adds those of one call. A value that cannot be sent is left out: no call fails for its trace.
    fn add(&self, headers: &mut HeaderMap, trace: &CallTrace) {
        let mut add = |name: HeaderName, value: Option<&str>| {
            let value = value.and_then(|value| HeaderValue::from_str(value).ok());
            value.and_then(|value| headers.insert(name, value));
        };
        if self.propagation.trace {
            add(TRACEPARENT, Some(&trace.parent(&self.sampler).header()));
            add(TRACESTATE, trace.state());
        }
        if self.propagation.baggage {
            add(BAGGAGE, trace.baggage());
        }
        add(REQUEST_ID, trace.request_id());
    }
}

/// A request as it would be sent to a participant, for reports about a definition. Values that may be secret are
/// marked as sensitive.
pub fn as_sent(participant: &Participant, request: &Request) -> Result<http::Request<Bytes>, http::Error> {
    let base = &participant.base;
    let authority = base.authority().map_or_else(|| base.host().unwrap_or_default(), |at| at.as_str());
    // In the place of a credential, which reports do not have.
    let mut hidden = HeaderValue::from_static("***");
    hidden.set_sensitive(true);
    message(
        participant,
        &HeaderValue::from_str(authority)?,
        request,
        (participant.auth.as_ref().map(|_| &hidden), &TraceHeaders::default()),
    )
}

/// A secret as a header's value, which no report shows.
pub(super) fn sensitive(secret: &SecretText) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(secret.reveal())?;
    value.set_sensitive(true);
    Ok(value)
}

/// Makes the message of `request` for `participant`, from the definition and the saga only: no proxy, no cookie, no
/// credentials of the environment. `proof` is the value of `Authorization`, where the participant's `auth` makes one.
pub(super) fn message(
    participant: &Participant,
    host: &HeaderValue,
    request: &Request,
    (proof, traces): (Option<&HeaderValue>, &TraceHeaders),
) -> Result<Message, http::Error> {
    let prefix = participant.base.path().trim_end_matches('/');
    // A path that the participant gave stands on its origin.
    let prefix = if request.on_origin { "" } else { prefix };
    let target: Uri = if prefix.is_empty() {
        request.path.parse()?
    } else {
        format!("{prefix}{}", request.path).try_into()?
    };
    let body = request.body.as_ref().map(|body| Bytes::copy_from_slice(body.text().as_bytes()));
    let mut saga_id = String::with_capacity(Hyphenated::LENGTH);
    request.saga.write(&mut saga_id);
    // Room for the headers below, so that they are not moved.
    let mut headers = HeaderMap::with_capacity(13 + participant.headers.len() + request.headers.len());
    headers.insert(HOST, host.clone());
    headers.insert(ACCEPT, JSON);
    headers.insert(USER_AGENT, AGENT);
    // A structured-field string, as draft-ietf-httpapi-idempotency-key-header has it.
    headers.insert(IDEMPOTENCY_KEY, quoted_key(request).try_into()?);
    headers.insert(SAGA_ID, saga_id.try_into()?);
    headers.insert(SAGA_STEP, HeaderValue::from_str(&request.step)?);
    headers.insert(SAGA_ATTEMPT, request.attempt.get().into());
    headers.insert(SAGA_EPOCH, request.epoch.get().into());
    // Before a participant's own headers, which take the place of `baggage` and `X-Request-Id`.
    traces.add(&mut headers, &request.trace);
    if matches!(request.body, Some(Body::Json(_))) {
        headers.insert(CONTENT_TYPE, JSON);
    }
    for (name, value) in &participant.headers {
        headers.insert(name, value.clone());
    }
    // A participant's own content type is one of JSON; a form or a text is what the call says.
    if let Some(body @ (Body::Form(_) | Body::Text { .. })) = &request.body {
        headers.insert(CONTENT_TYPE, body.content_type());
    }
    for (name, value) in &request.headers {
        headers.insert(name, value.clone());
    }
    if let Some(proof) = proof {
        headers.insert(AUTHORIZATION, proof.clone());
    }
    let mut message = Message::new(body.unwrap_or_default());
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = target;
    *message.headers_mut() = headers;
    Ok(message)
}

fn quoted_key(request: &Request) -> String {
    let mut key = String::with_capacity(Hyphenated::LENGTH + request.step.len() + 16);
    key.push('"');
    request.write_idempotency_key(&mut key);
    key.push('"');
    key
}
