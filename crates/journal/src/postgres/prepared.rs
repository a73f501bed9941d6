//! A connection with statements that the server keeps, for what runs with each order: they need not be read and planned each time.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{Duration, Instant};
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};

use super::link::{Link, Params, StatementError};
use super::sql::KeptSql;

/// How often a statement is run before it is prepared anew, at first, and then twice as often each time. The plan for a
/// small table is poor for a large one, so it must not grow older than the table doubles.
const USES_FIRST: u32 = 16;
/// ... up to this: so often that the round trip does not show in measurements.
const USES_MAX: u32 = 4_096;
/// ... and no longer than this: other statements, and other processes, make the table grow, too.
const PLAN_AGE_MAX: Duration = Duration::from_secs(10);

/// Whether the server keeps statements. All connections of a process lead to the same one, or to the same pooler.
#[derive(Debug, Default)]
pub(super) struct StatementsKept {
    are_not: AtomicBool,
}

/// A connection, and the statements that are kept for it.
pub(super) struct PreparedLink {
    pub(super) link: Link,
    kept: Vec<KeptStatement>,
}

/// A statement on the server.
struct KeptStatement {
    sql: &'static KeptSql,
    statement: Statement,
    uses_left: u32,
    /// How often it is run before the next time that it is prepared.
    uses: u32,
    made: Instant,
}

impl StatementsKept {
    /// Whether there is a server that keeps them, as far as is known.
    pub(super) fn hold(&self) -> bool {
        !self.are_not.load(Ordering::Relaxed)
    }

    fn are_lost(&self, reason: &str) {
        if !self.are_not.swap(true, Ordering::Relaxed) {
            tracing::warn!("the server does not keep statements, so each batch is planned anew: {reason}");
        }
    }
}

impl PreparedLink {
    pub(super) fn new(link: Link) -> Self {
        Self { link, kept: Vec::new() }
    }

    /// Runs a statement that is kept for this connection, or without a name where none are kept. `params` are without its version.
    pub(super) async fn query(
        &mut self,
        statements: &StatementsKept,
        sql: &'static KeptSql,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StatementError> {
        let mut params = params.to_vec();
        params.push((&sql.version, Type::TEXT));
        if statements.hold() {
            match self.query_kept(sql, &params).await {
                Err(StatementError::NotPrepared(reason)) => statements.are_lost(&reason),
                rows => return rows,
            }
        }
        self.link.query(&sql.text, &params).await
    }

    /// A statement that fails is prepared anew the next time.
    async fn query_kept(
        &mut self,
        sql: &'static KeptSql,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StatementError> {
        let place = self.kept.iter().position(|kept| std::ptr::eq(kept.sql, sql));
        let found = place.map(|place| self.kept.swap_remove(place));
        let uses = found.as_ref().map_or(USES_FIRST, |kept| kept.uses);
        let mut kept = match found.filter(KeptStatement::is_fresh) {
            Some(kept) => kept,
            None => {
                let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
                let statement = self.link.prepare(&sql.text, &types).await?;
                let next = USES_MAX.min(uses * 2);
                KeptStatement { sql, statement, uses_left: uses, uses: next, made: Instant::now() }
            }
        };
        kept.uses_left -= 1;
        match self.link.query_prepared(&kept.statement, params).await {
            Err(StatementError::Refused(reason) | StatementError::Doubtful(reason))
                if is_another(&reason) =>
            {
                Err(StatementError::NotPrepared(reason))
            }
            rows => {
                let rows = rows?;
                self.kept.push(kept);
                Ok(rows)
            }
        }
    }
}

impl KeptStatement {
    fn is_fresh(&self) -> bool {
        self.uses_left > 0 && self.made.elapsed() < PLAN_AGE_MAX
    }
}

/// Whether the statement under our name was prepared by another release, behind a pooler: it has another version (22012), another
/// number of parameters (08P01), or parameters of other types (22P03, 42804). It has written nothing. Run without a name, the statement
/// tells what is wrong with the data, if that was it.
fn is_another(reason: &str) -> bool {
    reason.split([' ', ':']).any(|word| ["22012", "08P01", "22P03", "42804"].contains(&word))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use uuid::Uuid;

    use super::super::connect::DatabaseConnector;
    use super::super::{schema, sql};
    use super::*;

    static COUNTED: LazyLock<KeptSql> = LazyLock::new(|| {
        KeptSql::new(|version| format!("SELECT $1::bigint WHERE {}", sql::is_meant(2, version)))
    });

    async fn link() -> PreparedLink {
        let connector = DatabaseConnector::new(&saga_testkit::postgres::shared().create_database()).unwrap();
        PreparedLink::new(schema::prepare(&connector).await.unwrap().link)
    }

    async fn run(link: &mut PreparedLink) -> (u32, u32) {
        let statements = StatementsKept::default();
        let rows = link.query(&statements, &COUNTED, &[(&7_i64, Type::INT8)]).await.unwrap();
        assert_eq!((rows[0].get::<_, i64>(0), statements.hold()), (7, true));
        let kept = link.kept.iter().find(|kept| std::ptr::eq(kept.sql, &*COUNTED)).unwrap();
        (kept.uses_left, kept.uses)
    }

    #[tokio::test]
    async fn the_statement_is_prepared_anew_now_and_then() {
        let mut link = link().await;
        for _ in 1..USES_FIRST * 3 {
            run(&mut link).await;
        }
        assert_eq!(run(&mut link).await, (0, USES_FIRST * 4));
        assert_eq!(run(&mut link).await, (USES_FIRST * 4 - 1, USES_FIRST * 8));
        let made = &mut link.kept[0].made;
        *made = made.checked_sub(PLAN_AGE_MAX).expect("the machine has been up for longer");
        assert_eq!(run(&mut link).await, (USES_FIRST * 8 - 1, USES_FIRST * 16));
    }

    /// Behind a pooler, the statement that answers to a name may be of a process of another release.
    #[tokio::test]
    async fn a_look_up_of_another_release_is_not_taken_for_ours() {
        let (mut link, statements) = (link().await, StatementsKept::default());
        // Another statement of ours is beside it.
        run(&mut link).await;
        let nobody = Uuid::nil();
        let params: &Params<'_> = &[(&nobody, Type::UUID)];
        assert!(link.query(&statements, &sql::LONE_KNOWN, params).await.unwrap().is_empty());
        let rows = link.link.query("TABLE pg_prepared_statements", &[]).await.unwrap();
        let is_known = |row: &&Row| row.get::<_, &str>(1) == sql::LONE_KNOWN.text;
        let (name, statement): (&str, &str) =
            rows.iter().find(is_known).map(|row| (row.get(0), row.get(1))).unwrap();
        let theirs = statement.replace(&sql::LONE_KNOWN.version, "another release");
        link.link.script(&format!("DEALLOCATE {name}; PREPARE {name} AS {theirs}")).await.unwrap();
        assert!(statements.hold());
        assert!(link.query(&statements, &sql::LONE_KNOWN, params).await.unwrap().is_empty());
        assert!(!statements.hold(), "it was taken for ours");
    }

    #[tokio::test]
    async fn a_pooler_that_keeps_no_statements_costs_speed_only() {
        let (mut link, statements) = (link().await, StatementsKept::default());
        run(&mut link).await;
        // The next connection behind the pooler knows none of our statements.
        link.link.script("DEALLOCATE ALL").await.unwrap();
        let rows = link.query(&statements, &COUNTED, &[(&8_i64, Type::INT8)]).await.unwrap();
        assert_eq!((rows[0].get::<_, i64>(0), statements.hold()), (8, false));
    }
}
