//! The console's pages over the real binary.

mod whole;
