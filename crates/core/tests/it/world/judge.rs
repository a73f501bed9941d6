//! Whether the promises were kept, by the ledgers of the participants.

use saga_core::event::Stuck;
use saga_core::{Direction, Event, Outcome, Saga};

use super::World;
use crate::support::{Kind, name, saga_id};

impl World {
    pub(super) fn judge_while_running(&mut self) {
        if let Some(step) = self.ledgers.iter().position(|ledger| ledger.open.len() > 1) {
            self.broken(&format!("P3: step {} has had its effect twice", name(step)));
        }
    }

    pub(super) fn judge(&mut self) {
        let folded = Saga::fold(saga_id(), self.saga.definition().clone(), &self.history).expect("a history");
        if format!("{folded:?}") != format!("{:?}", self.saga) {
            self.broken("P7: the history tells another saga");
        }
        let net: Vec<usize> = self.ledgers.iter().map(|ledger| ledger.open.len()).collect();
        let effects = |world: &Self| -> Vec<usize> {
            (0..world.specs.len()).filter(|&step| world.specs[step].kind != Kind::Read).collect()
        };
        for step in effects(self) {
            let touched = self.ledgers[step].touched;
            // A person who is told about the step is told of it, too.
            let told = self.history.iter().any(|record| match record.event {
                Event::AttemptStarted { step: of, .. } | Event::Blocked { step: of, .. } => of == step,
                _ => false,
            });
            if touched && !told && self.specs[step].is_undone() {
                self.broken(&format!(
                    "P7: the participant of {} was called, and the history is silent",
                    name(step)
                ));
            }
        }
        match (self.saga.is_over(), self.saga.cause().is_some()) {
            (true, false) => {
                if effects(self).iter().any(|&step| net[step] != 1) {
                    self.broken("P1: confirmed, and not every step has its effect once");
                }
                self.hit("confirmed");
            }
            (true, true) => {
                if effects(self).iter().any(|&step| self.specs[step].is_undone() && net[step] != 0) {
                    self.broken("P1: rolled back, and an effect is left");
                }
                let undone = self.saga.rollback() == saga_core::saga::Rollback::Done;
                self.hit(if undone { "rolled back: undone" } else { "rolled back: nothing to undo" });
                self.count_undone();
            }
            (false, _) => {
                let blocked = self.saga.blocked().expect("only a person can go on").clone();
                let spec = &self.specs[blocked.step];
                let has_ended = blocked.stuck == Stuck::HorizonPassed && spec.horizon.is_some();
                if !has_ended && (spec.kind != Kind::Plain || spec.is_probed()) {
                    self.broken("P6: only where nothing is promised and nothing can be asked is a person needed for good");
                }
                let later = |step: &usize| *step > blocked.step && self.specs[*step].is_undone();
                if effects(self).iter().filter(|step| later(step)).any(|&step| net[step] != 0) {
                    self.broken("P1: undone past a step whose effect is left");
                }
                self.hit(match blocked.stuck {
                    Stuck::HorizonPassed => "blocked for good: the promise has ended",
                    Stuck::ActionUnknown => "blocked for good: nobody knows about the action",
                    _ => "blocked for good: nobody knows about the compensation",
                });
            }
        }
    }

    pub(super) fn count_undone(&mut self) {
        for step in 0..self.specs.len() {
            let first = |direction| {
                self.history.iter().position(|r| {
                    matches!(r.event, Event::AttemptStarted { step: s, direction: d, .. } if s == step && d == direction)
                })
            };
            let succeeded = self.history.iter().any(|r| {
                matches!(r.event, Event::AttemptEnded { step: s, direction: Direction::Action, outcome: Outcome::Ok, .. } if s == step)
            });
            match (first(Direction::Action), first(Direction::Compensation)) {
                (None, Some(_)) => self.hit("a barrier's step that was lost is undone"),
                (Some(_), Some(_)) if !succeeded => self.hit("a compensation after an unknown outcome"),
                _ => {}
            }
        }
    }
}
