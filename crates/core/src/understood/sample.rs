//! A sample order: an input of the declared types, and outputs that stand for what services would give.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::definition::{Definition, InputForm, InputMember, InputType, SagaInput, StepWork, Template};
use crate::json::Json;

/// An input of the declared types; `None`: none could be made of its schema.
pub fn input(definition: &Arc<Definition>) -> Option<SagaInput> {
    let sample = match &definition.input {
        InputForm::Members(members) => members_of(definition, members),
        InputForm::Schema(schema) => fitting(schema.value(), schema.value(), "input", SCHEMA_NESTING_MAX),
    };
    definition.read_input(sample.to_string().as_bytes()).ok()
}

fn members_of(definition: &Definition, members: &[InputMember]) -> Value {
    let paths = paths(definition);
    let sample = |(i, member): (usize, &InputMember)| {
        let (name, place) = (&*member.name, format!("input.{}", member.name));
        let read = below(&paths, &["input", name]);
        let value = match member.kind {
            InputType::Integer => json!(i + 1),
            InputType::Number => json!(1.5),
            InputType::String => json!(name),
            InputType::Boolean => json!(true),
            InputType::Object if read.is_empty() => json!({}),
            InputType::Object => value(&place, None, &read),
            InputType::Array => json!([]),
        };
        (name.to_owned(), value)
    };
    Value::Object(members.iter().enumerate().map(sample).collect())
}

/// How deep a sample of a schema goes.
const SCHEMA_NESTING_MAX: usize = 16;

/// A value that fits most schemas: what it gives as an example, or else the simplest value of its type.
fn fitting(root: &Value, schema: &Value, place: &str, deeper: usize) -> Value {
    let first = |key: &str| schema.get(key).and_then(|list| list.get(0)).cloned();
    let given = first("examples").or_else(|| schema.get("default").or(schema.get("const")).cloned());
    if let Some(value) = given.or_else(|| first("enum")) {
        return value;
    }
    let Some(deeper) = deeper.checked_sub(1) else { return Value::Null };
    let reference =
        schema.get("$ref").and_then(Value::as_str).and_then(|target| root.pointer(target.strip_prefix('#')?));
    let choice = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema.get(key)?.get(0));
    if let Some(other) = reference.or(choice.filter(|_| schema.get("type").is_none())) {
        return fitting(root, other, place, deeper);
    }
    let kind = schema.get("type").and_then(|kind| kind.as_str().or_else(|| kind.get(0)?.as_str()));
    let number = |key: &str| schema.get(key).and_then(Value::as_i64);
    match kind {
        Some("integer" | "number") => {
            json!(number("minimum").or(number("exclusiveMinimum").map(|n| n + 1)).unwrap_or(1))
        }
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        Some("array") => {
            let items = number("minItems").unwrap_or(1).clamp(0, 3);
            let item = schema.get("items").map(|items| fitting(root, items, place, deeper));
            Value::Array((0..items).filter_map(|_| item.clone()).collect())
        }
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
            let member =
                |(name, below): (&String, &Value)| (name.clone(), fitting(root, below, name, deeper));
            Value::Object(properties.map(member).collect())
        }
        _ => match schema.get("format").and_then(Value::as_str) {
            Some("date") => json!("2030-01-31"),
            Some("date-time") => json!("2030-01-31T12:00:00Z"),
            Some("email") => json!("someone@example.com"),
            Some("uri") => json!("https://example.com/"),
            Some("uuid") => json!("00000000-0000-4000-8000-000000000000"),
            _ => json!(place),
        },
    }
}

/// A sample of a step's output: an object of the form that the definition makes or reads, whose values are texts that
/// name their place. They have no character that a path would have to encode.
pub(super) fn output(definition: &Definition, step: usize) -> Json {
    let step = &definition.steps[step];
    let paths = paths(definition);
    let read = below(&paths, &[&*step.name]);
    let template = match &step.work {
        StepWork::Call(call) => call.action.output.as_ref(),
        StepWork::Signal(signal) => signal.output.as_ref(),
        StepWork::Pause(_) => None,
    };
    Json::of(&value(&step.name, template, &read)).unwrap_or_else(|_| Json::null())
}

/// What the requests of a definition read, as paths.
fn paths(definition: &Definition) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for other in &definition.steps {
        let probe = other.probe().map(|probe| &probe.call);
        let poll = other.acceptance().and_then(|accept| accept.poll.as_ref()).map(|poll| &poll.call);
        for call in [other.action(), other.compensation(), probe, poll].into_iter().flatten() {
            call.paths(&mut paths);
        }
    }
    paths
}

/// The paths below a place.
fn below<'p>(paths: &'p [Vec<String>], place: &[&str]) -> Vec<&'p [String]> {
    let is_there =
        |path: &&Vec<String>| path.len() >= place.len() && path.iter().zip(place).all(|(a, b)| a == b);
    let below = paths.iter().filter(is_there).map(|path| &path[place.len()..]);
    below.filter(|path| !path.is_empty()).collect()
}

/// A value at `place`, made by `template` where that is known, of which `paths` are read.
fn value(place: &str, template: Option<&Template>, paths: &[&[String]]) -> Value {
    let below = |key: &str| -> Vec<&[String]> {
        let here = paths.iter().filter(|path| path.first().is_some_and(|first| first == key));
        here.map(|path| &path[1..]).collect()
    };
    let deeper = |key: &str, template| value(&format!("{place}.{key}"), template, &below(key));
    match template {
        Some(Template::Constant(json)) => serde_json::from_str(json.text()).unwrap_or_default(),
        Some(Template::Object(members)) => {
            let members = members.iter().filter_map(|(key, template)| {
                let key: String = serde_json::from_str(key.text()).ok()?;
                let value = deeper(&key, Some(template));
                Some((key, value))
            });
            Value::Object(members.collect())
        }
        _ => {
            let keys = paths.iter().filter_map(|path| path.first());
            let members: Map<_, _> = keys.map(|key| (key.clone(), deeper(key, None))).collect();
            if members.is_empty() { Value::String(format!("~{place}~")) } else { Value::Object(members) }
        }
    }
}
