//! The rules for every call that leaves, checked against the journal's contents at that moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_core::definition::Graph;
use saga_core::event::Finding;
use saga_core::saga::Request;
use saga_core::{AttemptNumber, Definition, Direction, Event, Outcome, Record, SagaId};
use saga_journal::Histories;
use tokio::time::Instant;

use crate::definition::{Spec, StepKind, graph};
use crate::disk::{Disk, now};
use crate::record::Recorder;

/// Processes that one order may end without any end of a call of it, or an operator's command about it, in between:
/// one before its history shows the call, and those after which it is taken over.
const ENDED_BY_ONE_ORDER_MAX: usize = 4;

/// Calls with the same key that may leave within [`HAMMER_WINDOW`]: an attempt for each take-over, and their retries.
const HAMMER_CALLS_MAX: usize = 20;
const HAMMER_WINDOW: Duration = Duration::from_secs(1);

/// Sees every call leave.
pub(crate) struct Watch {
    specs: Vec<Spec>,
    /// Which steps wait for which, whatever the engine believes.
    pub(crate) graph: Graph,
    disk: Arc<Disk>,
    recorder: Arc<Recorder>,
    sent: Mutex<BTreeMap<String, VecDeque<Instant>>>,
    /// Ends of calls in each order's history, and processes that it has ended since the last one.
    ended: Mutex<BTreeMap<SagaId, (usize, usize)>>,
}

impl Watch {
    pub(crate) fn new(specs: Vec<Spec>, disk: Arc<Disk>, recorder: Arc<Recorder>) -> Self {
        Self { graph: graph(&specs), specs, disk, recorder, sent: Mutex::default(), ended: Mutex::default() }
    }

