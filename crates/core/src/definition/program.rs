//! jq programs, compiled once when a definition is loaded.
//!
//! The language is jq as [jaq](https://github.com/01mf02/jaq) runs it. A program must be a function of its input and
//! nothing else, because a request has to be the same on every attempt. Programs that read the clock, the environment
//! or further inputs are refused when the definition is loaded.

use std::fmt::{self, Write as _};

use jaq_core::load::parse::Term;
use jaq_core::load::{self, Arena, File, Lexer, Loader, Parser};
use jaq_core::{Compiler, Ctx, Exn, Filter, ValT as _, Vars};
use jaq_json::Val;

use self::meter::Stopped;
use self::plain::Plain;
pub(super) use self::references::{References, constant};
use self::running::{Expressions, RunningProgram};
use self::value::Metered;

mod bounds;
pub mod meter;
mod natives;
mod numbers;
mod plain;
mod reading;
mod references;
mod regex;
mod running;
mod value;
mod weigh;

/// A compiled jq program that gives exactly one value.
pub(super) struct Program {
    code: Box<str>,
    filter: Filter<Expressions>,
    /// The same, where it is simple: this is tried first.
    plain: Option<Plain>,
    /// Why it cannot be run within bounds; then it is not run.
    refused: Option<Box<str>>,
}

impl Program {
    /// Compiles `code`. The error says what was expected and where.
    pub(super) fn compile(code: &str) -> Result<Self, SyntaxError> {
        let (defs, funs) = (natives::defs(), natives::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs)
            .load(&arena, File { code, path: () })
            .map_err(|_| SyntaxError::new(code, "", "modules cannot be imported here"))?;
        let filter = Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
            let undefined = errors.first().and_then(|(_, found)| found.first());
            match undefined {
                Some((name, kind)) => {
                    SyntaxError::new(code, name, format!("unknown {} `{name}`", kind.as_str()))
                }
                None => SyntaxError::new(code, "", "the program does not compile"),
            }
        })?;
        let term = parse(code).ok();
        let growing = term.as_ref().and_then(bounds::growing);
        let refused = growing.map(|found| format!("`{code}`: {found}").into());
        let plain = term.as_ref().and_then(Plain::of);
        Ok(Self { code: code.into(), filter, plain, refused })
    }

    /// The source text.
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Runs the program on an object of these members, each a JSON text. It must give exactly one value.
    pub(super) fn run<'s>(
        &self,
        members: impl Iterator<Item = (&'s str, &'s str)>,
    ) -> Result<Val, EvalError> {
        self.within_budget(|| self.one_value(members).map(Metered::into_val))
    }

    /// Runs the program, and returns its value as JSON text.
    pub(super) fn json<'s>(
        &self,
        members: impl Iterator<Item = (&'s str, &'s str)>,
    ) -> Result<Vec<u8>, EvalError> {
        self.within_budget(|| self.one_value(members).map(|value| value.json()))
    }

    fn within_budget<T>(&self, task: impl FnOnce() -> Result<T, EvalError>) -> Result<T, EvalError> {
        if let Some(refused) = &self.refused {
            return Err(EvalError(refused.to_string()));
        }
        match meter::evaluate(task) {
            Ok(result) => result,
            Err(Stopped::Over(limit)) => Err(EvalError(format!("`{}` {limit}", self.code))),
            Err(Stopped::Panicked(message)) => {
                Err(EvalError(format!("`{}` cannot be evaluated: {}", self.code, cut(&message))))
            }
        }
    }

    fn one_value<'s>(&self, members: impl Iterator<Item = (&'s str, &'s str)>) -> Result<Metered, EvalError> {
        let input = self.input(members)?;
        if let Some(value) = self.plain.as_ref().and_then(|plain| plain.run(&input)) {
            return Ok(value);
        }
        let context = Ctx::<Expressions>::new(RunningProgram::new(&self.filter.lut), Vars::new([]));
        let mut values = self.filter.id.run((context, input));
        let first = match values.next() {
            Some(value) => value.map_err(|thrown| self.thrown(thrown))?,
            None => return Err(EvalError(format!("`{}` gives no value", self.code))),
        };
        match values.next() {
            None => Ok(first),
            Some(_) => Err(EvalError(format!("`{}` gives more than one value; wrap it in [ ]", self.code))),
        }
    }

    /// The object of these members.
    fn input<'s>(&self, members: impl Iterator<Item = (&'s str, &'s str)>) -> Result<Metered, EvalError> {
        let mut input = Vec::new();
        for (name, json) in members {
            let value = reading::read(json.as_bytes())
                .map_err(|error| EvalError(format!("`.{name}` is not JSON: {error}")))?;
            input.push((Metered::text(name.as_bytes().to_vec()), value));
        }
        Metered::from_map(input).map_err(|error| self.failed(&error))
    }

    fn thrown(&self, thrown: Exn<'_, Metered>) -> EvalError {
        match thrown.get_err() {
            Ok(error) => self.failed(&error),
            Err(_) => EvalError(format!("`{}` ends by `break` or `halt`", self.code)),
        }
    }

    fn failed(&self, error: &value::Error) -> EvalError {
        let mut message = Beginning(String::new());
        // Writing ends early if the message is long.
        _ = write!(message, "{error}");
        EvalError(format!("`{}`: {}", self.code, cut(&message.0)))
    }
}

