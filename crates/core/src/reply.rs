//! What a participant's answer means: the one place where HTTP becomes an [`Outcome`].

use std::time::Duration;

use jaq_json::Val;

use crate::definition::{Call, EvalError, Interpreted, Scope};
use crate::event::Outcome;
use crate::json::{Json, Picked, pick};

/// A reason that is longer, in bytes, is cut.
pub const REASON_BYTES_MAX: usize = 300;

/// What came back from a call, or why nothing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A whole HTTP answer.
    Answered(Answer),
    /// The request certainly never reached the participant, such as a refused connection.
    NotSent {
        /// For people.
        reason: String,
    },
    /// The request could not even be built from what the saga knows; trying again would end alike.
    Impossible {
        /// For people.
        reason: String,
    },
    /// The request may have arrived, but no whole answer came: timeout, reset, too large, unreadable.
    Lost {
        /// For people.
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
    /// What `Retry-After` asked for, as a wait from now.
    pub retry_after: Option<Duration>,
}

/// What a reply means for the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is known of the effect.
    pub outcome: Outcome,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Why it is not `ok`.
    pub reason: Option<Box<str>>,
    /// What is kept of the answer.
    pub output: Option<Json>,
    /// The wait that the participant asked for.
    pub retry_after: Option<Duration>,
    /// Of a compensation that is `ok`: the answer says that there was nothing to undo.
    pub absent: bool,
}

impl Verdict {
    /// A verdict with no answer behind it.
    pub fn without_answer(outcome: Outcome, reason: &str) -> Self {
        Self {
            outcome,
            status: None,
            reason: Some(cut(reason)),
            output: None,
            retry_after: None,
            absent: false,
        }
    }
}

/// Reads `reply` as the definition of `call` says.
///
/// Where the definition does not say otherwise: 200, 201 and 204 are `ok`; 429 and 503 did not run; every other
/// 4xx is a refusal; anything else is unknown, 202 and redirects included (the work is not known to be done).
/// Of a probe, 404 and 410 alone are a refusal: "its effect is not there" is not what 401 says.
pub fn verdict(call: &Call, reply: &Reply) -> Verdict {
    match reply {
        Reply::NotSent { reason } => Verdict::without_answer(Outcome::NotSent, reason),
        // "Refused" to a probe would mean that the step has no effect.
        Reply::Impossible { reason } if call.is_probe => Verdict::without_answer(Outcome::Unknown, reason),
        Reply::Impossible { reason } => Verdict::without_answer(Outcome::Refused, reason),
        Reply::Lost { reason } => Verdict::without_answer(Outcome::Unknown, reason),
        Reply::Answered(answer) => match judge(call, answer) {
            Ok((outcome, output)) => Verdict {
                outcome,
                status: Some(answer.status),
                reason: (outcome != Outcome::Ok).then(|| reason(answer)),
                output,
                retry_after: answer.retry_after,
                absent: false,
            },
            Err((outcome, error)) => Verdict {
                outcome,
                status: Some(answer.status),
                reason: Some(cut(&format!("unreadable answer: {error}"))),
                output: None,
                retry_after: None,
                absent: false,
            },
        },
    }
}

fn judge(call: &Call, answer: &Answer) -> Result<(Outcome, Option<Json>), (Outcome, EvalError)> {
    let unknown = |error| (Outcome::Unknown, error);
    let holds = |condition: &Option<Interpreted>| match condition {
        Some(condition) => truth(condition, answer).map(Some).map_err(unknown),
        None => Ok(None),
    };
    let outcome = if holds(&call.refused)? == Some(true) {
        Outcome::Refused
    } else if holds(&call.not_sent)? == Some(true) {
        Outcome::NotSent
    } else {
        match (holds(&call.ok)?, answer.status) {
            (Some(true), _) => Outcome::Ok,
            (None, 200 | 201 | 204) => Outcome::Ok,
            (_, 429 | 503) => Outcome::NotSent,
            (_, 404 | 410) => Outcome::Refused,
            (_, 400..=499) if !call.is_probe => Outcome::Refused,
            _ => Outcome::Unknown,
        }
    };
    match (&call.output, outcome) {
        (Some(output), Outcome::Ok) => {
            let scope = scope(answer, true).map_err(unknown)?;
            match output.render(&scope) {
                Ok(output) => Ok((outcome, Some(output))),
                // A read has no effect that could be unknown, and asking again gives the same content.
                Err(error) if call.method.is_safe() && !call.is_probe => Err((Outcome::Refused, error)),
                Err(error) => Err(unknown(error)),
            }
        }
        _ => Ok((outcome, None)),
    }
}

fn truth(condition: &Interpreted, answer: &Answer) -> Result<bool, EvalError> {
    // A body that is no JSON is a string here: what a proxy says in HTML can be told apart by its status.
    let value = condition.run(&scope(answer, false)?)?;
    Ok(!matches!(value, Val::Null | Val::Bool(false)))
}

/// The names that expressions about an answer read. With `strict`, the body must be JSON.
fn scope(answer: &Answer, strict: bool) -> Result<Scope<'_>, EvalError> {
    let json = |value: serde_json::Result<String>| value.map_err(|error| EvalError(error.to_string()));
    let body = match Json::parse(&answer.body) {
        Ok(_) => String::from_utf8_lossy(&answer.body),
        Err(_) if answer.body.is_empty() => "null".into(),
        Err(error) if strict => return Err(EvalError(format!("the body is not JSON: {error}"))),
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
    if text.len() <= REASON_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(REASON_BYTES_MAX - '…'.len_utf8());
    format!("{}…", &text[..end]).into()
}
