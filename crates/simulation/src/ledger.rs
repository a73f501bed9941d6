//! Participants' own books: the only judges of what took effect.

use std::collections::BTreeMap;
use std::time::Duration;

use saga_core::saga::Request;
use saga_core::{Direction, Epoch, SagaId};
use tokio::time::Instant;

use crate::definition::{CallSpec, HORIZON, StepKind};

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
    /// The action that was accepted.
    job: Option<Job>,
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

/// An action that was accepted first.
#[derive(Debug, Clone)]
enum Job {
    /// It is done later, if ever.
    Pending { body: String, output: String, refuses: bool },
    /// It took effect, with this output.
    Done(String),
    /// It has no effect, and never will.
    Refused,
}

/// The way in which a participant takes an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActionManner {
    /// It does it.
    AtOnce,
    /// It refuses what it is free to refuse.
    Refuses,
    /// It accepts it, and does it, or refuses it after all, once so much time has passed.
    Later { after: Duration, refuses: bool },
}

impl LedgerPage {
    /// Whether an action was accepted and is not done yet.
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.job, Some(Job::Pending { .. }))
    }

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
    /// A question's "it is not there".
    Absent,
    /// It is accepted, and not done yet.
    Accepted,
    /// It cannot be said yet.
    NotYet,
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
    /// An action that was accepted is to be carried out after so long.
    pub(crate) carry_out: Option<Duration>,
}

