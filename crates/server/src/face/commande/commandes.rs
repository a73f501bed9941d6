//! `GET /api/commandes`: orders, newest first, a page at a time.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::definition::StateName;
use saga_journal::{Cursor, Filter, KeptRow};
use tokio::time::Instant;
use utoipa::{IntoParams, IntoResponses};

use super::blocage::Blocage;
use super::commande::{self, Commande};
use super::error::Error;
use super::examples;
use super::words::{self, Rollback};
use crate::api::Api;
use crate::api::documented::{self, JournalUnavailable, Responses, header};
use crate::api::page::{self, JsonPage};
use crate::api::problem::Problem;

/// Rows in a page when the caller does not say.
const LIMIT_DEFAULT: usize = 50;
/// Rows in a page at most.
const LIMIT_MAX: usize = 200;

/// Bodies of pending calls have no place in lists: their size is told.
const BODY_BYTES_IN_LISTS: usize = 0;

/// Which orders are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Filtres {
    /// Only orders in this state.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", example = "ECHEC_PAIEMENT")]
    etat: Option<StateName>,
    /// Only orders whose rollback stands so.
    #[param(example = "BLOQUE")]
    rollback: Option<Rollback>,
    #[param(example = 7)]
    client_id: Option<i64>,
    #[param(example = 1)]
    magasin_id: Option<i64>,
    /// Rows in a page.
    #[param(required = false, minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: usize,
    /// From the `Link` header of the page before.
    #[param(
        value_type = Option<String>,
        pattern = r"^[0-9]{1,18}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "1795342530123456.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21"
    )]
    cursor: Option<Cursor>,
}

/// `200`: a page.
struct PageOfOrders;

impl IntoResponses for PageOfOrders {
    fn responses() -> Responses {
        let next =
            format!("</api/commandes?limit=50&cursor=1795342530123456.{}>; rel=\"next\"", examples::ID);
        let description = "A page: as many orders as `limit` says, or as fit into 1 MiB.";
        let response = documented::json(description, documented::list_of("Commande"), examples::list())
            .header("Link", header("The next page, if there is one (RFC 8288).", next));
        Responses::from([("200".to_owned(), response.build().into())])
    }
}

/// Orders, newest first
///
/// `?rollback=BLOQUE` is the inbox of those who look after orders that need a person: each with the reason and the exact
/// call that is pending, without that call's body, which the order itself shows.
#[utoipa::path(
    get,
    path = "/api/commandes",
    security(("key" = ["read", "operate", "admin"])),
    tag = "commandes",
    params(Filtres),
    responses(
        PageOfOrders,
        (
            status = 422,
            description = "A parameter is wrong or unknown.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(Filtres::read(&[("limit".into(), "0".into())]).err())
        ),
        JournalUnavailable
    )
)]
pub(crate) async fn commandes(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let Filtres { etat, rollback, client_id, magasin_id, limit, cursor } = Filtres::read(&pairs)?;
    // As labels are written: `07` is 7.
    let number =
        |name: &str, number: Option<i64>| number.map(|number| (name.into(), number.to_string().into()));
    let labels = [number("client_id", client_id), number("magasin_id", magasin_id)];
    let filter = Filter {
        definition: Some(api.commande_saga.clone()),
        state: etat,
        rollback: rollback.map(Into::into),
        labels: labels.into_iter().flatten().collect(),
        ..Filter::default()
    };
    let page = api.engine.journal().list(filter, cursor, limit).await?;
    let (shown, cut_at) = shown(&api, page.rows).await?;
    let next =
        cut_at.or(page.next).map(|cursor| page::next("/api/commandes", &pairs, &page::written(cursor)));
    Ok(shown.answer(next))
}

impl Filtres {
    fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let mut read = Self {
            etat: None,
            rollback: None,
            client_id: None,
            magasin_id: None,
            limit: LIMIT_DEFAULT,
            cursor: None,
        };
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
                "etat" => read.etat = Some(value.as_str().into()),
                "rollback" => {
                    read.rollback = Some(words::read(value).ok_or_else(|| {
                        Problem::invalid("`rollback` must be AUCUN, EN_COURS, TERMINE or BLOQUE")
                    })?);
                }
                "client_id" => read.client_id = Some(number()?),
                "magasin_id" => read.magasin_id = Some(number()?),
                "limit" => {
                    read.limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                        .ok_or_else(|| Problem::invalid(format!("`limit` must be 1 to {LIMIT_MAX}")))?;
                }
                "cursor" => {
                    read.cursor = Some(page::read_cursor(value).ok_or_else(|| {
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
        Ok(read)
    }
}

/// As many of a page's orders as fit into `page_bytes_max`, and where the next page begins if that is before the last
/// row; of those that are blocked, what they wait for.
async fn shown(api: &Api, rows: Vec<KeptRow>) -> Result<(JsonPage, Option<Cursor>), Error> {
    let begun = Instant::now();
    let wait = api.limits.blocages_wait;
    let mut page = JsonPage::new(api.limits.page_bytes_max);
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

/// The obstacle of a blocked order in a list; the body of its call is left to `GET /api/commande/{id}`.
async fn blocage_of(api: &Api, row: &KeptRow) -> Blocage {
    match api.budgets.read(&api.engine, row.saga).await {
        Ok(read) => commande::blocage(row, read, BODY_BYTES_IN_LISTS),
        Err(problem) => Blocage::unread(row, problem.detail()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_limits() {
        let filters = serde_json::json!(Filtres::into_params(|| None));
        let limit = filters.as_array().unwrap().iter().find(|filter| filter["name"] == "limit").unwrap();
        assert_eq!(
            (&limit["schema"]["default"], &limit["schema"]["maximum"]),
            (&LIMIT_DEFAULT.into(), &LIMIT_MAX.into())
        );
    }
}
