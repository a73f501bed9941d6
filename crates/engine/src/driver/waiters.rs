//! Those who wait for a saga: for its start, for its end, for what came of their word.

use saga_core::Seq;
use saga_core::saga::Rejected;
use saga_core::seeded::{Bug, is_on};
use tokio::sync::oneshot;

use super::{Snapshot, Told};

/// Those who wait, in the order of asking.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waiter>);

pub(super) enum Waiter {
    /// For the start to be on disk.
    Started(oneshot::Sender<Told>),
    /// For the end, or a block.
    Settled(oneshot::Sender<Told>),
    /// For the end, or a block with no call under way.
    Tried(oneshot::Sender<Told>),
    /// Gave a word: what came of it, and the event that must be durable before it may be told.
    Taken { outcome: Result<(), Rejected>, needs: Seq, answer: oneshot::Sender<Result<(), Rejected>> },
}

impl Waiters {
    pub(super) fn add(&mut self, waiter: Waiter) {
        self.0.push(waiter);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether somebody waits for nothing but the start.
    pub(super) fn want_start(&self) -> bool {
        self.0.iter().any(|waiter| matches!(waiter, Waiter::Started(_)))
    }

    /// Whether somebody's word waits for an event after this one to be on disk.
    pub(super) fn need_more_than(&self, durable: Seq) -> bool {
        self.0.iter().any(|waiter| matches!(waiter, Waiter::Taken { needs, .. } if *needs > durable))
    }

    /// Answers those whose event is durable.
    pub(super) fn answer(&mut self, snapshot: &Snapshot, durable: Seq) {
        let tried = snapshot.settled && !snapshot.calling;
        let due = |waiter: &mut Waiter| match waiter {
            Waiter::Started(_) => snapshot.started || is_on(Bug::AcknowledgesBeforeDisk),
            Waiter::Settled(_) => snapshot.settled,
            Waiter::Tried(_) => tried,
            Waiter::Taken { needs, .. } => *needs <= durable || is_on(Bug::AcknowledgesBeforeDisk),
        };
        for waiter in self.0.extract_if(.., due) {
            match waiter {
                Waiter::Started(answer) | Waiter::Settled(answer) | Waiter::Tried(answer) => {
                    let _ = answer.send(Told::Stands(snapshot.clone()));
                }
                Waiter::Taken { outcome, answer, .. } => {
                    let _ = answer.send(outcome);
                }
            }
        }
    }

    /// The saga has left this process.
    pub(super) fn send_away(&mut self) {
        for waiter in self.0.drain(..) {
            match waiter {
                Waiter::Started(answer) | Waiter::Settled(answer) | Waiter::Tried(answer) => {
                    let _ = answer.send(Told::NotOurs);
                }
                // Whoever asked finds the saga again, wherever it is.
                Waiter::Taken { .. } => {}
            }
        }
    }
}
