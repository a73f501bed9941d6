//! Randomness that can be had again.

use std::hash::{BuildHasher, RandomState};

/// A small generator (xorshift64*, S. Vigna, 2016).
pub(crate) struct Dice(u64);

impl Dice {
    /// Seeded by `PROCESS_SEED`, or by chance; says which.
    pub(crate) fn roll(test: &str) -> Self {
        let seed = match std::env::var("PROCESS_SEED") {
            Ok(text) => text.parse().expect("PROCESS_SEED is a number"),
            Err(_) => RandomState::new().hash_one(test) >> 16,
        };
        println!("{test}: PROCESS_SEED={seed}");
        Self(seed | 1 << 60)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From `low` on, below `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + (self.number() >> 16) % (high - low)
    }

    /// Once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.between(0, times) == 0
    }
}
