//! JSON that stays text: payloads pass through the orchestrator without being taken apart.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Arrays and objects inside each other. Code that reads the value later may do it by recursion, as jq does: without a
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
        if is_too_deep(text) {
            let message = format!("nested deeper than the limit NESTING_MAX, {NESTING_MAX}");
            return Err(serde::de::Error::custom(message));
        }
        serde_json::from_slice::<&RawValue>(text).map(|raw| Self(raw.to_owned().into()))
    }

    /// The same, and no object in it has two members of one name.
    pub fn parse_unambiguous(text: &[u8]) -> Result<Self, serde_json::Error> {
        let json = Self::parse(text)?;
        unambiguous(json.text())?;
        Ok(json)
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

    /// Whether both are the same value, whatever the order of keys, white space, and the way in which numbers are
    /// written. Numbers are compared digit by digit.
    pub fn same_value(&self, other: &Self) -> bool {
        self.text() == other.text() || same(self.text(), other.text()).unwrap_or(false)
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

/// Whether arrays and objects are nested deeper than [`NESTING_MAX`] in `text`, which need not be JSON.
fn is_too_deep(text: &[u8]) -> bool {
    // Most texts do not have as many brackets at all, and those are soon counted.
    if text.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= NESTING_MAX {
        return false;
    }
    let mut depth = 0_usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > NESTING_MAX {
                    return true;
                }
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
    false
}

/// The result of following a path through JSON.
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
        while let Some(MemberKey(key)) = map.next_key()? {
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
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct MemberKey<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether two texts are the same value.
fn same(a: &str, b: &str) -> Result<bool, serde_json::Error> {
    type Members<'a> = BTreeMap<MemberKey<'a>, &'a RawValue>;
    let (a, b) = (a.trim_ascii(), b.trim_ascii());
    let mut all = true;
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'{'), Some(b'{')) => {
            let (a, b): (Members<'_>, Members<'_>) = (serde_json::from_str(a)?, serde_json::from_str(b)?);
            all &= a.len() == b.len();
            for (key, a) in &a {
                all = all && b.get(key).map_or(Ok(false), |b| same(a.get(), b.get()))?;
            }
        }
        (Some(b'['), Some(b'[')) => {
            let (a, b): (Vec<&RawValue>, Vec<&RawValue>) =
                (serde_json::from_str(a)?, serde_json::from_str(b)?);
            all &= a.len() == b.len();
            for (a, b) in a.iter().zip(b) {
                all = all && same(a.get(), b.get())?;
            }
        }
        (Some(b'"'), Some(b'"')) => {
            all = serde_json::from_str::<String>(a)? == serde_json::from_str::<String>(b)?;
        }
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => all = Decimal::of(a) == Decimal::of(b),
        _ => all = a == b,
    }
    Ok(all)
}

/// A JSON number without what does not belong to its value: `10.00`, `1e1` and `10` are one.
#[derive(PartialEq, Eq)]
struct Decimal {
    is_negative: bool,
    /// Without zeros at either end.
    digits: String,
    /// The power of ten of the last digit; `None`: beyond what can be told apart.
    exponent: Option<i64>,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all = [whole, fraction].concat();
        let digits = all.trim_start_matches('0').trim_end_matches('0');
        if digits.is_empty() {
            return Self { is_negative: false, digits: String::new(), exponent: Some(0) };
        }
        let zeros = all.len() - all.trim_end_matches('0').len();
        let shift = zeros as i64 - fraction.len() as i64;
        let exponent = exponent.trim_start_matches('+').parse::<i64>().ok();
        let exponent = exponent.and_then(|exponent| exponent.checked_add(shift));
        Self { is_negative, digits: digits.to_owned(), exponent }
    }
}

/// Refuses two members of one name in any object of `text`.
fn unambiguous(text: &str) -> Result<(), serde_json::Error> {
    Unambiguous.deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// Reads any value, and keeps nothing of it.
struct Unambiguous;

impl<'de> DeserializeSeed<'de> for Unambiguous {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(MemberKey(name)) = map.next_key()? {
            if let Some(twice) = names.replace(name) {
                return Err(serde::de::Error::custom(format!(
                    "the member `{}` is there twice",
                    twice.escape_debug()
                )));
            }
            map.next_value_seed(Self)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

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
        let brackets = "[".repeat(NESTING_MAX);
        for text in [r#"{"a":"BRACKETS\\\"BRACKETS","b":[[],{"c":"BRACKETS"}]}"#, r#"]]["BRACKETS"]"#] {
            assert!(!is_too_deep(text.replace("BRACKETS", &brackets).as_bytes()), "{text}");
        }
        assert!(is_too_deep([brackets.as_bytes(), b"]\"\"[{"].concat().as_slice()));
        let deep = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(Json::parse(deep(NESTING_MAX).as_bytes()).is_ok());
        assert!(
            Json::parse(deep(NESTING_MAX + 1).as_bytes()).unwrap_err().to_string().contains("NESTING_MAX")
        );
    }

    #[test]
    fn the_same_value_may_be_written_in_several_ways() {
        let json = |text: &str| Json::parse(text.as_bytes()).unwrap();
        for (a, b) in [
            ("10.00", "1e1"),
            ("-0", "0.0"),
            ("100", "1E+2"),
            ("0.0012", "12e-4"),
            (r#"{"a":1,"b":[2,"é"]}"#, r#" { "b" : [2.0, "\u00e9"], "a" : 1 } "#),
            (r#"{"\u0061":1}"#, r#"{"a":1}"#),
        ] {
            assert!(json(a).same_value(&json(b)), "{a} {b}");
        }
        for (a, b) in [
            ("12345678901234567.89", "12345678901234567.88"),
            ("18446744073709551616", "18446744073709551617"),
            ("1", "-1"),
            ("1", "10"),
            ("1e5", "1e6"),
            ("0", "null"),
            ("1", "\"1\""),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"b":1}"#, r#"{"a":1}"#),
            ("[1]", "[1,2]"),
        ] {
            assert!(!json(a).same_value(&json(b)), "{a} {b}");
        }
    }

    #[test]
    fn two_members_of_one_name_are_ambiguous_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"\u0061":3}}]"#] {
            let told = Json::parse_unambiguous(text.as_bytes()).unwrap_err().to_string();
            assert!(told.contains("the member `a` is there twice"), "{told}");
        }
        let fine = r#"[{"a":1},{"a":{"a":[true,null,1.5,-1,18446744073709551616]}}]"#;
        assert!(Json::parse_unambiguous(fine.as_bytes()).is_ok());
        let deep = ["[".repeat(NESTING_MAX - 1), "]".repeat(NESTING_MAX - 1)].concat();
        assert!(Json::parse_unambiguous(deep.as_bytes()).is_ok());
    }
}
