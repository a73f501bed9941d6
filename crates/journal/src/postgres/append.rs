//! A batch in one statement and one round trip, and what every answer to it means.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use saga_core::Timestamp;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use super::bounds::APPEND_DEADLINE;
use super::connect::Connector;
use super::link::{Link, Params, StatementError, describe};
use super::sql;
use crate::columns::{echec, text};
use crate::{AppendError, Entry, Unavailable, frame, rollback_word};

/// How often a batch is repeated that lost against other transactions (40001, 40P01).
const AGAIN_MAX: u32 = 5;
/// How often the statement is run before it is prepared anew, at first, and then twice as often each time. It saves
/// the server 0.3 ms a batch not to plan it; but the plan for a small table is poor for a large one, so it must not
/// grow older than the table doubles.
const USES_FIRST: u32 = 16;
/// ... up to this: often enough that nobody notices the round trip.
const USES_MAX: u32 = 4_096;

/// The connection that appends.
pub(super) struct Writer {
    connector: Arc<Connector>,
    /// `None` after a failure: the next batch connects again.
    line: Option<Line>,
    /// Whether a pooler was met that does not keep statements.
    pooled: bool,
}

/// A connection with its prepared statement.
struct Line {
    link: Link,
    statement: Option<Statement>,
    /// Before it is prepared anew.
    uses_left: u32,
    uses: u32,
}

impl Writer {
    pub(super) fn new(connector: Arc<Connector>, link: Link) -> Self {
        Self { connector, line: Some(Line::new(link)), pooled: false }
    }

    /// See [`Histories::append`](crate::Histories::append). What takes too long may be kept all the same.
    pub(super) async fn append(
        &mut self,
        batch: &[Entry],
    ) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
        APPEND_DEADLINE.hold(self.try_append(batch), Unavailable::because).await
    }

    /// The connection is taken out while a statement is under way: if this future is dropped, the connection is
    /// dropped with it, and nobody reads another batch's answer as theirs.
    async fn try_append(&mut self, batch: &[Entry]) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
        let (mut line, fresh) = match self.line.take().filter(|line| !line.link.is_closed()) {
            Some(line) => (line, false),
            None => (Line::new(self.connector.connect().await?), true),
        };
        let mut result = append(&mut line, self.pooled, batch).await;
        match &result {
            // The server was restarted while nothing was written. If some of the batch was kept after all, it is
            // recognized when it comes again.
            Err(StatementError::Broken(_)) if !fresh => {
                line = Line::new(self.connector.connect().await?);
                result = append(&mut line, self.pooled, batch).await;
            }
            Err(StatementError::NotPrepared(reason)) => {
                tracing::warn!(
                    "the server does not keep statements, so each batch is planned anew: {reason}"
                );
                self.pooled = true;
                result = append(&mut line, self.pooled, batch).await;
            }
            Ok(_) | Err(_) => {}
        }
        // One entry's data is refused: its row and its frames disagree, or the database cannot hold it. The others must not
        // wait for a person to mend it.
        if let Err(StatementError::Taken(_) | StatementError::Refused(_)) = result {
            result = part_by_part(&mut line, self.pooled, batch).await;
        }
        match result {
            Ok(results) => {
                self.line = Some(line);
                Ok(results)
            }
            Err(
                StatementError::Again(reason)
                | StatementError::Taken(reason)
                | StatementError::Refused(reason),
            ) => {
                self.line = Some(line);
                Err(Unavailable::because(reason))
            }
            Err(
                error @ (StatementError::NotPrepared(_)
                | StatementError::Broken(_)
                | StatementError::Doubtful(_)),
            ) => Err(error.into()),
        }
    }
}

impl Line {
    fn new(link: Link) -> Self {
        Self { link, statement: None, uses_left: 0, uses: USES_FIRST }
    }

    /// Runs [`sql::APPEND`].
    async fn append(&mut self, pooled: bool, params: &Params<'_>) -> Result<Vec<Row>, StatementError> {
        if pooled {
            return self.link.query(sql::APPEND, params).await;
        }
        let statement = match self.statement.take().filter(|_| self.uses_left > 0) {
            Some(statement) => statement,
            None => {
                let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
                let statement = self.link.prepare(sql::APPEND, &types).await?;
                self.uses_left = self.uses;
                self.uses = USES_MAX.min(self.uses * 2);
                statement
            }
        };
        self.uses_left -= 1;
        let rows = self.link.query_prepared(&statement, params).await?;
        self.statement = Some(statement);
        Ok(rows)
    }
}

/// Halves the batch until what is refused stands alone: of 1,024 entries, one costs 20 statements.
async fn part_by_part(
    line: &mut Line,
    pooled: bool,
    batch: &[Entry],
) -> Result<Vec<Result<(), AppendError>>, StatementError> {
    let mut results = Vec::with_capacity(batch.len());
    // The first part is last.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match (append(line, pooled, part).await, part) {
            (Ok(kept), _) => results.extend(kept),
            (Err(StatementError::Taken(_)), [_]) => results.push(Err(AppendError::Conflict)),
            (Err(StatementError::Refused(reason)), [_]) => {
                results.push(Err(AppendError::Refused(reason.to_string().into())));
            }
            (Err(StatementError::Taken(_) | StatementError::Refused(_)), part) => {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
            }
            (Err(error), _) => return Err(error),
        }
    }
    Ok(results)
}

