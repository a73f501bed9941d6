//! `GET /api/events` of two processes on one database: both tell the same, in the same order.

use boutique::Facon;
use saga_endurance::events::EventListener;
use serde_json::{Value, json};

use crate::client;
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

async fn checkout(serve: &ServeProcess, client: i64) -> String {
    let body = json!({ "client_id": client, "magasin_id": 1 });
    let answer =
        client::send(serve.address, "POST", "/api/commande/checkout", &[], Some(&body)).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["saga_id"].as_str().unwrap().to_owned()
}

async fn listen(serve: &ServeProcess, after: &str) -> EventListener {
    EventListener::open(serve.address, "/api/events", Some(after)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_process_tells_what_all_do_and_a_client_may_go_on_at_any() {
    let shop = Shop::open(Facon::Moderne).await;
    let setup = Setup::new(&shop, StoreEngine::Postgres);
    let one = setup.start().await;
    let other = setup.start_as("replique-2").await;
    let (mut at_one, mut at_other) = (listen(&one, "0").await, listen(&other, "0").await);
    let (first, second) = tokio::join!(checkout(&one, 4), checkout(&other, 2));
    let all = async |stream: &mut EventListener| {
        let mut told: Vec<Value> = Vec::new();
        let is_over = |told: &[Value], saga: &str| {
            let ends = |event: &&Value| {
                ["completed", "rolled_back"].iter().any(|end| event["data"]["event"] == *end)
            };
            told.iter().filter(ends).any(|event| event["subject"] == *saga)
        };
        while !is_over(&told, &first) || !is_over(&told, &second) {
            told.push(stream.event().await);
        }
        told
    };
    let told = all(&mut at_one).await;
    assert_eq!(all(&mut at_other).await, told, "both tell all, in one order");
    for saga in [&first, &second] {
        let positions: Vec<_> = told
            .iter()
            .filter(|event| event["subject"] == **saga)
            .map(|event| &event["data"]["position"])
            .collect();
        assert_eq!(positions, (1..=positions.len()).collect::<Vec<_>>(), "{saga}");
    }
    // A client loses its process, and goes on at another, which was not there before.
    let place = told[3]["id"].as_str().unwrap().to_owned();
    one.kill();
    let third = setup.start_as("replique-3").await;
    let mut later = listen(&third, &place).await;
    for event in &told[4..] {
        assert_eq!(later.event().await, *event);
    }
    let next = checkout(&other, 4).await;
    assert_eq!(later.event().await["subject"], *next);
}
