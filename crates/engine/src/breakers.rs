//! The breakers of all participants that sagas of this process call.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use saga_core::definition::Participant;
use saga_core::reply::Verdict;
use saga_core::{Definition, Outcome};

use crate::breaker::{Breaker, Ended};
use crate::world::World;

/// One for each participant and address: definitions of different ages may know the same name elsewhere.
pub(crate) struct Breakers {
    world: Arc<dyn World>,
    known: RwLock<BTreeMap<Key, Breaker>>,
}

/// A participant's name and address.
type Key = (Arc<str>, Arc<str>);

impl Breakers {
    /// With those of the current definition, whose settings apply wherever an older one names the same participant.
    pub(crate) fn new(world: Arc<dyn World>, current: &Definition) -> Self {
        let breakers = Self { world, known: RwLock::default() };
        for participant in &current.participants {
            let _ = breakers.of_participant(participant);
        }
        breakers
    }

    /// The breaker of a step's participant.
    pub(crate) fn of(&self, definition: &Definition, step: usize) -> Breaker {
        self.of_participant(definition.participant(step))
    }

    /// The breaker of a participant.
    pub(crate) fn of_participant(&self, participant: &Participant) -> Breaker {
        let key = (participant.name.clone(), participant.address.clone());
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let world = self.world.clone();
        let breaker = || Breaker::new(participant.breaker, participant.calls_max, move || world.random());
        known.entry(key).or_insert_with(breaker).clone()
    }
}

/// What the end of a call says about its participant. Whoever answers 500 is there: one order that it cannot handle must
/// not hold up all others, the trial call after a pause above all.
pub(crate) fn ended(verdict: &Verdict) -> Ended {
    match (verdict.outcome, verdict.status) {
        (Outcome::Ok | Outcome::Refused, _) => Ended::Good,
        (_, Some(status)) if !matches!(status, 429 | 502..=504) => Ended::Good,
        (Outcome::Unknown | Outcome::NotSent, _) => Ended::Bad { retry_after: verdict.retry_after },
    }
}
