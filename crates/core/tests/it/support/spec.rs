//! Definitions of a few steps, described in short.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use saga_core::Definition;

use super::{PROBE_AFTER, parse};

/// The kind of a step, as far as the core cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Plain,
    Idempotent,
    Barrier,
}

/// A step's condition, as it turns out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Holds,
    HoldsNot,
    IsAnError,
}

/// A step of a generated definition; it is called `a`, `b`, ... by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) kind: Kind,
    /// Whether it has a compensation; a read never has.
    pub(crate) undo: bool,
    /// The earlier steps whose outputs its requests are made of.
    pub(crate) from: Vec<usize>,
    /// The steps that it waits for; `None`: the step above.
    pub(crate) after: Option<Vec<usize>>,
    pub(crate) when: Option<When>,
    /// Whether it can be asked about, from two seconds after a call on; a read never can.
    pub(crate) probe: bool,
    /// How long its participant keeps its promise, where that is not a day.
    pub(crate) horizon: Option<&'static str>,
}

impl Spec {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, undo: true, from: Vec::new(), after: None, when: None, probe: false, horizon: None }
    }

    pub(crate) fn for_good(mut self) -> Self {
        self.undo = false;
        self
    }

    pub(crate) fn from(mut self, steps: &[usize]) -> Self {
        self.from = steps.to_vec();
        self
    }

    pub(crate) fn after(mut self, steps: &[usize]) -> Self {
        self.after = Some(steps.to_vec());
        self
    }

    pub(crate) fn when(mut self, when: When) -> Self {
        self.when = Some(when);
        self
    }

    pub(crate) fn probed(mut self) -> Self {
        self.probe = true;
        self
    }

    pub(crate) fn horizon(mut self, horizon: &'static str) -> Self {
        self.horizon = Some(horizon);
        self
    }

    pub(crate) fn is_probed(&self) -> bool {
        self.probe && self.kind != Kind::Read
    }

    /// `idempotent`, or `idempotent_5s` if it keeps its promise for five seconds only.
    fn participant(&self) -> String {
        let safety = match self.kind {
            Kind::Read | Kind::Plain => "none",
            Kind::Idempotent => "idempotent",
            Kind::Barrier => "barrier",
        };
        self.horizon.map_or(safety.to_owned(), |horizon| format!("{safety}_{horizon}"))
    }

    pub(crate) fn is_undone(&self) -> bool {
        self.undo && self.kind != Kind::Read
    }
}

pub(crate) fn name(step: usize) -> char {
    char::from(b'a' + u8::try_from(step).expect("few steps"))
}

/// The definition made of these steps. Few attempts, so that runs are short.
pub(crate) fn definition(specs: &[Spec]) -> Arc<Definition> {
    let mut yaml = String::from(
        "saga: essai\n\
         input: { n: integer }\n\
         states: { started: DEBUT, completed: FINI, cancelled: ANNULEE }\n\
         deadline: 10s\n\
         participants:\n",
    );
    let participants: BTreeSet<_> =
        specs.iter().map(|spec| (spec.participant(), spec.horizon.unwrap_or("24h"))).collect();
    for (name, horizon) in participants {
        let safety = name.split('_').next().expect("a name");
        writeln!(yaml, "  {name}: {{ url: 'http://{safety}', safety: {safety}, horizon: {horizon} }}")
            .expect("strings take what they get");
    }
    yaml.push_str("steps:\n");
    for (i, spec) in specs.iter().enumerate() {
        let (step, upper) = (name(i), name(i).to_ascii_uppercase());
        let participant = spec.participant();
        let sources: String = spec.from.iter().map(|&f| format!(", {0}: .{0}", name(f))).collect();
        let body = format!("{{ n: .input.n{sources} }}");
        let action = match spec.kind {
            Kind::Read => format!("{{ get: '/{step}/\\(.input.n)' }}"),
            _ => format!("{{ post: /{step}, body: {body} }}"),
        };
        let undo = match (spec.is_undone(), spec.kind) {
            (true, _) => format!("    compensation: {{ post: /{step}/undo, body: {body} }}\n"),
            (false, Kind::Read) => String::new(),
            (false, _) => "    compensation: none\n".into(),
        };
        let probe = match spec.is_probed() {
            true => format!(
                "    probe: {{ get: '/{step}/\\(.saga_id)', after: {}s, output: .body }}\n",
                PROBE_AFTER.as_secs()
            ),
            false => String::new(),
        };
        let after = spec.after.as_ref().map_or(String::new(), |after| {
            let names: Vec<_> = after.iter().map(|step| name(*step).to_string()).collect();
            format!("    after: [{}]\n", names.join(", "))
        });
        let when = match spec.when {
            None => "",
            Some(When::Holds) => "    when: .input.n == 1\n",
            Some(When::HoldsNot) => "    when: .input.n == 2\n",
            Some(When::IsAnError) => "    when: .input.n.x == 1\n",
        };
        write!(
            yaml,
            "  - step: {step}\n    participant: {participant}\n{after}{when}    action: {action}\n{undo}{probe}    success: {upper}\n    \
             failure: ECHEC_{upper}\n    retry: {{ attempts: 3 }}\n    persist: {{ attempts: 2 }}\n"
        )
        .expect("strings take what they get");
    }
    parse(&yaml)
}
