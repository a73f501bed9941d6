//! A batch in one statement and one round trip, and the meaning of every answer to it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use saga_core::Seq;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::bounds::APPEND_DEADLINE;
use super::cells::Array;
use super::connect::DatabaseConnector;
use super::link::{Link, Params, StatementError, describe};
use super::lone::LoneEntry;
use super::prepared::{PreparedLink, StatementsKept};
use super::sql::{self, KeptSql};
use crate::columns::{COLUMNS, Column, text};
use crate::{AppendError, Entry, Unavailable, deed_rows, figure_rows, frame};

/// How often a batch is repeated that lost against other transactions (40001, 40P01).
const AGAIN_MAX: u32 = 5;

/// The connection that appends.
pub(super) struct PostgresWriter {
    connector: Arc<DatabaseConnector>,
    /// `None` after a failure: the next batch connects again.
    line: Option<PreparedLink>,
}

impl PostgresWriter {
    pub(super) fn new(connector: Arc<DatabaseConnector>, link: Link) -> Self {
        Self { connector, line: Some(PreparedLink::new(link)) }
    }

    /// See [`Histories::append`](crate::Histories::append). A batch that takes too long may be kept all the same.
    pub(super) async fn append(
        &mut self,
        batch: &[Entry],
    ) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
        APPEND_DEADLINE.hold(self.try_append(batch), Unavailable::because).await
    }

    /// The connection is taken out while a statement is under way: if this future is dropped, the connection is dropped
    /// with it, and no batch reads another's answer as its own.
    async fn try_append(&mut self, batch: &[Entry]) -> Result<Vec<Result<(), AppendError>>, Unavailable> {
        let (mut line, fresh) = match self.line.take().filter(|line| self.connector.is_usable(&line.link)) {
            Some(line) => (line, false),
            None => (PreparedLink::new(self.connector.connect().await?), true),
        };
        let statements = self.connector.statements();
        let mut result = append(&mut line, statements, batch).await;
        match &result {
            // The server was restarted while nothing was written. If some of the batch was kept after all, it is
            // recognized when it comes again.
            Err(StatementError::Broken(_)) if !fresh => {
                line = PreparedLink::new(self.connector.connect().await?);
                result = append(&mut line, statements, batch).await;
            }
            Ok(_) | Err(_) => {}
        }
        // One entry's data is refused: its row and its frames disagree, or the database cannot hold it. The others must
        // not wait until an operator has mended it.
        if let Err(StatementError::Taken(_) | StatementError::Refused(_)) = result {
            result = part_by_part(&mut line, statements, batch).await;
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

/// Halves the batch until the refused entry stands alone: of 1,024 entries, one costs 20 statements.
async fn part_by_part(
    line: &mut PreparedLink,
    statements: &StatementsKept,
    batch: &[Entry],
) -> Result<Vec<Result<(), AppendError>>, StatementError> {
    let mut results = Vec::with_capacity(batch.len());
    // The first part is last.
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match (append(line, statements, part).await, part) {
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
    line: &mut PreparedLink,
    statements: &StatementsKept,
    batch: &[Entry],
) -> Result<Vec<Result<(), AppendError>>, StatementError> {
    let hit = match LoneEntry::of(batch) {
        Some(lone) => kept_by(line, statements, lone.sql, &lone.params()).await?,
        None => kept_by(line, statements, &sql::APPEND, &Columns::of(batch).params()).await?,
    };
    let is_missed = |index: &usize| !hit.contains(batch[*index].saga.as_uuid());
    let missed: Vec<usize> = (0..batch.len()).filter(is_missed).collect();
    let mut results = vec![Ok(()); batch.len()];
    if missed.is_empty() {
        return Ok(results);
    }
    // The matching entries are kept, even if this query fails.
    let there = already_there(&line.link, missed.iter().map(|index| &batch[*index])).await;
    for index in missed {
        results[index] = match &there {
            Ok(there) if there.contains(batch[index].saga.as_uuid()) => Ok(()),
            Ok(_) => Err(AppendError::Conflict),
            Err(error) => Err(Unavailable::because(error.text()).into()),
        };
    }
    Ok(results)
}

/// Runs a statement that appends, and gives the sagas whose entries it has kept.
async fn kept_by(
    line: &mut PreparedLink,
    statements: &StatementsKept,
    sql: &'static KeptSql,
    params: &Params<'_>,
) -> Result<HashSet<Uuid>, StatementError> {
    let mut attempt = 1;
    loop {
        match line.query(statements, sql, params).await {
            Err(StatementError::Again(_)) if attempt < AGAIN_MAX => attempt += 1,
            rows => return sagas(&rows?),
        }
    }
}

/// Those of the entries' sagas whose entries were there before.
async fn already_there(
    link: &Link,
    entries: impl Iterator<Item = &Entry> + Clone,
) -> Result<HashSet<Uuid>, StatementError> {
    let of = |number: fn(&Entry) -> i64| entries.clone().map(number).collect();
    let (first_seq, last_seq): (Vec<i64>, Vec<i64>) = (of(frame::first_seq), of(frame::last_seq));
    let saga: Vec<Uuid> = entries.clone().map(|entry| *entry.saga.as_uuid()).collect();
    let owner: Vec<Uuid> = entries.clone().map(|entry| *entry.owner.as_uuid()).collect();
    let events: Vec<String> = entries.map(frame::encode).collect();
    let params: &Params<'_> = &[
        (&saga, Type::UUID_ARRAY),
        (&owner, Type::UUID_ARRAY),
        (&first_seq, Type::INT8_ARRAY),
        (&last_seq, Type::INT8_ARRAY),
        (&events, Type::TEXT_ARRAY),
    ];
    sagas(&link.query(sql::ALREADY_THERE, params).await?)
}

/// A batch turned on its side: one array for each parameter of [`sql::APPEND`].
struct Columns<'b> {
    expected: Vec<i64>,
    row: Vec<Array<'b>>,
    events: Vec<String>,
    labels: LabelRows<'b>,
    deeds: DeedRows<'b>,
    counted: CountedRows<'b>,
}

/// The labels of the sagas that start in a batch.
#[derive(Default)]
struct LabelRows<'b> {
    saga: Vec<Uuid>,
    name: Vec<Cow<'b, str>>,
    value: Vec<String>,
    created_us: Vec<i64>,
}

