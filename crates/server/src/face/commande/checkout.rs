//! `POST /api/commande/checkout`.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use saga_core::definition::InputError;
use saga_engine::{NoRoom, Refusal, Start};
use utoipa::IntoResponses;

use super::answer::{Fin, GoesOn, answer};
use super::definition;
use super::error::{Error, UnreadableOrder};
use super::examples;
use super::input::Demande;
use crate::api::access::Principal;
use crate::api::documented::{Responses, problems};
use crate::api::prefer::Preference;
use crate::api::problem::Problem;
use crate::api::{Api, body, key};
use crate::http;

/// Run an order
///
/// Answers `200` once the saga is over (or needs a person: then `rollback` is `BLOQUE`), whatever its end: a refusal of the
/// stock or the payment is a well-defined end. A caller that hangs up changes nothing.
#[utoipa::path(
    post,
    path = "/api/commande/checkout",
    security(("key" = ["start", "operate", "admin"])),
    tag = "commandes",
    params(
        (
            "Idempotency-Key" = Option<String>,
            Header,
            description = "The same key and body name the same order, for as long as the order is kept: repeating the \
                           request never orders twice. 1 to 255 characters, bare or in double quotes.",
            nullable = false,
            // With the quotes.
            max_length = 257,
            // In quotes; or one character; or with no quote at its beginning, or at its end.
            pattern = r#"^("[\t -~]{1,255}"|[!-~]|[!#-~][\t -~]{0,253}[!-~]|"[\t -~]{0,253}[!#-~])$"#,
            example = "panier-7-2026-11-22"
        ),
        Preference
    ),
    request_body(content = Demande, example = json!({ "client_id": 7, "magasin_id": 1 })),
    responses(
        (
            status = 200,
            description = "The order has ended.",
            body = Fin,
            examples(
                ("confirmee" = (value = json!(examples::end("CONFIRMEE")))),
                ("echec_stock" = (value = json!(examples::out_of_stock()))),
                ("bloquee" = (summary = "A person is needed", value = json!(examples::needs_a_person())))
            )
        ),
        GoesOn,
        body::Unusable,
        (
            status = 422,
            description = "A field is wrong or missing, or the Idempotency-Key belongs to another body.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(Problem::invalid("`client_id` is missing; it must be a JSON integer"))
        ),
        UnreadableOrder,
        NotTaken
    )
)]
pub(crate) async fn checkout(
    State(api): State<Api>,
    principal: Principal,
    request: Request,
) -> Result<Response, Error> {
    principal.may_start(&api.commande_saga)?;
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let key = key::of(&head.headers)?;
    let body = body::json(&head.headers, body, &api).await?;
    let input = definition(&api).read_input(&body).map_err(|error| match &error {
        InputError::NotJson(_) => Problem::new(StatusCode::BAD_REQUEST, "not_json", error.to_string()),
        _ => Problem::invalid(error.to_string()),
    })?;
    let caller = head.extensions.get::<http::CallerAddress>().copied().unwrap_or_default();
    let caller = principal.for_shares(caller);
    let id = key.as_deref().map(|key| key::saga_of(&api, &api.commande_saga, &principal, key));
    let by = principal.name().cloned();
    let slots_percent_max = principal.slots_percent();
    let trace = api.traces.context(&head.headers);
    let request = Start { input, id, wait: preference.wait, caller, slots_percent_max, by, trace };
    let snapshot = api.engine.start(request).await?;
    Ok(answer(&snapshot, preference.applied))
}

/// `503`: there is no room for the order, or the journal is not there.
struct NotTaken;

impl IntoResponses for NotTaken {
    fn responses() -> Responses {
        let no_room =
            NoRoom { limit: "active_sagas_max", value: 10_000, retry_after: Duration::from_secs(1) };
        problems([(
            "A limit is reached or the journal cannot be reached. `Retry-After` says when to try again; `detail` says \
             whether anything was done.",
            Error::from(Refusal::Full(no_room)).into(),
        )])
    }
}
