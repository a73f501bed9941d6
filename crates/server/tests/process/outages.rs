//! Services that are down, turn callers away, hang, or are slow.

use std::sync::Arc;
use std::time::Duration;

use boutique::{Facon, Service};
use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::until;
use crate::judge::judge;
use crate::load::{Book, CallerResult, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

async fn ask(serve: &crate::server::ServeProcess, book: &Book, number: i64) -> (String, String) {
    match Wish::plain(number, 4).ask(serve.address, book).await {
        CallerResult::Final { saga, etat, blocked: false } => (saga, etat),
        told => panic!("{told:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_is_tried_again_and_then_the_step_has_failed() {
    let mut shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    let book = Book::default();
    ask(&serve, &book, 1).await;
    shop.close(Service::Stock).await;
    let (saga, etat) = ask(&serve, &book, 2).await;
    assert_eq!(etat, "ECHEC_STOCK");
    let order = serve.commande(&saga).await;
    assert_eq!((&order["rollback"], &order["echec"]["etape"]), (&"AUCUN".into(), &"stock".into()), "{order}");
    let history = serve.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.json();
    let tries = history.as_array().unwrap().iter().filter(|line| line["etape"] == "stock");
    let outcomes: Vec<&str> = tries.map(|line| line["resultat"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["not_sent"; 5], "{history}");
    // Back in time, the service is not missed.
    let address = serve.address;
    let asking = tokio::spawn(async move {
        let book = Book::default();
        (Wish::plain(3, 4).ask(address, &book).await, book)
    });
    until("a call is turned away", async || {
        (serve.metric("saga_calls_total{participant=\"stock\"").await > 6).then_some(())
    })
    .await;
    shop.reopen(Service::Stock).await;
    let (told, _) = asking.await.unwrap();
    assert!(
        matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE" || etat == "ECHEC_STOCK"),
        "{told:?}"
    );
    judge(&serve, &shop, &book).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_undone_even_if_the_service_is_away_for_a_while() {
    let mut shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    let book = Arc::new(Book::default());
    shop.fault("POST /api/ventes latency=300");
    shop.fault("POST /api/ventes status=422");
    let address = serve.address;
    let asking = tokio::spawn({
        let book = book.clone();
        async move { Wish::plain(1, 4).ask(address, &book).await }
    });
    until("it is paid", async || (shop.ledger(Service::Client).await.len() == 1).then_some(())).await;
    shop.close(Service::Client).await;
    until("the refund is turned away", async || {
        let turned_away =
            "saga_calls_total{participant=\"client\",saga=\"checkout\",step=\"paiement\",direction=\"compensation\"";
        (serve.metric(turned_away).await > 2).then_some(())
    })
    .await;
    shop.reopen(Service::Client).await;
    let told = asking.await.unwrap();
    assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "ECHEC_ENREGISTREMENT"), "{told:?}");
    serve.quiet().await;
    assert_eq!(judge(&serve, &shop, &book).await.undone, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_turns_callers_away_now_and_then_is_tried_again() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    // Three calls of four fail: its breaker would suspend such a service for seconds.
    let patient = change(CHECKOUT).add("participants.*.breaker", "{ calls_min: 1000 }").text();
    let serve = setup.definition(&patient).start().await;
    let book = Book::default();
    for number in 0..10 {
        shop.fault("POST /api/ventes status=503 times=3");
        let (_, etat) = ask(&serve, &book, number).await;
        assert_eq!(etat, "CONFIRMEE");
    }
    assert_eq!(serve.metric("saga_calls_total{participant=\"ventes\",saga=\"checkout\",step=\"vente\",direction=\"action\",outcome=\"not_sent\"}").await, 30);
    judge(&serve, &shop, &book).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_is_given_up_on_and_what_it_may_have_done_is_undone() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let impatient = change(CHECKOUT).add("participants.*.timeout", "200ms").text();
    let serve = setup.definition(&impatient).start().await;
    let book = Book::default();
    shop.fault("POST /api/clients/*/payer latency-after=5000");
    let begun = Instant::now();
    let (saga, etat) = ask(&serve, &book, 1).await;
    assert_eq!(etat, "ECHEC_PAIEMENT");
    assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
    let order = serve.commande(&saga).await;
    assert!(order["echec"]["raison"].as_str().unwrap().contains("no answer within"), "{order}");
    serve.quiet().await;
    assert_eq!(judge(&serve, &shop, &book).await.undone, 1);
    assert_eq!(shop.effects_of(&saga, "rembourser").await, 1, "unknown is not failed");
    // Where it acts only after its caller has given up, and after its compensation, it has no effect at all.
    shop.mend();
    shop.fault("POST /api/clients/*/payer latency=3000");
    let (saga, etat) = ask(&serve, &book, 2).await;
    assert_eq!(etat, "ECHEC_PAIEMENT");
    until("the late calls have arrived", async || {
        let calls = shop.calls(Service::Client).await;
        let late =
            calls.iter().filter(|line| line.saga_id.as_ref() == Some(&saga) && line.operation == "payer");
        (late.count() == 5).then_some(())
    })
    .await;
    assert_eq!(shop.effects_of(&saga, "payer").await, 0);
    judge(&serve, &shop, &book).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_service_does_not_hold_up_orders_that_do_not_need_it_yet() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    // Ten at a time, so that most have to wait for their turn.
    let narrow = change(CHECKOUT).add("participants.ventes.calls_max", "10").text();
    let serve = setup.definition(&narrow).start().await;
    let book = Arc::new(Book::default());
    shop.fault("POST /api/ventes latency=500");
    let address = serve.address;
    let clients: JoinSet<CallerResult> = (0..60)
        .map(|number| {
            let book = book.clone();
            async move { Wish::plain(number, 4 + number).ask(address, &book).await }
        })
        .collect();
    until("all orders have paid", async || (shop.ledger(Service::Client).await.len() == 60).then_some(()))
        .await;
    let sold = shop.ledger(Service::Ventes).await.len();
    assert!(sold < 40, "{sold} sales by the time that all orders have paid");
    assert!(serve.metric("saga_calls_in_flight{participant=\"ventes\"").await > 0);
    for told in clients.join_all().await {
        assert!(matches!(&told, CallerResult::Final { etat, .. } if etat == "CONFIRMEE"), "{told:?}");
    }
    judge(&serve, &shop, &book).await;
}

/// A service that promises nothing is busy with another order: an order that still waits for its turn when its deadline
/// passes has not called, does not call any more, and has nothing to undo there.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_turn_has_not_called_yet() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let one_by_one = change(CHECKOUT)
        .remove("participants.client.safety")
        .add("participants.client.calls_max", "1")
        .set("deadline", "2s")
        .text();
    let serve = setup.definition(&one_by_one).start().await;
    shop.fault("POST /api/clients/5/payer latency=4000");
    let (address, book) = (serve.address, Arc::new(Book::default()));
    let busy = {
        let book = book.clone();
        tokio::spawn(async move { Wish::plain(1, 5).ask(address, &book).await })
    };
    until("the service is busy", async || {
        (serve.metric("saga_calls_in_flight{participant=\"client\"").await > 0).then_some(())
    })
    .await;
    let (saga, etat) = ask(&serve, &book, 2).await;
    assert_eq!(etat, "ANNULEE");
    let order = serve.commande(&saga).await;
    assert_eq!(order["rollback"], "TERMINE", "{order}");
    for (operation, effects) in [("reserver", 1), ("liberer", 1), ("payer", 0)] {
        assert_eq!(shop.effects_of(&saga, operation).await, effects, "{operation}");
    }
    // The other one's answer is waited for, and what it did is undone.
    let told = busy.await.unwrap();
    assert!(
        matches!(&told, CallerResult::Final { etat, blocked: false, .. } if etat == "ANNULEE"),
        "{told:?}"
    );
    judge(&serve, &shop, &book).await;
}

/// The shop's faults cannot say `Retry-After`, so this stands in front of it: turns the first caller away.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_not_called_again_before_the_time_it_asked_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let shop = Shop::open(Facon::Moderne).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stock = format!("http://{}", listener.local_addr().unwrap());
    let front = tokio::spawn(async move {
        let mut calls = Vec::new();
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        ] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            calls.push(Instant::now());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        calls
    });
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let fronted = change(CHECKOUT).set("participants.stock.url", &format!("\"{stock}\"")).text();
    let serve = setup.definition(&fronted).start().await;
    let (_, etat) = ask(&serve, &Book::default(), 1).await;
    assert_eq!(etat, "ECHEC_STOCK");
    let calls = front.await.unwrap();
    let waited = calls[1] - calls[0];
    assert!(waited >= Duration::from_millis(1_990), "it was called again after {waited:?}");
}
