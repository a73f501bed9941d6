//! The callers that wait for a saga: for a milestone of it, or for the outcome of a command.

use saga_core::saga::Rejected;
use saga_core::{Seq, rules};
use tokio::sync::oneshot;

use crate::handle::{Milestone, Snapshot};

/// The waiting callers, in the order of asking.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waiter>);

pub(super) enum Waiter {
    /// For the saga to reach a milestone.
    Reaches { milestone: Milestone, reply: oneshot::Sender<Snapshot> },
    /// For a command: its outcome, and the event that must be durable before the outcome may be reported.
    Applied { outcome: Result<(), Rejected>, needs: Seq, reply: oneshot::Sender<Result<(), Rejected>> },
}

impl Waiters {
    pub(super) fn add(&mut self, waiter: Waiter) {
        // Most sagas have one.
        self.0.reserve_exact(1);
        self.0.push(waiter);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a caller waits for nothing but the start.
    pub(super) fn want_start(&self) -> bool {
        let is_start =
            |waiter: &Waiter| matches!(waiter, Waiter::Reaches { milestone: Milestone::Started, .. });
        self.0.iter().any(is_start)
    }

    /// Whether a caller waits for what an attempt brings about: all of that has to be on disk, for the caller may look there next.
    pub(super) fn want_a_try(&self) -> bool {
        let is_try = |waiter: &Waiter| matches!(waiter, Waiter::Reaches { milestone: Milestone::Tried, .. });
        self.0.iter().any(is_try)
    }

    /// Whether a command's reply waits for an event after this one to be on disk.
    pub(super) fn need_more_than(&self, durable: Seq) -> bool {
        self.0.iter().any(|waiter| matches!(waiter, Waiter::Applied { needs, .. } if *needs > durable))
    }

    /// Replies to those whose event is durable; `last` is the saga's last event.
    pub(super) fn reply(&mut self, snapshot: &Snapshot, durable: Seq, last: Seq) {
        let due = |waiter: &mut Waiter| match waiter {
            Waiter::Reaches { milestone: Milestone::Started, .. } => {
                rules::is_durable(Seq::NONE.next(), durable)
            }
            Waiter::Reaches { milestone: Milestone::Tried, .. } => {
                snapshot.has_reached(Milestone::Tried) && rules::is_durable(last, durable)
            }
            Waiter::Reaches { milestone, .. } => snapshot.has_reached(*milestone),
            Waiter::Applied { needs, .. } => rules::is_durable(*needs, durable),
        };
        for waiter in self.0.extract_if(.., due) {
            // The asker may have gone.
            match waiter {
                Waiter::Reaches { reply, .. } => _ = reply.send(snapshot.clone()),
                Waiter::Applied { outcome, reply, .. } => _ = reply.send(outcome),
            }
        }
        if self.0.is_empty() {
            // The saga may go on for days.
            self.0 = Vec::new();
        }
    }

    /// The saga leaves this process: the waiting callers find it again, wherever it is.
    pub(super) fn send_away(&mut self) {
        self.0.clear();
    }
}
