//! All small worlds, but of the largest forms with pairs of faults some: `simulate --pairs` runs all of those.

use saga_simulation::{Counted, StepOrder, small_worlds};

/// Both cores share the work.
fn all(form: StepOrder, faults: usize) {
    shares(form, faults, [(0, 2), (1, 2)]);
}

/// Two twenty-thirds of the worlds of a form. That is no divisor of how many kinds, or ways to be refused, there are, so that each is
/// among them.
fn some(form: StepOrder, faults: usize) {
    shares(form, faults, [(0, 23), (9, 23)]);
}

fn shares(form: StepOrder, faults: usize, shares: [(usize, usize); 2]) {
    let counted: Vec<Counted> = std::thread::scope(|scope| {
        let shares = shares.map(|share| scope.spawn(move || small_worlds(form, faults, share)));
        shares.into_iter().map(|share| share.join().expect("a share that panics fails the test")).collect()
    });
    let mut broken = 0;
    for counted in &counted {
        for (case, violations) in counted.broken.iter().take(5) {
            println!("{case:?}: {violations:?}");
        }
        broken += counted.broken.len();
    }
    for with in 0..=faults {
        let cases: u64 = counted.iter().filter_map(|counted| counted.cases.get(&with)).sum();
        println!("{form:?}, {with} faults: {cases} cases");
    }
    assert_eq!(broken, 0, "small worlds that broke a promise");
}

#[test]
fn one_step_with_every_pair_of_faults() {
    all(StepOrder::Chain(1), 2);
}

#[test]
fn two_steps_with_every_pair_of_faults() {
    all(StepOrder::Chain(2), 2);
}

#[test]
fn three_steps_with_pairs_of_faults() {
    some(StepOrder::Chain(3), 2);
}

#[test]
fn four_steps_with_every_fault() {
    all(StepOrder::Chain(4), 1);
}

#[test]
fn two_steps_at_the_same_time_with_every_pair_of_faults() {
    all(StepOrder::Pair, 2);
}

#[test]
fn a_diamond_with_every_fault() {
    all(StepOrder::Diamond, 1);
}

#[test]
fn a_skipped_step_between_two_with_every_fault() {
    all(StepOrder::Skipping, 1);
}

#[test]
fn steps_that_wait_are_accepted_or_weigh_something_else_with_every_fault() {
    for form in StepOrder::OF_ALL_KINDS {
        all(form, 1);
    }
}

#[test]
fn a_diamond_with_pairs_of_faults() {
    some(StepOrder::Diamond, 2);
}
