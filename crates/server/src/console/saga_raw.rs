//! `GET /console/sagas/{saga}?view=raw`: each event as the journal keeps it, without the secrets of callbacks.

use axum::response::Response;
use saga_console::PageName;
use saga_console::pages::SagaRawPage;
use saga_console::shown::visible_cut;
use saga_core::SagaId;
use saga_engine::Refusal;

use super::answer;
use super::visit::Visit;
use crate::api::Api;
use crate::api::problem::Problem;
use crate::face::sagas::unknown;

/// Events of one page.
const RAW_EVENTS_MAX: usize = 200;
/// Characters of an event.
const RAW_EVENT_CHARS_MAX: usize = 100_000;
/// Bytes of all events of a page, unless the first alone has more.
const RAW_BYTES_MAX: usize = 1024 * 1024;
/// Characters of the reason why a history cannot be read.
const REASON_CHARS_MAX: usize = 2_000;

/// The page.
pub(super) async fn raw(api: &Api, visit: &Visit, id: SagaId, pairs: &[(String, String)]) -> Response {
    match page(api, visit, id, pairs).await {
        Ok(page) => answer::page(&page),
        Err(problem) => answer::notice(&problem, visit.frame(PageName::Sagas)),
    }
}

async fn page(
    api: &Api,
    visit: &Visit,
    id: SagaId,
    pairs: &[(String, String)],
) -> Result<SagaRawPage, Problem> {
    let after = pairs.iter().find(|(name, _)| name == "after").and_then(|(_, value)| value.parse().ok());
    let after: usize = after.unwrap_or(0);
    let (saga, records, unread) = match api.budgets.read(&api.engine, id).await? {
        Ok(Some((saga, history))) => (Some(saga), history.records, None),
        Ok(None) => return Err(unknown()),
        // Its events may be readable all the same.
        Err(Refusal::Damaged(reason)) => match api.budgets.history(&api.engine, id).await? {
            Ok(Some(history)) => (None, history.records, Some(reason)),
            Ok(None) => return Err(unknown()),
            Err(Refusal::Damaged(reason)) => (None, Vec::new(), Some(reason)),
            Err(refusal) => return Err(Problem::refused(refusal, unknown)),
        },
        Err(refusal) => return Err(Problem::refused(refusal, unknown)),
    };
    let (mut lines, mut bytes) = (Vec::new(), 0);
    for (index, record) in records.iter().enumerate().skip(after).take(RAW_EVENTS_MAX) {
        let text = record.text_without_secrets(id, saga.as_ref());
        let text = text.map_err(|error| Problem::unwritable(&error))?;
        let text = visible_cut(&text, RAW_EVENT_CHARS_MAX);
        bytes += text.len();
        if bytes > RAW_BYTES_MAX && !lines.is_empty() {
            break;
        }
        lines.push((index as u64 + 1, text));
    }
    let end = after.saturating_add(lines.len());
    let has_more = !lines.is_empty() && end < records.len();
    Ok(SagaRawPage {
        frame: visit.frame(PageName::Sagas),
        id: id.to_string(),
        lines,
        unread: unread.map(|reason| visible_cut(&reason, REASON_CHARS_MAX)),
        next: has_more.then(|| format!("/console/sagas/{id}?view=raw&after={end}")),
    })
}
