//! Operators' commands for an order: `POST /api/commande/{id}/annuler`, `/reprendre` and `/resoudre`.
//!
//! The core decides which commands are possible; `bodies.rs` reads them.

use axum::extract::{Request, State};
use axum::response::Response;
use saga_core::saga::Rejected;
use saga_core::{CommandKind, Definition, SagaId};
use saga_engine::{Refusal, Wait};
use serde::de::IgnoredAny;
use utoipa::IntoResponses;

use super::answer::{Fin, GoesBack, GoesOn, answer};
use super::bodies::{Reprise, Resolution, ResolutionInDocument};
use super::commande::Id;
use super::error::{Error, UnknownOrder, UnreadableOrder};
use super::{examples, is_order};
use crate::api::access::Principal;
use crate::api::documented::{self, JournalUnavailable, Responses, problems};
use crate::api::prefer::Preference;
use crate::api::problem::Problem;
use crate::api::{Api, body};

/// Stop an order
///
/// Rolls back an order that is still going forward, and waits until that is over. Asking twice is no mistake. No body is
/// needed; one that is sent must be JSON.
#[utoipa::path(
    post,
    path = "/api/commande/{id}/annuler",
    security(("key" = ["start", "operate", "admin"])),
    tag = "commandes",
    params(Id, Preference),
    responses(
        (status = 200, description = "The order is cancelled and rolled back.", body = Fin, example = json!(examples::end("ANNULEE"))),
        GoesOn,
        body::Unusable,
        UnknownOrder,
        TooLate,
        UnreadableOrder,
        JournalUnavailable
    )
)]
pub(crate) async fn annuler(
    State(api): State<Api>,
    Id(id): Id,
    principal: Principal,
    request: Request,
) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    // There is nothing to say; but what is said must be JSON, which no form of another site's page can send.
    let body = body::json_or_none(&head.headers, body, &api).await?;
    if !body.is_empty() {
        serde_json::from_slice::<IgnoredAny>(&body).map_err(|error| body::malformed(&error))?;
    }
    known(&api, id).await?;
    let (asking, wait) = (api.engine.asked_by(principal.name().cloned()), preference.wait.at_most);
    let snapshot = match principal.name() {
        Some(name) => asking.cancel_by(id, (&**name).into(), None, wait).await?,
        None => asking.cancel(id, wait).await?,
    };
    Ok(answer(&snapshot, preference.applied))
}

/// Try now
///
/// An attempt that is to be made later is made at once, and an order that could not be read is read again. Recorded in
/// the history with who asked. Waits for what comes of it.
#[utoipa::path(
    post,
    path = "/api/commande/{id}/reprendre",
    security(("key" = ["operate", "admin"])),
    tag = "commandes",
    params(Id, Preference),
    request_body(content = Reprise, example = json!({ "par": "Ana", "raison": "the stock service is back" })),
    responses(
        (status = 200, description = "What came of it: the order is over, or blocked, and no call is under way.", body = Fin, example = json!(examples::end("ECHEC_ENREGISTREMENT"))),
        GoesBack,
        body::Unusable,
        UnknownOrder,
        NotTried,
        (
            status = 422,
            description = "A member is wrong, missing or unknown; `detail` names it and says what to write.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(Reprise::read(b"", &Principal::nobody()).err())
        ),
        UnreadableOrder,
        JournalUnavailable
    )
)]
pub(crate) async fn reprendre(
    State(api): State<Api>,
    Id(id): Id,
    principal: Principal,
    request: Request,
) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let Reprise { par, raison } =
        Reprise::read(&body::json_or_none(&head.headers, body, &api).await?, &principal)?;
    known(&api, id).await?;
    let command = CommandKind::Resume { by: par, reason: raison };
    Ok(apply(&api, &principal, id, command, preference).await?)
}

