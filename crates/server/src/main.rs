//! See the library: this only turns its result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use orchestrateur::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orchestrateur: {error:#}");
            ExitCode::FAILURE
        }
    }
}
