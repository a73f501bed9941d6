//! The trace context that a saga keeps, and passes on with each call.

use std::sync::Arc;

use saga_core::saga::NewSaga;
use saga_core::trace::{Sampler, TraceContext, TraceParent};
use saga_core::{AttemptNumber, Definition, Direction, Record, Saga, record_text};

use crate::support::{Run, at, parse, reply, saga_id, verdict};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn context(parent: &str) -> TraceContext {
    TraceContext {
        parent: Some(parent.parse().unwrap()),
        state: Some("vendor=1".into()),
        baggage: Some("shop=7".into()),
        request_id: Some("r-1".into()),
    }
}

/// Two steps that do not wait for each other, in a saga that has time.
fn two() -> Arc<Definition> {
    parse(
        "saga: essai
input: { n: integer }
deadline: 30d
participants: { p: { url: 'http://p', safety: barrier } }
steps:
  - { step: a, participant: p, action: { post: /a }, compensation: { post: /no-a } }
  - { step: b, after: [], participant: p, action: { post: /b }, compensation: { post: /no-b } }",
    )
}

fn start(context: Option<TraceContext>) -> (Saga, Vec<Record>) {
    let input = two().read_input(b"{\"n\":1}").unwrap();
    Saga::start(NewSaga { trace: context.map(Arc::new), ..NewSaga::of(saga_id(), input) }, at(0, 7))
}

/// The headers of the first step's call.
fn sent(saga: &Saga, sampler: &Sampler) -> (TraceParent, [Option<String>; 3]) {
    let calls = saga.effects().calls;
    let trace = saga.request(calls.iter().find(|call| call.step == 0).unwrap()).unwrap().trace;
    let texts = [trace.state(), trace.baggage(), trace.request_id()].map(|text| text.map(str::to_owned));
    (trace.parent(sampler), texts)
}

#[test]
fn a_caller_s_context_is_kept_with_the_start_and_passed_on() {
    let (saga, records) = start(Some(context(PARENT)));
    let kept = record_text::write(&records[..1]);
    let member = format!(
        r#""trace":{{"parent":"{PARENT}","state":"vendor=1","baggage":"shop=7","request_id":"r-1"}}}}"#
    );
    assert!(kept.contains(&member), "{kept}");
    // By another process, from what is kept alone.
    let records = record_text::read(record_text::write(&records).as_bytes()).unwrap();
    let again = Saga::fold(saga_id(), two(), &records).unwrap();
    for saga in [saga, again] {
        let (parent, texts) = sent(&saga, &Sampler::ALL);
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(parent.span.to_string(), "00f067aa0ba902b7");
        assert!(parent.flags.is_sampled());
        assert_eq!(texts, ["vendor=1", "shop=7", "r-1"].map(|text| Some(text.to_owned())));
        assert_eq!(saga.trace_id(), parent.trace);
    }
}

#[test]
fn nothing_more_is_kept_for_a_caller_that_sends_nothing() {
    let (saga, records) = start(None);
    assert!(!record_text::write(&records).contains("trace"));
    let (parent, texts) = sent(&saga, &Sampler::ALL);
    assert_eq!(parent.trace.bits(), saga_id().as_uuid().as_u128(), "the saga's id is the trace's");
    assert_eq!(texts, [None, None, None]);
}

#[test]
fn a_trace_that_is_not_recorded_is_passed_on_as_such() {
    let unsampled = PARENT.replace("-01", "-00");
    let (saga, _) = start(Some(context(&unsampled)));
    assert!(!sent(&saga, &Sampler::ALL).0.flags.is_sampled());
    assert!(!saga.is_sampled(&Sampler::ALL));
    let (saga, _) = start(None);
    assert!(!sent(&saga, &Sampler::NONE).0.flags.is_sampled());
}

#[test]
fn a_sampler_that_does_not_ask_callers_tells_participants_its_own_word() {
    for (caller, sampler, is_sampled) in
        [(PARENT.to_owned(), Sampler::NONE, false), (PARENT.replace("-01", "-00"), Sampler::ALL, true)]
    {
        let (saga, _) = start(Some(context(&caller)));
        let sampler = sampler.whatever_callers_say();
        assert_eq!(sent(&saga, &sampler).0.flags.is_sampled(), is_sampled, "{caller}");
        assert_eq!(saga.is_sampled(&sampler), is_sampled, "{caller}");
    }
}

#[test]
fn after_a_pause_a_saga_goes_on_in_a_new_trace() {
    let (saga, mut records) = start(Some(context(PARENT)));
    let first = sent(&saga, &Sampler::ALL);
    // The same history, whose last event came an hour and a microsecond later, or an hour.
    let hour = 3_600_000_000;
    let call = saga.effects().first_call().unwrap();
    let reply = reply(&call, verdict("not_sent", None));
    let mut after = |pause: i64| {
        let mut saga = saga.clone();
        records.truncate(3);
        records.extend(saga.handle(&reply, at(pause, 7)).unwrap());
        Saga::fold(saga_id(), two(), &records).unwrap()
    };
    assert_eq!(after(hour).trace_id(), first.0.trace);
    let paused = after(hour + 1);
    assert_ne!(paused.trace_id(), first.0.trace);
    // Its next attempt has started at once.
    let (parent, texts) = sent(&paused, &Sampler::ALL);
    assert_eq!(parent.trace, paused.trace_id());
    assert_eq!(texts[0], None, "the state belongs to the caller's trace");
    assert_eq!(texts[1].as_deref(), Some("shop=7"));
}

/// An attempt that started before the pause of another step is known to its participant by the trace in which it started.
#[test]
fn an_attempt_stays_in_the_trace_in_which_it_started() {
    let mut run = Run::start(&two());
    let second = |run: &Run| {
        let trace = run.saga.call_trace(1, Direction::Action, AttemptNumber::FIRST);
        trace.parent(&Sampler::ALL)
    };
    let first = second(&run);
    run.steps("pass 7200s; a: not_sent");
    assert_ne!(run.saga.trace_id(), first.trace);
    assert_eq!(second(&run), first);
}
