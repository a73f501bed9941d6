//! Compares the effects that participants list with what the sagas of a journal believe: after a journal was set back, some sagas are
//! forgotten whose effects are there, and after a participant was, some effects are.
//!
//! ```text
//!   listings of participants ──▶ EffectLedger ─┐
//!                                              ├──▶ orphans: effects without a saga, sagas without their effects
//!   sagas, folded ──▶ BelievedSaga ────────────┘
//! ```
//!
//! Only sagas that are over are judged, and those that the journal does not know: the effects of any other change while they are being
//! listed. Nothing is decided here about what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use crate::definition::{Body, Definition, Scope};
use crate::direction::Direction;
use crate::effects_page::{EffectKind, ListedEffect};
use crate::event::{Event, Record};
use crate::id::{AttemptNumber, SagaId, Timestamp};
use crate::saga::{CallWanted, Request, Saga, StepStands};

/// One listing: a participant, as the caller counts them.
pub type Source = usize;

/// The effects that were listed, added up.
#[derive(Debug, Default)]
pub struct EffectLedger {
    sagas: BTreeMap<SagaId, Vec<Tally>>,
    effects: usize,
}

/// The effects of one step at one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Whose listing has them.
    pub source: Source,
    /// The name of the step.
    pub step: Box<str>,
    /// Actions, less those that were undone.
    pub standing: i64,
    /// The last action.
    pub since: Option<Timestamp>,
    /// What the last action was, for a person.
    pub about: Option<Box<str>>,
}

impl EffectLedger {
    /// Adds an effect. The order does not matter.
    pub fn add(&mut self, source: Source, effect: ListedEffect) {
        self.effects += 1;
        let tallies = self.sagas.entry(effect.saga).or_default();
        let known = tallies.iter().position(|tally| tally.source == source && tally.step == effect.step);
        let index = known.unwrap_or_else(|| {
            tallies.push(Tally { source, step: effect.step, standing: 0, since: None, about: None });
            tallies.len() - 1
        });
        let tally = &mut tallies[index];
        match effect.kind {
            EffectKind::Compensation => tally.standing -= 1,
            EffectKind::Action => {
                tally.standing += 1;
                tally.since = tally.since.max(effect.at);
                tally.about = effect.about.or(tally.about.take());
            }
        }
    }

    /// How many were added.
    pub fn effects(&self) -> usize {
        self.effects
    }

    /// The sagas that have effects, in the order of their ids.
    pub fn sagas(&self) -> impl Iterator<Item = SagaId> {
        self.sagas.keys().copied()
    }

    /// The effects of one saga.
    pub fn of(&self, saga: SagaId) -> &[Tally] {
        self.sagas.get(&saga).map_or(&[], Vec::as_slice)
    }
}

/// What the journal believes about a saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BelievedSaga {
    /// It has no such saga.
    Unknown,
    /// It cannot be judged: it is under way, or waits for a person.
    NotOver,
    /// Each of its steps that a participant lists.
    Over(Vec<BelievedStep>),
}

/// What the journal believes about one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BelievedStep {
    /// Whose listing has its effects.
    pub source: Source,
    /// Its name.
    pub name: Box<str>,
    /// Whether its effect is there.
    pub effect: BelievedEffect,
}

/// Whether a step's effect is there, as its saga believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BelievedEffect {
    /// It is.
    There,
    /// It is not: it was undone, or never there.
    NotThere,
    /// That is not known, or a person has said so: the listing shows no trace of what was done by hand.
    Open,
}

impl BelievedSaga {
    /// What a saga believes whose history this is. `source`: whose listing has the effects of the step with that index; `None`: no
    /// participant lists them.
    pub fn of(saga: &Saga, records: &[Record], source: impl Fn(usize) -> Option<Source>) -> Self {
        if !saga.is_over() {
            return Self::NotOver;
        }
        let by_hand = |step: usize| {
            records
                .iter()
                .any(|record| matches!(record.event, Event::Resolved { step: of, .. } if of == step))
        };
        let definition = saga.definition();
        let steps = definition.steps.iter().enumerate().filter_map(|(index, step)| {
            let source = source(index).filter(|_| step.action().is_some() && !step.is_read())?;
            let effect = if by_hand(index) { BelievedEffect::Open } else { believed(saga.stands(index)) };
            Some(BelievedStep { source, name: (*step.name).into(), effect })
        });
        Self::Over(steps.collect())
    }
}

/// For a step of a saga that is over.
fn believed(stands: StepStands) -> BelievedEffect {
    match stands {
        StepStands::Done => BelievedEffect::There,
        StepStands::NotReached | StepStands::Skipped | StepStands::NotDone | StepStands::Undone => {
            BelievedEffect::NotThere
        }
        // An optional step may have failed with its outcome unknown.
        StepStands::PassedOver
        | StepStands::Unsure
        | StepStands::Waiting
        | StepStands::Doing
        | StepStands::Accepted
        | StepStands::ToUndo
        | StepStands::Undoing => BelievedEffect::Open,
    }
}

