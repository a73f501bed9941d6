//! Properties of every definition and every sequence of inputs.
// Long: one walk by chance, and everything that must hold after each of its steps.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::Arc;

use proptest::prelude::*;
use saga_core::definition::Graph;
use saga_core::event::{Cause, Finding, Stuck};
use saga_core::reply::Verdict;
use saga_core::saga::{CallWanted, Input, NewSaga};
use saga_core::{
    AttemptNumber, Claim, CommandKind, Definition, Direction, Epoch, Event, Incarnation, Json, Outcome,
    Record, Saga, Timestamp,
};

use crate::support::{
    Kind, PROBE_AFTER, Spec, When, assert_wakes_for_something, at, by_seed, command, decision, definition,
    millis, reply, saga_id, verdict,
};

/// Something done to a saga; what it refers to is found in the saga when it is done.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// To one of the calls that are wanted.
    Reply {
        which: usize,
        outcome: &'static str,
        retry_after: Option<&'static str>,
    },
    /// A reply to a call that was wanted `back` calls ago.
    Stale {
        outcome: &'static str,
        back: usize,
    },
    /// A reply to a call that was perhaps never wanted.
    Stray {
        step: usize,
        direction: Direction,
        attempt: u32,
    },
    /// One of the conditions that are asked for is evaluated, or one that is not.
    Decide {
        which: usize,
    },
    Wake,
    Wait {
        micros: i64,
    },
    Cancel,
    Hurry,
    Resume,
    /// An operator's finding about the step that is blocked, or about another one.
    Resolve {
        step: Option<usize>,
        finding: Finding,
    },
    /// In the journal's first incarnation, or a later one, by the length of the history.
    TakeOver,
    /// Only so many events were kept.
    Crash {
        kept: usize,
    },
}

fn outcome() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just("ok"), 1 => Just("refused"), 2 => Just("unknown"), 2 => Just("not_sent")]
}

fn direction() -> impl Strategy<Value = Direction> {
    prop_oneof![Just(Direction::Action), Just(Direction::Compensation), Just(Direction::Probe)]
}

fn finding() -> impl Strategy<Value = Finding> {
    prop_oneof![Just(Finding::Ran), Just(Finding::NotRun), Just(Finding::Undone)]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        10 => (0..5_usize, outcome(), proptest::option::weighted(0.1, Just("3s")))
            .prop_map(|(which, outcome, retry_after)| Act::Reply { which, outcome, retry_after }),
        1 => (outcome(), 1..4_usize).prop_map(|(outcome, back)| Act::Stale { outcome, back }),
        1 => (0..6_usize, direction(), 1..4_u32)
            .prop_map(|(step, direction, attempt)| Act::Stray { step, direction, attempt }),
        4 => (0..6_usize).prop_map(|which| Act::Decide { which }),
        6 => Just(Act::Wake),
        1 => (-5_000_000..5_000_000_i64).prop_map(|micros| Act::Wait { micros }),
        1 => Just(Act::Cancel),
        1 => Just(Act::Hurry),
        1 => Just(Act::Resume),
        1 => (proptest::option::weighted(0.2, 0..6_usize), finding())
            .prop_map(|(step, finding)| Act::Resolve { step, finding }),
        1 => Just(Act::TakeOver),
        1 => (1..12_usize).prop_map(|kept| Act::Crash { kept }),
    ]
}

fn spec(step: usize) -> impl Strategy<Value = Spec> {
    let kind = prop_oneof![1 => Just(Kind::Read), 2 => Just(Kind::Plain), 2 => Just(Kind::Idempotent), 3 => Just(Kind::Barrier)];
    let from = proptest::sample::subsequence((0..step).collect::<Vec<_>>(), 0..=step.min(2));
    // Shorter than a backoff, shorter than the wait before asking, longer than both.
    let horizon = proptest::option::weighted(0.5, prop_oneof![Just("1ms"), Just("150ms"), Just("3s")]);
    let after = proptest::option::weighted(
        0.6,
        proptest::sample::subsequence((0..step).collect::<Vec<_>>(), 0..=step.min(3)),
    );
    let when = prop_oneof![2 => Just(When::Holds), 2 => Just(When::HoldsNot), 1 => Just(When::IsAnError)];
    let when = proptest::option::weighted(0.3, when);
    (kind, proptest::bool::weighted(0.85), from, (after, when), any::<bool>(), horizon).prop_map(
        |(kind, undo, from, (after, when), probe, horizon)| Spec {
            kind,
            undo,
            from,
            after,
            when,
            probe,
            horizon,
        },
    )
}

