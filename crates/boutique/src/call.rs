//! One HTTP request, read in full, its sender and purpose ([`CallerHeaders`]), and the [`JsonAnswer`] to it.
//!
//! Headers and bodies are parsed here, once; the services rely on the parsed values.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use strum::{Display, EnumString, IntoStaticStr};

use crate::Facon;

/// Longest identifier taken from a header or a path, in bytes: several times a saga's UUID with two words.
pub(crate) const ID_BYTES_MAX: usize = 256;

/// A request whose body has been read.
#[derive(Debug)]
pub(crate) struct CallRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) caller: CallerHeaders,
    pub(crate) body: Bytes,
}

impl CallRequest {
    /// The path's segments, without the empty one before the first slash.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.trim_start_matches('/').split('/').collect()
    }

    /// The body as `T`, or a 422 that explains the error.
    pub(crate) fn parse_body<T: DeserializeOwned>(&self) -> Result<T, JsonAnswer> {
        serde_json::from_slice(&self.body)
            .map_err(|error| JsonAnswer::detail(422, &format!("Corps de requête invalide : {error}")))
    }

    /// The value of a query parameter, as it was sent.
    pub(crate) fn query_value(&self, name: &str) -> Option<&str> {
        self.query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, v)| v)
    }

    /// A query parameter that holds free text.
    pub(crate) fn query_text(&self, name: &str) -> Result<Option<String>, JsonAnswer> {
        self.query_value(name).map(|text| percent_decoded(name, text)).transpose()
    }

    /// A query parameter that must be a whole number if it is present.
    pub(crate) fn query_number(&self, name: &str) -> Result<Option<i64>, JsonAnswer> {
        self.query_value(name).map(|text| whole_number(name, text)).transpose()
    }

    /// The identity of a request: its method, its path, and the meaning of its body (not the spacing or the order of
    /// fields).
    pub(crate) fn fingerprint(&self) -> String {
        let body = match serde_json::from_slice::<Value>(&self.body) {
            Ok(value) => sorted(&value).to_string(),
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        format!("{} {}\n{body}", self.method, self.path)
    }
}

