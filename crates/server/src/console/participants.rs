//! `GET /console/participants`: who is ill?

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use saga_console::PageName;
use saga_console::pages::{
    AccessFacts, CallGate, FailureKind, LastFailure, Latency, ParticipantFacts, ParticipantsPage,
};
use saga_core::{Definition, Timestamp};
use saga_engine::breaker::BreakerKind;
use saga_engine::participants::{CallTrouble, FailedCall, ParticipantState};

use super::answer;
use super::visit::Visit;
use crate::api::Api;

/// The participants of the definitions that new sagas run.
pub(super) async fn participants(State(api): State<Api>, visit: Visit) -> Response {
    let frame = visit.frame(PageName::Participants);
    answer::page(&ParticipantsPage::new(frame, &all(&api, visit.now)))
}

/// Participants that are reached alike share a breaker and are told once, in the order of the definitions.
pub(super) fn all(api: &Api, now: Timestamp) -> Vec<ParticipantFacts> {
    let served = api.engine.definitions();
    let mut told: Vec<(Arc<str>, ParticipantFacts)> = Vec::new();
    for state in api.engine.participants() {
        let used = used_by(&served, &state);
        match told.iter_mut().find(|(reached_by, _)| *reached_by == state.reached_by) {
            Some((_, facts)) => facts.used_by.push(used),
            None => told.push((state.reached_by.clone(), facts(api, state, used, now))),
        }
    }
    told.into_iter().map(|(_, facts)| facts).collect()
}

/// The steps of one definition that call a participant.
fn used_by(served: &[Arc<Definition>], state: &ParticipantState) -> (Arc<str>, Vec<Arc<str>>) {
    let definition = served.iter().find(|definition| definition.name == state.saga);
    let steps = definition.into_iter().flat_map(|definition| {
        let calls =
            |step: &usize| definition.participant(*step).is_some_and(|called| called.name == state.name);
        (0..definition.steps.len()).filter(calls).map(|step| definition.steps[step].name.clone())
    });
    (state.saga.clone(), steps.collect())
}

fn facts(
    api: &Api,
    state: ParticipantState,
    used: (Arc<str>, Vec<Arc<str>>),
    now: Timestamp,
) -> ParticipantFacts {
    let breaker = state.breaker;
    let recent = api.metrics.recent_calls(&state.reached_by);
    ParticipantFacts {
        name: state.name,
        url: state.url.trim_end_matches('/').to_owned(),
        safety: state.safety,
        horizon: state.horizon,
        timeout: state.timeout,
        calls_max: state.calls_max,
        gate: match breaker.kind {
            BreakerKind::Closed => CallGate::Open,
            BreakerKind::HalfOpen => CallGate::Trying,
            BreakerKind::Open => CallGate::Shut,
        },
        gate_since: now.minus(breaker.lasted),
        tried_at: breaker.tried_in.map(|wait| now.plus(wait)),
        waiting: breaker.waiting,
        in_flight: breaker.in_flight,
        calls: breaker.calls,
        failures: breaker.failures,
        failures_in_a_row: state.standing.failures,
        last_failure: state.standing.last_failure.map(last_failure),
        access: state.access.map(|access| AccessFacts {
            reason: access.reason,
            since: now.minus(access.lasted),
            holds_calls: access.holds_calls,
        }),
        latency: recent.map(|recent| Latency { p50: recent.p50, p99: recent.p99, calls: recent.calls }),
        used_by: vec![used],
    }
}

fn last_failure(failed: FailedCall) -> LastFailure {
    let kind = match failed.trouble {
        CallTrouble::NotAccepted => FailureKind::NotAccepted,
        CallTrouble::Unreachable => FailureKind::Unreachable,
        CallTrouble::Unavailable => FailureKind::Unavailable,
        CallTrouble::Unanswered => FailureKind::Unanswered,
        CallTrouble::Unclear => FailureKind::Unclear,
    };
    LastFailure { at: failed.at, kind, status: failed.status, reason: failed.reason }
}
