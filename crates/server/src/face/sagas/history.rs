//! `GET /api/sagas/{saga}/history`: the states that a saga entered, and what happened to it.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::{Direction, Event, Record, Saga, Timestamp};
use utoipa::{IntoParams, IntoResponses};

use super::examples;
use super::line::SagaLine;
use super::saga::{SagaInPath, UnknownSaga, UnreadableSaga, unknown};
use crate::api::Api;
use crate::api::documented::{self, JournalUnavailable, Responses, header};
use crate::api::page::JsonPage;
use crate::api::problem::Problem;

/// Lines of a history in one answer; `Link` leads to the next ones.
const HISTORY_LINES_MAX: usize = 2_000;

/// `200`: the history.
struct SagaHistory;

impl IntoResponses for SagaHistory {
    fn responses() -> Responses {
        let next = format!("</api/sagas/{}/history?detail=steps&cursor=2000>; rel=\"next\"", examples::ID);
        let description = "The next lines, if there are more than fit into one answer (RFC 8288).";
        let lines = documented::list_of("HistoryLine");
        let response = documented::json("In the order of events.", lines, examples::history())
            .header("Link", header(description, next));
        Responses::from([("200".to_owned(), response.build().into())])
    }
}

/// A saga's history
#[utoipa::path(
    get,
    path = "/api/sagas/{saga}/history",
    security(("key" = ["start", "read", "operate", "admin"])),
    tag = "sagas",
    params(("saga" = String, Path, description = "The saga's id.", example = examples::id), SagaHistoryQuery),
    responses(
        SagaHistory,
        UnknownSaga,
        (
            status = 422,
            description = "A parameter is wrong.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(AskedLines::read("detail=all").err())
        ),
        UnreadableSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn history(
    State(api): State<Api>,
    SagaInPath(id): SagaInPath,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let asked = AskedLines::read(&query.unwrap_or_default())?;
    let read = api.budgets.read(&api.engine, id).await?;
    let (saga, history) = read.map_err(|refusal| Problem::refused(refusal, unknown))?.ok_or_else(unknown)?;
    let mut lines = SagaLines { saga: &saga, shown: Vec::new(), open: BTreeMap::new() };
    for record in &history.records {
        if asked.with_steps {
            lines.add(record);
        }
        if let Some(state) = &record.state {
            let (at, state) = (record.at.to_string(), Some(state.to_string()));
            lines.shown.push(SagaLine { at, state, ..SagaLine::default() });
        }
    }
    let mut page = JsonPage::new(api.limits.page_bytes_max);
    let mut end = asked.cursor;
    for line in lines.shown.iter().skip(asked.cursor).take(HISTORY_LINES_MAX) {
        if !page.add(line).map_err(|error| Problem::unwritable(&error))? {
            break;
        }
        end += 1;
    }
    // Lines are added at the end alone, so that a line's number is its place for good.
    let next = (end < lines.shown.len()).then(|| {
        let detail = if asked.with_steps { "detail=steps&" } else { "" };
        format!("/api/sagas/{id}/history?{detail}cursor={end}")
    });
    Ok(page.answer(next))
}

/// The query of a history.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the parameters as the document shows them")]
struct SagaHistoryQuery {
    /// `steps`: every call to a participant too, every skip and signal, and what people said.
    #[param(pattern = "^steps$", example = "steps")]
    detail: Option<String>,
    /// The next page, as the `Link` header of the one before has it: 2,000 lines at most are in one answer.
    #[param(example = 2_000)]
    cursor: Option<u64>,
}

/// The query, read.
#[derive(Default)]
struct AskedLines {
    with_steps: bool,
    cursor: usize,
}

impl AskedLines {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (&*name, &*value) {
                ("detail", "steps") => asked.with_steps = true,
                ("detail", other) => {
                    let other = other.chars().take(20).collect::<String>();
                    let detail = format!("`detail` can be `steps`, not `{}`", other.escape_debug());
                    return Err(Problem::invalid(detail));
                }
                ("cursor", value) => {
                    let wrong =
                        |_| Problem::invalid("`cursor` must come from the Link header of the page before");
                    asked.cursor = value.parse().map_err(wrong)?;
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// The detailed history, as far as it is written.
struct SagaLines<'a> {
    saga: &'a Saga,
    shown: Vec<SagaLine>,
    /// Where the line of each attempt under way is, and since when, so that its end finds it.
    open: BTreeMap<(usize, Direction), (usize, Timestamp)>,
}

impl SagaLines<'_> {
    fn add(&mut self, record: &Record) {
        let line = SagaLine { state: None, ..SagaLine::of(record, Some(self.saga.definition())) };
        let attempt = SagaLine { event: Some("attempt"), ..line.clone() };
        match &record.event {
            // The state says it.
            Event::Started { .. } | Event::Completed | Event::RolledBack => {}
            Event::AttemptStarted { step, direction, .. } => {
                self.open.insert((*step, *direction), (self.shown.len(), record.at));
                self.shown.push(attempt);
            }
            Event::AttemptEnded { step, direction, .. } => {
                let begun = self.open.remove(&(*step, *direction));
                match begun.and_then(|(number, since)| Some((self.shown.get_mut(number)?, since))) {
                    Some((line, since)) => {
                        (line.outcome, line.status, line.reason) =
                            (attempt.outcome, attempt.status, attempt.reason);
                        line.duration_ms = Some(record.at.since(since).as_micros() as f64 / 1_000.0);
                    }
                    // A poll has no event until it has an answer.
                    None => self.shown.push(attempt),
                }
            }
            _ => self.shown.push(line),
        }
    }
}
