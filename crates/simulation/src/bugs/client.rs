//! A client's reading of participants' answers, and the key that it calls them under.

use saga_core::Direction;
use saga_core::reply::{Answer, Reply};
use saga_core::saga::Request;

use super::{Bug, Lies};

/// The participant did what it was asked.
const DONE: u16 = 200;
/// It does later what it was asked.
const ACCEPTED: u16 = 202;
/// It says that there is no such thing.
const ABSENT: u16 = 404;
/// It refused.
const REFUSED: u16 = 409;
/// It may or may not have done it.
const FAILED: u16 = 500;

impl Lies {
    /// The reply that the engine gets about a call that came to this end.
    pub(crate) fn heard(self, direction: Direction, reply: Reply) -> Reply {
        let status = match &reply {
            Reply::Answered(answer) => Some(answer.status),
            _ => None,
        };
        let is_unknown = matches!(reply, Reply::Lost { .. }) || status == Some(FAILED);
        let is_silence = is_unknown || matches!(reply, Reply::NotSent { .. });
        let believed = match (self.0, direction) {
            (Some(Bug::AcceptedIsDone), Direction::Action) if status == Some(ACCEPTED) => DONE,
            (Some(Bug::PendingIsRefused), Direction::Poll) if status == Some(ACCEPTED) => {
                let body = br#"{"no":true}"#.to_vec();
                return Reply::Answered(Answer { status: DONE, body, ..Answer::default() });
            }
            (Some(Bug::UnknownIsRefused), Direction::Action) if is_unknown => REFUSED,
            (Some(Bug::SilenceIsAbsence), Direction::Probe) if is_silence => ABSENT,
            (Some(Bug::RefusedCompensationIsDone), Direction::Compensation) if status == Some(REFUSED) => {
                DONE
            }
            (Some(Bug::AbsentIsUndone), Direction::Compensation) if status == Some(ABSENT) => DONE,
            _ => return reply,
        };
        Reply::Answered(Answer { status: believed, ..Answer::default() })
    }

    /// The key that a request comes with.
    pub(crate) fn key_of_request(self, request: &Request) -> String {
        let mut key = request.idempotency_key();
        if self.has(Bug::KeyForEachAttempt) {
            key.push_str(&format!(":{}", request.attempt.get()));
        }
        key
    }
}
