//! The operator: a person who looks into the participants' books about an order, and reports their content.

use std::time::Duration;

use saga_core::event::{Finding, Stuck};
use saga_core::{CommandKind, Event, Json, Saga, SagaId};
use saga_engine::{Engine, Refusal};
use tokio::time::sleep;

use crate::definition::{Spec, StepKind, step_name};
use crate::fleet::Fleet;
use crate::scene::is_stuck;

/// How long the operator waits before repeating a command without an answer.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often the operator repeats it. Faults end long before.
const TIMES_MAX: usize = 300;

/// Out of a thousand times that both are right: the operator undoes an effect by hand instead of having it undone.
const BY_HAND: u32 = 300;
/// Of the steps that a participant still remembers: the operator vouches for the participant instead of settling the
/// step.
const VOUCHES: u32 = 500;
/// Two operators send the same command at the same time.
const TWO_AT_ONCE: u32 = 200;
/// Of the calls that are repeated by themselves: the operator has one made at once instead of settling the step.
const RESUMES: u32 = 500;

/// An operator's command, and the name that it is counted under.
struct OperatorCommand {
    kind: CommandKind,
    point: &'static str,
    /// The step whose participant has to remember the order for as long as it promises, from this command on.
    vouches_for: Option<usize>,
}

impl OperatorCommand {
    fn resume(point: &'static str) -> Self {
        Self { kind: CommandKind::Resume { by: "Ana".into(), reason: None }, point, vouches_for: None }
    }
}

impl Fleet {
    /// The operator opens the books about an order, reports their content, and closes them when the command has been
    /// applied or refused. Meanwhile nothing changes in them: a finding about a step has to be true until it is heard.
    pub(crate) async fn look_after(&self, id: SagaId) {
        if !self.scene.shop.hold(id) {
            return;
        }
        // A command without an answer may be heard all the same: so the operator looks again before sending another.
        for _ in 0..TIMES_MAX {
            let Some(command) = self.next_command(id) else { break };
            let is_heard = self.say(id, &command).await;
            self.settle_commands(id).await;
            if is_heard || self.scene.recorder.is_broken() {
                break;
            }
            self.scene.recorder.hit("person: gets no answer");
        }
        self.scene.shop.release();
    }

    /// Waits until no command waits for an order: what was said is true only while the books are open.
    async fn settle_commands(&self, id: SagaId) {
        for _ in 0..TIMES_MAX {
            if !self.scene.disk.is_commanded(id) || self.scene.recorder.is_broken() {
                return;
            }
            // The process that was to apply it may have died of it: the next one finds it in the inbox.
            self.restart_the_dead();
            sleep(AGAIN_AFTER).await;
        }
        // There are no faults any more: whoever owns the order applies what it finds.
        self.scene.recorder.violation("P6", format_args!("nobody applies what waits in the inbox for {id}"));
    }

    /// Whether it was heard.
    async fn say(&self, id: SagaId, command: &OperatorCommand) -> bool {
        let recorder = &self.scene.recorder;
        recorder.hit(command.point);
        recorder.note(|| format!("a person about {id}: {:?}", command.kind));
        let say = || {
            let (place, command) = (self.dice.below(self.places()), command.kind.clone());
            self.ask(place, move |engine: Engine| async move { engine.command(id, command).await })
        };
        // Where a participant may forget, the second of two operators who resume would vouch: see `next_command`.
        let may_be_two = matches!(command.kind, CommandKind::Resolve { .. })
            || !self.scene.specs.iter().any(Spec::forgets);
        let answer = if may_be_two && self.dice.chance(TWO_AT_ONCE) {
            recorder.hit("person: two at once");
            let (first, second) = tokio::join!(say(), say());
            first.and(second)
        } else {
            say().await
        };
        recorder.note(|| format!("a person about {id}: {answer:?}"));
        match answer {
            Some(Ok(())) => {}
            Some(Err(Refusal::Rejected(_))) => recorder.hit("person: turned away"),
            Some(Err(_)) | None => {
                sleep(AGAIN_AFTER).await;
                return false;
            }
        }
        if let Some(step) = command.vouches_for {
            self.scene.shop.ledger().keep(id, &step_name(step), false);
        }
        true
    }

