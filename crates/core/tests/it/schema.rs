//! `sagas/definition.schema.json`, which editors use, says what the parser says.
//!
//! The few keywords that the schema uses are checked here by hand: a validator crate would bring half a hundred
//! others. A keyword that is not known here fails the test, so none can pass unchecked.

use saga_core::Definition;
use serde_json::{Map, Value, json};

use crate::support::{CHECKOUT, VOISINS, no_env};

const SCHEMA: &str = include_str!("../../../../sagas/definition.schema.json");

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn yaml(source: &str) -> Value {
    serde_saphyr::from_str(source).expect("YAML")
}

/// Why `value` does not follow `rule`, a part of `schema`.
fn check(schema: &Value, rule: &Value, value: &Value, at: &str) -> Result<(), String> {
    let no = |why: String| Err(format!("{at}: {why}"));
    for (keyword, expected) in rule.as_object().expect("a rule is an object") {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "properties" => {}
            "$ref" => {
                let pointer = expected.as_str().expect("text").trim_start_matches('#');
                check(schema, schema.pointer(pointer).expect("what is referred to is there"), value, at)?;
            }
            "type" => {
                let known = |name: &Value| match name.as_str().expect("text") {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "number" => value.is_number(),
                    "integer" => value.is_i64() || value.is_u64(),
                    other => panic!("the type `{other}` is not known to this test"),
                };
                if !expected.as_array().map_or_else(|| known(expected), |names| names.iter().any(known)) {
                    return no(format!("is not of type {expected}"));
                }
            }
            "enum" if !expected.as_array().expect("a list").contains(value) => {
                return no(format!("not in {expected}"));
            }
            "const" if expected != value => return no(format!("is not {expected}")),
            "enum" | "const" => {}
            "pattern" => {
                let Some(text) = value.as_str() else { continue };
                if !matches(expected.as_str().expect("text"), text) {
                    return no(format!("does not match {expected}"));
                }
            }
            "minimum" if value.as_i64() < expected.as_i64() => return no(format!("is less than {expected}")),
            "maximum" if value.as_i64() > expected.as_i64() => return no(format!("is more than {expected}")),
            "minimum" | "maximum" => {}
            "minItems" | "maxItems" => {
                let there = value.as_array().map_or(0, Vec::len) as u64;
                let limit = expected.as_u64().expect("a number");
                if if keyword == "minItems" { there < limit } else { there > limit } {
                    return no(format!("has {there} items"));
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(schema, expected, item, &format!("{at}[{i}]"))?;
                }
            }
            "required" => {
                let missing =
                    |key: &&Value| value.is_object() && value.get(key.as_str().expect("text")).is_none();
                if let Some(key) = expected.as_array().expect("a list").iter().find(missing) {
                    return no(format!("has no {key}"));
                }
            }
            "oneOf" => {
                let rules = expected.as_array().expect("a list");
                let fitting = rules.iter().filter(|rule| check(schema, rule, value, at).is_ok()).count();
                if fitting != 1 {
                    return no(format!("fits {fitting} of the alternatives"));
                }
            }
            "additionalProperties" => {
                let known = rule.get("properties").and_then(Value::as_object);
                for (key, member) in value.as_object().into_iter().flatten() {
                    match (known.and_then(|known| known.get(key)), expected) {
                        (Some(rule), _) => check(schema, rule, member, &format!("{at}.{key}"))?,
                        (None, Value::Bool(false)) => return no(format!("has an unknown `{key}`")),
                        (None, rule) => check(schema, rule, member, &format!("{at}.{key}"))?,
                    }
                }
            }
            other => panic!("the keyword `{other}` is not known to this test"),
        }
    }
    Ok(())
}

/// The patterns of the schema.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        "^/" => text.starts_with('/'),
        "^[A-Za-z0-9_-]{1,64}$" => {
            (1..=64).contains(&text.len())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
        }
        "^[0-9]+ *(ms|s|m|h)$" => {
            let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
            unit.len() < text.len() && ["ms", "s", "m", "h"].contains(&unit.trim_start_matches(' '))
        }
        other => panic!("the pattern `{other}` is not known to this test"),
    }
}

fn valid(value: &Value) -> Result<(), String> {
    let schema = schema();
    check(&schema, &schema, value, "")
}

#[test]
fn the_example_definitions_follow_the_schema() {
    assert_eq!(valid(&yaml(CHECKOUT)), Ok(()));
    assert_eq!(valid(&yaml(VOISINS)), Ok(()));
}

