//! The unfinished orders, as several processes on one database tell of them, and while it is away.

use std::sync::Arc;

use boutique::Facon;
use saga_testkit::postgres::Cluster;
use tokio::task::spawn_blocking;

use crate::client::until;
use crate::load::{Book, Manner, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

const GOING: &str = "sagas_unfinished{rollback=\"AUCUN\",saga=\"checkout\"}";

#[tokio::test(flavor = "multi_thread")]
async fn every_process_tells_the_same_and_goes_on_telling_while_the_database_is_away() {
    let cluster = Arc::new(spawn_blocking(Cluster::start).await.unwrap());
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.database_url = cluster.url();
    let (one, other) = (setup.start().await, setup.start_as("replique-2").await);
    one.quiet().await;
    other.quiet().await;
    shop.fault("POST /api/ventes latency=60000");
    Wish { manner: Manner::Async, ..Wish::plain(1, 4) }.ask(one.address, &Book::default()).await;
    for serve in [&one, &other] {
        counts(serve, 1).await;
    }
    assert_eq!((one.metric("sagas_active").await, other.metric("sagas_active").await), (1, 0));

    blocking(&cluster, Cluster::kill9).await;
    until("the question fails", async || (other.metric("saga_tally_failures_total").await > 0).then_some(()))
        .await;
    assert_eq!(other.metric(GOING).await, 1, "what was known last");
    until("that grows old", async || (other.metric("saga_tally_age_seconds").await > 3).then_some(())).await;
    blocking(&cluster, Cluster::start_again).await;
    until("it is known again", async || (other.metric("saga_tally_age_seconds").await < 2).then_some(()))
        .await;
    counts(&other, 1).await;
}

async fn counts(serve: &ServeProcess, orders: u64) {
    until("it counts the orders that go forward", async || {
        (serve.metric(GOING).await == orders).then_some(())
    })
    .await;
}

async fn blocking(cluster: &Arc<Cluster>, act: fn(&Cluster)) {
    let cluster = cluster.clone();
    spawn_blocking(move || act(&cluster)).await.unwrap();
}
