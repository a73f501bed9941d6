//! `GET /api/sagas/{saga}/history`: the states that a saga entered, and what happened to it.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::event::{Cause, Finding, Stuck};
use saga_core::{Direction, Event, Outcome, Record, Saga, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::examples;
use super::saga::{SagaInPath, UnknownSaga, UnreadableSaga, unknown};
use crate::api::Api;
use crate::api::documented::{self, JournalUnavailable, Responses, header};
use crate::api::page::JsonPage;
use crate::api::problem::Problem;

/// Lines of a history in one answer; `Link` leads to the next ones.
const HISTORY_LINES_MAX: usize = 2_000;

/// A line of a history. Without `detail` there are only those with a `state`.
#[derive(Serialize, ToSchema, Default)]
#[schema(as = HistoryLine)]
pub(crate) struct SagaLine {
    #[schema(format = DateTime)]
    at: String,
    /// The state that the saga entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    state: Option<String>,
    /// `attempt`, `skipped`, `waits`, `pause_ended`, `signalled`, `signal_taken`, `passed_over`, `output_made`, `rollback_decided`,
    /// `blocked`, `resumed`, `resolved` or `taken_over`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    step: Option<String>,
    /// Of an attempt: `action`, `compensation`, `probe` or `poll`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempt: Option<u32>,
    /// `ok`, `accepted`, `refused`, `unknown` or `not_sent`. An attempt without it is under way, or was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    outcome: Option<Outcome>,
    /// The HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    duration_ms: Option<f64>,
    /// Of a wait: until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    until: Option<String>,
    /// A signal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    signal: Option<String>,
    /// The kind of obstacle, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    stuck: Option<Stuck>,
    /// `ran`, `not_run` or `undone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    finding: Option<Finding>,
    /// The person who said so; of a caller with a key, the key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
}

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
        let text = |text: &str| Some(text.to_owned());
        let maybe = |reason: &Option<Box<str>>| reason.as_ref().map(ToString::to_string);
        let line = |event: &'static str| SagaLine {
            at: record.at.to_string(),
            event: Some(event),
            ..SagaLine::default()
        };
        let definition = self.saga.definition();
        let name = |step: &usize| definition.steps.get(*step).map(|step| step.name.to_string());
        let at = |event, step: &usize| SagaLine { step: name(step), ..line(event) };
        let shown = match &record.event {
            Event::Started { .. } | Event::Completed | Event::RolledBack => return,
            Event::AttemptStarted { step, direction, attempt } => {
                let shown = SagaLine {
                    direction: Some(*direction),
                    attempt: Some(attempt.get()),
                    ..at("attempt", step)
                };
                self.open.insert((*step, *direction), (self.shown.len(), record.at));
                shown
            }
            Event::AttemptEnded { step, direction, attempt, outcome, status, reason, .. } => {
                let begun = self.open.remove(&(*step, *direction));
                if let Some((number, since)) = begun
                    && let Some(line) = self.shown.get_mut(number)
                {
                    (line.outcome, line.status, line.reason) = (Some(*outcome), *status, maybe(reason));
                    line.duration_ms = Some(record.at.since(since).as_micros() as f64 / 1_000.0);
                    return;
                }
                // A poll has no event until it has an answer.
                SagaLine {
                    direction: Some(*direction),
                    attempt: Some(attempt.get()),
                    outcome: Some(*outcome),
                    status: *status,
                    reason: maybe(reason),
                    ..at("attempt", step)
                }
            }
            Event::Skipped { step } => at("skipped", step),
            Event::Waits { step, until } => SagaLine { until: Some(until.to_string()), ..at("waits", step) },
            Event::PauseEnded { step } => at("pause_ended", step),
            Event::Signalled { name, .. } => {
                let by = record.by.as_ref().map(ToString::to_string);
                SagaLine { signal: text(name), by, ..line("signalled") }
            }
            Event::SignalTaken { step, outcome, reason, .. } => {
                SagaLine { outcome: Some(*outcome), reason: maybe(reason), ..at("signal_taken", step) }
            }
            Event::PassedOver { step, reason } => {
                SagaLine { reason: text(reason), ..at("passed_over", step) }
            }
            Event::OutputMade { error, .. } => SagaLine { reason: maybe(error), ..line("output_made") },
            Event::RollbackDecided { cause } => match cause {
                Cause::StepFailed { step, reason } => {
                    SagaLine { reason: text(reason), ..at("rollback_decided", step) }
                }
                Cause::Cancelled => {
                    SagaLine { reason: text("cancelled on request"), ..line("rollback_decided") }
                }
                Cause::CancelledBy { by, reason } => {
                    let reason = maybe(reason).or_else(|| text("cancelled on request"));
                    SagaLine { by: text(by), reason, ..line("rollback_decided") }
                }
                Cause::DeadlinePassed => {
                    SagaLine { reason: text("the saga's deadline passed"), ..line("rollback_decided") }
                }
            },
            Event::Blocked { step, stuck, reason } => {
                SagaLine { stuck: Some(*stuck), reason: text(reason), ..at("blocked", step) }
            }
            Event::Resumed { by, reason, .. } => {
                SagaLine { by: text(by), reason: maybe(reason), ..line("resumed") }
            }
            Event::Resolved { step, finding, by, reason, .. } => SagaLine {
                finding: Some(*finding),
                by: text(by),
                reason: text(reason),
                ..at("resolved", step)
            },
            Event::TakenOver { .. } => line("taken_over"),
        };
        self.shown.push(shown);
    }
}