#[test]
fn the_schema_and_the_parser_refuse_the_same() {
    let checkout = yaml(CHECKOUT);
    let remove = |pointer: &str, key: &str| {
        let mut value = checkout.clone();
        value.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object").remove(key).expect(key);
        value
    };
    let set = |pointer: &str, key: &str, to: Value| {
        let mut value = checkout.clone();
        value.pointer_mut(pointer).and_then(Value::as_object_mut).expect("an object").insert(key.into(), to);
        value
    };
    let both = |value: &Value| {
        let parsed =
            Definition::parse("d.yaml", &value.to_string(), &no_env).map(|_| ()).map_err(|m| m.to_string());
        (valid(value), parsed)
    };
    let mut refused = Vec::new();
    for key in ["saga", "states", "participants", "steps"] {
        refused.push(remove("", key));
    }
    for key in ["started", "completed", "cancelled"] {
        refused.push(remove("/states", key));
    }
    for key in ["step", "participant", "action", "failure"] {
        refused.push(remove("/steps/1", key));
    }
    refused.push(remove("/participants/stock", "url"));
    refused.push(remove("/steps/1/action", "post"));
    refused.push(set("/steps/1/action", "put", json!("/x")));
    refused.push(set("/steps/1/action", "post", json!("x")));
    refused.push(set("/steps/1/action", "body", json!([1])));
    refused.push(set("/steps/1", "compensation", json!("never")));
    refused.push(set("/steps/1", "retry", json!({ "attempts": 0 })));
    refused.push(set("/steps/1", "persist", json!({ "base": "soon" })));
    refused.push(set("/steps/1", "success", json!("STOCK RESERVE")));
    refused.push(set("/participants/stock", "safety", json!("maybe")));
    refused.push(set("/participants/stock", "calls_max", json!(0)));
    refused.push(set("/participants/stock", "calls_max", json!(-1)));
    refused.push(set("/participants/stock", "timeout", json!("5 seconds")));
    refused.push(set("/participants/stock", "headers", json!(["x"])));
    refused.push(set("/participants/stock", "horizon", json!("a day")));
    refused.push(set("/participants/stock", "breaker", json!({ "window": 10 })));
    refused.push(set("/participants/stock", "breaker", json!({ "calls_min": 0 })));
    refused.push(set("/participants/stock", "breaker", json!({ "failures_percent": 0 })));
    refused.push(set("/participants/stock", "breaker", json!({ "failures_percent": 101 })));
    refused.push(set("/participants/stock", "breaker", json!({ "opens": "1s" })));
    refused.push(set("/steps/1", "probe", json!({})));
    refused.push(set("/steps/1", "probe", json!("/x")));
    refused.push(set("/steps/1", "probe", json!({ "post": "/x" })));
    refused.push(set("/steps/1", "probe", json!({ "get": "/x", "body": {} })));
    refused.push(set("/steps/1", "probe", json!({ "get": "x" })));
    refused.push(set("/steps/1", "probe", json!({ "get": "/x", "after": "soon" })));
    refused.push(set("/input", "client_id", json!("int")));
    refused.push(set("", "deadline", json!({})));
    refused.push(set("", "steps", json!([])));
    for value in &refused {
        let (schema, parser) = both(value);
        assert!(schema.is_err() && parser.is_err(), "{value}\nschema: {schema:?}\nparser: {parser:?}");
    }
    let mut accepted = vec![checkout.clone(), remove("", "deadline"), remove("/steps/1", "success")];
    accepted.push(set("/steps/1", "compensation", json!("none")));
    accepted.push(set("/steps/1", "retry", json!({ "attempts": 1, "base": "5 ms", "cap": "1h" })));
    accepted.push(set("/steps/1/action", "body", json!({ "a": { "b": 1.5, "c": true }, "d": ".input" })));
    accepted.push(set("/participants/stock", "headers", json!({ "x-key": "${KEY:-k}" })));
    accepted.push(set("/participants/stock", "horizon", json!("1h")));
    accepted.push(set("/participants/stock", "breaker", json!({})));
    let all =
        json!({ "window": "1s", "calls_min": 1, "failures_percent": 100, "open": "1s", "open_max": "5s" });
    accepted.push(set("/participants/stock", "breaker", all));
    accepted.push(set("/steps/1", "probe", json!({ "get": "/x" })));
    let all = json!({
        "get": "/x/\\(.saga_id)", "refused": ".status == 204", "not_sent": "false", "ok": "true", "output": ".body", "after": "1m"
    });
    accepted.push(set("/steps/1", "probe", all));
    for value in &accepted {
        assert_eq!(both(value), (Ok(()), Ok(())), "{value}");
    }
}

/// The keys that the parser names when it meets one that it does not know.
fn keys_of_the_parser(pointer: &str) -> Vec<String> {
    let mut value = yaml(CHECKOUT);
    value["steps"][1]["retry"] = json!({});
    value["steps"][1]["probe"] = json!({ "get": "/x" });
    value["participants"]["stock"]["breaker"] = json!({});
    value
        .pointer_mut(pointer)
        .and_then(Value::as_object_mut)
        .expect(pointer)
        .insert("inconnu".into(), json!("x"));
    let told =
        Definition::parse("d.yaml", &value.to_string(), &no_env).map(|_| ()).expect_err(pointer).to_string();
    assert!(told.contains("there is no key `inconnu` in "), "{told}");
    let (_, keys) = told.split_once("; write one of: ").expect(&told);
    let mut keys: Vec<String> = keys.split(", ").map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn the_schema_has_exactly_the_keys_of_the_parser() {
    let schema = schema();
    for (pointer, definition) in [
        ("", ""),
        ("/states", "/$defs/states"),
        ("/participants/stock", "/$defs/participant"),
        ("/steps/1", "/$defs/step"),
        ("/steps/1/action", "/$defs/call"),
        ("/steps/1/compensation", "/$defs/call"),
        ("/steps/1/retry", "/$defs/retry"),
        ("/steps/1/probe", "/$defs/probe"),
        ("/participants/stock/breaker", "/$defs/breaker"),
    ] {
        let properties = schema.pointer(&format!("{definition}/properties")).and_then(Value::as_object);
        let mut keys: Vec<String> = properties.map(Map::keys).expect(definition).cloned().collect();
        keys.sort();
        assert_eq!(keys, keys_of_the_parser(pointer), "{definition}");
    }
}
