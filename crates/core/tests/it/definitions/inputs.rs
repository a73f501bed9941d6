//! The inputs that a caller may bring.

use std::sync::Arc;

use saga_core::definition::{InputError, NUMBER_CHARS_MAX};
use saga_core::{Definition, Json};
use saga_testkit::definition::change;

use super::parse;
use crate::support::CHECKOUT;

fn declared(inputs: &str) -> Definition {
    let source = change(CHECKOUT)
        .set("input", &format!("{{ {inputs} }}"))
        .swap(".input.client_id", ".saga_id")
        .swap(".input.magasin_id", ".saga_id");
    parse(&source.text()).unwrap_or_else(|told| panic!("{told}"))
}

fn read(inputs: &str, body: &str) -> Result<String, String> {
    let input = Arc::new(declared(inputs)).read_input(body.as_bytes());
    input.map(|input| input.json().text().to_owned()).map_err(|error| error.to_string())
}

#[test]
fn numbers_keep_their_digits() {
    for number in [
        "12345678901234567.89",
        "10.00",
        "18446744073709551616",
        "-0",
        "0.1000000000000000055511151231257827",
        "1e3",
        "1E+300",
        "-1.50e-7",
    ] {
        assert_eq!(read("n: number", &format!("{{\"n\": {number} }}")), Ok(format!("{{\"n\":{number}}}")));
    }
    let long = "9".repeat(NUMBER_CHARS_MAX + 1);
    let told = read("n: number", &format!("{{\"n\":{long}}}")).expect_err("it is too long");
    assert!(told.contains("NUMBER_CHARS_MAX"), "{told}");
}

#[test]
fn integers_fit_64_bits_and_are_written_as_such() {
    for number in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
        assert_eq!(read("n: integer", &format!("{{\"n\":{number}}}")), Ok(format!("{{\"n\":{number}}}")));
    }
    for other in
        ["1.0", "1e3", "-0", "9223372036854775808", "-9223372036854775809", "\"1\"", "null", "true", "[1]"]
    {
        let told = read("n: integer", &format!("{{\"n\":{other}}}")).expect_err(other);
        assert!(told.starts_with("`n` must be a JSON integer, written without a fraction"), "{told}");
    }
}

#[test]
fn other_members_are_passed_over_and_are_no_part_of_the_input() {
    let checkout = Arc::new(parse(CHECKOUT).expect("a definition"));
    let read = |body: &str| checkout.read_input(body.as_bytes()).map_err(|error| error.to_string());
    let plain = read(r#"{"client_id":4,"magasin_id":1}"#).expect("an input");
    let more =
        read(r#" {"magasin_id" : 1, "note": {"a":[1.5,"x"]}, "client_id":4, "é": null} "#).expect("an input");
    assert_eq!(plain.json(), more.json());
    assert_eq!(plain.json().text(), r#"{"client_id":4,"magasin_id":1}"#);
}

#[test]
fn two_members_of_one_name_are_refused_wherever_they_stand() {
    for body in [
        r#"{"client_id":4,"client_id":4,"magasin_id":1}"#,
        r#"{"client_id":4,"client\u005fid":5,"magasin_id":1}"#,
        r#"{"client_id":4,"magasin_id":1,"note":1,"note":2}"#,
        r#"{"client_id":4,"magasin_id":1,"note":[{"a":1,"a":1}]}"#,
    ] {
        let told = Arc::new(parse(CHECKOUT).expect("a definition")).read_input(body.as_bytes());
        assert!(matches!(told, Err(InputError::Ambiguous(_))), "{body}: {told:?}");
    }
}

#[test]
fn texts_and_booleans() {
    assert_eq!(
        read("s: string, b: boolean", r#"{"s":"a\/\u00e9\n","b":false}"#),
        Ok(r#"{"b":false,"s":"a/é\n"}"#.into())
    );
    for (inputs, body) in [
        ("s: string", r#"{"s":1}"#),
        ("s: string", r#"{"s":null}"#),
        ("b: boolean", r#"{"b":"true"}"#),
        ("b: boolean", r#"{"b":0}"#),
        ("b: boolean", "{}"),
    ] {
        read(inputs, body).expect_err(body);
    }
}

#[test]
fn bodies_that_are_no_object_at_all() {
    let checkout = Arc::new(parse(CHECKOUT).expect("a definition"));
    let read = |body: &[u8]| checkout.read_input(body);
    for body in ["", "{", "{}x", "nul", "{\"client_id\":4,}", "{'a':1}", "\u{feff}{}"] {
        assert!(matches!(read(body.as_bytes()), Err(InputError::NotJson(_))), "{body}");
    }
    // Neither UTF-8, nor text that could be: numbers beyond doubles are no numbers either.
    for body in [&b"{\"a\":\"\xff\"}"[..], b"{\"a\":\"\\ud800\"}", b"{\"a\":1e400}"] {
        assert!(matches!(read(body), Err(InputError::NotJson(_))), "{body:?}");
    }
    let deep = ["[".repeat(5_000), "]".repeat(5_000)].concat();
    assert!(matches!(read(deep.as_bytes()), Err(InputError::NotJson(_))));
    for body in ["[]", "null", "4", "\"{}\""] {
        let told = read(body.as_bytes()).expect_err(body).to_string();
        assert_eq!(told, "The body must be a JSON object, such as {\"client_id\": 7, \"magasin_id\": 7}");
    }
}

#[test]
fn a_request_is_the_same_where_its_numbers_are() {
    let same = |a: &str, b: &str| {
        let json = |text: &str| {
            Json::parse(read("n: number", &format!("{{\"n\":{text}}}")).expect("a number").as_bytes())
        };
        json(a).expect("JSON").same_value(&json(b).expect("JSON"))
    };
    assert!(same("10.00", "10") && same("1e2", "100"));
    assert!(!same("12345678901234567.89", "12345678901234567.88"));
    assert!(!same("18446744073709551616", "18446744073709551617"));
}
