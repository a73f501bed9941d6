//! The header `Idempotency-Key`: the same key is the same request.

use axum::http::HeaderMap;

use super::problem::Problem;

/// Characters of an `Idempotency-Key`.
const KEY_CHARS_MAX: usize = 255;

/// The key, in either of its two forms: a structured-field string in quotes, or bare.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |what: &str| Err(Problem::invalid(format!("Idempotency-Key: {what}")));
    if values.next().is_some() {
        return wrong("the header stands more than once");
    }
    let Ok(text) = value.to_str() else { return wrong("only visible ASCII characters can be used") };
    let bare = text.trim();
    let bare = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(bare);
    match bare.len() {
        0 => wrong("the key is empty"),
        n if n > KEY_CHARS_MAX => {
            wrong(&format!("the key has {n} characters; at most {KEY_CHARS_MAX} are taken"))
        }
        _ => Ok(Some(bare.to_owned())),
    }
}
