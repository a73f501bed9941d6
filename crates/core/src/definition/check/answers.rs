//! The meaning of a call's answer: its conditions, which are true or false.

use http::Method;

use super::super::yaml::{CallIn, Spanned};
use super::super::{Absent, Condition, Format, PendingAnswer, Scope};
use super::{Checker, line};
use crate::direction::Direction;

/// A call's conditions, in the order of their evaluation.
pub(super) struct Answers {
    pub(super) unknown: Option<Condition>,
    pub(super) pending: Option<PendingAnswer>,
    pub(super) refused: Option<Condition>,
    pub(super) absent: Absent,
    pub(super) not_sent: Option<Condition>,
    pub(super) ok: Option<Condition>,
}

/// Whether an expression about an answer may read `name`.
pub(super) fn is_of_an_answer(name: &str) -> bool {
    matches!(name, "status" | "headers" | "body")
}

impl Checker<'_> {
    pub(super) fn answers(&mut self, call: &CallIn, method: &Method, role: Direction) -> Answers {
        if let Some(unknown) = call.unknown.as_ref().filter(|_| method.is_safe()) {
            let message = "a get changes nothing, so its outcome cannot be unknown; remove `unknown`, or say `not_sent` \
                           of answers after which it is to be asked again";
            self.mistake(line(unknown), message);
        }
        let answers = Answers {
            unknown: self.condition(call.unknown.as_ref()),
            pending: self.pending(call, method, role),
            refused: self.condition(call.refused.as_ref()),
            absent: self.absent(call, role),
            not_sent: self.condition(call.not_sent.as_ref()),
            ok: self.condition(call.ok.as_ref()),
        };
        if let (Direction::Compensation, Some(given), Some(ok)) = (role, &call.ok, &answers.ok) {
            self.accepts_absence(given, ok, call.absent.is_some());
        }
        answers
    }

    /// Which answers mean that the action was accepted. The part of them that a poll reads is found with the poll.
    fn pending(&mut self, call: &CallIn, method: &Method, role: Direction) -> Option<PendingAnswer> {
        let given = call.pending.as_ref()?;
        let why_not = match role {
            Direction::Action if method.is_safe() => {
                Some("a get changes nothing, so there is nothing that could be accepted; remove `pending`")
            }
            Direction::Action => None,
            Direction::Compensation | Direction::Probe | Direction::Poll => {
                Some("only an action can be accepted and done later; remove `pending`")
            }
        };
        if let Some(why) = why_not {
            self.mistake(line(given), why);
        }
        self.condition(Some(given)).map(|when| PendingAnswer { when, accepted: None })
    }

    fn absent(&mut self, call: &CallIn, role: Direction) -> Absent {
        match (&call.absent, role) {
            (Some(given), Direction::Action | Direction::Probe | Direction::Poll) => {
                let message = "only a compensation can find that there is nothing to undo; remove `absent`, or say \
                               `refused` of answers that mean that nothing was done";
                self.mistake(line(given), message);
                Absent::Never
            }
            (None, Direction::Action | Direction::Probe | Direction::Poll) => Absent::Never,
            (Some(given), Direction::Compensation) => {
                self.condition(Some(given)).map_or(Absent::Never, Absent::When)
            }
            // Before `absent` existed, these statuses refused a compensation.
            (None, Direction::Compensation) if self.format == Format::One => Absent::Never,
            (None, Direction::Compensation) => Absent::ByStatus,
        }
    }

    fn condition(&mut self, given: Option<&Spanned<String>>) -> Option<Condition> {
        let given = given?;
        self.answer_readable(&given.value, line(given), &is_of_an_answer);
        let condition = self.syntax(line(given), &given.value, Condition::compile(&given.value, self.format));
        if let Some(why) = Condition::never_holds(&given.value) {
            self.mistake_since_two(line(given), why);
        }
        condition
    }

    /// A wrong path gives a 404 as well. If that were a success, a typo in a compensation would leave its step done.
    fn accepts_absence(&mut self, given: &Spanned<String>, ok: &Condition, has_absent: bool) {
        let accepted = [404, 410].into_iter().find(|status: &u16| {
            let answer = Scope::default()
                .with("status", status.to_string())
                .with("headers", "{}")
                .with("body", "null");
            ok.holds(&answer) == Ok(true)
        });
        let Some(status) = accepted else { return };
        if has_absent {
            let message = format!(
                "`ok` holds for a {status}, where `absent` does not: a wrong path would count as undone; leave it to `absent`"
            );
            self.warning(line(given), message);
        } else {
            self.mistake_since_two(
                line(given),
                format!(
                    "`ok` holds for a {status}, so a wrong path would count as undone; leave {status} out of it: without a \
                     word, 404 and 410 mean that there was nothing to undo, and `absent` says which answers mean it instead"
                ),
            );
        }
    }
}
