//! Callers, who ask again, cancel and go away, and the person who goes through the inbox.

use std::sync::Arc;
use std::time::Duration;

use saga_core::event::{Finding, Stuck};
use saga_core::saga::Rollback;
use saga_core::{CommandKind, Event, Saga, SagaId};
use saga_engine::{Caller, Engine, Refusal, Snapshot, Start, Wait};
use saga_journal::Histories;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::{Order, World};
use crate::process::outside;
use crate::shop::now;

impl World {
    /// One caller: places an order, maybe again with the same key elsewhere, maybe cancels it.
    pub(super) async fn call(self: &Arc<Self>, number: usize) {
        sleep(self.dice.millis(0, 20_000)).await;
        let key = format!("{}-{number}", self.recorder.seed());
        let id = SagaId::from_idempotency_key(&key);
        self.orders().push(Order { id, acknowledged: false });
        let wait = match self.dice.chance(250) {
            true => Wait::started(),
            false => Wait::settled(self.dice.millis(0, 40_000)),
        };
        if self.dice.chance(200) {
            let canceller = self.clone();
            let after = self.dice.millis(0, 3_000);
            outside(async move {
                sleep(after).await;
                canceller.cancel(id).await;
            });
        }
        for attempt in 0..6 {
            if attempt > 0 {
                self.recorder.hit("caller: same key again elsewhere");
                sleep(self.dice.millis(10, 4_000)).await;
            }
            let input = self.definition.read_input(format!("{{\"n\":{number}}}").as_bytes());
            let Ok(input) = input else { return };
            let request = Start { input, id: self.lies.id_of_caller(id), wait, caller: Caller::Unknown };
            let place = self.dice.below(self.skews.len());
            let answer = self.ask(place, move |engine| async move { engine.start(request).await }).await;
            match answer {
                Some(Ok(snapshot)) => {
                    self.told(id, &snapshot);
                    if !self.dice.chance(100) {
                        return;
                    }
                }
                Some(Err(Refusal::Rejected(_) | Refusal::KeyReused(_) | Refusal::Unknown)) => {
                    self.recorder.violation("answers", format_args!("{id}: {answer:?}"));
                }
                Some(Err(_)) | None => {}
            }
        }
        self.recorder.hit("caller: went away");
    }

    async fn cancel(self: &Arc<Self>, id: SagaId) {
        self.recorder.hit("caller: cancels");
        let place = self.dice.below(self.skews.len());
        let wait = self.dice.millis(0, 10_000);
        let is_elsewhere = now(self.disk.memory.row(id)).ok().flatten().is_some_and(|row| !row.row.over);
        let answer = self.ask(place, move |engine| async move { engine.cancel(id, wait).await }).await;
        if let Some(Ok(snapshot)) = answer {
            if is_elsewhere && self.skews.len() > 1 {
                self.recorder.hit("caller: cancels through another process");
            }
            self.told(id, &snapshot);
            let decided = self.history(id).iter().any(|event| matches!(event, Event::RollbackDecided { .. }));
            if !decided {
                self.recorder.violation(
                    "answers",
                    format_args!("{id}: a cancellation was acknowledged that is not on disk"),
                );
            }
        }
    }

    /// Asks a process; `None`: it died, or does not answer within a minute.
    pub(super) async fn ask<T, F>(&self, place: usize, ask: impl FnOnce(Engine) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (process, engine) = {
            let replica = &self.replicas()[place];
            (replica.process.clone(), replica.engine.clone())
        };
        let asking = ask(engine);
        let (answer, answered) = oneshot::channel();
        process.start(Box::pin(async move {
            let _ = answer.send(asking.await);
        }));
        timeout(Duration::from_secs(60), answered).await.ok()?.ok()
    }

    /// A caller was told how an order stands: that has to be on disk, and to stay true.
    pub(super) fn told(&self, id: SagaId, snapshot: &Snapshot) {
        self.recorder.note(|| {
            format!("told {id}: {} {:?} settled {}", snapshot.state, snapshot.rollback, snapshot.settled)
        });
        if snapshot.saga != id {
            self.recorder.violation("answers", format_args!("the key of {id} gave {}", snapshot.saga));
        }
        let Some(row) = self.row(id) else {
            self.recorder.violation("P2", format_args!("{id} was acknowledged and is not on disk"));
            return;
        };
        if let Some(order) = self.orders().iter_mut().find(|order| order.id == id) {
            order.acknowledged = true;
        }
        let over = snapshot.settled && snapshot.rollback != Rollback::Blocked;
        if over && (!row.row.over || row.row.state != snapshot.state) {
            self.recorder.violation(
                "answers",
                format_args!("{id} was told {} and is {}", snapshot.state, row.row.state),
            );
        }
    }

    /// A person looks into the participant's books, and says what is there.
    pub(super) async fn clear(self: &Arc<Self>, id: SagaId) {
        let Some(history) = now(self.disk.memory.load(id)).ok().flatten() else { return };
        let Ok(saga) = Saga::fold(id, self.definition.clone(), &history.records) else { return };
        let Some(blocked) = saga.blocked() else { return };
        let step = blocked.step;
        let page = self.shop.ledger().page(id, &self.definition.steps[step].name);
        let can_go_on = matches!(
            blocked.stuck,
            Stuck::CompensationFailing | Stuck::ActionUnsettled | Stuck::NothingToUndo | Stuck::TaskFailed
        );
        let command = if can_go_on {
            self.recorder.hit("person: resumes");
            CommandKind::Resume { by: "Ana".into(), reason: None }
        } else {
            self.recorder.hit("person: resolves");
            let can_be_said = saga.pending().map_or(&[][..], |pending| pending.findings);
            let finding = if page.open() > 0 {
                Finding::Ran
            } else if page.undone > 0 || !can_be_said.contains(&Finding::NotRun) {
                Finding::Undone
            } else {
                Finding::NotRun
            };
            let (by, reason) = ("Ana".into(), "looked it up".into());
            CommandKind::Resolve { step, finding, output: None, by, reason }
        };
        self.recorder.note(|| format!("a person about {id}: {command:?}"));
        let place = self.dice.below(self.skews.len());
        if self.dice.chance(200) {
            self.recorder.hit("person: two at once");
            let (second, command) = (self.clone(), command.clone());
            let elsewhere = self.dice.below(self.skews.len());
            outside(async move {
                let command = move |engine: Engine| async move { engine.command(id, command).await };
                let _ = second.ask(elsewhere, command).await;
            });
        }
        let answer = self.ask(place, move |engine| async move { engine.command(id, command).await }).await;
        self.recorder.note(|| format!("a person about {id}: {answer:?}"));
    }
}
