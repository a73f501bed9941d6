//! Definitions that are replaced while sagas run.

use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;
use saga_core::saga::WaitingFor;
use saga_engine::{Listing, Wait};
use saga_testkit::definition::change;
use tokio::time::sleep;

use crate::support::{CHECKOUT, PATIENT, Place, Shop, answered, order, parse};

fn with(path: &str, value: &str) -> Arc<Definition> {
    Arc::new(parse(&change(CHECKOUT).set("participants.*.safety", "barrier").set(path, value).text()))
}

/// The checkout, with one call to its stock at a time.
fn limited() -> Arc<Definition> {
    Arc::new(parse(&change(CHECKOUT).add("participants.stock.calls_max", "1").text()))
}

#[tokio::test(start_paused = true)]
async fn running_sagas_go_on_with_their_definition_and_new_ones_run_the_new_one() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.next("stock action", Duration::from_secs(5), answered(200, "{}"));
    let started = shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    shop.engine.serve(vec![with("states.completed", "LIVREE")]).await;
    assert_eq!(&*shop.engine.place(order(8, None, PATIENT)).await.unwrap().state, "LIVREE");
    assert_eq!(&*shop.engine.wait(started.saga, PATIENT).await.unwrap().state, "CONFIRMEE");
    // Another process reads both back by what the journal keeps.
    let twin = shop.restarted("barrier").await;
    let row = twin.journal().row(started.saga).await.unwrap().unwrap();
    let pinned = twin.pinned(&row.row.definition_hash).await.unwrap();
    assert_eq!(&*pinned.states.completed, "CONFIRMEE");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_served_any_more_is_not_found() {
    let shop = Shop::new("barrier");
    assert!(shop.engine.definition_named("checkout").is_some());
    shop.engine.serve(vec![with("saga", "travel")]).await;
    assert!(shop.engine.definition_named("checkout").is_none());
    let participants = shop.engine.participants();
    assert!(participants.iter().all(|participant| &*participant.saga == "travel"), "{participants:?}");
}

/// One service, as it is called by all: the fewest calls, and the breaker that opens soonest.
#[tokio::test(start_paused = true)]
async fn an_address_has_the_most_careful_settings_of_all_that_are_served() {
    let shop = Shop::new("barrier");
    let careful = change(CHECKOUT).set("saga", "travel").add("participants.stock.calls_max", "1").text();
    shop.engine.serve(vec![with("participants.stock.safety", "barrier"), Arc::new(parse(&careful))]).await;
    for _ in 0..2 {
        shop.participants.next("stock action", Duration::from_secs(5), answered(200, "{}"));
        shop.engine.place(order(7, None, Wait::started())).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    assert_eq!(shop.participants.calls("stock action"), 1);
}

/// The step of a call that its participant holds back is known in the process that runs the saga.
#[tokio::test(start_paused = true)]
async fn calls_that_are_held_back_are_told() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.engine.serve(vec![limited()]).await;
    let mut started = Vec::new();
    for _ in 0..2 {
        shop.participants.next("stock action", Duration::from_secs(5), answered(200, "{}"));
        let snapshot = shop.engine.place(order(7, None, Wait::started())).await;
        started.push(snapshot.unwrap().saga);
    }
    sleep(Duration::from_secs(1)).await;
    assert!(shop.engine.held_back(started[0]).await.is_empty());
    assert_eq!(shop.engine.held_back(started[1]).await, ["stock".into()]);
    assert_eq!(shop.engine.wait(started[1], PATIENT).await.unwrap().state, "CONFIRMEE".into());
    assert!(shop.engine.held_back(started[1]).await.is_empty(), "it is over");
}

/// The names of the steps that sagas wait at, found by a listing, newest first.
async fn listed(shop: &Shop, listing: Listing) -> Vec<String> {
    let page = shop.engine.list(&listing, None, 10).await.unwrap();
    let told = page.rows.iter().map(|row| {
        let entries = row.row.summary.waiting.iter().map(|entry| {
            let cause: &str = entry.cause.into();
            format!("{} {cause}", entry.step)
        });
        entries.collect::<Vec<_>>().join(", ")
    });
    told.collect()
}

#[tokio::test(start_paused = true)]
async fn sagas_are_found_by_what_they_wait_for() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.engine.serve(vec![limited()]).await;
    assert_eq!(&*shop.engine.place(order(7, None, PATIENT)).await.unwrap().state, "CONFIRMEE");
    // Sagas of one instant are listed in the order of their ids.
    sleep(Duration::from_millis(100)).await;
    for _ in 0..2 {
        shop.participants.next("stock action", Duration::from_secs(50), answered(200, "{}"));
        shop.engine.place(order(7, None, Wait::started())).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    let all = ["stock participant", "stock call", ""];
    assert_eq!(listed(&shop, Listing::default()).await, all);
    let waiting = |cause| Listing { waiting: Some(cause), ..Listing::default() };
    assert_eq!(listed(&shop, waiting(WaitingFor::Call)).await, all[1..2]);
    assert_eq!(listed(&shop, waiting(WaitingFor::Participant)).await, all[..1]);
    assert_eq!(listed(&shop, waiting(WaitingFor::Signal)).await, [""; 0]);
    for (step, participant, found) in [
        (Some("stock"), None, 2),
        (None, Some("stock"), 2),
        (Some("stock"), Some("client"), 0),
        (Some("paiement"), None, 0),
    ] {
        let listing = Listing {
            step: step.map(Into::into),
            participant: participant.map(Into::into),
            ..Listing::default()
        };
        assert_eq!(listed(&shop, listing.clone()).await, all[..found], "{listing:?}");
    }
    // A page that is full says where the next one begins.
    let page = shop
        .engine
        .list(&Listing { step: Some("stock".into()), ..Listing::default() }, None, 1)
        .await
        .unwrap();
    let rest = Listing { step: Some("stock".into()), ..Listing::default() };
    let rest = shop.engine.list(&rest, page.next, 1).await.unwrap();
    assert_eq!((page.rows.len(), rest.rows.len()), (1, 1));
    assert_ne!(page.rows[0].saga, rest.rows[0].saga);
}

#[tokio::test(start_paused = true)]
async fn sagas_are_found_by_the_step_that_they_failed_at() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.next("stock action", Duration::ZERO, answered(409, "{}"));
    assert_eq!(&*shop.engine.place(order(7, None, PATIENT)).await.unwrap().state, "ECHEC_STOCK");
    for (participant, found) in [("stock", 1), ("client", 0)] {
        let listing = Listing { participant: Some(participant.into()), ..Listing::default() };
        assert_eq!(listed(&shop, listing).await.len(), found, "{participant}");
    }
}
