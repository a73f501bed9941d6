//! Where a saga is called back: the addresses in its requests, the signal that each is for, and where they are not to be seen.

use std::sync::Arc;

use saga_core::reply::{Answer, Reply, verdict};
use saga_core::saga::{CallWanted, Input, NewSaga};
use saga_core::{
    CallbackSecret, CallbackToken, Callbacks, Command, CommandId, CommandKind, Definition, Incarnation,
    Record, Saga,
};
use uuid::Uuid;

use crate::support::{at, parse, saga_id};

const AT: &str = "https://sagas.example/api/callbacks";
const SECRET: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

/// The payment tells later; the parcel is announced by two signals.
fn called_back() -> Arc<Definition> {
    parse(
        "saga: essai
input: { n: integer }
deadline: 1d
participants: { p: { url: 'http://p', safety: idempotent } }
steps:
  - step: payment
    participant: p
    action:
      post: /payments
      body: { n: .input.n, tell: .callbacks.paid }
      headers: { X-Tell: .callbacks.paid }
      pending: .status == 202
      await: { signal: paid, within: 1h, ok: .body.ok == true, refused: .body.ok == false }
      refused: .status == 402
    compensation: { post: /refunds, body: { tell: .callbacks.paid } }
    persist: { attempts: 1 }
  - { step: packed, signal: { name: packed, within: 1h } }
  - { step: again, signal: { name: packed, within: 1h } }",
    )
}

