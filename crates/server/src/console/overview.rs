//! `GET /console/`: must somebody act, does it flow, what recovers alone?

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use saga_console::PageName;
use saga_console::pages::{NeedFacts, OverviewPage, StaleFacts, WholeKnown};
use saga_journal::Unfinished;

use super::visit::Visit;
use super::{answer, participants};
use crate::api::Api;
use crate::whole::WholeRead;

/// The overview.
pub(super) async fn overview(State(api): State<Api>, visit: Visit) -> Response {
    let whole = api.whole.current(&api.engine).await;
    let known = known(&api, &whole);
    let frame = visit.frame(PageName::Overview);
    let mut response = answer::page(&OverviewPage::new(frame, &known, &participants::all(&api, visit.now)));
    // Older figures stay, with their time; of a journal that has never answered, nothing is known.
    if whole.read_at.is_none() && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// To the root's one address.
pub(super) async fn to_root() -> Redirect {
    Redirect::permanent(super::ROOT)
}

fn known(api: &Api, whole: &WholeRead) -> WholeKnown {
    WholeKnown {
        need: whole.backlog.as_ref().map(|backlog| {
            let all = backlog.values().copied().fold(Unfinished::default(), Unfinished::and);
            let causes = whole.causes.as_deref();
            let figures = causes.map_or(&[][..], |causes| &causes.figures);
            let cents = figures.iter().filter_map(|cause| cause.at_stake).reduce(i64::saturating_add);
            let is_more = causes.is_some_and(|causes| causes.more) || figures.iter().any(|cause| cause.more);
            NeedFacts {
                count: all.blocked,
                more: false,
                oldest: all.blocked_since,
                at_stake: cents.map(|cents| (cents, is_more)),
                causes: causes.map(|causes| (causes.figures.len() as u64, causes.more)),
            }
        }),
        hour: whole.hour.clone(),
        backlog: whole.backlog.clone(),
        under_way: whole.under_way.clone(),
        replicas: whole.replicas.clone(),
        this_replica: api.engine.replica(),
        commit_p99: whole.commit_p99,
        served: api.engine.definitions().iter().map(|definition| definition.name.clone()).collect(),
        stale: whole.failure.clone().map(|reason| StaleFacts { of: whole.read_at, reason }),
    }
}
