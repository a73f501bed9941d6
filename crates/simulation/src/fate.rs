//! The fates of a call, and of the process that makes it.

use std::time::Duration;

use saga_core::{Direction, SagaId};

use crate::definition::CallSpec;

/// The fate of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The participant does what it is asked, and says so.
    Good,
    /// It refuses.
    Refusal,
    /// 500, and nothing was done.
    ErrorBefore,
    /// 500, and it was done.
    ErrorAfter,
    /// 503: nothing was done; come back after so many seconds.
    Unready(u8),
    /// The participant does not listen.
    ConnectionRefused,
    /// The participant does not listen, and so it goes for a while.
    Down,
    /// The connection breaks; the request never arrived.
    ResetBefore,
    /// The connection breaks; the request arrived.
    ResetAfter,
    /// No answer in time; the request never arrived.
    SilenceBefore,
    /// No answer in time; the request arrived.
    SilenceAfter,
    /// No answer in time; the request arrives this much later, in milliseconds.
    Late(u32),
    /// A compensation that looks in the wrong place: 404, there is nothing to undo, it says.
    Misdirected,
    /// The request arrives twice, the second time this much later, in milliseconds.
    Doubled(u32),
}

/// The fate of an action that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobFate {
    /// From the answer that accepts it to its end.
    pub(crate) takes: Duration,
    /// Whether it is refused in the end.
    pub(crate) refused: bool,
}

/// The effect of an answer on the process that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// The process ends, as it does when it gets no more memory.
    Kills,
    /// The order's task panics.
    Panics,
}

/// Where a process may be killed around a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    Before,
    After,
    Answer,
}

/// Decides the fates of calls.
pub(crate) trait Fates: Send + Sync {
    /// The fate of the next call, which is one of the step that `spec` describes.
    fn of_call(&self, spec: &CallSpec, direction: Direction, step: usize) -> Fate;

    /// How a participant that may accept an action first takes one: after so long, it is done, or refused after all. `None`: it is
    /// done at once.
    fn job(&self, spec: &CallSpec, step: usize) -> Option<JobFate>;

    /// Whether the process dies here.
    fn kills(&self, around: Around) -> bool;

    /// The effect of the answer to an action of this order on the process that reads it.
    fn poison(&self, saga: SagaId, step: usize) -> Option<Poison>;

    /// How long a message takes.
    fn travel(&self) -> Duration;
}