pub(crate) fn specs() -> impl Strategy<Value = Vec<Spec>> {
    (1..=5_usize).prop_flat_map(|steps| (0..steps).map(spec).collect::<Vec<_>>()).prop_map(|mut specs| {
        let graph = graph(&specs);
        for (step, spec) in specs.iter_mut().enumerate() {
            spec.from.retain(|earlier| graph.before(step).contains(*earlier));
        }
        specs
    })
}

/// Which steps each waits for.
fn graph(specs: &[Spec]) -> Graph {
    let above = |step: usize| step.checked_sub(1).into_iter().collect();
    let after = |(step, spec): (usize, &Spec)| {
        spec.after.as_ref().map_or_else(|| above(step), |after| after.iter().copied().collect())
    };
    Graph::new(specs.iter().enumerate().map(after).collect())
}

pub(crate) fn acts() -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec((act(), any::<u64>()), 0..50)
        .prop_map(|acts| acts.into_iter().map(|(act, _)| act).collect())
}

/// A live run: its history, and the state that it had after each event.
pub(crate) struct Live {
    pub(crate) saga: Saga,
    pub(crate) records: Vec<Record>,
    /// The saga after each event, as text, and what it wanted.
    states: Vec<String>,
    wanted: Vec<CallWanted>,
    micros: i64,
}

fn told(saga: &Saga) -> String {
    format!("{saga:?} {:?} {:?}", saga.effects(), saga.rollback())
}

impl Live {
    fn start(definition: &Arc<Definition>) -> Self {
        let input = definition.read_input(b"{\"n\":1}").expect("an input");
        let (saga, records) = Saga::start(NewSaga::of(saga_id(), input), at(0, 7));
        let mut live = Self { saga, records: Vec::new(), states: Vec::new(), wanted: Vec::new(), micros: 0 };
        let first = Saga::fold(saga_id(), definition.clone(), &records[..1]).expect("a start");
        live.states.push(told(&first));
        live.records.push(records[0].clone());
        live.took(first, &records[1..]);
        live
    }

    /// Follows the events of one input one by one, from the state before it.
    fn took(&mut self, mut before: Saga, records: &[Record]) {
        for record in records {
            before.apply(record).expect("what was recorded live is legal");
            self.states.push(told(&before));
            self.records.push(record.clone());
        }
        assert_eq!(told(&before), told(&self.saga), "live, the same events were applied");
        for call in self.saga.effects().calls {
            if !self.wanted.contains(&call) {
                self.wanted.push(call);
            }
        }
    }

    fn act(&mut self, act: &Act) {
        let input = match act {
            Act::Reply { which, outcome, retry_after } => {
                let calls = self.saga.effects().calls;
                let Some(call) = calls.get(which % calls.len().max(1)) else { return };
                reply(call, verdict(outcome, *retry_after))
            }
            Act::Stale { outcome, back } => match self.wanted.iter().rev().nth(*back) {
                Some(call) => reply(call, verdict(outcome, None)),
                None => return,
            },
            Act::Stray { step, direction, attempt } => Input::Reply {
                step: *step,
                direction: *direction,
                attempt: number(*attempt),
                verdict: Verdict::without_answer(Outcome::Unknown, "stray"),
            },
            Act::Decide { which } => {
                let steps: Vec<usize> = self.saga.effects().evaluations.iter().collect();
                let step = steps.get(which % steps.len().max(1)).copied();
                let other = which % self.saga.definition().steps.len();
                decision(&self.saga, step.unwrap_or(other))
            }
            Act::Wake => {
                if let Some(wake) = self.saga.effects().wake_at {
                    self.micros = self.micros.max(wake.as_micros());
                }
                Input::Tick
            }
            Act::Wait { micros } => {
                self.micros += micros;
                Input::Tick
            }
            Act::Cancel => command(CommandKind::Cancel, at(self.micros, 7).now),
            Act::Hurry => Input::Hurry { step: self.saga.waiting().least().unwrap_or(0) },
            Act::Resume => {
                command(CommandKind::Resume { by: "Ana".into(), reason: None }, at(self.micros, 7).now)
            }
            Act::Resolve { step, finding } => {
                let blocked = self.saga.blocked().map_or(0, |blocked| blocked.step);
                let output = Json::parse(b"{\"x\":1}").ok();
                let (by, reason) = ("Ana".into(), "asked there".into());
                let step = step.unwrap_or(blocked);
                command(
                    CommandKind::Resolve { step, finding: *finding, output, by, reason },
                    at(self.micros, 7).now,
                )
            }
            Act::TakeOver => {
                let incarnation = 1 + self.records.len() as i64 / 4;
                Input::TakeOver(Incarnation::new(incarnation).expect("an incarnation"))
            }
            Act::Crash { kept } => {
                let kept = (*kept).min(self.records.len());
                self.records.truncate(kept);
                self.states.truncate(kept);
                self.saga =
                    Saga::fold(saga_id(), self.saga.definition().clone(), &self.records).expect("a prefix");
                Input::TakeOver(Incarnation::FIRST)
            }
        };
        let before = self.saga.clone();
        let wants = before.effects();
        match self.saga.handle(&input, at(self.micros, 7)) {
            Ok(records) => {
                if let Input::Reply { step, direction, attempt, .. } = input {
                    let is_it = |call: &CallWanted| {
                        (call.step, call.direction, call.attempt) == (step, direction, attempt)
                    };
                    let is_late = wants.late.contains(step) && direction == Direction::Action;
                    let counts = wants.calls.iter().any(is_it) || is_late;
                    assert!(counts, "a reply that counts is to a call that is wanted or heard");
                }
                self.took(before, &records);
            }
            Err(_) => assert_eq!(told(&before), told(&self.saga), "a rejected input changes nothing"),
        }
        assert_wakes_for_something(&self.saga, self.micros);
    }
}

