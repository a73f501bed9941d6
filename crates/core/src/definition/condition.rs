//! Conditions: expressions that are true or false, about an answer or about a saga.

mod kinds;

use jaq_json::Val;

use super::format::Format;
use super::program::{self, EvalError, SyntaxError};
use super::template::{Interpreted, Scope};

/// A condition about an answer, such as `ok`, or about a saga, such as `when`.
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

    /// Why `code` can be neither true nor false, as far as its syntax shows it, and the correction.
    pub(super) fn never_holds(code: &str) -> Option<String> {
        kinds::never_a_condition(code.trim(), &program::parse(code).ok()?)
    }

    /// The expression, as it is written.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether the condition reads `name`, or may read it.
    pub fn reads(&self, name: &str) -> bool {
        self.program.reads(name)
    }

    /// Evaluates the condition for the values in `scope`. A value other than true or false is an error: an answer is then
    /// unreadable.
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
