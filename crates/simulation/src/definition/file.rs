//! The definition's file that is made of steps.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;

use super::{AcceptanceSpec, CallSpec, HORIZON, Spec, StepKind, Told, Work, name, step_name};
use crate::bugs::Lies;

/// A participant that keeps its promise for longer than any world lasts.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The conditions and the output of a signal: a body that says neither `no` nor `yes` is no signal.
const SIGNAL_MEANS: &str = "ok: .body.no == false, refused: .body.no == true";

/// The definition made of these steps, with as many calls at once to each participant. Few attempts and short waits, so
/// that runs are short.
pub(crate) fn definition(specs: &[Spec], deadline: Duration, calls_max: u32, lies: Lies) -> Arc<Definition> {
    let mut yaml = format!(
        "saga: essai\ninput: {{ n: integer }}\n\
         states: {{ started: DEBUT, completed: FINI, cancelled: ANNULEE }}\ndeadline: {}s\nparticipants:\n",
        deadline.as_secs()
    );
    for (i, call) in specs.iter().enumerate().filter_map(|(i, spec)| Some((i, spec.call()?))) {
        let safety = call.kind.safety();
        let horizon = if call.forgets { HORIZON } else { DAY }.as_secs();
        let limits = format_args!(
            "horizon: {horizon}s, calls_max: {calls_max}, breaker: {{ calls_min: 6, open_max: 4s }}"
        );
        line(
            &mut yaml,
            format_args!("  p{i}: {{ url: 'http://p{i}', safety: {safety}, timeout: 1s, {limits} }}"),
        );
    }
    yaml.push_str("steps:\n");
    let pivot = specs.iter().position(Spec::is_pivot);
    for (i, spec) in specs.iter().enumerate() {
        step(&mut yaml, i, spec, pivot.is_some_and(|pivot| pivot < i));
    }
    let parsed = Definition::parse("generated.yaml", &yaml, &|_| None);
    Arc::new(lies.definition(parsed.unwrap_or_else(|mistakes| panic!("{mistakes}\n{yaml}"))))
}

fn step(yaml: &mut String, i: usize, spec: &Spec, is_behind_pivot: bool) {
    let (step, upper) = (name(i), name(i).to_ascii_uppercase());
    line(yaml, format_args!("  - step: {step}\n    success: {upper}"));
    if let Some(after) = &spec.after {
        let names: Vec<String> = after.iter().map(|step| step_name(*step)).collect();
        line(yaml, format_args!("    after: [{}]", names.join(", ")));
    }
    if let Some(holds) = spec.when {
        let sign = if holds { "!=" } else { "==" };
        line(yaml, format_args!("    when: .input.n {sign} -1"));
    }
    if !is_behind_pivot {
        line(yaml, format_args!("    failure: ECHEC_{upper}"));
    }
    if spec.is_optional() {
        line(yaml, format_args!("    optional: true"));
    }
    if spec.is_pivot() {
        line(yaml, format_args!("    pivot: true"));
    }
    match &spec.work {
        Work::Call(call) => call_step(yaml, i, call, spec.signal_name(i).as_deref()),
        Work::Signal(signal) => {
            let within = signal.within.as_millis();
            line(
                yaml,
                format_args!(
                    "    signal: {{ name: s{}, within: {within}ms, {SIGNAL_MEANS}, output: .body }}",
                    signal.name
                ),
            );
        }
        Work::Pause(pause) if pause.is_computed => {
            let length = pause.length.as_millis();
            line(yaml, format_args!("    pause: 'if .input.n == -1 then \"1d\" else \"{length}ms\" end'"));
        }
        Work::Pause(pause) => line(yaml, format_args!("    pause: {}ms", pause.length.as_millis())),
    }
}

fn call_step(yaml: &mut String, i: usize, call: &CallSpec, signal: Option<&str>) {
    let step = name(i);
    let sources: String = call.from.iter().map(|&from| format!(", {0}: .{0}", name(from))).collect();
    // A participant that does it later is told where to say so.
    let tell = signal.map_or_else(String::new, |signal| format!(", tell: '.callbacks[\"{signal}\"]'"));
    let body = format!("{{ n: .input.n{sources}{tell} }}");
    line(yaml, format_args!("    participant: p{i}\n    action:"));
    match call.kind {
        StepKind::Read => line(yaml, format_args!("      get: '/{step}/\\(.input.n)'")),
        _ => line(yaml, format_args!("      post: /{step}\n      body: {body}")),
    }
    if let Some(AcceptanceSpec { told, within }) = call.accepts {
        line(yaml, format_args!("      pending: .status == 202"));
        let within = within.as_millis();
        if told != Told::Signal {
            let refused = "refused: .status == 200 and .body.no == true, ok: .status == 200";
            line(
                yaml,
                format_args!(
                    "      poll: {{ get: '/{step}/jobs/\\(.saga_id)', every: 1s, within: {within}ms, {refused} }}"
                ),
            );
        }
        if let Some(signal) = signal {
            line(
                yaml,
                format_args!("      await: {{ signal: {signal}, within: {within}ms, {SIGNAL_MEANS} }}"),
            );
        }
    }
    match (call.undo, call.kind) {
        (_, StepKind::Read) => {}
        (true, _) => line(yaml, format_args!("    compensation: {{ post: /{step}/undo, body: {body} }}")),
        (false, _) => line(yaml, format_args!("    compensation: none")),
    }
    if call.is_probed() {
        line(yaml, format_args!("    probe: {{ get: '/{step}/\\(.saga_id)', output: .body, after: 2s }}"));
    }
    line(
        yaml,
        format_args!("    retry: {{ attempts: 3, cap: 1s }}\n    persist: {{ attempts: 3, cap: 4s }}"),
    );
}

fn line(yaml: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(yaml, "{text}");
}
