//! The values of a list's parameters.

use std::sync::Arc;
use std::time::Duration;

use saga_core::{Timestamp, definition};

use super::problem::Problem;

/// Characters of a value in a query that is a name.
const WORD_CHARS_MAX: usize = 128;

/// A name in a query.
pub(crate) fn word(name: &str, value: &str) -> Result<Arc<str>, Problem> {
    word_within(WORD_CHARS_MAX, name, value)
}

/// A name in a query that may have so many characters.
pub(crate) fn word_within(chars_max: usize, name: &str, value: &str) -> Result<Arc<str>, Problem> {
    // PostgreSQL cannot even be asked for a text with a NUL in it.
    if value.is_empty() || value.chars().count() > chars_max || value.contains(char::is_control) {
        return Err(Problem::invalid(format!("`{name}` must be a name, of at most {chars_max} characters")));
    }
    Ok(value.into())
}

/// An instant in a query.
pub(crate) fn time(name: &str, value: &str) -> Result<Timestamp, Problem> {
    Timestamp::from_rfc3339(value).ok_or_else(|| {
        let value = value.chars().take(WORD_CHARS_MAX).collect::<String>();
        let value = value.escape_debug();
        Problem::invalid(format!(
            "`{name}` must be a time such as 2026-11-22T00:00:00Z (RFC 3339), not `{value}`"
        ))
    })
}

/// A duration in a query.
pub(crate) fn duration(name: &str, value: &str) -> Result<Duration, Problem> {
    definition::duration(value).ok_or_else(|| {
        Problem::invalid(format!(
            "`{name}` must be a number and its unit (ms, s, m, h or d), such as 90s or 1h"
        ))
    })
}

/// How many lines a page is to have.
pub(crate) fn limit_of(value: &str, max: usize) -> Result<usize, Problem> {
    let given = value.parse().ok().filter(|limit| (1..=max).contains(limit));
    given.ok_or_else(|| Problem::invalid(format!("`limit` must be 1 to {max}")))
}
