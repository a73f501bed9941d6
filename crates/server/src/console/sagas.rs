//! `GET /console/sagas`: which sagas? Filters are those of `GET /api/sagas`, read by the same reader, and the family of states.

use std::collections::BTreeSet;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use saga_console::PageName;
use saga_console::pages::{FAMILY, FoundRows, KnownNames, ListFilters, SagasPage};
use saga_engine::{LISTED_ROWS_READ_MAX, Listing};
use saga_journal::StateFamily;
use strum::VariantArray;

use super::answer;
use super::visit::Visit;
use crate::api::problem::Problem;
use crate::api::{Api, page};
use crate::face::sagas::ListAsked;

/// Names of labels that are offered, and that a search tries.
pub(super) const LABEL_NAMES_MAX: usize = 50;

/// The list.
pub(super) async fn sagas(
    State(api): State<Api>,
    visit: Visit,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    if let Some(filters) = ListFilters::of_form(&pairs) {
        return Redirect::to(&filters.address()).into_response();
    }
    let frame = visit.frame(PageName::Sagas);
    match found(&api, &visit, &pairs).await {
        Ok(found) => {
            let (filters, known) = (ListFilters::of(&pairs), known_names(&api));
            answer::page(&SagasPage::new(frame, filters, known, found, base(&headers)))
        }
        Err(problem) => answer::notice(&problem, frame),
    }
}

/// The names and values of a query.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

async fn found(api: &Api, visit: &Visit, pairs: &[(String, String)]) -> Result<FoundRows, Problem> {
    let (families, others): (Vec<_>, Vec<_>) = pairs.iter().cloned().partition(|(name, _)| name == FAMILY);
    let family = match &families[..] {
        [] => None,
        [(_, word)] => Some(word.parse::<StateFamily>().map_err(|_| no_such_family())?),
        _ => return Err(Problem::invalid(format!("`{FAMILY}` stands more than once"))),
    };
    let asked = ListAsked::read(&others)?;
    let listing = Listing { family, ..asked.listing(visit.now) };
    let found = api.engine.list(&listing, asked.cursor, asked.limit).await;
    let found = found.map_err(|refusal| Problem::refused(refusal, Problem::no_such_path))?;
    let is_full = found.rows.len() >= asked.limit;
    Ok(FoundRows {
        stopped_after: (found.next.is_some() && !is_full).then_some(LISTED_ROWS_READ_MAX),
        next: found.next.map(page::written),
        is_first: asked.cursor.is_none(),
        rows: found.rows,
    })
}

fn no_such_family() -> Problem {
    let known: Vec<&str> = StateFamily::VARIANTS.iter().map(Into::into).collect();
    Problem::invalid(format!("`{FAMILY}` must be one of {}", known.join(", ")))
}

/// The names of the loaded definitions, and of their labels.
pub(super) fn known_names(api: &Api) -> KnownNames {
    let definitions = api.engine.definitions();
    let labels: BTreeSet<String> = definitions
        .iter()
        .flat_map(|definition| definition.labels.iter().map(|rule| rule.name.to_string()))
        .collect();
    KnownNames {
        definitions: definitions.iter().map(|definition| definition.name.to_string()).collect(),
        labels: labels.into_iter().take(LABEL_NAMES_MAX).collect(),
    }
}

/// The server's address, as the reader's browser has it.
fn base(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    // It goes into a command that a reader copies: a name and a port have nothing else.
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-.:[]".contains(character);
    let host = if host.chars().all(is_plain) { host } else { "localhost" };
    format!("http://{host}")
}
