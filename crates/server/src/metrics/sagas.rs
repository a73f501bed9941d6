//! Reports of the engine: the states that orders enter, why they fail, how long they take, and their calls.
//!
//! The series of a definition are looked up once, when the definition is first used, and kept by step: counting a
//! call is a few additions, without labels, hashes or allocations.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use saga_core::definition::StateName;
use saga_core::event::Stuck;
use saga_core::{AttemptNumber, Definition, Direction, Outcome};
use saga_engine::{CallEnded, Called, CommitSummary, FailureCause};
use strum::VariantArray;

use super::CALL_SECONDS;

/// Seconds: from an order without a wait to one that an operator had to settle.
const SAGA_SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0, 600.0, 3600.0];
/// The step and the participant of events that concern a saga as a whole.
const NONE: &str = "none";
/// The cause of a failure by a condition that could not be evaluated.
const CONDITION: &str = "condition";
/// The cause of a saga's failure whose step's signal did not come in time, or meant that the step has failed.
const SIGNAL: &str = "signal";
/// How a call can end, in the order of [`CallSeries::outcomes`]. `None`: the saga stopped waiting for the call.
const OUTCOMES: [Option<Outcome>; 6] = [
    Some(Outcome::Ok),
    Some(Outcome::Refused),
    Some(Outcome::Unknown),
    Some(Outcome::NotSent),
    None,
    Some(Outcome::Accepted),
];

pub(super) struct Sagas {
    states: Family<StateLabels, Counter>,
    durations: Family<EndLabels, Histogram>,
    failures: Family<FailureLabels, Counter>,
    blocked: Family<BlockedLabels, Counter>,
    calls: Family<OutcomeLabels, Counter>,
    call_durations: Family<CallLabels, Histogram>,
    retries: Family<CallLabels, Counter>,
    in_flight: Family<StepLabels, Gauge>,
    taken_over: Counter,
    leases_lost: Counter,
    parked: Counter,
    tasks_failed: Counter,
    /// One for each definition in use: the current one, and those that older sagas are pinned to.
    prepared: RwLock<Vec<Arc<DefinitionSeries>>>,
}

/// The series of one definition.
struct DefinitionSeries {
    definition: Arc<Definition>,
    states: Vec<(StateName, Counter)>,
    steps: Vec<StepSeries>,
}

/// The series of one step.
struct StepSeries {
    in_flight: Gauge,
    action: CallSeries,
    compensation: Option<CallSeries>,
    probe: Option<CallSeries>,
    poll: Option<CallSeries>,
}

