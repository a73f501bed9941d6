//! Calls: one request, and how its answer is understood.

use http::Method;

use super::condition::Condition;
use super::format::Format;
use super::path::RequestPath;
use super::template::Template;

/// An HTTP call and how its answer is understood.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, after the participant's base URL.
    pub path: RequestPath,
    /// The JSON body, if there is one.
    pub body: Option<Template>,
    /// Whether an answer means that there may have been an effect, whatever its status; asked first.
    pub unknown: Option<Condition>,
    /// Whether an answer means that it was refused, asked second.
    pub refused: Option<Condition>,
    /// Whether an answer means that there was nothing to undo, asked third.
    pub absent: Absent,
    /// Whether an answer means that nothing was done and it may be tried again, asked fourth.
    pub not_sent: Option<Condition>,
    /// Whether an answer means success, asked last; where given, nothing else is a success.
    pub ok: Option<Condition>,
    /// What is kept of a successful answer for later steps; `None`: nothing.
    pub output: Option<Template>,
    /// Whether it asks about a step: then what cannot be asked or read says nothing about the step.
    pub is_probe: bool,
    /// The rules that its definition was checked with.
    pub format: Format,
}

/// When an answer means that there was nothing to undo.
#[derive(Debug)]
pub enum Absent {
    /// Never: the call undoes nothing.
    Never,
    /// When its status is 404 or 410.
    ByStatus,
    /// When this holds.
    When(Condition),
}

impl Call {
    /// Whether its request is made of what is called `name`: a step's output.
    pub fn sends(&self, name: &str) -> bool {
        self.path.reads(name) || self.body.as_ref().is_some_and(|body| body.reads(name))
    }

    /// Whether anything about the answer depends on its headers; if not, nobody needs to keep them.
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
