//! An event as a line: of a history, and in the stream of events.

use saga_core::definition::Definition;
use saga_core::event::{Cause, Finding, Stuck};
use saga_core::{Direction, Event, Outcome, Record};
use serde::Serialize;
use utoipa::ToSchema;

/// A line of a history. Without `detail` there are only those with a `state`.
#[derive(Serialize, ToSchema, Default, Clone)]
#[schema(as = HistoryLine)]
pub(crate) struct SagaLine {
    #[schema(format = DateTime)]
    pub(super) at: String,
    /// The state that the saga entered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) state: Option<String>,
    /// `attempt`, `skipped`, `waits`, `pause_ended`, `signalled`, `signal_taken`, `passed_over`, `output_made`, `rollback_decided`,
    /// `blocked`, `resumed`, `resolved` or `taken_over`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) step: Option<String>,
    /// Of an attempt: `action`, `compensation`, `probe` or `poll`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub(super) direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) attempt: Option<u32>,
    /// `ok`, `accepted`, `refused`, `unknown` or `not_sent`. An attempt without it is under way, or was cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub(super) outcome: Option<Outcome>,
    /// The HTTP status of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) duration_ms: Option<f64>,
    /// Of a wait: until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, nullable = false)]
    pub(super) until: Option<String>,
    /// A signal's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) signal: Option<String>,
    /// The kind of obstacle, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub(super) stuck: Option<Stuck>,
    /// `ran`, `not_run` or `undone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub(super) finding: Option<Finding>,
    /// The person who said so; of a caller with a key, the key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) reason: Option<String>,
}

impl SagaLine {
    /// An event alone, without inputs, outputs and bodies, by the name that the journal has for it. Steps have their names from the
    /// definition that the saga is pinned to.
    pub(super) fn of(record: &Record, definition: Option<&Definition>) -> Self {
        let steps = definition.map(|definition| &definition.steps[..]).unwrap_or_default();
        Self::named(record, &|step| steps.get(step).map(|step| step.name.to_string()))
    }

    /// The same, with the names of steps from elsewhere.
    pub(crate) fn named(record: &Record, step_name: &dyn Fn(usize) -> Option<String>) -> Self {
        let text = |text: &str| Some(text.to_owned());
        let maybe = |reason: &Option<Box<str>>| reason.as_ref().map(ToString::to_string);
        let line = |event: &'static str| Self {
            at: record.at.to_string(),
            state: record.state.as_ref().map(ToString::to_string),
            event: Some(event),
            ..Self::default()
        };
        let at = |event, step: &usize| Self { step: step_name(*step), ..line(event) };
        match &record.event {
            Event::Started { .. } => {
                Self { by: record.by.as_ref().map(ToString::to_string), ..line("started") }
            }
            Event::Completed => line("completed"),
            Event::RolledBack => line("rolled_back"),
            Event::AttemptStarted { step, direction, attempt } => Self {
                direction: Some(*direction),
                attempt: Some(attempt.get()),
                ..at("attempt_started", step)
            },
            Event::AttemptEnded { step, direction, attempt, outcome, status, reason, .. } => Self {
                direction: Some(*direction),
                attempt: Some(attempt.get()),
                outcome: Some(*outcome),
                status: *status,
                reason: maybe(reason),
                ..at("attempt_ended", step)
            },
            Event::Skipped { step } => at("skipped", step),
            Event::Waits { step, until } => Self { until: Some(until.to_string()), ..at("waits", step) },
            Event::PauseEnded { step } => at("pause_ended", step),
            Event::Signalled { name, .. } => {
                let by = record.by.as_ref().map(ToString::to_string);
                Self { signal: text(name), by, ..line("signalled") }
            }
            Event::SignalTaken { step, outcome, reason, .. } => {
                Self { outcome: Some(*outcome), reason: maybe(reason), ..at("signal_taken", step) }
            }
            Event::PassedOver { step, reason } => Self { reason: text(reason), ..at("passed_over", step) },
            Event::OutputMade { error, .. } => Self { reason: maybe(error), ..line("output_made") },
            Event::RollbackDecided { cause } => match cause {
                Cause::StepFailed { step, reason } => {
                    Self { reason: text(reason), ..at("rollback_decided", step) }
                }
                Cause::Cancelled => Self { reason: text("cancelled on request"), ..line("rollback_decided") },
                Cause::CancelledBy { by, reason } => {
                    let reason = maybe(reason).or_else(|| text("cancelled on request"));
                    Self { by: text(by), reason, ..line("rollback_decided") }
                }
                Cause::DeadlinePassed => {
                    Self { reason: text("the saga's deadline passed"), ..line("rollback_decided") }
                }
            },
            Event::Blocked { step, stuck, reason } => {
                Self { stuck: Some(*stuck), reason: text(reason), ..at("blocked", step) }
            }
            Event::Resumed { by, reason, .. } => {
                Self { by: text(by), reason: maybe(reason), ..line("resumed") }
            }
            Event::Resolved { step, finding, by, reason, .. } => {
                Self { finding: Some(*finding), by: text(by), reason: text(reason), ..at("resolved", step) }
            }
            Event::TakenOver { .. } => line("taken_over"),
        }
    }
}
