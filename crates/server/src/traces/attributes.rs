//! A span with its attributes, by OpenTelemetry's conventions for HTTP clients, and `saga.*` for what they do not know.
//!
//! Nothing that an order carries goes to a collector: of a path, the definition's text stands there, and of what the definition
//! computes, `REDACTED`, as the conventions have it for secrets. So do values of queries, and a URL's user.

use http::Uri;
use saga_core::definition::{Definition, Participant};
use saga_core::trace::{SagaSpan, SpanAbout, StepEnd, TraceFlags, TracedEnd};
use saga_core::{Direction, Outcome};

use super::otlp::{OtlpAttribute, OtlpKind, OtlpLink, OtlpSpan, Status, StatusCode};

/// In the place of values that are not told.
const REDACTED: &str = "REDACTED";

/// The message of a span.
pub(super) fn of(span: &SagaSpan) -> OtlpSpan {
    let parent_flags = span.context.as_ref().and_then(|context| context.parent);
    let is_callers = parent_flags.is_some_and(|parent| parent.trace == span.trace);
    let state = span.context.as_ref().filter(|_| is_callers).and_then(|context| context.state.as_deref());
    let flags =
        parent_flags.filter(|_| is_callers).map_or(TraceFlags::of(true), |parent| parent.flags.sampled(true));
    let mut told =
        SpanMessage { name: String::new(), kind: OtlpKind::Internal, attributes: Vec::new(), error: None };
    told.attributes.push(OtlpAttribute::text("saga.id", span.saga.to_string()));
    told.attributes.push(OtlpAttribute::text("saga.definition", &*span.definition.name));
    told.about(span);
    let (code, message) =
        told.error.map_or((StatusCode::Unset, String::new()), |why| (StatusCode::Error, why));
    OtlpSpan {
        trace_id: span.trace.bits().to_be_bytes().to_vec(),
        span_id: span.id.bits().to_be_bytes().to_vec(),
        trace_state: state.unwrap_or_default().to_owned(),
        parent_span_id: span.parent.map(|parent| parent.bits().to_be_bytes().to_vec()).unwrap_or_default(),
        name: told.name,
        kind: told.kind as i32,
        start_time_unix_nano: nanos(span.begun),
        end_time_unix_nano: nanos(span.ended),
        attributes: told.attributes,
        links: span
            .links
            .iter()
            .map(|link| OtlpLink {
                trace_id: link.trace.bits().to_be_bytes().to_vec(),
                span_id: link.span.bits().to_be_bytes().to_vec(),
                flags: link.flags.map_or(0, |flags| flags.bits().into()),
            })
            .collect(),
        status: Some(Status { message, code: code as i32 }),
        flags: flags.bits().into(),
    }
}

fn nanos(at: saga_core::Timestamp) -> u64 {
    u64::try_from(at.as_micros()).unwrap_or(0).saturating_mul(1_000)
}

/// The parts of a message that depend on what the span is about.
struct SpanMessage {
    name: String,
    kind: OtlpKind,
    attributes: Vec<OtlpAttribute>,
    error: Option<String>,
}

impl SpanMessage {
    fn text(&mut self, key: &str, value: impl Into<String>) {
        self.attributes.push(OtlpAttribute::text(key, value));
    }

    fn about(&mut self, span: &SagaSpan) {
        let definition = &*span.definition;
        match &span.about {
            SpanAbout::Saga { state, completed, is_called } => {
                self.name = format!("saga {}", definition.name);
                self.kind = if *is_called { OtlpKind::Server } else { OtlpKind::Internal };
                self.text("saga.state", &**state);
                let outcome = match completed {
                    Some(true) => "completed",
                    Some(false) => "rolled_back",
                    None => "paused",
                };
                self.text("saga.outcome", outcome);
                if *completed == Some(false) {
                    self.error = Some(format!("there is no order: {state}"));
                    self.text("error.type", "rolled_back");
                }
                if let Some(id) = span.context.as_ref().and_then(|context| context.request_id.as_deref()) {
                    self.text("saga.request_id", id);
                }
            }
            SpanAbout::Step { step, direction, end } => {
                let verb = if *direction == Direction::Compensation { "undo" } else { "do" };
                self.name = format!("{verb} {}", step_name(definition, *step));
                self.step(definition, *step, *direction);
                let outcome = match end {
                    StepEnd::Ok => "ok",
                    StepEnd::Failed => "failed",
                    StepEnd::Open => "open",
                };
                self.text("saga.outcome", outcome);
                if *end == StepEnd::Failed {
                    self.error = Some("the step has failed".to_owned());
                    self.text("error.type", "failed");
                }
            }
            SpanAbout::Attempt { step, direction, attempt, end } => {
                self.kind = OtlpKind::Client;
                self.step(definition, *step, *direction);
                self.attributes.push(OtlpAttribute::int("saga.attempt", attempt.get()));
                self.call(definition, *step, *direction);
                if attempt.get() > 1 {
                    self.attributes.push(OtlpAttribute::int("http.request.resend_count", attempt.get() - 1));
                }
                self.ended(*end);
            }
        }
    }

