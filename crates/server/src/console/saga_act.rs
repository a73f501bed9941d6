//! `POST /console/sagas/{saga}/act`: what somebody does with a saga.
//!
//! The form says what its page showed (`seen`), and has a key: if another person has done something since, or another step was
//! blocked, nothing is done, and the page says who did what; the same form again is the same command. The sender is led to the page,
//! which shows what comes of it.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use saga_console::PageName;
use saga_console::pages::{SagaAct, SagaView, TypedAct};
use saga_console::sentence::{Sentence, came_since};
use saga_core::event::Finding;
use saga_core::saga::SeenUntil;
use saga_core::{CommandId, CommandKind, Json, SagaId, Seq};
use saga_engine::{Refusal, Wait};

use super::answer;
use super::saga::{KnownSaga, SagaWish, id_in};
use super::visit::Visit;
use crate::api::Api;
use crate::api::members::BodyMembers;
use crate::api::problem::Problem;
use crate::face::sagas::{BY, FINDING, REASON, SIGNAL_BYTES_MAX, output_of, unknown};

/// Characters of a form's key; the pages' own have fewer.
const FORM_KEY_CHARS_MAX: usize = 64;
/// Characters of an unknown step that an error repeats.
const STEP_CHARS_SHOWN_MAX: usize = 64;
/// How long an answer waits for the result of an action: the page that follows goes on to show it.
const RESULT_WAIT: Duration = Duration::from_secs(2);

/// Does what a form asks for.
pub(super) async fn act(
    State(api): State<Api>,
    visit: Visit,
    path: Result<Path<String>, PathRejection>,
    form: Bytes,
) -> Response {
    let done = match id_in(path) {
        Ok(id) => ActForm::read(&form).done(&api, &visit, id).await,
        Err(problem) => Err(problem),
    };
    done.unwrap_or_else(|problem| answer::notice(&problem, visit.frame(PageName::Sagas)))
}

/// A form, as it was sent.
struct ActForm {
    act: Option<SagaAct>,
    seen: Option<u64>,
    key: String,
    is_preview: bool,
    typed: TypedAct,
    /// The step that a finding is about, and the finding as it was written.
    step: String,
    finding: String,
}

impl ActForm {
    fn read(form: &[u8]) -> Self {
        let mut values: HashMap<String, String> = form_urlencoded::parse(form).into_owned().collect();
        let mut take = |name: &str| values.remove(name).unwrap_or_default();
        let finding = take("finding");
        let step = take("step");
        Self {
            act: take("act").parse().ok(),
            seen: take("seen").parse().ok(),
            key: take("key"),
            is_preview: !take("preview").is_empty(),
            typed: TypedAct {
                by: take("by"),
                reason: take("reason"),
                finding: serde_json::from_value(finding.clone().into()).ok(),
                output: take("output"),
                signal: take("signal"),
                body: take("body"),
            },
            step,
            finding,
        }
    }

    async fn done(self, api: &Api, visit: &Visit, id: SagaId) -> Result<Response, Problem> {
        let known = KnownSaga::read(api, id).await?;
        if self.is_preview {
            return self.shown_again(api, visit, &known, None, StatusCode::OK);
        }
        match self.follow(api, visit, &known).await {
            Ok(()) => {
                let given = CommandId::of_key(id, &self.key);
                let place = format!("/console/sagas/{id}?given={given}#given");
                Ok((StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response())
            }
            Err(NotFollowed::CameSince(said)) => {
                self.shown_again(api, visit, &known, Some(said), StatusCode::CONFLICT)
            }
            Err(NotFollowed::Problem(problem)) => {
                let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::CONFLICT);
                // The state beside the refusal is no older than it.
                let known = KnownSaga::read(api, id).await?;
                let said = Sentence::of(problem.detail());
                self.shown_again(api, visit, &known, Some(said), status)
            }
        }
    }

    /// The page as it is now, with what was typed.
    fn shown_again(
        self,
        api: &Api,
        visit: &Visit,
        known: &KnownSaga,
        trouble: Option<Sentence>,
        status: StatusCode,
    ) -> Result<Response, Problem> {
        let view = SagaView { act: self.act, ..SagaView::default() };
        let wish = SagaWish { view, typed: self.typed, trouble, key: None };
        let mut response = wish.page(api, visit, known)?;
        *response.status_mut() = status;
        Ok(response)
    }

