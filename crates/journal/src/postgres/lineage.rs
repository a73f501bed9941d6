//! Which database a connection leads to: its system identifier, and its timeline, a number that PostgreSQL raises whenever a
//! standby is promoted.
//!
//! After a failover the former primary may come back, writable, and knows nothing of its successor. Orders that are written there are
//! lost. So each connection tells where it leads before it is used, and a process that has seen a higher timeline refuses
//! a lower one, whatever the address says. The journal keeps the highest one, too: a process that starts at the successor cannot
//! be led back. A process that starts and only ever sees the former primary cannot know.
//!
//! A server that does not tell (a relative of PostgreSQL, or a role without the right) is believed, which the log says once.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_postgres::Row;

/// A database, as its server tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseIdentity {
    /// The number that `initdb` drew, and that all standbys share.
    system: i64,
    timeline: i64,
}

impl DatabaseIdentity {
    pub(super) const fn new(system: i64, timeline: i64) -> Self {
        Self { system, timeline }
    }

    /// From the columns of `sql::WHERE_IT_LEADS` behind the first one; `None`: the server does not tell.
    pub(super) fn told(row: &Row) -> Option<Self> {
        let system = row.try_get::<_, Option<i64>>(1).ok()??;
        let file = row.try_get::<_, Option<&str>>(2).ok()??;
        Some(Self { system, timeline: timeline(file)? })
    }

    pub(super) const fn system(self) -> i64 {
        self.system
    }

    pub(super) const fn timeline(self) -> i64 {
        self.timeline
    }
}

/// The timeline in the name of a file of the write-ahead log, whose first eight digits it is. The server's control file has it
/// as well, but only from the first checkpoint after a promotion on.
fn timeline(file: &str) -> Option<i64> {
    file.get(..8).and_then(|digits| i64::from_str_radix(digits, 16).ok())
}

impl fmt::Display for DatabaseIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // PostgreSQL's programs show it without a sign.
        write!(f, "timeline {} of system {}", self.timeline, self.system.cast_unsigned())
    }
}

/// The highest database that a process has seen.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    seen: Mutex<SeenLineage>,
    /// The timeline of `seen`, or 0.
    timeline: AtomicI64,
    refused: AtomicU64,
    /// Whether `seen` is higher than the journal may have noted.
    owes_a_note: AtomicBool,
    /// Said once.
    untold: AtomicBool,
}

#[derive(Debug, Default)]
struct SeenLineage {
    highest: Option<DatabaseIdentity>,
    /// The last one that was refused, which is logged once.
    refused: Option<DatabaseIdentity>,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineageVerdict {
    /// It leads where the others do.
    Known,
    /// It leads further than any before.
    Raised,
    /// It is not to be used.
    Refused,
}

impl Lineage {
    /// Decides about a connection, and logs and counts a refusal.
    pub(super) fn admit(&self, found: DatabaseIdentity) -> Result<(), String> {
        let mut seen = self.lock();
        match judge(seen.highest, found) {
            LineageVerdict::Refused => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                let highest = seen.highest.unwrap_or(found);
                let reason = refusal(found, highest);
                if seen.refused.replace(found) != Some(found) {
                    tracing::error!(
                        found = %found,
                        seen = %highest,
                        "a writable database is refused: {reason}; see docs/high-availability.md"
                    );
                }
                Err(reason)
            }
            LineageVerdict::Raised => {
                if let Some(before) = seen.highest {
                    tracing::warn!(before = %before, now = %found, "the database has failed over: it is on {found} now");
                }
                seen.highest = Some(found);
                seen.refused = None;
                self.timeline.store(found.timeline, Ordering::Release);
                self.owes_a_note.store(true, Ordering::Release);
                Ok(())
            }
            LineageVerdict::Known => Ok(()),
        }
    }

    /// Whether a connection that was admitted then may still be used.
    pub(super) fn is_current(&self, admitted: Option<DatabaseIdentity>) -> bool {
        admitted.is_none_or(|admitted| admitted.timeline >= self.timeline.load(Ordering::Acquire))
    }

