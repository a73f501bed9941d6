//! Wrong files as authors write them, and the exact messages about them.

mod jq;
mod shape;
mod yaml;

use insta::assert_snapshot;
use saga_core::Definition;
use saga_testkit::definition::change;

use super::formats::Nothing;
use super::{parse, with};
use crate::support::CHECKOUT;

/// A text in `checkout.yaml`, its replacement, and the lines of the answer: `LINE: MESSAGE`.
type Wrong = (&'static str, &'static str, &'static [&'static str]);

fn check(wrong: &[Wrong]) {
    let mut amiss = String::new();
    for (from, to, told) in wrong {
        let expected: String = told.iter().map(|line| format!("d.yaml:{line}\n")).collect();
        let said = match parse(&with(from, to)) {
            Ok(_) => "no mistake\n".to_owned(),
            Err(mistakes) => format!("{mistakes}\n"),
        };
        if said != expected {
            amiss += &format!("{to}\n  said:\n{said}  expected:\n{expected}\n");
        }
    }
    assert!(amiss.is_empty(), "{amiss}");
}

#[test]
fn what_is_no_yaml_is_told_where_it_began() {
    check(yaml::YAML);
}

#[test]
fn keys_and_values_of_the_wrong_form_are_told_with_what_to_write() {
    check(shape::SHAPE);
}

#[test]
fn expressions_that_are_none_are_told_with_what_to_write() {
    check(jq::JQ);
}

#[test]
fn there_are_enough_wrong_files() {
    assert!(yaml::YAML.len() + shape::SHAPE.len() + jq::JQ.len() >= 46);
}

#[test]
fn mistakes_of_form_and_of_meaning_are_told_at_once() {
    let source = change(CHECKOUT)
        .swap("saga: checkout", "sagas: checkout")
        .swap("deadline: 60s", "deadlin: 60")
        .swap_first("safety: barrier", "safty: barrier")
        .swap("      post: /api/stock/reserver", "      pots: /api/stock/reserver")
        .swap("    success: STOCK_RESERVE", "    retry: 3\n    success: [a]")
        .swap("participant: client", "participant: clients")
        .swap_first(".panier.montant }", ".panir.montant }")
        .text();
    assert_snapshot!(parse(&source).expect_err("mistakes").to_string(), @r"
    d.yaml:3: there is no key `sagas` in the file; did you mean `saga`?
    d.yaml:6: there is no key `deadlin` in the file; did you mean `deadline`?
    d.yaml:10: there is no key `safty` in participant `stock`; did you mean `safety`?
    d.yaml:28: there is no key `pots` in `action` of step `stock`; did you mean `post`?
    d.yaml:33: `retry` needs a mapping, and this is `3`; write `retry: { attempts: 3 }`, or `key: value` lines below it
    d.yaml:34: `success` needs a name, and this is a list; write `success: STOCK_RESERVED`
    d.yaml:38: there is no participant `clients`; did you mean `client`?
    d.yaml:41: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock; did you mean `.panier`?
    ");
}

#[test]
fn what_is_no_mistake_and_hardly_meant_is_a_warning() {
    let warned = |from: &str, to: &str| {
        let checked = Definition::check("d.yaml", &with(from, to), &Nothing).expect("a definition");
        let lines = checked.warnings.iter().map(|warning| format!("{}: {}\n", warning.line, warning.message));
        lines.collect::<String>()
    };
    let source = "{ montant: .panier.montan, date: 2026-01-02, devise: '\"CAD\"' }";
    assert_snapshot!(warned("{ montant: .panier.montant }", source), @r#"
    40: `.panier.montan` is null: the output of `panier` has produits, montant; did you mean `.panier.montant`?
    40: `2026-01-02` is a subtraction to jq; a text needs its quotes: '"2026-01-02"'
    "#);
    assert_snapshot!(warned("    success: STOCK_RESERVE", "    success:\n    retry: ~"), @"33: `success` has no value, and counts as left out; write `success: STOCK_RESERVED`, or remove it");
    assert_eq!(warned("deadline: 60s", "deadline: 60s"), "");
}

#[test]
fn a_file_with_no_end_of_mistakes_is_told_the_first_ones() {
    let many: String = (0..500).map(|i| format!("wrong{i}: 1\n")).collect();
    let told = parse(&with("deadline: 60s\n", &many)).expect_err("mistakes");
    assert_eq!(told.mistakes.len(), 101);
    let last = told.mistakes.last().expect("there are some");
    assert_eq!((last.line, last.message.as_str()), (106, "there are 400 more mistakes from here on"));
}
