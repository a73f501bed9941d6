//! Checking definitions: the shape of a file to a [`Definition`] that can be relied on.
//!
//! Everything that can be known before the first saga runs is found here, with its line and what to do about it.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};

use super::program::{self, SyntaxError};
use super::yaml::{
    BreakerIn, CallIn, CompensationIn, File, Mistake, Node, ParticipantIn, ProbeIn, RetryIn, Spanned,
};
use super::{
    Breaker, Call, Definition, DefinitionHash, Etat, InputType, Interpreted, Participant, Probe, Safety,
    States, Step, Template,
};
use crate::json::Json;
use crate::retry::Backoff;

/// A definition may have this many steps.
const STEPS_MAX: usize = 64;
/// Names and states may have this many characters.
const NAME_CHARS_MAX: usize = 64;
/// The longest deadline, timeout or wait that can be asked for.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

const DEADLINE_DEFAULT: Duration = Duration::from_secs(60);
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
const CALLS_MAX_DEFAULT: usize = 256;
const ANSWER_BYTES_MAX_DEFAULT: usize = 1 << 20;
const HORIZON_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// Names that a step cannot have, since expressions use them for something else.
const RESERVED_NAMES: &[&str] = &["input", "saga_id", "status", "headers", "body"];

/// Checks a file in full: the definition, or everything that is wrong with it, in the order of lines.
pub(super) fn check(
    file: File,
    source: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Definition, Vec<Mistake>> {
    let mut check = Check { env, mistakes: Vec::new() };
    let definition = check.definition(file, source);
    check.mistakes.sort_by_key(|mistake| mistake.line);
    match (definition, check.mistakes.is_empty()) {
        (Some(definition), true) => Ok(definition),
        _ => Err(check.mistakes),
    }
}

struct Check<'e> {
    env: &'e dyn Fn(&str) -> Option<String>,
    mistakes: Vec<Mistake>,
}

fn line<T>(at: &Spanned<T>) -> usize {
    at.referenced.line() as usize
}

/// What a call's expressions may read, and how to say it.
struct Readable<'a> {
    /// The definition's inputs.
    inputs: &'a [(Box<str>, InputType)],
    /// Outputs that exist by then.
    outputs: &'a [String],
    /// All steps, to tell a later one from an unknown name.
    steps: &'a [String],
    /// The step whose call this is, where its own output cannot be read, with the reason.
    own: Option<(&'a str, &'static str)>,
}

/// A call that was read, and which steps' outputs its expressions read.
struct Checked {
    call: Option<Call>,
    reads: Vec<String>,
    reads_all: bool,
}

