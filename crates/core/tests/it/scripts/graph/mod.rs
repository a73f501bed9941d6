//! Steps at the same time. A test's name has the number of the rule of graphs that it shows.

mod accepted;
mod callbacks;
mod conditions;
mod failing;
mod interrupted;
mod order;
mod outputs;
mod rollback;
mod shown;
mod waits;
mod wide;

use std::sync::Arc;

use saga_core::Definition;

use crate::support::{Kind, Spec, definition, parse};

/// `a`, then `b` and `c` at the same time, then `d`.
fn diamond(kind: Kind) -> Arc<Definition> {
    let step = |after: &[usize]| Spec::new(kind).after(after);
    definition(&[step(&[]), step(&[0]), step(&[0]), step(&[1, 2])])
}

/// `a`, then these steps, then `z`; all calls are to a participant that keeps its keys.
fn between(steps: &str) -> Arc<Definition> {
    parse(&format!(
        "saga: essai
input: {{ n: integer }}
states: {{ started: DEBUT, completed: FINI, cancelled: ANNULEE }}
deadline: 100d
participants: {{ p: {{ url: 'http://p/api', safety: idempotent }} }}
steps:
  - {{ step: a, participant: p, action: {{ post: /a }}, compensation: {{ post: /a/undo }}, success: A, failure: ECHEC_A }}
{steps}
  - {{ step: z, participant: p, action: {{ post: /z, body: {{ n: .input.n }} }}, compensation: {{ post: /z/undo }}, success: Z, failure: ECHEC_Z, retry: {{ attempts: 1 }}, persist: {{ attempts: 2 }} }}"
    ))
}
