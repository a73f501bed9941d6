//! Which sagas a replica owns, and which it can claim. `replicas` knows which replicas are gone.

use rusqlite::{Connection, params};
use saga_core::SagaId;

use super::replicas::Replicas;
use super::{id, saga_id};
use crate::ReplicaId;

/// Gives `replica`, if it is live, at most `rows` of the sagas that are not over and whose owner is gone.
pub(super) fn claim(
    connection: &Connection,
    replicas: &Replicas,
    replica: ReplicaId,
    rows: usize,
) -> rusqlite::Result<Vec<SagaId>> {
    // Served by saga_owner: what lies outside of the gap is not read.
    const CLAIM: &str = "UPDATE saga SET owner = ?1 WHERE saga_id IN (\
         SELECT saga_id FROM saga WHERE is_over = 0 AND owner > ?2 AND owner < ?3 LIMIT ?4) RETURNING saga_id";

    let mut claimed = Vec::new();
    if !replicas.is_live(replica) {
        return Ok(claimed);
    }
    let mut statement = connection.prepare_cached(CLAIM)?;
    for (after, before) in replicas.gaps() {
        let left = rows - claimed.len();
        if left == 0 {
            break;
        }
        let params = params![replica.as_uuid().as_bytes(), after, before, left as i64];
        for saga in statement.query_map(params, |row| saga_id(row, 0))? {
            claimed.push(saga?);
        }
    }
    Ok(claimed)
}

/// The sagas that `replica` owns and that are to go on by themselves, in the order of ids.
pub(super) fn owned(
    connection: &Connection,
    replica: ReplicaId,
    after: Option<SagaId>,
    rows: usize,
) -> rusqlite::Result<Vec<SagaId>> {
    // Served by saga_owner. Every id is after the empty one.
    const OWNED: &str = "SELECT saga_id FROM saga WHERE is_over = 0 AND owner = ?1 AND (due_us IS NOT NULL OR NOT (rollback = 'blocked' OR parked IS NOT NULL)) AND saga_id > ?2 ORDER BY saga_id LIMIT ?3";
    let after: &[u8] = after.as_ref().map_or(&[], |after| id(after));
    let mut statement = connection.prepare_cached(OWNED)?;
    let params = params![replica.as_uuid().as_bytes(), after, rows as i64];
    statement.query_map(params, |row| saga_id(row, 0))?.collect()
}