fn number(attempt: u32) -> AttemptNumber {
    (1..attempt).fold(AttemptNumber::FIRST, |number, _| number.next())
}

pub(crate) fn run(specs: &[Spec], acts: &[Act]) -> Live {
    let mut live = Live::start(&definition(specs));
    for act in acts {
        live.act(act);
    }
    live
}

fn starts(records: &[Record], of: Direction) -> Vec<(usize, u32)> {
    let started = |record: &Record| match record.event {
        Event::AttemptStarted { step, direction, attempt } if direction == of => Some((step, attempt.get())),
        _ => None,
    };
    records.iter().filter_map(started).collect()
}

fn is_end(record: &Record) -> bool {
    matches!(record.event, Event::Completed | Event::RolledBack)
}

/// An event of any kind, mostly nonsense.
fn any_event() -> impl Strategy<Value = Event> {
    let attempt = || (0..6_usize, direction(), 1..4_u32);
    let outcomes = prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::Refused),
        Just(Outcome::Unknown),
        Just(Outcome::NotSent)
    ];
    prop_oneof![
        Just(Event::Started {
            definition: saga_core::definition::DefinitionHash::new("0"),
            input: Json::null(),
            labels: saga_core::definition::Labels::default(),
            callbacks: None,
            deadline: Timestamp::from_micros(1),
            claim: Claim::drawn(0),
            epoch: Epoch::FIRST,
            trace: None,
        }),
        attempt().prop_map(|(step, direction, n)| Event::AttemptStarted {
            step,
            direction,
            attempt: number(n)
        }),
        (attempt(), outcomes).prop_map(|((step, direction, n), outcome)| Event::AttemptEnded {
            step,
            direction,
            attempt: number(n),
            outcome,
            status: None,
            reason: None,
            output: None,
            retry_at: None,
        }),
        (0..6_usize).prop_map(|step| Event::Skipped { step }),
        Just(Event::RollbackDecided { cause: Cause::Cancelled }),
        Just(Event::RollbackDecided { cause: Cause::CancelledBy { by: "Ana".into(), reason: None } }),
        (0..6_usize).prop_map(|step| Event::Blocked {
            step,
            stuck: Stuck::ActionUnknown,
            reason: "x".into()
        }),
        Just(Event::Completed),
        Just(Event::RolledBack),
        any::<bool>().prop_map(|unseen| Event::Resumed { by: "Ana".into(), reason: None, unseen }),
        (0..6_usize, finding()).prop_map(|(step, finding)| Event::Resolved {
            step,
            finding,
            output: None,
            by: "Ana".into(),
            reason: "x".into()
        }),
        (1..4_u32).prop_map(|n| Event::TakenOver {
            epoch: match n {
                1 => Epoch::FIRST,
                2 => Epoch::FIRST.next(),
                _ => Epoch::first_of(Incarnation::FIRST.next().expect("a second one")),
            },
            claim: Claim::drawn(0)
        }),
    ]
}

