//! Trace contexts as they are read from headers, kept, and passed on; and the spans that histories tell.
#![expect(clippy::unwrap_used, reason = "what a test cannot do without, it panics without")]

mod inbound;
mod passed_on;
mod spans;
