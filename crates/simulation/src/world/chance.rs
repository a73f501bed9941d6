//! The fates of calls, by chance.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use saga_core::{Direction, SagaId};
use saga_testkit::dice::Dice;
use tokio::time::Instant;

use crate::definition::{CallSpec, StepKind};
use crate::fate::{Around, Fate, Fates, JobFate, Poison};

/// Calls' fates by chance. Each world has a character: some faults are common in it, others never happen. (Groce et
/// al., "Swarm Testing", ISSTA 2012.)
pub(super) struct Chance {
    dice: Dice,
    kind: Arc<AtomicBool>,
    weights: Vec<(Fate, usize)>,
    refusals: u32,
    travel_ms: u64,
    begun: Instant,
    /// Participants take turns in being down for some seconds.
    flaps: bool,
    /// Out of a thousand pairs of order and step: the answer harms the process that reads it.
    poisonous: u64,
}

impl Chance {
    pub(super) fn drawn(dice: Dice, kind: Arc<AtomicBool>) -> Self {
        let faults = [
            Fate::ErrorBefore,
            Fate::ErrorAfter,
            Fate::Unready(0),
            Fate::Unready(2),
            Fate::ConnectionRefused,
            Fate::ResetBefore,
            Fate::ResetAfter,
            Fate::SilenceBefore,
            Fate::SilenceAfter,
            Fate::Late(900),
            Fate::Late(1_400),
            Fate::Late(8_000),
            Fate::Doubled(5),
            Fate::Doubled(5_000),
            Fate::Misdirected,
        ];
        let mut weights = vec![(Fate::Good, dice.one(&[5, 20, 60, 200]))];
        weights.extend(faults.map(|fault| (fault, dice.one(&[0, 0, 0, 1, 2, 8]))));
        let refusals = dice.one(&[0, 20, 100]);
        let travel_ms = dice.one(&[2, 20, 300]);
        let flaps = dice.chance(200);
        let poisonous = dice.one(&[0, 0, 0, 0, 30, 150]);
        Self { dice, kind, weights, refusals, travel_ms, begun: Instant::now(), flaps, poisonous }
    }

    fn is_down(&self, step: usize) -> bool {
        let turn = self.begun.elapsed().as_secs() / 4;
        self.flaps && !self.is_kind() && (turn as usize + step).is_multiple_of(3)
    }

    fn is_kind(&self) -> bool {
        self.kind.load(Ordering::Relaxed)
    }
}

impl Fates for Chance {
    fn of_call(&self, spec: &CallSpec, direction: Direction, step: usize) -> Fate {
        let kind = spec.kind;
        if self.is_down(step) {
            return Fate::Down;
        }
        if self.dice.chance(if self.is_kind() { 5 } else { self.refusals })
            && kind != StepKind::Read
            && !matches!(direction, Direction::Probe | Direction::Poll)
            && !(self.is_kind() && direction == Direction::Compensation)
        {
            return Fate::Refusal;
        }
        if self.is_kind() {
            return Fate::Good;
        }
        let all: usize = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.dice.below(all);
        let fate = self.weights.iter().find_map(|(fate, weight)| match drawn.checked_sub(*weight) {
            None => Some(*fate),
            Some(rest) => {
                drawn = rest;
                None
            }
        });
        match (fate.unwrap_or(Fate::Good), kind) {
            (Fate::Late(ms), _) if spec.is_bounded() => Fate::Late(ms.min(1_400)),
            (Fate::Doubled(_), _) if spec.is_bounded() && kind.has_keys() => Fate::Doubled(5),
            (Fate::Misdirected, _) if direction != Direction::Compensation => Fate::Good,
            // TCP does not double; a participant that promises nothing about that need not be tried with it.
            (Fate::Doubled(_), StepKind::Plain | StepKind::Probed | StepKind::Read) => Fate::Good,
            (fate, _) => fate,
        }
    }

    fn job(&self, spec: &CallSpec, _: usize) -> Option<JobFate> {
        let is_accepted = spec.accepts.is_some() && self.dice.chance(700);
        is_accepted.then(|| JobFate {
            takes: self.dice.millis(0, spec.job_max().as_millis() as u64),
            refused: self.dice.chance(if self.is_kind() { 5 } else { 2 * self.refusals }),
        })
    }

    fn kills(&self, _: Around) -> bool {
        false
    }

    fn poison(&self, saga: SagaId, step: usize) -> Option<Poison> {
        let (high, low) = saga.as_uuid().as_u64_pair();
        // The same for every attempt, whichever process makes it.
        let drawn = Dice::new(high ^ low ^ step as u64).next();
        let is_poisonous = !self.is_kind() && drawn % 1_000 < self.poisonous;
        is_poisonous.then_some(if drawn & 1 << 40 == 0 { Poison::Kills } else { Poison::Panics })
    }

    fn travel(&self) -> Duration {
        self.dice.millis(0, if self.is_kind() { 2 } else { self.travel_ms })
    }
}
