//! The document as this process serves it: with the inputs of the loaded definitions, each a schema of its own, and keys where they
//! are needed.

use std::sync::Arc;

use saga_core::{Definition, understood};
use serde_json::{Map, Value, json};

/// The operation whose body is the input of one of them.
const START: &str = "/paths/~1api~1sagas~1{saga}/post/requestBody/content/application~1json";

/// The document as JSON, in which every operation can do without a key.
pub(super) fn without_keys(document: &str) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    let operations = paths.filter_map(|(_, item)| item.as_object_mut()).flatten();
    for security in operations.filter_map(|(_, operation)| operation.get_mut("security")?.as_array_mut()) {
        let nothing = json!({});
        if !security.contains(&nothing) {
            security.insert(0, nothing);
        }
    }
    document.to_string()
}

/// The document as JSON, in which `POST /api/sagas/{saga}` takes the inputs of these definitions.
pub(super) fn added_to(document: &str, definitions: &[Arc<Definition>]) -> String {
    let mut document: Value = serde_json::from_str(document).unwrap_or_default();
    let named = |definition: &Arc<Definition>| format!("{}.input", definition.name);
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        for definition in definitions {
            let place = format!("#/components/schemas/{}", named(definition));
            schemas.insert(named(definition), moved(definition.input.schema(), &place));
        }
    }
    if let Some(body) = document.pointer_mut(START).and_then(Value::as_object_mut) {
        let schema = |definition| json!({ "$ref": format!("#/components/schemas/{}", named(definition)) });
        let schemas: Vec<Value> = definitions.iter().map(schema).collect();
        let example = |definition: &Arc<Definition>| {
            let sample = understood::input(definition)?;
            let value: Value = serde_json::from_str(sample.json().text()).ok()?;
            Some((definition.name.to_string(), json!({ "value": value })))
        };
        let examples: Map<String, Value> = definitions.iter().filter_map(example).collect();
        body.remove("example");
        body.insert("schema".to_owned(), json!({ "anyOf": schemas }));
        body.insert("examples".to_owned(), Value::Object(examples));
    }
    document.to_string()
}

/// A schema that stands at `place` in a document: what it refers to in itself is there, too.
fn moved(schema: Value, place: &str) -> Value {
    match schema {
        Value::Object(members) => {
            let moved_member = |(key, value): (String, Value)| match (key.as_str(), value) {
                ("$ref", Value::String(target)) => {
                    let within = target.strip_prefix('#').unwrap_or(&target);
                    (key, Value::String(format!("{place}{within}")))
                }
                // These are values, and no schemas.
                ("const" | "enum" | "default" | "example" | "examples", value) => (key, value),
                (_, value) => (key, moved(value, place)),
            };
            Value::Object(members.into_iter().map(moved_member).collect())
        }
        Value::Array(items) => items.into_iter().map(|item| moved(item, place)).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_of_a_schema_lead_to_where_it_stands() {
        let schema = json!({
            "properties": { "a": { "$ref": "#/$defs/b" }, "$ref": { "type": "string" } },
            "enum": [{ "$ref": "#" }],
            "allOf": [{ "$ref": "#" }]
        });
        let there = json!({
            "properties": { "a": { "$ref": "#/x/y/$defs/b" }, "$ref": { "type": "string" } },
            "enum": [{ "$ref": "#" }],
            "allOf": [{ "$ref": "#/x/y" }]
        });
        assert_eq!(moved(schema, "#/x/y"), there);
    }
}
