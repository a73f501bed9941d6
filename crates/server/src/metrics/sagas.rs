//! Reports of the engine: the states that orders enter, why they fail, how long they take, and their calls.
//!
//! The series of a definition are looked up once, when the definition is first used, and kept by step: counting a
//! call is a few additions, without labels, hashes or allocations; an exported trace adds the two texts of its exemplar.
// Long: one table of series, and each report that counts in them.

use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use saga_core::definition::StateName;
use saga_core::event::Stuck;
use saga_core::trace::Sampler;
use saga_core::{AttemptNumber, Definition, Direction, Outcome};
use saga_engine::{CallEnded, Called, CommitSummary, FailureCause};
use saga_journal::BulkState;
use strum::VariantArray;

use super::latency::{CallTimes, Latencies, RecentCalls};
use super::{CALL_SECONDS, OTHER};

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

/// The results of the sagas that a process has tried for bulk actions.
const BULK_RESULTS: [BulkState; 6] = [
    BulkState::Undone,
    BulkState::Completed,
    BulkState::FailedAgain,
    BulkState::Skipped,
    BulkState::NotSent,
    BulkState::GoingOn,
];

pub(super) struct Sagas {
    states: Family<StateLabels, Counter>,
    durations: Family<EndLabels, Histogram>,
    failures: Family<FailureLabels, Counter>,
    blocked: Family<BlockedLabels, Counter>,
    calls: Family<OutcomeLabels, Counter>,
    call_durations: Family<CallLabels, HistogramWithExemplars<TraceLabels>>,
    retries: Family<CallLabels, Counter>,
    in_flight: Family<StepLabels, Gauge>,
    taken_over: Counter,
    leases_lost: Counter,
    parked: Counter,
    tasks_failed: Counter,
    bulk_items: Family<BulkLabels, Counter>,
    /// The name of the definition whose sagas are orders: `commande_etat_total` counts those alone.
    orders: Arc<str>,
    prepared: RwLock<Prepared>,
    latencies: Latencies,
}

/// The series that are in use.
#[derive(Default)]
struct Prepared {
    /// The names of the definitions that are served. The sagas of all others are counted together.
    served: Vec<Arc<str>>,
    /// One for each definition in use: the current ones, and those that older sagas are pinned to. How one is counted is
    /// decided when it comes into use, and stays.
    series: Vec<Arc<DefinitionSeries>>,
}

/// The series of one definition.
struct DefinitionSeries {
    definition: Arc<Definition>,
    /// Whether its sagas are counted under their own name, and their steps'.
    is_named: bool,
    states: Vec<(StateName, Counter)>,
    steps: Vec<StepSeries>,
}

/// The series of one step.
struct StepSeries {
    in_flight: Gauge,
    /// Of the step's participant, if it calls one.
    times: Option<Arc<CallTimes>>,
    action: CallSeries,
    compensation: Option<CallSeries>,
    probe: Option<CallSeries>,
    poll: Option<CallSeries>,
}

struct CallSeries {
    durations: HistogramWithExemplars<TraceLabels>,
    retries: Counter,
    /// Shorter by the last where the call cannot end so.
    outcomes: Vec<Counter>,
}