    fn step(&mut self, definition: &Definition, step: usize, direction: Direction) {
        self.text("saga.step", step_name(definition, step));
        self.text("saga.direction", <&str>::from(direction));
    }

    fn call(&mut self, definition: &Definition, step: usize, direction: Direction) {
        let (Some(call), Some(participant)) =
            (definition.call(step, direction), definition.participant(step))
        else {
            self.name = format!("call {}", step_name(definition, step));
            return;
        };
        let path = call.path.shown();
        self.name = match &path {
            Some(path) => format!("{} {}", call.method, path.split('?').next().unwrap_or_default()),
            None => call.method.to_string(),
        };
        self.text("http.request.method", call.method.as_str());
        self.text("saga.participant", &*participant.name);
        if let Some(template) = &path {
            self.text("url.template", template.split('?').next().unwrap_or_default());
        }
        let base = &participant.base;
        self.text("server.address", base.host().unwrap_or_default().trim_matches(['[', ']']));
        self.attributes.push(OtlpAttribute::int("server.port", port(base)));
        self.text("url.full", full_url(participant, path.as_deref()));
    }

    fn ended(&mut self, end: TracedEnd) {
        let TracedEnd::Answered { outcome, status } = end else {
            self.text("saga.outcome", "interrupted");
            self.text("error.type", "interrupted");
            self.error = Some(
                "nobody knows what became of the call: its process was gone, or nobody waited".to_owned(),
            );
            return;
        };
        self.text("saga.outcome", outcome.to_string());
        if let Some(status) = status {
            self.attributes.push(OtlpAttribute::int("http.response.status_code", status));
        }
        // The definition knows better than the status whether an answer is an error.
        if !matches!(outcome, Outcome::Ok | Outcome::Accepted) {
            let kind = status.filter(|status| *status >= 400).map(|status| status.to_string());
            self.text("error.type", kind.unwrap_or_else(|| outcome.to_string()));
            self.error = Some(format!("the call's outcome is {outcome}"));
        }
    }
}

fn step_name(definition: &Definition, step: usize) -> &str {
    definition.steps.get(step).map_or("?", |step| &step.name)
}

fn port(base: &Uri) -> u16 {
    base.port_u16().unwrap_or(if base.scheme_str() == Some("https") { 443 } else { 80 })
}

/// The address of a call, without user, and without values. `path`: as the definition has it; `None`: it has no such text.
fn full_url(participant: &Participant, path: Option<&str>) -> String {
    let base = &participant.base;
    let mut url = format!(
        "{}://{}",
        base.scheme_str().unwrap_or("http"),
        base.authority().map_or("", |at| at.as_str().rsplit('@').next().unwrap_or_default())
    );
    url.push_str(base.path().trim_end_matches('/'));
    let Some(path) = path else {
        url.push('/');
        url.push_str(REDACTED);
        return url;
    };
    let path = without_holes(path);
    let (path, query) = path.split_once('?').map_or((&*path, None), |(path, query)| (path, Some(query)));
    url.push_str(path);
    for (at, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        url.push(if at == 0 { '?' } else { '&' });
        url.push_str(pair.split('=').next().unwrap_or_default());
        if pair.contains('=') {
            url.push('=');
            url.push_str(REDACTED);
        }
    }
    url
}

/// The path with `REDACTED` in the place of each part that is computed, which stands in braces.
fn without_holes(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut depth = 0_usize;
    for character in path.chars() {
        match character {
            '{' => {
                if depth == 0 {
                    text.push_str(REDACTED);
                }
                depth += 1;
            }
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => text.push(character),
            _ => {}
        }
    }
    text
}
