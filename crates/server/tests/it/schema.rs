//! Holds JSON values against the schemas of the OpenAPI document: the keywords that it uses, and no others.
//!
//! Stricter than JSON Schema in one point: an object may not have members that its schema does not name, so that an
//! answer with an undocumented member fails.

use regex::Regex;
use serde_json::Value;

/// Members of a schema that demand nothing.
const ANNOTATIONS: [&str; 5] = ["description", "examples", "example", "default", "title"];

/// The first thing that is wrong with `value`, with the place; `Ok` if nothing is. `document` is where references lead.
pub(crate) fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else { return Err(format!("{schema} is no schema")) };
    for (keyword, demanded) in keywords {
        let met = match keyword.as_str() {
            "$ref" => {
                let target = demanded.as_str().and_then(|text| document.pointer(text.strip_prefix('#')?));
                return check(document, target.ok_or(format!("{demanded} leads nowhere"))?, value);
            }
            "type" => match demanded {
                Value::Array(kinds) => kinds.iter().any(|kind| is(value, kind)),
                kind => is(value, kind),
            },
            "enum" => demanded.as_array().is_some_and(|values| values.contains(value)),
            "const" => demanded == value,
            // Of what is no number, neither demands anything.
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= demanded.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= demanded.as_f64()),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= demanded.as_u64().unwrap_or(0)),
            "pattern" => value.as_str().is_none_or(|text| {
                let pattern = demanded.as_str().and_then(|pattern| Regex::new(pattern).ok());
                pattern.is_some_and(|pattern| pattern.is_match(text))
            }),
            // As it is held here in any case.
            "additionalProperties" if demanded == false => true,
            "format" => value.as_str().is_none_or(|text| has_format(text, demanded)) || value.is_i64(),
            "required" => demanded.as_array().into_iter().flatten().all(|name| {
                value.as_object().is_none_or(|object| object.contains_key(name.as_str().unwrap_or_default()))
            }),
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    let schema = demanded.get(name).ok_or(format!("`{name}` is not documented"))?;
                    check(document, schema, member).map_err(|wrong| format!("{name}: {wrong}"))?;
                }
                true
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, demanded, item).map_err(|wrong| format!("[{index}]: {wrong}"))?;
                }
                true
            }
            "anyOf" | "oneOf" => {
                let fits = |schema: &&Value| check(document, schema, value).is_ok();
                let fitting = demanded.as_array().into_iter().flatten().filter(fits).count();
                fitting == 1 || (fitting > 1 && keyword == "anyOf")
            }
            known if ANNOTATIONS.contains(&known) => true,
            unknown => return Err(format!("the keyword `{unknown}` is not known to this check")),
        };
        if !met {
            return Err(format!("{value} does not meet {keyword}: {demanded}"));
        }
    }
    Ok(())
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        _ => false,
    }
}

fn has_format(text: &str, format: &Value) -> bool {
    match format.as_str() {
        Some("uuid") => text.parse::<uuid::Uuid>().is_ok() && text.len() == 36,
        Some("date-time") => {
            let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z')
        }
        _ => false,
    }
}

#[test]
fn a_value_that_does_not_fit_is_found() {
    let document = serde_json::json!({ "s": { "type": "object", "required": ["a"], "properties": {
        "a": { "type": ["integer", "null"], "minimum": 1 },
        "b": { "oneOf": [{ "type": "null" }, { "type": "array", "items": { "$ref": "#/s" } }] },
        "c": { "type": "string", "format": "date-time" },
        "d": { "enum": ["x", null] },
        "e": { "type": "string", "pattern": "^[a-z]+$" },
    } } });
    let schema = serde_json::json!({ "$ref": "#/s" });
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
        (r#"{"a": 1, "undocumented": 1}"#, false),
    ] {
        let value = serde_json::from_str(value).unwrap();
        assert_eq!(check(&document, &schema, &value).is_ok(), fits, "{value}");
    }
}
