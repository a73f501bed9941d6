//! `GET /api/sagas`: sagas of all definitions, newest first, a page at a time.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::Timestamp;
use saga_core::saga::WaitingFor;
use saga_engine::Listing;
use saga_journal::{Cursor, KeptRow};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as WordError;
use strum::VariantNames;
use tokio::time::Instant;
use utoipa::{IntoParams, IntoResponses};

use super::blocked::BlockedSaga;
use super::examples;
use super::labels::{self, LabelQuery};
use super::saga::{SagaShown, is_blocked, unknown};
use super::words::RollbackWord;
use crate::api::Api;
use crate::api::documented::{self, JournalUnavailable, Responses, header};
use crate::api::page::{self, JsonPage};
use crate::api::problem::Problem;
use crate::api::query::{duration, limit_of, time, word, word_within};

/// Sagas in a page when the caller does not say.
const SAGAS_DEFAULT: usize = 50;
/// Sagas in a page at most.
pub(crate) const SAGAS_MAX: usize = 200;
/// Characters of a cause's key: those that are given to sagas are shorter.
const CAUSE_CHARS_MAX: usize = 512;
/// Bodies of pending calls have no place in lists: their size is told.
const PENDING_BODY_BYTES_IN_LISTS: usize = 0;

/// Which sagas are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the parameters as the document shows them")]
struct SagasQuery {
    /// Only sagas of this definition.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "checkout")]
    saga: Option<String>,
    /// Only sagas in this state.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "COMPLETED")]
    state: Option<String>,
    /// Only sagas whose rollback stands so.
    #[param(example = "blocked")]
    rollback: Option<RollbackWord>,
    /// Only sagas of which a step waits for that: call, retry, participant, signal, time or person.
    #[param(pattern = r"^(call|retry|participant|signal|time|person)$", example = "signal")]
    waiting: Option<String>,
    /// Only sagas of which a step has not got any further for that long, such as `1h`: digits and ms, s, m, h or d.
    #[param(pattern = r"^[0-9]{1,9}(ms|s|m|h|d)$", example = "1h")]
    waiting_longer: Option<String>,
    /// Only sagas that wait at a step of this participant, or failed there.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "stock")]
    participant: Option<String>,
    /// Only sagas that wait at this step, or failed there.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 128, example = "payment")]
    step: Option<String>,
    /// Only sagas that need a person for this cause: `blocked.cause` of such a saga.
    #[param(
        pattern = r"^[^\x00-\x1F\x7F-\x9F]+$",
        max_length = 512,
        example = "1:client|paiement|compensation_failing|3f94de94e7b6d639"
    )]
    cause: Option<String>,
    /// Only sagas that started then or later (RFC 3339).
    #[param(format = DateTime, example = "2026-11-22T00:00:00Z")]
    since: Option<String>,
    /// Only sagas that started before then (RFC 3339).
    #[param(format = DateTime, example = "2026-11-23T00:00:00Z")]
    until: Option<String>,
    /// Sagas in a page.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// From the `Link` header of the page before.
    #[param(
        pattern = r"^[0-9]{1,18}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        example = "1795342530123456.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21"
    )]
    cursor: Option<String>,
}

/// `200`: a page.
struct PageOfSagas;

impl IntoResponses for PageOfSagas {
    fn responses() -> Responses {
        let next = format!("</api/sagas?limit=50&cursor=1795342530123456.{}>; rel=\"next\"", examples::ID);
        let description = "A page: as many sagas as `limit` says, or as fit into 1 MiB, or are found among 10,000 rows. Without \
                           `input` and `output`.";
        let response = documented::json(description, documented::list_of("Saga"), examples::list())
            .header("Link", header("The next page, if there is one (RFC 8288).", next));
        Responses::from([("200".to_owned(), response.build().into())])
    }
}

/// Sagas, newest first
///
/// `?rollback=blocked` is the inbox of those who look after sagas that need a person.
#[utoipa::path(
    get,
    path = "/api/sagas",
    security(("key" = ["read", "operate", "admin"])),
    tag = "sagas",
    params(SagasQuery, LabelQuery),
    responses(
        PageOfSagas,
        (
            status = 422,
            description = "A parameter is wrong or unknown.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(ListAsked::read(&[("limit".into(), "0".into())]).err())
        ),
        JournalUnavailable
    )
)]
pub(crate) async fn sagas(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = ListAsked::read(&pairs)?;
    let page = api.engine.list(&asked.listing(api.clock.now()), asked.cursor, asked.limit).await;
    let page = page.map_err(|refusal| Problem::refused(refusal, unknown))?;
    let (shown, cut_at) = shown(&api, page.rows).await?;
    let next = cut_at.or(page.next).map(|cursor| page::next("/api/sagas", &pairs, &page::written(cursor)));
    Ok(shown.answer(next))
}

