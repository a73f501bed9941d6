//! Senders of signals: too early, in time, late, twice, never, under the same key and under others, to any process.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::SagaId;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::SeededWorld;
use crate::definition::Work;
use crate::process::outside;
use crate::sending::Heard;
use crate::shop::JobTold;
use crate::signal::{Meaning, SimulatedSignal};

/// How often a sender repeats a signal without an answer.
const TIMES_MAX: usize = 8;

impl SeededWorld {
    /// The senders of the signals that an order may wait for.
    pub(super) fn signal_order(self: &Arc<Self>, saga: SagaId) {
        let steps = self.scene().specs.iter().enumerate();
        let names = steps.filter(|(_, spec)| matches!(spec.work, Work::Signal(_)));
        let names: Vec<String> = names.filter_map(|(step, spec)| spec.signal_name(step)).collect();
        let dice = &self.fleet.dice;
        for name in names {
            if dice.chance(120) {
                self.scene().recorder.hit("signal: is never sent");
                continue;
            }
            let meaning = match () {
                () if dice.chance(100) => Meaning::Failure,
                () if dice.chance(60) => Meaning::Neither,
                () => Meaning::Success,
            };
            let is_keyed = dice.chance(700);
            self.send_after(dice.millis(0, 14_000), self.message(saga, &name, meaning, is_keyed));
            if dice.chance(200) {
                self.scene().recorder.hit("signal: another one with another key");
                self.send_after(dice.millis(0, 14_000), self.message(saga, &name, Meaning::Success, true));
            }
        }
    }

    /// Participants whose accepted actions have ended send signals about that, if the definition waits for any.
    pub(super) async fn tell_of_jobs(self: Arc<Self>, mut jobs: mpsc::UnboundedReceiver<JobTold>) {
        while let Some(JobTold { saga, step, refused, token }) = jobs.recv().await {
            let Some(name) = self.scene().specs[step].signal_name(step) else { continue };
            if self.fleet.dice.chance(if self.is_kind() { 0 } else { 80 }) {
                self.scene().recorder.hit("signal: is never sent");
                continue;
            }
            let meaning = if refused { Meaning::Failure } else { Meaning::Success };
            let token = token.filter(|_| self.fleet.dice.chance(700));
            if token.is_some() {
                self.scene().recorder.hit("signal: by a callback");
            }
            let message = SimulatedSignal { token, ..self.message(saga, &name, meaning, true) };
            self.send_after(self.fleet.dice.millis(0, 2_000), message);
        }
    }

    fn is_kind(&self) -> bool {
        self.fleet.kind.load(Ordering::Relaxed)
    }

    fn message(&self, saga: SagaId, name: &str, meaning: Meaning, is_keyed: bool) -> SimulatedSignal {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let key = is_keyed.then(|| format!("k{number}"));
        SimulatedSignal { saga, name: name.to_owned(), token: None, key, number, meaning }
    }

    fn send_after(self: &Arc<Self>, after: Duration, message: SimulatedSignal) {
        let world = self.clone();
        outside(async move {
            sleep(after).await;
            world.send_until_heard(&message).await;
        });
    }

    /// Sends a signal until a process has said something about it. Under a key it may be sent any number of times.
    async fn send_until_heard(&self, message: &SimulatedSignal) {
        let (dice, recorder) = (&self.fleet.dice, &self.scene().recorder);
        for _ in 0..TIMES_MAX {
            let place = dice.below(self.fleet.places());
            let heard = match dice.chance(150) && message.key.is_some() {
                true => {
                    recorder.hit("signal: the same key, twice at the same time");
                    let other = dice.below(self.fleet.places());
                    tokio::join!(self.fleet.send(place, message), self.fleet.send(other, message)).0
                }
                false => self.fleet.send(place, message).await,
            };
            if heard == Heard::Acknowledged && !self.is_kind() && dice.chance(100) {
                recorder.hit("signal: its process dies right after");
                self.fleet.replica(place).0.kill();
            }
            if heard != Heard::Nothing {
                break;
            }
            sleep(dice.millis(200, 3_000)).await;
        }
        if message.key.is_none() || !dice.chance(200) {
            return;
        }
        // Its sender has forgotten that it was sent; or the key is another's, too.
        sleep(dice.millis(0, 5_000)).await;
        let place = dice.below(self.fleet.places());
        let is_acknowledged = self.scene().is_acknowledged(message);
        if dice.chance(600) {
            recorder.hit("signal: the same key again");
            let heard = self.fleet.send(place, message).await;
            if is_acknowledged && heard == Heard::TurnedAway {
                recorder.violation("signals", format_args!("{message:?} is kept, and was refused"));
            }
        } else if message.meaning == Meaning::Success {
            recorder.hit("signal: the same key, another body");
            let other = SimulatedSignal { meaning: Meaning::Failure, ..message.clone() };
            let heard = self.fleet.send(place, &other).await;
            if is_acknowledged && heard == Heard::Acknowledged {
                recorder
                    .violation("signals", format_args!("one key for two signals: {message:?}, {other:?}"));
            }
        }
    }
}
