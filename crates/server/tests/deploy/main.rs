//! The files that deploy the orchestrator, held against the program: the compose file, the Dockerfile, the systemd unit
//! and the Debian package say ports, paths, variables, hosts and commands, and none may rot.
//!
//! No test needs a container engine. `without_containers.rs` starts the compose file's services as plain processes.
//!
//! - `repository.rs`, `compose.rs`, `image.rs`: reading the files, with parsers.
//! - `settings.rs`: the programs' variables and defaults.
//! - `stack.rs`: the compose file's services as processes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the database's connection is a task")]

mod compose;
mod image;
mod repository;
mod settings;
mod stack;

mod compose_file;
mod debian;
mod dependencies;
mod dockerfile;
mod systemd;
mod without_containers;
