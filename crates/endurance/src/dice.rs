//! Random numbers that a seed reproduces.

use std::hash::{BuildHasher, RandomState};

/// A small generator (xorshift64*, S. Vigna, 2016).
pub struct Dice(u64);

impl Dice {
    /// Seeded by `PROCESS_SEED`, or at random; prints the seed.
    pub fn roll(test: &str) -> Self {
        let seed = match std::env::var("PROCESS_SEED") {
            Ok(text) => text.parse().expect("PROCESS_SEED is a number"),
            Err(_) => RandomState::new().hash_one(test) >> 16,
        };
        println!("{test}: PROCESS_SEED={seed}");
        Self::of(seed)
    }

    /// A generator that gives the same numbers for the same seed.
    pub fn of(seed: u64) -> Self {
        Self(seed | 1 << 60)
    }

    /// Another generator, whose numbers are independent of this one's.
    pub fn split(&mut self) -> Self {
        Self::of(self.number())
    }

    /// One of `choices`, which must not be empty.
    pub fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as u64) as usize]
    }

    /// A number, uniform over all but 0.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from `low` on, below `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + (self.number() >> 16) % (high - low)
    }

    /// True once in `times`, on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.between(0, times) == 0
    }
}