    /// Gives the command, if nothing has happened that the sender does not know of.
    async fn follow(&self, api: &Api, visit: &Visit, known: &KnownSaga) -> Result<(), NotFollowed> {
        let (Some(act), Some(seen)) = (self.act, self.seen) else {
            let detail = "The form lacks `act` or `seen`, and nothing was done. Load the page again, and send its form anew";
            return Err(Problem::invalid(detail).into());
        };
        if self.key.is_empty() || self.key.chars().count() > FORM_KEY_CHARS_MAX {
            let detail = format!(
                "The form's `key` has 1 to {FORM_KEY_CHARS_MAX} characters (FORM_KEY_CHARS_MAX), and nothing was done. Load the \
                 page again, and send its form anew"
            );
            return Err(Problem::invalid(detail).into());
        }
        let id = known.row.saga;
        let command = CommandId::of_key(id, &self.key);
        if let Ok((saga, history)) = &known.read {
            let seen = SeenUntil { at: visit.now, position: Some(Seq::new(seen)) };
            if let Some(came) = saga.came_since(&history.records, seen, command) {
                return Err(NotFollowed::CameSince(came_since(&came, visit.now, visit.lang())));
            }
        }
        let asking = api.engine.asked_by(visit.principal.name().cloned()).once(command);
        let refused = |refusal| Problem::refused(refusal, unknown);
        match act {
            SagaAct::Signal => {
                visit.principal.may_signal(&self.typed.signal)?;
                let body = self.signal_body()?;
                asking.signal(id, &self.typed.signal, None, body).await.map_err(refused)?;
            }
            SagaAct::Resume | SagaAct::Resolve | SagaAct::Cancel => {
                let kind = self.kind(act, visit, known)?;
                asking.command(id, kind).await.map_err(refused)?;
                // The page shows what has come of it by then; if nothing, that, too.
                let _ = api.engine.wait(id, Wait::tried(RESULT_WAIT)).await;
            }
        }
        Ok(())
    }

    fn kind(&self, act: SagaAct, visit: &Visit, known: &KnownSaga) -> Result<CommandKind, Problem> {
        let said = |name: &str, value: &str| (name.to_owned(), serde_json::Value::from(value.trim()));
        let members = [
            said(BY.name, &self.typed.by),
            said(REASON.name, &self.typed.reason),
            said(FINDING.name, &self.finding),
        ];
        let members = members.into_iter().filter(|(_, value)| value.as_str() != Some("")).collect();
        let body = serde_json::Value::Object(members).to_string();
        let members = BodyMembers::read(body.as_bytes(), &[BY.name, REASON.name, FINDING.name])?;
        let by = members.asker(&BY, &visit.principal)?;
        Ok(match act {
            SagaAct::Cancel => CommandKind::CancelBy { by, reason: members.optional(&REASON)? },
            SagaAct::Resume | SagaAct::Signal => {
                CommandKind::Resume { by, reason: members.optional(&REASON)? }
            }
            SagaAct::Resolve => {
                let reason = members.required(&REASON)?;
                let word = members.required(&FINDING)?;
                let finding = self.typed.finding.ok_or_else(|| {
                    let word = word.escape_debug();
                    Problem::invalid(format!("`finding` must be {}, not `{word}`", FINDING.says))
                })?;
                // Only with this finding is there an output to be had.
                let output = self.typed.output.trim();
                let output =
                    (finding == Finding::Ran && !output.is_empty()).then(|| output_of(output, finding));
                let output = output.transpose()?;
                let saga = known.read.as_ref().map(|(saga, _)| saga);
                let saga =
                    saga.map_err(|reason| Problem::refused(Refusal::Damaged(reason.clone()), unknown))?;
                let step = saga.definition().step_named(&self.step).ok_or_else(|| {
                    let step: String = self.step.chars().take(STEP_CHARS_SHOWN_MAX).collect();
                    Problem::invalid(format!(
                        "`step`: the saga has no step `{}`; load the page again",
                        step.escape_debug()
                    ))
                })?;
                CommandKind::Resolve { step, finding, output, by, reason }
            }
        })
    }

    fn signal_body(&self) -> Result<Json, Problem> {
        let body = self.typed.body.trim();
        if body.len() > SIGNAL_BYTES_MAX {
            let bytes = body.len();
            let detail = format!("The signal has {bytes} bytes; SIGNAL_BYTES_MAX is {SIGNAL_BYTES_MAX}");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "signal_bytes_max", detail));
        }
        if body.is_empty() {
            return Ok(Json::null());
        }
        Json::parse_unambiguous(body.as_bytes())
            .map_err(|error| Problem::invalid(format!("The signal's content is not JSON: {error}")))
    }
}

/// Why a form was not followed.
enum NotFollowed {
    /// Something has happened that its sender does not know of.
    CameSince(Sentence),
    Problem(Problem),
}

impl From<Problem> for NotFollowed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
