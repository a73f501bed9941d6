//! The console's pages, seen from outside: what is known of sagas in, HTML out. Its scripts are run by node.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod list_pages;
mod saga;
mod style;
mod times;
mod whole;