/// The trace of an observation, for readers of OpenMetrics.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TraceLabels {
    trace_id: String,
    span_id: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BulkLabels {
    result: &'static str,
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
    pub(super) fn register(registry: &mut Registry, orders: Arc<str>) -> Self {
        let saga_seconds: fn() -> Histogram = || Histogram::new(SAGA_SECONDS);
        let call_seconds: fn() -> HistogramWithExemplars<TraceLabels> =
            || HistogramWithExemplars::new(CALL_SECONDS.into_iter());
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
            bulk_items: Family::default(),
            orders,
            prepared: RwLock::default(),
            latencies: Latencies::default(),
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
        registry.register(
            "bulk_items",
            "Sagas that this process has tried for bulk actions, by what came of it",
            sagas.bulk_items.clone(),
        );
        for result in BULK_RESULTS {
            let _ = sagas.bulk_items.get_or_create(&BulkLabels { result: result.into() });
        }
        sagas
    }

    /// Counts the sagas of these definitions by name from now on. Creates their series, at zero if they are new.
    pub(super) fn serve(&self, served: &[Arc<Definition>]) {
        {
            let mut prepared = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
            prepared.served = served.iter().map(|definition| definition.name.clone()).collect();
            // What no saga and no catalog has any more is not asked for again.
            prepared.series.retain(|series| Arc::strong_count(&series.definition) > 1);
        }
        for definition in served {
            let _ = self.prepared(definition);
        }
        self.latencies.tidy();
    }

    fn prepared(&self, definition: &Arc<Definition>) -> Arc<DefinitionSeries> {
        let known = find(&self.prepared.read().unwrap_or_else(PoisonError::into_inner).series, definition);
        known.unwrap_or_else(|| self.prepare_new(definition))
    }

    fn prepare_new(&self, definition: &Arc<Definition>) -> Arc<DefinitionSeries> {
        let mut prepared = self.prepared.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&prepared.series, definition) {
            return known;
        }
        let naming = Naming { definition, is_named: prepared.served.contains(&definition.name) };
        let new = Arc::new(DefinitionSeries {
            definition: definition.clone(),
            is_named: naming.is_named,
            states: self.prepare_states(naming),
            steps: (0..definition.steps.len()).map(|step| self.prepare_step(naming, step)).collect(),
        });
        prepared.series.push(new.clone());
        new
    }

    fn prepare_states(&self, naming: Naming<'_>) -> Vec<(StateName, Counter)> {
        let definition = naming.definition;
        let states = &definition.states;
        let failures = definition.steps.iter().map(|step| &step.failure);
        for etat in failures.chain([&states.completed, &states.cancelled]) {
            let labels = EndLabels { etat: etat.clone(), saga: naming.saga() };
            let _ = self.durations.get_or_create_owned(&labels);
        }
        for cause in ["cancelled", "deadline"] {
            let _ = self.failures.get_or_create_owned(&of_whole_saga(naming, cause));
        }
        let passed = definition.steps.iter().flat_map(|step| step.success.iter().chain([&step.failure]));
        let mut counters: Vec<(StateName, Counter)> = Vec::new();
        if definition.name != self.orders {
            return counters;
        }
        for etat in [&states.started, &states.completed, &states.cancelled].into_iter().chain(passed) {
            if !counters.iter().any(|(known, _)| known == etat) {
                let labels = StateLabels { etat: etat.clone() };
                counters.push((etat.clone(), self.states.get_or_create_owned(&labels)));
            }
        }
        counters
    }

    fn prepare_step(&self, naming: Naming<'_>, step: usize) -> StepSeries {
        let definition = naming.definition;
        let StepLabels { participant, saga, step: name } = labels(naming, step);
        for outcome in OUTCOMES {
            let is_call = definition.steps[step].as_call().is_some();
            if is_call && !matches!(outcome, Some(Outcome::Ok | Outcome::Accepted)) {
                let _ = self.failures.get_or_create_owned(&of_step(naming, step, cause_of(outcome)));
            }
        }
        if definition.steps[step].signal().is_some() {
            let _ = self.failures.get_or_create_owned(&of_step(naming, step, SIGNAL));
        }
        if definition.steps[step].begins_with_expression() {
            let _ = self.failures.get_or_create_owned(&of_step(naming, step, CONDITION));
        }
        if !definition.steps[step].is_read() {
            let may_be = |stuck: &&Stuck| **stuck != Stuck::ActionFailing || definition.has_pivot;
            for stuck in Stuck::VARIANTS.iter().filter(may_be) {
                let _ = self.blocked.get_or_create_owned(&is_blocked(naming, step, *stuck));
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
            times: definition.participant(step).map(|called| self.latencies.of(&called.reached_by)),
            in_flight: self.in_flight.get_or_create_owned(&labels(naming, step)),
            action: series(Direction::Action),
            compensation: given.compensation().map(|_| series(Direction::Compensation)),
            probe: given.probe().map(|_| series(Direction::Probe)),
            poll: given.acceptance().and_then(|accept| accept.poll.as_ref()).map(|_| series(Direction::Poll)),
        }
    }

    pub(super) fn committed(&self, definition: &Arc<Definition>, news: &CommitSummary) {
        let prepared = self.prepared(definition);
        let naming = Naming { definition, is_named: prepared.is_named };
        let counted = if definition.name == self.orders { &news.states[..] } else { &[] };
        for etat in counted {
            match prepared.states.iter().find(|(known, _)| known == etat) {
                Some((_, counter)) => counter.inc(),
                // A state that another version of this program recorded.
                None => self.states.get_or_create(&StateLabels { etat: etat.clone() }).inc(),
            };
        }
        match news.failure {
            None => {}
            Some(FailureCause::Cancelled) => self.failed(&of_whole_saga(naming, "cancelled")),
            Some(FailureCause::DeadlinePassed) => self.failed(&of_whole_saga(naming, "deadline")),
            Some(FailureCause::Condition(step)) => self.failed(&of_step(naming, step, CONDITION)),
            Some(FailureCause::Signal(step)) => self.failed(&of_step(naming, step, SIGNAL)),
            Some(FailureCause::Step(step, outcome)) => self.failed(&of_step(naming, step, cause_of(outcome))),
        }
        for (step, stuck) in &news.blocked {
            self.blocked.get_or_create(&is_blocked(naming, *step, *stuck)).inc();
        }
        if let Some(over) = &news.over {
            let labels = EndLabels { etat: over.state.clone(), saga: naming.saga() };
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

    /// `is_traced`: the trace of the call is exported, and is told as an example of its duration.
    pub(super) fn call_ended(&self, ended: &CallEnded<'_>, is_traced: bool) {
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
        let example = is_traced.then(|| {
            let trace = call.saga.call_trace(call.step, call.direction, call.attempt);
            let parent = trace.parent(&Sampler::ALL);
            TraceLabels { trace_id: parent.trace.to_string(), span_id: parent.span.to_string() }
        });
        series.durations.observe(ended.duration.as_secs_f64(), example, None);
        if let Some(times) = &step.times {
            times.observe(ended.duration);
        }
        if call.attempt > AttemptNumber::FIRST {
            series.retries.inc();
        }
        for (outcome, counter) in OUTCOMES.iter().zip(&series.outcomes) {
            if *outcome == ended.outcome {
                counter.inc();
            }
        }
    }

    /// The latest calls to the participant that is reached by this.
    pub(super) fn recent_calls(&self, reached_by: &str) -> Option<RecentCalls> {
        self.latencies.recent(reached_by)
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

    pub(super) fn bulk_item_ended(&self, result: BulkState) {
        self.bulk_items.get_or_create(&BulkLabels { result: result.into() }).inc();
    }
}

fn find(prepared: &[Arc<DefinitionSeries>], definition: &Arc<Definition>) -> Option<Arc<DefinitionSeries>> {
    prepared.iter().find(|known| Arc::ptr_eq(&known.definition, definition)).cloned()
}

/// A definition, and whether its sagas are counted under their own name. If not, they are counted as `other`, without steps
/// and participants: the names of definitions that are not served have no limit.
#[derive(Clone, Copy)]
struct Naming<'a> {
    definition: &'a Definition,
    is_named: bool,
}

impl Naming<'_> {
    fn saga(self) -> Arc<str> {
        if self.is_named { self.definition.name.clone() } else { OTHER.into() }
    }
}

fn labels(naming: Naming<'_>, step: usize) -> StepLabels {
    let definition = naming.definition;
    match definition.steps.get(step).filter(|_| naming.is_named) {
        Some(known) => StepLabels {
            participant: definition
                .participant(step)
                .map_or_else(|| NONE.into(), |called| called.name.clone()),
            saga: definition.name.clone(),
            step: known.name.clone(),
        },
        None => StepLabels { participant: NONE.into(), saga: naming.saga(), step: NONE.into() },
    }
}

/// How the step's last call ended; `None`: a restart cut it short.
fn cause_of(outcome: Option<Outcome>) -> &'static str {
    outcome.map_or("interrupted", Into::into)
}

fn of_step(naming: Naming<'_>, step: usize, cause: &'static str) -> FailureLabels {
    let StepLabels { participant, saga, step } = labels(naming, step);
    FailureLabels { cause, participant, saga, step }
}

fn of_whole_saga(naming: Naming<'_>, cause: &'static str) -> FailureLabels {
    let saga = naming.saga();
    FailureLabels { cause, participant: NONE.into(), saga, step: NONE.into() }
}

fn is_blocked(naming: Naming<'_>, step: usize, stuck: Stuck) -> BlockedLabels {
    let StepLabels { participant, saga, step } = labels(naming, step);
    BlockedLabels { participant, saga, step, stuck: stuck.into() }
}
