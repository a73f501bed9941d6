//! Orders that have nothing to do for a while wait on disk, and belong to nobody.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::CommandKind;
use saga_core::Event;
use saga_core::reply::Reply;
use saga_core::saga::Rollback;
use saga_engine::{Engine, Limits, Wait};
use saga_journal::ReplicaId;
use tokio::time::sleep;

use crate::support::{PATIENT, Place, Shop, answered, checkout, order, parse};

/// Whether the order is asleep.
async fn is_asleep(shop: &Shop, saga: saga_core::SagaId) -> bool {
    shop.engine.journal().row(saga).await.unwrap().unwrap().owner == ReplicaId::NOBODY
}

/// A shop with one order that is blocked, and asleep.
async fn with_a_sleeper() -> (Shop, saga_core::SagaId) {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.always("paiement action", Some(answered(402, "")));
    shop.participants.always("stock compensation", Some(answered(500, "")));
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(end.rollback, Rollback::Blocked);
    // Waits are random: in the end there is a long one.
    while !is_asleep(&shop, end.saga).await {
        sleep(Duration::from_millis(100)).await;
    }
    (shop, end.saga)
}

async fn take_overs(engine: &Engine, saga: saga_core::SagaId) -> usize {
    let (_, history) = engine.read(saga).await.unwrap().unwrap();
    history.records.iter().filter(|record| matches!(record.event, Event::TakenOver { .. })).count()
}

#[tokio::test(start_paused = true)]
async fn a_sleeper_is_not_in_memory_and_wakes_by_itself() {
    let (shop, saga) = with_a_sleeper().await;
    assert_eq!((shop.engine.health().active, shop.engine.health().bytes), (0, 0));
    shop.participants.always("stock compensation", None);
    sleep(Duration::from_secs(31)).await;
    let row = shop.engine.journal().row(saga).await.unwrap().unwrap();
    assert_eq!(row.row.rollback, Rollback::Done);
    assert_eq!(take_overs(&shop.engine, saga).await, 0, "nothing was under way");
}

