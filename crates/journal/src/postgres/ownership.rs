//! Leases and claims. A claim skips the rows that other transactions have; the other statements wait for the row that
//! they change.

use std::time::Duration;

use saga_core::{Incarnation, SagaId, Seq, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};
use uuid::Uuid;

use super::pool::ConnectionPool;
use super::sql;
use crate::columns::{page_rows, text};
use crate::frame::position;
use crate::migration;
use crate::{
    Joining, LEASE_MAX, Lease, LeaseStanding, OWNED_COUNTED_MAX, REPLICAS_TOLD_MAX, ReplicaId,
    ReplicaStanding, Resting, Unavailable, WakeUp,
};

/// How long the row of a replica that is gone is kept: for operators who ask which process it was.
const GONE_KEPT: Duration = Duration::from_secs(60 * 60);

/// Values with their types.
type Bound<'p, const N: usize> = [(&'p (dyn ToSql + Sync), Type); N];

/// See [`Membership::join`](crate::Membership::join). A replica that joins removes the rows of replicas that went long
/// ago, so there are not many more rows than processes started within [`GONE_KEPT`].
pub(super) async fn join(
    pool: &ConnectionPool,
    replica: ReplicaId,
    name: &str,
    joining: Joining,
    lease: Duration,
) -> Result<(), Unavailable> {
    let (name, lease_us) = (text(name), micros(lease.min(LEASE_MAX)));
    let (release, knows) = (env!("CARGO_PKG_VERSION"), migration::newest(migration::POSTGRES));
    let params: Bound<'_, 5> = [
        (replica.as_uuid(), Type::UUID),
        (&name, Type::TEXT),
        (&lease_us, Type::INT8),
        (&release, Type::TEXT),
        (&knows, Type::INT8),
    ];
    pool.query(sql::JOIN, &params).await?;
    if joining == Joining::Started {
        pool.query(sql::REPLACE, &[(replica.as_uuid(), Type::UUID), (&name, Type::TEXT)]).await?;
    }
    pool.query(sql::FORGET, &[(&micros(GONE_KEPT), Type::INT8)]).await.map(drop)
}

/// See [`Membership::incarnation`](crate::Membership::incarnation).
pub(super) async fn incarnation(pool: &ConnectionPool) -> Result<Incarnation, Unavailable> {
    let rows = pool.query(sql::INCARNATION, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Incarnation::FIRST) };
    let number = cell(row, 0)?;
    Incarnation::new(number)
        .ok_or_else(|| Unavailable::because(format_args!("its incarnation in saga_database is {number}")))
}

/// See [`Membership::clock`](crate::Membership::clock).
pub(super) async fn clock(pool: &ConnectionPool) -> Result<Timestamp, Unavailable> {
    let rows = pool.query(sql::CLOCK, &[]).await?;
    let row = rows.first().ok_or_else(|| Unavailable::because("the database did not say what time it is"))?;
    cell(row, 0).map(Timestamp::from_micros)
}

/// See [`Membership::renew`](crate::Membership::renew).
pub(super) async fn renew(
    pool: &ConnectionPool,
    replica: ReplicaId,
    lease: Duration,
) -> Result<Lease, Unavailable> {
    let lease_us = micros(lease.min(LEASE_MAX));
    let params: Bound<'_, 2> = [(replica.as_uuid(), Type::UUID), (&lease_us, Type::INT8)];
    let rows = pool.query(sql::RENEW, &params).await?;
    Ok(if rows.is_empty() { Lease::Lost } else { Lease::Held })
}

/// See [`Membership::leave`](crate::Membership::leave).
pub(super) async fn leave(pool: &ConnectionPool, replica: ReplicaId) -> Result<(), Unavailable> {
    pool.query(sql::LEAVE, &[(replica.as_uuid(), Type::UUID)]).await.map(drop)
}

/// See [`Membership::expire`](crate::Membership::expire).
pub(super) async fn expire(pool: &ConnectionPool) -> Result<(), Unavailable> {
    pool.query(sql::EXPIRE, &[]).await.map(drop)
}

/// See [`Membership::claim`](crate::Membership::claim).
///
/// Two statements, of which each may be as late as it likes: a replica that is gone stays gone, and the last one
/// compares the owner again.
pub(super) async fn claim(
    pool: &ConnectionPool,
    replica: ReplicaId,
    limit: usize,
) -> Result<Vec<SagaId>, Unavailable> {
    let rows = pool.query(sql::ORPHANING, &[]).await?;
    let orphaning = rows.iter().map(|row| cell(row, 0)).collect::<Result<Vec<Uuid>, _>>()?;
    let limit = page_rows(limit) as i64;
    let params: Bound<'_, 3> =
        [(replica.as_uuid(), Type::UUID), (&limit, Type::INT8), (&orphaning, Type::UUID_ARRAY)];
    let rows = pool.query_once(sql::CLAIM, &params).await?;
    rows.iter().map(|row| cell(row, 0).map(SagaId::new)).collect()
}

