//! Definitions with steps of every kind, small enough to be exhausted.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;
use saga_core::definition::{Graph, Safety};

use saga_testkit::dice::Dice;

use crate::bugs::Lies;

/// The kind of a step, as far as its promises go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
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

impl StepKind {
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
    pub(crate) kind: StepKind,
    /// Whether it is undone; a read never is.
    pub(crate) undo: bool,
    /// The earlier steps that it waits for; `None`: the step above.
    pub(crate) after: Option<Vec<usize>>,
    /// Whether its condition holds; `None`: it has none.
    pub(crate) when: Option<bool>,
    /// The earlier steps whose outputs its requests are made of.
    pub(crate) from: Vec<usize>,
    /// Whether it can be asked about, though its participant promises something; see [`Spec::is_probed`].
    pub(crate) probe: bool,
    /// Whether its participant keeps its promise for [`HORIZON`] only.
    pub(crate) forgets: bool,
}

/// How soon participants that forget may forget.
pub(crate) const HORIZON: Duration = Duration::from_secs(3);

impl Spec {
    pub(crate) fn new(kind: StepKind) -> Self {
        Self { kind, undo: true, after: None, when: None, from: Vec::new(), probe: false, forgets: false }
    }

    pub(crate) fn after(mut self, steps: &[usize]) -> Self {
        self.after = Some(steps.to_vec());
        self
    }

    pub(crate) fn when(mut self, holds: bool) -> Self {
        self.when = Some(holds);
        self
    }

    /// Whether it is skipped when its turn comes.
    pub(crate) fn is_skipped(&self) -> bool {
        self.when == Some(false)
    }

    /// Whether it can be asked about.
    pub(crate) fn is_probed(&self) -> bool {
        self.probe || self.kind == StepKind::Probed
    }

    /// Whether what is sent arrives soon or never: a question that comes before its call is answered wrongly, and a
    /// participant that has forgotten takes a late call for a new one.
    pub(crate) fn is_bounded(&self) -> bool {
        self.is_probed() || self.forgets
    }

    /// Whether its participant knows a call again.
    pub(crate) fn has_keys(&self) -> bool {
        matches!(self.kind, StepKind::Idempotent | StepKind::Barrier)
    }
}

pub(crate) fn step_name(step: usize) -> String {
    name(step).to_string()
}

fn name(step: usize) -> char {
    char::from(b'a' + step as u8)
}

/// Which steps each waits for.
pub(crate) fn graph(specs: &[Spec]) -> Graph {
    let after = |(step, spec): (usize, &Spec)| match &spec.after {
        Some(after) => after.iter().copied().collect(),
        None => step.checked_sub(1).into_iter().collect(),
    };
    Graph::new(specs.iter().enumerate().map(after).collect())
}

/// Between one and five steps, of any kinds, one after the other or in a graph, with conditions here and there, made of any
/// outputs that they can read. Where `forgets`, some participants forget.
pub(crate) fn drawn(dice: &Dice, forgets: bool) -> Vec<Spec> {
    let favourite = dice.one(&StepKind::EFFECTS);
    let mut kinds: Vec<StepKind> = (0..1 + dice.below(4))
        .map(|_| if dice.chance(300) { favourite } else { dice.one(&StepKind::EFFECTS) })
        .collect();
    if dice.chance(500) {
        kinds.insert(dice.below(kinds.len() + 1), StepKind::Read);
    }
    let reads_outputs = dice.one(&[0, 200, 500]);
    let spec = |(step, kind)| {
        let is_read = kind == StepKind::Read;
        let mut spec = Spec::new(kind);
        spec.undo = !is_read && !dice.chance(80);
        spec.from = (0..step)
            .filter(|earlier| kinds[*earlier] == StepKind::Read || dice.chance(reads_outputs))
            .collect();
        if spec.has_keys() {
            spec.forgets = forgets && dice.chance(700);
            spec.probe = dice.chance(if spec.forgets { 400 } else { 100 });
        }
        spec
    };
    let mut specs: Vec<Spec> = kinds.iter().copied().enumerate().map(spec).collect();
    let (in_a_graph, conditional) = (dice.chance(500), dice.one(&[0, 0, 300]));
    for (step, spec) in specs.iter_mut().enumerate() {
        spec.after =
            (in_a_graph && dice.chance(700)).then(|| (0..step).filter(|_| dice.chance(450)).collect());
        spec.when = dice.chance(conditional).then(|| dice.chance(500));
    }
    let graph = graph(&specs);
    for (step, spec) in specs.iter_mut().enumerate() {
        spec.from.retain(|earlier| graph.before(step).contains(*earlier));
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
        let safety = spec.kind.safety();
        let horizon = if spec.forgets { HORIZON } else { Duration::from_secs(24 * 3_600) }.as_secs();
        let limits = format_args!(
            "horizon: {horizon}s, calls_max: {calls_max}, breaker: {{ calls_min: 6, open_max: 4s }}"
        );
        line(
            &mut yaml,
            format_args!("  p{i}: {{ url: 'http://p{i}', safety: {safety}, timeout: 1s, {limits} }}"),
        );
    }
    yaml.push_str("steps:\n");
    for (i, spec) in specs.iter().enumerate() {
        let (step, upper) = (name(i), name(i).to_ascii_uppercase());
        let sources: String = spec.from.iter().map(|&from| format!(", {0}: .{0}", name(from))).collect();
        let body = format!("{{ n: .input.n{sources} }}");
        line(&mut yaml, format_args!("  - step: {step}\n    participant: p{i}"));
        if let Some(after) = &spec.after {
            let names: Vec<String> = after.iter().map(|step| step_name(*step)).collect();
            line(&mut yaml, format_args!("    after: [{}]", names.join(", ")));
        }
        if let Some(holds) = spec.when {
            let sign = if holds { "!=" } else { "==" };
            line(&mut yaml, format_args!("    when: .input.n {sign} -1"));
        }
        match spec.kind {
            StepKind::Read => line(&mut yaml, format_args!("    action: {{ get: '/{step}/\\(.input.n)' }}")),
            _ => line(&mut yaml, format_args!("    action: {{ post: /{step}, body: {body} }}")),
        }
        match (spec.undo, spec.kind) {
            (_, StepKind::Read) => {}
            (true, _) => {
                line(&mut yaml, format_args!("    compensation: {{ post: /{step}/undo, body: {body} }}"))
            }
            (false, _) => line(&mut yaml, format_args!("    compensation: none")),
        }
        if spec.is_probed() {
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