/// Say what became of a step
///
/// A person states whether the step that an order is blocked at ran, or that it was undone by hand. Recorded in the
/// history with who, and how they know. The order goes on from there.
#[utoipa::path(
    post,
    path = "/api/commande/{id}/resoudre",
    security(("key" = ["operate", "admin"])),
    tag = "commandes",
    params(Id, Preference),
    request_body(
        content = ResolutionInDocument,
        example = json!({
            "etape": "vente", "constat": "EXECUTEE", "raison": "sale 4711 is in the shop's books", "par": "Ana",
            "sortie": { "id": 4711 }
        })
    ),
    responses(
        (status = 200, description = "What came of it: the order is over, or blocked, and no call is under way.", body = Fin, example = json!(examples::end("ECHEC_ENREGISTREMENT"))),
        GoesBack,
        body::Unusable,
        UnknownOrder,
        NotResolved,
        (
            status = 422,
            description = "A member is wrong, missing or unknown; `detail` names it and says what to write.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(Reprise::read(b"", &Principal::nobody()).err())
        ),
        UnreadableOrder,
        JournalUnavailable
    )
)]
pub(crate) async fn resoudre(
    State(api): State<Api>,
    Id(id): Id,
    principal: Principal,
    request: Request,
) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let body = body::json_or_none(&head.headers, body, &api).await?;
    let Resolution { etape, constat, raison, par, sortie } = Resolution::read(&body, &principal)?;

    known(&api, id).await?;
    // The definition says which step has that name; the history is read where the command is applied, and only there.
    let definition = api.engine.definition_of(id).await?;
    let step = definition.step_named(&etape).ok_or_else(|| unknown_step(&definition, &etape))?;
    let command =
        CommandKind::Resolve { step, finding: constat.into(), output: sortie, by: par, reason: raison };
    let refusal = match apply(&api, &principal, id, command, preference).await {
        Ok(answer) => return Ok(answer),
        Err(refusal) => refusal,
    };
    let error = Error::from(refusal.clone());
    if refusal != Refusal::Rejected(Rejected::OtherStep) {
        return Err(error);
    }
    let (saga, _) = api.budgets.read(&api.engine, id).await??.ok_or_else(Error::unknown)?;
    let blocked_at = saga.pending().map(|pending| pending.step.to_owned());
    let Some(at) = blocked_at else { return Err(error) };
    Err(error.saying(format!(
        "the order is blocked at `{at}`, not at `{etape}`; name that step, and what became of it"
    )))
}

/// Whether the saga is an order, if there is one.
async fn known(api: &Api, id: SagaId) -> Result<(), Error> {
    if is_order(api, id).await? { Ok(()) } else { Err(Error::unknown()) }
}

/// Has a command applied, and waits for its result.
async fn apply(
    api: &Api,
    principal: &Principal,
    id: SagaId,
    command: CommandKind,
    preference: Preference,
) -> Result<Response, Refusal> {
    api.engine.asked_by(principal.name().cloned()).command(id, command).await?;
    let mut snapshot = api.engine.wait(id, Wait::tried(preference.wait.at_most)).await?;
    // It is still blocked, but a call is under way that may change that.
    snapshot.settled &= !snapshot.calling;
    Ok(answer(&snapshot, preference.applied))
}

fn unknown_step(definition: &Definition, etape: &str) -> Problem {
    let steps: Vec<&str> = definition.steps.iter().map(|step| &*step.name).collect();
    let etape = etape.escape_debug();
    Problem::invalid(format!("`etape`: the order has no step `{etape}`; it has {}", steps.join(", ")))
}

/// `409` of `annuler`.
struct TooLate;

impl IntoResponses for TooLate {
    fn responses() -> Responses {
        problems([("It is too late; `detail` says why.", rejected(Rejected::Completed))])
    }
}

/// `409` of `reprendre`.
struct NotTried;

impl IntoResponses for NotTried {
    fn responses() -> Responses {
        conflict("It cannot be tried: `already_over`, or `in_doubt`.", Rejected::InDoubt)
    }
}

/// `409` of `resoudre`.
struct NotResolved;

impl IntoResponses for NotResolved {
    fn responses() -> Responses {
        let description = "It cannot be said of the order: `not_blocked`, `going_forward`, `other_step`, \
                           `known_to_have_run`, `output_needed`, `already_over`, or `call_under_way`.";
        conflict(description, Rejected::NotBlocked)
    }
}

fn conflict(description: &str, example: Rejected) -> Responses {
    let response = documented::problem(description, &rejected(example))
        .header("Retry-After", documented::retry_after("Seconds; only with `call_under_way`."));
    Responses::from([("409".to_owned(), response.build().into())])
}

fn rejected(rejected: Rejected) -> Problem {
    Error::from(Refusal::Rejected(rejected)).into()
}
