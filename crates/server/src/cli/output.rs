//! The output of commands. `println!` and `eprintln!` panic when the output is closed, so commands do not use them.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

use anyhow::Context;

/// Prints `text` unchanged. A reader that has closed the output, such as `head`, is no failure.
pub(super) fn say(text: impl Display) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("print"),
        _ => Ok(()),
    }
}

/// Prints a line.
pub(super) fn say_line(line: impl Display) -> anyhow::Result<()> {
    say(format_args!("{line}\n"))
}

/// Prints `value` as JSON, for programs.
pub(super) fn say_json(value: &serde_json::Value) -> anyhow::Result<()> {
    say(format_args!("{value:#}\n"))
}

/// Prints an additional remark to standard error, which may be closed.
pub(super) fn remark(line: impl Display) {
    _ = writeln!(stderr(), "{line}");
}
