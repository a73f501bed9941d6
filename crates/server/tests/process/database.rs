//! A PostgreSQL that stops and starts while orders keep coming.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use boutique::Facon;
use saga_testkit::dice::Dice;
use saga_testkit::postgres::Cluster;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::client::{self, until, within};
use crate::judge::judge;
use crate::load::{Book, CallerResult, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

const ARRIVES_EVERY: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_a_database_that_is_stopped_for_ten_seconds() {
    orders_survive(Duration::from_secs(10), Cluster::stop_immediate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_a_database_that_is_killed() {
    orders_survive(Duration::from_secs(2), Cluster::kill9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_survive_a_database_that_is_restarted() {
    orders_survive(Duration::ZERO, Cluster::stop_fast).await;
}

async fn orders_survive(outage: Duration, stop: fn(&Cluster)) {
    let dice = crate::dice();
    let cluster = Arc::new(tokio::task::spawn_blocking(Cluster::start).await.unwrap());
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.database_url = cluster.url();
    let serve = setup.start().await;
    let book = Arc::new(Book::default());
    let load = Load::start(&serve, &book, dice);
    until("there is some load", async || (book.entries().len() > 50).then_some(())).await;
    blocking(&cluster, stop).await;
    until("readiness is lost", async || (ready(&serve).await == 503).then_some(())).await;
    let begun = Instant::now();
    let early = within(outage, async || (ready(&serve).await == 200).then_some(begun.elapsed())).await;
    assert_eq!(early, None, "it says that it is ready, without a database");
    if !outage.is_zero() {
        // A caller that asks now is turned away at once.
        let asked = Instant::now();
        let told = Wish::plain(-1, 4).ask(serve.address, &book).await;
        assert_eq!(told, CallerResult::NothingDone);
        assert!(asked.elapsed() < Duration::from_secs(1), "turning a client away took {:?}", asked.elapsed());
    }
    blocking(&cluster, Cluster::start_again).await;
    until("readiness is back", async || (ready(&serve).await == 200).then_some(())).await;
    let finals = finals(&book);
    until("orders go on as before", async || (self::finals(&book) > finals + 20).then_some(())).await;
    load.stop().await;
    serve.quiet().await;
    // No caller with an answer under way was cut off, since the orchestrator never went away.
    let lost = book.entries().into_iter().filter(|(_, told)| *told == CallerResult::Lost).count();
    assert_eq!(lost, 0, "callers without an answer");
    let verdict = judge(&serve, &shop, &book).await;
    let refused = book.entries().iter().filter(|(_, told)| *told == CallerResult::NothingDone).count();
    println!("database: {refused} turned away, {:?}", verdict.states);
    let expected = outage.as_millis() / ARRIVES_EVERY.as_millis() / 4;
    assert!(refused as u128 >= expected, "only {refused} were turned away in {outage:?}");
}

fn finals(book: &Book) -> usize {
    book.entries().iter().filter(|(_, told)| matches!(told, CallerResult::Final { .. })).count()
}

async fn ready(serve: &ServeProcess) -> u16 {
    client::send(serve.address, "GET", "/readyz", &[], None).await.unwrap().status
}

async fn blocking(cluster: &Arc<Cluster>, act: fn(&Cluster)) {
    let cluster = cluster.clone();
    tokio::task::spawn_blocking(move || act(&cluster)).await.unwrap();
}

/// Clients that keep coming, however those before them fare, until they are stopped.
struct Load {
    arriving: JoinHandle<JoinSet<CallerResult>>,
    stopped: Arc<AtomicBool>,
}

impl Load {
    fn start(serve: &ServeProcess, book: &Arc<Book>, dice: Dice) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let (address, book, stop) = (serve.address, book.clone(), stopped.clone());
        let arriving = tokio::spawn(async move {
            let mut clients = JoinSet::new();
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let (wish, book) = (Wish::mixed(number, &dice), book.clone());
                clients.spawn(async move { wish.ask(address, &book).await });
                number += 1;
                sleep(ARRIVES_EVERY).await;
            }
            clients
        });
        Self { arriving, stopped }
    }

    async fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.arriving.await.unwrap().join_all().await;
    }
}
