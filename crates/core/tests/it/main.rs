//! The core's promises, seen from outside: data in, text out. No I/O but reading the example definitions.

mod definitions;
mod formats;
mod illegal;
mod kept;
mod needs;
mod properties;
mod reconcile;
mod releases;
mod replies;
mod schema;
mod scripts;
mod support;
mod traces;
mod understood;
mod ways;
