//! Which steps a schema is still missing. Forward only; each step's SQL is pinned by its checksum.
//!
//! The steps are SQL files embedded in the program. The table `saga_migration` keeps the steps that were applied; each
//! backend reads it, asks [`pending`], and applies the rest, each step in one transaction with its row.

use sha2::{Digest, Sha256};

use crate::OpenError;

/// One step of a schema.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// Counted from 1 without gaps.
    pub(crate) version: i64,
    /// The step's name, shown to readers of the table.
    pub(crate) name: &'static str,
    /// One or more statements.
    pub(crate) sql: &'static str,
}

/// The steps for SQLite.
pub(crate) const SQLITE: &[Migration] = &[
    Migration { version: 1, name: "sagas", sql: include_str!("../migrations/sqlite/0001_sagas.sql") },
    Migration { version: 2, name: "ownership", sql: include_str!("../migrations/sqlite/0002_ownership.sql") },
    Migration {
        version: 3,
        name: "blocked_since",
        sql: include_str!("../migrations/sqlite/0003_blocked_since.sql"),
    },
    Migration {
        version: 4,
        name: "definition_format",
        sql: include_str!("../migrations/sqlite/0004_definition_format.sql"),
    },
    Migration { version: 5, name: "commands", sql: include_str!("../migrations/sqlite/0005_commands.sql") },
    Migration { version: 6, name: "rows", sql: include_str!("../migrations/sqlite/0006_rows.sql") },
    Migration {
        version: 7,
        name: "event_frames",
        sql: include_str!("../migrations/sqlite/0007_event_frames.sql"),
    },
    Migration {
        version: 8,
        name: "definitions",
        sql: include_str!("../migrations/sqlite/0008_definitions.sql"),
    },
    Migration { version: 9, name: "asleep", sql: include_str!("../migrations/sqlite/0009_asleep.sql") },
    Migration { version: 10, name: "deeds", sql: include_str!("../migrations/sqlite/0010_deeds.sql") },
    Migration { version: 11, name: "figures", sql: include_str!("../migrations/sqlite/0011_figures.sql") },
    Migration { version: 12, name: "causes", sql: include_str!("../migrations/sqlite/0012_causes.sql") },
    Migration { version: 13, name: "sessions", sql: include_str!("../migrations/sqlite/0013_sessions.sql") },
    Migration { version: 14, name: "bulk", sql: include_str!("../migrations/sqlite/0014_bulk.sql") },
    Migration { version: 15, name: "failed", sql: include_str!("../migrations/sqlite/0015_failed.sql") },
    Migration { version: 16, name: "numbers", sql: include_str!("../migrations/sqlite/0016_numbers.sql") },
    Migration { version: 17, name: "owner", sql: include_str!("../migrations/sqlite/0017_owner.sql") },
];

/// The steps for PostgreSQL.
pub(crate) const POSTGRES: &[Migration] = &[
    Migration { version: 1, name: "sagas", sql: include_str!("../migrations/postgres/0001_sagas.sql") },
    Migration {
        version: 2,
        name: "ownership",
        sql: include_str!("../migrations/postgres/0002_ownership.sql"),
    },
    Migration {
        version: 3,
        name: "replica_statistics",
        sql: include_str!("../migrations/postgres/0003_replica_statistics.sql"),
    },
    Migration {
        version: 4,
        name: "blocked_since",
        sql: include_str!("../migrations/postgres/0004_blocked_since.sql"),
    },
    Migration {
        version: 5,
        name: "definition_format",
        sql: include_str!("../migrations/postgres/0005_definition_format.sql"),
    },
    Migration { version: 6, name: "commands", sql: include_str!("../migrations/postgres/0006_commands.sql") },
    Migration { version: 7, name: "rows", sql: include_str!("../migrations/postgres/0007_rows.sql") },
    Migration {
        version: 8,
        name: "definitions",
        sql: include_str!("../migrations/postgres/0008_definitions.sql"),
    },
    Migration { version: 9, name: "asleep", sql: include_str!("../migrations/postgres/0009_asleep.sql") },
    Migration { version: 10, name: "deeds", sql: include_str!("../migrations/postgres/0010_deeds.sql") },
    Migration { version: 11, name: "feed", sql: include_str!("../migrations/postgres/0011_feed.sql") },
    Migration { version: 12, name: "figures", sql: include_str!("../migrations/postgres/0012_figures.sql") },
    Migration { version: 13, name: "causes", sql: include_str!("../migrations/postgres/0013_causes.sql") },
    Migration {
        version: 14,
        name: "sessions",
        sql: include_str!("../migrations/postgres/0014_sessions.sql"),
    },
    Migration { version: 15, name: "bulk", sql: include_str!("../migrations/postgres/0015_bulk.sql") },
    Migration { version: 16, name: "failed", sql: include_str!("../migrations/postgres/0016_failed.sql") },
    Migration {
        version: 17,
        name: "short_records",
        sql: include_str!("../migrations/postgres/0017_short_records.sql"),
    },
    Migration {
        version: 18,
        name: "first_statistics",
        sql: include_str!("../migrations/postgres/0018_first_statistics.sql"),
    },
    Migration { version: 19, name: "owner", sql: include_str!("../migrations/postgres/0019_owner.sql") },
    Migration {
        version: 20,
        name: "database",
        sql: include_str!("../migrations/postgres/0020_database.sql"),
    },
    Migration {
        version: 21,
        name: "retention",
        sql: include_str!("../migrations/postgres/0021_retention.sql"),
    },
];

