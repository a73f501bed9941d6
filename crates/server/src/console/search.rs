//! `GET /console/search`: an id opens its saga; `name=value` is a filter; a name of a definition, step, participant or state is one,
//! too; any other text is tried as the value of every label.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use saga_console::PageName;
use saga_console::pages::{FoundFilter, LABEL, LIST, ListFilters, NothingFound, SearchPage};
use saga_core::{Definition, SagaId};
use saga_journal::KeptRow;

use super::answer;
use super::sagas::{known_names, pairs};
use super::visit::Visit;
use crate::api::Api;
use crate::api::problem::Problem;

/// Characters of the wanted text.
const SEARCH_CHARS_MAX: usize = 200;
/// Sagas that a search shows.
const SEARCH_SAGAS_MAX: usize = 50;
/// The filters of the list that the text can name.
const FILTERS: [&str; 10] = [
    "saga",
    "state",
    "rollback",
    "waiting",
    "waiting_longer",
    "participant",
    "step",
    "since",
    "until",
    "family",
];

/// What a search leads to.
enum SearchEnd {
    /// Another page.
    Goes(String),
    /// Several things.
    Finds(Vec<FoundFilter>, Vec<KeptRow>),
    /// None.
    Nothing(NothingFound),
}

/// The search.
pub(super) async fn search(State(api): State<Api>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    let wanted =
        pairs.iter().find(|(name, _)| name == "q").map(|(_, value)| value.trim()).unwrap_or_default();
    let frame = visit.frame(PageName::Sagas);
    if wanted.chars().count() > SEARCH_CHARS_MAX {
        let detail = format!("A search has at most {SEARCH_CHARS_MAX} characters (SEARCH_CHARS_MAX)");
        return answer::notice(&Problem::invalid(detail), frame);
    }
    match find(&api, wanted).await {
        Ok(SearchEnd::Goes(address)) => Redirect::to(&address).into_response(),
        Ok(SearchEnd::Finds(filters, rows)) => answer::page(&SearchPage::new(frame, wanted, filters, &rows)),
        Ok(SearchEnd::Nothing(nothing)) => {
            let mut response = answer::page(&SearchPage::nothing(frame, wanted, nothing));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
        Err(problem) => answer::notice(&problem, frame),
    }
}

async fn find(api: &Api, wanted: &str) -> Result<SearchEnd, Problem> {
    if wanted.is_empty() {
        return Ok(SearchEnd::Goes(LIST.to_owned()));
    }
    if let Ok(id) = wanted.parse::<SagaId>() {
        let row = api.engine.journal().row(id).await?;
        return Ok(
            row.map_or(SearchEnd::Nothing(NothingFound::Id), |_| SearchEnd::Goes(format!("{LIST}/{id}")))
        );
    }
    if let Some((name, value)) = wanted.split_once('=') {
        return Ok(filter(name.trim(), value.trim()));
    }
    let filters = named(&api.engine.definitions(), wanted);
    let labels = known_names(api).labels;
    let rows = labelled(api, &labels, wanted).await?;
    Ok(match (&filters[..], &rows[..]) {
        ([], []) => SearchEnd::Nothing(NothingFound::Text { labels }),
        ([(name, value)], []) => SearchEnd::Goes(ListFilters::one(name, value).address()),
        ([], [one]) => SearchEnd::Goes(format!("{LIST}/{}", one.saga)),
        _ => {
            let filters = filters.iter().map(|(name, value)| FoundFilter::of(name, value)).collect();
            SearchEnd::Finds(filters, rows)
        }
    })
}

/// The list with one filter; a name that no filter has is a label's.
fn filter(name: &str, value: &str) -> SearchEnd {
    if name.is_empty() || value.is_empty() {
        return SearchEnd::Nothing(NothingFound::Value);
    }
    let is_filter = FILTERS.contains(&name) || name.starts_with(LABEL);
    let name = if is_filter { name.to_owned() } else { format!("{LABEL}{name}") };
    SearchEnd::Goes(ListFilters::one(&name, value).address())
}

/// The filters of which the text is a value: names of definitions, of their steps, participants and states, in any case.
fn named(definitions: &[Arc<Definition>], wanted: &str) -> Vec<(&'static str, Arc<str>)> {
    let mut found = Vec::new();
    let mut add = |filter: &'static str, name: &Arc<str>| {
        if name.to_lowercase() == wanted.to_lowercase() && !found.contains(&(filter, name.clone())) {
            found.push((filter, name.clone()));
        }
    };
    for definition in definitions {
        add("saga", &definition.name);
        for step in &definition.steps {
            add("step", &step.name);
        }
        for participant in &definition.participants {
            add("participant", &participant.name);
        }
        let of_steps = definition.steps.iter().flat_map(|step| step.success.iter().chain([&step.failure]));
        let states = &definition.states;
        for state in of_steps.chain([&states.started, &states.completed, &states.cancelled]) {
            add("state", state);
        }
    }
    found
}

/// The sagas that have a text as the value of one of these labels, newest first.
async fn labelled(api: &Api, labels: &[String], value: &str) -> Result<Vec<KeptRow>, Problem> {
    // PostgreSQL cannot even be asked for a text with a NUL in it.
    if value.contains(char::is_control) {
        return Ok(Vec::new());
    }
    let names: Vec<Arc<str>> = labels.iter().map(|name| name.as_str().into()).collect();
    let found = api.engine.labelled(&value.into(), &names, SEARCH_SAGAS_MAX).await;
    found.map_err(|refusal| Problem::refused(refusal, Problem::no_such_path))
}
