//! The report about a definition, as text.

use std::fmt::Write;

use http::header::{ACCEPT, CONTENT_LENGTH, HOST, USER_AGENT};
use saga_core::definition::{Call, Definition, InputMember, Origin, Participant, Variable};
use saga_core::saga::Request;
use saga_core::understood::{NotShown, StepUnderstood, Turn, ways};
use saga_core::{Direction, Json, Outcome};
use saga_engine::participants::as_sent;

use super::super::table::{line, table};
use super::graph::{self, does};
use super::lost;

/// Characters of a body that are printed.
const BODY_CHARS_MAX: usize = 2000;

/// The whole report. `order`: the input of a sample order, and what its steps do.
pub(super) fn account(
    definition: &Definition,
    variables: &[Variable],
    order: Option<&(Json, Vec<StepUnderstood>)>,
) -> String {
    let mut text = summary(definition);
    text += &format!("\ngraph\n{}", graph::drawn(definition));
    text += &format!("\nways through\n{}", graph::listed(definition, &ways(definition)));
    if !variables.is_empty() {
        text += &format!("\n{}", read_variables(variables));
    }
    let Some((input, steps)) = order else { return text };
    text += &format!(
        "\nrequests of an order with the input {}\n  `~step.member~` stands for what a step's answer gives; --input and --answers bring \
         values of your own\n",
        input.text()
    );
    let first = steps.iter().enumerate().find_map(|(index, step)| {
        Some((definition.participant(index)?, step.action.as_ref()?.request.as_ref().ok()?))
    });
    if let Some((participant, request)) = first {
        let common = headers(participant, request, true);
        text += &format!("  each one has {}\n", common.join(", "));
    }
    for (index, step) in steps.iter().enumerate() {
        text.push('\n');
        step_lines(&mut text, definition, index, step);
    }
    text
}

/// An overview of the definition.
fn summary(definition: &Definition) -> String {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let input = &definition.input;
    let described = |name: &str| match input.member(name) {
        Some(InputMember { kind, optional: true, .. }) => format!("{name} ({kind}, may be left out)"),
        Some(InputMember { kind, .. }) => format!("{name} ({kind})"),
        None => format!("{name} (by the schema)"),
    };
    let inputs: Vec<String> = input.names().map(described).collect();
    let states = &definition.states;
    let mut participants = vec![row(&["participant", "url", "safety", "timeout", "calls_max"])];
    participants.extend(definition.participants.iter().map(|participant| {
        vec![
            participant.name.to_string(),
            participant.address.to_string(),
            participant.safety.to_string(),
            format!("{:?}", participant.timeout),
            participant.calls_max.to_string(),
        ]
    }));
    let access: String = definition
        .participants
        .iter()
        .flat_map(|participant| {
            let name = &participant.name;
            let auth = participant.auth.as_ref().map(|auth| format!("{name} is called with {auth}\n"));
            let tls = participant.tls.as_ref().map(|tls| format!("{name} is reached by TLS with {tls}\n"));
            auth.into_iter().chain(tls)
        })
        .collect();
    let mut steps =
        vec![row(&["step", "after", "participant", "action", "undone by", "success", "failure", "attempts"])];
    steps.extend(definition.steps.iter().enumerate().map(|(index, step)| {
        let undo = match step.compensation() {
            Some(call) => call.method.to_string(),
            None if step.as_call().is_none() => "- (it waits)".to_owned(),
            None if step.is_read() => "- (a read)".to_owned(),
            None => "- (never undone)".to_owned(),
        };
        let none = || "-".to_owned();
        vec![
            step.name.to_string(),
            after(definition, index),
            definition.participant(index).map_or_else(none, |called| called.name.to_string()),
            does(step),
            undo,
            step.success.as_deref().unwrap_or("-").to_owned(),
            step.failure.to_string(),
            step.as_call().map_or_else(none, |call| call.retry.attempts.to_string()),
        ]
    }));
    if definition.graph.is_chain() {
        steps.iter_mut().for_each(|cells| drop(cells.remove(1)));
    }
    let conditions: String = definition
        .steps
        .iter()
        .filter_map(|step| Some((&step.name, step.when.as_ref()?.code())))
        .map(|(name, code)| format!("{name} is skipped unless {code}\n"))
        .collect();
    let signed: Vec<&str> = definition
        .participants
        .iter()
        .filter(|participant| participant.is_signed)
        .map(|participant| &*participant.name)
        .collect();
    let signed = match signed.is_empty() {
        true => String::new(),
        false => format!("calls to {} are signed with the key of `serve --signing-key`\n", signed.join(", ")),
    };
    format!(
        "{name}: a valid definition\n  hash      {hash}\n  input     {inputs}\n  deadline  {deadline:?}\n  \
         states    {started} -> {completed}, or {cancelled} when stopped\n\n{participants}{access}{signed}\n{steps}{conditions}",
        name = definition.name,
        hash = definition.hash,
        inputs = inputs.join(", "),
        deadline = definition.deadline,
        started = states.started,
        completed = states.completed,
        cancelled = states.cancelled,
        participants = table(&participants),
        steps = table(&steps),
    )
}

