//! A few connections for reading, so that a long list does not hold up a saga that is being loaded.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::place::OpenedFile;
use crate::Unavailable;

/// Connections for reading. More would only queue for the same two or four cores.
const READERS_MAX: usize = 4;

/// Opened when they are first needed, and kept.
pub(super) struct Readers {
    place: OpenedFile,
    pool: Mutex<ReaderPool>,
    returned: Condvar,
}

#[derive(Default)]
struct ReaderPool {
    idle: Vec<Connection>,
    lent: usize,
}

impl Readers {
    pub(super) fn new(place: OpenedFile) -> Self {
        Self { place, pool: Mutex::default(), returned: Condvar::new() }
    }

    pub(super) fn place(&self) -> &OpenedFile {
        &self.place
    }

    /// Runs a query, when a connection is free. Blocks its thread.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Unavailable> {
        let mut loan = self.borrow();
        let result = query(loan.connection()?);
        if result.is_err() {
            // A fresh connection cannot be worse than a connection whose query failed.
            loan.connection = None;
        }
        result.map_err(|error| self.place.failed(&error))
    }

    fn borrow(&self) -> Loan<'_> {
        let mut pool = self
            .returned
            .wait_while(self.lock(), |pool| pool.lent == READERS_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        pool.lent += 1;
        Loan { readers: self, connection: pool.idle.pop() }
    }

    fn lock(&self) -> MutexGuard<'_, ReaderPool> {
        // The pool is whole between any two statements that can panic.
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that comes back by itself, even if the query panics.
struct Loan<'r> {
    readers: &'r Readers,
    connection: Option<Connection>,
}

impl Loan<'_> {
    /// Connections that are open go on reading the file that they opened; a new one must not read another.
    fn connection(&mut self) -> Result<&Connection, Unavailable> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => {
                let place = &self.readers.place;
                place.check_database()?;
                let opened = super::connect(place.path(), OpenFlags::SQLITE_OPEN_READ_WRITE);
                let connection = opened.and_then(|connection| {
                    connection.execute_batch("PRAGMA query_only = ON").map(|()| connection)
                });
                let connection = connection.map_err(|error| self.readers.place.failed(&error))?;
                place.check_database()?;
                Ok(none.insert(connection))
            }
        }
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.lock();
        pool.lent -= 1;
        pool.idle.extend(self.connection.take());
        self.readers.returned.notify_one();
    }
}
