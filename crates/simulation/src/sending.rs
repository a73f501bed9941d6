//! Sends signals to processes, and checks their answers: an acknowledged signal is on disk, and so is the reason of a refusal.

use saga_core::saga::Rejected;
use saga_core::{Event, Record};
use saga_engine::Refusal;

use crate::fleet::Fleet;
use crate::signal::{Meaning, Sent, SimulatedSignal};
use crate::watch::succeeds;

/// The answer to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is kept.
    Acknowledged,
    /// It never will be.
    TurnedAway,
    /// Nothing is known; or there is no such order yet.
    Nothing,
}

impl Fleet {
    /// Sends a signal to the process in that place, and checks what it says.
    pub(crate) async fn send(&self, place: usize, message: &SimulatedSignal) -> Heard {
        let (scene, recorder) = (&self.scene, &self.scene.recorder);
        recorder.note(|| format!("signal to r{place}: {message:?}"));
        self.note_sent(message, |sent| sent.sendings += 1);
        let (saga, name, body) = (message.saga, message.name.clone(), message.body());
        let token = message.token;
        let key = scene.lies.key_of_signal(message.key.clone());
        let ask = move |engine: saga_engine::Engine| async move {
            match token {
                None => engine.signal(saga, &name, key.as_deref(), body).await,
                Some(token) => engine.call_back(&token, key.as_deref(), body, None).await,
            }
        };
        let answer = self.ask(place, ask).await;
        recorder.note(|| format!("signal {} of {saga}: {answer:?}", message.number));
        let history = scene.history(saga).unwrap_or_default();
        match answer {
            Some(Ok(())) => {
                self.note_sent(message, |sent| sent.acknowledged += 1);
                if message.times_in(&history) == 0 {
                    recorder.violation("P2", format_args!("{saga} has lost a signal: {message:?}"));
                }
                Heard::Acknowledged
            }
            Some(Err(Refusal::Rejected(why))) => {
                if !self.is_fair(message, why, &history) {
                    recorder.violation("signals", format_args!("{saga}: {message:?} was refused: {why}"));
                }
                recorder.hit("signal: turned away");
                Heard::TurnedAway
            }
            Some(Err(Refusal::BadSignal(why))) => {
                if message.meaning != Meaning::Neither {
                    recorder.violation("signals", format_args!("{saga}: {message:?} was refused: {why}"));
                }
                recorder.hit("signal: no step can read it");
                Heard::TurnedAway
            }
            Some(Err(Refusal::Unknown)) if message.token.is_some() => {
                recorder
                    .violation("signals", format_args!("{saga}: the address of {message:?} is not known"));
                Heard::Nothing
            }
            Some(Err(_)) | None => Heard::Nothing,
        }
    }

    fn note_sent(&self, message: &SimulatedSignal, change: impl FnOnce(&mut Sent)) {
        let mut all = self.scene.signals();
        let is_it = |sent: &&mut Sent| {
            (&sent.message.key, sent.message.number, sent.message.meaning)
                == (&message.key, message.number, message.meaning)
        };
        match all.iter_mut().find(is_it) {
            Some(sent) => change(sent),
            None => {
                let mut sent = Sent { message: message.clone(), sendings: 0, acknowledged: 0 };
                change(&mut sent);
                all.push(sent);
            }
        }
    }

    /// Whether what the history shows is a reason to refuse a signal.
    fn is_fair(&self, message: &SimulatedSignal, why: Rejected, history: &[Record]) -> bool {
        let mut events = history.iter().map(|record| &record.event);
        match why {
            Rejected::TakesNoSignals => {
                events.any(|event| matches!(event, Event::RollbackDecided { .. } | Event::Completed))
            }
            Rejected::SignalsEnough => {
                let takes = |step: &usize| {
                    self.scene.specs[*step].signal_name(*step).as_ref() == Some(&message.name)
                        && !history.iter().any(|record| ends_turn(&record.event, *step))
                };
                let open = (0..self.scene.specs.len()).filter(takes).count();
                untaken(history, &message.name) >= open
            }
            Rejected::SignalKeyReused => {
                let all = self.scene.signals();
                let is_another = |sent: &Sent| {
                    sent.message.saga == message.saga
                        && sent.message.key == message.key
                        && sent.message.meaning != message.meaning
                };
                message.key.is_some() && all.iter().any(is_another)
            }
            _ => false,
        }
    }
}

/// Whether the step takes no signal from the event on.
fn ends_turn(event: &Event, wanted: usize) -> bool {
    match event {
        Event::Skipped { step }
        | Event::PassedOver { step, .. }
        | Event::SignalTaken { step, .. }
        | Event::Resolved { step, .. } => *step == wanted,
        _ => succeeds(event, wanted),
    }
}

/// How many signals of a name no step has taken.
fn untaken(history: &[Record], name: &str) -> usize {
    let mut names: Vec<Option<&str>> = Vec::new();
    for record in history {
        match &record.event {
            Event::Signalled { name, .. } => names.push(Some(name)),
            Event::SignalTaken { signal, .. } => {
                let taken = (*signal as usize).checked_sub(1).and_then(|index| names.get_mut(index));
                taken.map(Option::take);
            }
            _ => {}
        }
    }
    names.iter().filter(|untaken| **untaken == Some(name)).count()
}
