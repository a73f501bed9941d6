//! The queries behind [`Histories::causes`](crate::Histories::causes) and its like: the same for both databases, as those of lists
//! are (`query.rs`).
//!
//! All are served by `saga_cause`: the causes by going from key to key, the sagas of one cause in its order. Only those of several
//! causes together are sorted.

use saga_core::{CauseGroup, CauseRange};

use crate::causes::{CAUSES_ASKED_MAX, CauseQuestion, CausesAsked, MINUTE_US};
use crate::query::{Dialect, NEEDS_PERSON, Param, Params, Query, has_cause, shown_columns};
use crate::{CAUSE_MINUTES_MAX, CAUSE_SAGAS_COUNTED_MAX, CauseCursor, CauseMembers};

/// Since when a saga waits, in the order of the index. Where a release without keys has written the row, it may say nothing: these
/// rows are sorted.
fn since(range: &CauseRange) -> &'static str {
    match range {
        CauseRange::NoKey => "coalesce(saga.blocked_us, saga.updated_us)",
        CauseRange::Key(_) | CauseRange::Between { .. } => "saga.blocked_us",
    }
}

/// The answers to a question: cause, count, sum at stake, oldest, newest, recent ones, the oldest one's id.
pub(crate) fn figures(question: &CauseQuestion, dialect: &Dialect) -> Query {
    let mut params = Params::new(dialect);
    let rows = params.number(Param::BigInt(question.rows_max as i64));
    let recent = params.number(Param::BigInt(question.recent_us));
    let sql = match &question.about {
        CausesAsked::All(range) => {
            let (has_cause, since) = (has_cause(range, "", &mut params), since(range));
            format!(
                "WITH looked AS (SELECT {since} AS since_us, saga.at_stake, saga.saga_id FROM saga \
                 WHERE {NEEDS_PERSON} AND {has_cause} ORDER BY {since}, saga.saga_id LIMIT {rows}) \
                 SELECT NULL, count(*), CAST(sum(at_stake) AS BIGINT), min(since_us), max(since_us), \
                 count(CASE WHEN since_us >= {recent} THEN 1 END), \
                 (SELECT saga_id FROM looked ORDER BY since_us, saga_id LIMIT 1) \
                 FROM looked HAVING count(*) > 0"
            )
        }
        CausesAsked::Behind(key) => {
            let key = params.number(Param::Text(key.clone().into()));
            let keys = params.number(Param::BigInt(CAUSES_ASKED_MAX as i64));
            let next = |key: &str| {
                format!(
                    "SELECT saga.cause FROM saga WHERE {NEEDS_PERSON} AND saga.cause > {key} ORDER BY saga.cause LIMIT 1"
                )
            };
            let (first, next) = (next(&key), next("named.cause"));
            let of_cause = format!("FROM saga WHERE {NEEDS_PERSON} AND saga.cause = named.cause");
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
    let range = CauseGroup::range(&of.cause);
    let mut conditions = vec![NEEDS_PERSON.to_owned(), has_cause(&range, "", &mut params)];
    if let Some(definition) = &of.definition {
        let definition = params.number(Param::Text(definition.clone().into()));
        conditions.push(format!("{}saga.definition = {definition}", dialect.by_row));
    }
    let since = since(&range);
    if let Some(CauseCursor { blocked, saga }) = after {
        let blocked = params.number(Param::BigInt(blocked.as_micros()));
        let saga = params.number(Param::Saga(saga));
        conditions.push(format!("({since}, saga.saga_id) > ({blocked}, {saga})"));
    }
    let (columns, conditions) = (shown_columns(), conditions.join(" AND "));
    let sql =
        format!("SELECT {columns} FROM saga WHERE {conditions} ORDER BY {since}, saga.saga_id LIMIT {limit}");
    params.query(sql)
}

/// Minutes since the epoch, the newest first, and how many sagas of the cause came within each.
pub(crate) fn minutes(cause: &str, since_us: i64, dialect: &Dialect) -> Query {
    let mut params = Params::new(dialect);
    let rows = params.number(Param::BigInt(CAUSE_SAGAS_COUNTED_MAX as i64));
    let most = params.number(Param::BigInt(CAUSE_MINUTES_MAX as i64));
    let from = params.number(Param::BigInt(since_us));
    let range = CauseGroup::range(cause);
    let (has_cause, since) = (has_cause(&range, "", &mut params), since(&range));
    let sql = format!(
        "SELECT looked.since_us / {MINUTE_US} AS minute, count(*) FROM (\
         SELECT {since} AS since_us FROM saga WHERE {NEEDS_PERSON} AND {has_cause} AND {since} >= {from} \
         ORDER BY {since} DESC, saga.saga_id DESC LIMIT {rows}\
         ) AS looked GROUP BY minute ORDER BY minute DESC LIMIT {most}"
    );
    params.query(sql)
}
