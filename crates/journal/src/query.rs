//! The query behind [`Histories::list`](crate::Histories::list): the same for both databases but for the mark of a
//! parameter.

use saga_core::definition::StateName;
use saga_core::saga::Rollback;
use saga_core::{CauseGroup, CauseRange, SagaId};

use crate::columns::{COLUMNS, Cell, text};
use crate::{Cursor, FailedAt, Filter};

/// A query with its parameters, numbered from 1.
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

/// The parts of a query that the two databases write differently.
pub(crate) struct Dialect {
    /// Begins a parameter.
    pub(crate) mark: char,
    /// The sagas that are not over, as the partial index on them says it.
    pub(crate) is_under_way: &'static str,
    /// The sagas that are over, as the partial indices on them say it.
    pub(crate) is_over: &'static str,
    /// The table, read by the index on the sagas that are not over, where the database can be told so; that index has their states.
    pub(crate) by_under_way: Option<&'static str>,
    /// Before a column that is compared row by row: keeps a planner that knows no figures from the column's index.
    pub(crate) by_row: &'static str,
}

/// The value of a parameter.
pub(crate) enum Param {
    Text(StateName),
    BigInt(i64),
    Saga(SagaId),
}

impl Param {
    /// The parameter as a column would have it.
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Self::Text(value) => text(value).into(),
            Self::BigInt(number) => Cell::BigInt(*number),
            Self::Saga(saga) => Cell::Uuid(*saga.as_uuid()),
        }
    }
}

/// Rows newest first, at most `rows`, from the first one after `after`.
///
/// The cursor is a key, not an offset: a page costs the same wherever it is, and no saga is shown twice or left out when
/// new ones arrive meanwhile. Every filter that few sagas pass is served by an index in the order of the list:
///
/// | filter | served by |
/// |---|---|
/// | labels | `saga_label`, whose key ends with the list's order |
/// | a state | `saga_final` for sagas that are over; of the others: `saga_under_way` |
/// | a cause | `saga_cause_newest` |
/// | the step that failed it, or anything | `saga_failed_step`, `saga_failed` |
/// | `Blocked`, `Running`, `Done` | `saga_person`, `saga_running`, `saga_undone` |
/// | the definition, and nothing of the above | `saga_by_definition` |
/// | those under way, and nothing of the above | `saga_under_way` |
/// | none, `None` | `saga_newest` |
///
/// `since` and `until` are a range of each of these indices. The other filters of a list with several are compared row by row.
pub(crate) fn query(filter: &Filter, after: Option<Cursor>, rows: usize, dialect: &Dialect) -> Query {
    let mut params = Params::new(dialect);
    let limit = params.number(Param::BigInt(rows as i64));
    let columns = shown_columns();
    let mut from = String::from("saga");
    // The table whose key is in the order of the list.
    let mut order = "saga";
    let mut conditions = Vec::new();
    for (index, (name, value)) in filter.labels.iter().enumerate() {
        let (name, value) =
            (params.number(Param::Text(name.clone())), params.number(Param::Text(value.clone())));
        if index == 0 {
            from = "saga_label AS label JOIN saga ON saga.saga_id = label.saga_id".to_owned();
            order = "label";
            conditions.push(format!("label.name = {name} AND label.value = {value}"));
        } else {
            conditions.push(format!(
                "EXISTS (SELECT 1 FROM saga_label AS other WHERE other.name = {name} AND other.value = {value} \
                 AND other.created_us = label.created_us AND other.saga_id = label.saga_id)"
            ));
        }
    }
    if let Some(rollback) = filter.rollback {
        conditions.push(rolls_back(rollback));
    }
    if let Some(cause) = &filter.cause {
        let by_row = if filter.labels.is_empty() { "" } else { dialect.by_row };
        conditions.push(has_cause(&CauseGroup::range(cause), by_row, &mut params));
    }
    if let Some(failed) = &filter.failed {
        let is_found_otherwise = !filter.labels.is_empty() || filter.cause.is_some();
        let by_row = if is_found_otherwise { dialect.by_row } else { "" };
        conditions.push(match failed {
            FailedAt::Any => format!("{by_row}saga.failed_step IS NOT NULL"),
            FailedAt::Step(step) => {
                format!("{by_row}saga.failed_step = {}", params.number(Param::Text(step.clone())))
            }
        });
        conditions.push(dialect.is_over.to_owned());
    }
    if let Some(definition) = &filter.definition {
        let definition = params.number(Param::Text(definition.clone()));
        let is_found_otherwise = !filter.labels.is_empty()
            || filter.cause.is_some()
            || filter.failed.is_some()
            || filter.state.is_some()
            || filter.rollback.is_some_and(|rollback| rollback != Rollback::None);
        let by_row = if is_found_otherwise { dialect.by_row } else { "" };
        conditions.push(format!("{by_row}saga.definition = {definition}"));
    }
    if filter.under_way {
        conditions.push(dialect.is_under_way.to_owned());
    }
    if filter.needs_nobody {
        conditions.push("saga.rollback <> 'blocked' AND saga.parked IS NULL".to_owned());
    }
    for (instant, comparison) in [(filter.since, ">="), (filter.until, "<")] {
        if let Some(instant) = instant {
            let instant = params.number(Param::BigInt(instant.as_micros()));
            conditions.push(format!("{order}.created_us {comparison} {instant}"));
        }
    }
    if let Some(Cursor { created, saga }) = after {
        let created = params.number(Param::BigInt(created.as_micros()));
        let saga = params.number(Param::Saga(saga));
        conditions.push(format!("({order}.created_us, {order}.saga_id) < ({created}, {saga})"));
    }
    let select = |from: &str, further: &str, order_by: &str| {
        let all: Vec<&str> =
            conditions.iter().map(String::as_str).chain(Some(further).filter(|it| !it.is_empty())).collect();
        let filtered = if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) };
        format!("SELECT {columns} FROM {from}{filtered} ORDER BY {order_by} LIMIT {limit}")
    };
    let by_index = format!("{order}.created_us DESC, {order}.saga_id DESC");
    let sql = match &filter.state {
        None => select(&from, "", &by_index),
        Some(state) => {
            let state = params.number(Param::Text(state.clone()));
            let over = select(&from, &format!("saga.final_state = {state}"), &by_index);
            let (from, order_by) = match dialect.by_under_way.filter(|_| filter.labels.is_empty()) {
                Some(by_under_way) => (by_under_way, &*by_index),
                // Sorted, so that the index on all sagas is not walked in its order until enough are found.
                None => (&*from, "saga.created_us + 0 DESC, saga.saga_id DESC"),
            };
            let under_way =
                select(from, &format!("{} AND saga.state = {state}", dialect.is_under_way), order_by);
            format!(
                "SELECT * FROM ({over}) AS ended UNION ALL SELECT * FROM ({under_way}) AS going \
                 ORDER BY created_us DESC, saga_id DESC LIMIT {limit}"
            )
        }
    };
    params.query(sql)
}

