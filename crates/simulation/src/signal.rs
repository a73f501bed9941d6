//! Signals as their senders know them: what was sent, and what was said about it.

use saga_core::{CallbackToken, Event, Json, Record, SagaId};

/// The meaning of a signal for the step that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Success,
    Failure,
    /// No step can read it.
    Neither,
}

/// A signal that is sent, maybe more than once.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedSignal {
    pub(crate) saga: SagaId,
    pub(crate) name: String,
    /// The token of the address that its sender was given, if it knows no other.
    pub(crate) token: Option<CallbackToken>,
    /// The same key is the same signal.
    pub(crate) key: Option<String>,
    /// No two messages of a world have the same number, unless they are to be the same signal.
    pub(crate) number: usize,
    pub(crate) meaning: Meaning,
}

/// A message, and what has become of it as far as its sender knows.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) message: SimulatedSignal,
    /// How often it was sent, and how often a process said that it is kept.
    pub(crate) sendings: usize,
    pub(crate) acknowledged: usize,
}

impl SimulatedSignal {
    /// The body: two messages of one key and another meaning have another one.
    pub(crate) fn body(&self) -> Json {
        let no = match self.meaning {
            Meaning::Success => "false",
            Meaning::Failure => "true",
            Meaning::Neither => "null",
        };
        Json::parse(format!("{{\"no\":{no},\"id\":{}}}", self.number).as_bytes()).expect("this is JSON")
    }

    /// How often an order's history has it.
    pub(crate) fn times_in(&self, history: &[Record]) -> usize {
        let body = self.body();
        let is_it = |record: &&Record| {
            matches!(&record.event, Event::Signalled { name, body: kept, .. }
                if **name == *self.name && kept.same_value(&body))
        };
        history.iter().filter(is_it).count()
    }
}
