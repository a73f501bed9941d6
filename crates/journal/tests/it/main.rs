//! Every backend through the one boundary that they share, and what each has of its own.
#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

mod conformance;
mod damage;
mod entries;
mod fixture;
mod ownership;
mod postgres;
mod races;
mod sqlite;
mod upgrade;
mod views;
mod writer;
