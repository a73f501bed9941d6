//! The breakers of all participants that sagas of this process call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use saga_core::definition::Participant;
use saga_core::reply::Verdict;
use saga_core::{Definition, Outcome};

use crate::breaker::{Breaker, CallEnd};
use crate::clock::Clock;
use crate::participants::{CallTrouble, Change, Standing, StandingRecord};

/// One for each address: definitions that name the same service differently share its breaker, and definitions of
/// different ages may know the same name elsewhere. The settings are those of the first participant that names the
/// address.
pub(crate) struct Breakers {
    clock: Arc<Clock>,
    known: RwLock<BTreeMap<Arc<str>, KnownParticipant>>,
    /// Participants whose last call failed: while there are none, a successful call has nothing to record.
    in_trouble: AtomicUsize,
}

/// A participant's breaker, and its recent answers.
#[derive(Clone)]
struct KnownParticipant {
    breaker: Breaker,
    record: Arc<StandingRecord>,
}

impl Breakers {
    /// Contains the breakers of the served definitions, whose settings also apply where an older definition names the
    /// same address.
    pub(crate) fn new(clock: Arc<Clock>, served: &[Arc<Definition>]) -> Self {
        let breakers = Self { clock, known: RwLock::default(), in_trouble: AtomicUsize::new(0) };
        for participant in served.iter().flat_map(|definition| &definition.participants) {
            let _ = breakers.of_participant(participant);
        }
        breakers
    }

    /// The breaker of a step's participant, if it calls one.
    pub(crate) fn of(&self, definition: &Definition, step: usize) -> Option<Breaker> {
        definition.participant(step).map(|participant| self.of_participant(participant))
    }

    /// The breaker of a participant.
    pub(crate) fn of_participant(&self, participant: &Participant) -> Breaker {
        self.known(participant).breaker
    }

    /// A participant's recent answers.
    pub(crate) fn standing(&self, participant: &Participant) -> Standing {
        self.known(participant).record.standing()
    }

    /// Records how a call to a step's participant ended.
    pub(crate) fn note(&self, definition: &Definition, step: usize, verdict: &Verdict) {
        if CallTrouble::of(verdict).is_none() && self.in_trouble.load(Ordering::Relaxed) == 0 {
            return;
        }
        let Some(participant) = definition.participant(step) else { return };
        match self.known(participant).record.note(&participant.name, verdict, self.clock.now()) {
            Change::None => {}
            Change::InTrouble => _ = self.in_trouble.fetch_add(1, Ordering::Relaxed),
            Change::Well => _ = self.in_trouble.fetch_sub(1, Ordering::Relaxed),
        }
    }

    fn known(&self, participant: &Participant) -> KnownParticipant {
        let address = &participant.address;
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(address) {
            return known.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let world = self.clock.world().clone();
        let new = || KnownParticipant {
            breaker: Breaker::new(participant.breaker, participant.calls_max, move || world.random()),
            record: Arc::default(),
        };
        known.entry(address.clone()).or_insert_with(new).clone()
    }
}

/// The meaning of a call's end for its participant. A service that answers 500 is there: one order that it cannot
/// handle must not hold up all others, least of all as the trial call after a pause. A service that does not accept the
/// call is there, too (decision 9).
pub(crate) fn ended(verdict: &Verdict) -> CallEnd {
    match (verdict.outcome, verdict.status) {
        (Outcome::Ok | Outcome::Accepted | Outcome::Refused, _) => CallEnd::Good,
        (_, Some(status)) if !matches!(status, 429 | 502..=504) => CallEnd::Good,
        (Outcome::Unknown | Outcome::NotSent, _) => CallEnd::Bad { retry_after: verdict.retry_after },
    }
}
