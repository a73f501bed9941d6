//! Chance in tests and harnesses: one generator for all of them, and seeds that can be had again.
//!
//! A suite's seed is a constant, so that every run of continuous integration is the same run. An environment variable
//! overrides it. Every failure tells the seed and the command that repeats the run: see [`seed`].

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};

/// Chance from one seed. The same seed gives the same falls on every machine: the generator is named, and not whichever
/// is the library's present favourite.
#[derive(Debug)]
pub struct Dice(Mutex<Xoshiro256PlusPlus>);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(Xoshiro256PlusPlus::seed_from_u64(seed)))
    }

    fn generator(&self) -> MutexGuard<'_, Xoshiro256PlusPlus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number, uniform over all.
    pub fn next(&self) -> u64 {
        self.generator().next_u64()
    }

    /// Other dice, whose falls have nothing to do with these.
    pub fn split(&self) -> Self {
        Self::new(self.next())
    }

    /// A number from `low` on, below `high`; `low` if there is none between them.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        if high > low { self.generator().random_range(low..high) } else { low }
    }

    /// A number below `n`, which is not 0.
    pub fn below(&self, n: usize) -> usize {
        self.generator().random_range(0..n)
    }

    /// One of `choices`, of which there is one at least.
    pub fn one<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// True `per_mille` times out of a thousand.
    pub fn chance(&self, per_mille: u32) -> bool {
        self.between(0, 1_000) < u64::from(per_mille)
    }

    /// Once in `times`.
    pub fn one_in(&self, times: u64) -> bool {
        self.between(0, times) == 0
    }

    /// A duration in `from..to`, in milliseconds.
    pub fn millis(&self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.between(from, to))
    }

    /// Between one byte and `max` bytes.
    pub fn bytes(&self, max: usize) -> Vec<u8> {
        let mut bytes = vec![0; 1 + self.below(max)];
        self.generator().fill_bytes(&mut bytes);
        bytes
    }
}

/// The number in an environment variable, if it is set.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// The seed of a run: what the environment's `variable` says, else the suite's `usual` one.
///
/// It is printed with the command that repeats the run: the one that runs the `suite`, and the name of the test that asks,
/// which is its thread's. The test harness keeps what a test prints, and shows it if the test fails.
pub fn seed(variable: &str, usual: u64, suite: &str) -> u64 {
    let seed = number(variable).unwrap_or(usual);
    println!("{}", replay(variable, seed, suite));
    seed
}

/// How to have a run again.
fn replay(variable: &str, seed: u64, suite: &str) -> String {
    let thread = std::thread::current();
    let test = thread.name().filter(|name| *name != "main");
    let test = test.map(|name| format!(" -- --exact {name}")).unwrap_or_default();
    format!("to repeat this run: {variable}={seed} {suite}{test}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of a seed never change: seeds are written down in issues and in tests' names.
    #[test]
    fn a_seed_gives_the_same_falls_everywhere() {
        let dice = Dice::new(17);
        let falls = (dice.next(), dice.below(100), dice.between(5, 9), dice.chance(500), dice.split().next());
        assert_eq!(falls, (15_988_734_298_299_588_159, 87, 5, false, 10_751_264_713_304_868_517));
    }

    #[test]
    fn a_failure_tells_how_to_repeat_the_run() {
        let told = replay("SAGA_SEED", 17, "cargo test -p saga-testkit --lib");
        let name = "dice::tests::a_failure_tells_how_to_repeat_the_run";
        assert_eq!(
            told,
            format!("to repeat this run: SAGA_SEED=17 cargo test -p saga-testkit --lib -- --exact {name}")
        );
        assert_eq!(seed("A_VARIABLE_THAT_IS_NOT_SET", 4, ""), 4);
    }

    #[test]
    fn every_choice_is_met() {
        let dice = Dice::new(1);
        let mut met = [0; 5];
        (0..1_000).for_each(|_| met[dice.below(5)] += 1);
        assert!(met.iter().all(|count| (100..300).contains(count)), "{met:?}");
        let often = (0..10_000).filter(|_| dice.chance(250)).count();
        assert!((2_200..2_800).contains(&often), "{often}");
        assert_eq!((dice.between(4, 4), dice.one(&[7])), (4, 7));
    }
}
