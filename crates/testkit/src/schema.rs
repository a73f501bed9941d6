//! Holds JSON values against the JSON schemas of this tree: the keywords that they use. Another keyword panics, so that
//! none passes unchecked.
//!
//! Stricter than JSON Schema in one point: an object may not have members that its schema does not name, so that an
//! answer with an undocumented member fails.
//!
//! By hand, because each of the two kept validators (jsonschema 0.61 and boon 0.6, without their default features)
//! brings some thirty further crates into the lock file, for a dozen keywords in tests.

use regex::Regex;
use serde_json::Value;

const UUID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";
/// In UTC, as all times here.
const DATE_TIME: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}.*Z$";

/// The first thing that is wrong with `value`, with the place; `Ok` if nothing is. `document` is where references lead.
pub fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
    for (keyword, demanded) in keywords {
        let is_met = match keyword.as_str() {
            "$ref" => {
                let pointer = demanded.as_str().and_then(|text| text.strip_prefix('#'));
                let target = pointer.and_then(|pointer| document.pointer(pointer));
                check(document, target.unwrap_or_else(|| panic!("{demanded} leads nowhere")), value)?;
                true
            }
            "type" => list(demanded).iter().any(|kind| is(value, kind)),
            "enum" => list(demanded).contains(value),
            "const" => demanded == value,
            // Of a value that is no number, neither demands anything.
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= demanded.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= demanded.as_f64()),
            "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= count(demanded)),
            "maxProperties" => value.as_object().is_none_or(|members| members.len() <= count(demanded)),
            "minProperties" => value.as_object().is_none_or(|members| members.len() >= count(demanded)),
            "dependentRequired" => value.as_object().is_none_or(|members| {
                let demanded = demanded.as_object().unwrap_or_else(|| panic!("{demanded} names no members"));
                let is_whole = |(name, others): (&String, &Value)| {
                    let is_there =
                        |other: &Value| other.as_str().is_some_and(|other| members.contains_key(other));
                    !members.contains_key(name) || list(others).iter().all(is_there)
                };
                demanded.iter().all(is_whole)
            }),
            "minItems" => value.as_array().is_none_or(|items| items.len() >= count(demanded)),
            "maxItems" => value.as_array().is_none_or(|items| items.len() <= count(demanded)),
            "pattern" => value.as_str().is_none_or(|text| matches(demanded.as_str(), text)),
            "format" => match demanded.as_str() {
                Some("uuid") => value.as_str().is_none_or(|text| matches(Some(UUID), text)),
                Some("date-time") => value.as_str().is_none_or(|text| matches(Some(DATE_TIME), text)),
                // The range of 64 bits, which serde_json's numbers have in any case.
                Some("int32" | "int64" | "uint32" | "uint64" | "double") => !value.is_string(),
                unknown => panic!("the format {unknown:?} is not known to this check"),
            },
            "required" => list(demanded).iter().all(|name| {
                let name = name.as_str().unwrap_or_else(|| panic!("{name} is no name"));
                value.as_object().is_none_or(|object| object.contains_key(name))
            }),
            "additionalProperties" if keywords.contains_key("properties") => true,
            "properties" | "additionalProperties" => {
                let (named, others) = (keywords.get("properties"), keywords.get("additionalProperties"));
                for (name, member) in value.as_object().into_iter().flatten() {
                    let schema =
                        named.and_then(|named| named.get(name)).or(others.filter(|it| it.is_object()));
                    let schema = schema.ok_or_else(|| format!("`{name}` is not documented"))?;
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
                let fitting = list(demanded).iter().filter(fits).count();
                fitting == 1 || (fitting > 1 && keyword == "anyOf")
            }
            // These demand nothing.
            "$schema" | "$defs" | "title" | "description" | "default" | "example" | "examples" => true,
            unknown => panic!("the keyword `{unknown}` is not known to this check"),
        };
        if !is_met {
            return Err(format!("{value} does not meet {keyword}: {demanded}"));
        }
    }
    Ok(())
}

/// The elements of a list; a value that is no list is its only element.
fn list(demanded: &Value) -> &[Value] {
    demanded.as_array().map_or(std::slice::from_ref(demanded), Vec::as_slice)
}

fn count(demanded: &Value) -> usize {
    demanded.as_u64().unwrap_or_else(|| panic!("{demanded} is no number of items")) as usize
}

fn matches(pattern: Option<&str>, text: &str) -> bool {
    let pattern = Regex::new(pattern.expect("a pattern is a text"));
    pattern.expect("the patterns are regular expressions").is_match(text)
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
        _ => panic!("the type {kind} is not known to this check"),
    }
}
