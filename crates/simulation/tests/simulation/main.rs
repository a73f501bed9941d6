//! Worlds.

mod bugs;
mod seeds;
mod small;
