//! How many connections the operating system leaves room for. A connection is an open file, and so is every
//! call to a participant and everything of the store: what clients could use up is bounded by what the others
//! need.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files for everything but clients and calls: standard streams, the listener, the runtime, the store (four
/// readers and a writer of SQLite, or PostgreSQL's connections) and `connections_extra`.
const FILES_KEPT: u64 = 48;
/// With less than this many connections a process is of no use.
const CONNECTIONS_MIN: u64 = 8;

/// Raises the soft limit of open files to the hard one, and gives what then holds; `None`: unlimited.
pub(super) fn limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // The soft limit is low for the sake of programs that use `select`. What cannot be raised stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.or(current)
}

/// How many connections there can be: `asked`, or fewer where `files` may be open and the participants may
/// need `calls_max` of them.
pub(super) fn connections(asked: usize, files: Option<u64>, calls_max: usize) -> anyhow::Result<usize> {
    let Some(files) = files else { return Ok(asked) };
    let free = files.saturating_sub(FILES_KEPT);
    // An order makes one call at a time: half of what there is is enough for as many calls as clients.
    let calls = (calls_max as u64).min(free / 2);
    let room = free - calls;
    if room < CONNECTIONS_MIN {
        bail!(
            "this process may open {files} files, which leaves no room for connections; allow it 1024 or more \
             (ulimit -n 1024, or LimitNOFILE= in a systemd unit)"
        );
    }
    Ok(asked.min(usize::try_from(room).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_store_and_the_participants() {
        for (asked, files, calls_max, expected) in [
            (10_000, None, 1_024, 10_000),
            (10_000, Some(65_536), 1_024, 10_000),
            (10_000, Some(1_024), 1_024, 488),
            (10_000, Some(1_024), 100, 876),
            (10_000, Some(128), 1_024, 40),
            (20, Some(128), 1_024, 20),
            (10_000, Some(64), 1_024, 8),
            (usize::MAX, Some(u64::MAX), usize::MAX, (u64::MAX - 48 - (u64::MAX - 48) / 2) as usize),
        ] {
            let found = connections(asked, files, calls_max).unwrap();
            assert_eq!(found, expected, "{asked} {files:?} {calls_max}");
        }
        for files in [0, 48, 62] {
            let error = connections(10_000, Some(files), 1_024).unwrap_err().to_string();
            assert!(error.starts_with(&format!("this process may open {files} files")), "{error}");
        }
    }
}
