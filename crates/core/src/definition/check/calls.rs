//! Calls: one request, the names that its expressions may read, and the meaning of its answer.

use http::Method;

use super::super::path::{PathError, RequestPath, Spelling};
use super::super::program::{self, SyntaxError};
use super::super::suggest::nearest;
use super::super::yaml::{CallIn, CodeNode, Spanned};
use super::super::{Call, Condition, Format, InputForm, InputType, Template};
use super::answers::{Answers, is_of_an_answer};
use super::{Checker, hints, line};
use crate::direction::Direction;
use crate::json::Json;

/// The names that a call's expressions may read, for checks and messages.
#[derive(Clone, Copy)]
pub(super) struct Readable<'a> {
    /// The definition's inputs.
    pub(super) inputs: &'a InputForm,
    /// Outputs that exist when the call is made.
    pub(super) outputs: &'a [String],
    /// The steps that stand above in the file, whether or not the call's step waits for them.
    pub(super) above: &'a [String],
    /// All steps, to distinguish a later step from an unknown name.
    pub(super) steps: &'a [String],
    /// Whether the call is a poll, which reads `.accepted`, too.
    pub(super) accepted: bool,
    /// Whether the call is a compensation, which reads `.failure`, too.
    pub(super) failure: bool,
    /// Whether it belongs to a step: those read `.callbacks`, too.
    pub(super) of_a_step: bool,
    /// The call's own step, if its output cannot be read, with the reason.
    pub(super) own: Option<(&'a str, &'static str)>,
}

/// A checked call, and the steps whose outputs its expressions read.
#[derive(Default)]
pub(super) struct CheckedCall {
    pub(super) call: Option<Call>,
    pub(super) reads: Vec<String>,
    pub(super) reads_all: bool,
    /// Of a poll: the parts of the answer that accepted the action that it reads.
    pub(super) accepted: AcceptedParts,
}

/// The parts of the answer that accepted an action which its poll reads.
#[derive(Default, Clone, Copy)]
pub(super) struct AcceptedParts {
    pub(super) location: bool,
    pub(super) body: bool,
}

/// A poll that is sent to the address that the answer gave is written as this path.
pub(super) const LOCATION: &str = ".accepted.headers.location";

