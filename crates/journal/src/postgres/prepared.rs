//! A connection with the statements that the server keeps for it.

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};

use super::link::{Link, Params, StatementError};

/// How often a statement is run before it is prepared anew, at first, and then twice as often each time. It saves
/// the server 0.1 to 0.3 ms a run not to plan it; but the plan for a small table is poor for a large one, so it must not
/// grow older than the table doubles.
const USES_FIRST: u32 = 16;
/// ... up to this: so often that the round trip does not show in measurements.
const USES_MAX: u32 = 4_096;

/// A connection, and the statements that were prepared on it.
pub(super) struct PreparedLink {
    pub(super) link: Link,
    prepared: Vec<PreparedStatement>,
}

/// One statement. They are few, and each is a constant: they are told apart by their addresses.
struct PreparedStatement {
    sql: &'static str,
    /// `None`: it failed, or was never prepared.
    statement: Option<Statement>,
    /// Before it is prepared anew.
    uses_left: u32,
    uses: u32,
}

impl PreparedLink {
    pub(super) fn new(link: Link) -> Self {
        Self { link, prepared: Vec::new() }
    }

    /// Runs a statement that the server keeps from the first time on.
    pub(super) async fn query(
        &mut self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, StatementError> {
        let at = self.prepared.iter().position(|prepared| std::ptr::eq(prepared.sql, sql));
        let at = at.unwrap_or_else(|| {
            self.prepared.push(PreparedStatement { sql, statement: None, uses_left: 0, uses: USES_FIRST });
            self.prepared.len() - 1
        });
        let prepared = &mut self.prepared[at];
        let statement = match prepared.statement.take().filter(|_| prepared.uses_left > 0) {
            Some(statement) => statement,
            None => {
                let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
                let statement = self.link.prepare(sql, &types).await?;
                prepared.uses_left = prepared.uses;
                prepared.uses = USES_MAX.min(prepared.uses * 2);
                statement
            }
        };
        prepared.uses_left -= 1;
        let rows = self.link.query_prepared(&statement, params).await?;
        prepared.statement = Some(statement);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::super::connect::DatabaseConnector;
    use super::super::{schema, sql};
    use super::*;

    #[tokio::test]
    async fn a_statement_is_prepared_anew_now_and_then() {
        let url = saga_testkit::postgres::shared().create_database();
        let connector = DatabaseConnector::new(&url).unwrap();
        let mut line = PreparedLink::new(schema::prepare(&connector).await.unwrap().link);
        let ids = Vec::<uuid::Uuid>::new();
        for _ in 0..USES_FIRST * 3 {
            assert_eq!(line.query(sql::KNOWN, &[(&ids, Type::UUID_ARRAY)]).await.unwrap().len(), 0);
            assert_eq!(line.query(sql::CLOCK, &[]).await.unwrap().len(), 1);
        }
        let of = |line: &PreparedLink| (line.prepared[0].uses_left, line.prepared[0].uses);
        assert_eq!((line.prepared.len(), of(&line)), (2, (0, USES_FIRST * 4)));
        assert_eq!(line.query(sql::KNOWN, &[(&ids, Type::UUID_ARRAY)]).await.unwrap().len(), 0);
        assert_eq!(of(&line), (USES_FIRST * 4 - 1, USES_FIRST * 8));
    }
}
