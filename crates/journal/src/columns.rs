//! The columns of the table `saga`: one list, from which both databases' statements and readers are made.
//!
//! A field of [`Summary`](crate::Summary) needs no column. A new column is an entry in [`COLUMNS`], and a migration for
//! each database.

use std::borrow::Cow;

use saga_core::definition::{DefinitionHash, Labels};
use saga_core::saga::Rollback;
use saga_core::{Epoch, SagaId, Timestamp};
use uuid::Uuid;

use crate::{Cursor, Entry, KeptRow, Page, ROWS_MAX, ReplicaId, Row, Summary, frame};

/// The kind of a column's values. Every kind may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Uuid,
    BigInt,
    Text,
    Bool,
}

/// A value for a column, or from one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'c> {
    Null,
    Uuid(Uuid),
    BigInt(i64),
    Text(Cow<'c, str>),
    Bool(bool),
}

/// One column.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: ColumnKind,
    pub(crate) written: Written,
    /// The value that an entry writes there.
    pub(crate) write: fn(&Entry) -> Cell<'_>,
    /// Takes the column's value from a row; `None`: readers do not need the column.
    pub(crate) read: Option<fn(&mut RowReading, Cell<'_>)>,
}

/// When a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// By the start alone: the indices on it are not touched later.
    Once,
    /// By every append.
    Always,
}

/// A row that is being read, and its damage.
pub(crate) struct RowReading {
    row: KeptRow,
    damage: Option<String>,
}

