//! The persisted form of records, pinned: what one version has written, every later one reads.
//!
//! A golden file that fails here is not to be changed: the journals of the world are full of its like. A new field
//! gets a default; a new kind of event gets a new file.

use std::sync::Arc;

use proptest::prelude::*;
use saga_core::definition::{DefinitionHash, Label, Labels};
use saga_core::event::{Cause, Finding, Stuck};
use saga_core::trace::{TraceContext, TraceParent};
use saga_core::{
    AttemptNumber, CallbackSecret, Callbacks, Claim, CommandId, Direction, Epoch, Event, Incarnation, Json,
    Outcome, Record, Timestamp,
};
use uuid::Uuid;

use crate::support::by_seed;

fn record(state: Option<&str>, event: Event) -> Record {
    Record {
        at: Timestamp::from_micros(1_735_725_600_123_456),
        state: state.map(Arc::from),
        command: None,
        by: None,
        event,
    }
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_735_725_600_123_456 + seconds * 1_000_000)
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).expect("JSON")
}

/// Every kind of record, and its golden file.
macro_rules! golden {
    ($($file:literal => $record:expr;)*) => {
        [$(($file, include_str!(concat!("golden/", $file, ".json")), $record)),*]
    };
}

fn parent() -> TraceParent {
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().expect("a traceparent")
}

