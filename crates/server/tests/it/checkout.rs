//! `POST /api/commande/checkout`: the known scenarios, the amounts, and callers that go away.

use boutique::{Article, Centimes, LignePanier, Seed, Service};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Shop, World, until};
use crate::http::Call;

/// Runs an order and checks its answer to the letter, its history, its rollback, and the shop's ledgers.
async fn check(world: &World, client: i64, etats: &[&str], rollback: &str, operations: &[&str]) {
    let reply = world.send(&Call::checkout(client)).await;
    let body = reply.expect(200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let saga = body["saga_id"].as_str().unwrap();
    let last = etats.last().unwrap();
    let commande = world.commande(saga).await;
    // Why there is no order stands beside what the contract has.
    let echec = match &commande["echec"] {
        Value::Null => String::new(),
        echec => format!(",\"echec\":{{\"etape\":{},\"raison\":{}}}", echec["etape"], echec["raison"]),
    };
    assert_eq!(reply.text, format!("{{\"saga_id\":\"{saga}\",\"etat_final\":\"{last}\"{echec}}}"));
    assert_eq!(echec.is_empty(), *last == "CONFIRMEE");
    assert_eq!(world.etats(saga).await, etats);
    assert_eq!((&commande["etat_actuel"], &commande["rollback"]), (&json!(last), &json!(rollback)));
    assert_eq!(world.shop.operations(saga).await, operations);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_service_answers_the_order_is_confirmed() {
    let world = World::open().await;
    let etats = ["INITIEE", "STOCK_RESERVE", "PAIEMENT_EFFECTUE", "COMMANDE_ENREGISTREE", "CONFIRMEE"];
    check(&world, 4, &etats, "AUCUN", &["reserver", "payer", "enregistrer"]).await;
    check(&world, 1_000_000_007, &etats, "AUCUN", &["reserver", "payer", "enregistrer"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_stock_is_short_nothing_else_is_touched() {
    let world = World::open().await;
    check(&world, 1, &["INITIEE", "ECHEC_STOCK"], "AUCUN", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_payment_is_refused_the_stock_is_given_back() {
    let world = World::open().await;
    let etats = ["INITIEE", "STOCK_RESERVE", "ECHEC_PAIEMENT"];
    check(&world, 2, &etats, "TERMINE", &["reserver", "liberer"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_sale_cannot_be_recorded_payment_and_stock_are_given_back() {
    let world = World::open().await;
    let etats = ["INITIEE", "STOCK_RESERVE", "PAIEMENT_EFFECTUE", "ECHEC_ENREGISTREMENT"];
    check(&world, 3, &etats, "TERMINE", &["reserver", "liberer", "payer", "rembourser"]).await;
    // The money is back to the cent.
    let compte = world.shop.get(Service::Client, "/api/clients/3").await;
    assert_eq!(compte["solde"], json!(1_000_000_000.0), "{compte}");
}

/// Units and cents of a price, and how many.
type Line = (u32, u8, i64);

/// Sums of products that binary fractions get wrong, one cart a client.
#[tokio::test(flavor = "multi_thread")]
async fn the_amount_is_exact_to_the_cent() {
    let carts: &[(&[Line], &str)] = &[
        (&[(19, 99, 3)], "59.97"),
        (&[(0, 10, 3)], "0.3"),
        (&[(0, 7, 3), (0, 1, 1)], "0.22"),
        (&[(1, 15, 100)], "115.0"),
        (&[(4, 35, 3), (10, 1, 7), (0, 29, 1)], "83.41"),
        (&[(1_005, 5, 99_999), (0, 2, 1)], "100503994.97"),
        (&[(99_999_999, 99, 1)], "99999999.99"),
    ];
    let mut seed = Seed::demo();
    for (client, (lines, _)) in (100..).zip(carts) {
        let mut cart = Vec::new();
        for &(euros, cents, quantite) in *lines {
            let produit_id = 100 + seed.articles.len() as i64;
            let prix = Centimes::const_new(euros, cents);
            seed.articles.push(Article { produit_id, nom: "x".into(), prix, quantite: 1_000_000 });
            cart.push(LignePanier { produit_id, quantite });
        }
        seed.paniers.insert(client, cart);
    }
    let world = World::with(Shop::selling(seed).await, &[]).await;
    for (client, (lines, montant)) in (100..).zip(carts) {
        let saga = world.order(client, "CONFIRMEE").await;
        let effects = world.shop.effects(&saga).await;
        assert!(effects.contains(&("payer".to_owned(), (*montant).to_owned())), "{lines:?}: {effects:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_cart_ends_in_echec_stock_and_says_so() {
    let mut seed = Seed::demo();
    seed.paniers.insert(9, Vec::new());
    let world = World::with(Shop::selling(seed).await, &[]).await;
    check(&world, 9, &["INITIEE", "ECHEC_STOCK"], "AUCUN", &[]).await;
    let listed = world.get("/api/commandes?client_id=9").await.expect(200);
    assert_eq!(listed[0]["echec"]["etape"], "panier", "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_cart_ends_in_echec_stock_whether_it_is_mute_broken_or_unknown() {
    let world = World::open().await;
    for (client, fault) in [(5, "status=500"), (6, "status=404"), (7, "drop-before"), (8, "drop-after")] {
        world.shop.fault(&format!("GET /api/paniers/client/* client={client} {fault}"));
        check(&world, client, &["INITIEE", "ECHEC_STOCK"], "AUCUN", &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_changes_nothing() {
    let world = World::open().await;
    world.shop.fault("POST /api/stock/reserver latency=300");
    let mut caller = TcpStream::connect(world.server.address).await.unwrap();
    caller.write_all(&Call::checkout(77).bytes()).await.unwrap();
    until("the order runs", async || {
        world.get("/api/commandes?client_id=77").await.expect(200) != Value::Array(Vec::new())
    })
    .await;
    drop(caller);
    let listed = world.get("/api/commandes?client_id=77").await.expect(200);
    let saga = listed[0]["id"].as_str().unwrap();
    world.reaches(saga, "CONFIRMEE").await;
    assert_eq!(world.shop.operations(saga).await, ["reserver", "payer", "enregistrer"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_with_missing_or_wrong_fields_are_refused_before_anything_is_written() {
    let world = World::open().await;
    let checks = [
        (r#"{"magasin_id": 1}"#, 422, "invalid_field", "`client_id` is missing; it must be a JSON integer"),
        (r#"{"client_id": 4}"#, 422, "invalid_field", "`magasin_id` is missing; it must be a JSON integer"),
        (
            r#"{"client_id": "4", "magasin_id": 1}"#,
            422,
            "invalid_field",
            "`client_id` must be a JSON integer",
        ),
        (
            r#"{"client_id": 4.5, "magasin_id": 1}"#,
            422,
            "invalid_field",
            "`client_id` must be a JSON integer",
        ),
        (
            r#"{"client_id": null, "magasin_id": 1}"#,
            422,
            "invalid_field",
            "`client_id` must be a JSON integer",
        ),
        (
            r#"{"client_id": 4, "magasin_id": 9223372036854775808}"#,
            422,
            "invalid_field",
            "`magasin_id` must be",
        ),
        ("[4, 1]", 422, "invalid_field", "The body must be a JSON object"),
        ("", 400, "not_json", "The body is not JSON: EOF"),
        (r#"{"client_id": 4,"#, 400, "not_json", "The body is not JSON: EOF"),
    ];
    for (body, status, code, detail) in checks {
        let call = Call::post("/api/commande/checkout").header("content-type", "application/json").body(body);
        let problem = world.send(&call).await.problem(status, code);
        assert!(problem["detail"].as_str().unwrap().starts_with(detail), "{body}: {problem}");
    }
    assert_eq!(world.get("/api/commandes").await.text, "[]");
}
