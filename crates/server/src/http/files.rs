//! The number of connections that the operating system leaves room for. A connection is an open file, and so are
//! every call to a participant and every file of the store: the files of clients are limited by the needs of the
//! others.

use anyhow::bail;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files for everything but clients and calls: standard streams, the listener, the runtime, the store (four readers
/// and a writer of SQLite, or PostgreSQL's connections) and `connections_extra`.
const FILES_KEPT: u64 = 48;
/// Files of each lane: its runtime's queue of events (two files), its waker, and its end of the socket of signals.
const FILES_PER_LANE: u64 = 4;
/// Files that most systems allow a process, and that are enough for some hundred connections.
const FILES_ADVISED: u64 = 1_024;
/// With fewer connections a process is of no use.
const CONNECTIONS_MIN: u64 = 8;

/// Raises the soft limit of open files to the hard one, and returns the result; `None`: unlimited.
pub(super) fn limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // The soft limit is low for programs that use `select`. If it cannot be raised, it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.or(current)
}

/// The files that calls to participants may need.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CallFiles {
    /// Participants. An order calls one after the other, and the connection to each stays open for the next order.
    pub(crate) participants: usize,
    /// Calls at the same time, to all of them.
    pub(crate) calls_max: usize,
}

/// The number of connections: `asked`, or fewer if `files` may be open, and lanes and calls need some of them.
pub(super) fn connections(
    asked: usize,
    files: Option<u64>,
    lanes: usize,
    calls: CallFiles,
) -> anyhow::Result<usize> {
    let Some(files) = files else { return Ok(asked) };
    let kept = FILES_KEPT + FILES_PER_LANE * lanes as u64;
    let free = files.saturating_sub(kept);
    // One file for each participant is enough for a client's order.
    let for_clients = free / (calls.participants as u64 + 1);
    let for_calls = (calls.calls_max as u64).min(free - for_clients);
    let room = free - for_calls;
    if room < CONNECTIONS_MIN {
        let enough = FILES_ADVISED.max(2 * kept);
        bail!(
            "this process may open {files} files, which leaves no room for connections; allow it {enough} or more \
             (ulimit -n {enough}, or LimitNOFILE= in a systemd unit)"
        );
    }
    Ok(asked.min(usize::try_from(room).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_the_store_and_the_participants() {
        let calls = |participants, calls_max| CallFiles { participants, calls_max };
        for (asked, files, calls, expected) in [
            (10_000, None, calls(4, 1_024), 10_000),
            (10_000, Some(65_536), calls(4, 1_024), 10_000),
            (10_000, Some(1_024), calls(4, 1_024), 195),
            (10_000, Some(1_024), calls(4, 100), 876),
            (10_000, Some(1_024), calls(1, 1_024), 488),
            (10_000, Some(128), calls(4, 1_024), 16),
            (10_000, Some(128), calls(0, 0), 80),
            (10, Some(128), calls(4, 1_024), 10),
            (10_000, Some(88), calls(4, 1_024), 8),
            (5, Some(u64::MAX), calls(4, usize::MAX), 5),
        ] {
            assert_eq!(connections(asked, files, 0, calls).unwrap(), expected, "{asked} {files:?} {calls:?}");
        }
        for files in [0, 48, 87] {
            let error = connections(10_000, Some(files), 0, calls(4, 1_024)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("this process may open {files} files")), "{error}");
        }
        for (files, lanes, expected) in [(128, 2, 14), (1_024, 2, 193), (1_024, 64, 144)] {
            let fit = connections(10_000, Some(files), lanes, calls(4, 1_024)).unwrap();
            assert_eq!(fit, expected, "{files} files, {lanes} lanes");
        }
        let error = connections(10_000, Some(1_024), 256, calls(4, 1_024)).unwrap_err().to_string();
        assert!(error.contains("ulimit -n 2144"), "{error}");
    }
}
