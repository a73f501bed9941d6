//! Steps that can be asked about, where calling again is no way to find out.

mod action;
mod compensation;
mod promises;
mod taken_over;

use std::sync::Arc;

use saga_core::Definition;

use crate::support::{Kind, Spec, definition};

/// One step that can be asked about, and one after it.
fn probed(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed(), Spec::new(kind)])
}

/// The same, where the participant forgets after three seconds.
fn forgetful(kind: Kind) -> Arc<Definition> {
    definition(&[Spec::new(kind).probed().horizon("3s"), Spec::new(kind).horizon("3s")])
}
