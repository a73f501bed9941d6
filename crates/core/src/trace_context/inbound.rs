//! How a caller's trace context is read from the headers of its request.
//!
//! Nothing in these headers is ever an error to the caller: a header that cannot be read is as if it had not been sent, as Trace
//! Context and Baggage have it.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::context::{TraceContext, TraceParent};

/// Members of a `tracestate`; one with more is as if it had not been sent.
pub const TRACESTATE_MEMBERS_MAX: usize = 32;
/// Bytes of a `tracestate`; of a longer one, long members are left out, and then the last ones.
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Members longer than this are the first to be left out.
const TRACESTATE_MEMBER_BYTES: usize = 128;
/// Members of a `baggage`; one with more is as if it had not been sent.
pub const BAGGAGE_MEMBERS_MAX: usize = 64;
/// Bytes of a `baggage`; a longer one is as if it had not been sent.
pub const BAGGAGE_BYTES_MAX: usize = 8_192;
/// Bytes of an `X-Request-Id`; a longer one is as if it had not been sent.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which parts of a trace's context are taken from callers, and passed on to participants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagation {
    /// `traceparent` and `tracestate`.
    pub trace: bool,
    /// `baggage`.
    pub baggage: bool,
}

impl Default for Propagation {
    fn default() -> Self {
        Self { trace: true, baggage: true }
    }
}

impl TraceContext {
    /// The context in these headers; `None`: there is none.
    pub fn read(headers: &HeaderMap, propagation: Propagation) -> Option<Self> {
        let parent = propagation.trace.then(|| parent(headers)).flatten();
        // Without a parent, nobody knows what the state belongs to.
        let state = parent.and_then(|_| joined(headers, &TRACESTATE)).and_then(|text| state(&text));
        let baggage = propagation.baggage.then(|| joined(headers, &BAGGAGE)).flatten();
        let baggage = baggage.and_then(|text| self::baggage(&text));
        let request_id = request_id(headers).map(Into::into);
        let is_any = parent.is_some() || baggage.is_some() || request_id.is_some();
        is_any.then_some(Self { parent, state, baggage, request_id })
    }
}

impl TraceParent {
    /// The caller's span; two of them are none.
    pub fn read(headers: &HeaderMap, propagation: Propagation) -> Option<Self> {
        propagation.trace.then(|| parent(headers)).flatten()
    }
}

/// The header `X-Request-Id`, if its value can be taken.
pub fn sent_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    request_id(headers)?;
    headers.get(&REQUEST_ID)
}

fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    one(headers, &TRACEPARENT)?.parse().ok()
}

/// The caller's name for its request.
fn request_id(headers: &HeaderMap) -> Option<&str> {
    let is_taken = |text: &&str| !text.is_empty() && text.len() <= REQUEST_ID_BYTES_MAX;
    one(headers, &REQUEST_ID).filter(is_taken)
}

/// The header's only value, of printable characters.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let text = value.to_str().ok()?.trim_matches([' ', '\t']);
    (!text.contains('\t')).then_some(text)
}

/// The header's values as one list, in their order.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut joined = String::new();
    for value in headers.get_all(name) {
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(value.to_str().ok()?);
    }
    Some(joined)
}

/// The list without empty members, and without blanks around them.
fn members(text: &str) -> Vec<&str> {
    let members = text.split(',').map(|member| member.trim_matches([' ', '\t']));
    members.filter(|member| !member.is_empty()).collect()
}

/// A `tracestate` within its limits; `None`: it is empty, or none.
fn state(text: &str) -> Option<Box<str>> {
    let mut kept = members(text);
    if kept.len() > TRACESTATE_MEMBERS_MAX || !kept.iter().all(|member| is_state_member(member)) {
        return None;
    }
    let key = |member: &str| member.split_once('=').map_or(0, |(key, _)| key.len());
    let is_twice =
        |at: usize| kept[..at].iter().any(|before| before[..key(before)] == kept[at][..key(kept[at])]);
    if (0..kept.len()).any(is_twice) {
        return None;
    }
    let bytes = |kept: &[&str]| kept.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    while bytes(&kept) > TRACESTATE_BYTES_MAX {
        let long = kept.iter().rposition(|member| member.len() > TRACESTATE_MEMBER_BYTES);
        kept.remove(long.unwrap_or(kept.len() - 1));
    }
    (!kept.is_empty()).then(|| kept.join(",").into())
}

/// Whether it is a key of at most 256 characters, and a value of at most 256.
fn is_state_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_key = |byte: u8| is_first(byte) || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    key.bytes().next().is_some_and(is_first)
        && key.len() <= 256
        && key.bytes().all(is_key)
        && (1..=256).contains(&value.len())
        && value.bytes().all(is_value)
}

/// A `baggage` within its limits; `None`: it is empty, or none.
fn baggage(text: &str) -> Option<Box<str>> {
    let members = members(text);
    let bytes = members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1);
    let is_taken = (1..=BAGGAGE_MEMBERS_MAX).contains(&members.len())
        && bytes <= BAGGAGE_BYTES_MAX
        && members.iter().all(|member| is_baggage_member(member));
    is_taken.then(|| members.join(",").into())
}

/// Whether it is `key=value`, and properties behind semicolons, each `key` or `key=value`.
fn is_baggage_member(member: &str) -> bool {
    let is_token = |text: &str| {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty() && text.bytes().all(is_token)
    };
    let is_octet = |byte: u8| matches!(byte, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~');
    let blank = [' ', '\t'];
    let is_pair = |pair: &str| {
        pair.split_once('=').is_some_and(|(key, value)| {
            is_token(key.trim_matches(blank)) && value.trim_matches(blank).bytes().all(is_octet)
        })
    };
    let mut parts = member.split(';');
    let is_first = parts.next().is_some_and(is_pair);
    is_first && parts.all(|part| is_pair(part) || is_token(part.trim_matches(blank)))
}
