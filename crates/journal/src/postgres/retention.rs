//! Sagas that are taken away.

use std::fmt::Write;
use std::sync::Arc;

use saga_core::{SagaId, Timestamp};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::ownership::cell;
use super::pool::ConnectionPool;
use super::{Postgres, sql};
use crate::columns::page_rows;
use crate::retention_rows;
use crate::{AgedSaga, Cursor, Forgotten, ReplicaId, Retention, StoreFuture, Unavailable};

async fn aged(
    pool: &ConnectionPool,
    definition: &str,
    until: Timestamp,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<AgedSaga>, Unavailable> {
    let after = after.unwrap_or(Cursor::BEFORE_ALL);
    let (until_us, after_us, limit) = (until.as_micros(), after.created.as_micros(), page_rows(limit) as i64);
    let rows = pool
        .query(
            sql::AGED,
            &[
                (&definition, Type::TEXT),
                (&until_us, Type::INT8),
                (&after_us, Type::INT8),
                (after.saga.as_uuid(), Type::UUID),
                (&limit, Type::INT8),
            ],
        )
        .await?;
    let read = |row| {
        Ok(AgedSaga {
            saga: SagaId::new(cell(row, 0)?),
            created: Timestamp::from_micros(cell(row, 1)?),
            updated: Timestamp::from_micros(cell(row, 2)?),
            is_settled: cell(row, 3)?,
            has_failed: cell(row, 4)?,
            // A saga whose labels are damaged is found by none.
            labels: serde_json::from_str(cell(row, 5)?).unwrap_or_default(),
        })
    };
    rows.iter().map(read).collect()
}

async fn forget(pool: &ConnectionPool, sagas: &[Forgotten]) -> Result<usize, Unavailable> {
    let ids: Vec<Uuid> = sagas.iter().map(|saga| *saga.saga.as_uuid()).collect();
    let labels: Vec<_> = sagas.iter().flat_map(retention_rows::labels).collect();
    let deeds: Vec<_> = sagas.iter().flat_map(retention_rows::deeds).collect();
    let label_names: Vec<&str> = labels.iter().map(|label| &*label.name).collect();
    let values: Vec<&str> = labels.iter().map(|label| &*label.value).collect();
    let created: Vec<i64> = labels.iter().map(|label| label.created_us).collect();
    let labelled: Vec<Uuid> = labels.iter().map(|label| *label.saga.as_uuid()).collect();
    let names: Vec<&str> = deeds.iter().map(|deed| &*deed.name).collect();
    let at: Vec<i64> = deeds.iter().map(|deed| deed.at_us).collect();
    let done_to: Vec<Uuid> = deeds.iter().map(|deed| *deed.saga.as_uuid()).collect();
    let seqs: Vec<i64> = deeds.iter().map(|deed| deed.seq).collect();
    let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 9] = [
        (&ids, Type::UUID_ARRAY),
        (&label_names, Type::TEXT_ARRAY),
        (&values, Type::TEXT_ARRAY),
        (&created, Type::INT8_ARRAY),
        (&labelled, Type::UUID_ARRAY),
        (&names, Type::TEXT_ARRAY),
        (&at, Type::INT8_ARRAY),
        (&done_to, Type::UUID_ARRAY),
        (&seqs, Type::INT8_ARRAY),
    ];
    let rows = pool.query(sql::FORGET_SAGAS, &params).await?;
    let gone: i64 = rows.first().map_or(Ok(0), |row| cell(row, 0))?;
    Ok(usize::try_from(gone).unwrap_or(0))
}

impl Retention for Postgres {
    fn definition_names(&self) -> StoreFuture<'_, Result<Vec<Arc<str>>, Unavailable>> {
        Box::pin(async move {
            let rows = self.pool.query(sql::DEFINITION_NAMES, &[]).await?;
            rows.iter().map(|row| cell::<&str>(row, 0).map(Into::into)).collect()
        })
    }

    fn missing_grants(&self) -> StoreFuture<'_, Result<String, Unavailable>> {
        Box::pin(async move {
            let mut grants = String::new();
            for row in &self.pool.query(sql::FORGETTING_RIGHTS_MISSING, &[]).await? {
                let table: &str = cell(row, 0)?;
                write!(grants, " GRANT DELETE ON {table} TO the role;")
                    .expect("writing to memory cannot fail");
            }
            Ok(grants.trim().to_owned())
        })
    }

    fn hold_retention(&self, replica: ReplicaId) -> StoreFuture<'_, Result<bool, Unavailable>> {
        Box::pin(async move {
            let held = self.pool.query(sql::HOLD_RETENTION, &[(replica.as_uuid(), Type::UUID)]).await?;
            Ok(!held.is_empty())
        })
    }

    fn aged(
        &self,
        definition: Arc<str>,
        until: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AgedSaga>, Unavailable>> {
        Box::pin(async move { aged(&self.pool, &definition, until, after, limit).await })
    }

    fn forget(&self, sagas: Vec<Forgotten>) -> StoreFuture<'_, Result<usize, Unavailable>> {
        Box::pin(async move { forget(&self.pool, &sagas).await })
    }
}
