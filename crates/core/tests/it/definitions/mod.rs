//! Definitions are checked in full when they are loaded, and every mistake says where it is and what to do.

mod access;
mod cart;
mod context;
mod damaged;
mod expressions;
mod files;
mod formats;
mod inputs;
mod labels;
mod language;
mod meanings;
mod probes;
mod requests;
mod schemas;
mod signing;
mod values;
mod waits;
mod wrong;

use std::fmt::Write;

use saga_core::Definition;
use saga_core::definition::Mistakes;
use saga_testkit::definition::change;

use crate::support::{CHECKOUT, VOISINS, no_env};

fn parse(source: &str) -> Result<Definition, Mistakes> {
    Definition::parse("d.yaml", source, &no_env)
}

/// `checkout.yaml` with the first `from` replaced.
fn with(from: &str, to: &str) -> String {
    change(CHECKOUT).swap_first(from, to).text()
}

/// The mistakes in each of these variations of `checkout.yaml`, one block for each.
fn mistakes(variations: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (from, to) in variations {
        let told = match parse(&with(from, to)) {
            Ok(_) => panic!("`{to}` instead of `{from}` is no mistake"),
            Err(mistakes) => mistakes.to_string(),
        };
        let shown = match to.lines().map(str::trim).collect::<Vec<_>>().join(" / ") {
            nothing if nothing.is_empty() => {
                format!("(without `{}`)", from.trim().lines().next().unwrap_or_default())
            }
            shown => shown,
        };
        writeln!(text, "{shown}\n    {}", told.replace('\n', "\n    ")).expect("strings take what they get");
    }
    text
}

const STOCK_URL: &str = "${STOCK_URL:-http://stock-service:8000}";
const LIBERER: &str =
    "    compensation:\n      post: /api/stock/liberer\n      body: { produits: .panier.produits }\n";
const MONTANT: &str = "\"reduce .body[] as $ligne (null; . + if whole($ligne.produit_id; 1; 1000000000000000) then whole($ligne.quantite; 1; 1000000)\n          * number($ligne.prix; 0; 1000000000) else 0 end) | number(.; 0; 1000000000) * 100 | round / 100\"";
const PRODUITS: &str = "produits: .body\n";
/// The last line of the last compensation.
const ANNULER: &str = "      delete: /api/ventes/commande/\\(.saga_id)\n";

#[test]
fn the_built_in_checkout_loads_and_can_be_read_at_a_glance() {
    let checkout = parse(CHECKOUT).expect("checkout.yaml");
    assert!(CHECKOUT.lines().count() <= 60, "{} lines", CHECKOUT.lines().count());
    let steps: Vec<_> = checkout.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(steps, ["panier", "stock", "paiement", "vente"]);
    assert!(checkout.steps[0].is_read() && checkout.steps[0].compensation().is_none());
    assert_eq!(
        checkout.participant(1).expect("a participant").base.to_string(),
        "http://stock-service:8000/"
    );
    assert_eq!(checkout.hash.as_str().len(), 64);
    // Only what later steps read is kept.
    let kept: Vec<_> =
        checkout.steps.iter().map(|step| step.action().expect("a call").output.is_some()).collect();
    assert_eq!(kept, [true, false, false, false]);
}

/// For `reconcile`, which must not have another checkout in mind than `serve`.
#[test]
fn the_checkout_with_effects_differs_in_them_alone() {
    let with_effects = include_str!("../../../../../sagas/checkout-effects.yaml");
    let (plain, listed) = (parse(CHECKOUT).unwrap(), parse(with_effects).unwrap());
    assert_eq!(plain.participants.len(), listed.participants.len());
    for (plain, listed) in plain.participants.iter().zip(&listed.participants) {
        assert_eq!((&plain.name, &plain.reached_by), (&listed.name, &listed.reached_by));
        assert_eq!((plain.effects.is_some(), listed.effects.is_some()), (false, *plain.name != *"panier"));
    }
    let steps = |source: &str| source.split_once("\nsteps:\n").unwrap().1.to_owned();
    assert_eq!(steps(CHECKOUT), steps(with_effects));
}

#[test]
fn the_neighbours_definition_loads_with_the_same_states() {
    let (checkout, voisins) =
        (parse(CHECKOUT).expect("checkout.yaml"), parse(VOISINS).expect("voisins.yaml"));
    assert_eq!(voisins.states, checkout.states);
    assert_eq!(voisins.input.schema(), checkout.input.schema());
    for (mine, theirs) in voisins.steps.iter().zip(&checkout.steps) {
        assert_eq!(
            (&mine.name, &mine.success, &mine.failure),
            (&theirs.name, &theirs.success, &theirs.failure)
        );
    }
    for (mine, theirs) in voisins.participants.iter().zip(&checkout.participants) {
        assert_eq!((&mine.name, &mine.base), (&theirs.name, &theirs.base));
        assert_eq!(mine.safety, saga_core::definition::Safety::None);
    }
}

#[test]
fn any_change_of_the_text_is_another_definition() {
    let hash = |source: &str| parse(source).expect("a definition").hash;
    assert_eq!(hash(CHECKOUT), hash(CHECKOUT));
    assert_ne!(hash(CHECKOUT), hash(&format!("{CHECKOUT}# changed\n")));
}

#[test]
fn the_environment_is_substituted_into_urls_and_headers() {
    let source = change(CHECKOUT)
        .set("participants.stock.url", "\"${STOCK_URL:-http://stock}/${BASE}/\"")
        .add("participants.stock.headers", "{ Authorization: \"Bearer ${KEY:-none}\" }")
        .text();
    let read = |env: &dyn Fn(&str) -> Option<String>| {
        let definition = Definition::parse("d.yaml", &source, env).expect("a definition");
        let stock = definition.participant(1).expect("a participant");
        (stock.base.to_string(), stock.headers[0].1.to_str().expect("text").to_owned(), definition.hash)
    };
    let (base, key, hash) = read(&|name| (name == "BASE").then(|| "v1".into()));
    assert_eq!((base.as_str(), key.as_str()), ("http://stock/v1", "Bearer none"));
    // An empty variable counts as unset, and what is substituted is no part of the hash.
    let (base, key, other_hash) = read(&|name| Some(if name.ends_with("_URL") { "" } else { "x" }.into()));
    assert_eq!((base.as_str(), key.as_str()), ("http://stock/x", "Bearer x"));
    assert_eq!(hash, other_hash);
}
