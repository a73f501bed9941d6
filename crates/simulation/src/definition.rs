//! Definitions with steps of every kind, small enough to be exhausted.

use std::fmt::Write;
use std::sync::Arc;

use saga_core::Definition;
use saga_core::definition::Safety;

use crate::bugs::Lies;
use crate::dice::Dice;

/// What a step is, as far as its promises go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A read.
    Read,
    /// No promise at all.
    Plain,
    /// No promise, but it can be asked.
    Probed,
    /// Keys.
    Idempotent,
    /// Keys, null compensations, late actions refused.
    Barrier,
}

impl Kind {
    /// All that have an effect.
    pub const EFFECTS: [Self; 4] = [Self::Plain, Self::Probed, Self::Idempotent, Self::Barrier];

    pub(crate) fn safety(self) -> Safety {
        match self {
            Self::Read | Self::Plain | Self::Probed => Safety::None,
            Self::Idempotent => Safety::Idempotent,
            Self::Barrier => Safety::Barrier,
        }
    }
}

/// A step of a generated definition; it is called `a`, `b`, ... by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    /// Whether it is undone; a read never is.
    pub(crate) undo: bool,
    /// Whether the requests of later steps are made of its answer.
    pub(crate) is_read_later: bool,
}

pub(crate) fn step_name(step: usize) -> String {
    name(step).to_string()
}

fn name(step: usize) -> char {
    char::from(b'a' + step as u8)
}

/// Between one and five steps.
pub(crate) fn drawn(dice: &Dice) -> Vec<Spec> {
    let mut specs: Vec<Spec> = (0..1 + dice.below(4))
        .map(|_| Spec {
            kind: dice.one(&Kind::EFFECTS),
            undo: !dice.chance(80),
            is_read_later: dice.chance(200),
        })
        .collect();
    if dice.chance(500) {
        specs
            .insert(dice.below(specs.len() + 1), Spec { kind: Kind::Read, undo: false, is_read_later: true });
    }
    specs
}

/// The definition made of these steps, with as many calls at once to each participant. Few attempts and short waits, so
/// that runs are short.
pub(crate) fn definition(specs: &[Spec], deadline_s: u64, calls_max: u32, lies: Lies) -> Arc<Definition> {
    let mut yaml = format!(
        "saga: essai\ninput: {{ n: integer }}\n\
         states: {{ started: DEBUT, completed: FINI, cancelled: ANNULEE }}\ndeadline: {deadline_s}s\nparticipants:\n"
    );
    for (i, spec) in specs.iter().enumerate() {
        let safety = spec.kind.safety().as_str();
        let limits = format_args!("calls_max: {calls_max}, breaker: {{ calls_min: 6, open_max: 4s }}");
        line(
            &mut yaml,
            format_args!("  p{i}: {{ url: 'http://p{i}', safety: {safety}, timeout: 1s, {limits} }}"),
        );
    }
    yaml.push_str("steps:\n");
    for (i, spec) in specs.iter().enumerate() {
        let (step, upper) = (name(i), name(i).to_ascii_uppercase());
        let sources: String = specs[..i]
            .iter()
            .enumerate()
            .filter(|(_, earlier)| earlier.is_read_later)
            .map(|(j, _)| format!(", {0}: .{0}", name(j)))
            .collect();
        let body = format!("{{ n: .input.n{sources} }}");
        line(&mut yaml, format_args!("  - step: {step}\n    participant: p{i}"));
        match spec.kind {
            Kind::Read => line(&mut yaml, format_args!("    action: {{ get: '/{step}/\\(.input.n)' }}")),
            _ => line(&mut yaml, format_args!("    action: {{ post: /{step}, body: {body} }}")),
        }
        match (spec.undo, spec.kind) {
            (_, Kind::Read) => {}
            (true, _) => {
                line(&mut yaml, format_args!("    compensation: {{ post: /{step}/undo, body: {body} }}"))
            }
            (false, _) => line(&mut yaml, format_args!("    compensation: none")),
        }
        if spec.kind == Kind::Probed {
            line(
                &mut yaml,
                format_args!("    probe: {{ get: '/{step}/\\(.saga_id)', output: .body, after: 2s }}"),
            );
        }
        line(
            &mut yaml,
            format_args!(
                "    success: {upper}\n    failure: ECHEC_{upper}\n    retry: {{ attempts: 3, cap: 1s }}\n    \
                 persist: {{ attempts: 3, cap: 4s }}"
            ),
        );
    }
    let parsed = Definition::parse("generated.yaml", &yaml, &|_| None);
    Arc::new(lies.definition(parsed.unwrap_or_else(|mistakes| panic!("{mistakes}\n{yaml}"))))
}

fn line(yaml: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(yaml, "{text}");
}
