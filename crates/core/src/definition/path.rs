//! Request paths: literal text, and holes whose values are always percent-encoded.
//!
//! A path is written as the text of a jq string. Each `\( )` is a template of its own, and its value is encoded
//! separately, so no value can begin a new segment, a query or a fragment. A value that is missing, or that would
//! change the path's segments (an empty segment, `.`, `..`), is an error of the step.

mod first;
mod literal;

use std::borrow::Cow;
use std::fmt::Write;

use jaq_core::load::Lexer;
use jaq_core::load::lex::{StrPart, Tok, Token};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::format::Format;
use super::program::{self, EvalError, SyntaxError};
use super::template::{Scope, Template};

pub(super) use self::literal::{Spelling, segment as literal_segment};

/// The longest path of a request with its query, in bytes: common servers accept no longer request line.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

/// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request's path and query, made from a [`Scope`].
#[derive(Debug)]
pub struct RequestPath(Form);

#[derive(Debug)]
enum Form {
    /// The same path for every saga.
    Fixed(Box<str>),
    /// A path made of these pieces.
    Made(Vec<PathPiece>),
    /// A path as definitions of [`Format::One`] send it.
    First(Template),
}

#[derive(Debug)]
enum PathPiece {
    Literal(Box<str>),
    Hole(Hole),
}

#[derive(Debug)]
struct Hole {
    /// The source text, for errors.
    code: Box<str>,
    value: Template,
    /// After the `?`, where a value may be empty.
    in_query: bool,
}

/// Why a path cannot be read.
pub(super) enum PathError {
    /// It is not valid jq.
    Syntax(SyntaxError),
    /// It is not the path that its author means.
    Mistaken(String),
}

impl From<SyntaxError> for PathError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

impl RequestPath {
    /// Reads a path in the notation of definitions: the text of a jq string, without its quotes.
    pub(super) fn parse(text: &str, format: Format, spelling: &Spelling<'_>) -> Result<Self, PathError> {
        if format == Format::One {
            return Ok(Self(Form::First(first::parse(text)?)));
        }
        let pieces = pieces(text)?;
        literal::check(&pieces, spelling).map_err(PathError::Mistaken)?;
        for piece in &pieces {
            if let PathPiece::Hole(hole) = piece {
                hole.check().map_err(PathError::Mistaken)?;
            }
        }
        Ok(Self(match pieces.as_slice() {
            [] => Form::Fixed("".into()),
            [PathPiece::Literal(text)] => Form::Fixed(text.clone()),
            _ => Form::Made(pieces),
        }))
    }

    /// The path for readers: each hole as its program in braces. `None`: it has no such text, in definitions of [`Format::One`].
    pub fn shown(&self) -> Option<String> {
        match &self.0 {
            Form::Fixed(text) => Some(text.to_string()),
            Form::Made(pieces) => {
                let shown = pieces.iter().map(|piece| match piece {
                    PathPiece::Literal(text) => text.to_string(),
                    PathPiece::Hole(hole) => {
                        let code = hole.code.trim();
                        let inner = code.strip_prefix('(').and_then(|code| code.strip_suffix(')'));
                        format!("{{{}}}", inner.unwrap_or(code).trim())
                    }
                });
                Some(shown.collect())
            }
            Form::First(_) => None,
        }
    }

    /// Whether the path is built from `name`, or may be.
    pub fn reads(&self, name: &str) -> bool {
        self.values().any(|value| value.reads(name))
    }

    /// Adds every path that is read from the scope; see [`Template::paths`].
    pub fn paths(&self, found: &mut Vec<Vec<String>>) {
        self.values().for_each(|value| value.paths(found));
    }

    /// Whether a program in it reads `name`, or may read it; see [`Template::computes_from`].
    pub fn computes_from(&self, name: &str) -> bool {
        self.values().any(|value| value.computes_from(name))
    }

    fn values(&self) -> impl Iterator<Item = &Template> {
        let (first, pieces) = match &self.0 {
            Form::Fixed(_) => (None, [].as_slice()),
            Form::Made(pieces) => (None, pieces.as_slice()),
            Form::First(template) => (Some(template), [].as_slice()),
        };
        first.into_iter().chain(pieces.iter().filter_map(|piece| match piece {
            PathPiece::Hole(hole) => Some(&hole.value),
            PathPiece::Literal(_) => None,
        }))
    }

