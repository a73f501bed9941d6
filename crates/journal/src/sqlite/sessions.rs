//! Sessions of the console. The statements that write are rare, and not kept prepared.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use saga_core::Timestamp;

use super::{Sqlite, string};
use crate::columns::text;
use crate::sessions::{SESSIONS_FORGOTTEN_MAX, SESSIONS_PER_NAME_MAX};
use crate::{KeptSession, KeyDigest, SessionHash, Sessions, StoreFuture, Unavailable};

impl Sessions for Sqlite {
    fn open_session(&self, session: KeptSession) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(self.write(move |connection| open(connection, &session)))
    }

    fn session(&self, id: SessionHash) -> StoreFuture<'_, Result<Option<KeptSession>, Unavailable>> {
        const SESSION: &str = "SELECT name, key_digest, created_us, used_us, ends_us FROM console_session WHERE session_id = ?1";
        Box::pin(self.read(move |connection| {
            let read = |row: &rusqlite::Row<'_>| {
                Ok(KeptSession {
                    id,
                    name: string(row, 0)?.into(),
                    key: KeyDigest(row.get(1)?),
                    created: Timestamp::from_micros(row.get(2)?),
                    used: Timestamp::from_micros(row.get(3)?),
                    ends: Timestamp::from_micros(row.get(4)?),
                })
            };
            connection.prepare_cached(SESSION)?.query_row([id.0], read).optional()
        }))
    }

    fn touch_session(&self, id: SessionHash, used: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        const TOUCH: &str = "UPDATE console_session SET used_us = ?2 WHERE session_id = ?1 AND used_us < ?2";
        Box::pin(
            self.write(move |connection| {
                connection.execute(TOUCH, params![id.0, used.as_micros()]).map(drop)
            }),
        )
    }

    fn close_session(&self, id: SessionHash) -> StoreFuture<'_, Result<(), Unavailable>> {
        const CLOSE: &str = "DELETE FROM console_session WHERE session_id = ?1";
        Box::pin(self.write(move |connection| connection.execute(CLOSE, [id.0]).map(drop)))
    }

    fn close_sessions_of(&self, name: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>> {
        const CLOSE_OF: &str = "DELETE FROM console_session WHERE name = ?1";
        Box::pin(self.write(move |connection| connection.execute(CLOSE_OF, [text(&name)]).map(drop)))
    }

    fn forget_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        const FORGET: &str = "DELETE FROM console_session WHERE session_id IN (\
             SELECT session_id FROM console_session WHERE ends_us <= ?1 OR used_us <= ?2 LIMIT ?3)";
        Box::pin(self.write(move |connection| {
            let params = params![now.as_micros(), unused_since.as_micros(), SESSIONS_FORGOTTEN_MAX as i64];
            connection.execute(FORGET, params).map(drop)
        }))
    }
}

fn open(connection: &Connection, session: &KeptSession) -> rusqlite::Result<()> {
    const SURPLUS: &str = "DELETE FROM console_session WHERE session_id IN (\
         SELECT session_id FROM console_session WHERE name = ?1 AND session_id <> ?2 \
         ORDER BY created_us DESC, session_id DESC LIMIT -1 OFFSET ?3)";
    const OPEN: &str = "INSERT INTO console_session (session_id, name, key_digest, created_us, used_us, ends_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (session_id) DO NOTHING";
    let KeptSession { id, name, key, created, used, ends } = session;
    let name = text(name);
    connection.execute(SURPLUS, params![name, id.0, SESSIONS_PER_NAME_MAX as i64 - 1])?;
    let times = [created, used, ends].map(|time| time.as_micros());
    connection.execute(OPEN, params![id.0, name, key.0, times[0], times[1], times[2]]).map(drop)
}
