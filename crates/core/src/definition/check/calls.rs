//! Calls: one request, what its expressions may read, and how its answer is understood.

use http::Method;

use super::super::program::{self, SyntaxError};
use super::super::yaml::{CallIn, Node, Spanned};
use super::super::{Call, InputType, Interpreted, Template};
use super::{Check, line};
use crate::json::Json;

/// What a call's expressions may read, and how to say it.
pub(super) struct Readable<'a> {
    /// The definition's inputs.
    pub(super) inputs: &'a [(Box<str>, InputType)],
    /// Outputs that exist by then.
    pub(super) outputs: &'a [String],
    /// All steps, to tell a later one from an unknown name.
    pub(super) steps: &'a [String],
    /// The step whose call this is, where its own output cannot be read, with the reason.
    pub(super) own: Option<(&'a str, &'static str)>,
}

/// A call that was read, and which steps' outputs its expressions read.
pub(super) struct Checked {
    pub(super) call: Option<Call>,
    pub(super) reads: Vec<String>,
    pub(super) reads_all: bool,
}

impl Check<'_> {
    pub(super) fn call(&mut self, given: &Spanned<CallIn>, readable: &Readable<'_>) -> Checked {
        self.call_at(&given.value, line(given), readable)
    }

    pub(super) fn call_at(&mut self, call: &CallIn, at: usize, readable: &Readable<'_>) -> Checked {
        let mut checked = Checked { call: None, reads: Vec::new(), reads_all: false };
        let methods = [
            (Method::GET, &call.get),
            (Method::POST, &call.post),
            (Method::PUT, &call.put),
            (Method::PATCH, &call.patch),
            (Method::DELETE, &call.delete),
        ];
        let mut given = methods.into_iter().filter_map(|(method, path)| Some((method, path.as_ref()?)));
        let (method, path) = match (given.next(), given.next()) {
            (Some(one), None) => one,
            _ => {
                self.mistake(
                    at,
                    "a call needs exactly one of get, post, put, patch or delete, with its path",
                );
                return checked;
            }
        };
        if !path.value.starts_with('/') {
            self.mistake(line(path), format!("the path `{}` must start with `/`", path.value));
        }
        let quoted = format!("\"{}\"", path.value);
        self.readable(&quoted, line(path), readable, &mut checked);
        let template = self.syntax(line(path), Template::parse_path(&path.value));
        let body = call.body.as_ref().map(|node| {
            let node = (node.referenced.line() as usize, &node.value);
            self.node(node, readable, &mut checked)
        });
        if method.is_safe() && body.is_some() {
            self.mistake(at, "a get has no body; put what it needs into the path");
        }
        let answer = |name: &str| matches!(name, "status" | "headers" | "body");
        let condition = |check: &mut Self, code: &Option<Spanned<String>>| {
            let code = code.as_ref()?;
            check.answer_readable(&code.value, line(code), &answer);
            let compiled =
                program::parse(&code.value).and_then(|term| Interpreted::compile(&code.value, &term));
            check.syntax(line(code), compiled)
        };
        let refused = condition(self, &call.refused);
        let not_sent = condition(self, &call.not_sent);
        let ok = condition(self, &call.ok);
        let output = call
            .output
            .as_ref()
            .and_then(|node| self.output((node.referenced.line() as usize, &node.value), &answer));
        let (Some(path), body) = (template, body) else { return checked };
        if let Some(None) = body {
            return checked;
        }
        checked.call =
            Some(Call { method, path, body: body.flatten(), refused, not_sent, ok, output, is_probe: false });
        checked
    }

    fn node(
        &mut self,
        (at, node): (usize, &Node),
        readable: &Readable<'_>,
        checked: &mut Checked,
    ) -> Option<Template> {
        match node {
            Node::Code(code) => {
                self.readable(code, at, readable, checked);
                self.syntax(at, Template::parse(code))
            }
            Node::Members(members) => members
                .iter()
                .map(|(key, value)| {
                    let value = (value.referenced.line() as usize, &value.value);
                    Some((Json::of(key).ok()?, self.node(value, readable, checked)?))
                })
                .collect::<Option<_>>()
                .map(Template::Object),
        }
    }

    fn output(&mut self, (at, node): (usize, &Node), known: &dyn Fn(&str) -> bool) -> Option<Template> {
        match node {
            Node::Code(code) => {
                self.answer_readable(code, at, known);
                self.syntax(at, Template::parse(code))
            }
            Node::Members(members) => members
                .iter()
                .map(|(key, value)| {
                    let value = (value.referenced.line() as usize, &value.value);
                    Some((Json::of(key).ok()?, self.output(value, known)?))
                })
                .collect::<Option<_>>()
                .map(Template::Object),
        }
    }

    fn syntax<T>(&mut self, at: usize, result: Result<T, SyntaxError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let (line, message) = (at + error.line_offset, format!("jq: {}", error.message));
                if !self.mistakes.iter().any(|m| m.line == line && m.message == message) {
                    self.mistake(line, message);
                }
                None
            }
        }
    }

    /// Checks that a request's expression reads only what exists by then, and notes what it reads.
    fn readable(&mut self, code: &str, at: usize, readable: &Readable<'_>, checked: &mut Checked) {
        let Ok((paths, whole)) = Template::references(code) else { return };
        checked.reads_all |= whole;
        for path in paths {
            let name = path[0].as_str();
            if name == "saga_id" {
                continue;
            }
            if name == "input" {
                match path.get(1) {
                    Some(key) if !readable.inputs.iter().any(|(n, _)| **n == *key.as_str()) => {
                        self.mistake(at, format!("`.input.{key}` does not exist; declare it under `input`"));
                    }
                    _ => {}
                }
            } else if readable.outputs.iter().any(|o| o == name) {
                checked.reads.push(name.to_owned());
            } else if let Some((_, why)) = readable.own.filter(|(own, _)| *own == name) {
                self.mistake(
                    at,
                    format!("a compensation cannot read its own step's output `.{name}` here: {why}"),
                );
            } else if readable.steps.iter().any(|s| s == name) {
                self.mistake(
                    at,
                    format!("`.{name}` is the output of a step that has not run by then; only earlier steps' outputs can be read"),
                );
            } else {
                let mut known: Vec<_> = ["input", "saga_id"].map(|n| format!(".{n}")).into();
                known.extend(readable.outputs.iter().map(|n| format!(".{n}")));
                self.mistake(at, format!("`.{name}` does not exist here; there are {}", known.join(", ")));
            }
        }
    }

    /// Checks that an expression about an answer reads only the answer.
    fn answer_readable(&mut self, code: &str, at: usize, known: &dyn Fn(&str) -> bool) {
        let Ok((paths, _)) = Template::references(code) else { return };
        for path in paths.iter().filter(|path| !known(&path[0])) {
            self.mistake(
                at,
                format!("`.{}` does not exist here; an answer has .status, .headers and .body", path[0]),
            );
        }
    }
}