/// See [`Membership::rest`](crate::Membership::rest).
pub(super) async fn rest(
    pool: &ConnectionPool,
    replica: ReplicaId,
    sagas: &[Resting],
) -> Result<(), Unavailable> {
    let ids: Vec<Uuid> = sagas.iter().map(|resting| *resting.saga.as_uuid()).collect();
    let seqs: Vec<i64> = sagas.iter().map(|resting| position(resting.seq.get())).collect();
    let wakes: Vec<i64> = sagas.iter().map(Resting::wake_us).collect();
    let rested: Vec<i64> = sagas.iter().map(|resting| resting.at.as_micros()).collect();
    let params: Bound<'_, 5> = [
        (replica.as_uuid(), Type::UUID),
        (&ids, Type::UUID_ARRAY),
        (&seqs, Type::INT8_ARRAY),
        (&wakes, Type::INT8_ARRAY),
        (&rested, Type::INT8_ARRAY),
    ];
    pool.query(sql::REST, &params).await.map(drop)
}

/// See [`Membership::wake`](crate::Membership::wake).
pub(super) async fn wake(
    pool: &ConnectionPool,
    replica: ReplicaId,
    due: WakeUp,
    limit: usize,
) -> Result<Vec<(SagaId, Seq)>, Unavailable> {
    let (by_us, after_us, limit) =
        (due.by.as_micros(), due.rested_after.as_micros(), page_rows(limit) as i64);
    let params: Bound<'_, 4> = [
        (replica.as_uuid(), Type::UUID),
        (&by_us, Type::INT8),
        (&limit, Type::INT8),
        (&after_us, Type::INT8),
    ];
    let rows = pool.query_once(sql::WAKE, &params).await?;
    let woken = |row| {
        let seq: i64 = cell(row, 1)?;
        Ok((SagaId::new(cell(row, 0)?), Seq::new(seq.unsigned_abs())))
    };
    rows.iter().map(woken).collect()
}

/// See [`Membership::owned`](crate::Membership::owned).
pub(super) async fn owned(
    pool: &ConnectionPool,
    replica: ReplicaId,
    after: Option<SagaId>,
    limit: usize,
) -> Result<Vec<SagaId>, Unavailable> {
    let (after, limit) = (after.as_ref().map(SagaId::as_uuid), page_rows(limit) as i64);
    let params: Bound<'_, 3> = [(replica.as_uuid(), Type::UUID), (&after, Type::UUID), (&limit, Type::INT8)];
    let rows = pool.query(sql::OWNED, &params).await?;
    rows.iter().map(|row| cell(row, 0).map(SagaId::new)).collect()
}

/// See [`Membership::replicas`](crate::Membership::replicas).
pub(super) async fn replicas(pool: &ConnectionPool) -> Result<Vec<ReplicaStanding>, Unavailable> {
    let (told, counted) = (REPLICAS_TOLD_MAX as i64, OWNED_COUNTED_MAX as i64 + 1);
    let rows = pool.query(sql::REPLICAS, &[(&told, Type::INT8), (&counted, Type::INT8)]).await?;
    let standing = |row| {
        let (id, name, left_us, sagas): (Uuid, &str, i64, i64) =
            (cell(row, 0)?, cell(row, 1)?, cell(row, 3)?, cell(row, 4)?);
        let span = Duration::from_micros(left_us.unsigned_abs());
        let lease = match (cell(row, 2)?, left_us >= 0) {
            (true, _) => LeaseStanding::Gone(span),
            (false, true) => LeaseStanding::For(span),
            (false, false) => LeaseStanding::RanOut(span),
        };
        let release = cell::<Option<&str>>(row, 5)?.map(Into::into);
        Ok(ReplicaStanding {
            release,
            ..ReplicaStanding::new(ReplicaId::new(id), name.into(), lease, sagas.unsigned_abs())
        })
    };
    rows.iter().map(standing).collect()
}

pub(super) fn cell<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, Unavailable> {
    row.try_get(index).map_err(Unavailable::because)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).expect("no duration here is longer than LEASE_MAX")
}