/// Keeps the beginning of the text, and refuses the rest: an error may quote whole values.
struct Beginning(String);

impl fmt::Write for Beginning {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.len() > MESSAGE_CHARS_MAX * 4 {
            return Err(fmt::Error);
        }
        self.0.extend(part.chars().take(MESSAGE_CHARS_MAX + 1));
        Ok(())
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.code).finish()
    }
}

/// Characters of a jq message that are kept.
const MESSAGE_CHARS_MAX: usize = 200;

/// jq's messages quote values; a reason must not contain a whole cart.
fn cut(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message.to_owned(),
    }
}

/// Why a program gave no usable value for this input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(pub String);

impl EvalError {
    /// The same error, with the key whose expression it is of.
    #[must_use]
    pub(crate) fn of(self, key: &str) -> Self {
        Self(format!("{key}: {}", self.0))
    }
}

/// Why a text is not a program, and the place in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Lines after the text's first.
    pub line_offset: usize,
    /// The problem.
    pub message: String,
}

impl SyntaxError {
    fn new(code: &str, at: &str, message: impl Into<String>) -> Self {
        // The end of the code is a valid place, too.
        let range = code.as_bytes().as_ptr_range();
        let inside = (range.start..=range.end).contains(&at.as_ptr());
        let offset = if inside { load::span(code, at).start } else { 0 };
        Self { line_offset: code[..offset].matches('\n').count(), message: message.into() }
    }
}

/// Parses `code` and refuses impure programs.
pub(super) fn parse(code: &str) -> Result<Term<&str>, SyntaxError> {
    limits(code)?;
    let end = &code[code.trim_end().len()..];
    let tokens = Lexer::new(code).lex().map_err(|errors| match errors.first() {
        Some((expected, found)) if found.trim().is_empty() => {
            SyntaxError::new(code, end, format!("expected {} at the end", expected.as_str()))
        }
        Some((expected, found)) => {
            SyntaxError::new(code, found, format!("expected {} at `{}`", expected.as_str(), cut(found)))
        }
        None => SyntaxError::new(code, "", "not a jq program"),
    })?;
    let term = Parser::new(&tokens).parse(|p| p.term()).map_err(|errors| match errors.first() {
        Some((expected, Some(token))) => {
            SyntaxError::new(code, token.0, format!("expected {} at `{}`", expected.as_str(), cut(token.0)))
        }
        Some((expected, None)) => {
            SyntaxError::new(code, end, format!("expected {} at the end", expected.as_str()))
        }
        None => SyntaxError::new(code, "", "not a jq program"),
    })?;
    match References::of(&term).impure {
        Some(name) => Err(SyntaxError::new(
            code,
            name,
            format!("`{name}` cannot be used: a request must be the same on every attempt"),
        )),
        None => Ok(term),
    }
}

