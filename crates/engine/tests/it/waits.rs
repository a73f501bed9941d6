//! Steps that wait: for signals, for times, for the end of what was accepted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::saga::{Rejected, Rollback};
use saga_core::{Json, SagaId};
use saga_engine::{Limits, Refusal, Wait};
use tokio::time::{Instant, sleep};

use crate::support::{PATIENT, Place, Shop, answered, order, parse};

/// `vol`, then these steps, then `billet`.
fn trip(steps: &str) -> Shop {
    let source = format!(
        "saga: voyage\ninput: {{ client_id: integer, magasin_id: integer }}\ndeadline: 60d\n\
         participants:\n  agence: {{ url: http://agence, safety: idempotent }}\nsteps:\n\
         \x20 - {{ step: vol, participant: agence, action: {{ post: /vol }}, compensation: {{ delete: '/vol/\\(.saga_id)' }} }}\n\
         {steps}\n\
         \x20 - {{ step: billet, participant: agence, action: {{ post: /billet }}, compensation: none }}\n"
    );
    Shop::serving(parse(&source), Limits::default())
}

fn json(text: &str) -> Json {
    Json::parse(text.as_bytes()).expect("JSON")
}

const APPROVAL: &str = "  - { step: accord, signal: { name: accord, within: 20h, refused: .body.non == true, ok: .body | \
                        type == \"object\", output: .body } }";

async fn started(shop: &Shop) -> SagaId {
    shop.engine.recover().await;
    let begun = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    begun.saga
}

async fn ended(shop: &Shop, saga: SagaId) -> (String, Rollback) {
    let end = shop.engine.wait(saga, PATIENT).await.unwrap();
    (end.state.to_string(), end.rollback)
}

#[tokio::test(start_paused = true)]
async fn a_saga_goes_on_when_its_signal_comes() {
    let shop = trip(APPROVAL);
    let saga = started(&shop).await;
    sleep(Duration::from_secs(10 * 3_600)).await;
    assert_eq!(shop.engine.health().active, 0, "it is not in memory");
    shop.engine.signal(saga, "accord", None, json("{}")).await.unwrap();
    assert_eq!(ended(&shop, saga).await, ("COMPLETED".into(), Rollback::None));
    assert_eq!(shop.participants.calls("billet action"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_undoes_what_was_done_and_so_does_no_signal() {
    for (refused, hours) in [(true, 0), (false, 21)] {
        let shop = trip(APPROVAL);
        let saga = started(&shop).await;
        if refused {
            shop.engine.signal(saga, "accord", None, json(r#"{"non":true}"#)).await.unwrap();
        }
        sleep(Duration::from_secs(hours * 3_600)).await;
        assert_eq!(ended(&shop, saga).await, ("FAILED".into(), Rollback::Done));
        assert_eq!(shop.participants.calls("vol compensation"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_is_refused_while_its_sender_is_there_to_hear_of_it() {
    let shop = trip(APPROVAL);
    let saga = started(&shop).await;
    let sent = |name: &'static str, key: Option<&'static str>, body: &str| {
        let (engine, body) = (shop.engine.clone(), json(body));
        async move { engine.signal(saga, name, key, body).await }
    };
    let bad = sent("accord", None, "7").await.expect_err("it is neither");
    assert!(matches!(&bad, Refusal::BadSignal(why) if why.contains("step `accord`")), "{bad}");
    assert_eq!(sent("autre", None, "{}").await, Err(Refusal::Rejected(Rejected::NoSuchSignal)));
    let nobody = SagaId::from_idempotency_key("nobody");
    assert_eq!(shop.engine.signal(nobody, "accord", None, json("{}")).await, Err(Refusal::Unknown));
    sent("accord", Some("k"), "{}").await.unwrap();
    assert_eq!(ended(&shop, saga).await.0, "COMPLETED");
    assert_eq!(sent("accord", Some("k"), "{}").await, Ok(()), "the same signal");
    assert_eq!(
        sent("accord", Some("k"), r#"{"x":1}"#).await,
        Err(Refusal::Rejected(Rejected::SignalKeyReused))
    );
    assert_eq!(sent("accord", None, "{}").await, Err(Refusal::Rejected(Rejected::TakesNoSignals)));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_over_at_its_time() {
    let shop = trip("  - { step: repos, pause: 3h }");
    let begun = Instant::now();
    let saga = started(&shop).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((shop.engine.health().active, shop.participants.calls("billet action")), (0, 0));
    sleep(Duration::from_secs(3 * 3_600) - begun.elapsed() + Duration::from_secs(1)).await;
    assert_eq!(shop.participants.calls("billet action"), 1);
    assert_eq!(ended(&shop, saga).await.0, "COMPLETED");
}

/// A step that is accepted first.
const HOTEL: &str = "  - step: hotel\n    participant: agence\n    action: { post: /hotel, pending: .status == 202, poll: { get: \
                     .accepted.headers.location, every: 8s, refused: .body.plein == true } }\n    compensation: { delete: \
                     '/hotel/\\(.saga_id)' }\n    persist: { attempts: 3 }";

fn accepted(location: &str) -> saga_core::reply::Reply {
    let mut reply = answered(202, "{}");
    if let saga_core::reply::Reply::Answered(answer) = &mut reply {
        answer.headers.push(("location".into(), location.into()));
    }
    reply
}

#[tokio::test(start_paused = true)]
async fn an_accepted_action_is_asked_about_until_it_is_done() {
    for (last, end) in [("{}", ("COMPLETED", 0)), (r#"{"plein":true}"#, ("FAILED", 1))] {
        let shop = trip(HOTEL);
        shop.participants.next("hotel action", Duration::ZERO, accepted("http://agence/jobs/7"));
        for _ in 0..3 {
            shop.participants.next("hotel poll", Duration::ZERO, answered(202, "{}"));
        }
        shop.participants.next("hotel poll", Duration::ZERO, answered(200, last));
        let saga = started(&shop).await;
        sleep(Duration::from_secs(40)).await;
        assert_eq!(ended(&shop, saga).await.0, end.0);
        let of = |what: &str| shop.participants.calls(what);
        assert_eq!((of("hotel poll"), of("hotel action"), of("vol compensation")), (4, 1, end.1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_elsewhere_is_not_followed() {
    let shop = trip(HOTEL);
    for location in ["http://ailleurs/jobs/7", "//ailleurs", "https://agence/jobs/7"] {
        shop.participants.next("hotel action", Duration::ZERO, accepted(location));
    }
    let saga = started(&shop).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(ended(&shop, saga).await.0, "COMPLETED", "the action is repeated, and is done at once");
    assert_eq!((shop.participants.calls("hotel action"), shop.participants.calls("hotel poll")), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn a_person_is_told_when_nobody_says_how_an_accepted_action_ended() {
    let shop = trip(HOTEL);
    shop.participants.next("hotel action", Duration::ZERO, accepted("/jobs/7"));
    shop.participants.always("hotel poll", Some(answered(500, "")));
    let saga = started(&shop).await;
    shop.engine.cancel(saga, Duration::from_secs(600)).await.unwrap();
    assert_eq!(ended(&shop, saga).await.1, Rollback::Blocked);
    shop.participants.always("hotel poll", Some(answered(200, "")));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(ended(&shop, saga).await, ("CANCELLED".into(), Rollback::Done));
    assert_eq!(shop.participants.calls("hotel compensation"), 1);
    assert_eq!(shop.elsewhere.load(Ordering::SeqCst), 0);
}
