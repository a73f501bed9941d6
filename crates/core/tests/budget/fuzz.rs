//! Programs by chance on answers by chance: all end within the budget, and give what plain jaq gives.
//!
//! `FUZZ_EVALUATIONS` says how many, `FUZZ_SEED` where they begin: `FUZZ_SEED=17 FUZZ_EVALUATIONS=1` runs one again.
//! A program that is refused is no evaluation.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_json::Val;
use saga_core::budget::Budget;
use saga_core::definition::Template;
use saga_testkit::dice::{number, seed};

use crate::generator::{Chance, body, program};
use crate::measured::{HELD_BYTES_MAX, alone, evaluate};
use crate::plain::Plain;

/// In the suite; many more by hand.
const EVALUATIONS: u64 = 2_000;
/// Differences from plain jaq on purpose: times that are far off are errors; the least integer has an absolute value;
/// and nothing equals `nan`, itself neither.
const DIFFERENT: [&str; 6] = ["nan", "gmtime", "mktime", "strftime", "todate", "9223372036854775808"];
/// Programs after which a long run says how far it is.
const PROGRESS_AFTER: u64 = 50_000;
/// A program that took more steps is not run by plain jaq, which has no limits.
const PLAIN_STEPS_MAX: u64 = 50_000;

fn read(json: &str) -> Val {
    jaq_json::read::parse_single(json.as_bytes()).unwrap_or_else(|error| panic!("{json:.200}: {error}"))
}

#[derive(Debug, Default)]
struct Counted {
    refused: u64,
    values: u64,
    errors: u64,
    over: u64,
    compared: u64,
    held_max: usize,
    steps_max: u64,
}

#[test]
fn programs_by_chance_end_within_the_budget_and_give_what_jaq_gives() {
    let _turn = alone();
    let (from, count) = (
        seed("FUZZ_SEED", 0, "cargo test -p saga-core --test budget"),
        number("FUZZ_EVALUATIONS").unwrap_or(EVALUATIONS),
    );
    let mut counted = Counted::default();
    let mut seeds = from..;
    while counted.values + counted.errors < count {
        let seed = seeds.next().expect("another seed");
        one(seed, &mut counted);
        if (seed + 1 - from).is_multiple_of(PROGRESS_AFTER) {
            eprintln!("up to seed {seed}: {counted:?}");
        }
    }
    eprintln!("{counted:?}");
    if count >= EVALUATIONS {
        // They reach what they are for.
        assert!(
            counted.values > count / 20 && counted.over > 0 && counted.compared > count / 20,
            "{counted:?}"
        );
    }
}

fn one(seed: u64, counted: &mut Counted) {
    let chance = Chance::new(seed);
    let (code, body) = (program(&chance), body(&chance));
    let Ok(template) = Template::parse(&code) else {
        counted.refused += 1;
        return;
    };
    let measured = evaluate(&template, &body, Budget::FULL);
    counted.held_max = counted.held_max.max(measured.held);
    counted.steps_max = counted.steps_max.max(measured.steps);
    let held = measured.held;
    assert!(held <= HELD_BYTES_MAX, "seed {seed}: `{code}` holds {held} bytes");
    match &measured.result {
        Ok(_) => counted.values += 1,
        Err(_) => counted.errors += 1,
    }
    if let Some(limit) = measured.over {
        counted.over += 1;
        let told = measured.result.as_ref().map_or_else(String::clone, |value| value.text().to_owned());
        assert!(measured.result.is_err(), "seed {seed}: `{code}` is over {limit}, and gives {told}");
        return;
    }
    // Plain jaq has no limits: what ends in an error here may go on there.
    let Ok(value) = &measured.result else { return };
    if measured.steps > PLAIN_STEPS_MAX
        || DIFFERENT.iter().any(|part| code.contains(part) || body.contains(part))
    {
        return;
    }
    let Some(plain) = Plain::compile(&code) else { return };
    counted.compared += 1;
    let value = value.text();
    // Plain jaq panics on some inputs; ours must be an error there.
    let expected = catch_unwind(AssertUnwindSafe(|| plain.run(&body)))
        .unwrap_or_else(|_| panic!("seed {seed}: `{code}` gives {value:.200}, and panics in jaq"));
    let Some(expected) = expected else {
        panic!("seed {seed}: `{code}` gives {value:.200}, and has no value in jaq");
    };
    // Both are read again: what is only handed on keeps its spelling, its double keys too.
    let same = read(value) == read(&expected);
    assert!(same, "seed {seed}: `{code}` gives {value:.200}, and {expected:.200} in jaq");
}
