//! `GET /api/audit`: all that one name did, newest first, a page at a time.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use saga_core::{SagaId, Seq, Timestamp};
use saga_journal::{DeedCursor, DeedsOf, KeptDeed};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::Api;
use super::documented::{self, JournalUnavailable, Responses, header};
use super::page::{self, JsonPage};
use super::problem::Problem;
use super::query::{limit_of, time, word_within};

/// Deeds in a page when the caller does not say.
const DEEDS_DEFAULT: usize = 50;
/// Deeds in a page at most.
pub(crate) const DEEDS_MAX: usize = 200;

/// Characters of a caller's name: the longest of a token's holder, with the part before it.
const NAME_CHARS_MAX: usize = 260;

/// Whose deeds are wanted.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the parameters as the document shows them")]
struct DeedsQuery {
    /// The caller's name, as its key has it; of a token's holder, `oidc:` and its name.
    #[param(pattern = r"^[^\x00-\x1F\x7F-\x9F]+$", max_length = 260, example = "shop")]
    name: String,
    /// Only deeds of then or later (RFC 3339).
    #[param(format = DateTime, example = "2026-11-22T00:00:00Z")]
    since: Option<String>,
    /// Only deeds before then (RFC 3339).
    #[param(format = DateTime, example = "2026-11-23T00:00:00Z")]
    until: Option<String>,
    /// Deeds in a page.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// From the `Link` header of the page before.
    #[param(
        pattern = r"^[0-9]{1,18}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[0-9]{1,18}$",
        example = "1795342530123456.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21.1"
    )]
    cursor: Option<String>,
}

/// An event that a request of the caller has brought about.
#[derive(Serialize, ToSchema)]
#[schema(as = Deed)]
pub(super) struct DeedShown {
    /// When it was recorded.
    #[schema(format = DateTime)]
    at: String,
    /// start, cancel, resume, resolve or signal.
    #[schema(example = "start")]
    deed: String,
    #[schema(format = "uuid")]
    saga_id: String,
    /// The name of the saga's definition.
    #[schema(required)]
    saga: Option<String>,
    /// The event's position in the saga's history.
    position: u64,
}

impl From<KeptDeed> for DeedShown {
    fn from(kept: KeptDeed) -> Self {
        Self {
            at: kept.at.to_string(),
            deed: kept.deed.as_ref().into(),
            saga_id: kept.saga.to_string(),
            saga: kept.definition.as_deref().map(Into::into),
            position: kept.seq.get(),
        }
    }
}

/// `200`: a page.
struct PageOfDeeds;

impl IntoResponses for PageOfDeeds {
    fn responses() -> Responses {
        const ID: &str = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21";
        let next = format!("</api/audit?name=shop&limit=50&cursor=1795342530123456.{ID}.1>; rel=\"next\"");
        let description = "A page: as many deeds as `limit` says, or as fit into 1 MiB.";
        let example = json!([
            {"at": "2026-11-22T10:15:30.123456Z", "deed": "start", "saga_id": ID, "saga": "checkout", "position": 1}
        ]);
        let response = documented::json(description, documented::list_of("Deed"), example)
            .header("Link", header("The next page, if there is one (RFC 8288).", next));
        Responses::from([("200".to_owned(), response.build().into())])
    }
}

/// All that one name did, newest first
///
/// What callers with keys (or tokens) have started, cancelled, resumed, resolved and signalled, written with the event that it
/// brought about. Refused requests are in the log, and in `requests_denied_total`.
#[utoipa::path(
    get,
    path = "/api/audit",
    security(("key" = ["operate", "admin"])),
    tag = "exploitation",
    params(DeedsQuery),
    responses(
        PageOfDeeds,
        (
            status = 422,
            description = "A parameter is missing, wrong or unknown.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(DeedsAsked::read(&[]).err())
        ),
        JournalUnavailable
    )
)]
pub(crate) async fn audit(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let DeedsAsked { of, limit, cursor } = DeedsAsked::read(&pairs)?;
    let mut found = api.engine.journal().deeds(of, cursor, limit + 1).await?;
    let mut is_cut = found.len() > limit;
    found.truncate(limit);
    let mut page = JsonPage::new(api.limits.page_bytes_max);
    let mut last = None;
    for deed in found {
        let here = deed.cursor();
        if !page.add(&DeedShown::from(deed)).map_err(|error| Problem::unwritable(&error))? {
            is_cut = true;
            break;
        }
        last = Some(here);
    }
    let next = last.filter(|_| is_cut).map(|last| page::next("/api/audit", &pairs, &written(last)));
    Ok(page.answer(next))
}

/// The query, read.
struct DeedsAsked {
    of: DeedsOf,
    limit: usize,
    cursor: Option<DeedCursor>,
}

impl DeedsAsked {
    fn read(pairs: &[(String, String)]) -> Result<Self, Problem> {
        let (mut by, mut since, mut until, mut limit, mut cursor) = (None, None, None, DEEDS_DEFAULT, None);
        for (index, (name, value)) in pairs.iter().enumerate() {
            let shown = name.escape_debug();
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::invalid(format!("`{shown}` stands more than once")));
            }
            match name.as_str() {
                "name" => by = Some(word_within(NAME_CHARS_MAX, name, value)?),
                "since" => since = Some(time(name, value)?),
                "until" => until = Some(time(name, value)?),
                "limit" => limit = limit_of(value, DEEDS_MAX)?,
                "cursor" => {
                    let wrong =
                        || Problem::invalid("`cursor` must come from the Link header of the page before");
                    cursor = Some(read_cursor(value).ok_or_else(wrong)?);
                }
                _ => {
                    let detail = format!(
                        "There is no filter `{shown}`; there are name, since, until, limit and cursor"
                    );
                    return Err(Problem::invalid(detail));
                }
            }
        }
        let name = by.ok_or_else(|| Problem::invalid("`name` must say whose deeds are wanted"))?;
        Ok(Self { of: DeedsOf { name, since, until }, limit, cursor })
    }
}

fn written(cursor: DeedCursor) -> String {
    format!("{}.{}.{}", cursor.at.as_micros(), cursor.saga, cursor.seq)
}

/// A cursor, as [`written`] writes it.
fn read_cursor(text: &str) -> Option<DeedCursor> {
    let mut parts = text.splitn(3, '.');
    let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
    let saga: SagaId = parts.next()?.parse().ok()?;
    let seq: i64 = parts.next()?.parse().ok()?;
    Some(DeedCursor { at, saga, seq: Seq::new(u64::try_from(seq).ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_limits() {
        let filters = json!(DeedsQuery::into_params(|| None));
        let limit = filters.as_array().unwrap().iter().find(|filter| filter["name"] == "limit").unwrap();
        assert_eq!(
            (&limit["schema"]["default"], &limit["schema"]["maximum"]),
            (&DEEDS_DEFAULT.into(), &DEEDS_MAX.into())
        );
        let name = filters.as_array().unwrap().iter().find(|filter| filter["name"] == "name").unwrap();
        assert_eq!(name["schema"]["maxLength"], NAME_CHARS_MAX);
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = DeedCursor {
            at: Timestamp::from_micros(1_795_342_530_123_456),
            saga: "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21".parse().unwrap(),
            seq: Seq::new(7),
        };
        assert_eq!(read_cursor(&written(cursor)), Some(cursor));
        for wrong in [
            "",
            "1",
            "1.x.2",
            "1.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21",
            "1.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21.-1",
        ] {
            assert_eq!(read_cursor(wrong), None, "{wrong}");
        }
    }
}