#[tokio::test(start_paused = true)]
async fn what_a_person_wants_wakes_a_sleeper() {
    let (shop, saga) = with_a_sleeper().await;
    shop.participants.always("stock compensation", None);
    let resume = CommandKind::Resume { by: "Ana".into(), reason: None };
    shop.engine.command(saga, resume).await.unwrap();
    let end = shop.engine.wait(saga, Wait::tried(Duration::from_secs(1))).await.unwrap();
    assert_eq!(end.rollback, Rollback::Done);
    assert_eq!(take_overs(&shop.engine, saga).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_refused_leaves_a_sleeper_as_it_was() {
    let (shop, saga) = with_a_sleeper().await;
    let before = shop.engine.journal().row(saga).await.unwrap().unwrap();
    assert!(shop.engine.command(saga, CommandKind::Cancel).await.is_err(), "it rolls back already");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shop.engine.journal().row(saga).await.unwrap().unwrap(), before);
    assert_eq!(shop.engine.health().active, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_leaves_sleepers_alone_and_whoever_comes_first_wakes_them() {
    let (shop, saga) = with_a_sleeper().await;
    shop.participants.always("stock compensation", None);
    let next = shop.restarted("barrier").await;
    assert_eq!((next.health().active, take_overs(&next, saga).await), (0, 0));
    assert!(is_asleep(&shop, saga).await);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(take_overs(&next, saga).await, 0);
    let row = next.journal().row(saga).await.unwrap().unwrap();
    assert_eq!(row.row.rollback, Rollback::Done);
    let undone = shop.log().iter().filter(|line| line.starts_with("call stock compensation")).count();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(shop.log().iter().filter(|line| line.starts_with("call stock compensation")).count(), undone);
}

/// It may have gone on after the copy was made, at a process that nothing tells of the restore.
#[tokio::test(start_paused = true)]
async fn a_sleeper_of_a_restored_journal_goes_on_in_the_new_incarnation_as_new_orders_do() {
    let (shop, saga) = with_a_sleeper().await;
    shop.participants.always("stock compensation", None);
    shop.journal.incarnation.store(2, Ordering::SeqCst);
    let next = shop.restarted("barrier").await;
    sleep(Duration::from_secs(31)).await;
    assert_eq!(next.journal().row(saga).await.unwrap().unwrap().row.rollback, Rollback::Done);
    assert_eq!(take_overs(&next, saga).await, 1);
    let last = shop.log().into_iter().rfind(|line| line.starts_with("call stock compensation")).unwrap();
    assert!(last.ends_with("epoch 1048577"), "{last}");
    shop.participants.always("paiement action", None);
    next.place(order(8, None, PATIENT)).await.unwrap();
    let calls = shop.log().into_iter().filter(|line| line.ends_with("action #1 epoch 1048577"));
    assert!(calls.count() >= 4, "{:?}", shop.log());
}

#[tokio::test(start_paused = true)]
async fn an_order_that_waits_for_an_operator_alone_is_asleep_too() {
    let shop = Shop::new("none");
    shop.engine.recover().await;
    // The stock promises nothing, and nobody knows whether it was reserved.
    shop.participants.always("stock action", Some(answered(500, "")));
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    assert_eq!(end.rollback, Rollback::Blocked);
    sleep(Duration::from_secs(120)).await;
    assert!(is_asleep(&shop, end.saga).await);
    assert_eq!(shop.engine.health().active, 0);
    let next = shop.restarted("none").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!((next.health().active, take_overs(&next, end.saga).await), (0, 0));
    let finding = saga_core::event::Finding::NotRun;
    let (step, by) = (1, "Ana".into());
    let resolve = CommandKind::Resolve { step, finding, output: None, by, reason: "looked".into() };
    next.command(end.saga, resolve).await.unwrap();
    let end = next.wait(end.saga, PATIENT).await.unwrap();
    assert_ne!(end.rollback, Rollback::Blocked);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_fall_asleep_is_still_there_and_does_later() {
    let shop = Shop::new("none");
    shop.engine.recover().await;
    shop.journal.sleepless.store(true, Ordering::SeqCst);
    shop.participants.always("stock action", Some(answered(500, "")));
    let end = shop.engine.place(order(7, None, PATIENT)).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert!(!is_asleep(&shop, end.saga).await);
    let engine = shop.engine.clone();
    let resume = CommandKind::Resume { by: "Ana".into(), reason: None };
    let resumed = tokio::spawn(async move { engine.command(end.saga, resume).await });
    sleep(Duration::from_secs(5)).await;
    shop.journal.sleepless.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(30)).await;
    // It may have been given up for, or refused: what it may not do is vanish.
    let _ = resumed.await.unwrap();
    assert!(is_asleep(&shop, end.saga).await);
    assert_eq!(take_overs(&shop.engine, end.saga).await, 0);
}

/// Orders that are blocked and asleep, of a process with room for two awake ones; their next attempts hang.
async fn with_little_room() -> (Shop, Vec<saga_core::SagaId>) {
    let limits = Limits { awake_sagas_max: 2, ..Limits::default() };
    let shop = Shop::serving(checkout("barrier"), limits);
    shop.engine.recover().await;
    shop.participants.always("paiement action", Some(answered(402, "")));
    shop.participants.always("stock compensation", Some(answered(500, "")));
    let mut sagas = Vec::new();
    for client in 0..5 {
        sagas.push(shop.engine.place(order(client, None, PATIENT)).await.unwrap().saga);
    }
    while !futures_util::future::join_all(sagas.iter().map(|saga| is_asleep(&shop, *saga)))
        .await
        .iter()
        .all(|asleep| *asleep)
    {
        sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..5 {
        shop.participants.next("stock compensation", Duration::from_secs(4), answered(200, "{}"));
    }
    (shop, sagas)
}

/// Worlds that differ in their dice: where several sagas wake at once matters here.
const WORLDS: usize = 50;

#[tokio::test(start_paused = true)]
async fn sleepers_wake_only_while_there_is_room_for_them() {
    let mut most = 0;
    for _ in 0..WORLDS {
        most = most.max(they_wake_while_there_is_room().await);
    }
    assert_eq!(most, 2, "where two are due at once, both are awake");
}

/// The most sagas that were awake at a time. Where their times are far apart, that is one.
async fn they_wake_while_there_is_room() -> usize {
    let (shop, sagas) = with_little_room().await;
    let mut most = 0;
    for _ in 0..600 {
        sleep(Duration::from_millis(100)).await;
        most = most.max(shop.engine.health().active);
    }
    assert!((1..=2).contains(&most), "no more than two are awake at a time: {most}");
    for saga in sagas {
        let row = shop.engine.journal().row(saga).await.unwrap().unwrap();
        assert_eq!(row.row.rollback, Rollback::Done);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn what_a_person_wants_wakes_a_sleeper_though_there_is_no_room() {
    let mut tried = 0;
    for _ in 0..WORLDS {
        tried += usize::from(a_person_wakes_one().await);
    }
    assert!(tried > WORLDS / 2, "in {tried} worlds, one was asleep while two were awake");
}

/// `false`: there was none to wake when two were awake.
async fn a_person_wakes_one() -> bool {
    let (shop, sagas) = with_little_room().await;
    let mut waits = 0;
    while shop.engine.health().active < 2 {
        sleep(Duration::from_millis(100)).await;
        waits += 1;
        if waits > 1_000 {
            return false;
        }
    }
    let mut asleep = None;
    for saga in sagas {
        if is_asleep(&shop, saga).await {
            asleep = Some(saga);
        }
    }
    let Some(saga) = asleep else { return false };
    let resume = CommandKind::Resume { by: "Ana".into(), reason: None };
    let asked = tokio::time::Instant::now();
    shop.engine.command(saga, resume).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(!is_asleep(&shop, saga).await);
    let active = shop.engine.health().active;
    assert!(active <= 3, "{active} are awake: two, and the one that was asked for");
    true
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_attempt_finds_it_in_the_journal() {
    let (shop, saga) = with_a_sleeper().await;
    shop.participants.next("stock compensation", Duration::from_millis(500), answered(500, ""));
    let resume = CommandKind::Resume { by: "Ana".into(), reason: None };
    shop.engine.command(saga, resume).await.unwrap();
    let tried = shop.engine.wait(saga, Wait::tried(Duration::from_secs(5))).await.unwrap();
    assert_eq!(tried.rollback, Rollback::Blocked);
    let (kept, _) = shop.engine.read(saga).await.unwrap().unwrap();
    assert!(kept.effects().calls.is_empty(), "the end of the attempt is on disk");
}

/// A step at a service that promises nothing, and can be asked a minute after a call with an unknown outcome.
const ASKED: &str = r#"
saga: asked
input: { client_id: integer, magasin_id: integer }
states: { started: STARTED, completed: COMPLETED, cancelled: CANCELLED }
deadline: 600s
participants: { stock: { url: "http://stock" } }
steps:
  - step: reserve
    participant: stock
    action: { post: /reserve }
    compensation: { post: /release }
    probe: { get: /reserved, after: 60s }
"#;

/// The call may still be on its way, so the wait before its service is asked is measured by one clock, or begins anew.
#[tokio::test(start_paused = true)]
async fn an_order_stays_awake_until_a_call_of_an_unknown_outcome_is_asked_about() {
    let shop = Shop::serving(parse(ASKED), Limits::default());
    shop.engine.recover().await;
    shop.participants.always("reserve action", Some(Reply::Lost { reason: "no answer in time".into() }));
    let begun = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    sleep(Duration::from_secs(20)).await;
    assert!(!is_asleep(&shop, begun.saga).await);

    // The next process has a clock that is ahead.
    shop.ahead.store(600, Ordering::SeqCst);
    shop.participants.always("reserve probe", Some(answered(404, "")));
    let next = shop.killed_and_restarted("barrier").await;
    sleep(Duration::from_secs(55)).await;
    assert_eq!(next.participants.calls("reserve probe"), 0, "the wait was cut short");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(next.participants.calls("reserve probe"), 1);
}

/// Once the service was asked, a later question is as good, whatever a clock shows.
#[tokio::test(start_paused = true)]
async fn an_order_sleeps_between_two_questions_about_a_call() {
    let shop = Shop::serving(parse(ASKED), Limits::default());
    shop.engine.recover().await;
    shop.participants.always("reserve action", Some(Reply::Lost { reason: "no answer in time".into() }));
    shop.participants.always("reserve probe", Some(answered(500, "")));
    let begun = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    // The waits between two questions become longer.
    for _ in 0..3_000 {
        if is_asleep(&shop, begun.saga).await {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    assert!(is_asleep(&shop, begun.saga).await);
    let asked = shop.participants.calls("reserve probe");
    assert!(asked > 0);
    sleep(Duration::from_secs(60)).await;
    assert!(shop.participants.calls("reserve probe") > asked, "it does not wake");
}
