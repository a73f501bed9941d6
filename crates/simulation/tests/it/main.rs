//! Worlds.

mod bugs;
mod seeds;
