//! The breakers of all participants that sagas of this process call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use saga_core::definition::{BreakerSettings, Participant};
use saga_core::reply::Verdict;
use saga_core::{Definition, Outcome};

use crate::breaker::{Breaker, CallEnd};
use crate::clock::Clock;
use crate::participants::{CallTrouble, Change, Standing, StandingRecord};

/// One for each address, with the files of `tls`: definitions that name the same service differently share its breaker, and definitions of
/// different ages may know the same name elsewhere.
///
/// Of served definitions that name an address with different settings, each setting is the most careful one (see
/// `strictest`): the service is one, whoever calls it. An address that only older definitions name has the settings
/// of the first of them that is used.
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
        breakers.adjust(served);
        breakers
    }

    /// Gives each address the settings that the served definitions have for it.
    pub(crate) fn adjust(&self, served: &[Arc<Definition>]) {
        for (participant, settings) in strictest(served) {
            self.known(participant).breaker.adjust(settings.breaker, settings.calls_max);
        }
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
        let reached_by = &participant.reached_by;
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(reached_by) {
            return known.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let world = self.clock.world().clone();
        let new = || KnownParticipant {
            breaker: Breaker::new(participant.breaker, participant.calls_max, move || world.random()),
            record: Arc::default(),
        };
        known.entry(reached_by.clone()).or_insert_with(new).clone()
    }
}

/// How calls to one address are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CallSettings {
    calls_max: usize,
    breaker: BreakerSettings,
}

impl CallSettings {
    fn of(participant: &Participant) -> Self {
        Self { calls_max: participant.calls_max, breaker: participant.breaker }
    }

    /// The fewest calls; the breaker that opens soonest, and stays open for longest.
    fn and(self, other: Self) -> Self {
        let (this, that) = (self.breaker, other.breaker);
        let breaker = BreakerSettings {
            window: this.window.max(that.window),
            calls_min: this.calls_min.min(that.calls_min),
            failures_percent: this.failures_percent.min(that.failures_percent),
            open: this.open.max(that.open),
            open_max: this.open_max.max(that.open_max),
        };
        Self { calls_max: self.calls_max.min(other.calls_max), breaker }
    }
}

/// Each address that the definitions name, by a participant that has it, with the most careful of the settings there.
fn strictest(definitions: &[Arc<Definition>]) -> Vec<(&Participant, CallSettings)> {
    let mut by_address: BTreeMap<&str, (&Participant, CallSettings)> = BTreeMap::new();
    for participant in definitions.iter().flat_map(|definition| &definition.participants) {
        let settings = CallSettings::of(participant);
        by_address
            .entry(&participant.reached_by)
            .and_modify(|(_, known)| *known = known.and(settings))
            .or_insert((participant, settings));
    }
    by_address.into_values().collect()
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
