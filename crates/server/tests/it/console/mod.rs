//! The console's pages, in the real binary.

mod saga;