    /// The path for one request.
    pub fn render_path(&self, scope: &Scope<'_>) -> Result<String, EvalError> {
        let pieces = match &self.0 {
            Form::Fixed(text) => return Ok(text.to_string()),
            Form::First(template) => return first::render(template, scope),
            Form::Made(pieces) => pieces,
        };
        let mut path = String::with_capacity(96);
        for piece in pieces {
            match piece {
                PathPiece::Literal(text) => path.push_str(text),
                PathPiece::Hole(hole) => hole.fill(scope, &mut path)?,
            }
            if path.len() > PATH_BYTES_MAX {
                return Err(EvalError(format!(
                    "the path is longer than the limit PATH_BYTES_MAX, {PATH_BYTES_MAX} bytes"
                )));
            }
        }
        // Values contain no `/` and no `?`, so these are the file's own segments with their values.
        let (segments, _) = path.split_once('?').unwrap_or((&path, ""));
        match segments.split('/').find(|segment| is_dots(segment)) {
            Some(dots) => Err(EvalError(format!(
                "the path `{}` would have the segment `{dots}`, which leads elsewhere",
                path.escape_debug()
            ))),
            None => Ok(path),
        }
    }
}

impl Hole {
    /// Refuses expressions that cannot give a path's value, as far as their syntax shows it.
    fn check(&self) -> Result<(), String> {
        let constant = match &self.value {
            Template::Object(_) => Some("an object".to_owned()),
            Template::Constant(json) => self.text(json.text()).err().map(|error| error.0),
            _ => None,
        };
        constant.map_or(Ok(()), |what| Err(format!("`\\{}` can be no part of a path: {what}", self.code)))
    }

    fn fill(&self, scope: &Scope<'_>, path: &mut String) -> Result<(), EvalError> {
        match &self.value {
            Template::Reference(reference) => match reference.find(scope)? {
                Some(json) => self.push(&self.text(json)?, path),
                None => Err(self.error("is missing, and a path cannot be made without it")),
            },
            other => self.push(&self.text(other.render(scope)?.text())?, path),
        }
    }

    fn push(&self, text: &str, path: &mut String) -> Result<(), EvalError> {
        if text.is_empty() && !self.in_query {
            return Err(self.error("is empty, and a path cannot be made without it"));
        }
        write!(path, "{}", utf8_percent_encode(text, &RESERVED)).map_err(|error| EvalError(error.to_string()))
    }

    /// The text of a value: a string, a number, `true` or `false`.
    fn text<'j>(&self, json: &'j str) -> Result<Cow<'j, str>, EvalError> {
        match json.as_bytes().first() {
            Some(b'"') => match serde_json::from_str::<&str>(json) {
                Ok(text) => Ok(text.into()),
                Err(_) => serde_json::from_str::<String>(json)
                    .map(Cow::Owned)
                    .map_err(|error| self.error(&format!("is no text: {error}"))),
            },
            Some(b'{') => Err(self.error("is an object; only a text, a number, true or false can be sent")),
            Some(b'[') => Err(self.error("is a list; only a text, a number, true or false can be sent")),
            Some(b'n') | None => Err(self.error("is null, and a path cannot be made without it")),
            Some(_) => Ok(json.into()),
        }
    }

    fn error(&self, what: &str) -> EvalError {
        EvalError(format!("`\\{}` {what}", self.code))
    }
}

/// The pieces of a path's text. Each hole is compiled separately.
fn pieces(text: &str) -> Result<Vec<PathPiece>, PathError> {
    // A path alone is not jq; in quotes it is a jq string.
    let quoted = format!("\"{text}\"");
    // The limits of expressions apply to the path as a whole.
    program::parse(&quoted)?;
    let tokens = Lexer::new(quoted.as_str()).lex().unwrap_or_default();
    let [Token(_, Tok::Str(parts))] = tokens.as_slice() else {
        // A quotation mark has ended the string early.
        return Err(PathError::Mistaken(
            "a path cannot have the character `\"`, but inside of `\\( )`; percent-encode it: %22".into(),
        ));
    };
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut in_query = false;
    for part in parts {
        match part {
            StrPart::Str(text) => literal.push_str(text),
            StrPart::Char(c) => literal.push(*c),
            StrPart::Term(Token(code, _)) => {
                in_query |= literal.contains('?');
                if !literal.is_empty() {
                    pieces.push(PathPiece::Literal(std::mem::take(&mut literal).into()));
                }
                let value = Template::parse(code)?;
                pieces.push(PathPiece::Hole(Hole { code: (*code).into(), value, in_query }));
            }
        }
    }
    if !literal.is_empty() {
        pieces.push(PathPiece::Literal(literal.into()));
    }
    Ok(pieces)
}

