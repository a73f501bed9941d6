//! Logs: readable on a terminal, JSON with a flag. Messages never hold bodies or secrets.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error. `filter` is in the form of `RUST_LOG`, such as `info` or `saga_engine=debug`.
pub fn start(filter: &str, json: bool) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        anyhow::anyhow!("the log filter `{filter}` cannot be read: {error}; write e.g. info")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = if json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).compact().try_init()
    };
    result.map_err(|error| anyhow::anyhow!("start logging: {error}"))
}