/// A difference between a participant and the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// The saga.
    pub saga: SagaId,
    /// Whose listing it is about.
    pub source: Source,
    /// The name of the step.
    pub step: Box<str>,
    /// What differs.
    pub kind: OrphanKind,
    /// When the effect came about, if the listing says so.
    pub since: Option<Timestamp>,
    /// What the listing says of it.
    pub about: Option<Box<str>>,
}

/// What differs. All but the last are effects that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum OrphanKind {
    /// The journal does not know the saga.
    Forgotten,
    /// The saga is over, and believes that the effect was undone or never there.
    NotUndone,
    /// The saga's definition has no such step at this participant.
    NoSuchStep,
    /// The effect is there more than once.
    Repeated,
    /// The saga is over, and believes that the effect is there, but it is not.
    Missing,
}

/// The differences of one saga.
pub fn orphans(saga: SagaId, listed: &[Tally], believed: &BelievedSaga) -> Vec<Orphan> {
    let orphan = |tally: &Tally, kind| Orphan {
        saga,
        source: tally.source,
        step: tally.step.clone(),
        kind,
        since: tally.since,
        about: tally.about.clone(),
    };
    let standing = listed.iter().filter(|tally| tally.standing > 0);
    match believed {
        BelievedSaga::NotOver => Vec::new(),
        BelievedSaga::Unknown => standing.map(|tally| orphan(tally, OrphanKind::Forgotten)).collect(),
        BelievedSaga::Over(steps) => {
            let of = |tally: &Tally| {
                steps.iter().find(|step| step.source == tally.source && step.name == tally.step)
            };
            let there = standing.filter_map(|tally| {
                let kind = match of(tally).map(|step| step.effect) {
                    None => OrphanKind::NoSuchStep,
                    Some(BelievedEffect::NotThere) => OrphanKind::NotUndone,
                    Some(BelievedEffect::There | BelievedEffect::Open) if tally.standing > 1 => {
                        OrphanKind::Repeated
                    }
                    Some(BelievedEffect::There | BelievedEffect::Open) => return None,
                };
                Some(orphan(tally, kind))
            });
            let is_there = |step: &BelievedStep| {
                let is_it = |tally: &&Tally| tally.source == step.source && tally.step == step.name;
                listed.iter().find(is_it).is_some_and(|tally| tally.standing > 0)
            };
            let missing = steps.iter().filter(|step| step.effect == BelievedEffect::There && !is_there(step));
            let missing = missing.map(|step| Orphan {
                saga,
                source: step.source,
                step: step.name.clone(),
                kind: OrphanKind::Missing,
                since: None,
                about: None,
            });
            there.chain(missing).collect()
        }
    }
}

/// The request that would undo a step, for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRequest {
    /// The method.
    pub method: Method,
    /// The path, after the participant's base URL.
    pub path: String,
    /// The headers of this call, beside the participant's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body, if there is one.
    pub body: Option<Body>,
}

/// The compensation of a step of a saga of which nothing is known but its id; `None`: it needs more, or there is none.
pub fn undo_by_id(definition: &Definition, step: usize, saga: SagaId) -> Option<UndoRequest> {
    let call = definition.call(step, Direction::Compensation)?;
    let mut read = Vec::new();
    call.paths(&mut read);
    let is_enough = |path: &Vec<String>| matches!(path.as_slice(), [name] if name == "saga_id");
    if !read.iter().all(is_enough) || KNOWN_TO_SAGAS.into_iter().any(|name| call.computes_from(name)) {
        return None;
    }
    let id = format!("\"{saga}\"");
    let scope = Scope::default().with("saga_id", id.as_str());
    Some(UndoRequest {
        method: call.method.clone(),
        path: call.path.render_path(&scope).ok()?,
        headers: call.render_headers(&scope).ok()?,
        body: call.body.as_ref().map(|body| body.render(&scope)).transpose().ok()?,
    })
}

/// Names that a request may read from its saga, where a program reads all.
const KNOWN_TO_SAGAS: [&str; 2] = ["input", "failure"];

