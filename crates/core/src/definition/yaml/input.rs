//! The form of `input`: members with types, or a JSON Schema.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::Spanned;
use super::keys::Keys;
use super::tree::{KeyValue, Node, NodeKind};

/// What a file declares of its input.
pub(in super::super) enum InputIn {
    /// Each member with its type; `None`: the form of that is wrong, which has been reported.
    Members(BTreeMap<String, Option<Spanned<String>>>),
    /// A JSON Schema.
    Schema(Spanned<SchemaIn>),
}

/// A JSON Schema.
pub(in super::super) struct SchemaIn {
    pub(in super::super) value: Value,
    /// The names under `properties`, in the order of the file.
    pub(in super::super) properties: Vec<Box<str>>,
}

impl InputIn {
    /// `None`: the form is wrong, which has been reported.
    pub(super) fn read(keys: &mut Keys<'_, '_>) -> Option<Self> {
        let entries = keys.names("input")?;
        let is_schema =
            |entry: &&KeyValue| entry.key == "schema" && matches!(entry.value.kind, NodeKind::Mapping(_));
        let Some(schema) = entries.iter().find(is_schema) else {
            return keys.texts("input").map(Self::Members);
        };
        if let Some(other) = entries.iter().find(|entry| entry.key != "schema") {
            let message = format!(
                "a `schema` says everything of the input; move `{}` under its `properties`, or remove `schema`",
                super::shown(&other.key)
            );
            keys.notes.mistake(other.line, message);
            return None;
        }
        let value = SchemaIn { value: json(&schema.value)?, properties: properties(&schema.value) };
        Some(Self::Schema(Spanned { value, line: schema.line }))
    }
}

fn properties(schema: &Node) -> Vec<Box<str>> {
    let entries = |node: &Node| match &node.kind {
        NodeKind::Mapping(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
        }
        NodeKind::Scalar { .. } | NodeKind::List(_) | NodeKind::Mistaken => Vec::new(),
    };
    let under = entries(schema).into_iter().find(|(key, _)| key == "properties");
    under.into_iter().flat_map(|(_, named)| entries(&named)).map(|(name, _)| name.into()).collect()
}

/// YAML as JSON, by YAML's core schema (YAML 1.2.2, 10.3): `yes` is a text. `None`: a part has been reported.
fn json(node: &Node) -> Option<Value> {
    Some(match &node.kind {
        NodeKind::Mistaken => return None,
        NodeKind::Scalar { .. } if node.is_null() => Value::Null,
        NodeKind::Scalar { text, is_plain: true } => scalar(text),
        NodeKind::Scalar { text, is_plain: false } => Value::from(text.as_str()),
        NodeKind::List(items) => items.iter().map(|item| json(item)).collect::<Option<_>>()?,
        NodeKind::Mapping(entries) => {
            let members = entries.iter().map(|entry| Some((entry.key.clone(), json(&entry.value)?)));
            Value::Object(members.collect::<Option<Map<_, _>>>()?)
        }
    })
}

fn scalar(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = text.trim_start_matches(['-', '+', '.']).starts_with(|c: char| c.is_ascii_digit());
    let whole = text.parse::<i64>().ok().map(Value::from);
    let fraction = || text.parse().ok().and_then(Number::from_f64).map(Value::Number);
    whole.or_else(fraction).filter(|_| is_number).unwrap_or_else(|| Value::from(text))
}