/// The deeds among the events of a batch.
#[derive(Default)]
struct DeedRows<'b> {
    saga: Vec<Uuid>,
    name: Vec<Cow<'b, str>>,
    at_us: Vec<i64>,
    seq: Vec<i64>,
    deed: Vec<&'static str>,
}

/// The events of a batch that are counted.
#[derive(Default)]
struct CountedRows<'b> {
    saga: Vec<Uuid>,
    minute_us: Vec<i64>,
    outcome: Vec<&'static str>,
    step: Vec<Cow<'b, str>>,
    /// NULL for a start.
    range: Vec<Option<i64>>,
}

impl<'b> Columns<'b> {
    fn of(batch: &'b [Entry]) -> Self {
        let column = |column: &Column| {
            let mut array = Array::of(column.kind, batch.len());
            batch.iter().for_each(|entry| array.push((column.write)(entry)));
            array
        };
        Self {
            expected: batch.iter().map(frame::expected_seq).collect(),
            row: COLUMNS.iter().map(column).collect(),
            events: batch.iter().map(frame::encode).collect(),
            labels: LabelRows::of(batch),
            deeds: DeedRows::of(batch),
            counted: CountedRows::of(batch),
        }
    }

    /// As [`sql::APPEND`] wants them.
    fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let mut params: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&self.expected, Type::INT8_ARRAY)];
        params.extend(self.row.iter().map(Array::bind));
        params.push((&self.events, Type::TEXT_ARRAY));
        params.push((&self.labels.saga, Type::UUID_ARRAY));
        params.push((&self.labels.name, Type::TEXT_ARRAY));
        params.push((&self.labels.value, Type::TEXT_ARRAY));
        params.push((&self.labels.created_us, Type::INT8_ARRAY));
        params.push((&self.deeds.saga, Type::UUID_ARRAY));
        params.push((&self.deeds.name, Type::TEXT_ARRAY));
        params.push((&self.deeds.at_us, Type::INT8_ARRAY));
        params.push((&self.deeds.seq, Type::INT8_ARRAY));
        params.push((&self.deeds.deed, Type::TEXT_ARRAY));
        params.push((&self.counted.saga, Type::UUID_ARRAY));
        params.push((&self.counted.minute_us, Type::INT8_ARRAY));
        params.push((&self.counted.outcome, Type::TEXT_ARRAY));
        params.push((&self.counted.step, Type::TEXT_ARRAY));
        params.push((&self.counted.range, Type::INT8_ARRAY));
        params
    }
}

