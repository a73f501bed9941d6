//! The query behind [`Histories::list`](crate::Histories::list): the same for both databases but for the mark of a
//! parameter.

use std::fmt::Write;

use saga_core::SagaId;
use saga_core::definition::StateName;

use crate::{Cursor, Filter, rollback_word};

/// A query with its parameters, numbered from 1.
pub(crate) struct Listing {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

/// What a parameter holds.
pub(crate) enum Param {
    Text(StateName),
    BigInt(i64),
    Saga(SagaId),
}

/// Rows newest first, from the first one after `after`; `select` names the columns, `mark` begins a parameter.
///
/// The cursor is a key, not an offset: a page costs the same wherever it is, and no order is shown twice or
/// left out when new ones arrive meanwhile.
pub(crate) fn listing(
    select: &str,
    filter: Filter,
    after: Option<Cursor>,
    rows: usize,
    mark: char,
) -> Listing {
    let mut params = Vec::new();
    let mut number = |param| {
        params.push(param);
        format!("{mark}{}", params.len())
    };
    let mut conditions = Vec::new();
    if let Some(etat) = filter.etat {
        conditions.push(format!("etat = {}", number(Param::Text(etat))));
    }
    if let Some(rollback) = filter.rollback {
        // One of four words of ours. Not a parameter, so that the planner can tell that the partial index on
        // blocked orders applies.
        conditions.push(format!("rollback = '{}'", rollback_word(rollback)));
    }
    if let Some(client_id) = filter.client_id {
        conditions.push(format!("client_id = {}", number(Param::BigInt(client_id))));
    }
    if let Some(magasin_id) = filter.magasin_id {
        conditions.push(format!("magasin_id = {}", number(Param::BigInt(magasin_id))));
    }
    if let Some(Cursor { created, saga }) = after {
        let created = number(Param::BigInt(created.as_micros()));
        let saga = number(Param::Saga(saga));
        conditions.push(format!("(cree_us, saga_id) < ({created}, {saga})"));
    }
    let mut sql = select.to_owned();
    for (index, condition) in conditions.iter().enumerate() {
        let word = if index == 0 { "WHERE" } else { "AND" };
        write!(sql, " {word} {condition}").expect("writing to memory cannot fail");
    }
    let limit = number(Param::BigInt(rows as i64));
    write!(sql, " ORDER BY cree_us DESC, saga_id DESC LIMIT {limit}").expect("writing to memory cannot fail");
    Listing { sql, params }
}
