//! Callers, which ask again, cancel and go away.

use std::sync::Arc;
use std::time::Duration;

use saga_core::saga::Rejected;
use saga_core::{Event, SagaId};
use saga_engine::{Caller, Engine, Refusal, Start, Wait};
use tokio::time::{sleep, timeout};

use super::SeededWorld;
use crate::process::outside;
use crate::scene::Order;

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl SeededWorld {
    /// One caller: places an order, maybe again with the same key elsewhere, maybe cancels it.
    pub(super) async fn call(self: &Arc<Self>, number: usize) {
        sleep(self.fleet.dice.millis(0, 20_000)).await;
        let key = format!("{}-{number}", self.scene().recorder.seed());
        let id = SagaId::from_idempotency_key(&key);
        self.scene().orders().push(Order { id, acknowledged: false });
        self.signal_order(id);
        let wait = match self.fleet.dice.chance(250) {
            true => Wait::started(),
            false => Wait::settled(self.fleet.dice.millis(0, 40_000)),
        };
        if self.fleet.dice.chance(200) {
            let canceller = self.clone();
            let after = self.fleet.dice.millis(0, 3_000);
            outside(async move {
                sleep(after).await;
                canceller.cancel(id).await;
            });
        }
        for attempt in 0..6 {
            if attempt > 0 {
                self.scene().recorder.hit("caller: same key again elsewhere");
                sleep(self.fleet.dice.millis(10, 4_000)).await;
            }
            let input = self.scene().definition.read_input(format!("{{\"n\":{number}}}").as_bytes());
            let Ok(input) = input else { return };
            let request = Start {
                input,
                id: self.scene().lies.id_of_caller(id),
                wait,
                caller: Caller::Unknown,
                slots_percent_max: None,
                by: None,
                trace: None,
            };
            let place = self.fleet.dice.below(self.fleet.places());
            let answer = self.ask(place, move |engine| async move { engine.start(request).await }).await;
            match answer {
                Some(Ok(snapshot)) => {
                    self.fleet.check_snapshot(id, &snapshot);
                    if !self.fleet.dice.chance(100) {
                        return;
                    }
                }
                Some(Err(Refusal::Rejected(_) | Refusal::KeyReused(_) | Refusal::Unknown)) => {
                    self.scene().recorder.violation("answers", format_args!("{id}: {answer:?}"));
                }
                Some(Err(_)) | None => {}
            }
        }
        self.scene().recorder.hit("caller: went away");
    }

    async fn cancel(self: &Arc<Self>, id: SagaId) {
        self.scene().recorder.hit("caller: cancels");
        let place = self.fleet.dice.below(self.fleet.places());
        let wait = self.fleet.dice.millis(0, 10_000);
        let is_elsewhere = self.scene().row(id).is_some_and(|row| !row.row.over);
        let answer = self.ask(place, move |engine| async move { engine.cancel(id, wait).await }).await;
        if let Some(Err(Refusal::Rejected(Rejected::NoWayBack))) = answer {
            self.scene().recorder.hit("caller: cancels behind the pivot");
            let history = self.scene().history(id).unwrap_or_default();
            if !self.scene().is_past_pivot(history.iter().map(|record| &record.event)) {
                self.scene().recorder.violation("answers", format_args!("{id}: there is a way back"));
            }
        }
        if let Some(Ok(snapshot)) = answer {
            if is_elsewhere && self.fleet.places() > 1 {
                self.scene().recorder.hit("caller: cancels through another process");
            }
            self.fleet.check_snapshot(id, &snapshot);
            let history = self.scene().history(id).unwrap_or_default();
            let decided = history.iter().any(|record| matches!(record.event, Event::RollbackDecided { .. }));
            if !decided {
                self.scene().recorder.violation(
                    "answers",
                    format_args!("{id}: a cancellation was acknowledged that is not on disk"),
                );
            }
        }
    }

    /// Asks a process; `None`: it died, or does not answer while the caller waits.
    async fn ask<T, F>(&self, place: usize, ask: impl FnOnce(Engine) -> F) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        timeout(PATIENCE, self.fleet.ask(place, ask)).await.ok()?
    }
}
