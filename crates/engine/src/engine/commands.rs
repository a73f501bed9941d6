//! Operators' commands: applied where the saga runs, or posted in the journal for the process that runs it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use saga_core::saga::{Input, Rejected};
use saga_core::trace::TraceParent;
use saga_core::{CallbackToken, Command, CommandId, CommandKind, Definition, Json, Saga, SagaId, Timestamp};
use saga_journal::{CommandStatus, KeptCommand, Posted, ReplicaId, Unavailable};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::Engine;
use super::running::{How, Resumed};
use super::whereabouts::{LOOK_AGAIN_AFTER, Whereabouts};
use crate::driver::{RunnableSaga, at_once, elsewhere};
use crate::handle::{Snapshot, Wait};
use crate::refusal::Refusal;

/// How long a refusal is kept for the process that posted the command.
const REFUSALS_KEPT: Duration = Duration::from_secs(60 * 60);

/// Where a command was applied.
enum Applied {
    /// In this process; the command's event, or an event that makes the command needless, is on disk.
    Here,
    /// Nowhere yet: another process owns the saga, or it is asleep.
    Elsewhere,
}

/// Why a posted command was refused, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refused {
    /// It makes no sense for where the saga stands.
    Rejected(Rejected),
    /// The saga's history cannot be read.
    Damaged(Arc<str>),
    /// The owner's release does not know this command.
    NotUnderstood(String),
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Rejected(rejected) => Self::Rejected(rejected),
            Refused::Damaged(reason) => Self::Damaged(reason),
            Refused::NotUnderstood(reason) => Self::NotUnderstood(reason.into()),
        }
    }
}

/// Whether each step that takes signals of that name can read the body.
fn meanings(definition: &Definition, name: &str, body: &Json) -> Result<(), Refusal> {
    for step in &definition.steps {
        let Some(signal) = step.signal().filter(|signal| *signal.name == *name) else { continue };
        signal
            .meaning(body)
            .map_err(|error| Refusal::BadSignal(format!("step `{}`: {}", step.name, error.0).into()))?;
    }
    Ok(())
}

/// What a caller wants of sagas. The events that come of it have the caller's name.
pub struct Asking<'e> {
    engine: &'e Engine,
    by: Option<Arc<str>>,
    once: Option<CommandId>,
    trace: Option<TraceParent>,
}

impl Asking<'_> {
    /// The same, and it is this one command: sent again, nothing is done twice.
    pub fn once(self, command: CommandId) -> Self {
        Self { once: Some(command), ..self }
    }

    /// The same, within this span: a signal is linked to it.
    pub fn within(self, trace: Option<TraceParent>) -> Self {
        Self { trace, ..self }
    }

    /// Applies an operator's command, wherever the saga runs: returns when its event is on disk.
    pub async fn command(&self, id: SagaId, kind: CommandKind) -> Result<(), Refusal> {
        let command = self.once.unwrap_or_else(|| self.engine.clock().new_command_id());
        self.command_of(id, command, kind).await
    }

    /// The same with an id that the caller gives the command: the same command again is applied once.
    pub async fn command_of(&self, id: SagaId, command: CommandId, kind: CommandKind) -> Result<(), Refusal> {
        let (asked, by) = (self.engine.clock().now(), self.by.clone());
        self.engine.give(id, &Command { id: command, asked, by, kind }).await
    }

    /// Sends a signal to a saga: returns when it is on disk. The same `key` again is the same signal.
    pub async fn signal(&self, id: SagaId, name: &str, key: Option<&str>, body: Json) -> Result<(), Refusal> {
        let trace = self.trace;
        let row = self.engine.in_the_journal(id).await?.ok_or(Refusal::Unknown)?;
        let definition = self.engine.parts.catalog.pinned(&row.row.definition_hash).await?;
        // A signal that could not be read when it is taken is refused while its sender is there to hear of it.
        let (read, name_read, read_by) = (body.clone(), name.to_owned(), definition.clone());
        let meanings = move || meanings(&read_by, &name_read, &read);
        match at_once(meanings.clone()) {
            Some(meanings) => meanings?,
            None => {
                let lost = || {
                    Refusal::Unavailable(Unavailable::because("the evaluation of an expression has panicked"))
                };
                elsewhere(self.engine.clock().world().clone(), meanings).await.ok_or_else(lost)??;
            }
        }
        let kind = CommandKind::Signal { name: name.into(), key: key.map(Into::into), body, trace };
        self.command(id, kind).await
    }

    /// Stops a saga that is still going forward, and rolls it back. Waits for that to be over.
    pub async fn cancel(&self, id: SagaId, wait: Duration) -> Result<Snapshot, Refusal> {
        self.cancel_as(id, CommandKind::Cancel, wait).await
    }

    /// The same, and the history keeps who wanted it.
    pub async fn cancel_by(
        &self,
        id: SagaId,
        by: Box<str>,
        reason: Option<Box<str>>,
        wait: Duration,
    ) -> Result<Snapshot, Refusal> {
        self.cancel_as(id, CommandKind::CancelBy { by, reason }, wait).await
    }

    async fn cancel_as(&self, id: SagaId, kind: CommandKind, wait: Duration) -> Result<Snapshot, Refusal> {
        self.command(id, kind).await?;
        self.engine.wait(id, Wait::settled(wait)).await
    }
}

