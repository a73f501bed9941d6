//! `POST /api/sagas/{saga}`: a new saga of any loaded definition.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use saga_core::Definition;
use saga_core::definition::InputError;
use saga_engine::{NoRoom, Refusal, Snapshot, Start};
use utoipa::IntoResponses;

use super::examples;
use super::saga::{SagaShown, UnreadableSaga, shown, unknown};
use crate::api::access::Principal;
use crate::api::documented::{self, Responses, problems};
use crate::api::prefer::Preference;
use crate::api::problem::Problem;
use crate::api::{Api, body, key};
use crate::http;

/// Run a saga
///
/// Answers `200` once the saga is over (or needs a person: then `rollback` is `blocked`), whatever its end: a refusal of a
/// participant is a well-defined end. A caller that hangs up changes nothing. Members that the definition's `input` does not
/// declare are refused.
#[utoipa::path(
    post,
    path = "/api/sagas/{saga}",
    security(("key" = ["start", "operate", "admin"])),
    tag = "sagas",
    params(
        ("saga" = String, Path, description = "The name of a loaded definition.", example = "checkout"),
        key::Key,
        Preference
    ),
    request_body(
        content = serde_json::Value,
        description = "The input, as the definition declares it: `GET /api/definitions` has the schema of each.",
        example = json!({ "client_id": 7, "magasin_id": 1 })
    ),
    responses(
        (status = 200, description = "The saga is over, or blocked.", body = SagaShown, example = json!(examples::completed())),
        SagaGoesOn,
        body::Unusable,
        UnknownDefinition,
        (
            status = 422,
            description = "A member is wrong, missing or unknown, a label cannot be made, or the Idempotency-Key belongs to another input.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::invalid("`client_id` is missing; it must be a JSON integer"))
        ),
        UnreadableSaga,
        NoSagaTaken
    )
)]
pub(crate) async fn start(
    State(api): State<Api>,
    principal: Principal,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    principal.may_start(&name)?;
    let definition = loaded(&api, &name)?;
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let key = key::of(&head.headers)?;
    let body = body::json(&head.headers, body, &api).await?;
    let input = definition.read_exact_input(&body).map_err(|error| match &error {
        InputError::NotJson(_) => Problem::new(StatusCode::BAD_REQUEST, "not_json", error.to_string()),
        _ => Problem::invalid(error.to_string()),
    })?;
    let caller = head.extensions.get::<http::CallerAddress>().copied().unwrap_or_default();
    let caller = principal.for_shares(caller);
    let id = key.as_deref().map(|key| key::saga_of(&api, &definition.name, &principal, key));
    let by = principal.name().cloned();
    let slots_percent_max = principal.slots_percent();
    let trace = api.traces.context(&head.headers);
    let request = Start { input, id, wait: preference.wait, caller, slots_percent_max, by, trace };
    let snapshot = api.engine.start(request).await.map_err(|refusal| Problem::refused(refusal, unknown))?;
    answer(&api, &snapshot, preference.applied).await
}

/// The definition of that name, if it is loaded.
pub(crate) fn loaded(api: &Api, name: &str) -> Result<Arc<Definition>, Problem> {
    api.engine.definition_named(name).ok_or_else(|| {
        let names: Vec<_> = api.engine.definitions().iter().map(|known| known.name.to_string()).collect();
        no_such_definition(&names.join(", "))
    })
}

fn no_such_definition(names: &str) -> Problem {
    let detail = format!("No definition of that name is loaded; there are {names}");
    Problem::new(StatusCode::NOT_FOUND, "no_such_definition", detail)
}

/// The saga that a caller has waited for. `applied`: the preference that was honoured.
pub(super) async fn answer(
    api: &Api,
    snapshot: &Snapshot,
    applied: Option<String>,
) -> Result<Response, Problem> {
    let saga = shown(api, snapshot.saga).await.map_err(|problem| problem.after_the_fact(snapshot.saga))?;
    let status = if snapshot.settled { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut response = (status, Json(saga)).into_response();
    let location = HeaderValue::try_from(path_of(snapshot.saga)).ok().filter(|_| !snapshot.settled);
    let applied = applied.and_then(|applied| HeaderValue::try_from(applied).ok());
    let headers = response.headers_mut();
    location.and_then(|location| headers.insert(header::LOCATION, location));
    applied.and_then(|applied| headers.insert("preference-applied", applied));
    Ok(response)
}

fn path_of(id: impl std::fmt::Display) -> String {
    format!("/api/sagas/{id}")
}

/// `202`: the saga goes on.
pub(super) struct SagaGoesOn;

impl IntoResponses for SagaGoesOn {
    fn responses() -> Responses {
        let description = "The wait ran out first, or was not wanted: the saga goes on. Ask at `Location`.";
        let schema = utoipa::openapi::Ref::from_schema_name("Saga");
        let response = documented::json(description, schema, examples::under_way())
            .header("Location", documented::header("Where the saga is.", path_of(examples::ID)))
            .header(
                "Preference-Applied",
                documented::header("The preference that was honoured.", "respond-async"),
            );
        Responses::from([("202".to_owned(), response.build().into())])
    }
}

/// `404`: no definition of that name is loaded.
pub(super) struct UnknownDefinition;

impl IntoResponses for UnknownDefinition {
    fn responses() -> Responses {
        problems([("No definition of that name is loaded.", no_such_definition("checkout"))])
    }
}

/// `503`: there is no room for the saga, or the journal is not there.
struct NoSagaTaken;

impl IntoResponses for NoSagaTaken {
    fn responses() -> Responses {
        let no_room =
            NoRoom { limit: "active_sagas_max", value: 10_000, retry_after: Duration::from_secs(1) };
        problems([(
            "A limit is reached or the journal cannot be reached. `Retry-After` says when to try again; `detail` says \
             whether anything was done.",
            Problem::refused(Refusal::Full(no_room), unknown),
        )])
    }
}
