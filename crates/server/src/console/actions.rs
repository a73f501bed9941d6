//! `GET /console/actions`, `GET /console/actions/{id}`: who tried what, and what came of it. `POST /console/actions/{id}/take-back`.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use saga_console::PageName;
use saga_console::pages::{
    ACTIONS, ActionLine, ActionPage, ActionsPage, ItemLine, ItemWhy, bulk_state, cause_place, item_href,
    no_such_action,
};
use saga_core::{BulkActionId, CauseGroup, Timestamp};
use saga_engine::BulkReason;
use saga_journal::{BulkCursor, BulkState, KeptBulkAction};
use serde::Deserialize;

use super::answer;
use super::sagas::pairs;
use super::visit::Visit;
use crate::api::Api;
use crate::api::problem::Problem;

/// Actions on a page.
const ACTIONS_SHOWN_MAX: usize = 20;
/// Sagas of an action on a page.
const ITEMS_SHOWN_MAX: usize = 50;

/// How the sagas of an action were chosen, as `inbox/try_now.rs` writes it.
#[derive(Deserialize)]
struct Described {
    group: Option<String>,
}

/// The actions.
pub(super) async fn actions(State(api): State<Api>, visit: Visit, RawQuery(query): RawQuery) -> Response {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    match listed(&api, &visit, &pairs).await {
        Ok(page) => answer::page(&page),
        Err(problem) => answer::notice(&problem, visit.frame(PageName::Inbox)),
    }
}

async fn listed(api: &Api, visit: &Visit, pairs: &[(String, String)]) -> Result<ActionsPage, Problem> {
    let after = pairs.iter().find(|(name, _)| name == "after").map(|(_, text)| {
        let wrong = || Problem::invalid("`after` must come from the link of the page before");
        read_cursor(text).ok_or_else(wrong)
    });
    let after = after.transpose()?;
    let mut kept = api.engine.journal().bulk_actions(after, ACTIONS_SHOWN_MAX + 1).await?;
    let has_more = kept.len() > ACTIONS_SHOWN_MAX;
    kept.truncate(ACTIONS_SHOWN_MAX);
    let next = kept.last().filter(|_| has_more).map(|last| {
        let BulkCursor { begun, id } = last.cursor();
        format!("{ACTIONS}?after={}.{id}", begun.as_micros())
    });
    let mut actions = Vec::with_capacity(kept.len());
    for action in &kept {
        actions.push(line(api, visit, action).await?);
    }
    Ok(ActionsPage { frame: visit.frame(PageName::Inbox), actions, next, is_first: after.is_none() })
}

fn read_cursor(text: &str) -> Option<BulkCursor> {
    let (begun, id) = text.split_once('.')?;
    Some(BulkCursor { begun: Timestamp::from_micros(begun.parse().ok()?), id: id.parse().ok()? })
}

/// An action as a line.
pub(super) async fn line(api: &Api, visit: &Visit, action: &KeptBulkAction) -> Result<ActionLine, Problem> {
    let counts = api.engine.journal().bulk_counts(action.head.id).await?;
    Ok(ActionLine::of(action, &counts, &place(action, visit), visit.now, visit.lang()))
}

/// The step and the participant of an action's sagas, where that is known.
fn place(action: &KeptBulkAction, visit: &Visit) -> String {
    let described: Option<Described> = serde_json::from_str(&action.head.described).ok();
    let parts = described.and_then(|described| CauseGroup::parts(&described.group?));
    parts
        .map(|parts| cause_place(parts.step.as_deref(), parts.participant.as_deref(), visit.lang()))
        .unwrap_or_default()
}

/// One action.
pub(super) async fn action(
    State(api): State<Api>,
    visit: Visit,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let pairs = pairs(query.as_deref().unwrap_or_default());
    match shown(&api, &visit, &id, &pairs).await {
        Ok(page) => answer::page(&page),
        Err(problem) => answer::notice(&problem, visit.frame(PageName::Inbox)),
    }
}

async fn shown(
    api: &Api,
    visit: &Visit,
    id: &str,
    pairs: &[(String, String)],
) -> Result<ActionPage, Problem> {
    let (journal, lang) = (api.engine.journal(), visit.lang());
    let action = found(api, visit, id).await?;
    let value = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let wrong = |name: &str| Problem::invalid(format!("`{name}` must come from a link of this page"));
    let state = value("state").map(|word| bulk_state(word).ok_or_else(|| wrong("state"))).transpose()?;
    let after = value("after").map(|place| place.parse().map_err(|_| wrong("after"))).transpose()?;
    let counts = journal.bulk_counts(action.head.id).await?;
    let mut items = journal.bulk_items(action.head.id, state, after, ITEMS_SHOWN_MAX + 1).await?;
    let has_more = items.len() > ITEMS_SHOWN_MAX;
    items.truncate(ITEMS_SHOWN_MAX);
    let next = items.last().filter(|_| has_more).map(|last| item_href(&action.head.id, state, last.place));
    let line_of = |item| {
        let kept: &saga_journal::KeptBulkItem = item;
        let why = kept.why.as_deref().map(|kept| why(BulkReason::read(kept)));
        ItemLine::of(kept, why.as_ref(), visit.now, lang)
    };
    Ok(ActionPage {
        frame: visit.frame(PageName::Inbox),
        items: items.iter().map(line_of).collect(),
        waiting: counts.get(&BulkState::Waiting).copied().unwrap_or(0),
        action: ActionLine::of(&action, &counts, &place(&action, visit), visit.now, lang),
        state,
        next,
        is_first: after.is_none(),
    })
}

async fn found(api: &Api, visit: &Visit, id: &str) -> Result<KeptBulkAction, Problem> {
    let unknown = || Problem::new(StatusCode::NOT_FOUND, "no_such_action", no_such_action(visit.lang()));
    let id: BulkActionId = id.parse().map_err(|_| unknown())?;
    api.engine.journal().bulk_action(id).await?.ok_or_else(unknown)
}

fn why(reason: BulkReason) -> ItemWhy {
    match reason {
        BulkReason::Since(since) => ItemWhy::Since(since),
        BulkReason::NotBlocked => ItemWhy::NotBlocked,
        BulkReason::Unknown => ItemWhy::Unknown,
        BulkReason::HeldBack { steps } => ItemWhy::HeldBack(steps),
        BulkReason::Says(words) => ItemWhy::Says(words.into()),
    }
}

/// Takes back what has not left.
pub(super) async fn take_back(State(api): State<Api>, visit: Visit, Path(id): Path<String>) -> Response {
    let taken = match found(&api, &visit, &id).await {
        Ok(action) => {
            let id = action.head.id;
            api.engine.take_back_bulk(id).await.map(|_| id).map_err(Problem::from)
        }
        Err(problem) => Err(problem),
    };
    match taken {
        Ok(id) => Redirect::to(&format!("{ACTIONS}/{id}")).into_response(),
        Err(problem) => answer::notice(&problem, visit.frame(PageName::Inbox)),
    }
}
