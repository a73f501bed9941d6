//! The real binary under trouble: a short version of what the command `endurance` does for hours.
//!
//! A failing run prints its seed; `ENDURANCE_SEED` sets it. Real processes do not fall the same way twice, so the seed
//! gives the same callers and the same faults, not the same instant.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

mod file;
mod ordeals;
mod proxy;
mod zombie;
