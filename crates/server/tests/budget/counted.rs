//! The orchestrator with an allocator that counts: the shipped program's `main`, but for its allocator. The test that starts it says from
//! when to when.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use orchestrateur::cli::Cli;

/// The variable with the address of the test that starts the process.
pub(crate) const CONTROL: &str = "BUDGET_CONTROL";

/// Runs the orchestrator's command line.
pub(crate) fn serve() -> ExitCode {
    let test = UnixStream::connect(std::env::var_os(CONTROL).expect("started by a test")).unwrap();
    std::thread::spawn(move || obey(&test));
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(mut test: &UnixStream) {
    let mut counting = None;
    for line in BufReader::new(test).lines() {
        let Ok(line) = line else { return };
        match line.strip_prefix("count into ") {
            // Whole stacks: the function of ours may be far below the allocation.
            Some(file) => {
                counting = Some(dhat::Profiler::builder().file_name(file).trim_backtraces(None).build());
            }
            None => drop(counting.take()),
        }
        if writeln!(test, "done").is_err() {
            return;
        }
    }
}

/// The test's side.
pub(crate) struct Control(BufReader<UnixStream>);

impl Control {
    /// Waits for the process that was given the listener's path.
    pub(crate) fn accept(listener: &UnixListener) -> Self {
        Self(BufReader::new(listener.accept().unwrap().0))
    }

    /// Has it count from now on.
    pub(crate) fn count_into(&mut self, file: &Path) {
        self.say(&format!("count into {}", file.display()));
    }

    /// Has it write what it has counted.
    pub(crate) fn stop_counting(&mut self) {
        self.say("stop");
    }

    fn say(&mut self, line: &str) {
        writeln!(self.0.get_ref(), "{line}").unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "the orchestrator has ended");
    }
}
