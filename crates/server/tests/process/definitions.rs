//! A definition that changes while orders run.

use boutique::{Facon, Service};
use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;

use crate::client::until;
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

#[tokio::test(flavor = "multi_thread")]
async fn running_orders_finish_on_their_definition_and_new_ones_run_the_new_one() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.start().await;
    let book = Book::default();
    shop.fault("POST /api/stock/reserver latency-after=2000");
    let wish = Wish { key: Some("before".into()), manner: Manner::Async, ..Wish::plain(1, 4) };
    let CallerResult::Accepted { saga: before } = wish.ask(serve.address, &book).await else {
        panic!("not accepted")
    };
    until("the stock is reserved", async || (shop.effects().await == 1).then_some(())).await;
    serve.kill();
    shop.mend();
    // The new one takes no payment, and calls the end by another name.
    let (head, payment) = CHECKOUT.split_once("  - step: paiement").unwrap();
    let (_, sale) = payment.split_once("  - step: vente").unwrap();
    let changed = change(&format!("{head}  - step: vente{sale}")).set("states.completed", "LIVREE").text();
    let serve = setup.definition(&changed).start().await;
    serve.quiet().await;
    let CallerResult::Final { saga: after, etat, .. } = Wish::plain(2, 4).ask(serve.address, &book).await
    else {
        panic!("not over")
    };
    assert_eq!(etat, "LIVREE");
    let old = serve.commande(&before).await;
    assert_eq!(old["etat_actuel"], "CONFIRMEE");
    let pinned = |order: &serde_json::Value| order["definition"]["empreinte"].as_str().unwrap().to_owned();
    assert_ne!(pinned(&old), pinned(&serve.commande(&after).await));
    let payers = shop.ledger(Service::Client).await;
    assert_eq!(payers.len(), 1, "only the old order is paid: {payers:?}");
    assert_eq!(payers[0].saga_id.as_deref(), Some(&*before));
    // Its history and its replay are read by its own definition, too.
    let history = serve.get(&format!("/api/commande/{before}/historique?detail=etapes")).await.text;
    assert!(history.contains("paiement"), "{history}");
    let again = Wish { manner: Manner::Wait, ..wish };
    let told = again.ask(serve.address, &book).await;
    assert_eq!(told, CallerResult::Final { saga: before, etat: "CONFIRMEE".into(), blocked: false });
}
