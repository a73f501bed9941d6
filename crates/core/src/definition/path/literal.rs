//! The literal text of a path: legal characters, no segments `.` or `..`, and no placeholders of other tools, which
//! would be sent as they are written.

use super::{PathPiece, is_dots};
use crate::definition::InputForm;

/// The names that a placeholder may mean, for the correction in a message.
pub(in crate::definition) struct Spelling<'a> {
    /// The definition's inputs.
    pub(in crate::definition) inputs: &'a InputForm,
    /// The steps that have outputs.
    pub(in crate::definition) steps: &'a [String],
}

impl Spelling<'_> {
    /// The notation for the value of `name`.
    fn of(&self, name: &str) -> String {
        let name = name.trim().trim_matches('.');
        let name = name.strip_prefix("input.").unwrap_or(name);
        let root = name.split('.').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        match name {
            "saga_id" => "\\(.saga_id)".into(),
            _ if self.inputs.names().any(|input| input == name) => format!("\\(.input.{name})"),
            _ if self.steps.iter().any(|step| step == root) && name != root => format!("\\(.{name})"),
            _ if is_name => format!("\\(.input.{name})"),
            _ => match self.inputs.names().next() {
                Some(input) => format!("\\(.input.{input})"),
                None => "\\(.saga_id)".into(),
            },
        }
    }
}

/// Stands for a hole: a character that no literal text may contain.
const HOLE: char = '\u{0}';

/// Checks the literal text of a path.
pub(super) fn check(pieces: &[PathPiece], spelling: &Spelling<'_>) -> Result<(), String> {
    let mut shape = String::new();
    for piece in pieces {
        match piece {
            PathPiece::Literal(text) if text.contains(HOLE) => return Err(character(HOLE)),
            PathPiece::Literal(text) => shape.push_str(text),
            PathPiece::Hole(_) => shape.push(HOLE),
        }
    }
    let (path, query) = match shape.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (shape.as_str(), None),
    };
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(text) = segments.next() {
        // Some services require a `/` at the end.
        if text.is_empty() && segments.peek().is_none() {
            break;
        }
        segment(text, spelling)?;
    }
    for value in query.into_iter().flat_map(|query| query.split(['&', '='])) {
        placeholder(value, spelling)?;
        if let Some(c) = value.chars().find(|c| !is_legal(*c) && !matches!(*c, HOLE | '[' | ']')) {
            return Err(character(c));
        }
    }
    Ok(())
}

/// Checks one segment of a path, or of a URL's prefix.
pub(in crate::definition) fn segment(text: &str, spelling: &Spelling<'_>) -> Result<(), String> {
    if text.is_empty() {
        return Err("the path has an empty segment, `//`; remove one `/`".into());
    }
    if is_dots(text) {
        return Err(format!(
            "the path has the segment `{text}`, which leads elsewhere; write where it leads"
        ));
    }
    placeholder(text, spelling)?;
    match text.chars().find(|c| !is_legal(*c) && *c != HOLE) {
        Some(c) => Err(character(c)),
        None => Ok(()),
    }
}

/// Refuses placeholders of other tools.
fn placeholder(text: &str, spelling: &Spelling<'_>) -> Result<(), String> {
    let word = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_.".contains(*c)).collect()
    };
    let sent = |written: &str, name: &str| {
        let written = written.replace(HOLE, "\\( )");
        Err(format!(
            "`{written}` would be sent as it stands; a value is inserted with `{}`",
            spelling.of(name)
        ))
    };
    if let Some((_, rest)) = text.split_once("${") {
        let written = format!("${{{}", rest.split_inclusive('}').next().unwrap_or_default());
        let name = word(rest);
        return Err(format!(
            "`{written}` would be sent as it stands: variables of the environment are filled in in `url` and `headers` \
             alone, so put it behind the participant's `url`; a value of the saga is inserted with `{}`",
            spelling.of(&name)
        ));
    }
    for (open, close) in [("{{", "}}"), ("{", "}"), ("<", ">")] {
        if let Some((_, rest)) = text.split_once(open) {
            let name = rest.split(close).next().unwrap_or_default();
            return sent(&format!("{open}{name}{close}"), name);
        }
    }
    if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return sent(text, name);
    }
    if let Some((_, rest)) = text.split_once('$') {
        let name = word(rest);
        let written = format!("${name}");
        return sent(&written, &name).map_err(|told| format!("{told}; a dollar sign is written `%24`"));
    }
    // `/orders/7:cancel` is common; `/orders/:id` and `/:from-:to` are placeholders.
    let mut before = None;
    for (at, c) in text.char_indices() {
        let is_behind_a_word = before.is_some_and(|c: char| c.is_ascii_alphanumeric() || c == HOLE);
        let name = word(&text[at + c.len_utf8()..]);
        if c == ':' && !is_behind_a_word && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return sent(&format!(":{name}"), &name)
                .map_err(|told| format!("{told}; a colon is written `%3A`"));
        }
        before = Some(c);
    }
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let name = word(text[at + 1..].trim_start_matches('('));
            let written: String = text[at..].chars().take(2).filter(|c| *c != HOLE).collect();
            return sent(&written, if name.len() > 1 { &name } else { "" })
                .map_err(|told| format!("{told}; a percent sign is written `%25`"));
        }
    }
    for written in [".input.", ".saga_id"] {
        if let Some((_, rest)) = text.split_once(written) {
            let name = if written == ".saga_id" { "saga_id".to_owned() } else { word(rest) };
            return sent(&format!("{written}{}", if name == "saga_id" { "" } else { &name }), &name);
        }
    }
    let dotted = word(text.trim_start_matches('.'));
    let root = dotted.split('.').next().unwrap_or_default();
    if text.starts_with('.') && root != dotted && spelling.steps.iter().any(|step| step == root) {
        return sent(&format!(".{dotted}"), &dotted);
    }
    Ok(())
}

/// The characters that RFC 3986 allows in a path and in a query (3.3, 3.4), including encoded ones.
fn is_legal(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%/?".contains(c)
}

fn character(c: char) -> String {
    let mut bytes = [0; 4];
    let encoded: String = c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect();
    match c {
        '#' => "a path cannot have a fragment, `#`: no server would see it; remove it, or write `%23`".into(),
        _ => format!("a path cannot have the character `{}`; percent-encode it: {encoded}", c.escape_debug()),
    }
}
