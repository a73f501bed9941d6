//! Definitions that are replaced while sagas run.

use std::sync::Arc;
use std::time::Duration;

use saga_core::saga::WaitingFor;
use saga_core::{Definition, SagaId, Seq};
use saga_engine::{Listing, Wait};
use saga_journal::{Entry, Histories};
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

/// More sagas than are looked at for a page lie between two that have failed at a step: none is left out, and none comes twice.
#[tokio::test(start_paused = true)]
async fn rare_failures_are_found_among_many_sagas() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    shop.participants.next("stock action", Duration::ZERO, answered(409, "{}"));
    let failed = shop.engine.place(order(7, None, PATIENT)).await.unwrap().saga;
    let history = shop.engine.journal().load(failed).await.unwrap().unwrap();
    let kept = shop.engine.journal().row(failed).await.unwrap().unwrap();
    let entry = |number: u64, over: bool, failure: bool| {
        let mut row = kept.row.clone();
        (row.created, row.over) = (row.created.plus(Duration::from_secs(number)), over);
        row.summary.failure = row.summary.failure.filter(|_| failure);
        let saga = SagaId::new(uuid::Uuid::from_u128(u128::from(number)));
        Entry { saga, owner: kept.owner, expected: Seq::NONE, records: history.records.clone(), row }
    };
    // The oldest one is over, then many that are, then many under way, and then one of either kind.
    let over = (1..=11_000).map(|number| entry(number, true, false));
    let under_way = (11_001..=16_200).map(|number| entry(number, false, false));
    let newest = [entry(16_201, false, true), entry(16_202, true, true)];
    for entry in over.chain(under_way).chain(newest) {
        assert_eq!(shop.journal.append(&[entry]).await, Ok(vec![Ok(())]));
    }
    for (step, participant) in [(Some("stock"), None), (None, Some("stock")), (Some("stock"), Some("stock"))]
    {
        let listing = Listing {
            step: step.map(Into::into),
            participant: participant.map(Into::into),
            ..Listing::default()
        };
        for limit in [1, 2, 10] {
            let (mut found, mut pages, mut after) = (Vec::new(), 0, None);
            loop {
                let page = shop.engine.list(&listing, after, limit).await.unwrap();
                assert!(page.rows.len() <= limit);
                found.extend(page.rows.iter().map(|row| row.saga.as_uuid().as_u128()));
                (pages, after) = (pages + 1, page.next);
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, [16_202, 16_201, failed.as_uuid().as_u128()], "{listing:?}");
            assert!(pages <= 4, "{pages} pages of {limit} for {listing:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_is_looked_for_in_several_labels() {
    let shop = Shop::new("barrier");
    shop.engine.recover().await;
    let labelled =
        change(CHECKOUT).add("labels", "{ client: .input.client_id, buyer: .input.client_id }").text();
    shop.engine.serve(vec![Arc::new(parse(&labelled))]).await;
    let first = shop.engine.place(order(7, None, PATIENT)).await.unwrap().saga;
    sleep(Duration::from_millis(10)).await;
    let second = shop.engine.place(order(7, None, PATIENT)).await.unwrap().saga;
    let labels = shop.engine.journal().row(first).await.unwrap().unwrap().row.labels;
    let value = labels.integer("client").unwrap().to_string();
    let names: Vec<Arc<str>> = vec!["nothing".into(), "client".into(), "buyer".into()];
    let found = async |value: &str, limit| {
        let found = shop.engine.labelled(&value.into(), &names, limit).await.unwrap();
        found.into_iter().map(|row| row.saga).collect::<Vec<_>>()
    };
    assert_eq!(found(&value, 10).await, [second, first]);
    assert_eq!(found(&value, 1).await, [second]);
    assert_eq!(found("no such value", 10).await, []);
}