fn all() -> impl IntoIterator<Item = (&'static str, &'static str, Record)> {
    let (action, compensation) = (Direction::Action, Direction::Compensation);
    let (first, second) = (AttemptNumber::FIRST, AttemptNumber::FIRST.next());
    let ended = |step, direction, attempt, outcome| Event::AttemptEnded {
        step,
        direction,
        attempt,
        outcome,
        status: None,
        reason: None,
        output: None,
        retry_at: None,
    };
    let command = CommandId::new(Uuid::from_u128(0x0193_5f5e_7a00_7000_8000_0000_0000_0001));
    let resolved = |finding| {
        let (by, reason) = ("Ana".into(), "looked it up".into());
        record(None, Event::Resolved { step: 1, finding, output: None, by, reason })
    };
    let blocked =
        |stuck| record(None, Event::Blocked { step: 1, stuck, reason: "nobody can know: timeout".into() });
    golden! {
        "started" => record(Some("INITIEE"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"client_id\":4,\"magasin_id\":1}"),
            labels: Labels::default(),
            callbacks: None,
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: Epoch::FIRST,
            trace: None,
        });
        "started_with_callbacks" => record(Some("STARTED"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"amount\":7}"),
            labels: Labels::default(),
            callbacks: Some(Callbacks::new(
                "https://sagas.example/api/callbacks".into(),
                CallbackSecret::drawn(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
            )),
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: Epoch::FIRST,
            trace: None,
        });
        "started_with_trace" => record(Some("STARTED"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"amount\":7}"),
            labels: Labels::default(),
            callbacks: None,
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: Epoch::FIRST,
            trace: Some(Arc::new(TraceContext {
                parent: Some(parent()),
                state: Some("vendor=1,other=2".into()),
                baggage: Some("shop=7;ttl=5".into()),
                request_id: Some("r-1".into()),
            })),
        });
        "started_with_request_id" => record(Some("STARTED"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"amount\":7}"),
            labels: Labels::default(),
            callbacks: None,
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: Epoch::FIRST,
            trace: Some(Arc::new(TraceContext {
                parent: None,
                state: None,
                baggage: None,
                request_id: Some("r-1".into()),
            })),
        });
        "started_after_a_restore" => record(Some("STARTED"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"amount\":7}"),
            labels: Labels::default(),
            callbacks: None,
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: restored(),
            trace: None,
        });
        "taken_over_after_a_restore" => record(None, Event::TakenOver { epoch: restored(), claim: Claim::drawn(8 << 11) });
        "signalled_with_trace" => record(None, Event::Signalled { name: "approved".into(), key: None, body: Json::null(), trace: Some(parent()) });
        "started_with_labels" => record(Some("INITIEE"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"client_id\":4,\"magasin_id\":1}"),
            labels: [("client_id", Label::Integer(4)), ("shop", Label::Text("Lyon".into()))]
                .map(|(name, label)| (name.into(), label))
                .into_iter()
                .collect(),
            callbacks: None,
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: Epoch::FIRST,
            trace: None,
        });
        "attempt_started_action" => record(None, Event::AttemptStarted { step: 0, direction: action, attempt: first });
        "attempt_started_compensation" =>
            record(None, Event::AttemptStarted { step: 3, direction: compensation, attempt: second });
        "attempt_ended_ok" => record(Some("STOCK_RESERVE"), ended(1, action, first, Outcome::Ok));
        "attempt_ended_ok_with_output" => record(None, Event::AttemptEnded {
            step: 0,
            direction: action,
            attempt: first,
            outcome: Outcome::Ok,
            status: Some(200),
            reason: None,
            // White space and the order of keys are kept as they came.
            output: Some(json("{\"produits\": [{\"quantite\":3,\"prix\":19.99}], \"montant\":59.97}")),
            retry_at: None,
        });
        "attempt_ended_refused" => record(None, Event::AttemptEnded {
            step: 2,
            direction: action,
            attempt: second,
            outcome: Outcome::Refused,
            status: Some(402),
            reason: Some("Solde insuffisant «é» \"1\"\n".into()),
            output: None,
            retry_at: None,
        });
        "attempt_ended_unknown" => record(None, Event::AttemptEnded {
            step: 2,
            direction: compensation,
            attempt: second,
            outcome: Outcome::Unknown,
            status: None,
            reason: Some("timeout".into()),
            output: None,
            retry_at: Some(later(1)),
        });
        "attempt_ended_not_sent" => record(None, ended(1, action, first, Outcome::NotSent));
        "rollback_decided_step_failed" => record(Some("ECHEC_PAIEMENT"), Event::RollbackDecided {
            cause: Cause::StepFailed { step: 2, reason: "Solde insuffisant".into() },
        });
        "rollback_decided_cancelled_by" => record(
            Some("ANNULEE"),
            Event::RollbackDecided {
                cause: Cause::CancelledBy { by: "Ana".into(), reason: Some("stopped by phone".into()) },
            },
        );
        "rollback_decided_cancelled" => record(Some("ANNULEE"), Event::RollbackDecided { cause: Cause::Cancelled });
        "rollback_decided_deadline_passed" =>
            record(Some("ANNULEE"), Event::RollbackDecided { cause: Cause::DeadlinePassed });
        "blocked_action_unknown" => blocked(Stuck::ActionUnknown);
        "blocked_compensation_unknown" => blocked(Stuck::CompensationUnknown);
        "blocked_compensation_failing" => blocked(Stuck::CompensationFailing);
        "blocked_action_unsettled" => blocked(Stuck::ActionUnsettled);
        "skipped" => record(None, Event::Skipped { step: 1 });
        "waits" => record(None, Event::Waits { step: 1, until: later(60) });
        "pause_ended" => record(Some("TRIED"), Event::PauseEnded { step: 1 });
        "signalled" => record(None, Event::Signalled { name: "approved".into(), key: None, body: json("{\"by\":\"Ana\"}"), trace: None });
        "signalled_with_key" => record(None, Event::Signalled { name: "approved".into(), key: Some("k-1".into()), body: Json::null(), trace: None });
        "signal_taken" => record(Some("APPROVED"), Event::SignalTaken {
            step: 1,
            signal: 2,
            outcome: Outcome::Ok,
            reason: None,
            output: Some(json("{\"by\":\"Ana\"}")),
        });
        "signal_taken_refused" => record(None, Event::SignalTaken {
            step: 1,
            signal: 1,
            outcome: Outcome::Refused,
            reason: Some("the signal means that it has failed".into()),
            output: None,
        });
        "passed_over" => record(None, Event::PassedOver { step: 2, reason: "no answer".into() });
        "output_made" => record(None, Event::OutputMade { output: json("{\"id\":7}"), error: None });
        "output_made_failed" => record(None, Event::OutputMade { output: Json::null(), error: Some("cannot index 1".into()) });
        "attempt_ended_accepted" => record(None, Event::AttemptEnded {
            step: 2,
            direction: action,
            attempt: first,
            outcome: Outcome::Accepted,
            status: Some(202),
            reason: None,
            output: Some(json("{\"headers\":{\"location\":\"/jobs/7\"}}")),
            retry_at: Some(later(5)),
        });
        "attempt_ended_poll" => record(Some("PAID"), ended(2, Direction::Poll, first, Outcome::Ok));
        "blocked_action_failing" => blocked(Stuck::ActionFailing);
        "completed" => record(Some("CONFIRMEE"), Event::Completed);
        "rolled_back" => record(None, Event::RolledBack);
        "attempt_started_probe" => record(None, Event::AttemptStarted { step: 2, direction: Direction::Probe, attempt: first });
        "blocked_horizon_passed" => blocked(Stuck::HorizonPassed);
        "blocked_nothing_to_undo" => blocked(Stuck::NothingToUndo);
        "blocked_task_failed" => blocked(Stuck::TaskFailed);
        "resumed" => record(None, Event::Resumed { by: "Ana".into(), reason: None, unseen: false });
        "resumed_unseen" => record(None, Event::Resumed { by: "Ana".into(), reason: None, unseen: true });
        "started_by_a_caller" => Record { by: Some("shop".into()), ..record(Some("STARTED"), Event::Started {
            definition: DefinitionHash::new("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
            input: json("{\"amount\":7}"),
            labels: Labels::default(),
            callbacks: None,
            deadline: later(60),
            claim: Claim::drawn(7 << 11),
            epoch: Epoch::FIRST,
            trace: None,
        }) };
        "resumed_by_command" => Record { command: Some(command), ..record(None, Event::Resumed { by: "Ana".into(), reason: None, unseen: false }) };
        "rollback_decided_by_command" => Record {
            command: Some(command),
            ..record(Some("ANNULEE"), Event::RollbackDecided { cause: Cause::Cancelled })
        };
        "resumed_with_reason" => record(None, Event::Resumed { by: "Ana".into(), reason: Some("stock is back".into()), unseen: false });
        "resolved_ran" => record(None, Event::Resolved {
            step: 3,
            finding: Finding::Ran,
            output: Some(Json::parse(br#"{"id":17}"#).expect("JSON")),
            by: "Ana".into(),
            reason: "seen in the sales".into(),
        });
        "resolved_not_run" => resolved(Finding::NotRun);
        "resolved_undone" => resolved(Finding::Undone);
        "taken_over" => record(None, Event::TakenOver { epoch: Epoch::FIRST.next(), claim: Claim::drawn(8 << 11) });
    }
}

/// The first epoch of the second incarnation.
fn restored() -> Epoch {
    Epoch::first_of(Incarnation::FIRST.next().expect("there is a second one"))
}

fn encode(record: &Record) -> String {
    serde_json::to_string(record).expect("records serialize")
}

#[test]
fn every_record_is_written_and_read_as_its_golden_file_says() {
    for (file, golden, record) in all() {
        let golden = golden.trim_end_matches('\n');
        assert_eq!(encode(&record), golden, "{file}.json");
        assert_eq!(serde_json::from_str::<Record>(golden).expect(file), record, "{file}.json");
    }
}

/// So that a new kind of event cannot be forgotten: it does not compile without a line here.
#[test]
fn every_kind_of_event_has_a_golden_file() {
    let mut seen = [false; 17];
    for (_, _, record) in all() {
        seen[match record.event {
            Event::Started { .. } => 0,
            Event::AttemptStarted { .. } => 1,
            Event::AttemptEnded { .. } => 2,
            Event::RollbackDecided { .. } => 3,
            Event::Blocked { .. } => 4,
            Event::Completed => 5,
            Event::RolledBack => 6,
            Event::TakenOver { .. } => 7,
            Event::Resumed { .. } => 8,
            Event::Resolved { .. } => 9,
            Event::Skipped { .. } => 10,
            Event::Waits { .. } => 11,
            Event::PauseEnded { .. } => 12,
            Event::Signalled { .. } => 13,
            Event::SignalTaken { .. } => 14,
            Event::PassedOver { .. } => 15,
            Event::OutputMade { .. } => 16,
        }] = true;
    }
    assert_eq!(seen, [true; 17]);
}

fn read(text: &str) -> Result<Record, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn fields_of_a_later_version_are_stepped_over_and_missing_optional_ones_are_none() {
    let known = read(
        r#"{"at":1,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"ok"}}}"#,
    );
    let with_more = r#"{"at":1,"node":"b","event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,
        "outcome":"ok","status":null,"took_ms":3}}}"#;
    assert_eq!(read(with_more), known);
    assert!(known.is_ok());
}

