//! Whether a file is whole.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{BUSY_TIMEOUT, lock, why};
use crate::OpenError;

/// Findings of a check that are told.
const FINDINGS_MAX: u32 = 20;

/// How closely a file is looked at. Either reads all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// Every page, and the rows in it.
    Quick,
    /// Also that each index has the rows of its table, which takes several times as long.
    Whole,
}

/// The result of [`check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChecked {
    /// Its size, without the `-wal`.
    pub bytes: u64,
    /// The first damaged places, in SQLite's words. Empty: there are none.
    pub findings: Vec<String>,
}

/// Reads the whole file, which may be in use, and changes nothing. Blocks for as long as the disk takes.
pub fn check(path: &Path, depth: CheckDepth) -> Result<FileChecked, OpenError> {
    let path = lock::real_path(path)?;
    let unfit = |reason: String| OpenError::File { path: path.clone(), reason };
    if !path.is_file() {
        return Err(unfit("there is no such file".to_owned()));
    }
    let bytes = path.metadata().map_err(|error| unfit(error.to_string()))?.len();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let pragma = match depth {
            CheckDepth::Quick => "quick_check",
            CheckDepth::Whole => "integrity_check",
        };
        let mut statement = connection.prepare(&format!("PRAGMA {pragma}({FINDINGS_MAX})"))?;
        let findings = statement.query_map([], |row| row.get(0))?;
        findings.collect()
    };
    let findings = match read() {
        Ok(findings) => findings.into_iter().filter(|finding| finding != "ok").collect(),
        // A page without which nothing else can be read.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            vec![error.to_string()]
        }
        Err(error) => return Err(why(&path, error)),
    };
    Ok(FileChecked { bytes, findings })
}
