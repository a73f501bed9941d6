//! Inputs that are described further: objects, lists, members that may be left out, and JSON Schemas.

use std::sync::Arc;

use saga_core::Definition;
use saga_core::understood;

use crate::support::no_env;

/// A definition with this `input`, whose one call sends `body`.
fn file(input: &str, body: &str) -> String {
    let input = input.replace('\n', "\n  ");
    format!(
        "saga: essai\ninput:\n  {input}\nparticipants: {{ p: {{ url: 'http://p' }} }}\nsteps:\n  - step: a\n    participant: p\n    \
         action: {{ post: /a, body: {body} }}\n    compensation: none\n"
    )
}

fn definition(input: &str) -> Arc<Definition> {
    let parsed = Definition::parse("d.yaml", &file(input, "1"), &no_env);
    Arc::new(parsed.unwrap_or_else(|told| panic!("{told}")))
}

fn told(input: &str, body: &str) -> String {
    Definition::parse("d.yaml", &file(input, body), &no_env).expect_err(input).to_string()
}

/// The input that is kept, or the mistake.
fn read(input: &str, body: &str) -> Result<String, String> {
    let read = definition(input).read_exact_input(body.as_bytes());
    read.map(|input| input.json().text().to_owned()).map_err(|error| error.to_string())
}

const PLAIN: &str = "id: integer\nto: object?\nlines: array\nnote: string?";

