//! Paths of definitions of [`Format::One`](crate::definition::Format::One): if every hole is a plain reference,
//! values are encoded; one computed hole makes the path a program, whose values are sent without encoding.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use percent_encoding::utf8_percent_encode;

use super::RESERVED;
use crate::definition::program::{self, EvalError, SyntaxError};
use crate::definition::template::{Scope, Template};

pub(super) fn parse(text: &str) -> Result<Template, SyntaxError> {
    let quoted = format!("\"{text}\"");
    let refused = |message: String| Err(SyntaxError { line_offset: 0, message });
    let Term::Str(None, parts) = program::parse(&quoted)? else {
        return refused("a path cannot have the character `\"`, but inside of `\\( )`".into());
    };
    let fixed = parts.iter().map(|part| match part {
        StrPart::Str(text) => (*text).to_owned(),
        StrPart::Char(c) => c.to_string(),
        StrPart::Term(_) => String::new(),
    });
    match fixed.collect::<String>().chars().find(|c| !c.is_ascii_graphic()) {
        None => Template::parse(&quoted),
        Some(c) => refused(format!("a path cannot have the character `{}`", c.escape_debug())),
    }
}

pub(super) fn render(template: &Template, scope: &Scope<'_>) -> Result<String, EvalError> {
    let path = match template {
        Template::Text(_) => {
            template.render_text(scope, |value| utf8_percent_encode(value, &RESERVED).to_string())?
        }
        Template::Constant(json) => {
            serde_json::from_str(json.text()).map_err(|_| EvalError("the path is not a string".into()))?
        }
        _ => {
            let json = template.render(scope)?;
            serde_json::from_str(json.text())
                .map_err(|_| EvalError(format!("the path is not a string but {}", json.text())))?
        }
    };
    match path.chars().find(|c| !c.is_ascii_graphic()) {
        None if path.starts_with('/') => Ok(path),
        None => Err(EvalError(format!("the path `{path}` does not start with `/`"))),
        Some(_) => Err(EvalError(format!(
            "the path `{}` has a character that paths cannot have",
            path.escape_debug()
        ))),
    }
}
