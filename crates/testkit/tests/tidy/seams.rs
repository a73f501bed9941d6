//! The seams where tests can break a rule on purpose are in one place, so that everything else reads as it runs.

use crate::sources::{below, root};

/// Names that only a place that can be broken has a use for.
const SWITCHES: [&str; 2] = ["seeded::", "look_through"];
/// The places of the seams, and their users.
const PLACES: [&str; 6] = [
    "crates/core/src/rules.rs",
    "crates/core/src/seeded.rs",
    "crates/core/src/saga/mod.rs",
    "crates/core/src/saga/effects.rs",
    "crates/core/src/saga/effects/lens.rs",
    "crates/simulation/src/bugs/mod.rs",
];

#[test]
fn bugs_are_seeded_in_one_place() {
    let asks = |text: &str| SWITCHES.iter().any(|switch| text.contains(switch));
    let asking: Vec<String> = below(&root().join("crates"), &["rs"])
        .into_iter()
        .filter(|source| source.path.contains("/src/") && asks(&source.text))
        .map(|source| source.path)
        .collect();
    assert!(asking.iter().any(|path| path == PLACES[0]), "the rules are somewhere else by now");
    let wrong: Vec<_> = asking.iter().filter(|path| !PLACES.contains(&&***path)).collect();
    assert!(wrong.is_empty(), "give it a name in `rules.rs`, or lie at a seam: {wrong:?}");
}
