//! What a step of the schema may do, so that the release before goes on beside the one that brings it (`docs/upgrades.md`).

use crate::migration::{Migration, POSTGRES, SQLITE, SchemaChange};

/// The rules of one store's steps.
struct Rules {
    steps: &'static [Migration],
    /// The step that made the column `needs`: the steps behind it keep to the rules.
    since: i64,
    /// The newest step of the last release; a release raises it. Until the first one, that is the step above.
    released: i64,
    /// Whether other processes write meanwhile.
    is_shared: bool,
}

const OF_SQLITE: Rules = Rules { steps: SQLITE, since: 18, released: 18, is_shared: false };
const OF_POSTGRES: Rules = Rules { steps: POSTGRES, since: 22, released: 22, is_shared: true };

impl Rules {
    /// The first thing that is wrong with a step.
    fn objection(&self, step: &Migration) -> Option<String> {
        let demand = step.demand();
        if step.version <= self.since {
            return demand.map(|_| "there was no rule yet".to_owned());
        }
        let Some(demand) = demand else {
            return Some(
                "its first line is neither `-- expands; needs N` nor `-- contracts; needs N`".to_owned(),
            );
        };
        if demand.needs < self.since || demand.needs >= step.version {
            return Some(format!("no program that knows version {} can know what it needs", demand.needs));
        }
        if demand.needs > self.released {
            return Some(format!(
                "the last release knows version {}, and could not be started any more: contract one release later",
                self.released
            ));
        }
        let statements = statements(step.sql);
        let mut made = Vec::new();
        for statement in &statements {
            let words: Vec<&str> = statement
                .split(|c: char| c.is_whitespace() || c == '(')
                .filter(|word| !word.is_empty())
                .collect();
            if let ["CREATE", "TABLE", name, ..] = words[..] {
                made.push(name);
            }
            let objection = match demand.change {
                SchemaChange::Expands => self.takes_away(&words, &made),
                SchemaChange::Contracts => self.blocks(&words, &made),
            };
            if let Some(objection) = objection {
                return Some(format!("{objection}: {statement}"));
            }
        }
        None
    }

    /// Whether a statement of a step that expands does anything but add.
    fn takes_away(&self, words: &[&str], made: &[&str]) -> Option<&'static str> {
        match words {
            ["CREATE", "TABLE", ..] | ["CREATE", "OR", "REPLACE", "VIEW", ..] | ["ANALYZE", ..] => None,
            // SQLite cannot replace one.
            ["DROP" | "CREATE", "VIEW", ..] if !self.is_shared => None,
            ["CREATE", "INDEX", ..] | ["CREATE", "UNIQUE", "INDEX", ..] => self.blocks(words, made),
            ["INSERT", "INTO", table, ..] if made.contains(table) => None,
            ["INSERT", "INTO", ..] => Some("it writes rows that older programs have not made"),
            ["UPDATE", ..] if !self.is_shared => None,
            ["UPDATE", ..] => {
                Some("it holds the locks of all these rows: fill them a few at a time, by the program")
            }
            ["ALTER", "TABLE", _, "ADD", "COLUMN", column @ ..] => {
                let has = |word| column.iter().any(|part| part.trim_end_matches(',') == word);
                let is_demanding = has("NOT") && has("NULL") && !has("DEFAULT");
                let constrains = has("UNIQUE") || has("CHECK") || has("REFERENCES") || has("KEY");
                let is_one =
                    !column.contains(&"ADD") && !column.contains(&"DROP") && !column.contains(&"ALTER");
                if is_demanding {
                    Some("older programs do not fill the column, so it needs a DEFAULT")
                } else if constrains {
                    Some("older programs do not keep what the column demands")
                } else if !is_one {
                    Some("one statement for each column is read more easily, by this test too")
                } else {
                    None
                }
            }
            _ => Some("a step that expands only adds"),
        }
    }

    /// Whether a statement keeps all others from writing for as long as a table is large.
    fn blocks(&self, words: &[&str], made: &[&str]) -> Option<&'static str> {
        let unique = words.starts_with(&["CREATE", "UNIQUE", "INDEX"]);
        if !unique && !words.starts_with(&["CREATE", "INDEX"]) {
            return None;
        }
        let table = words.iter().skip_while(|word| **word != "ON").nth(1);
        if table.is_some_and(|table| made.contains(table)) {
            None
        } else if unique {
            Some("older programs do not keep what it demands")
        } else if self.is_shared {
            Some(
                "no process can write to that table until the index is made, and CONCURRENTLY is no part of a transaction",
            )
        } else {
            None
        }
    }
}

