//! What people ask of an order: `POST /api/commande/{id}/annuler`, `/reprendre` and `/resoudre`.
//!
//! The core says what is possible; here it is made out what was asked, and every mistake in that is explained.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use saga_core::saga::Rejected;
use saga_core::{CommandKind, Definition, Json, SagaId};
use saga_engine::{Refusal, Wait};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::commande::Id;
use super::error::Error;
use super::words::Constat;
use super::{checkout, words};
use crate::api::prefer::Preference;
use crate::api::problem::Problem;
use crate::api::{Api, body};

/// Characters of `par`.
const PAR_CHARS_MAX: usize = 100;
/// Characters of `raison`.
const RAISON_CHARS_MAX: usize = 1_000;
/// Characters of `etape`: as many as a step's name can have.
const ETAPE_CHARS_MAX: usize = 64;
/// Characters of `constat`; its words have fewer.
const CONSTAT_CHARS_MAX: usize = 20;
/// Bytes of `sortie`.
const SORTIE_BYTES_MAX: usize = 16 * 1024;

const PAR: Text =
    Text { name: "par", max: ("PAR_CHARS_MAX", PAR_CHARS_MAX), says: "who you are", example: "Ana" };
const RAISON: Text = Text {
    name: "raison",
    max: ("RAISON_CHARS_MAX", RAISON_CHARS_MAX),
    says: "how you know",
    example: "seen in the stock's journal",
};
const ETAPE: Text = Text {
    name: "etape",
    max: ("ETAPE_CHARS_MAX", ETAPE_CHARS_MAX),
    says: "the step that `blocage.etape` names",
    example: "stock",
};
const CONSTAT: Text = Text {
    name: "constat",
    max: ("CONSTAT_CHARS_MAX", CONSTAT_CHARS_MAX),
    says: "EXECUTEE (the step's effect is there), NON_EXECUTEE (it has none) or ANNULEE (it was undone by hand)",
    example: "ANNULEE",
};

/// `POST /api/commande/{id}/annuler`.
pub(crate) async fn annuler(State(api): State<Api>, Id(id): Id, request: Request) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    // There is nothing to say; but what is said must be JSON, which no form of another site's page can send.
    let body = body::json_or_none(&head.headers, body, &api).await?;
    if !body.is_empty() {
        serde_json::from_slice::<IgnoredAny>(&body).map_err(not_json)?;
    }
    let snapshot = api.engine.cancel(id, preference.wait.at_most).await?;
    Ok(checkout::answer(&snapshot, preference.applied))
}

/// `POST /api/commande/{id}/reprendre`.
pub(crate) async fn reprendre(
    State(api): State<Api>,
    Id(id): Id,
    request: Request,
) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let asked = Members::read(&body::json_or_none(&head.headers, body, &api).await?, &["par", "raison"])?;
    let command = CommandKind::Resume { by: asked.required(&PAR)?, reason: asked.optional(&RAISON)? };
    Ok(apply(&api, id, command, preference).await?)
}

