//! `POST /console/inbox/say`: a person says what happened to the step at which each ticked saga waits. Each saga is asked for itself:
//! one at which something came since the page was made is left alone, and told.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::{StreamExt, stream};
use saga_console::pages::{InboxAnswer, ItemWhy, takes_finding};
use saga_core::event::Finding;
use saga_core::saga::SeenUntil;
use saga_core::{CommandId, CommandKind, Saga, SagaId};

use super::super::visit::Visit;
use super::form::InboxForm;
use super::try_now::asker;
use super::{again, not_done};
use crate::api::Api;
use crate::api::problem::Problem;
use crate::face::sagas::REASON;

/// Sagas of which one form can say what happened.
pub(super) const SAID_SAGAS_MAX: usize = 50;
/// Sagas that are asked at the same time.
const SAID_AT_ONCE: usize = 4;

/// The finding that a person reports.
struct FindingReport<'f> {
    form: &'f InboxForm,
    finding: Finding,
    by: Box<str>,
    reason: Box<str>,
}

/// Says it.
pub(in crate::console) async fn say(State(api): State<Api>, visit: Visit, body: Bytes) -> Response {
    let (form, view, typed) = InboxForm::read(&body, visit.now);
    let said = match &form {
        Ok(form) => said(&api, &visit, form).await,
        Err(problem) => {
            let (status, answer) = not_done(problem);
            return again(&api, &visit, status, view, answer, typed).await;
        }
    };
    match said {
        Ok(answer) if answer.refused.is_empty() => {
            let ids: Vec<_> = answer.said.iter().map(ToString::to_string).collect();
            let address = view.address();
            let mark = if address.contains('?') { '&' } else { '?' };
            Redirect::to(&format!("{address}{mark}said={}", ids.join(","))).into_response()
        }
        Ok(answer) => {
            let ticked = answer.refused.iter().map(|(saga, _)| *saga).collect();
            let typed = saga_console::pages::TypedTexts { ticked, ..typed };
            again(&api, &visit, StatusCode::CONFLICT, view, answer, typed).await
        }
        Err(problem) => {
            let (status, answer) = not_done(&problem);
            again(&api, &visit, status, view, answer, typed).await
        }
    }
}

async fn said(api: &Api, visit: &Visit, form: &InboxForm) -> Result<InboxAnswer, Problem> {
    let ticked = &form.typed.ticked;
    if ticked.is_empty() {
        return Err(Problem::invalid("No row is ticked; tick the sagas that this is about"));
    }
    if ticked.len() > SAID_SAGAS_MAX {
        let detail = format!(
            "{} rows are ticked; at most {SAID_SAGAS_MAX} are taken at once (SAID_SAGAS_MAX)",
            ticked.len()
        );
        return Err(Problem::invalid(detail));
    }
    let finding = form
        .typed
        .finding
        .ok_or_else(|| Problem::invalid("Say what happened: choose one of the findings"))?;
    let by = (&*asker(visit, &form.typed.by)?).into();
    let report = FindingReport { form, finding, by, reason: REASON.due(&form.typed.said)? };
    let results = stream::iter(ticked.iter().copied())
        .map(|saga| report_of(api, visit, &report, saga))
        .buffered(SAID_AT_ONCE)
        .collect::<Vec<_>>();
    let mut answer = InboxAnswer { problem: None, said: Vec::new(), refused: Vec::new() };
    for (saga, refused) in ticked.iter().zip(results.await) {
        match refused {
            None => answer.said.push(*saga),
            Some(why) => answer.refused.push((*saga, why)),
        }
    }
    Ok(answer)
}

/// Reports the finding of one saga; why not, if it is not taken.
async fn report_of(api: &Api, visit: &Visit, report: &FindingReport<'_>, id: SagaId) -> Option<String> {
    let refused = |problem: Problem| Some(problem.detail().to_owned());
    let (saga, history) = match api.budgets.read(&api.engine, id).await {
        Ok(Ok(Some(read))) => read,
        Ok(Ok(None)) => return Some(ItemWhy::Unknown.text(visit.lang())),
        Ok(Err(refusal)) => return refused(Problem::refused(refusal, no_such_saga)),
        Err(problem) => return refused(problem),
    };
    // The same form again is the same report.
    let command = CommandId::of_bulk_action(report.form.key, id);
    if Saga::was_brought_about(&history.records, command) {
        return None;
    }
    let why = |why: ItemWhy| Some(why.text(visit.lang()));
    if let Some(since) = saga.came_since(&history.records, SeenUntil::by(report.form.seen), command) {
        return why(ItemWhy::Since(since));
    }
    let Some(pending) = saga.pending() else { return why(ItemWhy::NotBlocked) };
    if pending.findings.contains(&report.finding) && !takes_finding(&pending, report.finding) {
        return Some(
            "Undoing it needs the output that the action would have given: say it on the saga's page"
                .to_owned(),
        );
    }
    let kind = CommandKind::Resolve {
        step: pending.blocked.step,
        finding: report.finding,
        output: None,
        by: report.by.clone(),
        reason: report.reason.clone(),
    };
    let asking = api.engine.asked_by(visit.principal.name().cloned());
    match asking.command_of(id, command, kind).await {
        Ok(()) => None,
        Err(refusal) => refused(Problem::refused(refusal, no_such_saga)),
    }
}

fn no_such_saga() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_saga", "There is no saga with this id")
}