#[test]
fn rule_22_a_member_that_may_be_left_out_is_absent_and_never_null() {
    assert_eq!(read(PLAIN, r#"{"lines": [1, {}], "id": 7}"#), Ok(r#"{"id":7,"lines":[1, {}]}"#.into()));
    let whole = r#"{"id":7,"lines":[],"note":"x","to":{"b":1.50}}"#;
    assert_eq!(read(PLAIN, whole).as_deref(), Ok(whole));
    for (body, why) in [
        (r#"{"id":7}"#, "`lines` is missing; it must be a JSON array"),
        (r#"{"id":7,"lines":{}}"#, "`lines` must be a JSON array"),
        (r#"{"id":7,"lines":[],"to":[]}"#, "`to` must be a JSON object"),
        (r#"{"id":7,"lines":[],"note":null}"#, "`note` must be a JSON string"),
        (
            r#"{"id":7,"lines":[],"notes":"x"}"#,
            "`notes` is no member of the input (did you mean `note`?); it has `id`",
        ),
    ] {
        let error = read(PLAIN, body).expect_err(body);
        assert!(error.contains(why), "{body}: {error}");
    }
    // The seed's face passes over what it does not know.
    let definition = definition(PLAIN);
    assert!(definition.read_input(br#"{"id":7,"lines":[],"notes":"x"}"#).is_ok());
    let with_when = file("on: boolean?", "1").replace("  - step: a\n", "  - step: a\n    when: .input.on\n");
    let told =
        Definition::parse("d.yaml", &with_when, &no_env).expect_err("null is no condition").to_string();
    assert!(told.contains("write `.input.on == true`"), "{told}");
}

const SCHEMA: &str = "schema:
  type: object
  required: [to, lines]
  additionalProperties: false
  properties:
    to: { type: string, format: email }
    gift: { type: [boolean, 'null'] }
    lines: { type: array, minItems: 1, items: { $ref: '#/$defs/line' } }
  $defs:
    line:
      type: object
      required: [sku]
      properties: { sku: { type: string, pattern: '^[A-Z]{2}[0-9]+$', examples: [AB1] }, price: { type: number, maximum: 99.5 } }";

#[test]
fn rule_22_a_schema_says_what_an_input_is() {
    let good = r#"{"lines": [{"sku":"AB1","price":12.50}], "gift":null, "to":"a@b.example"}"#;
    assert_eq!(
        read(SCHEMA, good),
        Ok(r#"{"to":"a@b.example","gift":null,"lines":[{"sku":"AB1","price":12.50}]}"#.into())
    );
    for (body, why) in [
        (r#"{"to":"a@b.example"}"#, "the input: \"lines\" is a required property"),
        (r#"{"to":"a@b.example","lines":[]}"#, "`/lines`"),
        (r#"{"to":"secret","lines":[{"sku":"AB1"}]}"#, "`/to`: the value is not a \"email\""),
        (r#"{"to":"a@b.example","lines":[{"sku":"ab"}]}"#, "`/lines/0/sku`"),
        (r#"{"to":"a@b.example","lines":[{"sku":"AB1","price":100}]}"#, "`/lines/0/price`"),
        (r#"{"to":"a@b.example","lines":[{"sku":"AB1"}],"other":1}"#, "'other' was unexpected"),
        ("[]", "must be a JSON object"),
        (r#"{"to":"a","to":"b"}"#, "ambiguous"),
    ] {
        let error = read(SCHEMA, body).expect_err(body);
        assert!(error.contains(why) && !error.contains("secret"), "{body}: {error}");
    }
}

#[test]
fn an_expression_reads_what_the_schema_has() {
    assert!(told(SCHEMA, ".input.too").contains("did you mean `.input.to`?"));
    assert!(Definition::parse("d.yaml", &file(SCHEMA, ".input.gift"), &no_env).is_ok());
    // An open schema may have any member.
    let open = SCHEMA.replace("  additionalProperties: false\n", "");
    assert!(Definition::parse("d.yaml", &file(&open, ".input.too"), &no_env).is_ok());
}

#[test]
fn rule_22_a_schema_refers_to_itself_alone_and_stays_small() {
    let refers = |target: &str| {
        format!(
            "schema:\n  type: object\n  properties: {{ a: {{ $ref: '{target}' }} }}\n  $defs: {{ b: {{}} }}"
        )
    };
    assert!(Definition::parse("d.yaml", &file(&refers("#/$defs/b"), "1"), &no_env).is_ok());
    let mut doubled =
        String::from("schema:\n  type: object\n  properties: { a: { $ref: '#/$defs/d0' } }\n  $defs:\n");
    for level in 0..20 {
        let next = level + 1;
        doubled.push_str(&format!(
            "    d{level}: {{ allOf: [{{ $ref: '#/$defs/d{next}' }}, {{ $ref: '#/$defs/d{next}' }}] }}\n"
        ));
    }
    doubled.push_str("    d20: { type: string }");
    let mut chained = doubled.replace(&doubled[doubled.find("    d0").expect("the first")..], "");
    for level in 0..100 {
        chained.push_str(&format!("    d{level}: {{ $ref: '#/$defs/d{}' }}\n", level + 1));
    }
    chained.push_str("    d100: { type: string }");
    for (schema, why) in [
        (refers("https://example.com/a.json"), "outside of this file"),
        (refers("a.json#/b"), "outside of this file"),
        (refers("#/$defs/c"), "which it does not have"),
        (refers("#"), "in a circle"),
        (refers("#/properties/a"), "in a circle"),
        (doubled, "SCHEMA_PARTS_MAX"),
        (chained, "SCHEMA_DEPTH_MAX"),
        ("schema: { type: array }".into(), "write `type: object`"),
        ("schema: { properties: {} }".into(), "write `type: object`"),
        (
            "schema: { type: object, $schema: 'http://json-schema.org/draft-07/schema#' }".into(),
            "draft/2020-12",
        ),
        ("schema: { type: object, $id: 'https://example.com/a' }".into(), "`$id`"),
        ("schema: { type: object, properties: { a: { $dynamicRef: '#a' } } }".into(), "`$dynamicRef`"),
        ("schema: { type: object, required: a }".into(), "the schema is not valid at `/required`"),
        ("schema: { type: object, properties: { a: { type: text } } }".into(), "the schema is not valid"),
        ("schema: { type: object, properties: { a: { pattern: '(' } } }".into(), "the schema is not valid"),
        (
            "schema: { type: object, properties: { a: { pattern: '(a)\\1' } } }".into(),
            "the schema is not valid",
        ),
        ("schema: { type: object, properties: { a: { format: colour } } }".into(), "the schema is not valid"),
        ("schema: { type: object }\nid: integer".into(), "move `id` under its `properties`"),
    ] {
        let told = told(&schema, "1");
        assert!(told.contains(why), "{schema}: {told}");
    }
    // A member may be called as a keyword is, and a member called `schema` is one where it has a type.
    let named = "schema: { type: object, properties: { $ref: { type: integer }, $id: { type: string } } }";
    assert_eq!(read(named, r#"{"$ref":7}"#), Ok(r#"{"$ref":7}"#.into()));
    assert_eq!(read("schema: string", r#"{"schema":"x"}"#), Ok(r#"{"schema":"x"}"#.into()));
}

#[test]
fn every_form_of_input_has_its_schema_and_a_sample() {
    for input in [PLAIN, SCHEMA, "schema: { type: object }"] {
        let definition = definition(input);
        let sample = understood::input(&definition).unwrap_or_else(|| panic!("no sample for {input}"));
        let schema = definition.input.schema();
        let again = serde_json::from_str(sample.json().text()).expect("JSON");
        assert!(jsonschema::is_valid(&schema, &again), "{schema}: {again}");
    }
    let never = definition("schema: { type: object, properties: { a: { not: {} } }, required: [a] }");
    assert!(understood::input(&never).is_none());
}
