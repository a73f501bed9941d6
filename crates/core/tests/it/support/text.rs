//! Records and effects as scripts show them.

use std::fmt::Write;

use saga_core::event::Cause;
use saga_core::saga::Effects;
use saga_core::{AttemptNumber, Direction, Event, Record, Saga, Seq, Timestamp};

/// `+stock#1` for the first attempt of the step `stock`, `-stock#1` for that of undoing it, `?stock#1` for asking.
fn call_text(saga: &Saga, step: usize, direction: Direction, attempt: AttemptNumber) -> String {
    let sign = match direction {
        Direction::Action => '+',
        Direction::Compensation => '-',
        Direction::Probe => '?',
        Direction::Poll => '~',
    };
    format!("{sign}{}#{}", saga.definition().steps[step].name, attempt.get())
}

pub(crate) fn record_text(saga: &Saga, record: &Record) -> String {
    let name = |step: &usize| saga.definition().steps[*step].name.to_string();
    let mut text = match &record.event {
        Event::Started { .. } => "started".to_owned(),
        Event::Skipped { step } => format!("{} skipped", name(step)),
        Event::Waits { step, until } => format!("{} waits until {}", name(step), time(*until)),
        Event::PauseEnded { step } => format!("{} is over", name(step)),
        Event::Signalled { name, .. } => format!("signal {name}"),
        Event::SignalTaken { step, signal, outcome, .. } => {
            format!("{} takes signal {signal}: {outcome}", name(step))
        }
        Event::PassedOver { step, reason } => format!("{} passed over ({reason})", name(step)),
        Event::OutputMade { output, error } => match error {
            Some(error) => format!("output {} ({error})", output.text()),
            None => format!("output {}", output.text()),
        },
        Event::AttemptStarted { step, direction, attempt } => call_text(saga, *step, *direction, *attempt),
        Event::AttemptEnded { step, direction, attempt, outcome, retry_at, .. } => {
            let again = retry_at.map_or(String::new(), |at| format!(", again at {}", time(at)));
            format!("{} {outcome}{again}", call_text(saga, *step, *direction, *attempt))
        }
        Event::RollbackDecided { cause: Cause::StepFailed { step, reason } } => {
            format!("rollback: {} failed ({reason})", name(step))
        }
        Event::RollbackDecided { cause: Cause::Cancelled } => "rollback: cancelled".into(),
        Event::RollbackDecided { cause: Cause::CancelledBy { by, .. } } => {
            format!("rollback: cancelled by {by}")
        }
        Event::RollbackDecided { cause: Cause::DeadlinePassed } => "rollback: deadline".into(),
        Event::Blocked { step, stuck, .. } => format!("blocked: {} {stuck:?}", name(step)),
        Event::Completed => "completed".into(),
        Event::RolledBack => "rolled back".into(),
        Event::Resumed { by, .. } => format!("resumed by {by}"),
        Event::Resolved { step, finding, by, .. } => format!("resolved by {by}: {} {finding:?}", name(step)),
        Event::TakenOver { epoch, .. } => format!("taken over: epoch {}", epoch.get()),
    };
    if let Some(state) = &record.state {
        write!(text, " [{state}]").expect("strings take what they get");
    }
    text
}

pub(crate) fn effects_text(saga: &Saga, effects: &Effects) -> String {
    let mut parts = Vec::new();
    for call in &effects.calls {
        let text = call_text(saga, call.step, call.direction, call.attempt);
        parts.push(match call.needs {
            Seq::NONE => format!("call {text} at once"),
            needs => format!("call {text} needs {needs}"),
        });
    }
    for step in effects.late.iter() {
        parts.push(format!("hear {}", saga.definition().steps[step].name));
    }
    for step in effects.evaluations.iter() {
        parts.push(format!("decide {}", saga.definition().steps[step].name));
    }
    if effects.output {
        parts.push("make output".into());
    }
    parts.extend(effects.wake_at.map(|at| format!("wake at {}", time(at))));
    parts.extend(effects.answer.map(|seq| format!("answer needs {seq}")));
    if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
}

fn time(at: Timestamp) -> String {
    match at.as_micros() / 1000 {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}
