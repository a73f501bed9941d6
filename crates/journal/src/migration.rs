//! Which steps a schema is still missing, and whether this program may use one that a newer program has made. Forward only; each
//! step's SQL is pinned by its checksum.
//!
//! The steps are SQL files embedded in the program. The table `saga_migration` keeps the steps that were applied; each
//! backend reads it, asks [`pending`], and applies the rest, each step in one transaction with its row.
//!
//! The first line of a step says what it asks of the programs that use the journal from then on, older ones too:
//!
//! ```text
//!   -- expands; needs 22      it adds: a program that knows version 22 goes on, and may be started anew
//!   -- contracts; needs 23    it takes away what no program that knows version 23 uses
//! ```
//!
//! That number is kept in the step's row. A step without such a line (all those of before there was a rule) needs a program that
//! knows it. `docs/upgrades.md` says what a step may do that expands; a test holds them to it. One number is raised later: that of the
//! step of incarnations, when a second one begins.

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
    Migration { version: 18, name: "needs", sql: include_str!("../migrations/sqlite/0018_needs.sql") },
    Migration {
        version: 19,
        name: "incarnation",
        sql: include_str!("../migrations/sqlite/0019_incarnation.sql"),
    },
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
    Migration { version: 22, name: "needs", sql: include_str!("../migrations/postgres/0022_needs.sql") },
    Migration { version: 23, name: "release", sql: include_str!("../migrations/postgres/0023_release.sql") },
    Migration {
        version: 24,
        name: "incarnation",
        sql: include_str!("../migrations/postgres/0024_incarnation.sql"),
    },
];

/// The step by which a program knows incarnations. When a second one begins, this step's row comes to need a program that knows it: an older
/// one would go on with the epochs of the first incarnation.
pub(crate) const SQLITE_INCARNATION: i64 = 19;
/// The same for PostgreSQL.
pub(crate) const POSTGRES_INCARNATION: i64 = 24;

/// A step that was applied, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppliedStep {
    pub(crate) version: i64,
    pub(crate) checksum: String,
}

/// How a step changes what older programs rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaChange {
    /// It adds.
    Expands,
    /// It takes away what the programs that may still use the journal do not use.
    Contracts,
}

/// What a step asks of the programs that use the journal once it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) change: SchemaChange,
    /// The lowest schema version that a program has to know.
    pub(crate) needs: i64,
}

impl Migration {
    /// The SHA-256 of the SQL, in hex.
    pub(crate) fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What its first line asks; `None`: it needs a program that knows it.
    pub(crate) fn demand(&self) -> Option<Demand> {
        let (change, needs) = self.sql.lines().next()?.strip_prefix("-- ")?.split_once("; needs ")?;
        let change = match change {
            "expands" => SchemaChange::Expands,
            "contracts" => SchemaChange::Contracts,
            _ => return None,
        };
        Some(Demand { change, needs: needs.parse().ok()? })
    }
}

/// The newest of these versions.
pub(crate) fn newest(known: &[Migration]) -> i64 {
    known.last().map_or(0, |migration| migration.version)
}

/// Whether a newer program has made steps that `known` has not: then [`pending`] asks for what they need.
pub(crate) fn is_ahead(known: &[Migration], applied: &[AppliedStep]) -> bool {
    applied.last().is_some_and(|step| step.version > newest(known))
}

/// The steps of `known` that are not among `applied`, which come in the order of their versions. `needs`: the lowest version that a
/// program has to know because of steps that `known` has not; `None`: each needs a program that knows it.
pub(crate) fn pending<'k>(
    known: &'k [Migration],
    applied: &[AppliedStep],
    needs: Option<i64>,
) -> Result<&'k [Migration], OpenError> {
    let newest_known = newest(known);
    let found = applied.last().map_or(0, |step| step.version);
    let needs = needs.unwrap_or(found);
    if needs > newest_known {
        return Err(OpenError::SchemaNewer { found, needs, known: newest_known });
    }
    for (migration, step) in known.iter().zip(applied) {
        if step.version != migration.version || step.checksum != migration.checksum() {
            return Err(OpenError::SchemaChanged { version: migration.version });
        }
    }
    if is_ahead(known, applied) {
        tracing::info!(
            schema.found = found,
            schema.known = newest_known,
            "a newer release has brought the journal to schema version {found}; this one knows {newest_known}, and can go on with it"
        );
        return Ok(&[]);
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
        assert_eq!(versions(pending(KNOWN, &[], None)), [1, 2]);
        assert_eq!(versions(pending(KNOWN, &applied(&KNOWN[..1]), None)), [2]);
        assert_eq!(versions(pending(KNOWN, &applied(KNOWN), None)), [0; 0]);
    }

    #[test]
    fn a_newer_schema_is_refused_unless_its_steps_say_that_older_programs_can_go_on() {
        for needs in [None, Some(2)] {
            let error = pending(&KNOWN[..1], &applied(KNOWN), needs).unwrap_err();
            assert!(matches!(error, OpenError::SchemaNewer { found: 2, needs: 2, known: 1 }), "{error}");
        }
        assert_eq!(versions(pending(&KNOWN[..1], &applied(KNOWN), Some(1))), [0; 0]);
        // The steps that it knows are still compared.
        let mut steps = applied(KNOWN);
        steps[0].checksum.replace_range(..1, "x");
        let error = pending(&KNOWN[..1], &steps, Some(1)).unwrap_err();
        assert!(matches!(error, OpenError::SchemaChanged { version: 1 }), "{error}");
    }

    #[test]
    fn the_first_line_of_a_step_says_what_it_needs() {
        let demand = |sql| Migration { version: 9, name: "nine", sql }.demand();
        let wanted = |change, needs| Some(Demand { change, needs });
        assert_eq!(demand("-- expands; needs 7\nSELECT 1"), wanted(SchemaChange::Expands, 7));
        assert_eq!(demand("-- contracts; needs 8\n"), wanted(SchemaChange::Contracts, 8));
        for sql in
            ["", "SELECT 1", "-- grows; needs 7", "-- expands", "-- expands; needs", "--expands; needs 7"]
        {
            assert_eq!(demand(sql), None, "{sql}");
        }
    }

    #[test]
    fn a_step_made_by_other_sql_is_refused() {
        let mut steps = applied(KNOWN);
        steps[0].checksum.replace_range(..1, "x");
        assert!(matches!(pending(KNOWN, &steps, None), Err(OpenError::SchemaChanged { version: 1 })));
        assert!(matches!(
            pending(KNOWN, &applied(&KNOWN[1..]), None),
            Err(OpenError::SchemaChanged { version: 1 })
        ));
    }

    #[test]
    fn the_step_of_incarnations_is_the_one_that_is_named_so() {
        for (known, version) in [(SQLITE, SQLITE_INCARNATION), (POSTGRES, POSTGRES_INCARNATION)] {
            let step = known.iter().find(|migration| migration.name == "incarnation");
            assert_eq!(step.map(|step| step.version), Some(version));
        }
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
