//! All small worlds.

use saga_simulation::{Counted, StepOrder, small_worlds};

/// Both cores share the work.
fn all(form: StepOrder, faults: usize) {
    const SHARES: usize = 2;
    let counted: Vec<Counted> = std::thread::scope(|scope| {
        let shares: Vec<_> = (0..SHARES)
            .map(|share| scope.spawn(move || small_worlds(form, faults, (share, SHARES))))
            .collect();
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
fn three_steps_with_every_pair_of_faults() {
    all(StepOrder::Chain(3), 2);
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
fn a_diamond_with_every_pair_of_faults() {
    all(StepOrder::Diamond, 2);
}