    /// Whether the highest database is still to be noted in the journal.
    pub(super) fn owes_a_note(&self) -> bool {
        self.owes_a_note.load(Ordering::Acquire)
    }

    /// The journal has noted it.
    pub(super) fn is_noted(&self) {
        self.owes_a_note.store(false, Ordering::Release);
    }

    /// The server does not tell where its connections lead.
    pub(super) fn is_untold(&self, reason: &str) {
        if !self.untold.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "this database does not tell its system identifier and timeline ({reason}), so a former primary that comes \
                 back after a failover is not recognized: see docs/high-availability.md"
            );
        }
    }

    /// Whether it is known that the server does not tell.
    pub(super) fn tells(&self) -> bool {
        !self.untold.load(Ordering::Relaxed)
    }

    /// Connections that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The timeline of the highest database, if one was seen that tells.
    pub(super) fn timeline(&self) -> Option<i64> {
        Some(self.timeline.load(Ordering::Relaxed)).filter(|timeline| *timeline > 0)
    }

    fn lock(&self) -> MutexGuard<'_, SeenLineage> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rule, for what a process has seen and for what the journal keeps.
pub(super) fn judge(seen: Option<DatabaseIdentity>, found: DatabaseIdentity) -> LineageVerdict {
    match seen {
        None => LineageVerdict::Raised,
        Some(seen) if seen.system != found.system || found.timeline < seen.timeline => {
            LineageVerdict::Refused
        }
        Some(seen) if found.timeline > seen.timeline => LineageVerdict::Raised,
        Some(_) => LineageVerdict::Known,
    }
}

/// Why a database is refused, for operators.
fn refusal(found: DatabaseIdentity, seen: DatabaseIdentity) -> String {
    if found.system != seen.system {
        format!("it is another database: {found}, while this process has used {seen}")
    } else {
        format!(
            "it is a former primary: {found}, while this process has seen {seen}; what is written there is lost"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: DatabaseIdentity = DatabaseIdentity::new(-7, 9);
    const PROMOTED: DatabaseIdentity = DatabaseIdentity::new(-7, 10);

    #[test]
    fn the_timeline_is_read_from_the_name_of_a_log_file() {
        assert_eq!(timeline("0000000A0000000000000003"), Some(10));
        for odd in ["", "0000001", "é0000001", "zzzzzzzz0000000000000003"] {
            assert_eq!(timeline(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_the_same_database_or_its_successor_is_admitted() {
        assert_eq!(judge(None, FIRST), LineageVerdict::Raised);
        assert_eq!(judge(Some(FIRST), FIRST), LineageVerdict::Known);
        assert_eq!(judge(Some(FIRST), PROMOTED), LineageVerdict::Raised);
        assert_eq!(judge(Some(PROMOTED), FIRST), LineageVerdict::Refused);
        for timeline in [1, 9, 20] {
            assert_eq!(judge(Some(FIRST), DatabaseIdentity::new(8, timeline)), LineageVerdict::Refused);
        }
    }

    #[test]
    fn connections_to_the_former_primary_are_not_used_once_its_successor_was_seen() {
        let lineage = Lineage::default();
        assert_eq!((lineage.admit(FIRST), lineage.timeline()), (Ok(()), Some(9)));
        assert!(lineage.is_current(Some(FIRST)) && lineage.is_current(None));
        lineage.is_noted();
        assert_eq!(lineage.admit(PROMOTED), Ok(()));
        assert!(lineage.owes_a_note());
        assert!(!lineage.is_current(Some(FIRST)) && lineage.is_current(Some(PROMOTED)));
        let reason = lineage.admit(FIRST).unwrap_err();
        assert!(reason.contains("timeline 9 of system 18446744073709551609"), "{reason}");
        assert!(reason.contains("former primary"), "{reason}");
        assert!(lineage.admit(DatabaseIdentity::new(8, 11)).unwrap_err().contains("another database"));
        assert_eq!((lineage.refused(), lineage.timeline()), (2, Some(10)));
    }
}
