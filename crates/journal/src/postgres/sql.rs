//! All SQL for PostgreSQL but the migrations, in one place, so that one test can hold it to what its distributed
//! relatives and poolers understand.

/// A batch: `$1` sagas, `$2` expected positions, `$3` last positions, then the row's columns, and `$16` frames.
///
/// A saga that is where its entry expects it is moved (or made), and only then is its frame kept; what comes back
/// are those sagas. One statement is one transaction: there is no COMMIT whose answer could be misread.
///
/// What a saga starts with stays: the indices on it are not touched.
pub(super) const APPEND: &str = "\
WITH entry AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
        $9::text[], $10::text[], $11::text[], $12::text[], $13::boolean[], $14::bigint[], $15::bigint[], $16::text[]
    ) AS entry (
        saga_id, expected, seq, epoch, definition, definition_hash, client_id, magasin_id,
        etat, rollback, echec_etape, echec_raison, is_over, cree_us, modifie_us, events
    )
), started AS (
    INSERT INTO saga (
        saga_id, seq, epoch, definition, definition_hash, client_id, magasin_id,
        etat, rollback, echec_etape, echec_raison, is_over, cree_us, modifie_us
    )
    SELECT
        saga_id, seq, epoch, definition, definition_hash, client_id, magasin_id,
        etat, rollback, echec_etape, echec_raison, is_over, cree_us, modifie_us
    FROM entry WHERE expected = 0
    ON CONFLICT (saga_id) DO NOTHING
    RETURNING saga_id
), moved AS (
    UPDATE saga SET
        seq = entry.seq, epoch = entry.epoch, etat = entry.etat, rollback = entry.rollback,
        echec_etape = entry.echec_etape, echec_raison = entry.echec_raison, is_over = entry.is_over,
        modifie_us = entry.modifie_us
    FROM entry
    WHERE saga.saga_id = entry.saga_id AND entry.expected > 0 AND saga.seq = entry.expected
    RETURNING saga.saga_id
), hit AS (
    SELECT saga_id FROM started UNION ALL SELECT saga_id FROM moved
), framed AS (
    INSERT INTO saga_event (saga_id, first_seq, events)
    SELECT entry.saga_id, entry.expected + 1, entry.events FROM entry JOIN hit ON hit.saga_id = entry.saga_id
)
SELECT saga_id FROM hit";

/// Which of the entries that missed are there already, to the letter: `$1` sagas, `$2` first positions, `$3` last
/// positions, `$4` frames.
pub(super) const ALREADY_THERE: &str = "\
SELECT entry.saga_id
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[]) AS entry (saga_id, first_seq, last_seq, events)
JOIN saga ON saga.saga_id = entry.saga_id AND saga.seq >= entry.last_seq
JOIN saga_event ON saga_event.saga_id = entry.saga_id AND saga_event.first_seq = entry.first_seq
    AND saga_event.events = entry.events";

/// A saga's row beside each of its frames, all as of one moment; either may be missing.
pub(super) const LOAD: &str = "\
SELECT saga.seq, saga.definition_hash, saga_event.first_seq, saga_event.events
FROM (SELECT $1::uuid AS saga_id) AS wanted
LEFT JOIN saga ON saga.saga_id = wanted.saga_id
LEFT JOIN saga_event ON saga_event.saga_id = wanted.saga_id
ORDER BY saga_event.first_seq";

/// Rows; conditions and order are added.
pub(super) const LIST: &str = "\
SELECT saga_id, epoch, definition, definition_hash, client_id, magasin_id, etat, rollback, echec_etape, echec_raison, \
is_over, cree_us, modifie_us FROM saga";

/// One row, with the columns of [`LIST`].
pub(super) const ROW: &str = "\
SELECT saga_id, epoch, definition, definition_hash, client_id, magasin_id, etat, rollback, echec_etape, echec_raison, \
is_over, cree_us, modifie_us FROM saga WHERE saga_id = $1";

/// Served by saga_unfinished.
pub(super) const UNFINISHED_FIRST: &str =
    "SELECT saga_id FROM saga WHERE NOT is_over ORDER BY saga_id LIMIT $1";

/// Served by saga_unfinished.
pub(super) const UNFINISHED_AFTER: &str =
    "SELECT saga_id FROM saga WHERE NOT is_over AND saga_id > $1 ORDER BY saga_id LIMIT $2";

/// Served by saga_unfinished. When sagas have a due time of their own, the first minimum is of that.
pub(super) const TALLY: &str = "\
SELECT rollback, count(*), min(modifie_us) AS due_us, min(modifie_us) AS since_us
FROM saga WHERE NOT is_over GROUP BY rollback";

/// Keeping a definition again is no mistake.
///
/// Written again where it is there already, so that the answer tells whether the database takes anything.
pub(super) const DEFINE: &str = "INSERT INTO saga_definition (hash, name, source) VALUES ($1, $2, $3) \
     ON CONFLICT (hash) DO UPDATE SET name = saga_definition.name";

/// By its hash.
pub(super) const DEFINITION: &str = "SELECT source FROM saga_definition WHERE hash = $1";

/// Says that a person is needed, and why.
pub(super) const PARK: &str =
    "UPDATE saga SET rollback = 'BLOQUE', echec_etape = NULL, echec_raison = $2 WHERE saga_id = $1";

