//! See the library: this only turns its result into an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use orchestrateur::cli::{Cli, Died, Differences};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; the exit code says it, too.
            let _ = writeln!(std::io::stderr(), "orchestrateur: {error:#}");
            if error.is::<Died>() {
                ExitCode::from(Died::EXIT_CODE)
            } else if error.is::<Differences>() {
                ExitCode::from(Differences::EXIT_CODE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
