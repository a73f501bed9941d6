//! Which sagas a replica owns, which it can claim, which are asleep, and which are not over. `replicas` knows which replicas are gone.

use std::sync::LazyLock;

use rusqlite::{Connection, params};
use saga_core::{SagaId, Seq};

use super::replicas::Replicas;
use super::{id, saga_id, string};
use crate::frame::position;
use crate::under_way::ReadRow;
use crate::{
    LeaseStanding, OWNED_COUNTED_MAX, ReplicaId, ReplicaStanding, Resting, UNDER_WAY_READ_MAX, UnderWay,
    WakeUp,
};

/// Puts sagas of `replica` to sleep.
pub(super) fn rest(connection: &Connection, replica: ReplicaId, sagas: &[Resting]) -> rusqlite::Result<()> {
    const REST: &str = "UPDATE saga SET owner = ?1, wake_us = ?2, rested_us = ?6 WHERE saga_id = ?3 AND owner = ?4 AND seq = ?5 AND is_over = 0";
    let mut statement = connection.prepare_cached(REST)?;
    let nobody = ReplicaId::NOBODY;
    for resting in sagas {
        let (wake_us, seq) = (resting.wake_us(), position(resting.seq.get()));
        let owners = [nobody, replica].map(|owner| *owner.as_uuid().as_bytes());
        statement.execute(params![
            owners[0],
            wake_us,
            id(&resting.saga),
            owners[1],
            seq,
            resting.at.as_micros()
        ])?;
    }
    Ok(())
}

/// The sagas that are to wake by `?1`, that fell asleep after `?2`, or that a command waits for. Served by saga_asleep and
/// saga_rested; the commands are few.
const TO_WAKE: &str = "SELECT saga.saga_id FROM saga_command CROSS JOIN saga ON saga.saga_id = saga_command.saga_id \
     WHERE saga_command.refused IS NULL AND saga.wake_us IS NOT NULL \
     UNION ALL SELECT saga_id FROM saga WHERE wake_us IS NOT NULL AND rested_us > ?2 \
     UNION ALL SELECT saga_id FROM saga WHERE wake_us <= ?1";

/// Whether there are any.
pub(super) fn are_to_wake(connection: &Connection, due: WakeUp) -> rusqlite::Result<bool> {
    static ANY: LazyLock<String> = LazyLock::new(|| format!("SELECT EXISTS ({TO_WAKE})"));
    connection
        .prepare_cached(&ANY)?
        .query_row([due.by.as_micros(), due.rested_after.as_micros()], |row| row.get(0))
}

/// Gives `replica`, if it is live, at most that many of the sagas that are to wake by then.
pub(super) fn wake(
    connection: &Connection,
    replicas: &Replicas,
    replica: ReplicaId,
    (due, rows): (WakeUp, usize),
) -> rusqlite::Result<Vec<(SagaId, Seq)>> {
    static WAKE: LazyLock<String> = LazyLock::new(|| {
        format!(
            "UPDATE saga SET owner = ?3, wake_us = NULL WHERE saga_id IN ({TO_WAKE} LIMIT ?4) RETURNING saga_id, seq"
        )
    });
    if !replicas.is_live(replica) {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(&WAKE)?;
    let params =
        params![due.by.as_micros(), due.rested_after.as_micros(), replica.as_uuid().as_bytes(), rows as i64];
    let woken =
        |row: &rusqlite::Row<'_>| Ok((saga_id(row, 0)?, Seq::new(row.get::<_, i64>(1)?.unsigned_abs())));
    statement.query_map(params, woken)?.collect()
}

/// Gives `replica`, if it is live, at most `rows` of the sagas that are awake and not over, and whose owner is gone.
pub(super) fn claim(
    connection: &Connection,
    replicas: &Replicas,
    replica: ReplicaId,
    rows: usize,
) -> rusqlite::Result<Vec<SagaId>> {
    // Served by saga_owner: what lies outside of the gap is not read. In the order of numbers.
    const CLAIM: &str = "UPDATE saga SET owner = ?1 WHERE number IN (\
         SELECT number FROM saga WHERE is_over = 0 AND wake_us IS NULL AND owner > ?2 AND owner < ?3 LIMIT ?4) RETURNING saga_id";

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

/// The sagas that `replica` owns and that are to go on by themselves, in the order of their numbers.
pub(super) fn owned(
    connection: &Connection,
    replica: ReplicaId,
    after: Option<SagaId>,
    rows: usize,
) -> rusqlite::Result<Vec<SagaId>> {
    // Served by saga_owner. Every number is after 0.
    const OWNED: &str = "SELECT saga_id FROM saga WHERE is_over = 0 AND wake_us IS NULL AND owner = ?1 AND (due_us IS NOT NULL OR NOT (rollback = 'blocked' OR parked IS NOT NULL)) AND number > iif(?2 IS NULL, 0, (SELECT number FROM saga WHERE saga_id = ?2)) ORDER BY number LIMIT ?3";
    let after = after.as_ref().map(id);
    let mut statement = connection.prepare_cached(OWNED)?;
    let params = params![replica.as_uuid().as_bytes(), after, rows as i64];
    statement.query_map(params, |row| saga_id(row, 0))?.collect()
}

/// The sagas that `?1` owns, at most `?2`. Served by saga_owner.
pub(super) const OWNED_COUNT: &str =
    "SELECT count(*) FROM (SELECT 1 FROM saga WHERE is_over = 0 AND wake_us IS NULL AND owner = ?1 LIMIT ?2)";

/// The replicas that are live, with what they own.
pub(super) fn replicas(
    connection: &Connection,
    replicas: &Replicas,
) -> rusqlite::Result<Vec<ReplicaStanding>> {
    let mut statement = connection.prepare_cached(OWNED_COUNT)?;
    let standing = |(id, name)| {
        let params = params![ReplicaId::as_uuid(&id).as_bytes(), OWNED_COUNTED_MAX as i64 + 1];
        let sagas: i64 = statement.query_row(params, |row| row.get(0))?;
        Ok(ReplicaStanding::new(id, name, LeaseStanding::Open, sagas.unsigned_abs()))
    };
    replicas.live().into_iter().map(standing).collect()
}

/// The oldest sagas that are not over, at most `?1`: in the order of `saga_under_way`. The summary of a saga that waits for an
/// operator is not read.
pub(super) const UNDER_WAY: &str = "SELECT definition, definition_hash, created_us, \
     CASE WHEN rollback = 'blocked' OR parked IS NOT NULL THEN NULL ELSE summary END \
     FROM saga WHERE is_over = 0 ORDER BY created_us, saga_id LIMIT ?1";

pub(super) fn under_way(connection: &Connection) -> rusqlite::Result<UnderWay> {
    let mut found = UnderWay::default();
    let mut statement = connection.prepare_cached(UNDER_WAY)?;
    let mut rows = statement.query([UNDER_WAY_READ_MAX as i64 + 1])?;
    while let Some(row) = rows.next()? {
        let (definition, hash, created_us) = (string(row, 0)?, string(row, 1)?, row.get(2)?);
        let summary = row.get_ref(3)?.as_bytes_or_null()?.map(String::from_utf8_lossy);
        let summary = summary.as_deref();
        found.add(&ReadRow { definition: &definition, hash: &hash, created_us, summary });
    }
    Ok(found)
}
