//! `GET /api/commandes`: orders, newest first, a page at a time.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::Timestamp;
use saga_journal::{Cursor, Filter, KeptRow};
use tokio::time::Instant;

use super::blocage::Blocage;
use super::commande::{self, Commande};
use super::error::Error;
use super::words::{self, Rollback};
use crate::api::Api;
use crate::api::page::Page;
use crate::api::problem::Problem;

/// Rows in a page when the caller does not say.
const LIMIT_DEFAULT: usize = 50;
/// Rows in a page at most.
const LIMIT_MAX: usize = 200;

/// Bodies of pending calls have no place in lists: their size is told.
const BODY_BYTES_IN_LISTS: usize = 0;

/// `GET /api/commandes?etat=&rollback=&client_id=&magasin_id=&limit=&cursor=`.
pub(crate) async fn commandes(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let mut filter = Filter::default();
    let (mut limit, mut after) = (LIMIT_DEFAULT, None);
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::invalid(format!("`{}` stands more than once", name.escape_debug())).into());
        }
        let number = || {
            value.parse::<i64>().map_err(|_| {
                Problem::invalid(format!("`{name}` must be an integer, not `{}`", value.escape_debug()))
            })
        };
        match name.as_str() {
            // PostgreSQL cannot even be asked for a text with a NUL in it.
            "etat" if value.is_empty() || value.contains(char::is_control) => {
                return Err(Problem::invalid("`etat` must be the name of a state, such as CONFIRMEE").into());
            }
            "etat" => filter.state = Some(value.as_str().into()),
            "rollback" => {
                let rollback: Rollback = words::read(value).ok_or_else(|| {
                    Problem::invalid("`rollback` must be AUCUN, EN_COURS, TERMINE or BLOQUE")
                })?;
                filter.rollback = Some(rollback.into());
            }
            // As labels are written: `07` is 7.
            "client_id" | "magasin_id" => {
                filter.labels.push((name.as_str().into(), number()?.to_string().into()));
            }
            "limit" => {
                limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                    .ok_or_else(|| Problem::invalid(format!("`limit` must be 1 to {LIMIT_MAX}")))?;
            }
            "cursor" => {
                after = Some(read_cursor(value).ok_or_else(|| {
                    Problem::invalid("`cursor` must come from the Link header of the page before")
                })?);
            }
            other => {
                let detail = format!(
                    "There is no filter `{}`; there are etat, rollback, client_id, magasin_id, limit and cursor",
                    other.escape_debug()
                );
                return Err(Problem::invalid(detail).into());
            }
        }
    }
    let page = api.engine.journal().list(filter, after, limit).await?;
    let (shown, cut_at) = shown(&api, page.rows).await?;
    let next = cut_at.or(page.next).map(|cursor| {
        let kept = pairs.iter().filter(|(name, _)| name != "cursor");
        let cursor = ("cursor".to_owned(), format!("{}.{}", cursor.created.as_micros(), cursor.saga));
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain([&cursor])).finish();
        format!("/api/commandes?{query}")
    });
    Ok(shown.answer(next))
}

/// As many of a page's orders as fit into `page_bytes_max`, and where the next page begins if that is before the last
/// row; of those that are blocked, what they wait for.
async fn shown(api: &Api, rows: Vec<KeptRow>) -> Result<(Page, Option<Cursor>), Error> {
    let begun = Instant::now();
    let wait = api.limits.blocages_wait;
    let mut page = Page::new(api.limits.page_bytes_max);
    let mut last = None;
    for row in rows {
        let blocage = if !commande::is_blocked(&row) {
            None
        } else if last.is_none() || begun.elapsed() < wait {
            Some(blocage_of(api, &row).await)
        } else {
            let id = row.saga;
            let why = format!(
                "this page has more to read than fits into blocages_wait ({wait:?}); ask for /api/commande/{id}"
            );
            Some(Blocage::unread(&row, why))
        };
        let here = Cursor { created: row.row.created, saga: row.saga };
        if !page.add(&Commande::from(row).blocked(blocage)).map_err(|error| Problem::unwritable(&error))? {
            return Ok((page, last));
        }
        last = Some(here);
    }
    Ok((page, None))
}

/// What a blocked order of a list waits for; the body of its call is left to `GET /api/commande/{id}`.
async fn blocage_of(api: &Api, row: &KeptRow) -> Blocage {
    match api.budgets.read(&api.engine, row.saga).await {
        Ok(read) => commande::blocage(row, read, BODY_BYTES_IN_LISTS),
        Err(problem) => Blocage::unread(row, problem.detail()),
    }
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let (created, saga) = text.split_once('.')?;
    Some(Cursor { created: Timestamp::from_micros(created.parse().ok()?), saga: saga.parse().ok()? })
}