/// Whether a server may read `segment` as the folder itself, or as its parent: the dots may be encoded, and some
/// servers ignore the text after a `;`.
fn is_dots(segment: &str) -> bool {
    if !segment.starts_with(['.', '%']) {
        return false;
    }
    let name = segment.split(';').next().unwrap_or_default();
    matches!(&*percent_decode_str(name).collect::<Vec<u8>>(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{InputForm, InputMember, InputType};

    fn path(text: &str) -> Result<String, String> {
        let member = |name: &str| InputMember { name: name.into(), kind: InputType::String, optional: false };
        let inputs = InputForm::Members(["customer_id", "s"].map(member).into());
        let spelling = Spelling { inputs: &inputs, steps: &["sale".into()] };
        let scope = Scope::default()
            .with("saga_id", "\"1f\"")
            .with("input", r#"{"customer_id":7,"s":"A/../../admin?x=1","d":"..","v":"","n":null,"nl":"a\nb#\\","b":true,"l":[1],"p":"%2e"}"#)
            .with("sale", r#"{"id":12}"#);
        match RequestPath::parse(text, Format::Two, &spelling) {
            Ok(path) => path.render_path(&scope).map_err(|error| error.0),
            Err(PathError::Syntax(error)) => Err(error.message),
            Err(PathError::Mistaken(message)) => Err(message),
        }
    }

    #[test]
    fn a_path_is_shown_with_its_programs_in_braces() {
        let inputs = InputForm::Members(vec![InputMember {
            name: "customer_id".into(),
            kind: InputType::Integer,
            optional: false,
        }]);
        let spelling = Spelling { inputs: &inputs, steps: &["sale".into()] };
        let shown = |text| RequestPath::parse(text, Format::Two, &spelling).ok().unwrap().shown();
        assert_eq!(shown("/api/ventes").as_deref(), Some("/api/ventes"));
        let path = r"/c/\(.input.customer_id)/x?n=\( .sale.id + 1 )";
        assert_eq!(shown(path).as_deref(), Some("/c/{.input.customer_id}/x?n={.sale.id + 1}"));
    }

    #[test]
    fn every_value_is_encoded_by_itself() {
        let hostile = "A%2F..%2F..%2Fadmin%3Fx%3D1";
        for (text, expected) in [
            (r"/c/\(.input.customer_id)/x", "/c/7/x".to_owned()),
            (r"/x/\(.input.s)/\(.input.customer_id + 1)", format!("/x/{hostile}/8")),
            (r"/x/\(.input.s + .input.d)", format!("/x/{hostile}..")),
            (r#"/x/\(if .input.b then "a/b" else .input.s end)"#, "/x/a%2Fb".into()),
            (r#"/x/\("v/\(.input.customer_id)")"#, "/x/v%2F7".into()),
            (r"/x/a\(.input.customer_id)b", "/x/a7b".into()),
            (r"/x/\(.input.nl)", "/x/a%0Ab%23%5C".into()),
            (r"/x/\(.input.b)", "/x/true".into()),
            (r"/x/\(.input.p)\(.input.p)", "/x/%252e%252e".into()),
            (r"/x?q=\(.input.s)&r=\(.input.customer_id)", format!("/x?q={hostile}&r=7")),
            (r"/x?q=\(.input.v)&up=\(.input.d)", "/x?q=&up=..".into()),
            (r"/x/\(.sale.id)/", "/x/12/".into()),
            ("/", "/".into()),
        ] {
            assert_eq!(path(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_value_that_is_missing_or_leads_elsewhere_fails_the_step() {
        for (text, told) in [
            (r"/x/\(.input.n)", "is missing"),
            (r"/x/\(.input.nothing)", "is missing"),
            (r"/x/\(.input | .n)", "is null"),
            (r"/x?q=\(.input.n)", "is missing"),
            (r"/x?q=\(.input | .n)", "is null"),
            (r"/x/\(.input.l)", "is a list"),
            (r"/x/\(.input)", "is an object"),
            (r"/x/\([1] + .input.l)", "is a list"),
            (r"/x/\(.input.v)", "is empty"),
            (r"/x/a\(.input.v)", "is empty"),
            (r"/x/\(.input.d)", "the segment `..`"),
            (r"/x/\(.input.d)/y?z=1", "the segment `..`"),
            (r"/x/\(.input.d | .[1:])", "the segment `.`"),
            (r"/x/.\(.input.d | .[1:])", "the segment `..`"),
            (r"/x/%2e\(.input.d | .[1:])", "leads elsewhere"),
            (r"/x/\(.input.d);v=1", "leads elsewhere"),
            (r"/x/\(nan)", "not JSON"),
            (r"/x/\(null)", "is null"),
            (r"/x/\({a: 1})", "an object"),
            (r"/x/\(.input.s * 1000)", "PATH_BYTES_MAX"),
        ] {
            let error = path(text).expect_err(text);
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