const fn once(
    name: &'static str,
    kind: ColumnKind,
    write: fn(&Entry) -> Cell<'_>,
    read: fn(&mut RowReading, Cell<'_>),
) -> Column {
    Column { name, kind, written: Written::Once, write, read: Some(read) }
}

const fn always(
    name: &'static str,
    kind: ColumnKind,
    write: fn(&Entry) -> Cell<'_>,
    read: fn(&mut RowReading, Cell<'_>),
) -> Column {
    Column { name, kind, written: Written::Always, write, read: Some(read) }
}

/// A column that SQL compares, and that is not read back.
const fn unread(name: &'static str, kind: ColumnKind, write: fn(&Entry) -> Cell<'_>) -> Column {
    Column { name, kind, written: Written::Always, write, read: None }
}

/// All columns.
#[rustfmt::skip]
pub(crate) const COLUMNS: &[Column] = &[
    once("saga_id", ColumnKind::Uuid,
        |entry| Cell::Uuid(*entry.saga.as_uuid()),
        |into, cell| into.row.saga = SagaId::new(cell.uuid())),
    once("owner", ColumnKind::Uuid,
        |entry| Cell::Uuid(*entry.owner.as_uuid()),
        |into, cell| into.row.owner = ReplicaId::new(cell.uuid())),
    once("definition", ColumnKind::Text,
        |entry| text(&entry.row.definition).into(),
        |into, cell| into.row.row.definition = cell.text().into()),
    once("definition_hash", ColumnKind::Text,
        |entry| Cow::Borrowed(entry.row.definition_hash.as_str()).into(),
        |into, cell| into.row.row.definition_hash = DefinitionHash::new(cell.text())),
    once("created_us", ColumnKind::BigInt,
        |entry| entry.row.created.into(),
        |into, cell| into.row.row.created = cell.time().unwrap_or(EPOCH)),
    once("labels", ColumnKind::Text,
        |entry| json(&entry.row.labels),
        RowReading::labels),
    unread("seq", ColumnKind::BigInt,
        |entry| Cell::BigInt(frame::last_seq(entry))),
    always("epoch", ColumnKind::BigInt,
        |entry| Cell::BigInt(entry.row.epoch.get().into()),
        RowReading::epoch),
    always("state", ColumnKind::Text,
        |entry| text(&entry.row.state).into(),
        |into, cell| into.row.row.state = cell.text().into()),
    always("rollback", ColumnKind::Text,
        |entry| Cow::Borrowed(entry.row.rollback.into()).into(),
        RowReading::rollback),
    always("is_over", ColumnKind::Bool,
        |entry| Cell::Bool(entry.row.over),
        |into, cell| into.row.row.over = cell == Cell::Bool(true)),
    // The state once the saga is over: sagas are found by it, and it changes once.
    unread("final_state", ColumnKind::Text,
        |entry| if entry.row.over { text(&entry.row.state).into() } else { Cell::Null }),
    always("updated_us", ColumnKind::BigInt,
        |entry| entry.row.updated.into(),
        |into, cell| into.row.row.updated = cell.time().unwrap_or(EPOCH)),
    always("due_us", ColumnKind::BigInt,
        |entry| entry.row.due.map_or(Cell::Null, Into::into),
        |into, cell| into.row.row.due = cell.time()),
    always("blocked_us", ColumnKind::BigInt,
        |entry| entry.row.blocked_since.map_or(Cell::Null, Into::into),
        |into, cell| into.row.row.blocked_since = cell.time()),
    always("cause", ColumnKind::Text,
        |entry| entry.row.cause.as_deref().map_or(Cell::Null, |cause| text(cause).into()),
        |into, cell| into.row.row.cause = cell.some_text().map(Into::into)),
    unread("at_stake", ColumnKind::BigInt,
        |entry| entry.row.at_stake().map_or(Cell::Null, Cell::BigInt)),
    // The step or other event that has failed the saga: sagas are found by it, and it changes once.
    unread("failed_step", ColumnKind::Text,
        |entry| entry.row.failed_step().map_or(Cell::Null, |step| text(step).into())),
    always("summary", ColumnKind::Text,
        |entry| json(&entry.row.summary),
        RowReading::summary),
    // An append takes the mark away: a saga that can be appended to can be read.
    always("parked", ColumnKind::Text,
        |_| Cell::Null,
        |into, cell| into.row.parked = cell.some_text().map(Into::into)),
];

/// The Unix epoch.
const EPOCH: Timestamp = Timestamp::from_micros(0);

impl RowReading {
    /// Before anything is read.
    fn new() -> Self {
        let row = Row {
            definition: "".into(),
            definition_hash: DefinitionHash::new(""),
            labels: Labels::default(),
            state: "".into(),
            rollback: Rollback::None,
            epoch: Epoch::FIRST,
            blocked_since: None,
            cause: None,
            over: false,
            created: EPOCH,
            updated: EPOCH,
            due: None,
            summary: Summary::default(),
        };
        let saga = SagaId::new(Uuid::nil());
        Self { row: KeptRow { saga, owner: ReplicaId::NOBODY, row, parked: None }, damage: None }
    }

    fn labels(&mut self, cell: Cell<'_>) {
        match serde_json::from_str(cell.text()) {
            Ok(labels) => self.row.row.labels = labels,
            Err(error) => self.damaged(format_args!("its labels are {:?} ({error})", cell.text())),
        }
    }

    fn epoch(&mut self, cell: Cell<'_>) {
        let Cell::BigInt(epoch) = cell else { return };
        match serde_json::from_value(epoch.into()) {
            Ok(epoch) => self.row.row.epoch = epoch,
            Err(_) => self.damaged(format_args!("its epoch is {epoch}")),
        }
    }

    fn rollback(&mut self, cell: Cell<'_>) {
        match cell.text().parse() {
            Ok(rollback) => self.row.row.rollback = rollback,
            Err(_) => self.damaged(format_args!("its rollback is {:?}", cell.text())),
        }
    }

    fn summary(&mut self, cell: Cell<'_>) {
        match serde_json::from_str(cell.text()) {
            Ok(summary) => self.row.row.summary = summary,
            Err(error) => self.damaged(format_args!("its summary is {:?} ({error})", cell.text())),
        }
    }

    /// Only the first damage is reported.
    fn damaged(&mut self, what: std::fmt::Arguments<'_>) {
        self.damage.get_or_insert_with(|| what.to_string());
    }

    /// The row. A damaged row is parked, with the reason: an operator has to look at it, so it is shown in the
    /// operator's list, rather than skipped, and never fails the page that it is on.
    fn finish(mut self) -> KeptRow {
        if let Some(damage) = self.damage {
            tracing::error!(saga.id = %self.row.saga, "the saga's row is damaged: {damage}");
            self.row.parked = Some(format!("the saga's row is damaged: {damage}").into());
        }
        self.row
    }
}

/// Reads a row whose columns are those of [`read_columns`], in that order.
pub(crate) fn read_row<E>(
    mut cell: impl FnMut(usize, ColumnKind) -> Result<Cell<'static>, E>,
) -> Result<KeptRow, E> {
    let mut reading = RowReading::new();
    for (index, (kind, read)) in
        COLUMNS.iter().filter_map(|column| Some((column.kind, column.read?))).enumerate()
    {
        read(&mut reading, cell(index, kind)?);
    }
    Ok(reading.finish())
}

/// The names of the columns that rows are read from, in the order of [`read_row`].
pub(crate) fn read_columns() -> String {
    names(COLUMNS.iter().filter(|column| column.read.is_some()))
}

/// The names of columns, separated by commas.
pub(crate) fn names<'c>(columns: impl Iterator<Item = &'c Column>) -> String {
    columns.map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// The columns that an append to a saga that is there writes.
pub(crate) fn moved() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.written == Written::Always)
}

