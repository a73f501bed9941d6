//! An asynchronous standby is promoted, and the former primary comes back writable.

use std::net::SocketAddr;
use std::sync::Arc;

use boutique::Facon;
use saga_endurance::proxy::Proxy;
use saga_testkit::postgres::Cluster;
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::client::{self, until};
use crate::judge::judge;
use crate::load::{Book, CallerResult, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

const ORDERS: i64 = 5;

fn address(server: &Cluster) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server.port()))
}

async fn blocking(server: &Arc<Cluster>, act: fn(&Cluster)) {
    let server = server.clone();
    spawn_blocking(move || act(&server)).await.unwrap();
}

/// What `/readyz` says of the journal, once it answers so.
async fn readiness(serve: &ServeProcess, status: u16) -> Value {
    until("readiness is as expected", async || {
        let answer = client::send(serve.address, "GET", "/readyz", &[], None).await.unwrap();
        (answer.status == status).then(|| answer.json()["journal"].clone())
    })
    .await
}

async fn confirm(serve: &ServeProcess, numbers: std::ops::Range<i64>, book: &Book) {
    for number in numbers {
        let told = Wish::plain(number, 4).ask(serve.address, book).await;
        assert!(
            matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"),
            "{number}: {told:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_has_seen_a_failover_writes_nothing_to_the_former_primary() {
    let (first, second) = spawn_blocking(|| {
        let first = Cluster::start();
        let second = first.standby();
        (Arc::new(first), Arc::new(second))
    })
    .await
    .unwrap();
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    // A load balancer that believes whatever takes writes.
    let balancer = Proxy::start(address(&first)).await.unwrap();
    setup.database_url = format!("postgres://postgres@{}/postgres", balancer.address());
    let serve = setup.start().await;
    let book = Book::default();
    confirm(&serve, 0..ORDERS, &book).await;
    serve.quiet().await;
    blocking(&first, Cluster::wait_until_copied).await;

    blocking(&first, Cluster::kill9).await;
    blocking(&second, Cluster::promote).await;
    balancer.turn_to(address(&second));
    balancer.cut();
    readiness(&serve, 200).await;
    confirm(&serve, ORDERS..2 * ORDERS, &book).await;
    until("the failover shows", async || {
        (serve.metric("journal_database_timeline ").await == 2).then_some(())
    })
    .await;

    blocking(&first, Cluster::start_again).await;
    balancer.turn_to(address(&first));
    balancer.cut();
    let journal = readiness(&serve, 503).await;
    assert!(journal.to_string().contains("it is a former primary: timeline 1 of system"), "{journal}");
    let told = Wish::plain(-1, 4).ask(serve.address, &book).await;
    assert_eq!(told, CallerResult::NothingDone);
    assert!(serve.metric("journal_databases_refused_total").await > 0);
    assert!(serve.log().contains("a writable database is refused"), "the log says nothing of it");
    let count = first.sql("SELECT count(*) FROM saga");
    assert_eq!(
        count.trim(),
        ORDERS.to_string(),
        "the former primary has orders that its successor does not have"
    );

    balancer.turn_to(address(&second));
    balancer.cut();
    readiness(&serve, 200).await;
    confirm(&serve, 2 * ORDERS..3 * ORDERS, &book).await;
    serve.quiet().await;
    let verdict = judge(&serve, &shop, &book).await;
    assert_eq!(verdict.orders.len() as i64, 3 * ORDERS);
}
