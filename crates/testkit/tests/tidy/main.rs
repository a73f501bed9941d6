//! What keeps the house in order: rules about the tree itself, which no compiler checks.

mod circles;
mod documents;
mod lengths;
mod sources;
