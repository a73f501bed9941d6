//! JSON that stays text: payloads pass through the orchestrator without being taken apart.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Arrays and objects inside each other. Whoever reads the value later may do it by recursion, as jq does: without a
/// limit, a participant's answer could overflow the stack and end the process.
pub const NESTING_MAX: usize = 128;

/// One valid JSON value, kept as the text it came in. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// `null`.
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    /// Checks that `text` is one JSON value, nested no deeper than [`NESTING_MAX`], and keeps it.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        if nesting(text) > NESTING_MAX {
            let message = format!("nested deeper than the limit NESTING_MAX, {NESTING_MAX}");
            return Err(serde::de::Error::custom(message));
        }
        serde_json::from_slice::<&RawValue>(text).map(|raw| Self(raw.to_owned().into()))
    }

    /// The JSON of something that serializes.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// The raw value.
    pub fn raw(&self) -> &RawValue {
        &self.0
    }

    /// Whether both are the same value, whatever the order of keys and white space.
    pub fn same_value(&self, other: &Self) -> bool {
        let parse = |json: &Self| serde_json::from_str::<serde_json::Value>(json.text()).ok();
        self.text() == other.text() || matches!((parse(self), parse(other)), (Some(a), Some(b)) if a == b)
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// How deep arrays and objects are nested in `text`, which need not be JSON.
fn nesting(text: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                most = most.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => {
                // To the end of the string; what follows a backslash does not end it.
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    most
}

/// What following a path through JSON found.
#[derive(Debug, PartialEq, Eq)]
pub enum Picked<'a> {
    /// The value's text.
    Value(&'a str),
    /// A key on the way is missing, or its value is `null`.
    Missing,
    /// Something on the way is neither an object nor `null`: it has no keys.
    NotAnObject,
}

/// Follows `path`, key by key, without building anything: other values are skipped over.
pub fn pick<'a>(text: &'a str, path: &[Box<str>]) -> Picked<'a> {
    let mut here = text.trim_ascii();
    for key in path {
        match here.as_bytes().first() {
            Some(b'{') => {}
            Some(b'n') | None => return Picked::Missing,
            Some(_) => return Picked::NotAnObject,
        }
        match Member(key).deserialize(&mut serde_json::Deserializer::from_str(here)) {
            Ok(Some(raw)) => here = raw.get(),
            Ok(None) => return Picked::Missing,
            Err(_) => return Picked::NotAnObject,
        }
    }
    if here == "null" { Picked::Missing } else { Picked::Value(here) }
}

/// Reads one member of an object; like jq, the last one where a key stands twice.
struct Member<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Key(key)) = map.next_key()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// An object's key: borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_followed_through_text() {
        let path = |keys: &[&str]| keys.iter().map(|k| Box::from(*k)).collect::<Vec<_>>();
        let text = r#" {"a": {"b": [1, 2]}, "n": null, "é": 1, "a2": "x"} "#;
        assert_eq!(pick(text, &path(&["a", "b"])), Picked::Value("[1, 2]"));
        assert_eq!(pick(text, &path(&["\u{e9}"])), Picked::Value("1"));
        assert_eq!(pick(text, &path(&["a", "c"])), Picked::Missing);
        assert_eq!(pick(text, &path(&["n", "c"])), Picked::Missing);
        assert_eq!(pick(text, &path(&["a2", "c"])), Picked::NotAnObject);
        assert_eq!(pick(r#"{"a":1,"a":2}"#, &path(&["a"])), Picked::Value("2"));
    }

    #[test]
    fn nesting_is_limited_outside_of_strings() {
        assert_eq!(nesting(br#"{"a":[[],{"b":"[[[\\\"[[["}]}"#), 3);
        assert_eq!(nesting(b"]]["), 1);
        let deep = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(Json::parse(deep(NESTING_MAX).as_bytes()).is_ok());
        assert!(
            Json::parse(deep(NESTING_MAX + 1).as_bytes()).unwrap_err().to_string().contains("NESTING_MAX")
        );
    }
}
