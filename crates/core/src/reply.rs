//! The meaning of a participant's answer: the one place where HTTP becomes an [`Outcome`].

use std::time::Duration;

use crate::definition::{Absent, Call, Condition, EvalError, Format, Scope, Template};
use crate::direction::Direction;
use crate::event::Outcome;
use crate::json::{Json, Picked, pick};
use crate::printable::printable;

/// A reason that is longer, in bytes, is cut. Its characters that are not printable are replaced.
pub const REASON_BYTES_MAX: usize = 300;

/// The reply to a call, or the reason for which there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A whole HTTP answer.
    Answered(Answer),
    /// The request certainly never reached the participant, such as a refused connection.
    NotSent {
        /// The reason, as a text for operators.
        reason: String,
    },
    /// The request could not even be built from what the saga knows; trying again would end alike.
    Impossible {
        /// The reason, as a text for operators.
        reason: String,
    },
    /// The request may have arrived, but no whole answer came: timeout, reset, too large, unreadable.
    Lost {
        /// The reason, as a text for operators.
        reason: String,
    },
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case. May be left empty where the call does not read them ([`Call::reads_headers`]).
    pub headers: Vec<(String, String)>,
    /// The body, of any kind.
    pub body: Vec<u8>,
    /// The wait from now on that `Retry-After` asked for.
    pub retry_after: Option<Duration>,
}

/// The meaning of a reply for its step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The outcome: what the reply shows about the effect.
    pub outcome: Outcome,
    /// Of a compensation whose outcome is `ok`: there was nothing to undo.
    pub absent: bool,
    /// Of an outcome that is `not_sent`: the service does not accept our calls, which says nothing about the order.
    pub not_accepted: bool,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Why it is not `ok`, or how it is known that there was nothing to undo.
    pub reason: Option<Box<str>>,
    /// The output: the part of the answer that is kept.
    pub output: Option<Json>,
    /// The wait that the participant asked for.
    pub retry_after: Option<Duration>,
}

impl Verdict {
    /// A verdict with no answer behind it.
    pub fn without_answer(outcome: Outcome, reason: &str) -> Self {
        Self {
            outcome,
            absent: false,
            not_accepted: false,
            status: None,
            reason: Some(cut(reason)),
            output: None,
            retry_after: None,
        }
    }
}

/// Statuses that say that our calls are not accepted (a wrong key, path, method or form), and nothing about the order:
/// nothing was done, and the call may be repeated once an operator has corrected its cause. 403 is not one of them:
/// services say it of an order, too.
const NOT_ACCEPTED: [u16; 8] = [401, 405, 406, 407, 415, 421, 426, 501];

/// The meaning of an answer, by the first rule that fits.
enum AnswerMeaning {
    Ok,
    Accepted,
    Absent,
    Refused,
    NotSent,
    NotAccepted,
    Unknown,
}

/// An answer that cannot be read: what is known of its effect all the same, and why.
struct UnreadableAnswer(Outcome, EvalError);

/// Reads `reply` as the definition of `call` says.
///
/// Where the definition does not say otherwise: 200, 201 and 204 are `ok`; 429 and 503 did not run, nor did what was
/// not accepted (401, 405, 406, 407, 415, 421, 426, 501); 404 and 410 say of a compensation that there was nothing to
/// undo; every other 4xx is a refusal; anything else is unknown, 202 and redirects included (the work is not known to
/// be done). Of a probe, 404 and 410 alone are a refusal: "its effect is not there" is not what 403 says. Of a poll, only
/// `refused` refuses and only `ok`, or else 200, succeeds; with any other 2xx the action is still not done.
pub fn verdict(call: &Call, reply: &Reply) -> Verdict {
    let answer = match reply {
        // "Refused" to a probe or a poll would mean that the step has no effect.
        Reply::Impossible { reason } if call.asks() => {
            return Verdict::without_answer(Outcome::Unknown, reason);
        }
        Reply::NotSent { reason } => return Verdict::without_answer(Outcome::NotSent, reason),
        Reply::Impossible { reason } => return Verdict::without_answer(Outcome::Refused, reason),
        Reply::Lost { reason } => return Verdict::without_answer(Outcome::Unknown, reason),
        Reply::Answered(answer) => answer,
    };
    let read = judge(call, answer).and_then(|meaning| {
        let kept = |template: &Template, format: Option<Format>| {
            scope(answer, format).and_then(|scope| template.render(&scope))
        };
        let output = match &meaning {
            AnswerMeaning::Ok => call
                .output
                .as_ref()
                .map(|output| kept(output, Some(call.format)).map_err(|error| unreadable(call, true, error)))
                .transpose()?,
            AnswerMeaning::Accepted => {
                let accepted = call.pending.as_ref().and_then(|pending| pending.accepted.as_ref());
                // Where the address alone is followed, the body may be anything.
                let format = accepted.filter(|accepted| accepted.reads("body")).map(|_| call.format);
                let unknown = |error| UnreadableAnswer(Outcome::Unknown, error);
                accepted.map(|accepted| kept(accepted, format).map_err(unknown)).transpose()?
            }
            _ => None,
        };
        Ok((meaning, output))
    });
    match read {
        Ok((meaning, output)) => Verdict {
            outcome: match meaning {
                AnswerMeaning::Ok | AnswerMeaning::Absent => Outcome::Ok,
                AnswerMeaning::Accepted => Outcome::Accepted,
                AnswerMeaning::Refused => Outcome::Refused,
                AnswerMeaning::NotSent | AnswerMeaning::NotAccepted => Outcome::NotSent,
                AnswerMeaning::Unknown => Outcome::Unknown,
            },
            absent: matches!(meaning, AnswerMeaning::Absent),
            not_accepted: matches!(meaning, AnswerMeaning::NotAccepted),
            status: Some(answer.status),
            reason: match meaning {
                AnswerMeaning::Ok | AnswerMeaning::Accepted => None,
                AnswerMeaning::NotAccepted => Some(cut(&format!(
                    "HTTP {}: the service does not accept our calls: {}",
                    answer.status,
                    reason(answer)
                ))),
                AnswerMeaning::Absent
                | AnswerMeaning::Refused
                | AnswerMeaning::NotSent
                | AnswerMeaning::Unknown => Some(reason(answer)),
            },
            output,
            retry_after: answer.retry_after,
        },
        Err(UnreadableAnswer(outcome, error)) => Verdict {
            status: Some(answer.status),
            ..Verdict::without_answer(outcome, &format!("unreadable answer: {error}"))
        },
    }
}

