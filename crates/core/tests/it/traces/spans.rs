//! The spans that histories tell.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::Config as ProptestConfig;
use saga_core::saga::NewSaga;
use saga_core::trace::{
    SagaSpan, Sampler, SpanAbout, SpanFold, StepEnd, TRACE_PAUSE, TraceContext, TraceId, TracedEnd,
};
use saga_core::{Definition, Event, Record, Saga};

use crate::properties::{acts, run, specs};
use crate::support::{Kind, Run, Spec, at, by_seed, definition, parse, saga_id};

fn spans(definition: &Arc<Definition>, records: &[Record]) -> Vec<SagaSpan> {
    SpanFold::of(saga_id(), definition.clone(), records).expect("a start").1
}

/// Each span as a line below the one above it, by their beginnings; traces and links by number.
fn drawn(spans: &[SagaSpan]) -> String {
    let mut traces: Vec<TraceId> = Vec::new();
    let mut order: Vec<&SagaSpan> = spans.iter().collect();
    order.sort_by_key(|span| (span.begun, span.ended));
    for span in &order {
        if !traces.contains(&span.trace) {
            traces.push(span.trace);
        }
    }
    let mut text = String::new();
    for (number, trace) in traces.iter().enumerate() {
        writeln!(text, "trace {}", number + 1).unwrap();
        let is_known = |span: &SagaSpan| {
            let is_it = |above: &&SagaSpan| Some(above.id) == span.parent && above.trace == span.trace;
            spans.iter().any(|above| is_it(&above))
        };
        for span in order.iter().filter(|span| span.trace == *trace && !is_known(span)) {
            below(&mut text, &order, &traces, span, 1);
        }
    }
    text
}

fn below(text: &mut String, order: &[&SagaSpan], traces: &[TraceId], span: &SagaSpan, depth: usize) {
    let name = |step: usize| span.definition.steps[step].name.clone();
    let about = match &span.about {
        SpanAbout::Saga { state, completed, is_called } => {
            let end =
                completed.map_or("goes on elsewhere", |done| if done { "completed" } else { "rolled back" });
            format!("saga {state} {end}{}", if *is_called { ", called" } else { "" })
        }
        SpanAbout::Step { step, direction, end } => {
            let end = match end {
                StepEnd::Ok => "ok",
                StepEnd::Failed => "failed",
                StepEnd::Open => "open",
            };
            format!("{} {direction} {end}", name(*step))
        }
        SpanAbout::Attempt { step, direction, attempt, end } => {
            let end = match end {
                TracedEnd::Answered { outcome, .. } => outcome.to_string(),
                TracedEnd::Interrupted => "interrupted".to_owned(),
            };
            format!("{} {direction} #{} {end}", name(*step), attempt.get())
        }
    };
    let (begun, ended) = (span.begun.as_micros() / 1_000, span.ended.as_micros() / 1_000);
    write!(text, "{}{about} {begun}..{ended}", "  ".repeat(depth)).unwrap();
    for link in &span.links {
        match traces.iter().position(|trace| *trace == link.trace) {
            Some(number) => write!(text, " ~ trace {}", number + 1).unwrap(),
            None => write!(text, " ~ {}/{}", link.trace, link.span).unwrap(),
        }
    }
    text.push('\n');
    for child in order.iter().filter(|child| child.trace == span.trace && child.parent == Some(span.id)) {
        below(text, order, traces, child, depth + 1);
    }
}

fn drawn_script(definition: &Arc<Definition>, script: &str) -> String {
    let mut run = Run::start(definition);
    run.steps(script);
    drawn(&spans(definition, &run.records))
}

fn two() -> Arc<Definition> {
    definition(&[Spec::new(Kind::Idempotent), Spec::new(Kind::Idempotent)])
}

