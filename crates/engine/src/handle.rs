//! How a running saga is reached: by messages to its task, each with a reply of its own.

use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::StateName;
use saga_core::saga::{Failure, Input, Rejected, Rollback};
use saga_core::{Json, SagaId};
use saga_journal::ReplicaId;
use tokio::sync::oneshot;

use crate::mailbox::{Mailbox, MailboxClosed, Post};

/// A state of a saga that a caller can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// Its start is on disk.
    Started,
    /// It is over or blocked, and that is on disk.
    Settled,
    /// The same, but a blocked saga is waited for until no call of it is under way: an operator who wanted it tried
    /// again learns the result.
    Tried,
}

/// How long a caller waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The milestone to wait for.
    pub until: Milestone,
    /// No longer than this. Every caller waits for the start, at most `start_wait`.
    pub at_most: Duration,
}

impl Wait {
    /// Until the start is on disk.
    pub const fn started() -> Self {
        Self { until: Milestone::Started, at_most: Duration::ZERO }
    }

    /// Until the saga is over or blocked.
    pub const fn settled(at_most: Duration) -> Self {
        Self { until: Milestone::Settled, at_most }
    }

    /// Until the saga is over, or blocked with no call under way.
    pub const fn tried(at_most: Duration) -> Self {
        Self { until: Milestone::Tried, at_most }
    }
}

/// A message to a saga's task.
#[derive(Debug)]
pub(crate) enum Message {
    /// Reply once the saga has reached the milestone.
    Await { milestone: Milestone, reply: oneshot::Sender<Snapshot> },
    /// Reply at once.
    Look { reply: oneshot::Sender<Snapshot> },
    /// Apply an operator's command; reply when its event is durable, or the event that makes it impossible.
    Apply { input: Box<Input>, reply: oneshot::Sender<Result<(), Rejected>> },
    /// The saga does not belong to this owner any more: drop it.
    Disown { owner: ReplicaId },
    /// End at the next point where nothing is under way; the next start of the process goes on.
    Stop,
}

/// The messages to a saga's task.
pub(crate) type Messages = Mailbox<Message>;

/// Reaches a running saga. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Handle(Post<Message>);

/// The saga has left this process, or was never its own: the journal knows where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Handle {
    /// A handle, and the receiver of its messages. So many messages can wait.
    pub(crate) fn new(messages_max: usize) -> (Self, Messages) {
        let (post, messages) = Mailbox::new(messages_max);
        (Self(post), messages)
    }

    /// Where the saga stands.
    pub(crate) async fn look(&self) -> Result<Snapshot, Gone> {
        self.ask(|reply| Message::Look { reply }).await
    }

    /// Where the saga stands once it has reached `milestone`.
    pub(crate) async fn reaches(&self, milestone: Milestone) -> Result<Snapshot, Gone> {
        self.ask(|reply| Message::Await { milestone, reply }).await
    }

    /// Applies an operator's command. `Ok`: its outcome is durable.
    pub(crate) async fn apply(&self, input: Input) -> Result<Result<(), Rejected>, Gone> {
        self.ask(|reply| Message::Apply { input: Box::new(input), reply }).await
    }

    /// Tells the saga that it does not belong to `owner` any more.
    pub(crate) async fn disown(&self, owner: ReplicaId) {
        // A saga that is gone need not be told.
        let _ = self.0.send(Message::Disown { owner }).await;
    }

    /// Has the saga end at the next point where nothing is under way.
    pub(crate) async fn stop(&self) {
        let _ = self.0.send(Message::Stop).await;
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, Gone> {
        let (reply, replied) = oneshot::channel();
        self.0.send(message(reply)).await.map_err(|MailboxClosed| Gone)?;
        replied.await.map_err(|_| Gone)
    }
}

/// Where a running saga stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which saga.
    pub saga: SagaId,
    /// The name of the definition that it runs.
    pub definition: Arc<str>,
    /// The order's state.
    pub state: StateName,
    /// Whether done steps are being undone.
    pub rollback: Rollback,
    /// Over or blocked, and that is on disk.
    pub settled: bool,
    /// Whether a call is under way, or about to be.
    pub calling: bool,
    /// Whether its start is on disk.
    pub started: bool,
    /// The saga's input.
    pub input: Json,
    /// Why there is no order, once that is decided.
    pub failure: Option<Failure>,
    /// The names of the steps whose calls their participants hold back: known in the process that runs the saga alone.
    pub held_back: Vec<Arc<str>>,
}

impl Snapshot {
    /// Whether the saga has come as far as that.
    pub(crate) fn has_reached(&self, milestone: Milestone) -> bool {
        match milestone {
            Milestone::Started => self.started,
            Milestone::Settled => self.settled,
            Milestone::Tried => self.settled && !self.calling,
        }
    }
}