/// The meaning of an answer, without its output.
fn judge(call: &Call, answer: &Answer) -> Result<AnswerMeaning, UnreadableAnswer> {
    let holds = |condition: &Condition| {
        // A body that is no JSON is a string here: what a proxy says in HTML can be told apart by its status.
        scope(answer, None).and_then(|scope| condition.holds(&scope)).map_err(|error| match call.format {
            Format::One => UnreadableAnswer(Outcome::Unknown, error),
            Format::Two => unreadable(call, (200..300).contains(&answer.status), error),
        })
    };
    let asked = |condition: &Option<Condition>| condition.as_ref().map(holds).transpose();
    let is_gone = matches!(answer.status, 404 | 410);
    let is_absent = match &call.absent {
        Absent::Never | Absent::ByStatus => None,
        Absent::When(condition) => Some(condition),
    };
    if asked(&call.unknown)? == Some(true) {
        return Ok(AnswerMeaning::Unknown);
    }
    if call.pending.as_ref().map(|pending| holds(&pending.when)).transpose()? == Some(true) {
        return Ok(AnswerMeaning::Accepted);
    }
    if asked(&call.refused)? == Some(true) {
        return Ok(AnswerMeaning::Refused);
    }
    // A poll is asked again unless its answer says one or the other.
    if call.role == Direction::Poll {
        return Ok(match (asked(&call.ok)?, answer.status) {
            (Some(true), _) | (None, 200) => AnswerMeaning::Ok,
            (_, 200..300) => AnswerMeaning::Accepted,
            _ => AnswerMeaning::Unknown,
        });
    }
    if is_absent.map(holds).transpose()? == Some(true) || (is_gone && matches!(call.absent, Absent::ByStatus))
    {
        return Ok(AnswerMeaning::Absent);
    }
    if asked(&call.not_sent)? == Some(true) {
        return Ok(AnswerMeaning::NotSent);
    }
    Ok(match (asked(&call.ok)?, answer.status) {
        (Some(true), _) | (None, 200 | 201 | 204) => AnswerMeaning::Ok,
        (_, 429 | 503) => AnswerMeaning::NotSent,
        (_, status) if call.format >= Format::Two && NOT_ACCEPTED.contains(&status) => {
            AnswerMeaning::NotAccepted
        }
        (_, 404 | 410) => AnswerMeaning::Refused,
        (_, 400..=499) if !call.asks() => AnswerMeaning::Refused,
        _ => AnswerMeaning::Unknown,
    })
}

/// The outcome of a call whose answer cannot be read. A read has no effect that could be unknown, and asking again
/// gives the same content; what comes with another status than a success may be a proxy's words, and is asked for
/// again.
fn unreadable(call: &Call, is_a_success: bool, error: EvalError) -> UnreadableAnswer {
    let is_final = call.method.is_safe() && !call.asks() && is_a_success;
    UnreadableAnswer(if is_final { Outcome::Refused } else { Outcome::Unknown }, error)
}

/// The names that expressions about an answer read. For an output, the body must be JSON, as its definition's format has
/// it.
fn scope(answer: &Answer, output: Option<Format>) -> Result<Scope<'_>, EvalError> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| EvalError(error.to_string()));
    let parsed = match output {
        // Which of two members of one name counts, another reader may see otherwise.
        Some(Format::Two) => Json::parse_unambiguous(&answer.body),
        Some(Format::One) | None => Json::parse(&answer.body),
    };
    let body = match parsed {
        Ok(_) => String::from_utf8_lossy(&answer.body),
        Err(_) if answer.body.is_empty() => "null".into(),
        Err(error) if output.is_some() => return Err(EvalError(format!("the body is not JSON: {error}"))),
        Err(_) => json(serde_json::to_string(&String::from_utf8_lossy(&answer.body)))?.into(),
    };
    let headers = if answer.headers.is_empty() {
        "{}".to_owned()
    } else {
        let headers: std::collections::BTreeMap<_, _> =
            answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        json(serde_json::to_string(&headers))?
    };
    Ok(Scope::default().with("status", answer.status.to_string()).with("headers", headers).with("body", body))
}

/// The names that an expression about an answer reads which has to be JSON.
pub(crate) fn output_scope(answer: &Answer) -> Result<Scope<'_>, EvalError> {
    scope(answer, Some(Format::CURRENT))
}

/// The participant's own words: the `detail` of an error body, or the like, or the body's beginning.
fn reason(answer: &Answer) -> Box<str> {
    let text = String::from_utf8_lossy(&answer.body);
    for key in ["detail", "message", "error", "title"] {
        if let Picked::Value(json) = pick(&text, &[key.into()]) {
            return match serde_json::from_str::<String>(json) {
                Ok(words) => cut(&words),
                Err(_) => cut(json),
            };
        }
    }
    match text.trim() {
        "" => format!("HTTP {}", answer.status).into(),
        text => cut(text),
    }
}

fn cut(text: &str) -> Box<str> {
    printable(text, REASON_BYTES_MAX)
}
