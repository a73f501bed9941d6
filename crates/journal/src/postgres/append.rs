//! A batch in one statement and one round trip, and what every answer to it means.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::link::{Connector, Link, StatementError};
use super::sql;
use crate::columns::{echec, text};
use crate::{AppendError, Entry, Unavailable, frame};

/// How often a batch is repeated that lost against other transactions (40001, 40P01).
const AGAIN_MAX: u32 = 5;

/// The connection that appends.
pub(super) struct Writer {
    connector: Arc<Connector>,
    /// `None` after a failure: the next batch connects again.
    link: Option<Link>,
}

impl Writer {
    pub(super) fn new(connector: Arc<Connector>, link: Link) -> Self {
        Self { connector, link: Some(link) }
    }

    /// See [`Store::append`](crate::Store::append).
    ///
    /// The connection is taken out while a statement is under way: if this future is dropped, the connection is
    /// dropped with it, and nobody reads another batch's answer as theirs.
    pub(super) async fn append(
        &mut self,
        batch: &[Entry],
    ) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
        let link = match self.link.take().filter(|link| !link.is_closed()) {
            Some(link) => link,
            None => self.connector.connect().await?,
        };
        match append(&link, batch).await {
            Ok(results) => {
                self.link = Some(link);
                Ok(results)
            }
            // One entry's data is refused, which its row and its frames can only cause by disagreeing. The others
            // must not wait for a person to mend it.
            Err(StatementError::Refused(_)) => {
                let results = one_by_one(&link, batch).await?;
                self.link = Some(link);
                Ok(results)
            }
            Err(StatementError::Again(reason)) => {
                self.link = Some(link);
                Err(Unavailable::because(reason))
            }
            Err(StatementError::Doubtful(reason)) => Err(Unavailable::because(reason)),
        }
    }
}

async fn one_by_one(link: &Link, batch: &[Entry]) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
    let mut results = Vec::with_capacity(batch.len());
    for entry in batch {
        match append(link, std::slice::from_ref(entry)).await {
            Ok(alone) => results.extend(alone),
            Err(StatementError::Refused(reason)) => {
                tracing::error!(saga.id = %entry.saga, "the journal refuses a saga's events: {reason}");
                results.push(Err(AppendError::Conflict));
            }
            Err(error @ (StatementError::Again(_) | StatementError::Doubtful(_))) => return Err(error.into()),
        }
    }
    Ok(results)
}

async fn append(link: &Link, batch: &[Entry]) -> Result<Vec<Result<(), AppendError>>, StatementError> {
    let columns = Columns::of(batch);
    let hit = again(|| columns.append(link)).await?;
    let missed: Vec<usize> = (0..batch.len()).filter(|index| !hit.contains(&columns.saga[*index])).collect();
    let mut results = vec![Ok(()); batch.len()];
    if missed.is_empty() {
        return Ok(results);
    }
    // The hits are kept, whatever becomes of this question.
    let there = again(|| columns.already_there(link, &missed)).await;
    for index in missed {
        results[index] = match &there {
            Ok(there) if there.contains(&columns.saga[index]) => Ok(()),
            Ok(_) => Err(AppendError::Conflict),
            Err(error) => Err(Unavailable::because(error.text()).into()),
        };
    }
    Ok(results)
}

/// Repeats a statement that lost against others.
async fn again<T, F>(mut statement: impl FnMut() -> F) -> Result<T, StatementError>
where
    F: Future<Output = Result<T, StatementError>>,
{
    let mut attempt = 1;
    loop {
        match statement().await {
            Err(StatementError::Again(_)) if attempt < AGAIN_MAX => attempt += 1,
            result => return result,
        }
    }
}

/// A batch turned on its side: one array for each column.
#[derive(Default)]
struct Columns<'b> {
    saga: Vec<Uuid>,
    expected: Vec<i64>,
    seq: Vec<i64>,
    epoch: Vec<i64>,
    definition: Vec<Cow<'b, str>>,
    definition_hash: Vec<&'b str>,
    client_id: Vec<Option<i64>>,
    magasin_id: Vec<Option<i64>>,
    etat: Vec<Cow<'b, str>>,
    rollback: Vec<&'b str>,
    etape: Vec<Option<Cow<'b, str>>>,
    raison: Vec<Option<Cow<'b, str>>>,
    over: Vec<bool>,
    created_us: Vec<i64>,
    updated_us: Vec<i64>,
    events: Vec<String>,
}

impl<'b> Columns<'b> {
    fn of(batch: &'b [Entry]) -> Self {
        let mut columns = Self::default();
        for entry in batch {
            let row = &entry.projection;
            let (etape, raison) = echec(row.echec.as_ref());
            columns.saga.push(*entry.saga.as_uuid());
            columns.expected.push(frame::expected_seq(entry));
            columns.seq.push(frame::last_seq(entry));
            columns.epoch.push(row.epoch.get().into());
            columns.definition.push(text(&row.definition));
            columns.definition_hash.push(row.definition_hash.as_str());
            columns.client_id.push(row.client_id);
            columns.magasin_id.push(row.magasin_id);
            columns.etat.push(text(&row.etat));
            columns.rollback.push(row.rollback.as_str());
            columns.etape.push(etape);
            columns.raison.push(raison);
            columns.over.push(row.over);
            columns.created_us.push(row.created.as_micros());
            columns.updated_us.push(row.updated.as_micros());
            columns.events.push(frame::encode(entry));
        }
        columns
    }

    /// The sagas whose entries were kept.
    async fn append(&self, link: &Link) -> Result<HashSet<Uuid>, StatementError> {
        let rows = link
            .query(
                sql::APPEND,
                &[
                    (&self.saga, Type::UUID_ARRAY),
                    (&self.expected, Type::INT8_ARRAY),
                    (&self.seq, Type::INT8_ARRAY),
                    (&self.epoch, Type::INT8_ARRAY),
                    (&self.definition, Type::TEXT_ARRAY),
                    (&self.definition_hash, Type::TEXT_ARRAY),
                    (&self.client_id, Type::INT8_ARRAY),
                    (&self.magasin_id, Type::INT8_ARRAY),
                    (&self.etat, Type::TEXT_ARRAY),
                    (&self.rollback, Type::TEXT_ARRAY),
                    (&self.etape, Type::TEXT_ARRAY),
                    (&self.raison, Type::TEXT_ARRAY),
                    (&self.over, Type::BOOL_ARRAY),
                    (&self.created_us, Type::INT8_ARRAY),
                    (&self.updated_us, Type::INT8_ARRAY),
                    (&self.events, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        sagas(&rows)
    }

    /// Those of the sagas at `indices` whose entries were there before.
    async fn already_there(&self, link: &Link, indices: &[usize]) -> Result<HashSet<Uuid>, StatementError> {
        let saga: Vec<Uuid> = indices.iter().map(|index| self.saga[*index]).collect();
        let first_seq: Vec<i64> = indices.iter().map(|index| self.expected[*index] + 1).collect();
        let last_seq: Vec<i64> = indices.iter().map(|index| self.seq[*index]).collect();
        let events: Vec<&str> = indices.iter().map(|index| &*self.events[*index]).collect();
        let rows = link
            .query(
                sql::ALREADY_THERE,
                &[
                    (&saga, Type::UUID_ARRAY),
                    (&first_seq, Type::INT8_ARRAY),
                    (&last_seq, Type::INT8_ARRAY),
                    (&events, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        sagas(&rows)
    }
}

fn sagas(rows: &[tokio_postgres::Row]) -> Result<HashSet<Uuid>, StatementError> {
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(|error| StatementError::Doubtful(super::link::describe(&error)))
}
