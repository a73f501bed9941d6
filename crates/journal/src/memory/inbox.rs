//! The inbox: the commands that wait for their sagas' owners.

use std::sync::Arc;

use saga_core::{CommandId, SagaId, Timestamp};

use super::{Memory, Tables};
use crate::{
    COMMANDS_PER_SAGA_MAX, CommandStatus, Inbox, KeptCommand, Posted, ReplicaId, StoreFuture, Unavailable,
    columns,
};

/// A command that waits, or was refused.
pub(super) struct WaitingCommand {
    pub(super) command: KeptCommand,
    pub(super) refused: Option<Arc<str>>,
}

impl Tables {
    fn post(&mut self, command: KeptCommand) -> Posted {
        let (saga, key) = (command.saga, (command.saga, command.id));
        if self.sagas.get(&saga).is_none_or(|kept| kept.row.row.over) {
            return Posted::Over;
        }
        if self.commands.contains_key(&key) {
            return Posted::Kept;
        }
        if self.commands.keys().filter(|(of, _)| *of == saga).count() >= COMMANDS_PER_SAGA_MAX {
            return Posted::Full;
        }
        self.commands.insert(key, WaitingCommand { command, refused: None });
        Posted::Kept
    }
}

impl Inbox for Memory {
    fn post(&self, command: KeptCommand) -> StoreFuture<'_, Result<Posted, Unavailable>> {
        let body = columns::text(&command.body).into();
        Box::pin(async move { Ok(self.tables().post(KeptCommand { body, ..command })) })
    }

    fn commands(
        &self,
        replica: ReplicaId,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptCommand>, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            let is_for = |saga: &SagaId| {
                tables.sagas.get(saga).is_some_and(|kept| kept.row.owner == replica || kept.row.row.over)
            };
            let waiting = tables.commands.values().filter(|posted| posted.refused.is_none());
            let own = waiting.map(|posted| &posted.command).filter(|command| is_for(&command.saga));
            let mut own: Vec<KeptCommand> = own.cloned().collect();
            own.sort_by_key(|command| (command.asked, command.id));
            own.truncate(columns::page_rows(limit));
            Ok(own)
        })
    }

    fn status(
        &self,
        saga: SagaId,
        command: CommandId,
    ) -> StoreFuture<'_, Result<CommandStatus, Unavailable>> {
        Box::pin(async move {
            Ok(match self.tables().commands.get(&(saga, command)) {
                None => CommandStatus::Applied,
                Some(WaitingCommand { refused: None, .. }) => CommandStatus::Waiting,
                Some(WaitingCommand { refused: Some(why), .. }) => CommandStatus::Refused(why.clone()),
            })
        })
    }

    fn refuse(
        &self,
        saga: SagaId,
        command: CommandId,
        why: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            if let Some(posted) = self.tables().commands.get_mut(&(saga, command)) {
                posted.refused = Some(columns::text(&why).into());
            }
            Ok(())
        })
    }

    fn remove(&self, saga: SagaId, command: CommandId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().commands.remove(&(saga, command));
            Ok(())
        })
    }

    fn forget_refused(&self, before: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let is_old = |posted: &WaitingCommand| posted.refused.is_some() && posted.command.asked < before;
            self.tables().commands.retain(|_, posted| !is_old(posted));
            Ok(())
        })
    }
}