    /// Checks the events that the design wants on disk when a request leaves. (P2, P5, and only its owner calls for a
    /// saga.)
    pub(crate) fn leaves(&self, definition: &Definition, step: usize, request: &Request) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let times = sent.entry(request.idempotency_key()).or_default();
        times.push_back(Instant::now());
        times.retain(|at| at.elapsed() < HAMMER_WINDOW);
        if times.len() > HAMMER_CALLS_MAX {
            self.recorder.violation(
                "no hammering",
                format_args!("{} calls of {} within a second", times.len(), request.idempotency_key()),
            );
        }
        drop(sent);
        if matches!(request.direction, Direction::Probe | Direction::Poll) || definition.steps[step].is_read()
        {
            return;
        }
        let history = match now(self.disk.memory.load(request.saga)) {
            Ok(Some(history)) => history,
            _ => {
                self.recorder.violation(
                    "P2",
                    format_args!("{} leaves before its saga's start is on disk", request.idempotency_key()),
                );
                return;
            }
        };
        let has = |test: &dyn Fn(&Event) -> bool| history.records.iter().any(|record| test(&record.event));
        let epoch =
            1 + history.records.iter().filter(|r| matches!(r.event, Event::TakenOver { .. })).count() as u32;
        if epoch != request.epoch.get() {
            self.recorder.violation(
                "ownership",
                format_args!(
                    "{} leaves in epoch {} while the saga is in epoch {epoch}",
                    request.idempotency_key(),
                    request.epoch.get()
                ),
            );
        }
        if has(&|event| matches!(event, Event::Completed | Event::RolledBack)) {
            self.recorder.violation(
                "P5",
                format_args!("{} leaves though the saga is over", request.idempotency_key()),
            );
        }
        let is_announced = has(&|event| {
            matches!(event, Event::AttemptStarted { step: s, direction, attempt }
                if (*s, *direction, *attempt) == (step, request.direction, request.attempt))
        });
        let spec = &self.specs[step];
        let must_be_announced =
            spec.effect() != Some(StepKind::Barrier) || spec.when.is_some() || !spec.is_undone();
        if request.direction == Direction::Action && must_be_announced && !is_announced {
            self.recorder.violation("P2", format_args!("{} leaves unannounced", request.idempotency_key()));
        }
        // Without their ends on disk, only barriers may be called ahead of them; and no call is made ahead of the end of a wait.
        for earlier in self.graph.before(step).iter() {
            let is_passed = has(&|event| passes(event, earlier));
            let must_be_passed = is_announced || self.specs[earlier].call().is_none();
            if request.direction == Direction::Action && must_be_passed && !is_passed {
                self.recorder.violation(
                    "order",
                    format_args!("{} leaves, and step {earlier} is not done", request.idempotency_key()),
                );
            }
        }
        if request.direction == Direction::Compensation && has(&|event| *event == Event::Skipped { step }) {
            self.recorder.violation(
                "conditions",
                format_args!("{} leaves, and the step was skipped", request.idempotency_key()),
            );
        }
        let is_decision = |record: &&Record| matches!(record.event, Event::RollbackDecided { .. });
        let decisions = history.records.iter().filter(is_decision).count();
        if request.direction == Direction::Compensation && decisions != 1 {
            self.recorder.violation(
                "P5",
                format_args!(
                    "{} leaves with {decisions} decisions to roll back on disk",
                    request.idempotency_key()
                ),
            );
        }
        if request.direction == Direction::Compensation
            && has(
                &|event| matches!(event, Event::AttemptEnded { step: s, direction: Direction::Action, outcome: Outcome::Unknown, .. } if *s == step),
            )
        {
            self.recorder.hit("saga: compensated after an unknown outcome");
        }
    }

    /// Whether other steps of the order are called at the moment, as far as the history shows.
    pub(crate) fn is_beside_another(&self, step: usize, saga: SagaId) -> bool {
        let Ok(Some(history)) = now(self.disk.memory.load(saga)) else { return false };
        let mut calling = BTreeSet::new();
        for record in &history.records {
            match record.event {
                Event::AttemptStarted { step, .. } => _ = calling.insert(step),
                Event::AttemptEnded { step, .. } => _ = calling.remove(&step),
                Event::TakenOver { .. } => calling.clear(),
                _ => {}
            }
        }
        calling.iter().any(|calling| *calling != step)
    }

    /// Whether the history shows that a step has run, and that this is the first time that it is to be undone.
    pub(crate) fn is_known_to_be_there(&self, step: usize, request: &Request) -> bool {
        let Ok(Some(history)) = now(self.disk.memory.load(request.saga)) else { return false };
        let events = || history.records.iter().map(|record| &record.event);
        let has_run = events().any(|event| {
            matches!(event, Event::AttemptEnded { step: s, direction: Direction::Action, outcome: Outcome::Ok, .. } if *s == step)
        });
        let rolling_back = events().skip_while(|event| !matches!(event, Event::RollbackDecided { .. }));
        let is_first =
            request.direction == Direction::Compensation && request.attempt == AttemptNumber::FIRST;
        has_run && is_first && !rolling_back.into_iter().any(|event| matches!(event, Event::TakenOver { .. }))
    }

    /// Whether the history shows that the step's effect was there.
    pub(crate) fn is_known_to_have_run(&self, saga: SagaId, step: usize) -> bool {
        let Ok(Some(history)) = now(self.disk.memory.load(saga)) else { return false };
        history.records.iter().any(|record| succeeds(&record.event, step))
    }

    /// Whether the history shows that the step is being undone.
    pub(crate) fn is_undoing(&self, saga: SagaId, step: usize) -> bool {
        let Ok(Some(history)) = now(self.disk.memory.load(saga)) else { return false };
        let undoes = |event: &Event| matches!(event, Event::AttemptStarted { step: s, direction: Direction::Compensation, .. } if *s == step);
        history.records.iter().any(|record| undoes(&record.event))
    }

    /// An order has ended the process that ran it.
    pub(crate) fn has_ended_its_process(&self, saga: SagaId) {
        self.recorder.hit("process: ended by an order");
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // An order of which nothing was kept is none: a caller that repeats the request starts it anew.
        let Ok(Some(history)) = now(self.disk.memory.load(saga)) else { return };
        let is_end = |event: &Event| {
            matches!(
                event,
                Event::AttemptEnded { .. }
                    | Event::SignalTaken { .. }
                    | Event::RollbackDecided { .. }
                    | Event::Resumed { .. }
                    | Event::Resolved { .. }
            )
        };
        let ends = history.records.iter().filter(|record| is_end(&record.event)).count();
        let (before, times) = ended.entry(saga).or_default();
        *times = if *before == ends { *times + 1 } else { 1 };
        *before = ends;
        if *times > ENDED_BY_ONE_ORDER_MAX {
            self.recorder.violation("P8", format_args!("{saga} has ended {times} processes in a row"));
        }
    }
}

/// Whether the event says that the step's effect is there, or that its wait is over.
pub(crate) fn succeeds(event: &Event, wanted: usize) -> bool {
    match event {
        Event::AttemptEnded {
            step,
            direction: Direction::Action | Direction::Poll | Direction::Probe,
            outcome: Outcome::Ok,
            ..
        }
        | Event::PauseEnded { step }
        | Event::SignalTaken { step, outcome: Outcome::Ok, .. }
        | Event::Resolved { step, finding: Finding::Ran, .. } => *step == wanted,
        _ => false,
    }
}

/// Whether the steps that wait for this one may begin from the event on.
fn passes(event: &Event, wanted: usize) -> bool {
    match event {
        Event::Skipped { step } | Event::PassedOver { step, .. } => *step == wanted,
        _ => succeeds(event, wanted),
    }
}
