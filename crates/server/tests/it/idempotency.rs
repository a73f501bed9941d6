//! `Idempotency-Key`: a request that comes again is the same order.

use boutique::Service;
use serde_json::json;

use crate::harness::World;
use crate::http::{Call, send};

const ONCE: [&str; 3] = ["reserver", "payer", "enregistrer"];

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_after_its_end_gets_the_same_answer() {
    let world = World::open().await;
    for (client, key) in [(4, "fini"), (2, "refuse")] {
        let first = world.send(&Call::checkout(client).key(key)).await;
        let effects = world.shop.operations(first.expect(200)["saga_id"].as_str().unwrap()).await;
        for _ in 0..3 {
            let again = world.send(&Call::checkout(client).key(key)).await;
            assert_eq!((again.status, &again.text), (200, &first.text));
        }
        assert_eq!(world.shop.operations(first.json()["saga_id"].as_str().unwrap()).await, effects);
    }
    assert_eq!(world.get("/api/commandes").await.expect(200).as_array().unwrap().len(), 2);
    assert_eq!(world.metric("commande_etat_total{etat=\"INITIEE\"}").await, 2.0);
    // A repetition that begins before the journal knows the order again is not counted as under way for ever.
    world.shop.fault("GET /api/paniers/client/* latency=200");
    let again = world.send(&Call::checkout(4).key("fini").prefer("respond-async")).await;
    assert_eq!(again.expect(200)["etat_final"], "CONFIRMEE");
    for participant in ["panier", "stock", "client", "ventes"] {
        let sample = format!("saga_calls_in_flight{{participant=\"{participant}\"}}");
        assert_eq!(world.metric(&sample).await, 0.0, "{participant}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_not_declared_do_not_make_it_another_request() {
    let world = World::open().await;
    let with = |body: &str| {
        let call = Call::post("/api/commande/checkout").header("content-type", "application/json");
        call.key("plus").body(body)
    };
    let first = world.send(&with(r#"{"client_id":4,"magasin_id":1}"#)).await;
    assert_eq!(first.expect(200)["etat_final"], "CONFIRMEE");
    for body in [
        r#"{"client_id":4,"magasin_id":1,"note":"vite"}"#,
        r#"{ "magasin_id": 1, "note": {"a": [1, 1.50]}, "client_id": 4 }"#,
    ] {
        let again = world.send(&with(body)).await;
        assert_eq!((again.status, &again.text), (200, &first.text), "{body}");
    }
    world.send(&with(r#"{"client_id":5,"magasin_id":1}"#)).await.expect(422);
    for body in [
        r#"{"client_id":4,"client_id":4,"magasin_id":1}"#,
        r#"{"client_id":4,"magasin_id":1,"note":1,"note":2}"#,
    ] {
        let told = world.send(&with(body)).await.expect(422).to_string();
        assert!(told.contains("is there twice"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_while_its_order_runs_waits_for_the_same_end() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=400");
    let call = Call::checkout(4).key("en-cours");
    let begun = world.send(&call.clone().prefer("respond-async")).await.expect(202);
    let (left, right) = tokio::join!(world.send(&call), world.send(&call));
    let expected = json!({ "saga_id": begun["saga_id"], "etat_final": "CONFIRMEE" });
    assert_eq!((left.expect(200), right.expect(200)), (expected.clone(), expected));
    assert_eq!(world.shop.operations(begun["saga_id"].as_str().unwrap()).await, ONCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_remembered_across_a_restart() {
    let mut world = World::open().await;
    let first = world.send(&Call::checkout(4).key("avant")).await;
    world.shop.fault("POST /api/ventes client=5 latency=400");
    let running = world.send(&Call::checkout(5).key("pendant").prefer("respond-async")).await.expect(202);
    world.restart().await;
    assert_eq!(world.send(&Call::checkout(4).key("avant")).await.text, first.text);
    let saga = first.json()["saga_id"].as_str().unwrap().to_owned();
    assert_eq!(world.shop.operations(&saga).await, ONCE);
    let ended = world.send(&Call::checkout(5).key("pendant")).await.expect(200);
    assert_eq!(ended, json!({ "saga_id": running["saga_id"], "etat_final": "CONFIRMEE" }));
    assert_eq!(world.shop.operations(ended["saga_id"].as_str().unwrap()).await, ONCE);
    world.send(&Call::checkout(6).key("avant")).await.problem(422, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_racing_requests_with_one_key_are_one_order() {
    let world = World::open().await;
    for round in 0..5 {
        let call = Call::checkout(4).key(&format!("course-{round}"));
        let racing: Vec<_> = (0..20).map(|_| tokio::spawn(send(world.server.address, &call))).collect();
        let mut answers = Vec::new();
        for racer in racing {
            let reply = racer.await.unwrap();
            assert_eq!(reply.status, 200, "{reply:?}");
            answers.push(reply.text);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        let answer: serde_json::Value = serde_json::from_str(&answers[0]).unwrap();
        assert_eq!(answer["etat_final"], "CONFIRMEE");
        assert_eq!(world.shop.operations(answer["saga_id"].as_str().unwrap()).await, ONCE);
    }
    for (service, effects) in [(Service::Stock, 5), (Service::Client, 5), (Service::Ventes, 5)] {
        assert_eq!(world.shop.get(service, "/ledger").await.as_array().unwrap().len(), effects, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_another_body_is_refused_and_says_why() {
    let world = World::open().await;
    let saga = world.send(&Call::checkout(4).key("k")).await.expect(200)["saga_id"].clone();
    let problem = world.send(&Call::checkout(5).key("k")).await.problem(422, "idempotency_key_reused");
    assert_eq!(problem["detail"], "this Idempotency-Key belongs to a request with another body");
    assert_eq!(problem["saga_id"], saga);
    // While it still runs, too.
    world.shop.fault("POST /api/clients/*/payer client=6 latency=400");
    world.send(&Call::checkout(6).key("r").prefer("respond-async")).await.expect(202);
    world.send(&Call::checkout(7).key("r")).await.problem(422, "idempotency_key_reused");
    // The same request is the same however its JSON is written.
    let other = r#" { "autre": [1], "magasin_id": 1,
        "client_id": 4 } "#;
    let call = Call::post("/api/commande/checkout").header("content-type", "application/json").body(other);
    assert_eq!(world.send(&call.key("k")).await.expect(200)["saga_id"], saga);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_the_same_in_quotes_and_bare() {
    let world = World::open().await;
    let bare = world.send(&Call::checkout(4).key("commande-7:a/b")).await;
    let quoted = world.send(&Call::checkout(4).key("\"commande-7:a/b\"")).await;
    assert_eq!((quoted.status, &quoted.text), (200, &bare.text));
    let another = world.send(&Call::checkout(4).key("commande-8")).await.expect(200);
    assert_ne!(another["saga_id"], bare.json()["saga_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_overlong_and_doubled_keys_are_refused() {
    let world = World::open().await;
    let longest = "k".repeat(255);
    world.send(&Call::checkout(4).key(&longest)).await.expect(200);
    world.send(&Call::checkout(4).key(&format!("\"{longest}\""))).await.expect(200);
    let checks = [
        (Call::checkout(4).key(""), "Idempotency-Key: the key is empty"),
        (Call::checkout(4).key("\"\""), "Idempotency-Key: the key is empty"),
        (
            Call::checkout(4).key(&format!("{longest}k")),
            "Idempotency-Key: the key has 256 characters; at most 255 are taken",
        ),
        (Call::checkout(4).key("a").key("b"), "Idempotency-Key: the header stands more than once"),
        (Call::checkout(4).key("a").key("a"), "Idempotency-Key: the header stands more than once"),
        (Call::checkout(4).key("clé"), "Idempotency-Key: only visible ASCII characters can be used"),
    ];
    for (call, detail) in checks {
        assert_eq!(world.send(&call).await.problem(422, "invalid_field")["detail"], detail);
    }
    assert_eq!(world.get("/api/commandes").await.expect(200).as_array().unwrap().len(), 1);
}