/// `POST /api/commande/{id}/resoudre`.
pub(crate) async fn resoudre(
    State(api): State<Api>,
    Id(id): Id,
    request: Request,
) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let preference = Preference::of(&head.headers, &api.limits);
    let body = body::json_or_none(&head.headers, body, &api).await?;
    let asked = Members::read(&body, &["etape", "constat", "raison", "par", "sortie"])?;
    let etape = asked.required(&ETAPE)?;
    let word = asked.required(&CONSTAT)?;
    let constat = words::read::<Constat>(&word).ok_or_else(|| {
        Problem::invalid(format!("`constat` must be {}, not `{}`", CONSTAT.says, word.escape_debug()))
    })?;
    let (reason, by) = (asked.required(&RAISON)?, asked.required(&PAR)?);
    let output = asked.sortie(constat)?;

    // The definition says which step has that name; the history is read where the command is applied, and only there.
    let definition = api.engine.definition_of(id).await?;
    let step = definition.step_named(&etape).ok_or_else(|| unknown_step(&definition, &etape))?;
    let command = CommandKind::Resolve { step, finding: constat.into(), output, by, reason };
    let refusal = match apply(&api, id, command, preference).await {
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

/// Has a command applied, and waits for what comes of it.
async fn apply(
    api: &Api,
    id: SagaId,
    command: CommandKind,
    preference: Preference,
) -> Result<Response, Refusal> {
    api.engine.command(id, command).await?;
    let mut snapshot = api.engine.wait(id, Wait::tried(preference.wait.at_most)).await?;
    // It is still blocked, but a call is under way that may change that.
    snapshot.settled &= !snapshot.calling;
    Ok(checkout::answer(&snapshot, preference.applied))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_json(error: serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not_json", format!("The body is not JSON: {error}"))
}

fn unknown_step(definition: &Definition, etape: &str) -> Problem {
    let steps: Vec<&str> = definition.steps.iter().map(|step| &*step.name).collect();
    let etape = etape.escape_debug();
    Problem::invalid(format!("`etape`: the order has no step `{etape}`; it has {}", steps.join(", ")))
}

/// A member that is a line of text.
struct Text {
    name: &'static str,
    /// The limit's name, and its value in characters.
    max: (&'static str, usize),
    /// What it says, for people.
    says: &'static str,
    example: &'static str,
}

/// A body's members, as they were written.
struct Members(BTreeMap<String, Box<RawValue>>);

impl Members {
    /// Reads an object that has no other members than these: what was misspelt must not be taken for left out.
    fn read(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let names = known.join("`, `");
        // Of an empty body, too, it is said what is missing.
        let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
        let parsed: &RawValue = serde_json::from_slice(body).map_err(not_json)?;
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(parsed.get())
            .map_err(|_| Problem::invalid(format!("The body must be a JSON object with `{names}`")))?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(other) => {
                let other: String = other.chars().take(ETAPE_CHARS_MAX).collect();
                let other = other.escape_debug();
                Err(Problem::invalid(format!("There is no member `{other}` here; there are `{names}`")))
            }
            None => Ok(Self(members)),
        }
    }

    fn required(&self, text: &Text) -> Result<Box<str>, Problem> {
        let Text { name, says, example, .. } = text;
        self.optional(text)?.ok_or_else(|| {
            Problem::invalid(format!("`{name}` is missing; write {says}, such as \"{name}\": \"{example}\""))
        })
    }

    fn optional(&self, text: &Text) -> Result<Option<Box<str>>, Problem> {
        let Text { name, max: (limit, max), says, example } = text;
        let Some(value) = self.0.get(*name).filter(|value| value.get() != "null") else { return Ok(None) };
        let Ok(given) = serde_json::from_str::<String>(value.get()) else {
            let detail = format!("`{name}` must be a JSON string: {says}, such as \"{example}\"");
            return Err(Problem::invalid(detail));
        };
        let given = given.trim();
        let length = given.chars().count();
        if length == 0 {
            Err(Problem::invalid(format!("`{name}` is empty; write {says}, such as \"{example}\"")))
        } else if length > *max {
            let detail = format!("`{name}` has {length} characters; at most {max} are taken ({limit})");
            Err(Problem::invalid(detail))
        } else if given.contains(char::is_control) {
            let detail =
                format!("`{name}` has a control character in it, such as a line break; leave it out");
            Err(Problem::invalid(detail))
        } else {
            Ok(Some(given.into()))
        }
    }

    /// What the action's answer would have given.
    fn sortie(&self, constat: Constat) -> Result<Option<Json>, Problem> {
        let Some(value) = self.0.get("sortie") else { return Ok(None) };
        let text = value.get();
        if constat != Constat::Executee {
            return Err(Problem::invalid(
                "`sortie` goes with EXECUTEE only: nothing is undone otherwise; leave it out",
            ));
        }
        if text.len() > SORTIE_BYTES_MAX {
            let bytes = text.len();
            let detail = format!(
                "`sortie` has {bytes} bytes; at most {SORTIE_BYTES_MAX} are taken (SORTIE_BYTES_MAX)"
            );
            return Err(Problem::invalid(detail));
        }
        Json::parse(text.as_bytes())
            .map(Some)
            .map_err(|error| Problem::invalid(format!("`sortie` cannot be used: {error}")))
    }
}
