//! The lock that keeps a second process away from the file.
//!
//! It is on a file of its own: a lock on the database's would meet SQLite's own locks, and be lost when any of its
//! handles is closed. The lock file stays when the program ends; only the lock is given back.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::OpenError;

/// How often the lock is tried, for a second in all: a process that was just killed may still be on its way out, and
/// a child that it was starting holds its files for a moment.
const ATTEMPTS_MAX: u32 = 20;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Held for as long as it lives.
pub(super) struct Lock {
    _file: File,
}

/// The file's path with all links followed, so that one file has one lock. Its directory must be there.
pub(super) fn real_path(path: &Path) -> Result<PathBuf, OpenError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().ok_or_else(|| OpenError::File {
        path: path.to_owned(),
        reason: "the path does not name a file".to_owned(),
    })?;
    let unusable = |source| OpenError::Directory { path: directory.to_owned(), source };
    if !directory.metadata().map_err(unusable)?.is_dir() {
        return Err(unusable(std::io::ErrorKind::NotADirectory.into()));
    }
    let whole = path.canonicalize().or_else(|_| directory.canonicalize().map(|real| real.join(name)));
    whole.map_err(unusable)
}

/// Makes the database's file, if there is none, so that only its owner can read it: orders have amounts, and addresses of callbacks. SQLite gives the files beside it the same mode. A
/// file that is there keeps its own.
pub(super) fn for_its_owner_alone(path: &Path) -> Result<(), OpenError> {
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(OpenError::File { path: path.to_owned(), reason: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// Takes the lock of the database at `path`.
pub(super) fn take(path: &Path) -> Result<Lock, OpenError> {
    let mut lock_path = OsString::from(path);
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let denied =
        |error: std::io::Error| OpenError::File { path: lock_path.clone(), reason: error.to_string() };
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .map_err(denied)?;
    let mut result = file.try_lock();
    for _ in 1..ATTEMPTS_MAX {
        if !matches!(result, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(PAUSE);
        result = file.try_lock();
    }
    match result {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: lock_path }),
        Err(TryLockError::Error(error)) => Err(denied(error)),
    }
}
