//! Participants' own books: the only judges of what took effect.

use std::collections::BTreeMap;

use saga_core::saga::Request;
use saga_core::{Direction, Epoch, SagaId};

use crate::definition::Kind;

/// What a participant knows of one saga's step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Times that the action took effect, and that one was undone.
    pub(crate) applied: u32,
    pub(crate) undone: u32,
    /// The answers it remembers, if it promises to.
    action: Option<Stored>,
    compensation: Option<Stored>,
    /// The highest epoch seen; kept by barriers.
    epoch: Option<Epoch>,
    /// Requests that arrived, for the checkers.
    pub(crate) arrived: u32,
}

impl Page {
    /// Effects that are there now.
    pub(crate) fn open(&self) -> i64 {
        i64::from(self.applied) - i64::from(self.undone)
    }
}

/// An answer, and what was asked under which key.
#[derive(Debug, Clone)]
struct Stored {
    key: String,
    body: String,
    answer: Answer,
}

/// What a participant answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Ok(String),
    Refused,
    /// A probe's "it is not there".
    Absent,
}

/// Something worth counting that a participant did.
pub(crate) type Remark = &'static str;

/// All participants' books.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pages: BTreeMap<(SagaId, Box<str>), Page>,
    answers: u64,
}

/// What came of a request.
pub(crate) struct Handled {
    pub(crate) answer: Answer,
    pub(crate) remark: Option<Remark>,
    /// A promise that the orchestrator broke.
    pub(crate) violation: Option<String>,
}

impl Ledger {
    pub(crate) fn page(&self, saga: SagaId, step: &str) -> Page {
        self.pages.get(&(saga, step.into())).cloned().unwrap_or_default()
    }

    /// Handles a request that came under `key`, as a participant of this kind does. `refuse`: it would rather not do what
    /// it is free to refuse.
    pub(crate) fn handle(&mut self, kind: Kind, key: String, request: &Request, refuse: bool) -> Handled {
        self.answers += 1;
        let fresh = Answer::Ok(format!("{{\"x\":{}}}", self.answers));
        let body = request.body.as_ref().map(|body| body.text().to_owned()).unwrap_or_default();
        let page = self.pages.entry((request.saga, (*request.step).into())).or_default();
        page.arrived += 1;
        let good = |answer| Handled { answer, remark: None, violation: None };
        let remembers = matches!(kind, Kind::Idempotent | Kind::Barrier);
        let stored = match request.direction {
            Direction::Action => &page.action,
            Direction::Compensation => &page.compensation,
            Direction::Probe => {
                let is_there = page.open() > 0;
                let (answer, remark) = if is_there {
                    (fresh, "probe: the effect is there")
                } else {
                    (Answer::Absent, "probe: it is not")
                };
                return Handled { remark: Some(remark), ..good(answer) };
            }
        };
        if kind == Kind::Read {
            return good(fresh);
        }
        if kind == Kind::Barrier {
            if page.epoch.is_some_and(|seen| request.epoch < seen) {
                return Handled { remark: Some("participant: stale epoch refused"), ..good(Answer::Refused) };
            }
            page.epoch = Some(request.epoch);
        }
        if let (true, Some(Stored { body: known, answer, .. })) =
            (remembers, stored.as_ref().filter(|stored| stored.key == key))
        {
            let violation = (*known != body).then(|| format!("{key} means two requests: {known} and {body}"));
            return Handled {
                answer: answer.clone(),
                remark: Some("participant: answer repeated from memory"),
                violation,
            };
        }
        match request.direction {
            Direction::Action => {
                if kind == Kind::Barrier && page.compensation.is_some() {
                    return Handled {
                        remark: Some("participant: action after its compensation"),
                        ..good(Answer::Refused)
                    };
                }
                let answer = if refuse { Answer::Refused } else { fresh };
                if matches!(answer, Answer::Ok(_)) {
                    page.applied += 1;
                }
                page.action = Some(Stored { key, body, answer: answer.clone() });
                let remark = refuse.then_some("participant: refusal");
                let violation = (page.open() > 1)
                    .then(|| format!("{} of {} took effect twice", request.step, request.saga));
                Handled { answer, remark, violation }
            }
            Direction::Compensation if refuse => {
                Handled { remark: Some("participant: refused compensation"), ..good(Answer::Refused) }
            }
            Direction::Compensation => {
                let is_null = page.open() <= 0;
                let mut handled = good(fresh.clone());
                match (is_null, kind) {
                    (true, Kind::Barrier) => handled.remark = Some("participant: compensation of nothing"),
                    (true, _) => {
                        handled.violation = Some(format!(
                            "{} of {} is undone though it is not there",
                            request.step, request.saga
                        ));
                    }
                    (false, _) => {}
                }
                if !is_null {
                    page.undone += 1;
                }
                page.compensation = Some(Stored { key, body, answer: fresh });
                handled
            }
            Direction::Probe => good(fresh),
        }
    }
}
