//! Conditions: expressions about an answer that are true or false.

mod kinds;

use jaq_json::Val;

use super::format::Format;
use super::program::{self, EvalError, SyntaxError};
use super::template::{Interpreted, Scope};

/// A question about an answer, such as `ok`.
#[derive(Debug)]
pub struct Condition {
    code: Box<str>,
    program: Interpreted,
    format: Format,
}

impl Condition {
    /// Compiles `code`.
    pub(super) fn compile(code: &str, format: Format) -> Result<Self, SyntaxError> {
        let term = program::parse(code)?;
        let program = Interpreted::compile(code, &term)?;
        Ok(Self { code: code.trim().into(), program, format })
    }

    /// Why `code` can be neither true nor false, where its syntax shows that, and what to write instead.
    pub(super) fn never_holds(code: &str) -> Option<String> {
        kinds::never_a_condition(code.trim(), &program::parse(code).ok()?)
    }

    /// Whether the condition reads `name`, or may read it.
    pub fn reads(&self, name: &str) -> bool {
        self.program.reads(name)
    }

    /// Asks about the answer in `scope`. Anything but true or false is an error: the answer cannot be read.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        match (self.program.run(scope)?, self.format) {
            (Val::Bool(holds), _) => Ok(holds),
            (value, Format::One) => Ok(!matches!(value, Val::Null)),
            (value, Format::Two) => Err(EvalError(format!(
                "`{}` gives {}, and a condition must be true or false",
                kinds::shown(&self.code),
                kinds::kind_of(&value),
            ))),
        }
    }
}
