//! The engine through its boundary: a journal that can be held, refuse and forget its answers, participants that
//! follow a script, and tokio's clock paused, so that every run is the same.

mod driver;
mod support;