impl Check<'_> {
    fn mistake(&mut self, line: usize, message: impl Into<String>) {
        self.mistakes.push(Mistake { line, message: message.into() });
    }

    fn definition(&mut self, file: File, source: &str) -> Option<Definition> {
        let name = self.name(&file.saga, "saga");
        let mut input = Vec::new();
        for (name, kind) in &file.input {
            let parsed = match kind.value.as_str() {
                "integer" => InputType::Integer,
                "number" => InputType::Number,
                "string" => InputType::String,
                "boolean" => InputType::Boolean,
                other => {
                    self.mistake(
                        line(kind),
                        format!("input `{name}` has the unknown type `{other}`; write integer, number, string or boolean"),
                    );
                    // Declared all the same: who reads it is not mistaken.
                    InputType::String
                }
            };
            input.push((name.as_str().into(), parsed));
        }
        let states = States {
            started: self.etat(&file.states.started)?,
            completed: self.etat(&file.states.completed)?,
            cancelled: self.etat(&file.states.cancelled)?,
        };
        let deadline = self.duration(file.deadline.as_ref(), DEADLINE_DEFAULT);
        let participants: Vec<_> =
            file.participants.iter().filter_map(|(name, p)| self.participant(name, p)).collect();
        let steps = self.steps(&file, &input, &participants);
        Some(Definition {
            name: name.into(),
            hash: DefinitionHash::of(source),
            source: source.into(),
            input,
            states,
            deadline,
            participants,
            steps,
        })
    }

    fn name(&mut self, name: &Spanned<String>, what: &str) -> String {
        let text = &name.value;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.chars().all(plain) {
            self.mistake(
                line(name),
                format!(
                    "the {what}'s name `{text}` must be 1 to {NAME_CHARS_MAX} letters, digits, `_` or `-`"
                ),
            );
        }
        text.clone()
    }

    fn etat(&mut self, etat: &Spanned<String>) -> Option<Etat> {
        Some(self.name(etat, "state").into())
    }

    fn duration(&mut self, text: Option<&Spanned<String>>, default: Duration) -> Duration {
        let Some(text) = text else { return default };
        match parse_duration(&text.value) {
            Some(duration) if duration <= DURATION_MAX && !duration.is_zero() => duration,
            Some(_) => {
                self.mistake(
                    line(text),
                    format!("`{}` must be more than zero and at most 30 days", text.value),
                );
                default
            }
            None => {
                let message = format!(
                    "`{}` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s",
                    text.value
                );
                self.mistake(line(text), message);
                default
            }
        }
    }

    fn participant(&mut self, name: &str, given: &Spanned<ParticipantIn>) -> Option<Participant> {
        let p = &given.value;
        let safety = match p.safety.as_ref().map(|s| s.value.as_str()) {
            None | Some("none") => Safety::None,
            Some("idempotent") => Safety::Idempotent,
            Some("barrier") => Safety::Barrier,
            Some(other) => {
                let at = p.safety.as_ref().map_or(line(given), line);
                self.mistake(at, format!("unknown safety `{other}`; write none, idempotent or barrier"));
                Safety::None
            }
        };
        let mut headers = Vec::new();
        for (header, value) in &p.headers {
            let text = self.substitute(value)?;
            match (HeaderName::try_from(header), HeaderValue::try_from(&text)) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                }
                _ => self.mistake(line(value), format!("`{header}` is not a header that can be sent")),
            }
        }
        let base = self.url(&p.url)?;
        Some(Participant {
            name: name.into(),
            address: base.to_string().into(),
            base,
            headers,
            safety,
            timeout: self.duration(p.timeout.as_ref(), TIMEOUT_DEFAULT),
            connect_timeout: self.duration(p.connect_timeout.as_ref(), CONNECT_TIMEOUT_DEFAULT),
            calls_max: self.at_least_one(p.calls_max.as_ref(), CALLS_MAX_DEFAULT),
            answer_bytes_max: self.at_least_one(p.answer_bytes_max.as_ref(), ANSWER_BYTES_MAX_DEFAULT),
            horizon: self.duration(p.horizon.as_ref(), HORIZON_DEFAULT),
            breaker: self.breaker(p.breaker.as_ref()),
        })
    }

    fn breaker(&mut self, given: Option<&BreakerIn>) -> Breaker {
        let default = Breaker::DEFAULT;
        let Some(given) = given else { return default };
        for zero in [&given.calls_min, &given.failures_percent].into_iter().flatten().filter(|n| n.value == 0)
        {
            self.mistake(line(zero), "`0` would suspend calls that nobody complains of; write at least 1");
        }
        if let Some(percent) = given.failures_percent.as_ref().filter(|percent| percent.value > 100) {
            self.mistake(line(percent), format!("`{}` is more than all; write 1 to 100", percent.value));
        }
        let open = self.duration(given.open.as_ref(), default.open);
        let open_max = self.duration(given.open_max.as_ref(), default.open_max);
        if let Some(at) = given.open_max.as_ref().or(given.open.as_ref()).filter(|_| open > open_max) {
            let message =
                format!("it cannot stay open for {open:?} if `open_max` is {open_max:?}; raise `open_max`");
            self.mistake(line(at), message);
        }
        let number =
            |given: &Option<Spanned<u32>>, default: u32| given.as_ref().map_or(default, |given| given.value);
        Breaker {
            window: self.duration(given.window.as_ref(), default.window),
            calls_min: number(&given.calls_min, default.calls_min),
            failures_percent: number(&given.failures_percent, default.failures_percent),
            open,
            open_max,
        }
    }

    fn at_least_one(&mut self, given: Option<&Spanned<u32>>, default: usize) -> usize {
        match given {
            Some(number) if number.value == 0 => {
                self.mistake(line(number), "`0` would let nothing through; write at least 1");
                default
            }
            Some(number) => number.value as usize,
            None => default,
        }
    }

    fn url(&mut self, given: &Spanned<String>) -> Option<Uri> {
        let text = self.substitute(given)?;
        let help = "write http://host:port or https://host, with or without a path, e.g. \"${STOCK_URL:-http://stock-service:8000}\"";
        let parsed = text.trim_end_matches('/').parse::<Uri>();
        match parsed {
            Ok(uri)
                if matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.host().is_some_and(|host| !host.is_empty())
                    && uri.query().is_none()
                    && uri.authority().is_some_and(|a| !a.as_str().contains('@')) =>
            {
                Some(uri)
            }
            _ if text.is_empty() => {
                self.mistake(line(given), format!("the URL is empty; {help}"));
                None
            }
            // Not repeated in the message: what stands before the `@` is a secret.
            _ if text.contains('@') => {
                let message =
                    "a URL cannot carry a name or password; put what the service asks for into `headers`";
                self.mistake(line(given), message);
                None
            }
            _ => {
                self.mistake(line(given), format!("`{text}` is not a URL of a service; {help}"));
                None
            }
        }
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; an empty variable counts as unset, as in a shell's `:-`.
    fn substitute(&mut self, given: &Spanned<String>) -> Option<String> {
        let mut text = String::new();
        let mut rest = given.value.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((variable, after)) = after.split_once('}') else {
                self.mistake(line(given), "`${` has no closing `}`");
                return None;
            };
            let (name, default) = match variable.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (variable, None),
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.mistake(line(given), format!("`{name}` is no name of an environment variable; write ${{NAME}} or ${{NAME:-default}}"));
                return None;
            }
            match ((self.env)(name).filter(|v| !v.is_empty()), default) {
                (Some(value), _) => text.push_str(&value),
                (None, Some(default)) => text.push_str(default),
                (None, None) => {
                    self.mistake(
                        line(given),
                        format!("the environment variable `{name}` is not set; set it, or give a default: ${{{name}:-...}}"),
                    );
                    return None;
                }
            }
            rest = after;
        }
        text.push_str(rest);
        Some(text)
    }

    fn steps(
        &mut self,
        file: &File,
        inputs: &[(Box<str>, InputType)],
        participants: &[Participant],
    ) -> Vec<Step> {
        let given = &file.steps.value;
        if given.is_empty() || given.len() > STEPS_MAX {
            self.mistake(
                line(&file.steps),
                format!("there are {} steps; write 1 to {STEPS_MAX}", given.len()),
            );
        }
        let names: Vec<String> = given.iter().map(|s| s.value.step.value.clone()).collect();
        // The calls first: whether a step's output is kept depends on who reads it.
        let mut steps = Vec::new();
        let mut read: Vec<String> = Vec::new();
        let mut read_all = false;
        for (i, step) in given.iter().enumerate() {
            let at = line(&step.value.step);
            let step = &step.value;
            self.name(&step.step, "step");
            let name = &names[i];
            if names[..i].contains(name) || RESERVED_NAMES.contains(&name.as_str()) {
                self.mistake(at, format!("the step's name `{name}` is taken; choose another"));
            }
            let Some(participant) = participants.iter().position(|p| *p.name == *step.participant.value)
            else {
                if !file.participants.contains_key(&step.participant.value) {
                    let known: Vec<_> = file.participants.keys().map(String::as_str).collect();
                    self.mistake(
                        line(&step.participant),
                        format!(
                            "there is no participant `{}`; add it under `participants`, or use one of: {}",
                            step.participant.value,
                            known.join(", ")
                        ),
                    );
                }
                continue;
            };
            let safety = participants[participant].safety;
            let before = Readable { inputs, outputs: &names[..i], steps: &names, own: None };
            let action = self.call(&step.action, &before);
            let own = match safety {
                Safety::Barrier => Some((
                    name.as_str(),
                    "a barrier step whose outcome is unknown is undone at once, without its answer; undo by `.saga_id` \
                     or an earlier output, or declare `safety: idempotent`",
                )),
                Safety::Idempotent | Safety::None => None,
            };
            let through = if own.is_some() { &names[..i] } else { &names[..=i] };
            let after = Readable { inputs, outputs: through, steps: &names, own };
            let is_read = action.call.as_ref().is_some_and(|call| call.method.is_safe());
            let compensation = match step.compensation.as_ref().map(|c| (line(c), &c.value)) {
                Some((at, CompensationIn::Call(_))) if is_read => {
                    self.mistake(
                        at,
                        format!("step `{name}` is a get, which changes nothing; remove its compensation, or call it with post"),
                    );
                    None
                }
                Some((_, CompensationIn::Call(call))) => {
                    let span = step.compensation.as_ref().map_or(step.action.referenced, |c| c.referenced);
                    Some(self.call_at(call, span.line() as usize, &after))
                }
                Some((_, CompensationIn::Word(word))) if word == "none" => None,
                Some((at, CompensationIn::Word(word))) => {
                    self.mistake(at, format!("`{word}` is no compensation; write a call, or `none`"));
                    None
                }
                None if is_read || action.call.is_none() => None,
                None => {
                    self.mistake(
                        at,
                        format!("step `{name}` changes something but has no compensation; add one, or write `compensation: none` if it is never to be undone"),
                    );
                    None
                }
            };
            if let Some(probe) = step.probe.as_ref().filter(|_| is_read) {
                let why = "is a get, which has no effect to ask about; remove its probe";
                self.mistake(line(probe), format!("step `{name}` {why}"));
            }
            let probe = step.probe.as_ref().filter(|_| !is_read);
            let probe = probe.map(|given| self.probe(given, &before, participants[participant].timeout));
            let (probe, probe_checked) = probe.unzip();
            for checked in
                [Some(&action), compensation.as_ref(), probe_checked.as_ref()].into_iter().flatten()
            {
                read.extend(checked.reads.iter().cloned());
                read_all |= checked.reads_all;
            }
            let retry = self.retry(step.retry.as_ref(), Backoff::ACTION);
            let persist = self.retry(step.persist.as_ref(), Backoff::PERSISTENT);
            let success = step.success.as_ref().and_then(|s| self.etat(s));
            let failure = self.etat(&step.failure);
            if let (Some(action), Some(failure)) = (action.call, failure) {
                steps.push(Step {
                    name: name.as_str().into(),
                    participant,
                    action,
                    compensation: compensation.and_then(|c| c.call),
                    probe: probe.flatten(),
                    success,
                    failure,
                    retry,
                    persist,
                });
            }
        }
        for step in &mut steps {
            if !read_all && !read.iter().any(|name| **name == *step.name) {
                continue;
            }
            if step.action.output.is_none() {
                step.action.output = Template::parse(".body").ok();
            }
            if step.probe.as_ref().is_some_and(|probe| probe.call.output.is_none()) {
                let given = given.iter().find(|given| *given.value.step.value == *step.name);
                let at = given.and_then(|given| given.value.probe.as_ref()).map_or(0, line);
                let message = format!(
                    "the output of step `{0}` is read elsewhere, so its probe has to give it, too: add an `output` to the \
                     probe that has what `.{0}` has after the action",
                    step.name
                );
                self.mistake(at, message);
            }
        }
        steps
    }

    /// A probe, and what it reads.
    fn probe(
        &mut self,
        given: &Spanned<ProbeIn>,
        readable: &Readable<'_>,
        timeout: Duration,
    ) -> (Option<Probe>, Checked) {
        let mut checked = self.call_at(&given.value.call, line(given), readable);
        let after = self.duration(given.value.after.as_ref(), timeout);
        let call = checked.call.take().map(|call| Call { is_probe: true, ..call });
        (call.map(|call| Probe { call, after }), checked)
    }

    fn retry(&mut self, given: Option<&RetryIn>, default: Backoff) -> Backoff {
        let Some(given) = given else { return default };
        let attempts = match &given.attempts {
            Some(n) if n.value == 0 => {
                self.mistake(line(n), "there must be at least 1 attempt");
                default.attempts
            }
            Some(n) => n.value,
            None => default.attempts,
        };
        Backoff {
            attempts,
            base: self.duration(given.base.as_ref(), default.base),
            cap: self.duration(given.cap.as_ref(), default.cap),
        }
    }

    fn call(&mut self, given: &Spanned<CallIn>, readable: &Readable<'_>) -> Checked {
        self.call_at(&given.value, line(given), readable)
    }

    fn call_at(&mut self, call: &CallIn, at: usize, readable: &Readable<'_>) -> Checked {
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

fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..split].parse().ok()?;
    let millis = match text[split..].trim() {
        "ms" => number,
        "s" => number.checked_mul(1_000)?,
        "m" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}
