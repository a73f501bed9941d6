//! Texts that are no definition, or hardly one.

use insta::assert_snapshot;
use saga_testkit::definition::change;

use super::{MONTANT, parse, with};
use crate::support::CHECKOUT;

#[test]
fn several_mistakes_are_told_together_in_the_order_of_lines() {
    let source = change(CHECKOUT)
        .set("steps.vente.step", "body")
        .set("deadline", "soon")
        .swap(".panier.montant", ".panir")
        .set("participants.*.safety", "maybe")
        .swap("* 100 | round", "* | round")
        .text();
    assert_snapshot!(parse(&source).expect_err("mistakes").to_string(), @r"
    d.yaml:6: `soon` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    d.yaml:10: unknown safety `maybe`; write none, idempotent or barrier
    d.yaml:11: unknown safety `maybe`; write none, idempotent or barrier
    d.yaml:12: unknown safety `maybe`; write none, idempotent or barrier
    d.yaml:21: jq: expected term at `|`
    d.yaml:40: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock; did you mean `.panier`?
    d.yaml:43: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock, .paiement; did you mean `.panier`?
    d.yaml:47: the step's name `body` is taken; choose another
    ");
}

#[test]
fn files_that_are_no_definition_at_all() {
    let bomb: String = ('b'..='i').fold("a: &a [x, x, x, x, x, x, x, x, x]\n".into(), |yaml, c| {
        let previous = char::from(c as u8 - 1);
        format!("{yaml}{c}: &{c} [{}]\n", vec![format!("*{previous}"); 9].join(", "))
    });
    let ones: String = ('a'..='i').map(|c| format!("{c}: 1, ")).collect();
    let bomb_in_a_body = ('b'..='i').fold(format!("\n        a: &a {{ {ones} }}\n"), |yaml, c| {
        let previous: String =
            ('a'..='i').map(|key| format!("{key}: *{}, ", char::from(c as u8 - 1))).collect();
        format!("{yaml}        {c}: &{c} {{ {previous} }}\n")
    });
    let deep_body =
        with("{ montant: .panier.montant }", &format!("{}1{}", "{ a: ".repeat(300), " }".repeat(300)));
    let many_steps: String = (0..65)
        .map(|i| {
            format!("  - step: s{i}\n    participant: panier\n    action: {{ get: /x }}\n    failure: X\n")
        })
        .collect();
    let head = CHECKOUT.split("steps:\n").next().expect("a head");
    let cases = [
        ("empty", String::new()),
        ("a comment", "# nothing\n".into()),
        ("null", "~".into()),
        ("a list", "- saga\n".into()),
        ("a word", "checkout".into()),
        ("two documents", format!("{CHECKOUT}\n---\n{CHECKOUT}")),
        ("binary", (0..=255_u8).map(char::from).collect()),
        ("huge", "#".repeat(300_000)),
        ("an alias bomb", format!("{bomb}saga: *i\n")),
        ("a bomb in a body", with("{ montant: .panier.montant }", &bomb_in_a_body)),
        ("deep lists", "[".repeat(100_000)),
        ("deep mappings", "{a: ".repeat(50_000)),
        ("a deep body", deep_body),
        ("a deep expression", with(MONTANT, &format!("'{}1{}'", "(".repeat(1000), ")".repeat(1000)))),
        ("a long expression", with(MONTANT, &format!("'{}1'", " ".repeat(5000)))),
        ("an endless expression", with(MONTANT, &format!("'1{}'", "+1".repeat(101)))),
        ("no steps", format!("{head}steps: []\n")),
        ("too many steps", format!("{head}steps:\n{many_steps}")),
    ];
    let told: String = cases
        .iter()
        .map(|(case, source)| {
            let told = parse(source).map(|_| ()).expect_err(case).to_string();
            format!("{case}\n    {}\n", told.replace('\n', "\n    "))
        })
        .collect();
    assert_snapshot!(told, @r"
    empty
        d.yaml:1: the file has no definition in it; the first line of one is `saga: NAME`
    a comment
        d.yaml:1: the file has no definition in it; the first line of one is `saga: NAME`
    null
        d.yaml:1: a definition is a mapping, lines of the form `key: value`, that begins with `saga: NAME`
    a list
        d.yaml:1: a definition is a mapping, lines of the form `key: value`, that begins with `saga: NAME`
    a word
        d.yaml:1: a definition is a mapping, lines of the form `key: value`, that begins with `saga: NAME`
    two documents
        d.yaml:57: a second document begins here; write one definition to a file
    binary
        d.yaml:1: the character U+0000 cannot stand in a definition; save the file as plain text in UTF-8
    huge
        d.yaml:1: the file has 300000 bytes; a definition may have 262144 (SOURCE_BYTES_MAX), which end here
    an alias bomb
        d.yaml:5: with all that its aliases repeat, the file has more than 100000 values (YAML_VALUES_MAX); write less
    a bomb in a body
        d.yaml:44: with all that its aliases repeat, the file has more than 100000 values (YAML_VALUES_MAX); write less
    deep lists
        d.yaml:1: more than 32 mappings and lists are inside each other here (YAML_NESTING_MAX)
    deep mappings
        d.yaml:1: more than 32 mappings and lists are inside each other here (YAML_NESTING_MAX)
    a deep body
        d.yaml:40: more than 32 mappings and lists are inside each other here (YAML_NESTING_MAX)
    a deep expression
        d.yaml:21: jq: more than 64 brackets inside each other
    a long expression
        d.yaml:21: jq: the expression has 5001 bytes; the limit is 4096
    an endless expression
        d.yaml:21: jq: the expression has 101 operators; the limit is 100; split it up
    no steps
        d.yaml:14: there are 0 steps; write 1 to 64
    too many steps
        d.yaml:15: there are 65 steps; write 1 to 64
    ");
}

#[test]
fn what_is_as_intricate_as_the_limits_allow_is_read_within_a_small_stack() {
    // The stack of a thread of the server, and unoptimized code: as tight as it gets.
    let run = || {
        for code in [
            format!("{}1{}", "(".repeat(60), ")".repeat(60)),
            format!("{}1{}", "[".repeat(60), "]".repeat(60)),
            format!("{}1{}", "{a: ".repeat(60), "}".repeat(60)),
            format!("1{}", "+1".repeat(100)),
            format!("{}1", "-".repeat(100)),
            format!("1{}", "|.".repeat(100)),
            format!(".body{}", "[0]".repeat(1300)),
            format!("1{}", " as $x|2".repeat(50)),
            format!("{}1{}", "if 1 then ".repeat(100), " end".repeat(100)),
            format!("{}1", "def f: 1; ".repeat(100)),
            format!("{}1", "try ".repeat(100)),
        ] {
            parse(&with(MONTANT, &format!("'{code}'"))).unwrap_or_else(|told| panic!("{code}: {told}"));
        }
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .expect("a thread")
        .join()
        .expect("no overflow");
}