/// The compensation of a step of this saga; `None`: it cannot be made of what the saga knows, or there is none.
pub fn undo_of(saga: &Saga, step: usize) -> Option<UndoRequest> {
    let wanted = CallWanted {
        step,
        direction: Direction::Compensation,
        attempt: AttemptNumber::FIRST,
        needs: saga.seq(),
        timeout: Duration::ZERO,
    };
    let Request { method, path, headers, body, .. } = saga.shown_request(&wanted).ok()?;
    Some(UndoRequest { method, path, headers, body })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const STEPS: [&str; 4] = ["stock", "paiement", "vente", "colis"];

    fn effect(step: usize, kind: EffectKind, second: i64) -> ListedEffect {
        ListedEffect {
            saga: SagaId::new(Uuid::from_u128(7)),
            step: STEPS[step].into(),
            kind,
            at: Some(Timestamp::from_micros(second * 1_000_000)),
            about: Some(format!("at {second}").into()),
        }
    }

    fn believed_steps(effects: &[BelievedEffect]) -> BelievedSaga {
        let steps = effects.iter().enumerate();
        BelievedSaga::Over(
            steps
                .map(|(step, effect)| BelievedStep {
                    source: step % 2,
                    name: STEPS[step].into(),
                    effect: *effect,
                })
                .collect(),
        )
    }

    fn told(ledger: &EffectLedger, believed: &BelievedSaga) -> Vec<(String, OrphanKind)> {
        let saga = SagaId::new(Uuid::from_u128(7));
        orphans(saga, ledger.of(saga), believed).into_iter().map(|it| (it.step.into(), it.kind)).collect()
    }

    #[test]
    fn an_orphan_has_what_the_listing_says_of_the_last_action() {
        let mut ledger = EffectLedger::default();
        for (kind, second) in
            [(EffectKind::Action, 5), (EffectKind::Compensation, 6), (EffectKind::Action, 7)]
        {
            ledger.add(3, effect(0, kind, second));
        }
        assert_eq!(ledger.effects(), 3);
        let saga = ledger.sagas().next().unwrap();
        let found = orphans(saga, ledger.of(saga), &BelievedSaga::Unknown);
        let expected = Orphan {
            saga,
            source: 3,
            step: "stock".into(),
            kind: OrphanKind::Forgotten,
            since: Some(Timestamp::from_micros(7_000_000)),
            about: Some("at 7".into()),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn an_effect_of_a_step_that_the_saga_does_not_have_there_is_told() {
        let mut ledger = EffectLedger::default();
        // At another participant than the saga's step.
        ledger.add(1, effect(0, EffectKind::Action, 1));
        let believed = believed_steps(&[BelievedEffect::There]);
        let expected =
            [("stock".to_owned(), OrphanKind::NoSuchStep), ("stock".to_owned(), OrphanKind::Missing)];
        assert_eq!(told(&ledger, &believed), expected);
        assert_eq!(told(&ledger, &BelievedSaga::NotOver), []);
    }

    fn believed_effect() -> impl Strategy<Value = BelievedEffect> {
        prop_oneof![Just(BelievedEffect::There), Just(BelievedEffect::NotThere), Just(BelievedEffect::Open)]
    }

    proptest! {
        /// By counting, whatever the order of the listing.
        #[test]
        fn every_difference_is_told_and_none_is_invented(
            steps in proptest::collection::vec((0..3_i64, 0..3_i64, believed_effect()), 4),
            order in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut listed = Vec::new();
            for (step, (actions, undone, _)) in steps.iter().enumerate() {
                for (kind, number) in [(EffectKind::Action, *actions), (EffectKind::Compensation, *undone)] {
                    (0..number).for_each(|_| listed.push((step % 2, effect(step, kind, 1))));
                }
            }
            let mut ledger = EffectLedger::default();
            for place in order.into_iter().filter(|place| *place < listed.len()) {
                let (source, effect) = listed[place].clone();
                ledger.add(source, effect);
            }
            let believed: Vec<_> = steps.iter().map(|(_, _, effect)| *effect).collect();
            let mut expected = Vec::new();
            let mut forgotten = Vec::new();
            for (step, (actions, undone, effect)) in steps.iter().enumerate() {
                let name = STEPS[step].to_owned();
                if actions > undone {
                    forgotten.push((name.clone(), OrphanKind::Forgotten));
                }
                match effect {
                    BelievedEffect::NotThere if actions > undone => expected.push((name, OrphanKind::NotUndone)),
                    BelievedEffect::There | BelievedEffect::Open if *actions > undone + 1 => {
                        expected.push((name, OrphanKind::Repeated));
                    }
                    BelievedEffect::There if actions <= undone => expected.push((name, OrphanKind::Missing)),
                    _ => {}
                }
            }
            let sorted = |mut orphans: Vec<(String, OrphanKind)>| { orphans.sort(); orphans };
            prop_assert_eq!(sorted(told(&ledger, &believed_steps(&believed))), sorted(expected));
            prop_assert_eq!(sorted(told(&ledger, &BelievedSaga::Unknown)), sorted(forgotten));
        }
    }
}
