//! Operators' commands for a saga: `POST /api/sagas/{saga}/cancel`, `/resume` and `/resolve`.

use axum::extract::{Request, State};
use axum::response::Response;
use saga_core::event::Finding;
use saga_core::saga::Rejected;
use saga_core::{CommandKind, Json, SagaId};
use saga_engine::{Refusal, Wait};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa::{IntoResponses, ToSchema};

use super::examples;
use super::saga::{SagaInPath, SagaShown, UnknownSaga, UnreadableSaga, unknown};
use super::start::{SagaGoesOn, answer};
use crate::api::access::Principal;
use crate::api::documented::{self, JournalUnavailable, Responses};
use crate::api::members::{BodyMembers, TextMember};
use crate::api::prefer::Preference;
use crate::api::problem::Problem;
use crate::api::{Api, body};

/// Characters of `by`.
const BY_CHARS_MAX: usize = 100;
/// Characters of `reason`.
const WHY_CHARS_MAX: usize = 1_000;
/// Characters of `step`: as many as a step's name can have.
const STEP_CHARS_MAX: usize = 64;
/// Characters of `finding`; its words have fewer.
const FINDING_CHARS_MAX: usize = 20;
/// Bytes of `output`.
const RESOLVED_OUTPUT_BYTES_MAX: usize = 16 * 1024;

/// The member that says who asks.
pub(crate) const BY: TextMember =
    TextMember { name: "by", max: ("BY_CHARS_MAX", BY_CHARS_MAX), says: "who you are", example: "Ana" };
/// The member that says why.
pub(crate) const REASON: TextMember = TextMember {
    name: "reason",
    max: ("WHY_CHARS_MAX", WHY_CHARS_MAX),
    says: "how you know",
    example: "seen in the stock's journal",
};
const STEP: TextMember = TextMember {
    name: "step",
    max: ("STEP_CHARS_MAX", STEP_CHARS_MAX),
    says: "the step that `blocked.step` names, or another one that is blocked",
    example: "stock",
};
/// The member that says what became of a step.
pub(crate) const FINDING: TextMember = TextMember {
    name: "finding",
    max: ("FINDING_CHARS_MAX", FINDING_CHARS_MAX),
    says: "ran (the step's effect is there), not_run (it has none) or undone (it was undone by hand)",
    example: "undone",
};

/// The person who asks, and why.
#[derive(ToSchema)]
#[schema(as = Asked)]
#[serde(deny_unknown_fields)]
struct AskedBy {
    /// The operator who asks.
    #[schema(value_type = String, max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    by: Box<str>,
    #[schema(value_type = Option<String>, max_length = 1_000, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    reason: Option<Box<str>>,
}

impl AskedBy {
    fn read(body: &[u8], principal: &Principal) -> Result<Self, Problem> {
        let asked = BodyMembers::read(body, &["by", "reason"])?;
        Ok(Self { by: asked.asker(&BY, principal)?, reason: asked.optional(&REASON)? })
    }
}

/// What became of a step.
#[derive(ToSchema)]
#[schema(as = Resolved)]
#[serde(deny_unknown_fields)]
struct ReportedFinding {
    #[schema(value_type = String, max_length = 64, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    step: Box<str>,
    #[schema(schema_with = finding_words)]
    finding: Finding,
    /// How they know.
    #[schema(value_type = String, max_length = 1_000, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    reason: Box<str>,
    /// The operator who found it.
    #[schema(value_type = String, max_length = 100, pattern = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$")]
    by: Box<str>,
    /// With `ran`, where undoing the step needs it (`blocked.needs_output`): what the action's answer would have given. At most
    /// 16384 bytes.
    #[schema(value_type = Value, required = false)]
    output: Option<Json>,
}

