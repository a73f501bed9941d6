//! Calls: one request, and the meaning of its answer.

use http::{HeaderName, HeaderValue, Method};

use super::body::BodyTemplate;
use super::condition::Condition;
use super::format::Format;
use super::headers::CallHeader;
use super::path::RequestPath;
use super::program::EvalError;
use super::template::{Scope, Template};
use crate::direction::Direction;

/// An HTTP call and the rules for the meaning of its answer.
#[derive(Debug)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, after the participant's base URL.
    pub path: RequestPath,
    /// The headers that this call sets, beside its participant's.
    pub headers: Vec<CallHeader>,
    /// The body, if there is one.
    pub body: Option<BodyTemplate>,
    /// Whether an answer means that the call may have had an effect, whatever its status; evaluated first.
    pub unknown: Option<Condition>,
    /// Which answers mean that the call was accepted, and is not done yet; evaluated second.
    pub pending: Option<PendingAnswer>,
    /// Whether an answer means that the call was refused; evaluated third.
    pub refused: Option<Condition>,
    /// Whether an answer means that there was nothing to undo; evaluated fourth.
    pub absent: Absent,
    /// Whether an answer means that the call had no effect and may be repeated; evaluated fifth.
    pub not_sent: Option<Condition>,
    /// Whether an answer means success; evaluated last. If given, no other answer is a success.
    pub ok: Option<Condition>,
    /// The part of a successful answer that is kept for later steps; `None`: nothing.
    pub output: Option<Template>,
    /// What it is made for: a probe or a poll that cannot be sent, or whose answer cannot be read, shows nothing about the
    /// step.
    pub role: Direction,
    /// The rules that its definition was checked with.
    pub format: Format,
}

/// Which answers mean that an action was accepted, and is not done yet.
#[derive(Debug)]
pub struct PendingAnswer {
    /// Whether an answer means that.
    pub when: Condition,
    /// The part of such an answer that its poll reads, as `.accepted`; `None`: nothing.
    pub accepted: Option<Template>,
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
        self.path.reads(name) || self.templates().any(|template| template.reads(name))
    }

    /// Adds every path that the request reads from the scope; see [`Template::paths`].
    pub fn paths(&self, found: &mut Vec<Vec<String>>) {
        self.path.paths(found);
        self.templates().for_each(|template| template.paths(found));
    }

    /// Whether a program in the request reads `name`, or may read it; see [`Template::computes_from`].
    pub fn computes_from(&self, name: &str) -> bool {
        self.path.computes_from(name) || self.templates().any(|template| template.computes_from(name))
    }

    /// What the request is made of, beside its path.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let headers = self.headers.iter().map(|header| &header.value);
        headers.chain(self.body.as_ref().map(BodyTemplate::template))
    }

    /// The headers for one request, beside the participant's.
    pub fn render_headers(&self, scope: &Scope<'_>) -> Result<Vec<(HeaderName, HeaderValue)>, EvalError> {
        // Most calls have none; then nothing is allocated.
        self.headers.iter().filter_map(|header| header.render(scope).transpose()).collect()
    }

    /// Whether it only asks about its step.
    pub fn asks(&self) -> bool {
        matches!(self.role, Direction::Probe | Direction::Poll)
    }

    /// Whether any expression about the answer reads its headers; if not, they need not be kept.
    pub fn reads_headers(&self) -> bool {
        let absent = match &self.absent {
            Absent::When(condition) => Some(condition),
            Absent::Never | Absent::ByStatus => None,
        };
        let pending = self.pending.as_ref().map(|pending| &pending.when);
        let accepted = self.pending.as_ref().and_then(|pending| pending.accepted.as_ref());
        let conditions = [&self.unknown, &self.refused, &self.not_sent, &self.ok];
        let mut conditions = conditions.into_iter().flatten().chain(absent).chain(pending);
        conditions.any(|condition| condition.reads("headers"))
            || [self.output.as_ref(), accepted]
                .into_iter()
                .flatten()
                .any(|template| template.reads("headers"))
    }
}
