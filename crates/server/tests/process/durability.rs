//! How often an order waits for the disk: counted, not timed.

use boutique::{Facon, Service};

use crate::judge::judge;
use crate::load::{Book, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

#[tokio::test(flavor = "multi_thread")]
async fn a_happy_order_waits_for_the_disk_twice() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    serve.quiet().await;
    let book = Book::default();
    // Once before the first call with an effect, once before the answer. On a slow machine events that no call or
    // answer waits for are written in between, so the fewest entries count.
    let mut fewest = u64::MAX;
    for number in 0..20 {
        fewest = fewest.min(entries_of(&serve, &book, &Wish::plain(number, 4)).await);
    }
    assert_eq!(fewest, 2);
    // Slow services leave time for more entries, one or two a step; but no order waits for those.
    shop.fault("POST /api/stock/reserver latency=60");
    shop.fault("POST /api/clients/*/payer latency=60");
    shop.fault("POST /api/ventes latency=60");
    let slow = entries_of(&serve, &book, &Wish::plain(100, 4)).await;
    assert!((3..=9).contains(&slow), "{slow} entries");
    judge(&serve, &shop, &book).await;
    assert_eq!(shop.ledger(Service::Ventes).await.len(), 21);
}

/// The entries that one order alone is written in; each is one transaction, since there is no other.
async fn entries_of(serve: &ServeProcess, book: &Book, wish: &Wish) -> u64 {
    let (commits, entries) = counters(serve).await;
    wish.ask(serve.address, book).await;
    let (commits_after, entries_after) = counters(serve).await;
    assert_eq!(commits_after - commits, entries_after - entries, "a lone order shares no transaction");
    entries_after - entries
}

async fn counters(serve: &ServeProcess) -> (u64, u64) {
    (serve.metric("journal_commits_total").await, serve.metric("journal_entries_total").await)
}
