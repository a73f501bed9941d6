//! What a person may do about an orphan. Nothing here is done.

use http::header::CONTENT_TYPE;
use saga_core::definition::Participant;
use saga_core::reconcile::{Orphan, OrphanKind, UndoRequest, undo_by_id, undo_of};
use saga_core::{Epoch, Incarnation, Saga};

use crate::definitions::Loaded;

/// What may be done about an orphan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// In words.
    pub words: String,
    /// The request that would undo the effect, as a command of a shell, where it can be made.
    pub undo: Option<String>,
}

impl Proposal {
    pub(super) fn about(
        orphan: &Orphan,
        participant: &Participant,
        saga: Option<&Saga>,
        loaded: &Loaded,
        incarnation: Incarnation,
    ) -> Self {
        let request = match saga {
            Some(saga) => saga.definition().step_named(&orphan.step).and_then(|step| undo_of(saga, step)),
            None => forgotten(orphan, participant, loaded),
        };
        let of_saga = saga.map_or(Epoch::first_of(incarnation), |saga| saga.epoch());
        let epoch = of_saga.max(Epoch::first_of(incarnation));
        let undo = request
            .filter(|_| orphan.kind != OrphanKind::Missing)
            .map(|request| as_command(orphan, participant, &request, epoch));
        let words = match (orphan.kind, undo.is_some()) {
            (OrphanKind::Forgotten, has_undo) => {
                let by_hand = if has_undo {
                    "undo it with the request below"
                } else {
                    "undo it at the service by hand (the request needs what the forgotten order knew)"
                };
                format!(
                    "the order was forgotten: have the caller place it again with the same Idempotency-Key, so that it goes on, or \
                     {by_hand}; ask the client which"
                )
            }
            (OrphanKind::NotUndone, true) => {
                "the order is over and believes that this was undone or never done: look at both, then undo it with the request below"
                    .to_owned()
            }
            (OrphanKind::NotUndone, false) => {
                "the order is over and believes that this was undone or never done: look at both, then undo it at the service by hand"
                    .to_owned()
            }
            (OrphanKind::NoSuchStep, _) => {
                "the order has no such step at this service: look whether another program has made the call, or the definition was another one"
                    .to_owned()
            }
            (OrphanKind::Repeated, _) => {
                "the effect is there more than once: undo all but one at the service by hand (the order's own compensation may undo all)"
                    .to_owned()
            }
            (OrphanKind::Missing, _) => {
                "the order is over and believes that this was done, but the service does not list it: ask whether the service was set back \
                 itself; do it by hand there, or settle it with the client"
                    .to_owned()
            }
        };
        let undo = undo.filter(|_| matches!(orphan.kind, OrphanKind::Forgotten | OrphanKind::NotUndone));
        Self { words, undo }
    }
}

/// The request that undoes a step of a forgotten saga: if all definitions that have such a step there agree about it.
fn forgotten(orphan: &Orphan, participant: &Participant, loaded: &Loaded) -> Option<UndoRequest> {
    let mut requests = loaded.definitions.iter().filter_map(|definition| {
        let step = definition.step_named(&orphan.step)?;
        let is_there = definition.participant(step)?.reached_by == participant.reached_by;
        is_there.then(|| undo_by_id(definition, step, orphan.saga))
    });
    let first = requests.next()??;
    requests.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn as_command(orphan: &Orphan, participant: &Participant, request: &UndoRequest, epoch: Epoch) -> String {
    let UndoRequest { method, path, headers, body } = request;
    let url = format!("{}{path}", participant.address.trim_end_matches('/'));
    let (saga, step) = (orphan.saga, &orphan.step);
    let mut command = format!("curl -X {method} {}", quoted(&url));
    let mut header = |name: &str, value: &str| {
        command.push_str(" -H ");
        command.push_str(&quoted(&format!("{name}: {value}")));
    };
    header("Idempotency-Key", &format!("\"{saga}:{step}:compensation\""));
    header("Saga-Id", &saga.to_string());
    header("Saga-Step", step);
    header("Saga-Attempt", "1");
    header("Saga-Epoch", &epoch.get().to_string());
    if participant.auth.is_some() {
        header("Authorization", "...");
    }
    for (name, _) in &participant.headers {
        header(name.as_str(), "...");
    }
    for (name, value) in headers {
        header(name.as_str(), value.to_str().unwrap_or("..."));
    }
    if let Some(body) = body {
        header(CONTENT_TYPE.as_str(), body.content_type().to_str().unwrap_or("application/json"));
        command.push_str(" --data-raw ");
        command.push_str(&quoted(body.text()));
    }
    command
}

/// A word of a shell. Control characters would not be shown as they are, so a value with one gives no usable command, and no harmful one.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("'{}'", plain.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn no_value_ends_a_word_of_the_shell() {
        assert_eq!(quoted("a'; rm -rf / #"), r"'a'\''; rm -rf / #'");
        assert_eq!(quoted("a\nb\u{1b}c$(d)`e`"), "'a b c$(d)`e`'");
    }
}
