//! The queries behind [`Histories::causes`](crate::Histories::causes) and its like: the same for both databases, as those of lists
//! are (`query.rs`).
//!
//! All are served by `saga_cause`: the causes by going from key to key, the sagas of one cause in its order. Only the sagas of several
//! causes together are sorted.

use saga_core::CauseGroup;

use crate::causes::{CAUSES_ASKED_MAX, CauseQuestion, CausesAsked, MINUTE_US};
use crate::query::{Dialect, Param, Params, Query, has_cause, shown_columns};
use crate::{CAUSE_MINUTES_MAX, CAUSE_SAGAS_COUNTED_MAX, CauseCursor, CauseMembers};

/// The answers to a question: cause, count, sum at stake, oldest, newest, recent ones, the oldest one's id.
pub(crate) fn figures(question: &CauseQuestion, dialect: &Dialect) -> Query {
    let mut params = Params::new(dialect);
    let rows = params.number(Param::BigInt(question.rows_max as i64));
    let recent = params.number(Param::BigInt(question.recent_us));
    let sql = match &question.about {
        CausesAsked::All(range) => {
            let has_cause = has_cause(range, "", &mut params);
            format!(
                "WITH looked AS (SELECT saga.blocked_us, saga.at_stake, saga.saga_id FROM saga \
                 WHERE {has_cause} ORDER BY saga.cause, saga.blocked_us, saga.saga_id LIMIT {rows}) \
                 SELECT NULL, count(*), CAST(sum(at_stake) AS BIGINT), min(blocked_us), max(blocked_us), \
                 count(CASE WHEN blocked_us >= {recent} THEN 1 END), \
                 (SELECT saga_id FROM looked ORDER BY blocked_us, saga_id LIMIT 1) \
                 FROM looked HAVING count(*) > 0"
            )
        }
        CausesAsked::Behind(key) => {
            let key = params.number(Param::Text(key.clone()));
            let keys = params.number(Param::BigInt(CAUSES_ASKED_MAX as i64));
            let next = |key: &str| {
                format!("SELECT saga.cause FROM saga WHERE saga.cause > {key} ORDER BY saga.cause LIMIT 1")
            };
            let (first, next) = (next(&key), next("named.cause"));
            let of_cause = "FROM saga WHERE saga.cause = named.cause";
            let edge = |column: &str, order: &str| {
                format!(
                    "(SELECT saga.{column} {of_cause} ORDER BY saga.blocked_us {order}, saga.saga_id {order} LIMIT 1)"
                )
            };
            let (oldest, newest, sample) =
                (edge("blocked_us", "ASC"), edge("blocked_us", "DESC"), edge("saga_id", "ASC"));
            format!(
                "WITH RECURSIVE named (cause, place) AS (\
                 SELECT first.cause, 1 FROM ({first}) AS first \
                 UNION ALL \
                 SELECT ({next}), named.place + 1 FROM named WHERE named.cause IS NOT NULL AND named.place < {keys}\
                 ) SELECT named.cause, \
                 (SELECT count(*) FROM (SELECT 1 {of_cause} LIMIT {rows}) AS looked), \
                 (SELECT CAST(sum(looked.at_stake) AS BIGINT) FROM (SELECT saga.at_stake {of_cause} \
                 ORDER BY saga.blocked_us, saga.saga_id LIMIT {rows}) AS looked), \
                 {oldest}, {newest}, \
                 (SELECT count(*) FROM (SELECT 1 {of_cause} AND saga.blocked_us >= {recent} LIMIT {rows}) AS looked), \
                 {sample} FROM named WHERE named.cause IS NOT NULL ORDER BY named.place"
            )
        }
    };
    params.query(sql)
}

/// The rows of one cause's sagas, from the first one after `after`.
pub(crate) fn members(
    of: &CauseMembers,
    after: Option<CauseCursor>,
    rows: usize,
    dialect: &Dialect,
) -> Query {
    let mut params = Params::new(dialect);
    let limit = params.number(Param::BigInt(rows as i64));
    let mut conditions = vec![has_cause(&CauseGroup::range(&of.cause), "", &mut params)];
    if let Some(definition) = &of.definition {
        let definition = params.number(Param::Text(definition.clone()));
        conditions.push(format!("{}saga.definition = {definition}", dialect.by_row));
    }
    if let Some(CauseCursor { blocked, saga }) = after {
        let blocked = params.number(Param::BigInt(blocked.as_micros()));
        let saga = params.number(Param::Saga(saga));
        conditions.push(format!("(saga.blocked_us, saga.saga_id) > ({blocked}, {saga})"));
    }
    let (columns, conditions) = (shown_columns(), conditions.join(" AND "));
    let sql = format!(
        "SELECT {columns} FROM saga WHERE {conditions} ORDER BY saga.blocked_us, saga.saga_id LIMIT {limit}"
    );
    params.query(sql)
}

/// Minutes since the epoch, the newest first, and how many sagas of the cause came within each.
pub(crate) fn minutes(cause: &str, since_us: i64, dialect: &Dialect) -> Query {
    let mut params = Params::new(dialect);
    let rows = params.number(Param::BigInt(CAUSE_SAGAS_COUNTED_MAX as i64));
    let most = params.number(Param::BigInt(CAUSE_MINUTES_MAX as i64));
    let since = params.number(Param::BigInt(since_us));
    let has_cause = has_cause(&CauseGroup::range(cause), "", &mut params);
    let sql = format!(
        "SELECT looked.blocked_us / {MINUTE_US} AS minute, count(*) FROM (\
         SELECT saga.blocked_us FROM saga WHERE {has_cause} AND saga.blocked_us >= {since} \
         ORDER BY saga.blocked_us DESC, saga.saga_id DESC LIMIT {rows}\
         ) AS looked GROUP BY minute ORDER BY minute DESC LIMIT {most}"
    );
    params.query(sql)
}
