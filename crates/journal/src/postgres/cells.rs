//! Values on their way into PostgreSQL's columns, and out of them.

use std::borrow::Cow;

use saga_core::definition::DefinitionHash;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::KeptRow;
use crate::columns::{Cell, ColumnKind, read_row};
use crate::frame::{Frame, Head};

/// One column of a batch: its values, each of which may be NULL.
pub(super) enum Array<'c> {
    Uuid(Vec<Option<Uuid>>),
    BigInt(Vec<Option<i64>>),
    Text(Vec<Option<Cow<'c, str>>>),
    Bool(Vec<Option<bool>>),
}

impl<'c> Array<'c> {
    /// An empty one with room.
    pub(super) fn of(kind: ColumnKind, room: usize) -> Self {
        match kind {
            ColumnKind::Uuid => Self::Uuid(Vec::with_capacity(room)),
            ColumnKind::BigInt => Self::BigInt(Vec::with_capacity(room)),
            ColumnKind::Text => Self::Text(Vec::with_capacity(room)),
            ColumnKind::Bool => Self::Bool(Vec::with_capacity(room)),
        }
    }

    /// Adds a value of that kind.
    pub(super) fn push(&mut self, cell: Cell<'c>) {
        match (self, cell) {
            (Self::Uuid(values), Cell::Uuid(value)) => values.push(Some(value)),
            (Self::BigInt(values), Cell::BigInt(value)) => values.push(Some(value)),
            (Self::Text(values), Cell::Text(value)) => values.push(Some(value)),
            (Self::Bool(values), Cell::Bool(value)) => values.push(Some(value)),
            (Self::Uuid(values), _) => values.push(None),
            (Self::BigInt(values), _) => values.push(None),
            (Self::Text(values), _) => values.push(None),
            (Self::Bool(values), _) => values.push(None),
        }
    }

    /// As a parameter.
    pub(super) fn bind(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Uuid(values) => (values, Type::UUID_ARRAY),
            Self::BigInt(values) => (values, Type::INT8_ARRAY),
            Self::Text(values) => (values, Type::TEXT_ARRAY),
            Self::Bool(values) => (values, Type::BOOL_ARRAY),
        }
    }
}

/// A row of [`LOAD`](super::sql::LOAD): the place of its saga among those that were asked for, counted from 0, and what there is of that saga.
#[expect(clippy::type_complexity, reason = "the columns of one query")]
pub(super) fn loaded(row: &Row) -> Result<(usize, Option<Head>, Option<Frame<&str>>), tokio_postgres::Error> {
    let place: i64 = row.try_get(0)?;
    let head = match (row.try_get(1)?, row.try_get::<_, Option<&str>>(2)?) {
        (Some(seq), Some(hash)) => Some(Head { seq, definition_hash: DefinitionHash::new(hash) }),
        _ => None,
    };
    let frame = match (row.try_get(3)?, row.try_get(4)?) {
        (Some(first_seq), Some(events)) => Some(Frame { first_seq, events }),
        _ => None,
    };
    Ok((usize::try_from(place - 1).unwrap_or(usize::MAX), head, frame))
}

/// One value as a parameter.
pub(super) fn bind<'p>(cell: &'p Cell<'_>) -> (&'p (dyn ToSql + Sync), Type) {
    match cell {
        Cell::Null => (&None::<&str>, Type::TEXT),
        Cell::Uuid(value) => (value, Type::UUID),
        Cell::BigInt(value) => (value, Type::INT8),
        Cell::Text(value) => (value, Type::TEXT),
        Cell::Bool(value) => (value, Type::BOOL),
    }
}

/// One value of a column of that kind as a parameter.
pub(super) fn bind_as<'p>(kind: ColumnKind, cell: &'p Cell<'_>) -> (&'p (dyn ToSql + Sync), Type) {
    match (kind, cell) {
        (ColumnKind::Uuid, Cell::Null) => (&None::<Uuid>, Type::UUID),
        (ColumnKind::BigInt, Cell::Null) => (&None::<i64>, Type::INT8),
        (ColumnKind::Bool, Cell::Null) => (&None::<bool>, Type::BOOL),
        (ColumnKind::Text, Cell::Null) | (_, _) => bind(cell),
    }
}

/// A row that was selected with [`read_columns`](crate::columns::read_columns).
pub(super) fn row(row: &Row) -> Result<KeptRow, tokio_postgres::Error> {
    read_row(|index, kind| {
        Ok(match kind {
            ColumnKind::Uuid => row.try_get::<_, Option<_>>(index)?.map(Cell::Uuid),
            ColumnKind::BigInt => row.try_get::<_, Option<_>>(index)?.map(Cell::BigInt),
            ColumnKind::Text => row.try_get::<_, Option<String>>(index)?.map(|text| Cell::Text(text.into())),
            ColumnKind::Bool => row.try_get::<_, Option<_>>(index)?.map(Cell::Bool),
        }
        .unwrap_or(Cell::Null))
    })
}