impl Handled {
    fn good(answer: ParticipantAnswer) -> Self {
        Self { answer, remark: None, violation: None, carry_out: None }
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
    pub(crate) fn forget(&mut self, spec: &CallSpec, saga: SagaId, step: &str) -> Vec<Remark> {
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

    /// Handles a request that came under `key`, as the participant of such a step does.
    pub(crate) fn handle(
        &mut self,
        spec: &CallSpec,
        key: String,
        request: &Request,
        manner: ActionManner,
    ) -> Handled {
        self.answers += 1;
        let output = format!("{{\"x\":{}}}", self.answers);
        let kind = spec.kind;
        let body = request.body.as_ref().map(|body| body.text().to_owned()).unwrap_or_default();
        let page = self.page_mut(request.saga, &request.step);
        let stored = match request.direction {
            Direction::Action => &page.action,
            Direction::Compensation => &page.compensation,
            Direction::Probe => return Handled::good(page.probed(output)),
            Direction::Poll => return Handled::good(page.polled()),
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
        // A barrier's stored success is untrue once the action is undone; a stored refusal stays true.
        let is_untrue = kind == StepKind::Barrier
            && request.direction == Direction::Action
            && page.compensation.is_some()
            && stored.as_ref().is_some_and(|stored| stored.answer != ParticipantAnswer::Refused);
        if let (true, Some(Stored { body: known, answer, .. })) =
            (kind.has_keys() && !is_untrue, stored.as_ref().filter(|stored| stored.key == key))
        {
            let violation =
                (*known != body).then(|| ("P3", format!("{key} means two requests: {known} and {body}")));
            return Handled {
                remark: Some("participant: answer repeated from memory"),
                violation,
                ..Handled::good(answer.clone())
            };
        }
        match request.direction {
            Direction::Action => page.act(spec, request, Asked { key, body }, output, manner),
            Direction::Compensation | Direction::Probe | Direction::Poll
                if manner == ActionManner::Refuses =>
            {
                Handled {
                    remark: Some("participant: refused compensation"),
                    ..Handled::good(ParticipantAnswer::Refused)
                }
            }
            Direction::Compensation | Direction::Probe | Direction::Poll => {
                page.compensate(spec, request, Asked { key, body }, output)
            }
        }
    }

    /// The time has come for an action that was accepted. The end of it, unless it was undone meanwhile: whether it took effect, and its
    /// output.
    pub(crate) fn carry_out(&mut self, spec: &CallSpec, saga: SagaId, step: &str) -> Option<JobEnd> {
        let page = self.page_mut(saga, step);
        let pending = page.job.take_if(|job| matches!(job, Job::Pending { .. }));
        let Some(Job::Pending { body, output, refuses }) = pending else { return None };
        let (job, answer) = match refuses {
            true => (Job::Refused, ParticipantAnswer::Refused),
            false => (Job::Done(output.clone()), ParticipantAnswer::Ok(output.clone())),
        };
        page.job = Some(job);
        if let Some(stored) = &mut page.action {
            stored.answer = answer;
        }
        if refuses {
            page.action.take_if(|_| spec.relents);
            return Some(JobEnd::Refused);
        }
        page.applied += 1;
        page.effect = Some(Effect { body, output: output.clone() });
        Some(JobEnd::Done { output, is_doubled: page.open() > 1 })
    }
}

/// The end of an accepted action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobEnd {
    Done { output: String, is_doubled: bool },
    Refused,
}

/// The request of a call, and its key.
struct Asked {
    key: String,
    body: String,
}

impl LedgerPage {
    fn probed(&self, output: String) -> ParticipantAnswer {
        match self.job {
            Some(Job::Pending { .. }) => ParticipantAnswer::NotYet,
            _ if self.open() > 0 => ParticipantAnswer::Ok(output),
            _ => ParticipantAnswer::Absent,
        }
    }

    fn polled(&self) -> ParticipantAnswer {
        match &self.job {
            Some(Job::Pending { .. }) => ParticipantAnswer::Accepted,
            Some(Job::Done(output)) => ParticipantAnswer::Ok(output.clone()),
            Some(Job::Refused) => ParticipantAnswer::Refused,
            None => ParticipantAnswer::Absent,
        }
    }

    fn act(
        &mut self,
        spec: &CallSpec,
        request: &Request,
        Asked { key, body }: Asked,
        output: String,
        manner: ActionManner,
    ) -> Handled {
        if spec.kind == StepKind::Barrier && self.compensation.is_some() {
            return Handled {
                remark: Some("participant: action after its compensation"),
                ..Handled::good(ParticipantAnswer::Refused)
            };
        }
        let mut handled = match manner {
            ActionManner::AtOnce => {
                self.applied += 1;
                self.effect = Some(Effect { body: body.clone(), output: output.clone() });
                Handled::good(ParticipantAnswer::Ok(output))
            }
            ActionManner::Refuses => {
                Handled { remark: Some("participant: refusal"), ..Handled::good(ParticipantAnswer::Refused) }
            }
            ActionManner::Later { after, refuses } => {
                self.job = Some(Job::Pending { body: body.clone(), output, refuses });
                Handled {
                    remark: Some("participant: accepts an action"),
                    carry_out: Some(after),
                    ..Handled::good(ParticipantAnswer::Accepted)
                }
            }
        };
        if !(spec.relents && handled.answer == ParticipantAnswer::Refused) {
            self.action = Some(Stored { key, body, answer: handled.answer.clone(), at: Instant::now() });
        }
        handled.violation = (self.open() + i64::from(self.is_pending()) > 1)
            .then(|| ("P3", format!("{} of {} took effect twice", request.step, request.saga)));
        handled
    }

    fn compensate(
        &mut self,
        spec: &CallSpec,
        request: &Request,
        Asked { key, body }: Asked,
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
            // The participant does no more what it has accepted.
            None if is_barrier && self.is_pending() => {
                self.job = Some(Job::Refused);
                handled.remark = Some("participant: undoes what it has accepted");
            }
            None if is_barrier && !has_run => handled.remark = Some("participant: compensation of nothing"),
            None => handled.violation = Some(("P3", format!("{} is undone though it is not there", of()))),
        }
        self.compensation = Some(Stored { key, body, answer: handled.answer.clone(), at: Instant::now() });
        handled
    }
}
