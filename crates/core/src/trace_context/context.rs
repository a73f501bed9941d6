//! The trace context that a caller sends, as it is kept with the saga.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ids::{SpanId, TraceId};

/// The bytes of a `traceparent` of version 00.
const TRACEPARENT_BYTES: usize = 55;

/// A caller's span, and whether its trace is recorded: the header `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace: TraceId,
    /// The caller's span in it.
    pub span: SpanId,
    /// Whether it is recorded.
    pub flags: TraceFlags,
}

/// The flags of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceFlags(u8);

impl TraceFlags {
    const SAMPLED_BIT: u8 = 0b01;
    /// The caller says that it drew the trace's id at random: its last 56 bits, at least (level 2).
    const RANDOM_BIT: u8 = 0b10;

    /// Of a trace that begins here.
    pub const fn of(is_sampled: bool) -> Self {
        Self(if is_sampled { Self::SAMPLED_BIT } else { 0 })
    }

    /// Whether the trace is recorded.
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED_BIT != 0
    }

    /// The same, recorded or not.
    #[must_use]
    pub const fn sampled(self, is_sampled: bool) -> Self {
        Self((self.0 & Self::RANDOM_BIT) | Self::of(is_sampled).0)
    }

    /// Its bits.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// A text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no traceparent")]
pub struct NoTraceParent;

impl TraceParent {
    /// Writes it behind `text`, without the detour that formatting takes: every call has one.
    pub fn write(&self, text: &mut String) {
        text.push_str("00-");
        hex(text, &self.trace.bits().to_be_bytes());
        text.push('-');
        hex(text, &self.span.bits().to_be_bytes());
        text.push('-');
        hex(text, &[self.flags.bits()]);
    }

    /// The header's value.
    pub fn header(&self) -> String {
        let mut text = String::with_capacity(TRACEPARENT_BYTES);
        self.write(&mut text);
        text
    }
}

fn hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Of a version that is not known, what version 00 has, as Trace Context says.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let (known, rest) = text.split_at_checked(TRACEPARENT_BYTES).ok_or(NoTraceParent)?;
        let mut parts = known.split('-');
        let mut part =
            |bytes| parts.next().filter(|part| part.len() == bytes && is_hex(part)).ok_or(NoTraceParent);
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        match version {
            "ff" => return Err(NoTraceParent),
            "00" if !rest.is_empty() => return Err(NoTraceParent),
            _ if !rest.is_empty() && !rest.starts_with('-') => return Err(NoTraceParent),
            _ => {}
        }
        let trace = u128::from_str_radix(trace, 16).ok().and_then(|bits| TraceId::new(bits).ok());
        let span = u64::from_str_radix(span, 16).ok().and_then(|bits| SpanId::new(bits).ok());
        let bits = u8::from_str_radix(flags, 16).map_err(|_| NoTraceParent)?;
        let known = match version {
            "00" => TraceFlags::SAMPLED_BIT | TraceFlags::RANDOM_BIT,
            // Other bits may mean something else there.
            _ => TraceFlags::SAMPLED_BIT,
        };
        let flags = TraceFlags(bits & known);
        Ok(Self { trace: trace.ok_or(NoTraceParent)?, span: span.ok_or(NoTraceParent)?, flags })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())
    }
}

impl Serialize for TraceParent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.header())
    }
}

impl<'de> Deserialize<'de> for TraceParent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The context that a caller sent with its request: at least one part of it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext {
    /// The caller's span: `traceparent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TraceParent>,
    /// What tracing systems have added: `tracestate`. It is passed on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Box<str>>,
    /// What services tell those behind them: `baggage`. It is passed on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baggage: Option<Box<str>>,
    /// The caller's name for its request: `X-Request-Id`. It is passed on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Box<str>>,
}

impl TraceContext {
    /// Its bytes in memory and in the journal, roughly.
    pub fn bytes(&self) -> usize {
        let texts = [&self.state, &self.baggage, &self.request_id];
        let texts = texts.into_iter().flatten().map(|text| text.len()).sum::<usize>();
        texts + self.parent.map_or(0, |_| TRACEPARENT_BYTES)
    }
}
