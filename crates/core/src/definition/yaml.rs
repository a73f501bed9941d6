//! Reading definitions: YAML to the shape of a definition file, with mistakes of form in plain words.
//!
//! The YAML library is known to this module alone; what the file *means* is checked in `check.rs`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
pub(super) use serde_saphyr::Spanned;

use super::check::check;
use super::{Checked, Format, Variables};

/// A definition's source may have this many bytes.
const SOURCE_BYTES_MAX: usize = 256 * 1024;
/// Mappings and lists may be this deep inside each other: reading them is recursive, and the stack is finite.
const NESTING_MAX: usize = 32;
/// One thing wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1; 0 where the place is not known.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// Everything found wrong with one definition; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes {
    /// The name it was read under.
    pub file: String,
    /// In the order of lines.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, Mistake { line, message }) in self.mistakes.iter().enumerate() {
            let end = if i + 1 == self.mistakes.len() { "" } else { "\n" };
            match line {
                0 => write!(f, "{}: {message}{end}", self.file)?,
                _ => write!(f, "{}:{line}: {message}{end}", self.file)?,
            }
        }
        Ok(())
    }
}

pub(super) fn parse(
    file: &str,
    source: &str,
    format: Format,
    env: &dyn Variables,
) -> Result<Checked, Mistakes> {
    let fail = |line, message| Err(Mistakes { file: file.into(), mistakes: vec![Mistake { line, message }] });
    if source.len() > SOURCE_BYTES_MAX {
        return fail(
            0,
            format!("the file has {} bytes; a definition may have {SOURCE_BYTES_MAX}", source.len()),
        );
    }
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: NESTING_MAX } };
    let parsed: File = match serde_saphyr::from_str_with_options(source, options) {
        Ok(parsed) => parsed,
        Err(error) => {
            let line = error.location().map_or(0, |at| at.line() as usize);
            return fail(line, plain_words(&error.without_snippet().to_string()));
        }
    };
    check(parsed, source, format, env).map_err(|mistakes| Mistakes { file: file.into(), mistakes })
}