fn finding_words() -> Object {
    let words = [Finding::Ran, Finding::NotRun, Finding::Undone].map(|finding| serde_json::json!(finding));
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

impl ReportedFinding {
    fn read(body: &[u8], principal: &Principal) -> Result<Self, Problem> {
        let asked = BodyMembers::read(body, &["step", "finding", "reason", "by", "output"])?;
        let (step, word) = (asked.required(&STEP)?, asked.required(&FINDING)?);
        let finding = serde_json::from_value(serde_json::Value::from(&*word)).map_err(|_| {
            Problem::invalid(format!("`finding` must be {}, not `{}`", FINDING.says, word.escape_debug()))
        })?;
        let (reason, by) = (asked.required(&REASON)?, asked.asker(&BY, principal)?);
        let output = asked.raw("output").map(|output| output_of(output.get(), finding)).transpose()?;
        Ok(Self { step, finding, reason, by, output })
    }
}

/// The output that the action's answer would have given.
pub(crate) fn output_of(text: &str, finding: Finding) -> Result<Json, Problem> {
    if finding != Finding::Ran {
        let detail = "`output` goes with `ran` only: nothing is undone otherwise; leave it out";
        return Err(Problem::invalid(detail));
    }
    if text.len() > RESOLVED_OUTPUT_BYTES_MAX {
        let bytes = text.len();
        let detail = format!(
            "`output` has {bytes} bytes; at most {RESOLVED_OUTPUT_BYTES_MAX} are taken (RESOLVED_OUTPUT_BYTES_MAX)"
        );
        return Err(Problem::invalid(detail));
    }
    Json::parse(text.as_bytes())
        .map_err(|error| Problem::invalid(format!("`output` cannot be used: {error}")))
}

/// Stop a saga
///
/// Rolls back a saga that is still going forward, and waits until that is over. Asking twice is no mistake. No body is needed;
/// one that is sent says who asks, and why, for the history.
#[utoipa::path(
    post,
    path = "/api/sagas/{saga}/cancel",
    security(("key" = ["start", "operate", "admin"])),
    tag = "sagas",
    params(("saga" = String, Path, description = "The saga's id.", example = examples::id), Preference),
    responses(
        (status = 200, description = "The saga is cancelled and rolled back.", body = SagaShown, example = json!(examples::completed())),
        SagaGoesOn,
        body::Unusable,
        UnknownSaga,
        TooLateToCancel,
        (
            status = 422,
            description = "A member is wrong, missing or unknown; `detail` names it and says what to write.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(AskedBy::read(b"", &Principal::nobody()).err())
        ),
        UnreadableSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn cancel(
    State(api): State<Api>,
    SagaInPath(id): SagaInPath,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let body = body::json_or_none(&head.headers, body, &api).await?;
    let is_said = !body.is_empty() || principal.name().is_some();
    let asked = is_said.then(|| AskedBy::read(&body, &principal)).transpose()?;
    let wait = preference.wait.at_most;
    let asking = api.engine.asked_by(principal.name().cloned());
    let cancelled = match asked {
        Some(AskedBy { by, reason }) => asking.cancel_by(id, by, reason, wait).await,
        None => asking.cancel(id, wait).await,
    };
    let snapshot = cancelled.map_err(|refusal| Problem::refused(refusal, unknown))?;
    answer(&api, &snapshot, preference.applied).await
}

/// Try now
///
/// An attempt that is to be made later is made at once, and a saga that could not be read is read again. Recorded in the
/// history with who asked. Waits for what comes of it.
#[utoipa::path(
    post,
    path = "/api/sagas/{saga}/resume",
    security(("key" = ["operate", "admin"])),
    tag = "sagas",
    params(("saga" = String, Path, description = "The saga's id.", example = examples::id), Preference),
    request_body(content = AskedBy, example = json!({ "by": "Ana", "reason": "the stock service is back" })),
    responses(
        (status = 200, description = "What came of it: the saga is over, or blocked, and no call is under way.", body = SagaShown, example = json!(examples::completed())),
        SagaGoesOn,
        body::Unusable,
        UnknownSaga,
        NotHurried,
        (
            status = 422,
            description = "A member is wrong, missing or unknown; `detail` names it and says what to write.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(AskedBy::read(b"", &Principal::nobody()).err())
        ),
        UnreadableSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn resume(
    State(api): State<Api>,
    SagaInPath(id): SagaInPath,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let AskedBy { by, reason } =
        AskedBy::read(&body::json_or_none(&head.headers, body, &api).await?, &principal)?;
    apply(&api, &principal, id, CommandKind::Resume { by, reason }, preference).await
}

/// Say what became of a step
///
/// A person states whether a step that the saga is blocked at ran, or that it was undone by hand. Recorded in the history with
/// who, and how they know. The saga goes on from there.
#[utoipa::path(
    post,
    path = "/api/sagas/{saga}/resolve",
    security(("key" = ["operate", "admin"])),
    tag = "sagas",
    params(("saga" = String, Path, description = "The saga's id.", example = examples::id), Preference),
    request_body(
        content = ReportedFinding,
        example = json!({
            "step": "sale", "finding": "ran", "reason": "sale 4711 is in the shop's books", "by": "Ana", "output": { "id": 4711 }
        })
    ),
    responses(
        (status = 200, description = "What came of it: the saga is over, or blocked, and no call is under way.", body = SagaShown, example = json!(examples::completed())),
        SagaGoesOn,
        body::Unusable,
        UnknownSaga,
        NotResolvable,
        (
            status = 422,
            description = "A member is wrong, missing or unknown; `detail` names it and says what to write.",
            body = Problem,
            content_type = "application/problem+json",
            example = json!(ReportedFinding::read(b"", &Principal::nobody()).err())
        ),
        UnreadableSaga,
        JournalUnavailable
    )
)]
pub(crate) async fn resolve(
    State(api): State<Api>,
    SagaInPath(id): SagaInPath,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let body = body::json_or_none(&head.headers, body, &api).await?;
    let ReportedFinding { step: name, finding, reason, by, output } =
        ReportedFinding::read(&body, &principal)?;
    let definition =
        api.engine.definition_of(id).await.map_err(|refusal| Problem::refused(refusal, unknown))?;
    let step = definition.step_named(&name).ok_or_else(|| {
        let steps: Vec<&str> = definition.steps.iter().map(|step| &*step.name).collect();
        let (name, steps) = (name.escape_debug(), steps.join(", "));
        Problem::invalid(format!("`step`: the saga has no step `{name}`; it has {steps}"))
    })?;
    apply(&api, &principal, id, CommandKind::Resolve { step, finding, output, by, reason }, preference).await
}

/// Has a command applied, and waits for its result.
async fn apply(
    api: &Api,
    principal: &Principal,
    id: SagaId,
    command: CommandKind,
    preference: Preference,
) -> Result<Response, Problem> {
    let refused = |refusal| Problem::refused(refusal, unknown);
    api.engine.asked_by(principal.name().cloned()).command(id, command).await.map_err(refused)?;
    let mut snapshot = api.engine.wait(id, Wait::tried(preference.wait.at_most)).await.map_err(refused)?;
    // It is still blocked, but a call is under way that may change that.
    snapshot.settled &= !snapshot.calling;
    answer(api, &snapshot, preference.applied).await
}

/// `409` of `cancel`.
struct TooLateToCancel;

impl IntoResponses for TooLateToCancel {
    fn responses() -> Responses {
        conflict("It is too late; `detail` says why.", Rejected::Completed)
    }
}

/// `409` of `resume`.
struct NotHurried;

impl IntoResponses for NotHurried {
    fn responses() -> Responses {
        conflict("It cannot be tried: `already_over`, `nothing_to_hurry`, or `in_doubt`.", Rejected::InDoubt)
    }
}

/// `409` of `resolve`.
struct NotResolvable;

impl IntoResponses for NotResolvable {
    fn responses() -> Responses {
        let description = "It cannot be said of the saga: `not_blocked`, `going_forward`, `other_step`, \
                           `known_to_have_run`, `output_needed`, `already_over`, or `call_under_way`.";
        conflict(description, Rejected::NotBlocked)
    }
}

fn conflict(description: &str, example: Rejected) -> Responses {
    let example = Problem::refused(Refusal::Rejected(example), unknown);
    let response = documented::problem(description, &example)
        .header("Retry-After", documented::retry_after("Seconds; only with `call_under_way`."));
    Responses::from([("409".to_owned(), response.build().into())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::PartialSchema;

    #[test]
    fn the_document_has_the_limits() {
        let (asked, found) =
            (serde_json::json!(AskedBy::schema()), serde_json::json!(ReportedFinding::schema()));
        for (body, name, max) in [
            (&asked, "by", BY_CHARS_MAX),
            (&asked, "reason", WHY_CHARS_MAX),
            (&found, "step", STEP_CHARS_MAX),
            (&found, "reason", WHY_CHARS_MAX),
            (&found, "by", BY_CHARS_MAX),
        ] {
            assert_eq!(body["properties"][name]["maxLength"], max, "{name}");
        }
        let output = found["properties"]["output"]["description"].to_string();
        assert!(output.contains(&RESOLVED_OUTPUT_BYTES_MAX.to_string()), "{output}");
    }
}