struct CallSeries {
    durations: Histogram,
    retries: Counter,
    /// Shorter by the last where the call cannot end so.
    outcomes: Vec<Counter>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    etat: StateName,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EndLabels {
    etat: StateName,
    saga: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FailureLabels {
    cause: &'static str,
    participant: Arc<str>,
    saga: Arc<str>,
    step: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BlockedLabels {
    participant: Arc<str>,
    saga: Arc<str>,
    step: Arc<str>,
    stuck: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabels {
    participant: Arc<str>,
    saga: Arc<str>,
    step: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    participant: Arc<str>,
    saga: Arc<str>,
    step: Arc<str>,
    direction: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    participant: Arc<str>,
    saga: Arc<str>,
    step: Arc<str>,
    direction: &'static str,
    outcome: &'static str,
}

impl Sagas {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let saga_seconds: fn() -> Histogram = || Histogram::new(SAGA_SECONDS);
        let call_seconds: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        let sagas = Self {
            states: Family::default(),
            durations: Family::new_with_constructor(saga_seconds),
            failures: Family::default(),
            blocked: Family::default(),
            calls: Family::default(),
            call_durations: Family::new_with_constructor(call_seconds),
            retries: Family::default(),
            in_flight: Family::default(),
            taken_over: Counter::default(),
            leases_lost: Counter::default(),
            parked: Counter::default(),
            tasks_failed: Counter::default(),
            prepared: RwLock::default(),
        };
        registry.register("commande_etat", "Orders that entered each state", sagas.states.clone());
        registry.register(
            "saga_duration_seconds",
            "Time from an order's start to its end, in seconds, by its last state",
            sagas.durations.clone(),
        );
        registry.register(
            "saga_failures",
            "Orders that failed, by why and at which step",
            sagas.failures.clone(),
        );
        registry.register(
            "saga_blocked",
            "Times that a step was blocked until an operator helps, by the kind of obstacle",
            sagas.blocked.clone(),
        );
        registry.register("saga_calls", "Calls to participants by outcome", sagas.calls.clone());
        registry.register(
            "saga_call_duration_seconds",
            "Time that calls take, in seconds",
            sagas.call_durations.clone(),
        );
        registry.register("saga_call_retries", "Calls that repeat an earlier one", sagas.retries.clone());
        registry.register("saga_calls_in_flight", "Calls under way", sagas.in_flight.clone());
        registry.register(
            "sagas_taken_over",
            "Unfinished sagas taken over from processes that are gone",
            sagas.taken_over.clone(),
        );
        registry.register(
            "leases_lost",
            "Times that this process lost its lease, and its sagas with it",
            sagas.leases_lost.clone(),
        );
        registry.register(
            "sagas_parked",
            "Sagas that could not be read and wait for an operator",
            sagas.parked.clone(),
        );
        registry.register(
            "saga_tasks_failed",
            "Tasks of sagas that panicked; each saga waits for an operator",
            sagas.tasks_failed.clone(),
        );
        sagas
    }

    /// Creates the series of a definition, at zero if they are new.
    pub(super) fn prepare(&self, definition: &Arc<Definition>) {
        let _ = self.prepared(definition);
    }

    fn prepared(&self, definition: &Arc<Definition>) -> Arc<DefinitionSeries> {
        let known = find(&self.prepared.read().unwrap_or_else(PoisonError::into_inner), definition);
        known.unwrap_or_else(|| self.prepare_new(definition))
    }

    fn prepare_new(&self, definition: &Arc<Definition>) -> Arc<DefinitionSeries> {
        let mut prepared = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&prepared, definition) {
            return known;
        }
        let new = Arc::new(DefinitionSeries {
            definition: definition.clone(),
            states: self.prepare_states(definition),
            steps: (0..definition.steps.len()).map(|step| self.prepare_step(definition, step)).collect(),
        });
        prepared.push(new.clone());
        new
    }

    fn prepare_states(&self, definition: &Definition) -> Vec<(StateName, Counter)> {
        let states = &definition.states;
        let failures = definition.steps.iter().map(|step| &step.failure);
        for etat in failures.chain([&states.completed, &states.cancelled]) {
            let labels = EndLabels { etat: etat.clone(), saga: definition.name.clone() };
            let _ = self.durations.get_or_create_owned(&labels);
        }
        for cause in ["cancelled", "deadline"] {
            let _ = self.failures.get_or_create_owned(&of_whole_saga(definition, cause));
        }
        let passed = definition.steps.iter().flat_map(|step| step.success.iter().chain([&step.failure]));
        let mut counters: Vec<(StateName, Counter)> = Vec::new();
        for etat in [&states.started, &states.completed, &states.cancelled].into_iter().chain(passed) {
            if !counters.iter().any(|(known, _)| known == etat) {
                let labels = StateLabels { etat: etat.clone() };
                counters.push((etat.clone(), self.states.get_or_create_owned(&labels)));
            }
        }
        counters
    }

    fn prepare_step(&self, definition: &Definition, step: usize) -> StepSeries {
        let StepLabels { participant, saga, step: name } = labels(definition, step);
        for outcome in OUTCOMES {
            let is_call = definition.steps[step].as_call().is_some();
            if is_call && !matches!(outcome, Some(Outcome::Ok | Outcome::Accepted)) {
                let _ = self.failures.get_or_create_owned(&of_step(definition, step, cause_of(outcome)));
            }
        }
        if definition.steps[step].signal().is_some() {
            let _ = self.failures.get_or_create_owned(&of_step(definition, step, SIGNAL));
        }
        if definition.steps[step].begins_with_expression() {
            let _ = self.failures.get_or_create_owned(&of_step(definition, step, CONDITION));
        }
        if !definition.steps[step].is_read() {
            let may_be = |stuck: &&Stuck| **stuck != Stuck::ActionFailing || definition.has_pivot;
            for stuck in Stuck::VARIANTS.iter().filter(may_be) {
                let _ = self.blocked.get_or_create_owned(&is_blocked(definition, step, *stuck));
            }
        }
        let given = &definition.steps[step];
        let may_end = |direction: Direction, outcome: Option<Outcome>| {
            let may_be_open = matches!(direction, Direction::Action | Direction::Poll);
            outcome != Some(Outcome::Accepted) || (may_be_open && given.acceptance().is_some())
        };
        let series = |direction: Direction| {
            let (participant, saga, step) = (participant.clone(), saga.clone(), name.clone());
            let call = CallLabels { direction: direction.into(), participant, saga, step };
            CallSeries {
                durations: self.call_durations.get_or_create_owned(&call),
                retries: self.retries.get_or_create_owned(&call),
                outcomes: OUTCOMES
                    .iter()
                    .filter(|outcome| may_end(direction, **outcome))
                    .map(|outcome| {
                        let CallLabels { direction, participant, saga, step } = call.clone();
                        let outcome = outcome.map_or("abandoned", Into::into);
                        let labels = OutcomeLabels { direction, outcome, participant, saga, step };
                        self.calls.get_or_create_owned(&labels)
                    })
                    .collect(),
            }
        };
        StepSeries {
            in_flight: self.in_flight.get_or_create_owned(&labels(definition, step)),
            action: series(Direction::Action),
            compensation: given.compensation().map(|_| series(Direction::Compensation)),
            probe: given.probe().map(|_| series(Direction::Probe)),
            poll: given.acceptance().and_then(|accept| accept.poll.as_ref()).map(|_| series(Direction::Poll)),
        }
    }

    pub(super) fn committed(&self, definition: &Arc<Definition>, news: &CommitSummary) {
        let prepared = self.prepared(definition);
        for etat in &news.states {
            match prepared.states.iter().find(|(known, _)| known == etat) {
                Some((_, counter)) => counter.inc(),
                // A state that another version of this program recorded.
                None => self.states.get_or_create(&StateLabels { etat: etat.clone() }).inc(),
            };
        }
        match news.failure {
            None => {}
            Some(FailureCause::Cancelled) => self.failed(&of_whole_saga(definition, "cancelled")),
            Some(FailureCause::DeadlinePassed) => self.failed(&of_whole_saga(definition, "deadline")),
            Some(FailureCause::Condition(step)) => self.failed(&of_step(definition, step, CONDITION)),
            Some(FailureCause::Signal(step)) => self.failed(&of_step(definition, step, SIGNAL)),
            Some(FailureCause::Step(step, outcome)) => {
                self.failed(&of_step(definition, step, cause_of(outcome)))
            }
        }
        for (step, stuck) in &news.blocked {
            self.blocked.get_or_create(&is_blocked(definition, *step, *stuck)).inc();
        }
        if let Some(over) = &news.over {
            let labels = EndLabels { etat: over.state.clone(), saga: definition.name.clone() };
            self.durations.get_or_create(&labels).observe(over.age.as_secs_f64());
        }
    }

    fn failed(&self, labels: &FailureLabels) {
        self.failures.get_or_create(labels).inc();
    }

    pub(super) fn call_started(&self, call: &Called<'_>) {
        if let Some(step) = self.prepared(call.definition).steps.get(call.step) {
            step.in_flight.inc();
        }
    }

    pub(super) fn call_ended(&self, ended: &CallEnded<'_>) {
        let call = &ended.call;
        let prepared = self.prepared(call.definition);
        let Some(step) = prepared.steps.get(call.step) else { return };
        step.in_flight.dec();
        let series = match call.direction {
            Direction::Action => &step.action,
            // Only a step with a compensation is ever undone.
            Direction::Compensation => step.compensation.as_ref().unwrap_or(&step.action),
            Direction::Probe => step.probe.as_ref().unwrap_or(&step.action),
            Direction::Poll => step.poll.as_ref().unwrap_or(&step.action),
        };
        series.durations.observe(ended.duration.as_secs_f64());
        if call.attempt > AttemptNumber::FIRST {
            series.retries.inc();
        }
        for (outcome, counter) in OUTCOMES.iter().zip(&series.outcomes) {
            if *outcome == ended.outcome {
                counter.inc();
            }
        }
    }

    pub(super) fn taken_over(&self, sagas: usize) {
        self.taken_over.inc_by(sagas as u64);
    }

    pub(super) fn lease_lost(&self) {
        self.leases_lost.inc();
    }

    pub(super) fn parked(&self) {
        self.parked.inc();
    }

    pub(super) fn task_failed(&self) {
        self.tasks_failed.inc();
    }
}

fn find(prepared: &[Arc<DefinitionSeries>], definition: &Arc<Definition>) -> Option<Arc<DefinitionSeries>> {
    prepared.iter().find(|known| Arc::ptr_eq(&known.definition, definition)).cloned()
}

fn labels(definition: &Definition, step: usize) -> StepLabels {
    match definition.steps.get(step) {
        Some(known) => StepLabels {
            participant: definition
                .participant(step)
                .map_or_else(|| NONE.into(), |called| called.name.clone()),
            saga: definition.name.clone(),
            step: known.name.clone(),
        },
        None => StepLabels { participant: NONE.into(), saga: definition.name.clone(), step: NONE.into() },
    }
}

/// How the step's last call ended; `None`: a restart cut it short.
fn cause_of(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("interrupted", Into::into)
}

fn of_step(definition: &Definition, step: usize, cause: &'static str) -> FailureLabels {
    let StepLabels { participant, saga, step } = labels(definition, step);
    FailureLabels { cause, participant, saga, step }
}

fn of_whole_saga(definition: &Definition, cause: &'static str) -> FailureLabels {
    let saga = definition.name.clone();
    FailureLabels { cause, participant: NONE.into(), saga, step: NONE.into() }
}

fn is_blocked(definition: &Definition, step: usize, stuck: Stuck) -> BlockedLabels {
    let StepLabels { participant, saga, step } = labels(definition, step);
    BlockedLabels { participant, saga, step, stuck: stuck.into() }
}
