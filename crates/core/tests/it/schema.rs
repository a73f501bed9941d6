//! `sagas/definition.schema.json`, which editors use, says what the parser says.

use saga_core::Definition;
use saga_testkit::schema::check;
use serde_json::{Map, Value, json};

use crate::support::{CHECKOUT, VOISINS, no_env};

const SCHEMA: &str = include_str!("../../../../sagas/definition.schema.json");
const EXAMPLES: [&str; 3] = [
    include_str!("../../../../sagas/examples/onboarding.yaml"),
    include_str!("../../../../sagas/examples/subscription.yaml"),
    include_str!("../../../../sagas/examples/travel.yaml"),
];

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

fn yaml(source: &str) -> Value {
    serde_saphyr::from_str(source).expect("YAML")
}

fn valid(value: &Value) -> Result<(), String> {
    let schema = schema();
    check(&schema, &schema, value)
}

#[test]
fn the_example_definitions_follow_the_schema() {
    assert_eq!(valid(&yaml(CHECKOUT)), Ok(()));
    assert_eq!(valid(&yaml(VOISINS)), Ok(()));
    for example in EXAMPLES {
        assert_eq!(valid(&yaml(example)), Ok(()), "{example}");
    }
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
    for key in ["saga", "participants", "steps"] {
        refused.push(remove("", key));
    }
    for key in ["step", "participant", "action"] {
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
    refused.push(set("/participants/stock", "sign", json!("yes")));
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
    accepted.push(remove("", "states"));
    for key in ["started", "completed", "cancelled"] {
        accepted.push(remove("/states", key));
    }
    accepted.push(remove("/steps/1", "failure"));
    accepted.push(set("/steps/1", "compensation", json!("none")));
    accepted.push(set("/steps/1", "retry", json!({ "attempts": 1, "base": "5 ms", "cap": "1h" })));
    accepted.push(set("/steps/1/action", "body", json!({ "a": { "b": 1.5, "c": true }, "d": ".input" })));
    accepted.push(set("/participants/stock", "headers", json!({ "x-key": "${KEY:-k}" })));
    accepted.push(set("/participants/stock", "horizon", json!("1h")));
    accepted.push(set("/participants/stock", "sign", json!(true)));
    accepted.push(set("/participants/stock", "sign", json!(false)));
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
    let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
    if matches!(key, "signal" | "poll" | "await") {
        value.pointer_mut(parent).expect(parent)[key] = json!({});
    }
    value
        .pointer_mut(pointer)
        .and_then(Value::as_object_mut)
        .expect(pointer)
        .insert("inconnu".into(), json!("x"));
    let told =
        Definition::parse("d.yaml", &value.to_string(), &no_env).map(|_| ()).expect_err(pointer).to_string();
    assert!(told.contains("there is no key `inconnu` in "), "{told}");
    let (_, keys) = told.split_once("; write one of: ").expect(&told);
    let keys = keys.lines().next().unwrap_or_default();
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
        ("/steps/1/signal", "/$defs/signal"),
        ("/steps/1/action/poll", "/$defs/poll"),
        ("/steps/1/action/await", "/$defs/await"),
        ("/participants/stock/breaker", "/$defs/breaker"),
    ] {
        let properties = schema.pointer(&format!("{definition}/properties")).and_then(Value::as_object);
        let mut keys: Vec<String> = properties.map(Map::keys).expect(definition).cloned().collect();
        keys.sort();
        assert_eq!(keys, keys_of_the_parser(pointer), "{definition}");
    }
}