/// The query, read.
pub(crate) struct ListAsked {
    pub(crate) listing: Listing,
    waiting_longer: Option<Duration>,
    pub(crate) limit: usize,
    pub(crate) cursor: Option<Cursor>,
}

impl ListAsked {
    /// The listing at an instant.
    pub(crate) fn listing(&self, now: Timestamp) -> Listing {
        let waiting_since = self.waiting_longer.map(|time| now.minus(time));
        Listing { waiting_since, ..self.listing.clone() }
    }

    pub(crate) fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let (mut listing, mut limit, mut cursor) = (Listing::default(), SAGAS_DEFAULT, None);
        let mut waiting_longer = None;
        let filter = &mut listing.filter;
        for (index, (name, value)) in pairs.iter().enumerate() {
            let shown = name.escape_debug();
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::invalid(format!("`{shown}` stands more than once")));
            }
            match name.as_str() {
                "saga" => filter.definition = Some(word(name, value)?),
                "state" => filter.state = Some(word(name, value)?),
                "rollback" => {
                    let word: Option<RollbackWord> = read(value);
                    let known = "none, running, done or blocked";
                    filter.rollback = Some(
                        word.ok_or_else(|| Problem::invalid(format!("`rollback` must be {known}")))?.into(),
                    );
                }
                "waiting" => {
                    let known = WaitingFor::VARIANTS.join(", ");
                    let word = value
                        .parse()
                        .map_err(|_| Problem::invalid(format!("`waiting` must be one of {known}")));
                    listing.waiting = Some(word?);
                }
                "waiting_longer" => waiting_longer = Some(duration(name, value)?),
                "participant" => listing.participant = Some(word(name, value)?),
                "step" => listing.step = Some(word(name, value)?),
                "cause" => filter.cause = Some(word_within(CAUSE_CHARS_MAX, name, value)?),
                "since" => filter.since = Some(time(name, value)?),
                "until" => filter.until = Some(time(name, value)?),
                "limit" => limit = limit_of(value, SAGAS_MAX)?,
                "cursor" => {
                    let read = page::read_cursor(value);
                    let wrong =
                        || Problem::invalid("`cursor` must come from the Link header of the page before");
                    cursor = Some(read.ok_or_else(wrong)?);
                }
                _ => match labels::of(name, value) {
                    Some(label) => filter.labels.push(label?),
                    None => {
                        let detail = format!(
                            "There is no filter `{shown}`; there are saga, state, rollback, waiting, waiting_longer, participant, step, \
                             cause, label.NAME, since, until, limit and cursor"
                        );
                        return Err(Problem::invalid(detail));
                    }
                },
            }
        }
        labels::too_many(&listing.filter.labels)?;
        Ok(Self { listing, waiting_longer, limit, cursor })
    }
}

/// The value that a word stands for; `None`: it is none of them.
fn read<'a, W: Deserialize<'a>>(word: &'a str) -> Option<W> {
    W::deserialize(IntoDeserializer::<WordError>::into_deserializer(word)).ok()
}

/// As many of a page's sagas as fit into `page_bytes_max`, and where the next page begins if that is before the last row. Of
/// those that are blocked the histories are read, as long as there is time.
async fn shown(api: &Api, rows: Vec<KeptRow>) -> Result<(JsonPage, Option<Cursor>), Problem> {
    let begun = Instant::now();
    let mut page = JsonPage::new(api.limits.page_bytes_max);
    let mut last = None;
    for row in rows {
        let blocked = match is_blocked(&row) {
            false => None,
            true if last.is_none() || begun.elapsed() < api.limits.blocages_wait => {
                let read = api.budgets.read(&api.engine, row.saga).await?;
                Some(BlockedSaga::of_read(&row, &read, PENDING_BODY_BYTES_IN_LISTS))
            }
            true => Some(BlockedSaga::unread(&row)),
        };
        let here = Cursor { created: row.row.created, saga: row.saga };
        if !page.add(&SagaShown::of_row(row, blocked)).map_err(|error| Problem::unwritable(&error))? {
            return Ok((page, last));
        }
        last = Some(here);
    }
    Ok((page, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_limits() {
        let filters = serde_json::json!(SagasQuery::into_params(|| None));
        let limit = filters.as_array().unwrap().iter().find(|filter| filter["name"] == "limit").unwrap();
        assert_eq!(
            (&limit["schema"]["default"], &limit["schema"]["maximum"]),
            (&SAGAS_DEFAULT.into(), &SAGAS_MAX.into())
        );
    }
}
