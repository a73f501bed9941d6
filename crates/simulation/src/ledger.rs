//! Participants' own books: the only judges of what took effect.

use std::collections::BTreeMap;
use std::time::Duration;

use saga_core::saga::Request;
use saga_core::{Direction, Epoch, SagaId};
use tokio::time::Instant;

use crate::definition::{HORIZON, Spec, StepKind};

/// How long participants that forget remember all the same: calls that leave just before the promise ends are still on
/// their way, and clocks and leases are not exact.
const REMEMBERED: Duration = HORIZON.saturating_add(Duration::from_secs(8));

/// A participant's knowledge of one saga's step.
#[derive(Debug, Clone, Default)]
pub(crate) struct LedgerPage {
    /// Times that the action took effect, and that one was undone.
    pub(crate) applied: u32,
    pub(crate) undone: u32,
    /// The effect that is there.
    effect: Option<Effect>,
    /// The answers it remembers, if it promises to.
    action: Option<Stored>,
    compensation: Option<Stored>,
    /// An operator sees to it that it does not forget.
    pub(crate) is_kept: bool,
    /// An operator has undone it, which the orchestrator may not have heard yet.
    pub(crate) is_undone_by_hand: bool,
    /// The highest epoch seen; kept by barriers.
    epoch: Option<Epoch>,
    /// Calls that arrived, questions aside.
    pub(crate) touched: u32,
}

/// The effect of an action.
#[derive(Debug, Clone)]
struct Effect {
    body: String,
    output: String,
}

impl LedgerPage {
    /// Effects that are there now.
    pub(crate) fn open(&self) -> i64 {
        i64::from(self.applied) - i64::from(self.undone)
    }

    /// The answer of the action whose effect is there.
    pub(crate) fn output(&self) -> Option<&str> {
        self.effect.as_ref().map(|effect| &*effect.output)
    }

    /// Whether it still knows what its promise was about, when the step is about to be done or undone again: or there is
    /// nothing to know, as what is called again has not run.
    pub(crate) fn remembers(&self, kind: StepKind, is_undoing: bool) -> bool {
        match kind {
            StepKind::Barrier => self.action.is_some(),
            _ if is_undoing => self.compensation.is_some() || self.open() > 0,
            _ => self.action.is_some() || self.open() == 0,
        }
    }

    fn undo(&mut self) {
        self.undone += 1;
        self.effect = None;
    }
}

/// An answer, and what was asked under which key.
#[derive(Debug, Clone)]
struct Stored {
    key: String,
    body: String,
    answer: ParticipantAnswer,
    at: Instant,
}

/// A participant's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParticipantAnswer {
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
    pages: BTreeMap<(SagaId, Box<str>), LedgerPage>,
    answers: u64,
}

/// The result of a request.
pub(crate) struct Handled {
    pub(crate) answer: ParticipantAnswer,
    pub(crate) remark: Option<Remark>,
    /// A promise that the orchestrator broke, and how.
    pub(crate) violation: Option<(&'static str, String)>,
}

impl Handled {
    fn good(answer: ParticipantAnswer) -> Self {
        Self { answer, remark: None, violation: None }
    }
}

impl Ledger {
    pub(crate) fn page(&self, saga: SagaId, step: &str) -> LedgerPage {
        self.pages.get(&(saga, step.into())).cloned().unwrap_or_default()
    }

    fn page_mut(&mut self, saga: SagaId, step: &str) -> &mut LedgerPage {
        self.pages.entry((saga, step.into())).or_default()
    }

    /// An operator undoes the effect that is there, without the orchestrator.
    pub(crate) fn undo_by_hand(&mut self, saga: SagaId, step: &str) {
        let page = self.page_mut(saga, step);
        page.undo();
        page.is_undone_by_hand = true;
    }

    /// An operator sees to it that the participant remembers the order; or does so no longer, and its promise begins
    /// anew.
    pub(crate) fn keep(&mut self, saga: SagaId, step: &str, is_kept: bool) {
        let page = self.page_mut(saga, step);
        page.is_kept = is_kept;
        for stored in [&mut page.action, &mut page.compensation].into_iter().flatten() {
            stored.at = Instant::now();
        }
    }

    /// A participant forgets all that it promised to remember for so long only. Returns the facts that it has
    /// forgotten.
    pub(crate) fn forget(&mut self, spec: &Spec, saga: SagaId, step: &str) -> Vec<Remark> {
        let page = self.page_mut(saga, step);
        if !spec.forgets || page.is_kept {
            return Vec::new();
        }
        let is_old = |stored: &mut Stored| stored.at.elapsed() > REMEMBERED;
        let action = page.action.take_if(is_old).map(|_| "participant: has forgotten an action");
        let compensation =
            page.compensation.take_if(is_old).map(|_| "participant: has forgotten a compensation");
        action.into_iter().chain(compensation).collect()
    }