/// A step that was applied, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedStep {
    pub(crate) version: i64,
    pub(crate) checksum: String,
}

impl Migration {
    /// The SHA-256 of the SQL, in hex.
    pub(crate) fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The steps of `known` that are not among `applied`, which come in the order of their versions.
pub(crate) fn pending<'k>(
    known: &'k [Migration],
    applied: &[AppliedStep],
) -> Result<&'k [Migration], OpenError> {
    let newest_known = known.last().map_or(0, |migration| migration.version);
    if let Some(found) = applied.last().map(|step| step.version).filter(|found| *found > newest_known) {
        return Err(OpenError::SchemaNewer { found, known: newest_known });
    }
    for (migration, step) in known.iter().zip(applied) {
        if step.version != migration.version || step.checksum != migration.checksum() {
            return Err(OpenError::SchemaChanged { version: migration.version });
        }
    }
    // Rows left over would be a version twice or one below 1: not made by any release.
    known.get(applied.len()..).ok_or(OpenError::SchemaChanged { version: newest_known })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[Migration] = &[
        Migration { version: 1, name: "one", sql: "CREATE TABLE a (b BIGINT)" },
        Migration { version: 2, name: "two", sql: "CREATE TABLE c (d BIGINT)" },
    ];

    fn applied(steps: &[Migration]) -> Vec<AppliedStep> {
        steps.iter().map(|m| AppliedStep { version: m.version, checksum: m.checksum() }).collect()
    }

    fn versions(pending: Result<&[Migration], OpenError>) -> Vec<i64> {
        pending.unwrap().iter().map(|m| m.version).collect()
    }

    #[test]
    fn only_what_is_missing_is_pending() {
        assert_eq!(versions(pending(KNOWN, &[])), [1, 2]);
        assert_eq!(versions(pending(KNOWN, &applied(&KNOWN[..1]))), [2]);
        assert_eq!(versions(pending(KNOWN, &applied(KNOWN))), [0; 0]);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let error = pending(&KNOWN[..1], &applied(KNOWN)).unwrap_err();
        assert!(matches!(error, OpenError::SchemaNewer { found: 2, known: 1 }), "{error}");
    }

    #[test]
    fn a_step_made_by_other_sql_is_refused() {
        let mut steps = applied(KNOWN);
        steps[0].checksum.replace_range(..1, "x");
        assert!(matches!(pending(KNOWN, &steps), Err(OpenError::SchemaChanged { version: 1 })));
        assert!(matches!(
            pending(KNOWN, &applied(&KNOWN[1..])),
            Err(OpenError::SchemaChanged { version: 1 })
        ));
    }

    #[test]
    fn versions_count_from_one_without_gaps() {
        for known in [SQLITE, POSTGRES] {
            for (index, migration) in known.iter().enumerate() {
                assert_eq!(migration.version, index as i64 + 1, "{}", migration.name);
            }
        }
    }
}
