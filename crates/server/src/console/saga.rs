//! `GET /console/sagas/{saga}`: one saga: why, and what now?

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use saga_console::PageName;
use saga_console::pages::{SagaAsked, SagaPage, SagaSeen, SagaView, TypedAct};
use saga_console::sentence::Sentence;
use saga_core::retry::Random;
use saga_core::saga::Moment;
use saga_core::{CommandId, Saga, SagaId, Timestamp};
use saga_engine::Refusal;
use saga_engine::breaker::BreakerKind;
use saga_journal::{History, KeptRow};

use super::visit::Visit;
use super::{answer, saga_raw};
use crate::api::Api;
use crate::api::problem::Problem;
use crate::face::sagas::unknown;

/// The page of a saga, or its raw history.
pub(super) async fn saga(
    State(api): State<Api>,
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let says = |name: &str, value: &str| pairs.iter().any(|pair| pair.0 == name && pair.1 == value);
    let shown = match id_in(path) {
        Err(problem) => Err(problem),
        Ok(id) if says("view", "raw") => return saga_raw::raw(&api, &visit, id, &pairs).await,
        Ok(id) => {
            let view = SagaView::read(pairs.iter().map(|(name, value)| (&**name, &**value)));
            match KnownSaga::read(&api, id).await {
                Ok(known) => SagaWish { view, ..SagaWish::default() }.page(&api, &visit, &known),
                Err(problem) => Err(problem),
            }
        }
    };
    shown.unwrap_or_else(|problem| answer::notice(&problem, visit.frame(PageName::Sagas)))
}

/// The id in a path; text that is no id names no saga.
pub(super) fn id_in(path: Result<Path<String>, PathRejection>) -> Result<SagaId, Problem> {
    path.ok().and_then(|Path(text)| text.parse().ok()).ok_or_else(unknown)
}

/// A saga as far as it can be read.
pub(super) struct KnownSaga {
    pub(super) row: KeptRow,
    /// An error: why it cannot be read back.
    pub(super) read: Result<(Saga, History), Arc<str>>,
    waiting: Vec<saga_core::saga::Waiting>,
    held_back: Vec<Arc<str>>,
}

impl KnownSaga {
    /// The saga with this id.
    pub(super) async fn read(api: &Api, id: SagaId) -> Result<Self, Problem> {
        // The history first: then the row is not older.
        let read = match api.budgets.read(&api.engine, id).await? {
            Ok(Some(read)) => Ok(read),
            Ok(None) | Err(Refusal::Unknown) => return Err(unknown()),
            Err(Refusal::Damaged(reason)) => Err(reason),
            Err(refusal) => return Err(Problem::refused(refusal, unknown)),
        };
        let row = api.engine.journal().row(id).await?.ok_or_else(unknown)?;
        let waiting = api.engine.waiting(&row).await;
        let held_back = if row.row.over { Vec::new() } else { api.engine.held_back(id).await };
        Ok(Self { row, read, waiting, held_back })
    }

    fn seen(&self, api: &Api, now: Timestamp) -> SagaSeen<'_> {
        let read = self.read.as_ref();
        SagaSeen {
            row: &self.row,
            read: read.map(|(saga, history)| (saga, &history.records[..])).map_err(ToString::to_string),
            waiting: self.waiting.clone(),
            held: held(api, &self.row),
            held_back: self.held_back.clone(),
            trace_page: api
                .traces
                .url
                .as_ref()
                .and_then(|url| read.ok().map(|(saga, _)| url.of(saga.trace_id()))),
            // The calls that follow are foretold for the longest waits.
            moment: Moment { now, random: Random(u64::MAX) },
        }
    }
}

/// The participants that hold calls of a definition back, and in how long each lets one through.
fn held(api: &Api, row: &KeptRow) -> Vec<(Arc<str>, Option<Duration>)> {
    let participants = api.engine.participants().into_iter();
    let of_it = participants.filter(|participant| participant.saga == row.row.definition);
    let held = of_it.filter(|participant| participant.breaker.kind != BreakerKind::Closed);
    held.map(|participant| (participant.name, participant.breaker.tried_in)).collect()
}

/// What a reader asks for, and why a form was not followed.
#[derive(Default)]
pub(super) struct SagaWish {
    pub(super) view: SagaView,
    pub(super) typed: TypedAct,
    pub(super) trouble: Option<Sentence>,
    /// Of the form that is shown again; `None`: a new one.
    pub(super) key: Option<String>,
}

impl SagaWish {
    /// The page of a saga.
    pub(super) fn page(self, api: &Api, visit: &Visit, known: &KnownSaga) -> Result<Response, Problem> {
        let key = match self.key {
            Some(key) => key,
            None => new_key()?,
        };
        let command = CommandId::of_key(known.row.saga, &key);
        let asked =
            SagaAsked { view: self.view, typed: self.typed, trouble: self.trouble, form: (key, command) };
        let frame = visit.frame(PageName::Sagas);
        Ok(answer::page(&SagaPage::of(frame, &known.seen(api, visit.now), asked)))
    }
}

/// The key of a new form: nobody guesses it.
fn new_key() -> Result<String, Problem> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| {
        let detail = format!("draw random numbers: {error}; try again later");
        Problem::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, "no_random_numbers", detail)
    })?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
