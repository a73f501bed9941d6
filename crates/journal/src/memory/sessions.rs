//! Sessions of the console.

use std::sync::Arc;

use saga_core::Timestamp;

use super::{Memory, Tables};
use crate::sessions::{SESSIONS_FORGOTTEN_MAX, SESSIONS_PER_NAME_MAX};
use crate::{KeptSession, SessionHash, Sessions, StoreFuture, Unavailable};

impl Tables {
    fn open_session(&mut self, session: KeptSession) {
        let others = self.sessions.values().filter(|kept| kept.name == session.name && kept.id != session.id);
        let mut others: Vec<(Timestamp, SessionHash)> = others.map(|kept| (kept.created, kept.id)).collect();
        others.sort_unstable_by(|one, next| next.cmp(one));
        for (_, id) in others.iter().skip(SESSIONS_PER_NAME_MAX - 1) {
            self.sessions.remove(id);
        }
        self.sessions.entry(session.id).or_insert(session);
    }

    fn forget_sessions(&mut self, now: Timestamp, unused_since: Timestamp) {
        let is_over = |kept: &&KeptSession| kept.ends <= now || kept.used <= unused_since;
        let over = self.sessions.values().filter(is_over).map(|kept| kept.id);
        let over: Vec<SessionHash> = over.take(SESSIONS_FORGOTTEN_MAX).collect();
        for id in over {
            self.sessions.remove(&id);
        }
    }
}

impl Sessions for Memory {
    fn open_session(&self, session: KeptSession) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().open_session(session);
            Ok(())
        })
    }

    fn session(&self, id: SessionHash) -> StoreFuture<'_, Result<Option<KeptSession>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().sessions.get(&id).cloned()) })
    }

    fn touch_session(&self, id: SessionHash, used: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            if let Some(kept) = self.tables().sessions.get_mut(&id) {
                kept.used = kept.used.max(used);
            }
            Ok(())
        })
    }

    fn close_session(&self, id: SessionHash) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().sessions.remove(&id);
            Ok(())
        })
    }

    fn close_sessions_of(&self, name: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().sessions.retain(|_, kept| kept.name != name);
            Ok(())
        })
    }

    fn forget_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().forget_sessions(now, unused_since);
            Ok(())
        })
    }
}