/// The YAML library's message in the words of this format, on one line and without its own mention of the place.
fn plain_words(message: &str) -> String {
    let text = message.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let text = match text.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => text,
    };
    let text = text.split_once(" at line ").map_or(text, |(before, _)| before);
    let key = |before: &str, after: &str| text.strip_prefix(before)?.split_once(after).map(|(key, _)| key);
    if let Some(key) = key("unknown field `", "`") {
        let known = text.rsplit_once("expected one of ").map_or("", |(_, known)| known);
        format!("there is no key `{key}` here; write one of: {known}")
    } else if let Some(key) = key("missing field `", "`") {
        format!("the key `{key}` is missing here; add it")
    } else if let Some(key) = key("duplicate mapping key: ", ", set ") {
        format!("the key `{key}` is here twice; remove one")
    } else if text.contains("expected sequence start") {
        "a list is needed here, its entries on lines that begin with `-`".into()
    } else if text.contains("expected mapping start") {
        "a mapping is needed here: lines of the form `key: value`".into()
    } else if text.contains("expected string scalar") {
        "a text is needed here, not a list or a mapping".into()
    } else if text.contains("invalid u32") {
        "a whole number is needed here, from 1 to 4294967295".into()
    } else if text.contains("unexpected end of input") {
        "the file ends before the definition is complete".into()
    } else if text.contains("multiple YAML documents") {
        "a second document begins here; write one definition to a file".into()
    } else if text.contains("Depth {") {
        format!("more than {NESTING_MAX} mappings and lists are inside each other here")
    } else if text.contains("budget breached") || text.contains("recursion limit") {
        format!("this YAML is more intricate than any definition needs ({text})")
    } else if text.contains("mapping values are not allowed") {
        "a `:` cannot stand here; put a text that has one into quotes".into()
    } else if text.contains("found a tab") {
        "a tab cannot stand here; indent with spaces".into()
    } else {
        text.to_owned()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) saga: Spanned<String>,
    #[serde(default)]
    pub(super) input: BTreeMap<String, Spanned<String>>,
    pub(super) states: StatesIn,
    pub(super) deadline: Option<Spanned<String>>,
    pub(super) participants: BTreeMap<String, Spanned<ParticipantIn>>,
    pub(super) steps: Spanned<Vec<Spanned<StepIn>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatesIn {
    pub(super) started: Spanned<String>,
    pub(super) completed: Spanned<String>,
    pub(super) cancelled: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParticipantIn {
    pub(super) url: Spanned<String>,
    pub(super) safety: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) connect_timeout: Option<Spanned<String>>,
    pub(super) calls_max: Option<Spanned<u32>>,
    pub(super) answer_bytes_max: Option<Spanned<u32>>,
    pub(super) horizon: Option<Spanned<String>>,
    pub(super) breaker: Option<BreakerIn>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BreakerIn {
    pub(super) window: Option<Spanned<String>>,
    pub(super) calls_min: Option<Spanned<u32>>,
    pub(super) failures_percent: Option<Spanned<u32>>,
    pub(super) open: Option<Spanned<String>>,
    pub(super) open_max: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StepIn {
    pub(super) step: Spanned<String>,
    pub(super) participant: Spanned<String>,
    pub(super) action: Spanned<CallIn>,
    pub(super) compensation: Option<Spanned<CompensationIn>>,
    pub(super) probe: Option<Spanned<ProbeIn>>,
    pub(super) success: Option<Spanned<String>>,
    pub(super) failure: Spanned<String>,
    pub(super) retry: Option<RetryIn>,
    pub(super) persist: Option<RetryIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryIn {
    pub(super) attempts: Option<Spanned<u32>>,
    pub(super) base: Option<Spanned<String>>,
    pub(super) cap: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallIn {
    pub(super) get: Option<Spanned<String>>,
    pub(super) post: Option<Spanned<String>>,
    pub(super) put: Option<Spanned<String>>,
    pub(super) patch: Option<Spanned<String>>,
    pub(super) delete: Option<Spanned<String>>,
    pub(super) body: Option<Spanned<Node>>,
    pub(super) unknown: Option<Spanned<String>>,
    pub(super) ok: Option<Spanned<String>>,
    pub(super) refused: Option<Spanned<String>>,
    pub(super) absent: Option<Spanned<String>>,
    pub(super) not_sent: Option<Spanned<String>>,
    pub(super) output: Option<Spanned<Node>>,
}

/// A call that changes nothing, and when it is made.
#[derive(Deserialize)]
#[serde(from = "ProbeKeys")]
pub(super) struct ProbeIn {
    pub(super) call: CallIn,
    pub(super) after: Option<Spanned<String>>,
}

/// A probe as it is written: `serde` cannot flatten and refuse unknown keys at once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProbeKeys {
    get: Spanned<String>,
    ok: Option<Spanned<String>>,
    refused: Option<Spanned<String>>,
    not_sent: Option<Spanned<String>>,
    output: Option<Spanned<Node>>,
    after: Option<Spanned<String>>,
}

impl From<ProbeKeys> for ProbeIn {
    fn from(keys: ProbeKeys) -> Self {
        let ProbeKeys { get, ok, refused, not_sent, output, after } = keys;
        let call = CallIn { get: Some(get), ok, refused, not_sent, output, ..CallIn::default() };
        Self { call, after }
    }
}

/// `none`, or a call.
pub(super) enum CompensationIn {
    Word(String),
    Call(Box<CallIn>),
}

impl<'de> Deserialize<'de> for CompensationIn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = CompensationIn;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`none`, or a call such as `{ delete: /path }`")
            }
            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(CompensationIn::Word(word.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                CallIn::deserialize(serde::de::value::MapAccessDeserializer::new(map))
                    .map(|call| CompensationIn::Call(Box::new(call)))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A body or output: a jq program, or a mapping of names to more of them.
pub(super) enum Node {
    Code(String),
    Members(Vec<(String, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a jq program, or a mapping of names to jq programs")
            }
            fn visit_str<E: serde::de::Error>(self, code: &str) -> Result<Self::Value, E> {
                Ok(Node::Code(code.to_owned()))
            }
            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Node::Code(value.to_string()))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Node::Code(value.to_string()))
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Node::Code(value.to_string()))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Node::Code(value.to_string()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Members(members))
            }
        }
        deserializer.deserialize_any(Either)
    }
}
