//! The ways through a definition: which steps a saga does, as its conditions (`when`) decide.
//!
//! The conditions are evaluated for inputs that are made of the values that they compare with, so that conditions that exclude each
//! other do so here, too. A condition that reads an output of a step, or does not change with these inputs, counts as free: it holds in
//! some ways and not in others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::definition::{
    Condition, Definition, InputForm, InputType, PauseEnd, Scope, StepSet, StepWork, Template,
};

/// The most ways that are told.
const WAYS_MAX: usize = 32;
/// The most inputs that conditions are evaluated for.
const INPUTS_MAX: usize = 4_096;

/// A way through a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayThrough {
    /// The steps that are done; the others are skipped.
    pub steps: StepSet,
    /// How long the fixed pauses on it take at least.
    pub pauses: Duration,
}

/// All ways through a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// Each way, most steps first.
    pub ways: Vec<WayThrough>,
    /// Whether there are more than are told.
    pub are_more: bool,
}

/// The ways through a definition.
pub fn ways(definition: &Definition) -> Ways {
    let conditions: Vec<(usize, &Condition)> = definition
        .steps
        .iter()
        .enumerate()
        .filter_map(|(step, given)| Some((step, given.when.as_ref()?)))
        .collect();
    let conditional: StepSet = conditions.iter().map(|(step, _)| *step).collect();
    let always: StepSet = (0..definition.steps.len()).filter(|step| !conditional.contains(*step)).collect();
    let mut found: BTreeSet<Vec<bool>> = decided(definition, &conditions);
    let mut are_more = false;
    for (place, _) in conditions.iter().enumerate() {
        let seen: BTreeSet<bool> = found.iter().map(|holds| holds[place]).collect();
        if seen.len() == 1 {
            let other = found.iter().cloned().map(|mut holds| {
                holds[place] = !holds[place];
                holds
            });
            found = other.collect::<BTreeSet<_>>().union(&found).cloned().collect();
        }
        are_more |= found.len() > WAYS_MAX;
        // The rest would only be counted.
        found = found.into_iter().rev().take(WAYS_MAX).collect();
    }
    let way = |holds: &Vec<bool>| {
        let done = conditions.iter().zip(holds).filter(|(_, holds)| **holds).map(|((step, _), _)| *step);
        let steps = always.with(done.collect());
        WayThrough { steps, pauses: pauses(definition, steps) }
    };
    let mut ways: Vec<WayThrough> = found.iter().rev().map(way).collect();
    ways.sort_by_key(|way| std::cmp::Reverse(way.steps.iter().count()));
    Ways { ways, are_more }
}

/// The values that the conditions have together, for all inputs that are tried. One of them where none can be tried.
fn decided(definition: &Definition, conditions: &[(usize, &Condition)]) -> BTreeSet<Vec<bool>> {
    let free = || BTreeSet::from([vec![true; conditions.len()]]);
    let mut values: BTreeMap<Vec<String>, Vec<Value>> = BTreeMap::new();
    let mut of_input = Vec::with_capacity(conditions.len());
    for (_, condition) in conditions {
        let (paths, reads_all) = Template::references(condition.code()).unwrap_or_default();
        let is_of_input = !reads_all && paths.iter().all(|path| path[0] == "input" && path.len() > 1);
        of_input.push(is_of_input);
        for path in paths.into_iter().filter(|_| is_of_input) {
            let known = constants(condition.code());
            let candidates = values.entry(path[1..].to_vec()).or_default();
            for value in candidates_for(definition, &path[1..], &known) {
                if !candidates.contains(&value) {
                    candidates.push(value);
                }
            }
        }
    }
    let inputs = values.values().try_fold(1_usize, |count, values| count.checked_mul(values.len()));
    let Some(inputs) = inputs.filter(|inputs| *inputs <= INPUTS_MAX) else { return free() };
    let mut found = BTreeSet::new();
    for number in 0..inputs {
        let input = nth(&values, number).to_string();
        let scope = Scope::default().with("input", input);
        // An input for which a condition is an error goes no way through.
        let holds = conditions.iter().zip(&of_input).map(|((_, condition), is_of_input)| match is_of_input {
            true => condition.holds(&scope).ok(),
            false => Some(true),
        });
        found.extend(holds.collect::<Option<Vec<bool>>>());
    }
    if found.is_empty() { free() } else { found }
}

