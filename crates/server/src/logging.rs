//! Logs: readable on a terminal, JSON with a flag. Messages never contain bodies or secrets.
//!
//! Orders do not wait for the log: a separate thread writes the lines. If standard error is closed or takes no more
//! lines (a pipe that is not read, a full disk), lines are lost and counted.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

/// Lines that wait for standard error; further lines are lost.
const LINES_WAITING_MAX: usize = 8_192;
/// Characters of a panic's message that are logged.
const PANIC_CHARS_MAX: usize = 500;

/// A filter before the given one, which may say otherwise: a client could have this library write a line for each handshake.
const OF_LIBRARIES: &str = "rustls=error";

/// Lines that standard error did not take.
static UNWRITTEN: AtomicU64 = AtomicU64::new(0);

/// Logging for as long as this lives; dropping it writes the last lines.
pub struct Logging {
    dropped: ErrorCounter,
    _guard: WorkerGuard,
}

/// Counts lost lines.
#[derive(Clone)]
pub struct LostLines(ErrorCounter);

impl Logging {
    /// The counter of lost lines.
    pub fn lost_lines(&self) -> LostLines {
        LostLines(self.dropped.clone())
    }
}

impl LostLines {
    /// The number of lines lost so far.
    pub fn count(&self) -> u64 {
        self.0.dropped_lines() as u64 + UNWRITTEN.load(Ordering::Relaxed)
    }
}

/// Standard error without errors: a line that it does not take is counted.
struct Tolerant(io::Stderr);

impl Write for Tolerant {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.write_all(line).is_err() {
            UNWRITTEN.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// Starts logging to standard error. `filter` is in the form of `RUST_LOG`, such as `info` or `saga_engine=debug`.
pub fn start(filter: &str, json: bool) -> anyhow::Result<Logging> {
    let silenced = if filter.is_empty() { String::new() } else { format!("{OF_LIBRARIES},{filter}") };
    let filter = EnvFilter::try_new(silenced).map_err(|error| {
        anyhow::anyhow!("the log filter `{filter}` cannot be read: {error}; write e.g. info")
    })?;
    let stderr = io::stderr();
    let is_terminal = stderr.is_terminal();
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_WAITING_MAX)
        .thread_name("log")
        .finish(Tolerant(stderr));
    let dropped = writer.error_counter();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let result = if json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_target(false).with_ansi(is_terminal).compact().try_init()
    };
    result.map_err(|error| anyhow::anyhow!("start logging: {error}"))?;
    panic::set_hook(Box::new(log_panic));
    Ok(Logging { dropped, _guard: guard })
}

/// A panic gives one line of ordinary length: the log's thread writes it, and the caller never waits for it.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    // A panic of an evaluation becomes an error of the expression, and is reported there.
    if saga_core::budget::is_evaluating() {
        return;
    }
    let message: String =
        panic.payload_as_str().unwrap_or("without a message").chars().take(PANIC_CHARS_MAX).collect();
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    tracing::error!(panic.at = at, panic.thread = thread.name(), "a task has panicked: {message}");
}