    /// Handles a request that came under `key`, as the participant of such a step does. `refuse`: it would rather not do
    /// what it is free to refuse.
    pub(crate) fn handle(&mut self, spec: &Spec, key: String, request: &Request, refuse: bool) -> Handled {
        self.answers += 1;
        let output = format!("{{\"x\":{}}}", self.answers);
        let kind = spec.kind;
        let body = request.body.as_ref().map(|body| body.text().to_owned()).unwrap_or_default();
        let page = self.page_mut(request.saga, &request.step);
        let stored = match request.direction {
            Direction::Action => &page.action,
            Direction::Compensation => &page.compensation,
            Direction::Probe if page.open() > 0 => return Handled::good(ParticipantAnswer::Ok(output)),
            Direction::Probe | Direction::Poll => return Handled::good(ParticipantAnswer::Absent),
        };
        page.touched += 1;
        if kind == StepKind::Read {
            return Handled::good(ParticipantAnswer::Ok(output));
        }
        if kind == StepKind::Barrier {
            if page.epoch.is_some_and(|seen| request.epoch < seen) {
                return Handled {
                    remark: Some("participant: stale epoch refused"),
                    ..Handled::good(ParticipantAnswer::Refused)
                };
            }
            page.epoch = Some(request.epoch);
        }
        if let (true, Some(Stored { body: known, answer, .. })) =
            (spec.has_keys(), stored.as_ref().filter(|stored| stored.key == key))
        {
            let violation =
                (*known != body).then(|| ("P3", format!("{key} means two requests: {known} and {body}")));
            return Handled {
                answer: answer.clone(),
                remark: Some("participant: answer repeated from memory"),
                violation,
            };
        }
        match request.direction {
            Direction::Action => page.act(kind, request, key, body, if refuse { None } else { Some(output) }),
            Direction::Compensation | Direction::Probe | Direction::Poll if refuse => Handled {
                remark: Some("participant: refused compensation"),
                ..Handled::good(ParticipantAnswer::Refused)
            },
            Direction::Compensation | Direction::Probe | Direction::Poll => {
                page.compensate(spec, request, key, body, output)
            }
        }
    }
}

impl LedgerPage {
    /// An action. Without an `output` it is refused.
    fn act(
        &mut self,
        kind: StepKind,
        request: &Request,
        key: String,
        body: String,
        output: Option<String>,
    ) -> Handled {
        if kind == StepKind::Barrier && self.compensation.is_some() {
            return Handled {
                remark: Some("participant: action after its compensation"),
                ..Handled::good(ParticipantAnswer::Refused)
            };
        }
        let answer = match output {
            Some(output) => {
                self.applied += 1;
                self.effect = Some(Effect { body: body.clone(), output: output.clone() });
                ParticipantAnswer::Ok(output)
            }
            None => ParticipantAnswer::Refused,
        };
        let remark = (answer == ParticipantAnswer::Refused).then_some("participant: refusal");
        self.action = Some(Stored { key, body, answer: answer.clone(), at: Instant::now() });
        let violation = (self.open() > 1)
            .then(|| ("P3", format!("{} of {} took effect twice", request.step, request.saga)));
        Handled { answer, remark, violation }
    }

    fn compensate(
        &mut self,
        spec: &Spec,
        request: &Request,
        key: String,
        body: String,
        output: String,
    ) -> Handled {
        let mut handled = Handled::good(ParticipantAnswer::Ok(output));
        let of = || format!("{} of {}", request.step, request.saga);
        let is_barrier = spec.kind == StepKind::Barrier;
        let has_run =
            self.action.as_ref().is_some_and(|action| matches!(action.answer, ParticipantAnswer::Ok(_)));
        match &self.effect {
            // It knows nothing of the action, undoes nothing, and says that it did.
            Some(_) if is_barrier && !has_run => {
                handled.violation = Some(("P1", format!("{} is undone where it is forgotten", of())));
            }
            Some(effect) if effect.body != body => {
                let told = format!("{}: {} was done, and {body} is undone", of(), effect.body);
                handled.violation = Some(("P1", told));
            }
            Some(_) => self.undo(),
            None if is_barrier && !has_run => handled.remark = Some("participant: compensation of nothing"),
            None => handled.violation = Some(("P3", format!("{} is undone though it is not there", of()))),
        }
        self.compensation = Some(Stored { key, body, answer: handled.answer.clone(), at: Instant::now() });
        handled
    }
}
