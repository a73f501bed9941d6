//! Errands: the sagas of `errand.yaml`, a graph with conditions, a signal, pauses and a pivot. Callers start them through the face
//! for any saga, beside the shop's checkout.

use saga_testkit::dice::Dice;
use serde_json::{Value, json};

/// The definition.
pub(crate) const ERRAND: &str = include_str!("errand.yaml");
/// The name of the signal that an errand may wait for.
pub(crate) const APPROVED: &str = "approved";

/// How long a rest is, in milliseconds: longer than a saga stays in memory.
const REST_MS: (u64, u64) = (5_500, 12_000);
/// One errand of so many has a rest before the end, and one behind the pivot.
const RESTS_ONE_IN: u64 = 8;

/// What one errand does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errand {
    /// Whether the sale is recorded.
    pub(crate) sells: bool,
    rest_ms: u64,
    rest_at_last_ms: u64,
    pub(crate) approval: Approval,
}

/// The signal that an errand is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approval {
    /// It waits for none.
    NotAsked,
    Given,
    Refused,
    /// It waits in vain.
    Never,
}

impl Errand {
    /// One by chance.
    pub(crate) fn drawn(dice: &Dice) -> Self {
        let rest = || if dice.one_in(RESTS_ONE_IN) { dice.between(REST_MS.0, REST_MS.1) } else { 0 };
        let approval = match dice.between(0, 20) {
            0 => Approval::Never,
            1 => Approval::Refused,
            2..8 => Approval::Given,
            _ => Approval::NotAsked,
        };
        Self { sells: !dice.one_in(4), rest_ms: rest(), rest_at_last_ms: rest(), approval }
    }

    /// The saga's input.
    pub(crate) fn input(&self, client_id: i64, number: i64) -> Value {
        json!({
            "client_id": client_id,
            "magasin_id": number,
            "sells": self.sells,
            "asks": self.approval != Approval::NotAsked,
            "rests": format!("{}ms", self.rest_ms),
            "rests_at_last": format!("{}ms", self.rest_at_last_ms),
        })
    }
}

impl Approval {
    /// The body of its signal; `None`: nobody sends one.
    pub(crate) fn body(self) -> Option<Value> {
        match self {
            Self::NotAsked | Self::Never => None,
            Self::Given => Some(json!({ "ok": true })),
            Self::Refused => Some(json!({ "ok": false })),
        }
    }
}

/// A signal that was sent, and whether a process said that it is kept.
#[derive(Debug, Clone)]
pub(crate) struct SignalSent {
    pub(crate) saga: String,
    pub(crate) key: String,
    pub(crate) is_acknowledged: bool,
}

#[cfg(test)]
mod tests {
    use saga_core::Definition;

    use super::*;

    #[test]
    fn every_input_is_one_of_the_definition() {
        let url = |_: &str| Some("http://127.0.0.1:1".to_owned());
        let definition = std::sync::Arc::new(Definition::parse("errand.yaml", ERRAND, &url).unwrap());
        let dice = Dice::new(7);
        for number in 0..1_000 {
            let input = Errand::drawn(&dice).input(4, number).to_string();
            definition.read_input(input.as_bytes()).unwrap();
        }
    }
}
