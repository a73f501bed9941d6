//! Worlds.

mod seeds;
