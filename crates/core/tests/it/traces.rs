//! Trace contexts as they are read from headers, kept, and passed on; and the spans that histories tell.

mod inbound;
mod passed_on;
mod spans;
