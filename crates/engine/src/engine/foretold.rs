//! What follows from an operator's command, before it is given.

use saga_core::saga::{Following, Rejected};
use saga_core::{Command, CommandKind, Saga};

use super::Engine;
use crate::driver::{at_once, elsewhere};

impl Engine {
    /// What follows if an operator's command comes now, to a saga as it was read; `Ok(None)`: that cannot be told. Nothing changes.
    pub async fn what_follows(&self, saga: &Saga, kind: CommandKind) -> Result<Option<Following>, Rejected> {
        let moment = self.clock().moment();
        let command = Command { id: self.clock().new_command_id(), asked: moment.now, by: None, kind };
        match at_once(|| saga.what_follows(&command, moment)) {
            Some(following) => following.map(Some),
            None => {
                let (world, saga) = (self.clock().world().clone(), saga.clone());
                elsewhere(world, move || saga.what_follows(&command, moment)).await.transpose()
            }
        }
    }
}
