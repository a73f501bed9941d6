//! The forms of this crate's values in columns, and the error of a column with another value.

use std::error::Error as StdError;

use rusqlite::{
    ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Type, ValueRef},
};

use crate::Centimes;

/// A column with a value that this program did not write.
pub(crate) fn bad_column(error: impl StdError + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

impl ToSql for Centimes {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.get().into())
    }
}

impl FromSql for Centimes {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::new(i64::column_result(value)?).map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}
