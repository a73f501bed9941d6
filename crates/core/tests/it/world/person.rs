//! Who looks after orders that are blocked.

use saga_core::event::{Finding, Stuck};
use saga_core::{CommandKind, Json};

use super::World;
use super::participant::Answer;
use crate::support::{Kind, command, name};

impl World {
    /// Somebody looks after the order, knows what the participant's books say, and tells the truth.
    pub(super) fn person(&mut self) {
        let blocked = self.saga.blocked().map(|blocked| (blocked.step, blocked.stuck));
        let (by, reason) = (Box::from("Ana"), Box::from("looked it up"));
        let resume = |world: &mut Self| {
            world.say(|_| "a person wants it to go on".into());
            world.handle(&command(CommandKind::Resume { by: "Ana".into(), reason: None }))
        };
        let Some((step, stuck)) = blocked else {
            self.hit("a person wants it to go on");
            resume(self);
            return;
        };
        if stuck == Stuck::TaskFailed {
            self.hit("a person has a parked order run again");
            resume(self);
            return;
        }
        // What is still on its way may change what is found; so nobody says anything yet.
        if self.network.iter().any(|message| message.call.step == step) {
            return;
        }
        self.forget(step);
        let ledger = &self.ledgers[step];
        // Or there is nothing to remember: what is called again has not run.
        let remembers = match self.specs[step].kind {
            Kind::Barrier => ledger.action.is_some(),
            _ if self.is_undoing(step) => ledger.compensation.is_some() || !ledger.open.is_empty(),
            _ => ledger.action.is_some() || ledger.open.is_empty(),
        };
        if stuck != Stuck::HorizonPassed && self.dice.chance(30) {
            self.hit("a person wants it to go on");
            resume(self);
            return;
        }
        if stuck == Stuck::HorizonPassed && remembers && self.dice.chance(50) {
            self.hit("a person vouches");
            // Which is a promise for as long as the first one; somebody sees to it.
            let (now, ledger) = (self.micros, &mut self.ledgers[step]);
            for stored in [&mut ledger.action, &mut ledger.compensation].into_iter().flatten() {
                stored.at = now;
            }
            resume(self);
            return;
        }
        let output = ledger.open.first().map(|done| done.answer.clone());
        let undoes_by_hand = self.specs[step].kind == Kind::Barrier && !remembers || self.dice.chance(30);
        let finding = match &output {
            None if self.is_undoing(step) => Finding::Undone,
            None => Finding::NotRun,
            Some(_) if undoes_by_hand => Finding::Undone,
            Some(_) => Finding::Ran,
        };
        let output = match (finding, output) {
            (Finding::Ran, Some(Answer::Ok(output))) => Json::parse(output.as_bytes()).ok(),
            _ => None,
        };
        self.say(|_| format!("a person says about {}: {finding:?}", name(step)));
        if !self.handle(&command(CommandKind::Resolve { step, finding, output, by, reason })) {
            return;
        }
        self.hit(match finding {
            Finding::Ran => "a person says that it ran",
            Finding::NotRun => "a person says that it did not run",
            Finding::Undone => "a person undoes it by hand",
        });
        if finding == Finding::Undone {
            self.ledgers[step].open.clear();
        }
    }
}
