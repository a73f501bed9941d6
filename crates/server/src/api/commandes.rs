//! `GET /api/commandes`: orders, newest first, a page at a time.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use saga_core::Timestamp;
use saga_core::saga::Rollback;
use saga_journal::{Cursor, Filter, Row};
use tokio::time::Instant;

use super::Api;
use super::blocage::Blocage;
use super::commande::{self, Commande};
use super::problem::Problem;

/// Rows in a page when the caller does not say.
const LIMIT_DEFAULT: usize = 50;
/// Rows in a page at most.
const LIMIT_MAX: usize = 200;

/// `GET /api/commandes?etat=&rollback=&client_id=&magasin_id=&limit=&cursor=`.
pub(crate) async fn commandes(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut filter = Filter::default();
    let (mut limit, mut after) = (LIMIT_DEFAULT, None);
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(Problem::invalid(format!("`{}` stands more than once", name.escape_debug())));
        }
        let number = || {
            value.parse().map_err(|_| {
                Problem::invalid(format!("`{name}` must be an integer, not `{}`", value.escape_debug()))
            })
        };
        match name.as_str() {
            // PostgreSQL cannot even be asked for a text with a NUL in it.
            "etat" if value.is_empty() || value.contains(char::is_control) => {
                return Err(Problem::invalid("`etat` must be the name of a state, such as CONFIRMEE"));
            }
            "etat" => filter.etat = Some(value.as_str().into()),
            "rollback" => {
                filter.rollback = Some(Rollback::named(value).ok_or_else(|| {
                    Problem::invalid("`rollback` must be AUCUN, EN_COURS, TERMINE or BLOQUE")
                })?);
            }
            "client_id" => filter.client_id = Some(number()?),
            "magasin_id" => filter.magasin_id = Some(number()?),
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
                return Err(Problem::invalid(detail));
            }
        }
    }
    let page = api.engine.journal().list(filter, after, limit).await?;
    let next = page.next.and_then(|cursor| {
        let kept = pairs.iter().filter(|(name, _)| name != "cursor");
        let cursor = ("cursor".to_owned(), format!("{}.{}", cursor.created.as_micros(), cursor.saga));
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain([&cursor])).finish();
        HeaderValue::try_from(format!("</api/commandes?{query}>; rel=\"next\"")).ok()
    });
    let mut response = Json(shown(&api, page.rows).await).into_response();
    if let Some(next) = next {
        response.headers_mut().insert(header::LINK, next);
    }
    Ok(response)
}

/// A page's orders; of those that are blocked, what they wait for.
async fn shown(api: &Api, rows: Vec<Row>) -> Vec<Commande> {
    let begun = Instant::now();
    let wait = api.limits.blocages_wait;
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let blocage = if !commande::is_blocked(&row) {
            None
        } else if shown.is_empty() || begun.elapsed() < wait {
            Some(commande::blocage(&row, api.engine.read(row.saga).await))
        } else {
            let id = row.saga;
            let why = format!(
                "this page has more to read than fits into blocages_wait ({wait:?}); ask for /api/commande/{id}"
            );
            Some(Blocage::unread(&row, why))
        };
        shown.push(Commande::from(row).blocked(blocage));
    }
    shown
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let (created, saga) = text.split_once('.')?;
    Some(Cursor { created: Timestamp::from_micros(created.parse().ok()?), saga: saga.parse().ok()? })
}
