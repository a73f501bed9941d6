//! `POST /console/inbox/try`: one saga, the ticked ones, or all of a cause are tried now. It covers the sagas that waited when the page
//! was made: those that came later are another's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use saga_console::pages::ACTIONS;
use saga_core::saga::SeenUntil;
use saga_core::{BulkActionId, SagaId};
use saga_engine::{BulkRefused, BulkWish};
use saga_journal::{BULK_ITEMS_MAX, BulkItem, CauseCursor, ROWS_MAX};
use serde_json::json;

use super::super::visit::Visit;
use super::form::InboxForm;
use super::gathered::members_of;
use super::{again, not_done};
use crate::api::Api;
use crate::api::problem::Problem;
use crate::face::sagas::{BY, REASON};

/// The sagas that a button is about.
#[derive(Clone, Copy)]
enum TryScope {
    One,
    Ticked,
    Group,
}

/// Tries them.
pub(in crate::console) async fn try_now(State(api): State<Api>, visit: Visit, body: Bytes) -> Response {
    let (form, view, typed) = InboxForm::read(&body, visit.now);
    let begun = match &form {
        Ok(form) => begin(&api, &visit, form).await,
        Err(problem) => {
            let (status, answer) = not_done(problem);
            return again(&api, &visit, status, view, answer, typed).await;
        }
    };
    match begun {
        // It is seen beside the others, which may be tried next.
        Ok((action, TryScope::One)) => {
            Redirect::to(&view.with_action(Some(&action.to_string()))).into_response()
        }
        Ok((action, TryScope::Ticked | TryScope::Group)) => {
            Redirect::to(&format!("{ACTIONS}/{action}")).into_response()
        }
        Err(problem) => {
            let (status, answer) = not_done(&problem);
            again(&api, &visit, status, view, answer, typed).await
        }
    }
}

async fn begin(api: &Api, visit: &Visit, form: &InboxForm) -> Result<(BulkActionId, TryScope), Problem> {
    let (scope, word) = match form.what.as_str() {
        "one" => (TryScope::One, "one"),
        "ticked" => (TryScope::Ticked, "ticked"),
        "group" => (TryScope::Group, "group"),
        _ => return Err(Problem::invalid("`what` must be one, ticked or group")),
    };
    let by = asker(visit, &form.typed.by)?;
    let reason = REASON.kept(&form.typed.reason)?;
    let sagas = match scope {
        TryScope::Ticked => form.typed.ticked.clone(),
        TryScope::One if !form.typed.ticked.is_empty() => form.typed.ticked[..1].to_vec(),
        TryScope::One => of_group(api, form, 1).await?,
        TryScope::Group => of_group(api, form, BULK_ITEMS_MAX).await?,
    };
    if sagas.is_empty() {
        return Err(nobody_left(scope));
    }
    // One page has one key; its buttons are different wishes.
    let caller = visit.principal.name().cloned();
    let key = format!("console/{}/{}/{word}", caller.as_deref().unwrap_or_default(), form.key);
    let described = json!({ "group": form.view.group, "definition": form.view.definition, "what": word });
    let wish = BulkWish {
        key: key.into(),
        caller,
        by,
        reason: reason.map(Into::into),
        described: described.to_string().into(),
        items: sagas.into_iter().map(|saga| BulkItem { saga, seen: SeenUntil::by(form.seen) }).collect(),
    };
    let begun = api.engine.begin_bulk(wish).await.map_err(|refused| match refused {
        BulkRefused::Unfit(unfit) => Problem::invalid(unfit.to_string()),
        BulkRefused::Unavailable(_) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "journal_unavailable", refused.to_string())
        }
    })?;
    Ok((begun, scope))
}

/// The name of the reader; where there are no names, the name that the form says.
pub(super) fn asker(visit: &Visit, by: &str) -> Result<Arc<str>, Problem> {
    match visit.principal.name() {
        Some(name) => Ok(name.clone()),
        None => Ok(BY.due(by)?.into()),
    }
}

/// The sagas of the open cause that waited when the page was made, those first that have waited for longest.
async fn of_group(api: &Api, form: &InboxForm, max: usize) -> Result<Vec<SagaId>, Problem> {
    let group = form.view.group.as_deref();
    let of = members_of(&form.view, group.ok_or_else(|| Problem::invalid("`group` is missing"))?);
    let (mut sagas, mut after) = (Vec::new(), None);
    while sagas.len() < max {
        let rows_max = ROWS_MAX.min(max - sagas.len());
        let rows = api.engine.journal().cause_members(of.clone(), after, rows_max).await?;
        let is_last = rows.len() < rows_max;
        for row in rows {
            let blocked = row.row.blocked_since.unwrap_or(row.row.updated);
            if blocked > form.seen {
                return Ok(sagas);
            }
            after = Some(CauseCursor { blocked, saga: row.saga });
            sagas.push(row.saga);
        }
        if is_last {
            break;
        }
    }
    Ok(sagas)
}

fn nobody_left(scope: TryScope) -> Problem {
    let detail = match scope {
        TryScope::Ticked => "No row is ticked; tick the sagas that are to be tried",
        TryScope::One | TryScope::Group => {
            "None of the sagas that this page showed needs a person any more; below is how things stand now"
        }
    };
    let status = match scope {
        TryScope::Ticked => StatusCode::UNPROCESSABLE_ENTITY,
        TryScope::One | TryScope::Group => StatusCode::CONFLICT,
    };
    Problem::new(status, "nobody_left", detail)
}
