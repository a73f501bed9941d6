//! Calls: one request, and the meaning of its answer.

use http::Method;

use super::condition::Condition;
use super::format::Format;
use super::path::RequestPath;
use super::template::Template;

/// An HTTP call and the rules for the meaning of its answer.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, after the participant's base URL.
    pub path: RequestPath,
    /// The JSON body, if there is one.
    pub body: Option<Template>,
    /// Whether an answer means that the call may have had an effect, whatever its status; evaluated first.
    pub unknown: Option<Condition>,
    /// Whether an answer means that the call was refused; evaluated second.
    pub refused: Option<Condition>,
    /// Whether an answer means that there was nothing to undo; evaluated third.
    pub absent: Absent,
    /// Whether an answer means that the call had no effect and may be repeated; evaluated fourth.
    pub not_sent: Option<Condition>,
    /// Whether an answer means success; evaluated last. If given, no other answer is a success.
    pub ok: Option<Condition>,
    /// The part of a successful answer that is kept for later steps; `None`: nothing.
    pub output: Option<Template>,
    /// Whether the call is a probe: a probe that cannot be sent, or whose answer cannot be read, shows nothing about
    /// the step.
    pub is_probe: bool,
    /// The rules that its definition was checked with.
    pub format: Format,
}

/// Which answers mean that there was nothing to undo.
#[derive(Debug)]
pub enum Absent {
    /// None: the call undoes nothing.
    Never,
    /// Answers with the status 404 or 410.
    ByStatus,
    /// Answers for which this is true.
    When(Condition),
}

impl Call {
    /// Whether the request is built from `name`, a step's output.
    pub fn sends(&self, name: &str) -> bool {
        self.path.reads(name) || self.body.as_ref().is_some_and(|body| body.reads(name))
    }

    /// Whether any expression about the answer reads its headers; if not, they need not be kept.
    pub fn reads_headers(&self) -> bool {
        let absent = match &self.absent {
            Absent::When(condition) => Some(condition),
            Absent::Never | Absent::ByStatus => None,
        };
        let conditions = [&self.unknown, &self.refused, &self.not_sent, &self.ok];
        conditions.into_iter().flatten().chain(absent).any(|condition| condition.reads("headers"))
            || self.output.as_ref().is_some_and(|output| output.reads("headers"))
    }
}
