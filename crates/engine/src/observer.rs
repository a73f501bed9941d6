//! The engine's reports to metrics. Metrics count committed events only, so this is called after the fact.

use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::StateName;
use saga_core::event::{Cause, Stuck};
use saga_core::trace::SagaSpan;
use saga_core::{AttemptNumber, Definition, Direction, Event, Outcome, Record, Saga};
use saga_journal::BulkState;

/// Listens. Every method is called often and must return at once.
pub trait Observer: Send + Sync + 'static {
    /// Events of a saga that runs `definition` are durable.
    fn committed(&self, definition: &Arc<Definition>, summary: &CommitSummary) {
        let _ = (definition, summary);
    }

    /// Whether spans of this saga are wanted. It is asked when the saga begins to run here.
    fn wants_spans(&self, saga: &Saga) -> bool {
        let _ = saga;
        false
    }

    /// Spans have ended, and the events that tell so are durable. A span may be told twice, the same: by the process that was
    /// there when it ended, and by the next one, which cannot know whether the first one has passed it on.
    fn spans_ended(&self, spans: Vec<SagaSpan>) {
        let _ = spans;
    }

    /// A call has left.
    fn call_started(&self, call: &Called<'_>) {
        let _ = call;
    }

    /// A call has ended, or was abandoned.
    fn call_ended(&self, call: &CallEnded<'_>) {
        let _ = call;
    }

    /// Unfinished sagas were taken over.
    fn taken_over(&self, sagas: usize) {
        let _ = sagas;
    }

    /// The lease was lost; so many sagas were dropped.
    fn lease_lost(&self, sagas: usize) {
        let _ = sagas;
    }

    /// The task of a saga has panicked.
    fn task_failed(&self) {}

    /// A saga could not be read and was parked for an operator.
    fn parked(&self) {}

    /// So many old sagas were taken out of the journal.
    fn sagas_forgotten(&self, sagas: usize) {
        let _ = sagas;
    }

    /// Old sagas could not be archived, and stay in the journal.
    fn archive_failed(&self) {}

    /// A saga of a bulk action has this result.
    fn bulk_item_ended(&self, result: BulkState) {
        let _ = result;
    }
}

/// Which call.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The definition that the saga runs.
    pub definition: &'a Arc<Definition>,
    /// The step's index in it.
    pub step: usize,
    /// Whether it is done or undone.
    pub direction: Direction,
    /// Counted from 1 for each saga, step and direction.
    pub attempt: AttemptNumber,
    /// The saga that makes it.
    pub saga: &'a Saga,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct CallEnded<'a> {
    /// Which.
    pub call: Called<'a>,
    /// `None`: abandoned, the saga wants something else.
    pub outcome: Option<Outcome>,
    /// From its start.
    pub duration: Duration,
}

/// The facts of one entry of the journal that are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitSummary {
    /// The states that the order entered.
    pub states: Vec<StateName>,
    /// Why there will be no order, where that was decided.
    pub failure: Option<FailureCause>,
    /// Steps at which the saga waits for an operator, by their index.
    pub blocked: Vec<(usize, Stuck)>,
    /// Where the saga is over.
    pub over: Option<Over>,
}

/// Why an order is rolled back, in words of ours: their number is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureCause {
    /// A step failed, and how its last call ended; `None`: a restart cut that call short.
    Step(usize, Option<Outcome>),
    /// A step's condition, or the end of its pause, could not be evaluated.
    Condition(usize),
    /// A step's signal did not come in time, or meant that the step has failed.
    Signal(usize),
    /// A cancel command asked for it.
    Cancelled,
    /// The saga's own deadline passed.
    DeadlinePassed,
}

/// How a saga ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// The order's last state.
    pub state: StateName,
    /// From its first event to its last.
    pub age: Duration,
}

impl CommitSummary {
    /// The facts in `records`, the last ones of `saga`.
    pub(crate) fn of(saga: &Saga, records: &[Record]) -> Self {
        let mut summary = Self::default();
        let mut last_end = None;
        for record in records {
            summary.states.extend(record.state.clone());
            match &record.event {
                Event::AttemptEnded {
                    step, direction: Direction::Action | Direction::Poll, outcome, ..
                } => {
                    last_end = Some((*step, *outcome));
                }
                Event::RollbackDecided { cause } => {
                    summary.failure = Some(match cause {
                        // It is decided with the end of the step's last attempt, in the same breath.
                        Cause::StepFailed { step, .. } if saga.is_undecided(*step) => {
                            FailureCause::Condition(*step)
                        }
                        Cause::StepFailed { step, .. } if only_waits(saga, *step) => {
                            FailureCause::Signal(*step)
                        }
                        Cause::StepFailed { step, .. } => {
                            let outcome = last_end.filter(|(ended, _)| ended == step);
                            FailureCause::Step(*step, outcome.map(|(_, outcome)| outcome))
                        }
                        Cause::Cancelled | Cause::CancelledBy { .. } => FailureCause::Cancelled,
                        Cause::DeadlinePassed => FailureCause::DeadlinePassed,
                    });
                }
                Event::Blocked { step, stuck, .. } => summary.blocked.push((*step, *stuck)),
                Event::Completed | Event::RolledBack => {
                    let age = record.at.since(saga.created());
                    summary.over = Some(Over { state: saga.state().clone(), age });
                }
                Event::Started { .. }
                | Event::Skipped { .. }
                | Event::Waits { .. }
                | Event::PauseEnded { .. }
                | Event::Signalled { .. }
                | Event::SignalTaken { .. }
                | Event::PassedOver { .. }
                | Event::OutputMade { .. }
                | Event::AttemptStarted { .. }
                | Event::AttemptEnded { direction: Direction::Compensation | Direction::Probe, .. }
                | Event::Resumed { .. }
                | Event::Resolved { .. }
                | Event::TakenOver { .. } => {}
            }
        }
        summary
    }
}

/// Whether a step waits instead of calling.
fn only_waits(saga: &Saga, step: usize) -> bool {
    saga.definition().steps.get(step).is_some_and(|step| step.as_call().is_none())
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
