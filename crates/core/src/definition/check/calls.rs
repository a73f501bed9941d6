//! Calls: one request, what its expressions may read, and how its answer is understood.

use http::Method;

use super::super::path::{PathError, RequestPath, Spelling};
use super::super::program::SyntaxError;
use super::super::yaml::{CallIn, Node};
use super::super::{Call, InputType, Template};
use super::answers::{Answers, is_of_an_answer};
use super::{Check, line};
use crate::event::Direction;
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
    /// The call written at line `at`, which does, undoes or asks about its step.
    pub(super) fn call(
        &mut self,
        (at, call): (usize, &CallIn),
        role: Direction,
        readable: &Readable<'_>,
    ) -> Checked {
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
        let spelling = Spelling { inputs: readable.inputs, steps: readable.outputs };
        let request_path = match RequestPath::parse(&path.value, self.format, &spelling) {
            Ok(path) => Some(path),
            Err(PathError::Syntax(error)) => self.syntax(line(path), Err(error)),
            // A path that begins with something else has been told already.
            Err(PathError::Mistaken(_)) if !path.value.starts_with('/') => None,
            Err(PathError::Mistaken(message)) => {
                self.mistake(line(path), message);
                None
            }
        };
        let body = call.body.as_ref().map(|node| {
            let node = (node.referenced.line() as usize, &node.value);
            self.node(node, readable, &mut checked)
        });
        if method.is_safe() && body.is_some() {
            self.mistake(at, "a get has no body; put what it needs into the path");
        }
        let answers = self.answers(call, &method, role);
        let output = call
            .output
            .as_ref()
            .and_then(|node| self.output((node.referenced.line() as usize, &node.value), &is_of_an_answer));
        let (Some(path), body) = (request_path, body) else { return checked };
        if let Some(None) = body {
            return checked;
        }
        let Answers { unknown, refused, absent, not_sent, ok } = answers;
        checked.call = Some(Call {
            method,
            path,
            body: body.flatten(),
            unknown,
            refused,
            absent,
            not_sent,
            ok,
            output,
            is_probe: role == Direction::Probe,
            format: self.format,
        });
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

    pub(super) fn syntax<T>(&mut self, at: usize, result: Result<T, SyntaxError>) -> Option<T> {
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
    pub(super) fn answer_readable(&mut self, code: &str, at: usize, known: &dyn Fn(&str) -> bool) {
        let Ok((paths, _)) = Template::references(code) else { return };
        for path in paths.iter().filter(|path| !known(&path[0])) {
            self.mistake(
                at,
                format!("`.{}` does not exist here; an answer has .status, .headers and .body", path[0]),
            );
        }
    }
}