#[test]
fn an_event_or_value_of_a_later_version_is_an_error_never_a_guess() {
    insta::assert_snapshot!(
        read(r#"{"at":1,"event":{"paused":{}}}"#).expect_err("unknown event"),
        @"unknown variant `paused`, expected one of `started`, `skipped`, `waits`, `pause_ended`, `signalled`, `signal_taken`, `passed_over`, `output_made`, `attempt_started`, `attempt_ended`, `rollback_decided`, `blocked`, `completed`, `rolled_back`, `resumed`, `resolved`, `taken_over` at line 1 column 25"
    );
    let outcome =
        r#"{"at":1,"event":{"attempt_ended":{"step":0,"direction":"action","attempt":1,"outcome":"maybe"}}}"#;
    assert!(read(outcome).expect_err("unknown outcome").contains("unknown variant `maybe`"));
    assert!(
        read(r#"{"at":1,"event":{"attempt_started":{"step":0}}}"#)
            .expect_err("cut")
            .contains("missing field")
    );
    assert!(read("{\"at\":1,\"eve").is_err());
    assert!(read("").is_err());
}

fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,8}".prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            proptest::collection::vec((".{0,4}", inner), 0..3)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    });
    value.prop_map(|value| Json::of(&value).expect("JSON"))
}