/// One of the inputs that can be made of these values: the digits of `number` say which value each path has.
fn nth(values: &BTreeMap<Vec<String>, Vec<Value>>, mut number: usize) -> Value {
    let mut input = Value::Object(Map::new());
    for (path, values) in values {
        let value = values[number % values.len()].clone();
        number /= values.len();
        let place = path.iter().try_fold(&mut input, |place, name| {
            if place.is_null() {
                *place = json!({});
            }
            Some(place.as_object_mut()?.entry(name.clone()).or_insert(Value::Null))
        });
        if let Some(place) = place {
            *place = value;
        }
    }
    input
}

/// Values that a member of the input may have, among them those next to the constants that it is compared with.
fn candidates_for(definition: &Definition, path: &[String], constants: &[Value]) -> Vec<Value> {
    let texts = || constants.iter().filter(|value| value.is_string()).cloned().chain([json!("~another~")]);
    let numbers = || {
        let near = |value: &Value| {
            let number = value.as_f64()?;
            Some([number - 1.0, number, number + 1.0])
        };
        let all = constants.iter().filter_map(near).flatten().chain([0.0]);
        all.map(|number| if number.fract() == 0.0 { json!(number as i64) } else { json!(number) })
    };
    let booleans = || [json!(true), json!(false)];
    let of = |kind: Option<&str>| -> Vec<Value> {
        match kind {
            Some("boolean") => booleans().into(),
            Some("integer" | "number") => numbers().collect(),
            Some("string") => texts().collect(),
            Some("array") => vec![json!([]), json!(["~item~"])],
            Some("object") => vec![json!({})],
            _ => booleans().into_iter().chain(numbers()).chain(texts()).chain([Value::Null]).collect(),
        }
    };
    match &definition.input {
        InputForm::Members(members) => {
            let member = members.iter().find(|member| *member.name == *path[0]);
            let kind = member.map(|member| match member.kind {
                InputType::Integer | InputType::Number => "number",
                InputType::String => "string",
                InputType::Boolean => "boolean",
                InputType::Object => "object",
                InputType::Array => "array",
            });
            let is_optional = member.is_some_and(|member| member.optional);
            // Of what is inside of an object nothing is declared.
            let values = of(kind.filter(|_| path.len() == 1));
            values.into_iter().chain(is_optional.then_some(Value::Null)).collect()
        }
        InputForm::Schema(schema) => {
            let schema =
                path.iter().try_fold(schema.value(), |schema, name| schema.get("properties")?.get(name));
            match schema.and_then(|schema| schema.get("enum")).and_then(Value::as_array) {
                Some(values) => values.clone(),
                None => of(schema.and_then(|schema| schema.get("type")).and_then(Value::as_str)),
            }
        }
    }
}

/// The numbers and texts that an expression is written with.
fn constants(code: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let mut texts = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let Some(Ok(text)) = texts.next() else { break };
            rest = &rest[texts.byte_offset()..];
            found.push(Value::String(text));
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            found.extend(rest[..end].parse::<f64>().ok().map(|number| json!(number)));
            rest = &rest[end..];
        } else {
            // A name may have digits.
            let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
            let end = if is_of_name(first) { rest.find(|c| !is_of_name(c)) } else { Some(first.len_utf8()) };
            rest = &rest[end.unwrap_or(rest.len())..];
        }
    }
    found
}

/// How long the fixed pauses among `steps` take at least: those that wait for each other one after the other.
fn pauses(definition: &Definition, steps: StepSet) -> Duration {
    let mut until = vec![Duration::ZERO; definition.steps.len()];
    for (step, given) in definition.steps.iter().enumerate() {
        let begins =
            definition.graph.after(step).iter().map(|before| until[before]).max().unwrap_or_default();
        let pause = match given.work {
            StepWork::Pause(PauseEnd::After(pause)) if steps.contains(step) => pause,
            _ => Duration::ZERO,
        };
        until[step] = begins + pause;
    }
    until.into_iter().max().unwrap_or_default()
}