/// The names of the steps that a step waits for.
fn after(definition: &Definition, step: usize) -> String {
    let names: Vec<&str> =
        definition.graph.after(step).iter().map(|earlier| &*definition.steps[earlier].name).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}

/// Which variables were read, and from where. Never their values: they may be secret.
fn read_variables(variables: &[Variable]) -> String {
    let mut rows = vec![["variable", "line", "value"].map(str::to_owned).to_vec()];
    rows.extend(variables.iter().map(|variable| {
        let origin = match &variable.origin {
            Origin::Set => "from the environment",
            Origin::Default => "not set: the default",
            Origin::Missing => "NOT SET, and there is no default",
            Origin::File => "from the file",
            Origin::NoFile { .. } => "NO FILE that can be used",
        };
        vec![variable.name.to_string(), variable.line.to_string(), origin.to_owned()]
    }));
    table(&rows)
}

fn step_lines(text: &mut String, definition: &Definition, index: usize, understood: &StepUnderstood) {
    let step = &definition.steps[index];
    let (Some(participant), Some(call), Some(action)) =
        (definition.participant(index), step.as_call(), &understood.action)
    else {
        let _ = writeln!(text, "{}\n  waits  {}", step.name, does(step));
        return;
    };
    let cancelled = &definition.states.cancelled;
    let lost = |direction, turns: &[Turn]| lost::sentence(step, direction, turns, cancelled);
    let _ = writeln!(text, "{} at {}", step.name, participant.name);
    request_lines(text, ("does", &call.action), participant, &action.request);
    if let Some(verdict) = &understood.answered {
        let means = match (verdict.outcome, verdict.reason.as_deref()) {
            (Outcome::Ok, _) => {
                format!("ok; kept: {}", verdict.output.as_ref().map_or("nothing", Json::text))
            }
            (outcome, reason) => format!("{outcome}: {}", reason.unwrap_or_default()),
        };
        let _ = writeln!(text, "    given    {}", line(&means));
    }
    let _ = writeln!(text, "    if lost  {}", lost(Direction::Action, &action.if_lost));
    if let Some(compensation) = &understood.compensation {
        let undo = call.compensation.as_ref().unwrap_or(&call.action);
        request_lines(text, ("undoes", undo), participant, &compensation.request);
        let _ = writeln!(text, "    if lost  {}", lost(Direction::Compensation, &compensation.if_lost));
    }
    if let Some(probe) = &understood.probe {
        let ask = call.probe.as_ref().map_or(&call.action, |probe| &probe.call);
        request_lines(text, ("asks", ask), participant, probe);
    }
}

fn request_lines(
    text: &mut String,
    (what, call): (&str, &Call),
    participant: &Participant,
    request: &Result<Request, NotShown>,
) {
    let request = match request {
        Ok(request) => request,
        Err(NotShown::Computed(step)) => {
            let why = format!("computed from the answer of `{step}`: give one with --answers");
            let _ = writeln!(text, "  {what:<7}{} ({why})", call.method);
            return;
        }
        Err(why @ NotShown::Failure) => {
            let _ = writeln!(text, "  {what:<7}{} ({why})", call.method);
            return;
        }
        Err(NotShown::Impossible(error)) => {
            let _ = writeln!(
                text,
                "  {what:<7}{} (an order would fail here: {})",
                call.method,
                line(&error.to_string())
            );
            return;
        }
    };
    let _ = writeln!(
        text,
        "  {what:<7}{} {}{}",
        request.method,
        participant.address.trim_end_matches('/'),
        request.path
    );
    for header in headers(participant, request, false) {
        let _ = writeln!(text, "           {header}");
    }
    if let Some(body) = &request.body {
        let body: String = body.text().chars().take(BODY_CHARS_MAX).collect();
        let _ = writeln!(text, "           {}", line(&body));
    }
}

/// The headers that all requests have, or those of this request only; values that may be secret are masked.
fn headers(participant: &Participant, request: &Request, common: bool) -> Vec<String> {
    let message = match as_sent(participant, request) {
        Ok(message) => message,
        Err(error) => return vec![format!("(it cannot be sent: {error})")],
    };
    let is_common = |name: &http::HeaderName| {
        [ACCEPT, USER_AGENT].contains(name)
            || matches!(name.as_str(), "saga-id" | "saga-attempt" | "saga-epoch")
    };
    let shown = message.headers().iter().filter(|(name, value)| {
        // The URL shows it.
        *name != HOST && *name != CONTENT_LENGTH && (is_common(name) && !value.is_sensitive()) == common
    });
    shown
        .map(|(name, value)| match value.to_str() {
            _ if value.is_sensitive() => format!("{name}: ***"),
            Ok(value) => format!("{name}: {value}"),
            Err(_) => format!("{name}: (bytes)"),
        })
        .collect()
}
