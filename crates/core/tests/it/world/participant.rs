//! What a step's participant does, and what it remembers: exactly what it promises, and no more.

use saga_core::reply::Verdict;
use saga_core::{Direction, Event, Json, Outcome};

use super::network::Message;
use super::{HORIZON, LIFE_MICROS, World};
use crate::support::Kind;

/// One step's participant, as its own books tell.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The actions that took effect and were not undone.
    pub(super) open: Vec<Stored>,
    /// The answers it remembers, if it promises to.
    pub(super) action: Option<Stored>,
    pub(super) compensation: Option<Stored>,
    /// Whether it was ever called, but for questions.
    pub(super) touched: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) body: String,
    pub(super) answer: Answer,
    pub(super) at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Ok(String),
    Refused,
}

impl World {
    /// A step's participant forgets what it promised to remember for so long only.
    pub(super) fn forget(&mut self, step: usize) {
        let kept = match self.specs[step].horizon {
            Some(_) => HORIZON.1 + 2 * LIFE_MICROS,
            None => return,
        };
        let now = self.micros;
        let is_old = |stored: &mut Stored| now - stored.at > kept;
        if self.ledgers[step].action.take_if(is_old).is_some() {
            self.hit("a participant has forgotten an action");
        }
        if self.ledgers[step].compensation.take_if(is_old).is_some() {
            self.hit("a participant has forgotten a compensation");
        }
    }

    /// What the participant does, keeping its promise and no more.
    pub(super) fn serve(&mut self, message: &Message) -> Verdict {
        let Message { call, body, doubled, .. } = message;
        let kind = self.specs[call.step].kind;
        self.forget(call.step);
        // Whoever answers 503 says that nothing was done, and that goes for the twin, too.
        if !self.kind && !doubled && self.dice.chance(self.unready) {
            self.hit("unready: 503");
            return Verdict::without_answer(Outcome::NotSent, "503");
        }
        let fails_before = !self.kind && self.dice.chance(self.failing);
        let fails_after = !self.kind && self.dice.chance(self.failing);
        let refuses = self.dice.chance(if self.kind { 2 } else { self.refusing });
        if fails_before {
            return Verdict::without_answer(Outcome::Unknown, "500 before");
        }
        self.answers += 1;
        let fresh = Answer::Ok(format!("{{\"x\":{}}}", self.answers));
        let at = self.micros;
        self.ledgers[call.step].touched |= call.direction != Direction::Probe;
        let remembers = matches!(kind, Kind::Idempotent | Kind::Barrier);
        let answer = match (kind, call.direction) {
            (Kind::Read, _) => fresh,
            (_, Direction::Action) => {
                let known = self.ledgers[call.step].action.clone().filter(|_| remembers);
                if let Some(known) = known {
                    if known.body != *body {
                        self.broken(&format!("one key, two requests: {} and {body}", known.body));
                    }
                    known.answer
                } else if kind == Kind::Barrier && self.ledgers[call.step].compensation.is_some() {
                    self.hit("an action arrives after its compensation");
                    Answer::Refused
                } else {
                    let answer = if refuses { Answer::Refused } else { fresh };
                    match answer {
                        Answer::Refused => self.hit("a refusal"),
                        Answer::Ok(_) => {
                            let done = Stored { body: body.clone(), answer: answer.clone(), at };
                            self.ledgers[call.step].open.push(done);
                        }
                    }
                    self.ledgers[call.step].action =
                        Some(Stored { body: body.clone(), answer: answer.clone(), at });
                    answer
                }
            }
            (_, Direction::Probe) => {
                let effect = self.ledgers[call.step].open.first().map(|done| done.answer.clone());
                let undoes = self.is_undoing(call.step);
                self.hit(match (&effect, undoes) {
                    (Some(_), false) => "a question about an action finds its effect",
                    (None, false) => "a question about an action finds nothing",
                    (None, true) => "a question about a compensation finds nothing left",
                    (Some(_), true) => "a question about a compensation finds the effect still there",
                });
                effect.unwrap_or(Answer::Refused)
            }
            (_, Direction::Compensation) => {
                let ledger = &mut self.ledgers[call.step];
                let known = ledger.compensation.clone().filter(|_| remembers);
                let ran = ledger.action.as_ref().is_some_and(|action| matches!(action.answer, Answer::Ok(_)));
                if let Some(known) = known {
                    if known.body != *body {
                        self.broken(&format!("one key, two requests: {} and {body}", known.body));
                    }
                } else {
                    ledger.compensation = Some(Stored { body: body.clone(), answer: fresh.clone(), at });
                    match ledger.open.pop() {
                        Some(done) if done.body != *body => {
                            self.broken(&format!("P1: {} was done, and {body} is undone", done.body));
                        }
                        Some(_) => {}
                        None if kind == Kind::Barrier && !ran => self.hit("a compensation of nothing"),
                        None => self.broken("P3: undone what was not there"),
                    }
                }
                fresh
            }
        };
        if fails_after {
            return Verdict::without_answer(Outcome::Unknown, "500 after");
        }
        match answer {
            Answer::Ok(output) => Verdict {
                outcome: Outcome::Ok,
                absent: false,
                not_accepted: false,
                status: Some(200),
                reason: None,
                output: Some(Json::parse(output.as_bytes()).expect("JSON")),
                retry_after: None,
            },
            Answer::Refused => Verdict::without_answer(Outcome::Refused, "no"),
        }
    }

    pub(super) fn is_undoing(&self, step: usize) -> bool {
        self.history.iter().any(|record| {
            matches!(record.event, Event::AttemptStarted { step: s, direction: Direction::Compensation, .. } if s == step)
        })
    }
}