#[test]
fn a_saga_that_completes() {
    insta::assert_snapshot!(drawn_script(&two(), "pass 5ms; ok; pass 7ms; ok"), @"
    trace 1
      saga FINI completed 0..12
        a action ok 0..5
          a action #1 ok 0..5
        b action ok 5..12
          b action #1 ok 5..12
    ");
}

#[test]
fn a_retry_and_a_rollback() {
    insta::assert_snapshot!(drawn_script(&two(), "pass 5ms; not_sent; wait; ok; pass 5ms; refused; pass 2ms; ok"), @"
    trace 1
      saga ECHEC_B rolled back 0..112
        a action ok 0..105
          a action #1 not_sent 0..5
          a action #2 ok 105..105
        b action failed 105..110
          b action #1 refused 105..110
        a compensation ok 110..112
          a compensation #1 ok 110..112
    ");
}

/// Its process was killed while the call was in flight: the new owner tells that nobody knows.
#[test]
fn an_attempt_whose_owner_is_gone_has_a_span() {
    insta::assert_snapshot!(drawn_script(&two(), "pass 5ms; ok; pass 9s; take-over; pass 5ms; ok"), @"
    trace 1
      saga FINI completed 0..9010
        a action ok 0..5
          a action #1 ok 0..5
        b action ok 5..9010
          b action #1 interrupted 5..9005
          b action #2 ok 9005..9010
    ");
}

#[test]
fn a_saga_goes_on_in_a_new_trace_after_a_pause() {
    let source = "saga: essai
input: { n: integer }
deadline: 30d
participants: { p: { url: 'http://p', safety: idempotent } }
steps:
  - { step: paid, participant: p, action: { post: /pay }, compensation: { post: /refund } }
  - { step: approved, signal: { name: approved, within: 20d } }
  - { step: sent, participant: p, action: { post: /send }, compensation: { post: /stop } }";
    insta::assert_snapshot!(
        drawn_script(&parse(source), "pass 5ms; ok; pass 259200s; signal approved; decide; pass 5ms; ok"),
        @"
    trace 1
      saga STARTED goes on elsewhere 0..5
        paid action ok 0..5
          paid action #1 ok 0..5
        approved action open 5..5
    trace 2
      saga COMPLETED completed 259200005..259200010 ~ trace 1
        approved action ok 259200005..259200005
        sent action ok 259200005..259200010
          sent action #1 ok 259200005..259200010
    "
    );
}

#[test]
fn a_signal_s_sender_is_linked_to_the_step_that_takes_it() {
    let source = "saga: essai
input: { n: integer }
deadline: 1d
participants: { p: { url: 'http://p', safety: idempotent } }
steps:
  - { step: approved, signal: { name: approved, within: 1h } }";
    let definition = parse(source);
    let mut run = Run::start(&definition);
    run.steps("pass 5ms; signal approved; decide");
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    for record in &mut run.records {
        if let Event::Signalled { trace, .. } = &mut record.event {
            *trace = Some(parent);
        }
    }
    let spans = spans(&definition, &run.records);
    let step = spans.iter().find(|span| matches!(span.about, SpanAbout::Step { .. })).unwrap();
    assert_eq!(step.links, [parent.into()]);
}

#[test]
fn the_caller_s_span_is_above_the_saga_s() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap();
    let context = TraceContext { parent: Some(parent), state: None, baggage: None, request_id: None };
    let definition = definition(&[Spec::new(Kind::Read)]);
    let input = definition.read_input(b"{\"n\":1}").unwrap();
    let new = NewSaga { trace: Some(context.into()), ..NewSaga::of(saga_id(), input) };
    let (mut saga, mut records) = Saga::start(new, at(0, 7));
    let call = saga.effects().first_call().unwrap();
    let reply = crate::support::reply(&call, crate::support::verdict("ok", None));
    records.extend(saga.handle(&reply, at(5_000, 7)).unwrap());
    let spans = spans(&definition, &records);
    let root = spans.last().unwrap();
    assert!(matches!(root.about, SpanAbout::Saga { is_called: true, .. }));
    assert_eq!((root.trace, root.parent), (parent.trace, Some(parent.span)));
    assert!(spans.iter().all(|span| span.trace == parent.trace));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..by_seed() })]

    /// With pauses anywhere: every replica that reads the history from any place on tells the same spans; no id
    /// is there twice; each attempt has one span, with the ids that its call was sent with; and of a saga that is over, each span
    /// but the first of a trace has the one above it in the same trace.
    #[test]
    fn a_history_tells_one_whole_tree_whoever_reads_it(
        specs in specs(), acts in acts(), pauses in proptest::collection::vec(proptest::bool::weighted(0.1), 60), cut in 0..40_usize,
    ) {
        let live = run(&specs, &acts);
        let definition = live.saga.definition().clone();
        let mut records = live.records;
        let mut late = std::time::Duration::ZERO;
        for (record, is_pause) in records.iter_mut().zip(&pauses) {
            late += if *is_pause { TRACE_PAUSE * 3 } else { std::time::Duration::ZERO };
            record.at = record.at.plus(late);
        }
        let all = spans(&definition, &records);
        let cut = cut.min(records.len() - 1) + 1;
        let (mut fold, mut parts) = SpanFold::of(saga_id(), definition.clone(), &records[..cut]).unwrap();
        records[cut..].iter().for_each(|record| fold.apply(record, &mut parts));
        prop_assert_eq!(format!("{parts:?}"), format!("{all:?}"));

        let ids: BTreeSet<_> = all.iter().map(|span| (span.trace, span.id)).collect();
        prop_assert_eq!(ids.len(), all.len(), "{}", drawn(&all));
        prop_assert!(all.iter().all(|span| span.begun <= span.ended));

        let mut sent = BTreeMap::new();
        let mut saga = Saga::fold(saga_id(), definition, &records[..1]).unwrap();
        for record in &records[1..] {
            saga.apply(record).unwrap();
            if let Event::AttemptStarted { step, direction, attempt } = record.event {
                let parent = saga.call_trace(step, direction, attempt).parent(&Sampler::ALL);
                sent.insert((step, direction, attempt), (parent.trace, parent.span));
            }
        }
        let mut told = BTreeMap::new();
        for span in &all {
            if let SpanAbout::Attempt { step, direction, attempt, .. } = span.about {
                told.insert((step, direction, attempt), (span.trace, span.id));
            }
        }
        if saga.is_over() {
            prop_assert_eq!(&told, &sent, "{}", drawn(&all));
            for span in &all {
                let is_above = |above: &SagaSpan| (above.trace, Some(above.id)) == (span.trace, span.parent);
                let is_first = matches!(span.about, SpanAbout::Saga { .. });
                prop_assert_eq!(all.iter().any(is_above), !is_first, "{}", drawn(&all));
            }
            let first = all.iter().filter(|span| matches!(span.about, SpanAbout::Saga { .. }));
            prop_assert_eq!(first.count(), all.iter().map(|span| span.trace).collect::<BTreeSet<_>>().len());
        } else {
            prop_assert!(told.iter().all(|(call, ids)| sent.get(call) == Some(ids)));
        }
    }
}
