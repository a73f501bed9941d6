//! A sample order: an input of the declared types, and outputs that stand for what services would give.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::definition::{Definition, InputType, SagaInput, StepWork, Template};
use crate::json::Json;

/// An input of the declared types.
pub fn input(definition: &Arc<Definition>) -> SagaInput {
    let members = definition.input.iter().enumerate().map(|(i, (name, kind))| {
        let value = match kind {
            InputType::Integer => json!(i + 1),
            InputType::Number => json!(1.5),
            InputType::String => json!(&**name),
            InputType::Boolean => json!(true),
        };
        (name.to_string(), value)
    });
    let sample = Value::Object(members.collect()).to_string();
    definition.read_input(sample.as_bytes()).expect("members of the declared types are an input")
}

/// A sample of a step's output: an object of the form that the definition makes or reads, whose values are texts that
/// name their place. They have no character that a path would have to encode.
pub(super) fn output(definition: &Definition, step: usize) -> Json {
    let step = &definition.steps[step];
    let mut paths = Vec::new();
    for other in &definition.steps {
        let probe = other.probe().map(|probe| &probe.call);
        let poll = other.acceptance().and_then(|accept| accept.poll.as_ref()).map(|poll| &poll.call);
        for call in [other.action(), other.compensation(), probe, poll].into_iter().flatten() {
            call.paths(&mut paths);
        }
    }
    let read = paths.iter().filter(|path| path.first().is_some_and(|root| **root == *step.name));
    let read: Vec<&[String]> = read.map(|path| &path[1..]).collect();
    let template = match &step.work {
        StepWork::Call(call) => call.action.output.as_ref(),
        StepWork::Signal(signal) => signal.output.as_ref(),
        StepWork::Pause(_) => None,
    };
    Json::of(&value(&step.name, template, &read)).unwrap_or_else(|_| Json::null())
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
