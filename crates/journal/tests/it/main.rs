//! Every backend through the one boundary that they share, and what each has of its own.
#![expect(clippy::unwrap_used, reason = "a test that fails should say where")]

mod asleep;
mod backup;
mod bulk;
mod causes;
mod conformance;
mod damage;
mod deeds;
mod durability;
mod entries;
mod failover;
mod feed;
mod figures;
mod fixture;
mod inbox;
mod lists;
mod network;
mod ownership;
mod postgres;
mod races;
mod restored;
mod retention;
mod roles;
mod sessions;
mod sqlite;
mod tls;
mod under_way;
mod upgrade;
mod views;
mod writer;