fn begin(definition: &Arc<Definition>) -> (Saga, Vec<Record>) {
    let input = definition.read_input(br#"{"n":1}"#).expect("an input");
    let callbacks = Callbacks::new(AT.into(), CallbackSecret::drawn(SECRET));
    Saga::start(NewSaga { callbacks: Some(callbacks), ..NewSaga::of(saga_id(), input) }, at(0, 7))
}

fn answer(saga: &mut Saga, records: &mut Vec<Record>, status: u16, body: &str) -> CallWanted {
    let call = saga.effects().first_call().expect("a call");
    let answer = Answer { status, body: body.into(), ..Answer::default() };
    let meaning = saga.call(call.step, call.direction).expect("its call");
    let verdict = verdict(meaning, &Reply::Answered(answer));
    let input = Input::Reply { step: call.step, direction: call.direction, attempt: call.attempt, verdict };
    records.extend(saga.handle(&input, at(1, 7)).expect("it is taken"));
    call
}

/// The address that the payment's request sends.
fn sent(saga: &Saga) -> String {
    let request = saga.request(&saga.effects().calls[0]).expect("a request");
    let body: serde_json::Value = serde_json::from_str(request.body.expect("a body").text()).expect("JSON");
    let in_body = body["tell"].as_str().expect("an address").to_owned();
    assert_eq!(request.headers[0].1, in_body.as_str());
    in_body
}

fn token(address: &str) -> CallbackToken {
    address.strip_prefix(AT).expect("the place").strip_prefix('/').expect("a slash").parse().expect("a token")
}

#[test]
fn rule_19_an_address_is_for_one_signal_of_one_saga_and_survives_a_take_over() {
    let definition = called_back();
    let (saga, records) = begin(&definition);
    let address = sent(&saga);
    assert_eq!(saga.called_back(&token(&address)), Some("paid"));
    assert_eq!(token(&address).saga(), saga.id());

    let mut elsewhere = Saga::fold(saga.id(), definition.clone(), &records).expect("a history");
    elsewhere.handle(&Input::TakeOver(Incarnation::FIRST), at(2, 9)).expect("a new owner");
    assert_eq!(sent(&elsewhere), address);
    assert_eq!(elsewhere.called_back(&token(&address)), Some("paid"));

    let input = definition.read_input(br#"{"n":1}"#).expect("an input");
    let other = Callbacks::new(AT.into(), CallbackSecret::drawn(SECRET + 1));
    let new = NewSaga { callbacks: Some(other), ..NewSaga::of(saga.id(), input.clone()) };
    let (other, _) = Saga::start(new, at(0, 7));
    assert_eq!(other.called_back(&token(&address)), None);
    let (never, _) = Saga::start(NewSaga::of(saga.id(), input), at(0, 7));
    assert_eq!(never.called_back(&token(&address)), None);
}

#[test]
fn rule_19_any_other_bit_is_for_no_signal() {
    let (saga, _) = begin(&called_back());
    let address = sent(&saga);
    let good = &address[AT.len() + 1..];
    for place in 32..64 {
        let mut other = good.to_owned();
        let digit = if &good[place..=place] == "0" { "1" } else { "0" };
        other.replace_range(place..=place, digit);
        assert_eq!(saga.called_back(&other.parse().expect("a token")), None, "{place}");
    }
}

#[test]
fn rule_19_an_address_is_shown_nowhere() {
    let (mut saga, mut records) = begin(&called_back());
    let address = sent(&saga);
    let proof = &address[address.len() - 32..];
    // The services repeat in their errors what they were sent.
    let call = answer(&mut saga, &mut records, 503, &format!(r#"{{"detail":"cannot tell {address}"}}"#));
    let shown = saga.shown_request(&call).expect("a request");
    assert_eq!(shown.body.expect("a body").text(), format!(r#"{{"n":1,"tell":"{AT}/***"}}"#));
    assert_eq!(shown.headers[0].1, format!("{AT}/***"));
    saga.handle(&Input::Tick, at(3_600_000_000, 7)).expect("time passes");
    let said = format!(r#"{{"detail":"no money; I will not tell {address}"}}"#);
    answer(&mut saga, &mut records, 402, &said);
    let failure = saga.failure().expect("it has failed");
    assert!(failure.reason.contains("I will not tell https://sagas.example/api/callbacks/"), "{failure:?}");
    for record in &records[1..] {
        assert!(!format!("{record:?}").contains(proof), "{record:?}");
        assert!(!serde_json::to_string(record).expect("JSON").contains(proof), "{record:?}");
    }
    assert!(!format!("{saga:?}").contains(proof));
    assert!(!format!("{:?}", records[0]).contains("aabb"), "{:?}", records[0]);
}

#[test]
fn rule_19_a_blocked_order_shows_its_call_without_the_address() {
    let (mut saga, mut records) = begin(&called_back());
    let address = sent(&saga);
    answer(&mut saga, &mut records, 200, "{}");
    let kind = CommandKind::Cancel;
    let cancel = Command { id: CommandId::new(Uuid::from_u128(1)), asked: at(2, 7).now, by: None, kind };
    records.extend(saga.handle(&Input::Command(cancel), at(2, 7)).expect("it can be stopped"));
    answer(&mut saga, &mut records, 500, &format!(r#"{{"detail":"{address}"}}"#));
    let pending = saga.pending().expect("it waits for a person");
    let request = pending.request.expect("a request");
    assert_eq!(request.body.expect("a body").text(), format!(r#"{{"tell":"{AT}/***"}}"#));
    assert!(!pending.blocked.reason.contains(&address), "{}", pending.blocked.reason);
}

#[test]
fn a_file_that_is_not_called_back_or_shows_its_addresses_is_told_so() {
    let told = |steps: &str, more: &str| {
        let file = format!(
            "saga: essai\ninput: {{ n: integer }}\ndeadline: 1d\nparticipants: {{ p: {{ url: 'http://p' }} }}\n{more}steps:\n  - {{ \
             step: a, participant: p, action: {{ post: /a, body: {{ tell: .callbacks.paid }} }}, compensation: none }}\n{steps}"
        );
        match Definition::check("d.yaml", &file, &Nothing) {
            Ok(checked) => format!("ok, line {:?}", checked.callbacks),
            Err(mistakes) => mistakes.to_string(),
        }
    };
    let paid = "  - { step: paid, signal: { name: paid, within: 1h } }\n";
    assert_eq!(told(paid, ""), "ok, line Some(6)");
    assert!(told("", "").contains("d.yaml:6: `.callbacks` has an address for each signal that a step takes"));
    let payed = paid.replace("name: paid", "name: pai");
    assert!(told(&payed, "").contains("did you mean `.callbacks.pai`?"));
    let other = paid.replace("name: paid", "name: something");
    assert!(told(&other, "").contains("there are .callbacks.something"));
    let dashed = paid.replace("name: paid", "name: pai-d");
    assert!(told(&dashed, "").contains("did you mean `.callbacks[\"pai-d\"]`?"));
    assert!(told(paid, "labels: { x: .callbacks.paid }\n").contains("for requests of steps alone"));
    assert!(told(paid, "output: { x: .callbacks.paid }\n").contains("for requests of steps alone"));
    // A file from before, in which a step has that name.
    let step = "  - { step: callbacks, participant: p, action: { post: /b, output: .body }, compensation: none }\n  - { step: c, participant: p, action: { post: /c, body: .callbacks.paid }, compensation: none }\n";
    let file = format!(
        "saga: essai\ninput: {{ n: integer }}\nparticipants: {{ p: {{ url: 'http://p' }} }}\nsteps:\n{step}"
    );
    assert!(!parse(&file).reads_callbacks);
}

struct Nothing;

impl saga_core::definition::Variables for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("no files".into())
    }
}