impl<'c> From<Cow<'c, str>> for Cell<'c> {
    fn from(text: Cow<'c, str>) -> Self {
        Self::Text(text)
    }
}

impl From<Timestamp> for Cell<'_> {
    fn from(at: Timestamp) -> Self {
        Self::BigInt(at.as_micros())
    }
}

impl Cell<'_> {
    pub(crate) fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Uuid(uuid) => Cell::Uuid(uuid),
            Self::BigInt(number) => Cell::BigInt(number),
            Self::Text(text) => Cell::Text(text.into_owned().into()),
            Self::Bool(value) => Cell::Bool(value),
        }
    }

    fn uuid(&self) -> Uuid {
        if let Self::Uuid(uuid) = self { *uuid } else { Uuid::nil() }
    }

    fn time(&self) -> Option<Timestamp> {
        if let Self::BigInt(us) = self { Some(Timestamp::from_micros(*us)) } else { None }
    }

    fn text(&self) -> &str {
        self.some_text().unwrap_or_default()
    }

    fn some_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// JSON whose texts are fit for a column.
fn json(value: &impl serde::Serialize) -> Cell<'static> {
    let json = serde_json::to_string(value).expect("it has no maps with odd keys and writes to memory");
    // PostgreSQL reads no member of a text with this escape. A backslash before it would make it another text's.
    let fit = if json.contains("\\u0000") { without_nul(&json) } else { json };
    Cell::Text(fit.into())
}

/// The JSON with U+FFFD for every NUL.
fn without_nul(json: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(json).expect("it was just written");
    clean(&mut value);
    value.to_string()
}

fn clean(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(string) => *string = text(string).into_owned(),
        serde_json::Value::Array(items) => items.iter_mut().for_each(clean),
        serde_json::Value::Object(members) => members.values_mut().for_each(clean),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

/// `text` without NUL, which a participant may send but PostgreSQL's TEXT cannot hold and SQLite's tools cut at.
/// Events are not concerned: JSON escapes it.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// How many rows a page has when `limit` are asked for: at least one, and at most [`ROWS_MAX`].
pub(crate) fn page_rows(limit: usize) -> usize {
    limit.clamp(1, ROWS_MAX)
}

impl Page {
    /// The first `limit` of `rows`, and where the next page begins if there are more.
    pub(crate) fn cut(mut rows: Vec<KeptRow>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next =
            rows.last().filter(|_| more).map(|row| Cursor { created: row.row.created, saga: row.saga });
        Self { rows, next }
    }
}