/// Where migrations are kept.
pub(super) const MIGRATION_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS saga_migration (
    version      BIGINT      NOT NULL PRIMARY KEY,
    name         TEXT        NOT NULL,
    checksum     TEXT        NOT NULL,
    appliquee_le TIMESTAMPTZ NOT NULL DEFAULT now()
)";

/// What was applied.
pub(super) const MIGRATIONS_APPLIED: &str = "SELECT version, checksum FROM saga_migration ORDER BY version";

/// Begins a step: its version, name and checksum come behind.
pub(super) const MIGRATION_APPLY: &str = "INSERT INTO saga_migration (version, name, checksum) VALUES";

/// Whether a commit waits for the disk; NULL where the server has no such setting.
pub(super) const DURABILITY: &str =
    "SELECT current_setting('synchronous_commit', true), current_setting('fsync', true)";

#[cfg(test)]
mod tests {
    use crate::migration;

    /// What PostgreSQL has and its distributed relatives or poolers do not, or not in the same way.
    const FORBIDDEN: &[&str] = &[
        "ADVISORY",
        "LISTEN",
        "UNLISTEN",
        "NOTIFY",
        "SERIAL",
        "BIGSERIAL",
        "SMALLSERIAL",
        "IDENTITY",
        "SEQUENCE",
        "NEXTVAL",
        "TRIGGER",
        "DEFERRABLE",
        "EXCLUDE",
        "CTID",
        "XMIN",
        "TEMP",
        "TEMPORARY",
        "SET_CONFIG",
        "INTEGER",
        "INT",
        "INT4",
        "SMALLINT",
        "PREPARE",
        "DECLARE",
    ];

    /// Tables that are not about one saga: small, and the same for all.
    const REFERENCE_TABLES: &[&str] = &["SAGA_DEFINITION", "SAGA_MIGRATION"];

    /// What is wrong with `sql`, if anything.
    fn objection(sql: &str) -> Option<String> {
        let code: String = sql
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n")
            .to_uppercase();
        let words: Vec<&str> =
            code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
        if let Some(word) = words
            .iter()
            .find(|word| FORBIDDEN.contains(word) || word.starts_with("PG_") && word.contains("ADVISORY"))
        {
            return Some(format!("{word} is not portable"));
        }
        for statement in code.split(';').map(str::trim) {
            if statement.starts_with("SET ") {
                return Some("session settings do not survive a pooler".to_owned());
            }
            let table =
                statement.strip_prefix("CREATE TABLE ").map(|rest| rest.trim_start_matches("IF NOT EXISTS "));
            let name = table.and_then(|rest| rest.split([' ', '(']).next());
            let Some(name) = name.filter(|name| !REFERENCE_TABLES.contains(name)) else { continue };
            if !statement.contains("PRIMARY KEY (SAGA_ID") {
                return Some(format!("the key of {name} is not led by saga_id"));
            }
        }
        (words.windows(2).any(|pair| pair == ["FOREIGN", "KEY"]) || words.contains(&"REFERENCES"))
            .then(|| "foreign keys cross shards".to_owned())
    }

    #[test]
    fn the_sql_stays_portable() {
        // The whole file, up to here: no constant can be forgotten.
        let (constants, _) = include_str!("sql.rs").split_once("#[cfg(test)]").unwrap();
        let statements: Vec<&str> = constants.split('"').skip(1).step_by(2).collect();
        assert!(statements.len() > 10);
        let migrations = migration::POSTGRES.iter().map(|migration| migration.sql);
        for sql in statements.into_iter().chain(migrations) {
            assert_eq!(objection(sql), None, "{sql}");
        }
    }

    #[test]
    fn what_is_not_portable_is_objected_to() {
        for sql in [
            "SELECT pg_try_advisory_lock(1)",
            "SELECT pg_advisory_xact_lock(1)",
            "LISTEN sagas",
            "CREATE TABLE t (saga_id UUID, n SERIAL, PRIMARY KEY (saga_id))",
            "CREATE TABLE t (saga_id UUID, n INTEGER, PRIMARY KEY (saga_id))",
            "CREATE TABLE t (n BIGINT, saga_id UUID, PRIMARY KEY (n, saga_id))",
            "CREATE TABLE t (n BIGINT PRIMARY KEY)",
            "CREATE TABLE t (saga_id UUID REFERENCES saga, PRIMARY KEY (saga_id))",
            "SELECT 1; SET synchronous_commit = on",
            "CREATE TEMP TABLE t (saga_id UUID, PRIMARY KEY (saga_id))",
            "SELECT ctid FROM saga",
        ] {
            assert!(objection(sql).is_some(), "{sql}");
        }
    }

    #[test]
    fn no_sql_hides_in_the_other_files() {
        let files = [
            include_str!("append.rs"),
            include_str!("link.rs"),
            include_str!("mod.rs"),
            include_str!("pool.rs"),
            include_str!("schema.rs"),
        ];
        for text in files.iter().flat_map(|file| file.split('"').skip(1).step_by(2)) {
            for verb in ["SELECT ", "INSERT INTO saga ", "UPDATE ", "DELETE ", "CREATE ", "ALTER ", "SET "] {
                assert!(!text.trim_start().starts_with(verb), "move to sql.rs: {text}");
            }
        }
    }
}