impl Checker<'_> {
    /// The call at line `at`, which is a step's action, compensation or probe.
    pub(super) fn call(
        &mut self,
        (at, call): (usize, &CallIn),
        role: Direction,
        readable: &Readable<'_>,
    ) -> CheckedCall {
        let mut checked = CheckedCall::default();
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
            // There may be a method whose value is a mistake.
            (None, None) if call.is_mistaken => return checked,
            _ => {
                self.mistake(
                    at,
                    "a call needs exactly one of get, post, put, patch or delete, with its path",
                );
                return checked;
            }
        };
        let follows_location = role == Direction::Poll && path.value.trim() == LOCATION;
        let path = if follows_location { &Spanned { value: "/".to_owned(), line: line(path) } } else { path };
        checked.accepted.location |= follows_location;
        if !path.value.starts_with('/') {
            self.mistake(line(path), format!("the path `{}` must start with `/`", path.value));
        }
        let quoted = format!("\"{}\"", path.value);
        self.readable(&quoted, line(path), readable, &mut checked);
        let spelling = Spelling { inputs: readable.inputs, steps: readable.outputs };
        let request_path = match RequestPath::parse(&path.value, self.format, &spelling) {
            Ok(path) => Some(path),
            Err(PathError::Syntax(error)) => self.syntax(line(path), &path.value, Err(error)),
            // A path with another first character has been reported already.
            Err(PathError::Mistaken(_)) if !path.value.starts_with('/') => None,
            Err(PathError::Mistaken(message)) => {
                self.mistake(line(path), message);
                None
            }
        };
        let body = self.body(call, readable, &mut checked);
        let has_own_type = call.form.is_some() || call.text.is_some();
        let headers = self.call_headers(&call.headers, has_own_type, readable, &mut checked);
        if method.is_safe() && (call.body.is_some() || has_own_type) {
            self.mistake(at, "a get has no body; put what it needs into the path");
        }
        let answers = self.answers(call, &method, role);
        let output =
            call.output.as_ref().and_then(|node| self.output((line(node), &node.value), &is_of_an_answer));
        let (Some(path), Ok(body), Ok(headers)) = (request_path, body, headers) else { return checked };
        let Answers { unknown, pending, refused, absent, not_sent, ok } = answers;
        checked.call = Some(Call {
            method,
            path,
            headers,
            body,
            unknown,
            pending,
            refused,
            absent,
            not_sent,
            ok,
            output,
            role,
            format: self.format,
        });
        checked
    }

    /// The condition on which a step is done, and what it reads.
    pub(super) fn when(
        &mut self,
        given: &Spanned<String>,
        readable: &Readable<'_>,
    ) -> (Option<Condition>, CheckedCall) {
        let mut checked = CheckedCall::default();
        self.readable(&given.value, line(given), readable, &mut checked);
        let condition = self.syntax(line(given), &given.value, Condition::compile(&given.value, self.format));
        let code = given.value.trim();
        let input = code.strip_prefix(".input.");
        let input = input.and_then(|name| readable.inputs.member(name));
        if let Some(member) = input.filter(|member| member.kind != InputType::Boolean) {
            let of_type = member.kind;
            self.mistake(
                line(given),
                format!("`{code}` is of type {of_type}, and a condition must be true or false; compare it with a value"),
            );
        } else if input.is_some_and(|member| member.optional) {
            self.mistake(
                line(given),
                format!("`{code}` is null where it is left out, and a condition must be true or false; write `{code} == true`"),
            );
        } else if let Some(why) = Condition::never_holds(code) {
            self.mistake(line(given), why);
        }
        (condition, checked)
    }

    /// An expression of a request, or a mapping of them.
    pub(super) fn node(
        &mut self,
        (at, node): (usize, &CodeNode),
        readable: &Readable<'_>,
        checked: &mut CheckedCall,
    ) -> Option<Template> {
        match node {
            CodeNode::Code(code) => {
                self.warn_of_subtraction(code, at);
                self.readable(code, at, readable, checked);
                self.syntax(at, code, Template::parse(code))
            }
            CodeNode::Members(members) => members
                .iter()
                .map(|(key, value)| {
                    let value = (line(value), &value.value);
                    Some((Json::of(key).ok()?, self.node(value, readable, checked)?))
                })
                .collect::<Option<_>>()
                .map(Template::Object),
        }
    }

    fn output(&mut self, (at, node): (usize, &CodeNode), known: &dyn Fn(&str) -> bool) -> Option<Template> {
        match node {
            CodeNode::Code(code) => {
                self.answer_readable(code, at, known);
                self.syntax(at, code, Template::parse(code))
            }
            CodeNode::Members(members) => members
                .iter()
                .map(|(key, value)| {
                    let value = (line(value), &value.value);
                    Some((Json::of(key).ok()?, self.output(value, known)?))
                })
                .collect::<Option<_>>()
                .map(Template::Object),
        }
    }

    pub(super) fn syntax<T>(&mut self, at: usize, code: &str, result: Result<T, SyntaxError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let hint = hints::instead(code, &error, self.cuts.get(&at).copied(), &self.names);
                let (line, message) = (at + error.line_offset, format!("jq: {}{hint}", error.message));
                if !self.mistakes.iter().any(|m| m.line == line && m.message == message) {
                    self.mistake(line, message);
                }
                None
            }
        }
    }

    /// Checks that an expression always ends. A stored expression that may not end is ended by its budget.
    pub(super) fn bounded(&mut self, code: &str, at: usize) {
        if self.format >= Format::Two {
            self.syntax(at, code, program::bounded(code));
        }
    }

    /// Checks that a request's expression reads only names that exist when the call is made, and records them.
    pub(super) fn readable(
        &mut self,
        code: &str,
        at: usize,
        readable: &Readable<'_>,
        checked: &mut CheckedCall,
    ) {
        self.bounded(code, at);
        let Ok((paths, whole)) = Template::references(code) else { return };
        checked.reads_all |= whole;
        for path in paths {
            let name = path[0].as_str();
            let is_step = readable.steps.iter().any(|step| step == name);
            match name {
                "saga_id" => continue,
                "created_at" if !is_step => {
                    self.reads_created_at = true;
                    continue;
                }
                "failure" if readable.failure && !is_step => {
                    self.reads_failure = true;
                    self.failure_part(&path, at);
                    continue;
                }
                "callbacks" if !is_step => {
                    self.callback(&path, at, readable.of_a_step);
                    continue;
                }
                _ => {}
            }
            if name == "accepted" && readable.accepted {
                self.accepted_part(&path, at, &mut checked.accepted);
                continue;
            }
            if name == "input" {
                match path.get(1) {
                    Some(key) if self.inputs_known && !readable.inputs.may_have(key) => {
                        let message = match nearest(key, readable.inputs.names()) {
                            Some(near) => {
                                format!("`.input.{key}` does not exist; did you mean `.input.{near}`?")
                            }
                            None => format!("`.input.{key}` does not exist; declare it under `input`"),
                        };
                        self.mistake(at, message);
                    }
                    _ => {}
                }
            } else if readable.outputs.iter().any(|o| o == name) {
                self.warn_of_no_member(name, path.get(1).map(String::as_str), at);
                checked.reads.push(name.to_owned());
            } else if let Some((_, why)) = readable.own.filter(|(own, _)| *own == name) {
                self.mistake(
                    at,
                    format!("a compensation cannot read its own step's output `.{name}` here: {why}"),
                );
            } else if readable.above.iter().any(|above| above == name) {
                self.mistake(
                    at,
                    format!("`.{name}` is the output of a step that this one does not wait for; add `{name}` to its `after`"),
                );
            } else if readable.steps.iter().any(|s| s == name) {
                self.mistake(
                    at,
                    format!("`.{name}` is the output of a step that has not run by then; only earlier steps' outputs can be read"),
                );
            } else {
                let known: Vec<_> = ["input", "saga_id"]
                    .into_iter()
                    .chain(readable.outputs.iter().map(String::as_str))
                    .collect();
                let meant = if readable.inputs.names().any(|input| input == name) {
                    format!("; did you mean `.input.{name}`?")
                } else {
                    let near = nearest(name, known.iter().copied());
                    near.map_or_else(String::new, |near| format!("; did you mean `.{near}`?"))
                };
                let known = known.iter().map(|name| format!(".{name}")).collect::<Vec<_>>().join(", ");
                self.mistake(at, format!("`.{name}` does not exist here; there are {known}{meant}"));
            }
        }
    }

    /// Checks that a part of the reason for a rollback exists.
    fn failure_part(&mut self, path: &[String], at: usize) {
        if let Some(part) = path.get(1).filter(|part| !matches!(part.as_str(), "step" | "reason")) {
            self.mistake(
                at,
                format!("`.failure.{part}` does not exist; there are `.failure.step` and `.failure.reason`"),
            );
        }
    }

    /// Notes that the saga is called back, and checks for which signal.
    fn callback(&mut self, path: &[String], at: usize, of_a_step: bool) {
        if !of_a_step {
            let message = "`.callbacks` is for requests of steps alone: whoever sees an address of a callback can send the signal";
            self.mistake(at, message);
            return;
        }
        self.callbacks.get_or_insert(at);
        let names = || self.signal_names.iter().map(String::as_str);
        let message = match path.get(1) {
            _ if self.signal_names.is_empty() => {
                "`.callbacks` has an address for each signal that a step takes, and there is none here; add a step with `signal`, \
                 or `await` to an action"
                    .to_owned()
            }
            Some(name) if !names().any(|known| known == name) => match nearest(name, names()) {
                Some(near) => format!("`.callbacks.{name}` does not exist; did you mean `{}`?", callback(near)),
                None => {
                    let known = names().map(callback).collect::<Vec<_>>().join(", ");
                    format!("`.callbacks.{name}` does not exist; no step takes such a signal; there are {known}")
                }
            },
            _ => return,
        };
        self.mistake(at, message);
    }

    /// Notes which part of the answer that accepted the action a poll reads.
    fn accepted_part(&mut self, path: &[String], at: usize, parts: &mut AcceptedParts) {
        match (path.get(1).map(String::as_str), path.get(2).map(String::as_str)) {
            (Some("body"), _) => parts.body = true,
            (Some("headers"), Some("location")) => parts.location = true,
            (part, member) => {
                let read =
                    [Some("accepted"), part, member].into_iter().flatten().collect::<Vec<_>>().join(".");
                let message = format!(
                    "`.{read}` is not kept; a poll reads `.accepted.body` and `.accepted.headers.location`"
                );
                self.mistake(at, message);
            }
        }
    }

    /// Checks that an expression about an answer reads only the answer.
    pub(super) fn answer_readable(&mut self, code: &str, at: usize, known: &dyn Fn(&str) -> bool) {
        self.bounded(code, at);
        let Ok((paths, _)) = Template::references(code) else { return };
        for path in paths.iter().filter(|path| !known(&path[0])) {
            let name = &path[0];
            let meant = match nearest(name, ["status", "headers", "body"]) {
                Some(near) => format!("; did you mean `.{near}`?"),
                // A name that other expressions can read is not a typo.
                None if self.names.contains(name) => String::new(),
                None => format!("; did you mean `.body.{name}`?"),
            };
            let message =
                format!("`.{name}` does not exist here; an answer has .status, .headers and .body{meant}");
            self.mistake(at, message);
        }
    }

    /// Warns of a member that an output does not have: it is null, which is rarely meant.
    fn warn_of_no_member(&mut self, step: &str, member: Option<&str>, at: usize) {
        let (Some(members), Some(member)) = (self.members.get(step), member) else { return };
        if members.iter().any(|known| known == member) {
            return;
        }
        let meant = nearest(member, members.iter().map(String::as_str));
        let meant = meant.map_or_else(String::new, |near| format!("; did you mean `.{step}.{near}`?"));
        let members = members.join(", ");
        self.warning(at, format!("`.{step}.{member}` is null: the output of `{step}` has {members}{meant}"));
    }

    /// Warns of a date or a telephone number without quotes, which jq reads as a subtraction.
    fn warn_of_subtraction(&mut self, code: &str, at: usize) {
        let parts: Vec<_> = code.trim().split('-').collect();
        let are_numbers =
            parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        if parts.len() > 2 && are_numbers {
            let code = code.trim();
            self.warning(
                at,
                format!("`{code}` is a subtraction to jq; a text needs its quotes: '\"{code}\"'"),
            );
        }
    }
}

/// The expression of a callback's address.
fn callback(name: &str) -> String {
    let is_plain = name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && !name.starts_with(|first: char| first.is_ascii_digit());
    if is_plain { format!(".callbacks.{name}") } else { format!(".callbacks[\"{name}\"]") }
}
