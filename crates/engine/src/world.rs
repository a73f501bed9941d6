//! The machine's clock, random numbers, and the start of tasks. No other module of this crate reads a clock or starts
//! a task, so a simulator with its own `World` gets the same run again from the same seed, and can stop a whole
//! process as a crash would.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use saga_core::CallbackSecret;
use saga_core::Timestamp;
use saga_core::retry::Random;

use crate::evaluation::{Busy, Evaluation, Evaluators};

/// A task that runs to its end in the background.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The source of time and randomness for the engine. Waiting uses tokio's clock, which can be paused.
pub trait World: Send + Sync + 'static {
    /// The time of the machine's wall clock. It may be wrong, and may step; see [`Clock`](crate::Clock).
    fn wall(&self) -> Timestamp;

    /// A random number.
    fn random(&self) -> Random;

    /// Random bits that nobody can predict, whatever other numbers have been seen.
    fn secret(&self) -> io::Result<CallbackSecret>;

    /// Starts a task of the engine.
    fn spawn(&self, task: Task);

    /// Runs a long evaluation where it delays nothing else. A world without threads runs it at once.
    fn evaluate(&self, evaluation: Evaluation) -> Result<(), Busy> {
        evaluation();
        Ok(())
    }
}

/// The machine's clock, and numbers that differ from process to process.
#[derive(Debug)]
pub struct Machine {
    keys: (RandomState, RandomState),
    drawn: AtomicU64,
    evaluators: Evaluators,
}

impl Machine {
    /// Seeds the random numbers from the operating system, once.
    pub fn new() -> Self {
        Self {
            keys: (RandomState::new(), RandomState::new()),
            drawn: AtomicU64::new(0),
            evaluators: Evaluators::default(),
        }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl World for Machine {
    fn wall(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the clock's home")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(now.as_micros() as i64)
    }

    fn spawn(&self, task: Task) {
        #[expect(
            clippy::disallowed_methods,
            reason = "the engine's tasks are started here and nowhere else"
        )]
        tokio::spawn(task);
    }

    fn evaluate(&self, evaluation: Evaluation) -> Result<(), Busy> {
        self.evaluators.evaluate(evaluation)
    }

    fn secret(&self) -> io::Result<CallbackSecret> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(CallbackSecret::drawn(u128::from_ne_bytes(bits)))
    }

    /// SipHash with random keys over a counter: no system call, and ids that cannot be predicted.
    fn random(&self) -> Random {
        let n = self.drawn.fetch_add(1, Ordering::Relaxed);
        Random(self.keys.0.hash_one(n) ^ self.keys.1.hash_one(!n).rotate_left(32))
    }
}