/// The value with the fields of all objects sorted, at every depth.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut entries: Vec<_> = fields.iter().collect();
            entries.sort_by_key(|(name, _)| name.as_str());
            Value::Object(entries.into_iter().map(|(name, inner)| (name.clone(), sorted(inner))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Free text from a path or a query, decoded. Callers escape differently (`:` as `%3A`), and two spellings of a
/// saga's id must not be two sagas.
pub(crate) fn percent_decoded(name: &str, text: &str) -> Result<String, JsonAnswer> {
    let bad = || JsonAnswer::detail(422, &format!("{name} : échappement invalide dans « {text} »"));
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).ok_or_else(bad)?;
        let digits = code.bytes().all(|byte| byte.is_ascii_hexdigit());
        bytes.push(u8::from_str_radix(code, 16).ok().filter(|_| digits).ok_or_else(bad)?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// A whole number from a path or a query, or the 422 that names it.
pub(crate) fn whole_number(name: &str, text: &str) -> Result<i64, JsonAnswer> {
    text.parse().map_err(|_| {
        JsonAnswer::detail(422, &format!("{name} : un nombre entier est attendu, reçu « {text} »"))
    })
}

/// A client's id from a path: 1 or more.
pub(crate) fn client_id(text: &str) -> Result<i64, JsonAnswer> {
    match whole_number("client_id", text)? {
        id if id >= 1 => Ok(id),
        id => Err(JsonAnswer::detail(422, &format!("client_id : 1 ou plus est attendu, reçu {id}"))),
    }
}

/// The direction of a call. Keys and the ledger have its name in snake case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum CallDirection {
    Action,
    Compensation,
}

/// An idempotency key, as the caller wrote it and as this service reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallKey {
    text: String,
    parts: Option<KeyParts>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyParts {
    saga: String,
    step: String,
    direction: CallDirection,
}

impl CallKey {
    /// Takes `saga:step:action`, with or without the double quotes of a structured field. Any other text is a key,
    /// too: it is recorded like the others, but belongs to no step.
    fn parse(header: &str) -> Result<Self, JsonAnswer> {
        let text = header.trim();
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        if text.is_empty() || text.len() > ID_BYTES_MAX {
            let detail = format!("Idempotency-Key : de 1 à {ID_BYTES_MAX} octets sont attendus");
            return Err(JsonAnswer::detail(422, &detail));
        }
        // From the right, so that a saga's id may hold colons.
        let mut parts = text.rsplitn(3, ':');
        let parts = match (parts.next(), parts.next(), parts.next()) {
            (Some(direction), Some(step), Some(saga)) => direction.parse().ok().map(|direction| KeyParts {
                saga: saga.to_owned(),
                step: step.to_owned(),
                direction,
            }),
            _ => None,
        };
        Ok(Self { text: text.to_owned(), parts })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn direction(&self) -> Option<CallDirection> {
        self.parts.as_ref().map(|parts| parts.direction)
    }

    /// The key of the same step's other direction, for the rules `null` and `hanging`.
    pub(crate) fn sibling(&self) -> Option<String> {
        let KeyParts { saga, step, direction } = self.parts.as_ref()?;
        let other = match direction {
            CallDirection::Action => CallDirection::Compensation,
            CallDirection::Compensation => CallDirection::Action,
        };
        Some(format!("{saga}:{step}:{other}"))
    }
}

/// The information that headers give about the caller. All of it is optional: an ordinary caller sends none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallerHeaders {
    pub(crate) key: Option<CallKey>,
    saga_id: Option<String>,
    step: Option<String>,
    pub(crate) attempt: Option<i64>,
    pub(crate) epoch: Option<i64>,
}

impl CallerHeaders {
    /// `Moderne` refuses headers that it cannot read, because it acts on them; `Ancienne` only records them.
    pub(crate) fn read(headers: &HeaderMap, facon: Facon) -> Result<Self, JsonAnswer> {
        match (Self::parse(headers), facon) {
            (Ok(caller), _) => Ok(caller),
            (Err(answer), Facon::Moderne) => Err(answer),
            (Err(_), Facon::Ancienne) => Ok(Self::default()),
        }
    }

    fn parse(headers: &HeaderMap) -> Result<Self, JsonAnswer> {
        let text = |name: &str| -> Result<Option<&str>, JsonAnswer> {
            let Some(value) = headers.get(name) else { return Ok(None) };
            match value.to_str() {
                Ok(text) if text.len() <= ID_BYTES_MAX + 2 => Ok(Some(text)),
                _ => Err(JsonAnswer::detail(
                    422,
                    &format!("{name} : au plus {ID_BYTES_MAX} octets ASCII sont attendus"),
                )),
            }
        };
        let number = |name: &str| text(name)?.map(|value| whole_number(name, value)).transpose();
        let caller = Self {
            key: text("idempotency-key")?.map(CallKey::parse).transpose()?,
            saga_id: text("saga-id")?.map(str::to_owned),
            step: text("saga-step")?.map(str::to_owned),
            attempt: number("saga-attempt")?,
            epoch: number("saga-epoch")?,
        };
        let of_key = caller.key.as_ref().and_then(|key| key.parts.as_ref());
        if let (Some(parts), Some(saga)) = (of_key, &caller.saga_id)
            && parts.saga != *saga
        {
            return Err(JsonAnswer::detail(422, "Saga-Id et Idempotency-Key nomment deux sagas différentes"));
        }
        Ok(caller)
    }

    /// The saga this call belongs to, by its header or else by its key.
    pub(crate) fn saga_id(&self) -> Option<&str> {
        let of_key = || self.key.as_ref()?.parts.as_ref().map(|parts| parts.saga.as_str());
        self.saga_id.as_deref().or_else(of_key)
    }

    /// The step, by its header or else by the key.
    pub(crate) fn step(&self) -> Option<&str> {
        let of_key = || self.key.as_ref()?.parts.as_ref().map(|parts| parts.step.as_str());
        self.step.as_deref().or_else(of_key)
    }
}

/// A status and a JSON body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonAnswer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, Cow<'static, str>)>,
}

impl JsonAnswer {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Self {
        let body =
            serde_json::to_string(body).expect("our own structs have string keys and no failing parts");
        Self { status, body, headers: Vec::new() }
    }

    /// The shape FastAPI gives to errors.
    pub(crate) fn detail(status: u16, detail: &str) -> Self {
        Self::json(status, &json!({ "detail": detail }))
    }

    /// A refusal by the barrier: `code` is for programs, `detail` for readers.
    pub(crate) fn barrier(status: u16, code: &str, detail: &str) -> Self {
        Self::json(status, &json!({ "detail": detail, "code": code }))
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_broken_ones_refused() {
        assert_eq!(percent_decoded("saga_id", "a%3Ab%C3%A9").unwrap(), "a:bé");
        for bad in ["%", "%3", "%zz", "%+1", "%ff", "%é"] {
            assert!(percent_decoded("saga_id", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_is_read_with_or_without_quotes_and_knows_its_sibling() {
        let bare = CallKey::parse("a:b:stock:action").unwrap();
        assert_eq!(bare, CallKey::parse("\"a:b:stock:action\"").unwrap());
        assert_eq!(bare.sibling().as_deref(), Some("a:b:stock:compensation"));
        assert_eq!(CallKey::parse("free text").unwrap().sibling(), None);
        assert!(CallKey::parse("\"\"").is_err());
    }
}
