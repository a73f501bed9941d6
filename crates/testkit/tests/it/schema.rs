//! The check of values against JSON schemas.

use saga_testkit::schema::check;
use serde_json::json;

#[test]
fn a_value_that_does_not_fit_is_found() {
    let document = json!({ "s": { "type": "object", "required": ["a"], "properties": {
        "a": { "type": ["integer", "null"], "minimum": 1 },
        "b": { "oneOf": [{ "type": "null" }, { "type": "array", "items": { "$ref": "#/s" } }] },
        "c": { "type": "string", "format": "date-time" },
        "d": { "enum": ["x", null] },
        "e": { "type": "string", "pattern": "^[a-z]+$" },
        "f": { "type": "object", "additionalProperties": { "type": "boolean" } },
        "g": { "type": "string", "format": "uuid" },
    } } });
    let schema = json!({ "$ref": "#/s" });
    for (value, fits) in [
        (r#"{"a": 1}"#, true),
        (r#"{"a": 1, "b": [{"a": 2, "b": null, "d": null}]}"#, true),
        (r#"{"a": null}"#, true),
        (r#"{"a": 1, "c": "2026-11-22T10:15:30.123456Z", "d": "x"}"#, true),
        (r#"{}"#, false),
        (r#"[]"#, false),
        (r#"{"a": 0}"#, false),
        (r#"{"a": 1.5}"#, false),
        (r#"{"a": "1"}"#, false),
        (r#"{"a": 1, "b": [{}]}"#, false),
        (r#"{"a": 1, "c": "yesterday"}"#, false),
        (r#"{"a": 1, "d": "y"}"#, false),
        (r#"{"a": 1, "e": "x"}"#, true),
        (r#"{"a": 1, "e": "X"}"#, false),
        (r#"{"a": 1, "f": {"x": true, "y": false}}"#, true),
        (r#"{"a": 1, "f": {"x": 1}}"#, false),
        (r#"{"a": 1, "g": "0197c2f2-7a3b-7000-8000-0000000000aF"}"#, true),
        (r#"{"a": 1, "g": "0197c2f27a3b700080000000000000af"}"#, false),
        (r#"{"a": 1, "undocumented": 1}"#, false),
    ] {
        let value = serde_json::from_str(value).expect("JSON");
        assert_eq!(check(&document, &schema, &value).is_ok(), fits, "{value}");
    }
}

#[test]
#[should_panic = "the keyword `contains` is not known"]
fn a_keyword_that_is_not_known_passes_no_value() {
    let _ = check(&json!({}), &json!({ "contains": {} }), &json!([]));
}
