//! `kill -9` of the orchestrator.

use std::sync::Arc;
use std::time::Duration;

use boutique::Facon;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::{until, within};
use crate::judge::{judge, orders};
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::{StoreEngine, WriteLock};

const KILLS: usize = 5;
const CLIENTS: i64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn every_order_survives_five_kills_with_sqlite() {
    every_order_survives_five_kills(StoreEngine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_survives_five_kills_with_postgres() {
    every_order_survives_five_kills(StoreEngine::Postgres).await;
}

async fn every_order_survives_five_kills(engine: StoreEngine) {
    let dice = crate::dice();
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, engine);
    // The same process each time, as far as others can tell: no other process waits for its lease.
    setup.variable("ORCHESTRATEUR_REPLICA", "the one".to_owned());
    let book = Arc::new(Book::default());
    let mut again: Vec<Wish> = Vec::new();
    let (mut number, mut taken_over) = (0, 0);
    let mut serve = setup.start().await;
    for _ in 0..KILLS {
        let mut wishes = std::mem::take(&mut again);
        wishes.extend((number..number + CLIENTS).map(|number| Wish::mixed(number, &dice)));
        number += CLIENTS;
        let clients = ask_all(&serve, wishes, &book);
        sleep(Duration::from_millis(dice.between(30, 1_200))).await;
        taken_over += serve.metric("sagas_taken_over_total").await;
        serve.kill();
        let answered = clients.join_all().await;
        // A caller that has a key and no answer repeats the request.
        again.extend(answered.into_iter().filter_map(|(wish, told)| {
            (wish.key.is_some() && !matches!(told, CallerResult::Final { .. })).then_some(wish)
        }));
        serve = setup.start().await;
        // While they are being taken over, some are cancelled.
        for order in orders(&serve).await.into_values() {
            if order["rollback"] == "AUCUN" && order["echec"].is_null() && dice.one_in(4) {
                let wish = Wish::plain(order["magasin_id"].as_i64().unwrap(), 0);
                wish.cancel(serve.address, &book, order["id"].as_str().unwrap()).await;
            }
        }
        // The next requests come, and the next kill, whether or not that is over.
    }
    serve.quiet().await;
    taken_over += serve.metric("sagas_taken_over_total").await;
    // A replay gives the same saga and its end.
    let keyed = book.entries().into_iter().map(|(wish, _)| wish).filter(|wish| wish.key.is_some());
    let mut replayed: Vec<Wish> = keyed.map(|wish| Wish { manner: Manner::Wait, ..wish }).collect();
    replayed.sort_by_key(|wish| wish.number);
    replayed.dedup_by_key(|wish| wish.number);
    for (wish, told) in ask_all(&serve, replayed, &book).join_all().await {
        assert!(matches!(told, CallerResult::Final { .. }), "{wish:?} was told {told:?}");
    }
    serve.quiet().await;
    let verdict = judge(&serve, &shop, &book).await;
    println!(
        "five kills with {engine:?}: {taken_over} taken over, {} undone, {:?}",
        verdict.undone, verdict.states
    );
    assert!(taken_over > 0, "no kill met an order under way");
    assert!(verdict.states.len() == 5 && verdict.undone > 0, "a kind of order is missing");
}

fn ask_all(serve: &ServeProcess, wishes: Vec<Wish>, book: &Arc<Book>) -> JoinSet<(Wish, CallerResult)> {
    let address = serve.address;
    wishes
        .into_iter()
        .map(|wish| {
            let book = book.clone();
            async move {
                let told = wish.ask(address, &book).await;
                (wish, told)
            }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_with_an_effect_leaves_before_the_start_is_on_disk() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let book = Arc::new(Book::default());
    let serve = setup.start().await;
    serve.quiet().await;
    let lock = WriteLock::take(setup.folder());
    let clients = ask_all(&serve, vec![Wish::plain(1, 4)], &book);
    until("the cart is read, which may overlap", async || {
        (serve.metric("saga_calls_total{participant=\"panier\"").await > 0).then_some(())
    })
    .await;
    let early = within(Duration::from_millis(300), async || {
        Some(shop.effects().await).filter(|effects| *effects > 0)
    });
    let early = early.await;
    serve.kill();
    drop(lock);
    assert_eq!(clients.join_all().await[0].1, CallerResult::Lost);
    let serve = setup.start().await;
    serve.quiet().await;
    judge(&serve, &shop, &book).await;
    assert_eq!(early, None, "effects of an order that is on no disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_ran_ahead_of_the_disk_are_undone_too() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let book = Arc::new(Book::default());
    let serve = setup.start().await;
    shop.fault("POST /api/stock/reserver latency-after=500");
    let clients = ask_all(&serve, vec![Wish::plain(1, 4)], &book);
    until("the stock is reserved", async || (shop.effects().await == 1).then_some(())).await;
    // From here on the journal falls behind.
    let lock = WriteLock::take(setup.folder());
    until("the sale is recorded", async || (shop.effects().await == 3).then_some(())).await;
    serve.kill();
    drop(lock);
    clients.join_all().await;
    // The order cannot go on as before: the repeated reservation is refused, and the order rolls back from there.
    shop.mend();
    shop.fault("POST /api/stock/reserver status=409");
    let serve = setup.start().await;
    serve.quiet().await;
    let verdict = judge(&serve, &shop, &book).await;
    assert_eq!((verdict.undone, shop.effects().await), (1, 6), "{:?}", verdict.orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_was_acknowledged_survives_a_kill() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let book = Arc::new(Book::default());
    let serve = setup.start().await;
    shop.fault("POST /api/stock/reserver latency-after=1000");
    let wish = Wish { manner: Manner::Async, ..Wish::plain(1, 4) };
    let CallerResult::Accepted { saga } = wish.ask(serve.address, &book).await else {
        panic!("not accepted")
    };
    until("the stock is reserved", async || (shop.effects().await == 1).then_some(())).await;
    let lock = WriteLock::take(setup.folder());
    let cancelling = tokio::spawn({
        let (address, book, wish) = (serve.address, book.clone(), wish.clone());
        async move { wish.cancel(address, &book, &saga).await }
    });
    // It cannot be acknowledged now, since it cannot be kept; if it is, the kill finds out.
    within(Duration::from_millis(300), async || cancelling.is_finished().then_some(())).await;
    serve.kill();
    drop(lock);
    cancelling.await.unwrap();
    shop.mend();
    let serve = setup.start().await;
    serve.quiet().await;
    judge(&serve, &shop, &book).await;
}