/// Whether the table at [`Event`] forbids `event` after `records`, as far as the history alone can tell.
fn is_plainly_illegal(records: &[Record], graph: &Graph, specs: &[Spec], event: &Event) -> bool {
    let steps = specs.len();
    let has = |test: fn(&Event) -> bool| records.iter().any(|record| test(&record.event));
    let rolling_back = has(|e| matches!(e, Event::RollbackDecided { .. }));
    let is_over = records.iter().any(is_end);
    let in_flight = |wanted: (usize, Direction, AttemptNumber)| {
        let last = records.iter().rev().find_map(|record| match record.event {
            Event::AttemptStarted { step, direction, attempt } if step == wanted.0 => {
                Some(Some((step, direction, attempt)))
            }
            Event::AttemptEnded { step, .. } if step == wanted.0 => Some(None),
            Event::TakenOver { .. } => Some(None),
            _ => None,
        });
        last == Some(Some(wanted))
    };
    is_over
        || match event {
            Event::Started { .. } => true,
            Event::Skipped { step } => {
                let has_begun = |record: &Record| match record.event {
                    Event::AttemptStarted { step: begun, .. } | Event::Skipped { step: begun } => {
                        begun == *step
                    }
                    _ => false,
                };
                let is_conditional = specs.get(*step).is_some_and(|spec| spec.when.is_some());
                rolling_back || !is_conditional || records.iter().any(has_begun)
            }
            // Steps of these definitions only call.
            Event::Waits { .. }
            | Event::PauseEnded { .. }
            | Event::Signalled { .. }
            | Event::SignalTaken { .. }
            | Event::PassedOver { .. }
            | Event::OutputMade { .. } => true,
            Event::AttemptStarted { step, direction, attempt } => {
                let so_far = starts(records, *direction).iter().filter(|(s, _)| s == step).count();
                *step >= steps
                    || (*direction == Direction::Compensation && !rolling_back)
                    || attempt.get() as usize != so_far + 1
            }
            Event::AttemptEnded { step, direction, attempt, .. } => !in_flight((*step, *direction, *attempt)),
            Event::RollbackDecided { .. } => rolling_back,
            Event::Blocked { step, .. } => !rolling_back || *step >= steps,
            // Beside other steps, one may wait while a call is in flight.
            Event::Resumed { .. } if !graph.is_chain() => false,
            Event::Resumed { .. } => {
                matches!(records.last(), Some(Record { event: Event::AttemptStarted { .. }, .. }))
            }
            Event::Resolved { step, .. } => {
                let was_blocked = records
                    .iter()
                    .any(|record| matches!(record.event, Event::Blocked { step: at, .. } if at == *step));
                !rolling_back || !was_blocked
            }
            Event::Completed => rolling_back,
            Event::RolledBack => !rolling_back,
            Event::TakenOver { epoch, .. } => {
                let last = records.iter().rev().find_map(|record| match record.event {
                    Event::Started { epoch, .. } | Event::TakenOver { epoch, .. } => Some(epoch.get()),
                    _ => None,
                });
                let last = last.expect("a start");
                // The first one of a later incarnation, or one more.
                let begins = epoch.get() % 1_048_576 == 1 && epoch.get() > last;
                !begins && epoch.get() != last + 1
            }
        }
}

/// The state of each step's present call by the history, read without the core's help.
struct Calls {
    /// Of each step.
    in_flight: BTreeMap<usize, Direction>,
    /// First started when, for each step and direction.
    first: BTreeMap<(usize, Direction), Timestamp>,
    may_have_run: BTreeSet<(usize, Direction)>,
    /// When an operator last vouched for a step: its promise is counted anew from there.
    words: BTreeMap<usize, Timestamp>,
    /// The steps that are blocked because their participants may have forgotten.
    horizon_passed: BTreeSet<usize>,
}

impl Calls {
    fn new() -> Self {
        Self {
            in_flight: BTreeMap::new(),
            first: BTreeMap::new(),
            may_have_run: BTreeSet::new(),
            words: BTreeMap::new(),
            horizon_passed: BTreeSet::new(),
        }
    }

