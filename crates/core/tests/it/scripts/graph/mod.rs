//! Steps at the same time. A test's name has the number of the rule of graphs that it shows.

mod conditions;
mod interrupted;
mod order;
mod rollback;
mod waits;

use std::sync::Arc;

use saga_core::Definition;

use crate::support::{Kind, Spec, definition};

/// `a`, then `b` and `c` at the same time, then `d`.
fn diamond(kind: Kind) -> Arc<Definition> {
    let step = |after: &[usize]| Spec::new(kind).after(after);
    definition(&[step(&[]), step(&[0]), step(&[0]), step(&[1, 2])])
}
