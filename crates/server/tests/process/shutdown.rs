//! SIGTERM.

use std::sync::Arc;
use std::time::Duration;

use boutique::{Facon, Service};
use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use saga_testkit::dice::Dice;
use tokio::time::Instant;

use crate::client::until;
use crate::judge::judge;
use crate::load::{Book, CallerResult, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

/// Clients that ask one after the other, until the process does not listen any more.
fn keep_asking(
    address: std::net::SocketAddr,
    clients: i64,
    book: &Arc<Book>,
    dice: &Dice,
) -> tokio::task::JoinSet<()> {
    (0..clients)
        .map(|client| {
            let book = book.clone();
            let wishes: Vec<Wish> = (0..200).map(|turn| Wish::mixed(client * 1_000 + turn, dice)).collect();
            async move {
                for wish in wishes {
                    if crate::client::send(address, "GET", "/livez", &[], None).await.is_err() {
                        return;
                    }
                    wish.ask(address, &book).await;
                }
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_under_load_answers_everybody_and_loses_nothing() {
    let dice = crate::dice();
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let book = Arc::new(Book::default());
    let serve = setup.start().await;
    let clients = keep_asking(serve.address, 30, &book, &dice);
    until("there is some load", async || (book.entries().len() > 60).then_some(())).await;
    let begun = Instant::now();
    serve.signal("TERM");
    let status = serve.exit().await;
    assert_eq!(status.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(20), "the drain took {:?}", begun.elapsed());
    clients.join_all().await;
    let told = book.entries();
    assert!(
        told.iter().any(|(_, told)| *told == CallerResult::NothingDone),
        "nobody asked while it went down"
    );
    let serve = setup.start().await;
    serve.quiet().await;
    // Every order that was left to undo or to finish was over before the end, in so long a drain.
    assert_eq!(serve.metric("sagas_taken_over_total").await, 0);
    let verdict = judge(&serve, &shop, &book).await;
    // A connection may come just when the door is shut; but whose order was begun has an answer.
    let begun: Vec<i64> = verdict.orders.values().filter_map(|order| order["magasin_id"].as_i64()).collect();
    let cut_off: Vec<_> = told
        .iter()
        .filter(|(wish, told)| *told == CallerResult::Lost && begun.contains(&wish.number))
        .collect();
    assert!(cut_off.is_empty(), "callers without an answer: {cut_off:?}");
    let at_the_door =
        told.iter().filter(|(_, told)| matches!(told, CallerResult::Lost | CallerResult::CancelLost)).count();
    println!("shutdown under load: {at_the_door} came just when the door was shut");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_a_short_drain_cannot_finish_are_finished_by_the_next_start() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.argument("--drain-s=1");
    // Without a promise a call that is cut short is an operator's work; here none need be.
    setup.definition(&change(CHECKOUT).set("participants.*.safety", "none").text());
    let book = Arc::new(Book::default());
    let serve = setup.start().await;
    for rule in ["POST /api/stock/reserver", "POST /api/clients/*/payer", "POST /api/ventes"] {
        shop.fault(&format!("{rule} latency=1500"));
    }
    let address = serve.address;
    let clients: tokio::task::JoinSet<CallerResult> = (0..20)
        .map(|number| {
            let book = book.clone();
            async move { Wish::plain(number, 4 + number).ask(address, &book).await }
        })
        .collect();
    until("the first calls are under way", async || {
        (serve.metric("saga_calls_in_flight{participant=\"stock\"").await == 20).then_some(())
    })
    .await;
    serve.signal("TERM");
    let begun = Instant::now();
    assert_eq!(serve.exit().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "the drain took {:?}", begun.elapsed());
    for told in clients.join_all().await {
        assert!(matches!(told, CallerResult::Accepted { .. }), "a caller was told {told:?}");
    }
    shop.mend();
    let serve = setup.start().await;
    serve.quiet().await;
    assert_eq!(serve.metric("sagas_taken_over_total").await, 20);
    let verdict = judge(&serve, &shop, &book).await;
    assert_eq!(verdict.states["CONFIRMEE"], 20);
    assert_eq!(shop.ledger(Service::Ventes).await.len(), 20);
}
