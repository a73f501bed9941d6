//! Sessions of the console.

use std::sync::Arc;

use saga_core::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::ownership::cell;
use super::{Postgres, sql};
use crate::columns::text;
use crate::sessions::{SESSIONS_FORGOTTEN_MAX, SESSIONS_PER_NAME_MAX};
use crate::{KeptSession, KeyDigest, SessionHash, Sessions, StoreFuture, Unavailable};

/// Values with their types.
type Values<'p, const N: usize> = [(&'p (dyn ToSql + Sync), Type); N];

impl Sessions for Postgres {
    fn open_session(&self, session: KeptSession) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let KeptSession { id, name, key, created, used, ends } = session;
            let (id, name, key) = (&id.0[..], text(&name), &key.0[..]);
            let [created, used, ends] = [created, used, ends].map(Timestamp::as_micros);
            let others_max = SESSIONS_PER_NAME_MAX as i64 - 1;
            let params: Values<'_, 7> = [
                (&id, Type::BYTEA),
                (&name, Type::TEXT),
                (&key, Type::BYTEA),
                (&created, Type::INT8),
                (&used, Type::INT8),
                (&ends, Type::INT8),
                (&others_max, Type::INT8),
            ];
            self.pool.query(sql::OPEN_SESSION, &params).await.map(drop)
        })
    }

    fn session(&self, id: SessionHash) -> StoreFuture<'_, Result<Option<KeptSession>, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(sql::SESSION, &[(&&id.0[..], Type::BYTEA)]).await?;
            let read = |row: &Row| {
                let key = cell::<&[u8]>(row, 1)?.try_into().map_err(Unavailable::because)?;
                Ok(KeptSession {
                    id,
                    name: cell::<&str>(row, 0)?.into(),
                    key: KeyDigest(key),
                    created: Timestamp::from_micros(cell(row, 2)?),
                    used: Timestamp::from_micros(cell(row, 3)?),
                    ends: Timestamp::from_micros(cell(row, 4)?),
                })
            };
            rows.first().map(read).transpose()
        })
    }

    fn touch_session(&self, id: SessionHash, used: Timestamp) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let params: Values<'_, 2> = [(&&id.0[..], Type::BYTEA), (&used.as_micros(), Type::INT8)];
            self.pool.query(sql::TOUCH_SESSION, &params).await.map(drop)
        })
    }

    fn close_session(&self, id: SessionHash) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(
            async move { self.pool.query(sql::CLOSE_SESSION, &[(&&id.0[..], Type::BYTEA)]).await.map(drop) },
        )
    }

    fn close_sessions_of(&self, name: Arc<str>) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.pool.query(sql::CLOSE_SESSIONS_OF, &[(&text(&name), Type::TEXT)]).await.map(drop)
        })
    }

    fn forget_sessions(
        &self,
        now: Timestamp,
        unused_since: Timestamp,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let sessions_max = SESSIONS_FORGOTTEN_MAX as i64;
            let params: Values<'_, 3> = [
                (&now.as_micros(), Type::INT8),
                (&unused_since.as_micros(), Type::INT8),
                (&sessions_max, Type::INT8),
            ];
            self.pool.query(sql::FORGET_SESSIONS, &params).await.map(drop)
        })
    }
}