/// Refuses a program that may run as long as its input makes it. Definitions that were stored before this rule are
/// still run: the [budget](meter) ends a program that does not end.
pub(super) fn bounded(code: &str) -> Result<(), SyntaxError> {
    match bounds::unbounded(&parse(code)?) {
        Some(found) => Err(SyntaxError::new(code, found.name, found.to_string())),
        None => Ok(()),
    }
}

/// Refuses programs that are too large or too deep: parsing is recursive, and a definition must not be able to
/// overflow the stack.
fn limits(code: &str) -> Result<(), SyntaxError> {
    /// The longest expression, in bytes.
    const CODE_BYTES_MAX: usize = 4096;
    /// Nested brackets, including those in texts.
    const BRACKETS_MAX: usize = 64;
    /// Operators, and keywords that are followed by a program, including those in texts.
    const OPERATORS_MAX: usize = 100;
    const KEYWORDS: &[&str] = &["if", "elif", "try", "and", "or", "as", "def", "label", "reduce", "foreach"];

    if code.len() > CODE_BYTES_MAX {
        let message = format!("the expression has {} bytes; the limit is {CODE_BYTES_MAX}", code.len());
        return Err(SyntaxError::new(code, "", message));
    }
    let words = code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let operators = words.filter(|word| KEYWORDS.contains(word)).count()
        + code.bytes().filter(|byte| b"|,+-*/%".contains(byte)).count();
    if operators > OPERATORS_MAX {
        let message =
            format!("the expression has {operators} operators; the limit is {OPERATORS_MAX}; split it up");
        return Err(SyntaxError::new(code, "", message));
    }
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > BRACKETS_MAX {
            let message = format!("more than {BRACKETS_MAX} brackets inside each other");
            return Err(SyntaxError::new(code, &code[at..], message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(code: &str) -> (Vec<String>, bool) {
        let term = parse(code).unwrap();
        let found = References::of(&term);
        (found.paths.iter().map(|p| p.join(".")).collect(), found.whole)
    }

    #[test]
    fn what_a_program_reads_is_found_in_its_syntax() {
        let paths = |p: &[&str]| p.iter().map(|s| s.to_string()).collect::<Vec<_>>();
        assert_eq!(reads("{products: .cart}"), (paths(&["cart"]), false));
        assert_eq!(reads("[.cart[] | .quantity * .price] | add"), (paths(&["cart"]), false));
        assert_eq!(reads(r#""/x/\(.input.customer_id)""#), (paths(&["input.customer_id"]), false));
        assert_eq!(reads("{cart}"), (paths(&["cart"]), false));
        assert_eq!(reads(".a as $x | .b"), (paths(&["a", "b"]), false));
        assert_eq!(reads("reduce .a[] as $x (.b; . + $x.c)"), (paths(&["a", "b"]), false));
        assert_eq!(reads("all(.body[]; .price > 0)"), (paths(&[]), true));
        assert_eq!(reads("keys"), (paths(&[]), true));
        assert_eq!(reads("if .a then .b else error(\"none\") end"), (paths(&["a", "b"]), false));
        assert_eq!(reads("try error catch .b"), (paths(&[]), true));
    }

    #[test]
    fn mistakes_name_their_line() {
        assert_eq!(parse("{a: 1,\n b: }").unwrap_err().line_offset, 1);
        assert!(parse("now").unwrap_err().message.contains("every attempt"));
        let unknown = Program::compile(".a |\n nonsense").unwrap_err();
        assert_eq!((unknown.line_offset, unknown.message.as_str()), (1, "unknown filter `nonsense`"));
    }

    #[test]
    fn a_program_gives_one_value_or_says_why_not() {
        let run = |code: &str| Program::compile(code).unwrap().run([("a", "1")].into_iter());
        assert_eq!(run(".a + 1").unwrap().to_string(), "2");
        assert!(run(".a, .a").unwrap_err().0.contains("more than one"));
        assert!(run("empty").unwrap_err().0.contains("no value"));
        assert!(run(".a.b").is_err());
    }
}
