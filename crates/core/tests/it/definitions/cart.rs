//! The built-in checkout's cart: what makes no sense is an unreadable answer, and amounts are exact to the cent.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use saga_core::reply::{Answer, Reply, Verdict, verdict};
use saga_core::{Definition, Outcome};

use super::parse;
use crate::support::{CHECKOUT, VOISINS, by_seed};

/// The verdict on the cart's answer in `definition`.
fn read(definition: &Definition, body: &str) -> Verdict {
    let reply = Reply::Answered(Answer { status: 200, body: body.into(), ..Answer::default() });
    verdict(definition.steps[0].action().expect("a call"), &reply)
}

/// How a shop wraps the lines of a cart.
type Wrap = fn(&str) -> String;

/// The definitions of this project, each with its shop's way.
fn both() -> [(Definition, Wrap); 2] {
    let wrapped: Wrap =
        |cart| format!("{{\"client_id\":4,\"articles\":{}}}", cart.replace("\"prix\"", "\"prix_unitaire\""));
    [
        (parse(CHECKOUT).expect("a definition"), str::to_owned),
        (parse(VOISINS).expect("a definition"), wrapped),
    ]
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it really takes")]
fn a_cart_that_makes_no_sense_is_an_unreadable_answer_at_once() {
    let line = |member: &str, value: &str| {
        let of = |name: &str, usual: &str| {
            let value = if name == member { value } else { usual };
            if value.is_empty() { String::new() } else { format!("\"{name}\":{value},") }
        };
        format!(
            "[{{{}\"extra\":0}}]",
            [of("produit_id", "1"), of("quantite", "2"), of("prix", "19.99")].concat()
        )
    };
    let mut carts = vec![
        r#"[{"produit_id":1,"quantite":5000000,"prix":"19.99"}]"#.to_owned(),
        "[]".into(),
        "{}".into(),
        "null".into(),
        "\"\"".into(),
        "4".into(),
        "[null]".into(),
        "[[]]".into(),
        "[4]".into(),
        "[{}]".into(),
        r#"{"0":{"produit_id":1,"quantite":1,"prix":"1"}}"#.into(),
        r#"[[{"produit_id":1,"quantite":1,"prix":1}]]"#.into(),
        r#"[{"produit_id":1,"quantite":1,"prix":1},null]"#.into(),
        r#"[{"produit_id":1,"quantite":1,"quantite":2,"prix":1}]"#.into(),
        String::new(),
        "<html>".into(),
        "[".repeat(100_000),
    ];
    // Each line is sound by itself; all of them are not.
    let dear: Vec<_> = (0..1_001).map(|_| r#"{"produit_id":1,"quantite":1,"prix":1000000}"#).collect();
    carts.push(format!("[{}]", dear.join(",")));
    let odd = [
        "",
        "null",
        "true",
        "\"1\"",
        "\"19.99\"",
        "[]",
        "[1]",
        "{}",
        "{\"a\":1}",
        "-1",
        "-0.01",
        "NaN",
        "Infinity",
        "1e400",
        "-1e400",
        "4611686018427387904",
        "9223372036854775808",
        "1e300",
        "123456789012345678901234567890",
    ];
    for member in ["produit_id", "quantite", "prix"] {
        carts.extend(odd.iter().map(|value| line(member, value)));
    }
    for member in ["produit_id", "quantite"] {
        carts.extend(["0", "1.5", "0.1", "1e-1", "2.0000001"].map(|value| line(member, value)));
    }
    carts.push(line("quantite", "1000001"));
    carts.push(line("prix", "1000000000.01"));
    for (definition, wrap) in both() {
        for cart in &carts {
            let begun = Instant::now();
            let verdict = read(&definition, &wrap(cart));
            assert_eq!((verdict.outcome, &verdict.output), (Outcome::Refused, &None), "{cart:.200}");
            let reason = verdict.reason.expect("a reason");
            assert!(reason.starts_with("unreadable answer: "), "{reason}");
            assert!(begun.elapsed() < Duration::from_millis(500), "{cart:.200}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn a_cart_that_makes_sense_is_taken_as_it_is() {
    for (definition, wrap) in both() {
        for (cart, kept) in [
            (
                r#"[{"produit_id":1,"quantite":3,"prix":19.99}]"#,
                r#"{"produits":[{"produit_id":1,"quantite":3,"prix":19.99}],"montant":59.97}"#,
            ),
            // Gifts, digits as they were written, the same product twice.
            (
                r#"[{"produit_id":7,"quantite":1,"prix":0},{"produit_id":7,"quantite":1e2,"prix":0.10}]"#,
                r#"{"produits":[{"produit_id":7,"quantite":1,"prix":0},{"produit_id":7,"quantite":1e2,"prix":0.10}],"montant":10.0}"#,
            ),
            // A third of a cent counts where there are three hundred.
            (
                r#"[{"produit_id":1,"quantite":300,"prix":0.333}]"#,
                r#"{"produits":[{"produit_id":1,"quantite":300,"prix":0.333}],"montant":99.9}"#,
            ),
        ] {
            let verdict = read(&definition, &wrap(cart));
            assert_eq!(verdict.output.expect("an output").text(), kept, "{cart}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..by_seed() })]

    #[test]
    fn amounts_are_exact_to_the_cent(
        lines in proptest::collection::vec((1..1000_u64, 0..100_000_u64), 1..4_000),
        dear in proptest::collection::vec((1..3_u64, 0..100_000_000_u64), 0..9),
    ) {
        let lines: Vec<(u64, u64)> = lines.into_iter().chain(dear).collect();
        let cents: u64 = lines.iter().map(|(quantite, prix)| quantite * prix).sum();
        prop_assume!(cents <= 100_000_000_000);
        let cart: Vec<_> = lines
            .iter()
            .map(|(quantite, prix)| {
                format!(r#"{{"produit_id":1,"quantite":{quantite},"prix":{}.{:02}}}"#, prix / 100, prix % 100)
            })
            .collect();
        let checkout = parse(CHECKOUT).expect("a definition");
        let output = read(&checkout, &format!("[{}]", cart.join(","))).output.expect("an output");
        let (_, montant) = output.text().rsplit_once("\"montant\":").expect("an amount");
        let montant = montant.trim_end_matches('}');
        // The text itself is the amount: no digits behind the cents.
        let (whole, fraction) = montant.split_once('.').unwrap_or((montant, ""));
        prop_assert!(fraction.len() <= 2, "{montant}");
        prop_assert_eq!(format!("{whole}{fraction:0<2}").parse::<u64>(), Ok(cents), "{}", montant);
    }
}