/// The parameters of a query that is being made.
pub(crate) struct Params {
    mark: char,
    values: Vec<Param>,
}

impl Params {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        Self { mark: dialect.mark, values: Vec::new() }
    }

    /// The query with them.
    pub(crate) fn query(self, sql: String) -> Query {
        Query { sql, params: self.values }
    }

    /// The next one, as the query names it.
    pub(crate) fn number(&mut self, param: Param) -> String {
        self.values.push(param);
        format!("{}{}", self.mark, self.values.len())
    }
}

/// The columns that rows are read from, of the table `saga`.
pub(crate) fn shown_columns() -> String {
    let shown = COLUMNS.iter().filter(|column| column.read.is_some());
    shown.map(|column| format!("saga.{}", column.name)).collect::<Vec<_>>().join(", ")
}

/// The sagas with these causes. `by_row`: before a column that no index is to be used for.
pub(crate) fn has_cause(range: &CauseRange, by_row: &str, params: &mut Params) -> String {
    match range {
        CauseRange::Key(key) => {
            format!("{by_row}saga.cause = {}", params.number(Param::Text(key.clone())))
        }
        CauseRange::Between { above, below } => {
            let [above, below] = [above, below].map(|key| params.number(Param::Text(key.clone())));
            format!("{by_row}saga.cause > {above} AND {by_row}saga.cause < {below}")
        }
    }
}

/// The sagas of which this is true. As the partial indices say it, and without a parameter, so that the planner can tell
/// that they apply.
fn rolls_back(rollback: Rollback) -> String {
    let word: &str = rollback.into();
    match rollback {
        Rollback::Blocked => "(saga.rollback = 'blocked' OR saga.parked IS NOT NULL)".to_owned(),
        Rollback::None | Rollback::Running | Rollback::Done => {
            format!("saga.rollback = '{word}' AND saga.parked IS NULL")
        }
    }
}