/// The statements of a step, without comments, in upper case.
fn statements(sql: &str) -> Vec<String> {
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let code = code.join("\n").to_uppercase();
    code.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_release_before_goes_on_beside_each_step() {
    for rules in [OF_SQLITE, OF_POSTGRES] {
        for step in rules.steps {
            assert_eq!(rules.objection(step), None, "migration {}, {}", step.version, step.name);
        }
    }
}

#[test]
fn a_step_that_would_stop_the_release_before_is_objected_to() {
    let of_version = |version, sql| OF_POSTGRES.objection(&Migration { version, name: "step", sql });
    let with_head =
        |sql: &str| of_version(40, Box::leak(format!("-- expands; needs 22\n{sql}").into_boxed_str()));
    for sql in [
        "ALTER TABLE saga ADD COLUMN x TEXT",
        "ALTER TABLE saga ADD COLUMN x TEXT COLLATE \"C\"; ALTER TABLE saga ADD COLUMN y BIGINT NOT NULL DEFAULT 0",
        "CREATE TABLE t (saga_id UUID NOT NULL, PRIMARY KEY (saga_id)); CREATE UNIQUE INDEX i ON t (saga_id); \
         INSERT INTO t (saga_id) VALUES (NULL); ANALYZE t",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
    ] {
        assert_eq!(with_head(sql), None, "{sql}");
    }
    for sql in [
        "DROP TABLE saga",
        "DROP INDEX saga_owner",
        "ALTER TABLE saga DROP COLUMN x",
        "ALTER TABLE saga RENAME COLUMN x TO y",
        "ALTER TABLE saga RENAME TO sagas",
        "ALTER TABLE saga ALTER COLUMN x TYPE BIGINT",
        "ALTER TABLE saga ALTER COLUMN x SET NOT NULL",
        "ALTER TABLE saga ADD CONSTRAINT c CHECK (x > 0)",
        "ALTER TABLE saga ADD COLUMN x TEXT NOT NULL",
        "ALTER TABLE saga ADD COLUMN x BIGINT CHECK (x > 0)",
        "ALTER TABLE saga ADD COLUMN x TEXT, DROP COLUMN y",
        "CREATE INDEX i ON saga (x)",
        "CREATE UNIQUE INDEX i ON saga (x)",
        "UPDATE saga SET x = 1",
        "DELETE FROM saga",
        "INSERT INTO saga (x) VALUES (1)",
    ] {
        assert!(with_head(sql).is_some(), "{sql}");
    }
    for (version, sql) in [
        (23, "SELECT 1"),
        (23, "-- expands\nALTER TABLE saga ADD COLUMN x TEXT"),
        (23, "-- expands; needs 21\nALTER TABLE saga ADD COLUMN x TEXT"),
        (23, "-- expands; needs 23\nALTER TABLE saga ADD COLUMN x TEXT"),
        (40, "-- contracts; needs 30\nDROP TABLE t"),
        (40, "-- contracts; needs 22\nCREATE INDEX i ON saga (x)"),
        (20, "-- expands; needs 19\nALTER TABLE saga ADD COLUMN x TEXT"),
    ] {
        assert!(of_version(version, sql).is_some(), "{sql}");
    }
    assert_eq!(of_version(40, "-- contracts; needs 22\nDROP TABLE t"), None);
}
