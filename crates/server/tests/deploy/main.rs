//! What deploys the orchestrator, held against the program that it deploys: the compose file, the Dockerfile, the
//! systemd unit and the Debian package say ports, paths, variables, hosts and commands, and none may rot.
//!
//! No test needs a container engine. `without_containers.rs` starts what the compose file says as plain processes.
//!
//! - `repository.rs`, `compose.rs`, `image.rs`: reading the files, with parsers.
//! - `settings.rs`: what the programs themselves say of their variables and defaults.
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
