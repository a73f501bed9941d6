//! `sagas/voisins.yaml` against services that promise nothing. They do not know sagas, so every order has a client of
//! its own, and the judge goes by that.

use boutique::{Facon, Service};
use serde_json::Value;

use crate::judge::OPERATIONS;
use crate::load::{Book, CallerResult, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

const VOISINS: &str = include_str!("../../../../sagas/voisins.yaml");

async fn open() -> (Shop, Setup) {
    let shop = Shop::open(Facon::Ancienne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.definition(VOISINS).argument("--commande-saga=checkout-voisins");
    (shop, setup)
}

/// How often each operation had an effect so far.
async fn effects(shop: &Shop) -> [usize; 6] {
    let mut counts = [0; 6];
    for (index, (service, action, compensation)) in OPERATIONS.into_iter().enumerate() {
        for line in shop.ledger(service).await {
            counts[2 * index] += usize::from(line.operation == action);
            counts[2 * index + 1] += usize::from(line.operation == compensation);
        }
    }
    counts
}

/// Runs one order; says how it ended, and which effects it had: `reserver`, `liberer`, `payer`, `rembourser`,
/// `enregistrer`, `annuler`.
async fn order(serve: &ServeProcess, shop: &Shop, client_id: i64) -> (Value, [usize; 6]) {
    let before = effects(shop).await;
    let told = Wish::plain(client_id, client_id).ask(serve.address, &Book::default()).await;
    let CallerResult::Final { saga, etat, blocked } = told else { panic!("{told:?}") };
    let order = serve.commande(&saga).await;
    assert_eq!((order["etat_actuel"].as_str(), order["rollback"] == "BLOQUE"), (Some(&*etat), blocked));
    let after = effects(shop).await;
    (order, std::array::from_fn(|index| after[index] - before[index]))
}

fn end(order: &Value) -> (&str, &str) {
    (order["etat_actuel"].as_str().unwrap(), order["rollback"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_scenarios_that_everybody_knows_end_as_they_should() {
    let (shop, setup) = open().await;
    let serve = setup.start().await;
    let (succes, effects) = order(&serve, &shop, 4).await;
    assert_eq!((end(&succes), effects), (("CONFIRMEE", "AUCUN"), [1, 0, 1, 0, 1, 0]), "{succes}");
    let paid = shop.ledger(Service::Client).await;
    assert_eq!(paid[0].montant, Some(80.97));
    let (stock, effects) = order(&serve, &shop, 1).await;
    assert_eq!((end(&stock), effects), (("ECHEC_STOCK", "AUCUN"), [0; 6]), "{stock}");
    let (paiement, effects) = order(&serve, &shop, 2).await;
    assert_eq!((end(&paiement), effects), (("ECHEC_PAIEMENT", "TERMINE"), [1, 1, 0, 0, 0, 0]), "{paiement}");
    let (vente, effects) = order(&serve, &shop, 3).await;
    assert_eq!((end(&vente), effects), (("ECHEC_ENREGISTREMENT", "TERMINE"), [1, 1, 1, 1, 0, 0]), "{vente}");
    assert_eq!(vente["echec"]["raison"], "Panne provoquée");
    // Not the service's own word: a proxy's answer may mean anything, and an operator has to look.
    shop.fault("POST /api/ventes client=5 status=502");
    let (vente, effects) = order(&serve, &shop, 5).await;
    assert_eq!((end(&vente), effects), (("ECHEC_ENREGISTREMENT", "BLOQUE"), [1, 0, 1, 0, 0, 0]), "{vente}");
    assert_eq!(vente["echec"]["etape"], "vente");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_blocks_the_order_at_its_step_and_doubles_nothing() {
    let (shop, setup) = open().await;
    let serve = setup.start().await;
    let mut blocked = Vec::new();
    for (client_id, step, rules, expected) in [
        (11, "stock", &["POST /api/stock/reserver drop-after times=1"][..], [1, 0, 0, 0, 0, 0]),
        (12, "paiement", &["POST /api/clients/*/payer drop-after times=1"], [1, 0, 1, 0, 0, 0]),
        (13, "vente", &["POST /api/ventes drop-after times=1"], [1, 0, 1, 0, 1, 0]),
        (
            14,
            "paiement",
            &["POST /api/ventes status=422", "POST /api/clients/*/rembourser drop-after times=1"],
            [1, 0, 1, 1, 0, 0],
        ),
        (
            15,
            "stock",
            &["POST /api/ventes status=422", "POST /api/stock/liberer drop-after times=1"],
            [1, 1, 1, 1, 0, 0],
        ),
    ] {
        shop.mend();
        rules.iter().for_each(|rule| shop.fault(rule));
        let (order, effects) = order(&serve, &shop, client_id).await;
        assert_eq!((end(&order).1, effects), ("BLOQUE", expected), "{rules:?}: {order}");
        assert_eq!(order["blocage"]["etape"], step, "{rules:?}: {order}");
        let reason = order["blocage"]["raison"].as_str().unwrap();
        assert!(reason.contains("nobody can know whether"), "{rules:?}: {reason}");
        blocked.push(order);
    }
    // Not by another start, either.
    let before = effects(&shop).await;
    serve.kill();
    shop.mend();
    let serve = setup.start().await;
    serve.quiet().await;
    for order in blocked {
        let after = serve.commande(order["id"].as_str().unwrap()).await;
        assert_eq!((end(&after), &after["echec"]), (end(&order), &order["echec"]));
    }
    assert_eq!(effects(&shop).await, before);
}
