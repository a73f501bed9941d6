//! Plain text for a terminal.

use serde_json::Value;

/// Characters of a reason in a list.
const REASON_CHARS_MAX: usize = 80;

/// `rows` in columns of the smallest possible width, with two spaces between them.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `text`, indented.
pub(crate) fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// A participant's or an operator's text as one line without characters that could control a terminal.
pub(crate) fn line(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A JSON string as one line; empty where `value` is no string.
pub(super) fn text(value: &Value) -> String {
    line(value.as_str().unwrap_or_default())
}

/// A reason as a cell of a list: the rest of a long one is cut.
pub(super) fn reason(value: &Value) -> String {
    let reason = text(value);
    let cut = reason.chars().count() > REASON_CHARS_MAX;
    reason.chars().take(REASON_CHARS_MAX).chain(cut.then_some('…')).collect()
}

/// A timestamp to the second.
pub(super) fn second(value: &Value) -> String {
    let text = text(value);
    text.split_once('.').map_or(text.clone(), |(second, _)| second.replace('T', " "))
}

/// A row of a name and its value.
pub(super) fn pair(name: &str, value: &str) -> Vec<String> {
    vec![name.to_owned(), value.to_owned()]
}

/// How often a pending call was tried.
pub(super) fn tries(attempts: Option<u64>, is_under_way: bool) -> String {
    match (attempts, is_under_way) {
        (Some(0) | None, false) => "not tried yet".to_owned(),
        (Some(1), false) => "tried once".to_owned(),
        (tries, false) => format!("tried {} times", tries.unwrap_or(0)),
        (_, true) => "under way".to_owned(),
    }
}

/// The first digits of a definition's hash.
pub(super) fn short_hash(hash: &Value) -> String {
    text(hash).chars().take(12).collect()
}
