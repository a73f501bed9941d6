//! Values on their way into SQLite's columns, and out of them.

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Row, ToSql};
use uuid::Uuid;

use super::string;
use crate::KeptRow;
use crate::columns::{Cell, ColumnKind, read_row};

/// A row that was selected with [`read_columns`](crate::columns::read_columns).
pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<KeptRow> {
    read_row(|index, kind| {
        if row.get_ref(index)? == ValueRef::Null {
            return Ok(Cell::Null);
        }
        Ok(match kind {
            // An owner that is no id counts as no owner: the saga can be claimed.
            ColumnKind::Uuid => {
                row.get(index).map_or(Cell::Null, |bytes| Cell::Uuid(Uuid::from_bytes(bytes)))
            }
            ColumnKind::BigInt => Cell::BigInt(row.get(index)?),
            ColumnKind::Text => Cell::Text(string(row, index)?.into()),
            ColumnKind::Bool => Cell::Bool(row.get(index)?),
        })
    })
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Uuid(uuid) => ToSqlOutput::Borrowed(ValueRef::Blob(uuid.as_bytes())),
            Self::BigInt(number) => ToSqlOutput::Owned(Value::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bool(value) => ToSqlOutput::Owned(Value::Integer((*value).into())),
        })
    }
}
