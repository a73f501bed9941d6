//! A JSON Schema (2020-12) of an input: what one may contain, and what it costs.
//!
//! A schema is checked when its file is loaded: it refers to itself alone, never in circles, and it stays small with its
//! references followed, so that checking an input costs time in proportion to the input. Its patterns are run by an engine
//! without backtracking.

use std::collections::HashMap;
use std::fmt;
use std::ptr;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// The parts of a schema, each counted as often as it is referred to.
const SCHEMA_PARTS_MAX: u64 = 1_000;
/// Parts inside each other, references followed.
const SCHEMA_DEPTH_MAX: usize = 64;
/// Memory of one compiled pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// Characters of what is wrong with an input: the rest is cut.
const WRONG_CHARS_MAX: usize = 300;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Keywords whose value is a schema, a list of schemas, and a mapping of names to schemas (JSON Schema Core, 10 and 11).
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTED: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED: &[&str] = &["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
/// Keywords that change what a reference means.
const REBASING: &[&str] =
    &["$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$vocabulary"];

/// A JSON Schema that inputs are checked with.
pub struct InputSchema {
    value: Value,
    properties: Vec<Box<str>>,
    validator: Validator,
}

impl fmt::Debug for InputSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InputSchema").field(&self.value).finish()
    }
}

impl InputSchema {
    /// Checks the schema, and prepares it. `properties` are the names under `properties`, in the order of the file. The error
    /// says what is wrong with it.
    pub(super) fn new(value: Value, properties: Vec<Box<str>>) -> Result<Self, String> {
        if value.get("type").and_then(Value::as_str) != Some("object") {
            return Err("an input is a JSON object; write `type: object` as the schema's first key".into());
        }
        if let Some(dialect) = value.get("$schema").filter(|dialect| dialect.as_str() != Some(DIALECT)) {
            return Err(format!("the schema is one of `{dialect}`; write `$schema: {DIALECT}`, or nothing"));
        }
        let mut parts = SchemaParts { root: &value, known: HashMap::new() };
        let count = parts.count(&value, 0)?;
        if count > SCHEMA_PARTS_MAX {
            return Err(format!(
                "the schema has {count} parts with its references followed; the limit SCHEMA_PARTS_MAX is {SCHEMA_PARTS_MAX}"
            ));
        }
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .offline()
            .build(&value)
            .map_err(|error| format!("the schema is not valid at `{}`: {error}", error.instance_path()))?;
        Ok(Self { value, properties, validator })
    }

    /// The schema itself.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The names of the described members, in the order of the file.
    pub(super) fn properties(&self) -> &[Box<str>] {
        &self.properties
    }

    /// Whether an input may have members that are not described.
    pub(super) fn is_open(&self) -> bool {
        self.value.get("additionalProperties") != Some(&Value::Bool(false))
            || self.value.get("patternProperties").is_some()
    }

    pub(super) fn example(&self) -> String {
        self.properties
            .iter()
            .map(|name| format!("{}: ...", Value::from(&**name)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The first mistake of an input, with its place. Values of the input are not repeated.
    pub(super) fn wrong(&self, input: &Value) -> Option<String> {
        let error = self.validator.validate(input).err()?;
        let place = match error.instance_path().as_str() {
            "" => "the input".to_owned(),
            path => format!("`{path}`"),
        };
        let wrong = format!("{place}: {}", error.masked_with("the value"));
        Some(wrong.chars().take(WRONG_CHARS_MAX).collect())
    }
}

/// The parts of a schema.
struct SchemaParts<'s> {
    root: &'s Value,
    /// How many each has below it, itself included; `None`: it is being counted.
    known: HashMap<*const Value, Option<u64>>,
}

impl<'s> SchemaParts<'s> {
    fn count(&mut self, part: &'s Value, depth: usize) -> Result<u64, String> {
        if depth > SCHEMA_DEPTH_MAX {
            return Err(format!(
                "the schema has parts inside each other, references followed, beyond the limit SCHEMA_DEPTH_MAX, {SCHEMA_DEPTH_MAX}"
            ));
        }
        match self.known.get(&ptr::from_ref(part)) {
            Some(Some(count)) => return Ok(*count),
            Some(None) => return Err("the schema refers to itself in a circle, so an input could be nested without an end; write out how deep it may be".into()),
            None => {}
        }
        self.known.insert(ptr::from_ref(part), None);
        let mut count = 1_u64;
        for below in self.below(part)? {
            count = count.saturating_add(self.count(below, depth + 1)?);
        }
        self.known.insert(ptr::from_ref(part), Some(count));
        Ok(count)
    }

    /// The parts that are checked together with `part`, or are kept in it.
    fn below(&self, part: &'s Value) -> Result<Vec<&'s Value>, String> {
        let Some(keywords) = part.as_object() else { return Ok(Vec::new()) };
        let mut below = Vec::new();
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "$ref" => below.push(self.target(value)?),
                keyword if REBASING.contains(&keyword) => {
                    return Err(format!(
                        "the schema has `{keyword}`; name its parts under `$defs`, and refer to them with `#/$defs/NAME`"
                    ));
                }
                keyword if ONE.contains(&keyword) => below.push(value),
                keyword if LISTED.contains(&keyword) => below.extend(value.as_array().into_iter().flatten()),
                keyword if NAMED.contains(&keyword) => {
                    below.extend(value.as_object().into_iter().flat_map(|named| named.values()))
                }
                _ => {}
            }
        }
        Ok(below)
    }

    fn target(&self, reference: &Value) -> Result<&'s Value, String> {
        let written = reference.as_str().unwrap_or_default();
        let Some(pointer) = written.strip_prefix('#') else {
            return Err(format!(
                "the schema refers to `{}`, outside of this file; write it out under `$defs`, and refer to it with `#/$defs/NAME`",
                super::yaml::shown(written)
            ));
        };
        let pointer = percent_encoding::percent_decode_str(pointer).decode_utf8_lossy();
        self.root.pointer(&pointer).ok_or_else(|| {
            format!("the schema refers to `{}`, which it does not have", super::yaml::shown(written))
        })
    }
}