/// A command of a caller with a name, as the inbox keeps it. One without a name is kept as its kind alone, as releases before did.
#[derive(Serialize, Deserialize)]
struct NamedCommand {
    by: Arc<str>,
    kind: CommandKind,
}

impl NamedCommand {
    fn written(command: &Command) -> Arc<str> {
        let kind = command.kind.clone();
        let written = match command.by.clone() {
            Some(by) => serde_json::to_string(&Self { by, kind }),
            None => serde_json::to_string(&kind),
        };
        written.unwrap_or_default().into()
    }

    fn read(body: &str) -> Result<(Option<Arc<str>>, CommandKind), serde_json::Error> {
        match serde_json::from_str(body) {
            Ok(Self { by, kind }) => Ok((Some(by), kind)),
            Err(_) => serde_json::from_str(body).map(|kind| (None, kind)),
        }
    }
}

impl Engine {
    /// What a caller of this name wants of sagas; `None`: callers are not known by name.
    pub fn asked_by(&self, by: Option<Arc<str>>) -> Asking<'_> {
        Asking { engine: self, by, once: None, trace: None }
    }

    /// As [`Asking::command`], of a caller without a name.
    pub async fn command(&self, id: SagaId, kind: CommandKind) -> Result<(), Refusal> {
        self.asked_by(None).command(id, kind).await
    }

    /// As [`Asking::signal`], of a caller without a name.
    pub async fn signal(&self, id: SagaId, name: &str, key: Option<&str>, body: Json) -> Result<(), Refusal> {
        self.asked_by(None).signal(id, name, key, body).await
    }

    /// Sends the signal that `token` is for: returns when it is on disk.
    pub async fn call_back(
        &self,
        token: &CallbackToken,
        key: Option<&str>,
        body: Json,
        trace: Option<TraceParent>,
    ) -> Result<(), Refusal> {
        let saga = self.parts.catalog.load(token.saga()).await?.ok_or(Refusal::Unknown)?;
        let name = saga.called_back(token).ok_or(Refusal::Unknown)?;
        self.asked_by(None).within(trace).signal(saga.id(), name, key, body).await
    }

    /// As [`Asking::cancel`], of a caller without a name.
    pub async fn cancel(&self, id: SagaId, wait: Duration) -> Result<Snapshot, Refusal> {
        self.asked_by(None).cancel(id, wait).await
    }

    /// As [`Asking::cancel_by`], of a caller without a name.
    pub async fn cancel_by(
        &self,
        id: SagaId,
        by: Box<str>,
        reason: Option<Box<str>>,
        wait: Duration,
    ) -> Result<Snapshot, Refusal> {
        self.asked_by(None).cancel_by(id, by, reason, wait).await
    }

    /// Applies a command, wherever the saga runs: returns when its event is on disk. The same command again is applied once.
    pub(super) async fn give(&self, id: SagaId, command: &Command) -> Result<(), Refusal> {
        let give_up = Instant::now() + self.limits().command_wait;
        while Instant::now() < give_up {
            if let Applied::Here = self.apply(id, command).await? {
                return Ok(());
            }
            let (body, asked) = (NamedCommand::written(command), command.asked);
            match self.journal().post(KeptCommand { saga: id, id: command.id, body, asked }).await {
                // The answer may have been lost after the command was kept, so "nothing was done" would be wrong.
                Err(Unavailable(_)) => return Err(Refusal::NotAppliedYet(id)),
                Ok(Posted::Kept) => {
                    // It may be asleep, and then any process can wake it.
                    self.parts.called.notify_one();
                    return self.answer_of(id, command.id, give_up).await;
                }
                Ok(Posted::Full) => return Err(Refusal::InboxFull(id)),
                // The saga has come to its end meanwhile.
                Ok(Posted::Over) => {}
            }
        }
        Err(Refusal::NotAppliedYet(id))
    }

    /// The answer of the saga's owner to a command that was posted.
    async fn answer_of(&self, id: SagaId, command: CommandId, give_up: Instant) -> Result<(), Refusal> {
        let mut pause = LOOK_AGAIN_AFTER.0;
        while Instant::now() < give_up {
            match self.journal().status(id, command).await {
                Ok(CommandStatus::Applied) => return Ok(()),
                Ok(CommandStatus::Refused(why)) => {
                    // The refusal has no other reader; where it stays, it is forgotten later.
                    let _ = self.journal().remove(id, command).await;
                    let not_read = |error: serde_json::Error| Refused::NotUnderstood(error.to_string());
                    return Err(serde_json::from_str(&why).unwrap_or_else(not_read).into());
                }
                // The command is kept, so "nothing was done" would be wrong.
                Ok(CommandStatus::Waiting) | Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(LOOK_AGAIN_AFTER.1);
        }
        Err(Refusal::NotAppliedYet(id))
    }

    /// Applies a command if the saga is this process's, or over.
    async fn apply(&self, id: SagaId, command: &Command) -> Result<Applied, Refusal> {
        // A saga may leave this process between being found and being reached; then it is found again elsewhere.
        const TRIES: usize = 3;
        let input = Input::Command(command.clone());
        for _ in 0..TRIES {
            let handle = match self.whereabouts(id).await? {
                Whereabouts::Running(handle) => handle,
                Whereabouts::Over(_) => {
                    // Nothing can change any more; the saga says whether that is what the command wants.
                    let mut saga = self.parts.catalog.load(id).await?.ok_or(Refusal::Unknown)?;
                    saga.handle(&input, self.clock().moment())?;
                    return Ok(Applied::Here);
                }
                Whereabouts::Elsewhere(_) => return Ok(Applied::Elsewhere),
                Whereabouts::Waiting(row) => {
                    let runnable = self.readable(id, row.owner).await?;
                    self.try_out(&runnable.saga, row.owner, &input)?;
                    match self.run_here(runnable, row.owner, How::Own, None)? {
                        Resumed::Here(handle) | Resumed::Before(handle) => handle,
                        Resumed::Over => continue,
                    }
                }
            };
            if let Ok(outcome) = handle.apply(input.clone()).await {
                outcome?;
                return Ok(Applied::Here);
            }
        }
        Err(Refusal::Unavailable(Unavailable::because("the order keeps moving between processes")))
    }

    /// Reads a saga that is this process's, and does not run. A saga that cannot be read is parked anew: the reason may have changed.
    async fn readable(&self, id: SagaId, owner: ReplicaId) -> Result<RunnableSaga, Refusal> {
        match self.runnable(id).await {
            Ok(saga) => saga.ok_or(Refusal::Unknown),
            Err(error @ Refusal::Damaged(_)) => {
                self.parts.unreadable.park(id, owner, &error).await;
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a saga that is this process's, and does not run, would take a command, as it is on disk or once it begins to run: a
    /// refused command must not leave a take-over behind. It is refused for what is on disk. What the take-over would bring about is
    /// not, and the saga may go on in another way.
    fn try_out(&self, saga: &Saga, owner: ReplicaId, command: &Input) -> Result<(), Refusal> {
        let Err(refused) = saga.clone().handle(command, self.clock().moment()) else { return Ok(()) };
        let mut running = saga.clone();
        // A saga that is over by now is found to be so by `run_here`.
        let is_taken = match running.handle(&self.entering(saga, owner), self.clock().moment()) {
            Ok(_) => running.handle(command, self.clock().moment()).is_ok(),
            Err(_) => true,
        };
        if is_taken { Ok(()) } else { Err(refused.into()) }
    }

    /// Applies the commands that wait for this process: those of one saga one after the other, as they were given.
    pub(super) async fn apply_posted_commands(&self) -> Result<(), Unavailable> {
        let Some(id) = self.membership().id() else { return Ok(()) };
        let mut by_saga: BTreeMap<SagaId, Vec<KeptCommand>> = BTreeMap::new();
        for command in self.journal().commands(id, self.limits().claim_rows_max).await? {
            by_saga.entry(command.saga).or_default().push(command);
        }
        for (saga, commands) in by_saga {
            if !self.parts.applying.lock().unwrap_or_else(PoisonError::into_inner).insert(saga) {
                continue;
            }
            let engine = self.clone();
            self.parts.lifecycle.spawn(async move {
                engine.apply_posted(&commands).await;
                engine.parts.applying.lock().unwrap_or_else(PoisonError::into_inner).remove(&saga);
            });
        }
        Ok(())
    }

    /// Applies the commands that former owners of `sagas` did not come to, before the sagas run here: an operator who
    /// has cancelled a saga does not want to see it carried on.
    pub(super) async fn apply_posted_first(
        &self,
        id: ReplicaId,
        sagas: &[SagaId],
    ) -> Result<(), Unavailable> {
        let commands = self.journal().commands(id, self.limits().claim_rows_max).await?;
        let first: Vec<KeptCommand> =
            commands.into_iter().filter(|command| sagas.contains(&command.saga)).collect();
        self.apply_posted(&first).await;
        Ok(())
    }

    /// Takes away refusals that no process has come for.
    pub(super) async fn forget_refusals(&self) -> Result<(), Unavailable> {
        let kept_us = i64::try_from(REFUSALS_KEPT.as_micros()).unwrap_or(i64::MAX);
        let before = Timestamp::from_micros(self.clock().now().as_micros().saturating_sub(kept_us));
        self.journal().forget_refused(before).await
    }

    /// Applies commands in their order. A command that cannot be applied yet is left for the next beat, and so are the
    /// later ones for its saga.
    async fn apply_posted(&self, commands: &[KeptCommand]) {
        let mut held_up = Vec::new();
        for command in commands {
            if held_up.contains(&command.saga) {
                continue;
            }
            if let Err(error) = self.try_posted(command).await {
                held_up.push(command.saga);
                tracing::warn!(saga.id = %command.saga, error = %error, "cannot apply a command to an order yet");
            }
        }
    }

    async fn try_posted(&self, kept: &KeptCommand) -> Result<(), Refusal> {
        let refused = match NamedCommand::read(&kept.body) {
            Ok((by, kind)) => {
                match self.apply(kept.saga, &Command { id: kept.id, asked: kept.asked, by, kind }).await {
                    Ok(Applied::Here) => None,
                    // It is the new owner's to apply.
                    Ok(Applied::Elsewhere) => return Ok(()),
                    Err(Refusal::Rejected(rejected)) => Some(Refused::Rejected(rejected)),
                    Err(Refusal::Damaged(reason)) => Some(Refused::Damaged(reason)),
                    Err(error) => return Err(error),
                }
            }
            Err(error) => {
                tracing::error!(saga.id = %kept.saga, error = %error, "a command for an order cannot be read; it is refused");
                Some(Refused::NotUnderstood(error.to_string()))
            }
        };
        let (saga, id) = (kept.saga, kept.id);
        match refused {
            None => self.journal().remove(saga, id).await?,
            Some(refused) => {
                let why = serde_json::to_string(&refused).unwrap_or_default().into();
                self.journal().refuse(saga, id, why).await?;
            }
        }
        Ok(())
    }
}