    /// Takes the next record, and says what it breaks.
    fn follow(&mut self, record: &Record, specs: &[Spec], created: Timestamp) -> Option<&'static str> {
        match record.event {
            Event::AttemptStarted { step, direction: Direction::Probe, .. } => {
                self.in_flight.remove(&step);
            }
            Event::AttemptStarted { step, direction, .. } => {
                let call = (step, direction);
                let first = *self.first.entry(call).or_insert(record.at);
                // Of a call ahead of the record, the history knows the last event before the take-over.
                let acted = self.first.get(&(step, Direction::Action)).copied().unwrap_or(created);
                let horizon = specs[step].horizon.map_or(i64::MAX, |horizon| 1000 * millis(horizon));
                let word = self.words.get(&step).copied();
                let is_older = |since: Timestamp| {
                    let since = word.map_or(since, |word| word.max(since));
                    record.at.as_micros() - since.as_micros() > horizon
                };
                let may_call = match specs[step].kind {
                    Kind::Read => true,
                    Kind::Plain => !self.may_have_run.contains(&call),
                    Kind::Idempotent => !(self.may_have_run.contains(&call) && is_older(first)),
                    Kind::Barrier if direction == Direction::Compensation => !is_older(acted),
                    Kind::Barrier => !(self.may_have_run.contains(&call) && is_older(acted)),
                };
                if !may_call {
                    return Some("a call that only a person may want");
                }
                self.in_flight.insert(step, direction);
            }
            Event::AttemptEnded { step, direction: Direction::Probe, outcome, .. } => {
                // It is there, so it was not undone; or it is not there, so it was not done.
                match outcome {
                    Outcome::Ok => self.may_have_run.remove(&(step, Direction::Compensation)),
                    Outcome::Refused => self.may_have_run.remove(&(step, Direction::Action)),
                    Outcome::Accepted | Outcome::Unknown | Outcome::NotSent => false,
                };
            }
            Event::AttemptEnded { step, outcome, .. } => {
                let ended = self.in_flight.remove(&step).filter(|_| outcome == Outcome::Unknown);
                self.may_have_run.extend(ended.map(|direction| (step, direction)));
            }
            // A restart loses the calls from sight.
            Event::TakenOver { .. } => {
                self.may_have_run.append(&mut take(&mut self.in_flight).into_iter().collect())
            }
            Event::Blocked { step, stuck: Stuck::HorizonPassed, .. } => {
                self.horizon_passed.insert(step);
            }
            Event::Blocked { step, .. } => {
                self.horizon_passed.remove(&step);
            }
            Event::Resumed { .. } => {
                self.words.extend(take(&mut self.horizon_passed).into_iter().map(|step| (step, record.at)));
            }
            Event::Resolved { step, .. } => {
                self.words.insert(step, record.at);
                self.may_have_run.remove(&(step, Direction::Compensation));
            }
            Event::Started { .. }
            | Event::Waits { .. }
            | Event::PauseEnded { .. }
            | Event::Signalled { .. }
            | Event::SignalTaken { .. }
            | Event::PassedOver { .. }
            | Event::OutputMade { .. }
            | Event::Skipped { .. }
            | Event::RollbackDecided { .. }
            | Event::Completed
            | Event::RolledBack => {}
        }
        None
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..by_seed() })]

    #[test]
    fn every_prefix_of_a_history_folds_to_what_the_live_run_had_there(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        for (i, state) in live.states.iter().enumerate() {
            let folded = Saga::fold(saga_id(), live.saga.definition().clone(), &live.records[..=i]);
            prop_assert_eq!(&told(&folded.expect("a prefix")), state, "after event {}", i + 1);
        }
    }

    #[test]
    fn a_saga_ends_once_and_nothing_follows(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        let ends = live.records.iter().filter(|record| is_end(record)).count();
        prop_assert!(ends <= 1);
        prop_assert_eq!(ends == 1, live.saga.is_over());
        prop_assert_eq!(live.records.last().is_some_and(is_end), live.saga.is_over());
        if live.saga.is_over() {
            let effects = live.saga.effects();
            prop_assert_eq!((effects.first_call(), effects.wake_at, effects.answer), (None, None, Some(live.saga.seq())));
        }
    }

    #[test]
    fn steps_are_undone_after_those_that_waited_for_them_and_only_after_the_one_decision(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        let decided: Vec<usize> = (0..live.records.len())
            .filter(|i| matches!(live.records[*i].event, Event::RollbackDecided { .. }))
            .collect();
        prop_assert!(decided.len() <= 1);
        let before = decided.first().copied().unwrap_or(live.records.len());
        prop_assert_eq!(starts(&live.records[..before], Direction::Compensation), Vec::new());
        let undone = starts(&live.records, Direction::Compensation);
        let graph = graph(&specs);
        let done = starts(&live.records[..before], Direction::Action);
        for (calls, may_follow) in [
            (&undone, &(|first, later| !graph.behind(first).contains(later)) as &dyn Fn(usize, usize) -> bool),
            (&done, &|first, later| !graph.before(first).contains(later)),
        ] {
            for (at, (first, _)) in calls.iter().enumerate() {
                prop_assert!(calls[at..].iter().all(|(later, _)| may_follow(*first, *later)), "{:?}", calls);
            }
        }
    }

    #[test]
    fn a_step_begins_or_is_skipped_as_its_condition_says_and_never_both(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        let done = starts(&live.records, Direction::Action);
        for (step, spec) in specs.iter().enumerate() {
            let skips = live.records.iter().filter(|record| record.event == Event::Skipped { step }).count();
            let has_begun = done.iter().any(|(begun, _)| *begun == step);
            prop_assert!(skips <= usize::from(spec.when == Some(When::HoldsNot)), "{:#?}", live.records);
            prop_assert!(!has_begun || matches!(spec.when, None | Some(When::Holds)), "{:#?}", live.records);
        }
    }

    #[test]
    fn attempts_are_numbered_without_gaps(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        for direction in [Direction::Action, Direction::Compensation, Direction::Probe] {
            for step in 0..specs.len() {
                let numbers: Vec<u32> =
                    starts(&live.records, direction).into_iter().filter(|(s, _)| *s == step).map(|(_, n)| n).collect();
                prop_assert_eq!(&numbers, &(1..).take(numbers.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_may_have_run_is_called_again_only_while_that_is_promised_or_somebody_knows(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        let mut calls = Calls::new();
        for record in &live.records {
            prop_assert_eq!(calls.follow(record, &specs, live.saga.created()), None, "{:#?}", live.records);
        }
    }

    #[test]
    fn nothing_is_asked_while_the_call_may_still_be_on_its_way(specs in specs(), acts in acts()) {
        let live = run(&specs, &acts);
        // Since when each step's call is over, until it is asked about. Later questions come later still.
        let mut over: Vec<Option<Timestamp>> = vec![None; specs.len()];
        for record in &live.records {
            match record.event {
                Event::AttemptStarted { step, direction: Direction::Probe, .. } => {
                    if let Some(over) = over[step].take() {
                        prop_assert!(record.at >= over.plus(PROBE_AFTER), "{:#?}", live.records);
                    }
                }
                Event::AttemptEnded { direction: Direction::Probe, .. } => {}
                Event::AttemptEnded { step, .. } => over[step] = Some(record.at),
                Event::TakenOver { .. } => over.fill(Some(record.at)),
                _ => {}
            }
        }
    }

    #[test]
    fn an_event_that_cannot_stand_there_is_refused_and_changes_nothing(
        specs in specs(), acts in acts(), events in proptest::collection::vec(any_event(), 12), cut in 0..40_usize,
    ) {
        let live = run(&specs, &acts);
        let records = &live.records[..live.records.len().min(cut + 1)];
        let saga = Saga::fold(saga_id(), live.saga.definition().clone(), records).expect("a prefix");
        for event in events {
            let illegal = is_plainly_illegal(records, &graph(&specs), &specs, &event);
            let mut touched = saga.clone();
            let applied = touched.apply(&Record { at: Timestamp::from_micros(9), state: None, command: None, by: None, event: event.clone() });
            prop_assert!(!(illegal && applied.is_ok()), "{:?} was accepted after {:?}", event, records);
            if applied.is_err() {
                prop_assert_eq!(told(&touched), told(&saga));
            }
        }
    }

    #[test]
    fn whatever_is_wanted_can_be_asked_for(specs in specs(), acts in acts()) {
        // Every request can be made, with the same key and body on every attempt, and needs only what exists.
        let mut live = Live::start(&definition(&specs));
        let mut seen = BTreeMap::new();
        for act in &acts {
            live.act(act);
            for call in live.saga.effects().calls {
                prop_assert!(call.needs <= live.saga.seq());
                let request = live.saga.request(&call).expect("every output that it is made of is there");
                if !matches!(act, Act::Crash { .. }) {
                    let body = request.body.as_ref().map(|body| body.text().to_owned());
                    let first = seen.entry(request.idempotency_key().to_string()).or_insert_with(|| body.clone());
                    prop_assert_eq!(&*first, &body);
                }
            }
        }
    }
}