fn any_record() -> impl Strategy<Value = Record> {
    let direction =
        || prop_oneof![Just(Direction::Action), Just(Direction::Compensation), Just(Direction::Probe)];
    let attempt = || (1..9_u32).prop_map(|n| (1..n).fold(AttemptNumber::FIRST, |number, _| number.next()));
    let at = || any::<i64>().prop_map(Timestamp::from_micros);
    let words = || ".{0,20}".prop_map(|text| text.into_boxed_str());
    let outcome = prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::Refused),
        Just(Outcome::Unknown),
        Just(Outcome::NotSent)
    ];
    let event = prop_oneof![
        ("[0-9a-f]{64}", any_json(), at(), any::<u64>()).prop_map(|(hash, input, deadline, random)| {
            Event::Started {
                definition: DefinitionHash::new(&hash),
                input,
                labels: Labels::default(),
                callbacks: None,
                deadline,
                claim: Claim::drawn(random),
                epoch: if random % 2 == 0 { Epoch::FIRST } else { restored() },
                trace: None,
            }
        }),
        (any::<usize>(), direction(), attempt())
            .prop_map(|(step, direction, attempt)| Event::AttemptStarted { step, direction, attempt }),
        (
            (any::<usize>(), direction(), attempt(), outcome),
            proptest::option::of(any::<u16>()),
            proptest::option::of(words()),
            proptest::option::of(any_json()),
            proptest::option::of(at()),
        )
            .prop_map(|((step, direction, attempt, outcome), status, reason, output, retry_at)| {
                Event::AttemptEnded { step, direction, attempt, outcome, status, reason, output, retry_at }
            }),
        (any::<usize>(), words())
            .prop_map(|(step, reason)| Event::RollbackDecided { cause: Cause::StepFailed { step, reason } }),
        (any::<usize>(), words()).prop_map(|(step, reason)| Event::Blocked {
            step,
            stuck: Stuck::ActionUnsettled,
            reason
        }),
        (words(), proptest::option::of(words()), any::<bool>())
            .prop_map(|(by, reason, unseen)| Event::Resumed { by, reason, unseen }),
        (any::<usize>(), proptest::option::of(any_json()), words(), words()).prop_map(
            |(step, output, by, reason)| Event::Resolved { step, finding: Finding::Ran, output, by, reason }
        ),
    ];
    let command = proptest::option::of(any::<u128>().prop_map(|id| CommandId::new(Uuid::from_u128(id))));
    let by = proptest::option::of("[a-z]{1,12}".prop_map(Arc::from));
    (at(), proptest::option::of("[A-Z_]{1,12}"), command, by, event).prop_map(
        |(at, state, command, by, event)| Record { at, state: state.map(Arc::from), command, by, event },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..by_seed() })]

    #[test]
    fn what_is_written_is_read_back(record in any_record()) {
        let text = encode(&record);
        prop_assert_eq!(&read(&text).expect("what was written"), &record);
        prop_assert_eq!(encode(&read(&text).expect("what was written")), text);
    }
}
