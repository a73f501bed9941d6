//! The sample order: its input, and the services' answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use saga_core::definition::SagaInput;
use saga_core::reply::Answer;
use saga_core::{Definition, understood};
use serde_json::{Map, Value};

use crate::cli::given;

/// The given input, checked like the input of a start; without one, an input of the declared types. `None`: none can be made of
/// its schema.
pub(super) fn input(definition: &Arc<Definition>, given: Option<&str>) -> anyhow::Result<Option<SagaInput>> {
    let Some(given) = given else { return Ok(understood::input(definition)) };
    let text = text(given, "--input")?;
    definition.read_input(text.as_bytes()).context("--input").map(Some)
}

/// The given answers, by step.
pub(super) fn answers(
    definition: &Definition,
    given: Option<&str>,
) -> anyhow::Result<BTreeMap<String, Answer>> {
    let Some(given) = given else { return Ok(BTreeMap::new()) };
    let answers: Map<String, Value> = serde_json::from_str(&text(given, "--answers")?)
        .context("--answers: a JSON object is needed, of steps' names and what their services answer")?;
    let mut read = BTreeMap::new();
    for (step, value) in answers {
        if definition.step_named(&step).is_none() {
            let steps: Vec<_> = definition.steps.iter().map(|step| &*step.name).collect();
            bail!("--answers: there is no step `{step}`; there are {}", steps.join(", "));
        }
        let answer = answer(value).with_context(|| format!("--answers: `{step}`"))?;
        read.insert(step, answer);
    }
    Ok(read)
}

fn answer(value: Value) -> anyhow::Result<Answer> {
    let whole = |value: &Map<String, Value>| {
        value.contains_key("status")
            && value.keys().all(|key| matches!(key.as_str(), "status" | "headers" | "body"))
    };
    let Value::Object(mut members) = value else { return body(200, &value) };
    if !whole(&members) {
        return body(200, &Value::Object(members));
    }
    let status = members.get("status").and_then(Value::as_u64).filter(|status| (100..600).contains(status));
    let status = status.context("`status` needs a number from 100 to 599")?;
    let mut headers = Vec::new();
    for (name, value) in members.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().with_context(|| format!("the header `{name}` needs a text"))?;
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let given = members.remove("body");
    let answer = given.map_or_else(|| Ok(Answer::default()), |given| body(200, &given))?;
    Ok(Answer { status: u16::try_from(status)?, headers, ..answer })
}

fn body(status: u16, body: &Value) -> anyhow::Result<Answer> {
    Ok(Answer { status, body: serde_json::to_vec(body)?, ..Answer::default() })
}

/// The JSON text from the command line, or the text of the named file.
fn text(given: &str, flag: &str) -> anyhow::Result<String> {
    if given.trim_start().starts_with(['{', '[']) {
        return Ok(given.to_owned());
    }
    given::file(Path::new(given)).with_context(|| flag.to_owned())
}