async fn append(
    line: &mut Line,
    pooled: bool,
    batch: &[Entry],
) -> Result<Vec<Result<(), AppendError>>, StatementError> {
    let columns = Columns::of(batch);
    let mut attempt = 1;
    let hit = loop {
        match line.append(pooled, &columns.params()).await {
            Err(StatementError::Again(_)) if attempt < AGAIN_MAX => attempt += 1,
            rows => break sagas(&rows?)?,
        }
    };
    let missed: Vec<usize> = (0..batch.len()).filter(|index| !hit.contains(&columns.saga[*index])).collect();
    let mut results = vec![Ok(()); batch.len()];
    if missed.is_empty() {
        return Ok(results);
    }
    // The hits are kept, whatever becomes of this question.
    let there = columns.already_there(&line.link, &missed).await;
    for index in missed {
        results[index] = match &there {
            Ok(there) if there.contains(&columns.saga[index]) => Ok(()),
            Ok(_) => Err(AppendError::Conflict),
            Err(error) => Err(Unavailable::because(error.text()).into()),
        };
    }
    Ok(results)
}

/// A batch turned on its side: one array for each column.
#[derive(Default)]
struct Columns<'b> {
    saga: Vec<Uuid>,
    owner: Vec<Uuid>,
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
    due_us: Vec<Option<i64>>,
    blocked_us: Vec<Option<i64>>,
    events: Vec<String>,
}

impl<'b> Columns<'b> {
    fn of(batch: &'b [Entry]) -> Self {
        let mut columns = Self::default();
        for entry in batch {
            let row = &entry.projection;
            let (etape, raison) = echec(row.echec.as_ref());
            columns.saga.push(*entry.saga.as_uuid());
            columns.owner.push(*entry.owner.as_uuid());
            columns.expected.push(frame::expected_seq(entry));
            columns.seq.push(frame::last_seq(entry));
            columns.epoch.push(row.epoch.get().into());
            columns.definition.push(text(&row.definition));
            columns.definition_hash.push(row.definition_hash.as_str());
            columns.client_id.push(row.client_id);
            columns.magasin_id.push(row.magasin_id);
            columns.etat.push(text(&row.etat));
            columns.rollback.push(rollback_word(row.rollback));
            columns.etape.push(etape);
            columns.raison.push(raison);
            columns.over.push(row.over);
            columns.created_us.push(row.created.as_micros());
            columns.updated_us.push(row.updated.as_micros());
            columns.due_us.push(row.due.map(Timestamp::as_micros));
            columns.blocked_us.push(row.blocked_since.map(Timestamp::as_micros));
            columns.events.push(frame::encode(entry));
        }
        columns
    }

    /// As [`sql::APPEND`] wants them.
    fn params(&self) -> [(&(dyn ToSql + Sync), Type); 19] {
        [
            (&self.saga, Type::UUID_ARRAY),
            (&self.owner, Type::UUID_ARRAY),
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
            (&self.due_us, Type::INT8_ARRAY),
            (&self.blocked_us, Type::INT8_ARRAY),
            (&self.events, Type::TEXT_ARRAY),
        ]
    }

    /// Those of the sagas at `indices` whose entries were there before.
    async fn already_there(&self, link: &Link, indices: &[usize]) -> Result<HashSet<Uuid>, StatementError> {
        let saga: Vec<Uuid> = indices.iter().map(|index| self.saga[*index]).collect();
        let owner: Vec<Uuid> = indices.iter().map(|index| self.owner[*index]).collect();
        let first_seq: Vec<i64> = indices.iter().map(|index| self.expected[*index] + 1).collect();
        let last_seq: Vec<i64> = indices.iter().map(|index| self.seq[*index]).collect();
        let events: Vec<&str> = indices.iter().map(|index| &*self.events[*index]).collect();
        let rows = link
            .query(
                sql::ALREADY_THERE,
                &[
                    (&saga, Type::UUID_ARRAY),
                    (&owner, Type::UUID_ARRAY),
                    (&first_seq, Type::INT8_ARRAY),
                    (&last_seq, Type::INT8_ARRAY),
                    (&events, Type::TEXT_ARRAY),
                ],
            )
            .await?;
        sagas(&rows)
    }
}

fn sagas(rows: &[Row]) -> Result<HashSet<Uuid>, StatementError> {
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(|error| StatementError::Doubtful(describe(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn writer() -> Writer {
        let connector =
            Arc::new(Connector::new(&saga_testkit::postgres::shared().create_database()).unwrap());
        let link = super::super::schema::prepare(&connector).await.unwrap().link;
        Writer::new(connector, link)
    }

    #[tokio::test]
    async fn the_statement_is_prepared_anew_now_and_then() {
        let mut writer = writer().await;
        for _ in 0..USES_FIRST * 3 {
            assert_eq!(writer.append(&[]).await, Ok(vec![]));
        }
        let line = writer.line.as_ref().unwrap();
        assert_eq!((line.uses_left, line.uses), (0, USES_FIRST * 4));
        assert_eq!(writer.append(&[]).await, Ok(vec![]));
        assert_eq!(writer.line.as_ref().unwrap().uses_left, USES_FIRST * 4 - 1);
    }

    #[tokio::test]
    async fn a_pooler_that_keeps_no_statements_costs_speed_only() {
        let mut writer = writer().await;
        assert_eq!(writer.append(&[]).await, Ok(vec![]));
        // What the next connection behind the pooler knows of our statements.
        writer.line.as_ref().unwrap().link.script("DEALLOCATE ALL").await.unwrap();
        assert_eq!(writer.append(&[]).await, Ok(vec![]));
        assert!(writer.pooled);
    }
}