    fn next_command(&self, id: SagaId) -> Option<OperatorCommand> {
        let saga = self.scene.saga(id)?;
        if saga.is_over() {
            return None;
        }
        // Where a participant may forget, the order may be blocked for that by the time that the command is heard; then
        // it would vouch for a participant that the operator has not looked at.
        let may_vouch = self.scene.specs.iter().any(Spec::forgets);
        let Some(blocked) = saga.blocked() else {
            return (!may_vouch).then(|| OperatorCommand::resume("person: resumes what is not blocked"));
        };
        match blocked.stuck {
            Stuck::TaskFailed => {
                return Some(OperatorCommand::resume("person: has a parked order run again"));
            }
            _ if self.scene.page(id, blocked.step).is_undone_by_hand => {}
            // Nothing is known of the step: only trying again tells.
            Stuck::NothingToUndo if !may_vouch && !self.dice.chance(200) => {
                return Some(OperatorCommand::resume("person: resumes what has nothing to undo"));
            }
            Stuck::ActionFailing | Stuck::CompensationFailing | Stuck::ActionUnsettled
                if !may_vouch && self.dice.chance(RESUMES) =>
            {
                return Some(OperatorCommand::resume("person: resumes what is tried all the same"));
            }
            _ => {}
        }
        self.command_about(&saga, blocked.step, blocked.stuck)
    }

    /// The books' content about the step that is blocked.
    fn command_about(&self, saga: &Saga, step: usize, stuck: Stuck) -> Option<OperatorCommand> {
        let (id, name) = (saga.id(), &*step_name(step));
        let kind = self.scene.specs[step].call()?.kind;
        let page = self.scene.page(id, step);
        let is_undoing = self.scene.history(id)?.iter().any(|record| {
            matches!(record.event, Event::AttemptStarted { step: s, direction: saga_core::Direction::Compensation, .. } if s == step)
        });
        let remembers = page.remembers(kind, is_undoing);
        let ledger = || self.scene.shop.ledger();
        if stuck == Stuck::HorizonPassed && remembers && !page.is_undone_by_hand && self.dice.chance(VOUCHES)
        {
            ledger().keep(id, name, true);
            return Some(OperatorCommand {
                vouches_for: Some(step),
                ..OperatorCommand::resume("person: vouches")
            });
        }
        let findings = saga.pending().map_or(&[][..], |pending| pending.findings);
        // A barrier that has forgotten the step undoes nothing, and says that it did.
        let may_be_undone = findings.contains(&Finding::Undone);
        let must = kind == StepKind::Barrier && !remembers && may_be_undone;
        // Nor is an effect undone by hand that an unheard command of the same operator relies on.
        let may = is_stuck(saga) && !page.is_kept && may_be_undone && self.dice.chance(BY_HAND);
        let output = page.output().and_then(|output| Json::parse(output.as_bytes()).ok());
        let (finding, point) = if page.open() > 0 && (must || may) {
            ledger().undo_by_hand(id, name);
            (Finding::Undone, "person: undoes it by hand")
        } else if page.open() > 0 {
            // The participant has to remember the step until its compensation, too.
            ledger().keep(id, name, true);
            match may_be_undone {
                true => (Finding::Ran, "person: says that it ran"),
                false => (Finding::Ran, "person: says that it ran, behind the pivot"),
            }
        } else if page.undone == 0 && findings.contains(&Finding::NotRun) {
            match may_be_undone {
                true => (Finding::NotRun, "person: says that it did not run"),
                false => (Finding::NotRun, "person: says that it did not run, behind the pivot"),
            }
        } else {
            (Finding::Undone, "person: says that it is undone")
        };
        let kind = CommandKind::Resolve {
            step,
            finding,
            output: output.filter(|_| finding == Finding::Ran),
            by: "Ana".into(),
            reason: "looked it up".into(),
        };
        Some(OperatorCommand { kind, point, vouches_for: (finding == Finding::Ran).then_some(step) })
    }
}