impl<'b> LabelRows<'b> {
    fn of(batch: &'b [Entry]) -> Self {
        let mut labels = Self::default();
        for entry in batch.iter().filter(|entry| entry.expected == Seq::NONE) {
            for (name, label) in entry.row.labels.iter() {
                labels.saga.push(*entry.saga.as_uuid());
                labels.name.push(text(name));
                labels.value.push(text(&label.to_string()).into_owned());
                labels.created_us.push(entry.row.created.as_micros());
            }
        }
        labels
    }
}

impl<'b> DeedRows<'b> {
    fn of(batch: &'b [Entry]) -> Self {
        let mut rows = Self::default();
        for (entry, new) in batch.iter().flat_map(|entry| deed_rows::new(entry).map(move |new| (entry, new)))
        {
            rows.saga.push(*entry.saga.as_uuid());
            rows.name.push(new.name);
            rows.at_us.push(new.at_us);
            rows.seq.push(new.seq);
            rows.deed.push(new.deed);
        }
        rows
    }
}

impl<'b> CountedRows<'b> {
    fn of(batch: &'b [Entry]) -> Self {
        let mut rows = Self::default();
        for (entry, new) in
            batch.iter().flat_map(|entry| figure_rows::new(entry).map(move |new| (entry, new)))
        {
            rows.saga.push(*entry.saga.as_uuid());
            rows.minute_us.push(new.minute_us);
            rows.outcome.push(new.outcome.into());
            rows.step.push(new.step);
            rows.range.push(new.range.map(|range| range as i64));
        }
        rows
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

    async fn writer() -> PostgresWriter {
        let connector =
            Arc::new(DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap());
        let link = super::super::schema::prepare(&connector).await.unwrap().link;
        PostgresWriter::new(connector, link)
    }

    /// Behind a pooler, the statement that answers to a name may be of a process of another release.
    #[tokio::test]
    async fn a_statement_of_another_release_under_our_name_is_not_run() {
        let asked = format!("${}::text", COLUMNS.len() + 17);
        for (was, is) in [
            // Its version, its number of parameters, their types.
            (&*sql::APPEND.version, "another release"),
            (&*asked, "'another release'"),
            ("$2::uuid[]", "$2::text[]::uuid[]"),
        ] {
            let mut writer = writer().await;
            assert_eq!(writer.append(&[]).await, Ok(vec![]));
            let link = &writer.line.as_ref().unwrap().link;
            let row = &link.query("TABLE pg_prepared_statements", &[]).await.unwrap()[0];
            let (name, statement): (&str, &str) = (row.get(0), row.get(1));
            assert!(statement.contains(was), "{was}");
            let theirs = statement.replace(was, is);
            link.script(&format!("DEALLOCATE {name}; PREPARE {name} AS {theirs}")).await.unwrap();
            assert_eq!(writer.append(&[]).await, Ok(vec![]), "{is}");
            assert!(!writer.connector.statements().hold(), "{is}: it was taken for ours");
        }
    }
}
