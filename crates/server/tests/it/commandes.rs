//! `GET /api/commandes`: filters, pages, and what is refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::World;
use crate::http::{Call, Reply};

/// The path of the next page, from the `Link` header.
fn next(reply: &Reply) -> Option<String> {
    let link = reply.header("link")?;
    let (path, relation) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(relation, "; rel=\"next\"", "{link}");
    Some(path.to_owned())
}

/// Every order from a page on, a list of ids a page.
async fn walk(world: &World, first: &str) -> Vec<Vec<String>> {
    let (mut pages, mut path) = (Vec::new(), Some(first.to_owned()));
    while let Some(here) = path {
        let reply = world.get(&here).await;
        let rows = reply.expect(200);
        let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
        pages.push(rows.as_array().unwrap().iter().map(id).collect());
        path = next(&reply);
    }
    pages
}

async fn ids(world: &World, query: &str) -> BTreeSet<String> {
    walk(world, &format!("/api/commandes?{query}")).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_shows_its_orders_and_no_others() {
    let world = World::open().await;
    let confirmed = world.order(4, "CONFIRMEE").await;
    let short = world.order(1, "ECHEC_STOCK").await;
    let poor = world.order(2, "ECHEC_PAIEMENT").await;
    let elsewhere = Call::post("/api/commande/checkout").json(&json!({ "client_id": 4, "magasin_id": 9 }));
    let elsewhere = world.send(&elsewhere).await.expect(200)["saga_id"].as_str().unwrap().to_owned();
    world.shop.fault("POST /api/stock/liberer client=* latency=60000");
    world.shop.fault("POST /api/clients/*/payer client=6 status=402");
    let undoing = world.begin(6).await;
    world.reaches(&undoing, "ECHEC_PAIEMENT").await;
    let checks: &[(&str, &[&String])] = &[
        ("", &[&confirmed, &short, &poor, &elsewhere, &undoing]),
        ("etat=CONFIRMEE", &[&confirmed, &elsewhere]),
        ("etat=ECHEC_STOCK", &[&short]),
        ("etat=ECHEC_PAIEMENT", &[&poor, &undoing]),
        ("etat=INITIEE", &[]),
        ("etat=UNE_AUTRE", &[]),
        ("rollback=AUCUN", &[&confirmed, &short, &elsewhere]),
        ("rollback=TERMINE", &[&poor]),
        ("rollback=EN_COURS", &[&undoing]),
        ("rollback=BLOQUE", &[]),
        ("client_id=4", &[&confirmed, &elsewhere]),
        ("client_id=-4", &[]),
        ("magasin_id=9", &[&elsewhere]),
        ("magasin_id=1&client_id=4", &[&confirmed]),
        ("etat=ECHEC_PAIEMENT&rollback=TERMINE&client_id=2&magasin_id=1&limit=1", &[&poor]),
        ("etat=ECHEC_PAIEMENT&magasin_id=9", &[]),
    ];
    for (query, expected) in checks {
        let expected: BTreeSet<String> = expected.iter().map(|id| (*id).clone()).collect();
        assert_eq!(ids(&world, query).await, expected, "{query}");
    }
    // A row is the order as it shows itself, but for the operators' commands and its trace.
    let listed = world.get("/api/commandes?client_id=2").await.expect(200);
    let mut shown = world.commande(&poor).await;
    assert_eq!(shown.as_object_mut().unwrap().remove("interventions"), Some(json!([])));
    assert!(shown.as_object_mut().unwrap().remove("trace_id").is_some());
    assert_eq!(listed, json!([shown]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gaps_or_doubles_while_orders_arrive() {
    let world = World::open().await;
    let mut placed = Vec::new();
    for _ in 0..4 {
        // Racing ones, so that some may start in the same microsecond.
        let calls: Vec<_> = (0..6)
            .map(|_| tokio::spawn(crate::http::send(world.server.address, &Call::checkout(4))))
            .collect();
        for call in calls {
            placed.push(call.await.unwrap().expect(200)["saga_id"].as_str().unwrap().to_owned());
        }
    }
    placed.sort();
    for limit in [1, 5, 8, 23, 24, 25, 200] {
        let pages = walk(&world, &format!("/api/commandes?etat=CONFIRMEE&limit={limit}&client_id=4")).await;
        let (last, full) = pages.split_last().unwrap();
        assert!(full.iter().all(|page| page.len() == limit), "{limit}: {pages:?}");
        assert!((1..=limit).contains(&last.len()), "{limit}: {pages:?}");
        let mut seen: Vec<String> = pages.into_iter().flatten().collect();
        seen.sort();
        assert_eq!(seen, placed, "{limit}");
    }
    // Newest first.
    let rows = world.get("/api/commandes").await.expect(200);
    let times: Vec<&str> =
        rows.as_array().unwrap().iter().map(|row| row["cree_le"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    // An order that arrives between two pages does not push another one out of sight.
    let first = world.get("/api/commandes?limit=10").await;
    let newcomer = world.order(5, "CONFIRMEE").await;
    let rest = walk(&world, &next(&first).unwrap()).await.concat();
    assert_eq!(first.json().as_array().unwrap().len() + rest.len(), placed.len());
    assert!(!rest.contains(&newcomer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_50_orders_when_nobody_says_and_200_at_most() {
    let world = World::open().await;
    let calls: Vec<_> =
        (0..51).map(|_| tokio::spawn(crate::http::send(world.server.address, &Call::checkout(1)))).collect();
    for call in calls {
        call.await.unwrap().expect(200);
    }
    let sizes = |pages: Vec<Vec<String>>| pages.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(walk(&world, "/api/commandes").await), [50, 1]);
    assert_eq!(sizes(walk(&world, "/api/commandes?limit=200").await), [51]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_and_unknown_parameters_are_refused_by_name() {
    let world = World::open().await;
    let id = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21";
    for (query, detail) in [
        ("limit=0", "`limit` must be 1 to 200"),
        ("limit=201", "`limit` must be 1 to 200"),
        ("limit=-1", "`limit` must be 1 to 200"),
        ("limit=", "`limit` must be 1 to 200"),
        ("limit=9999999999999999999999", "`limit` must be 1 to 200"),
        ("client_id=x", "`client_id` must be an integer, not `x`"),
        ("client_id=", "`client_id` must be an integer, not ``"),
        ("magasin_id=1.5", "`magasin_id` must be an integer, not `1.5`"),
        ("magasin_id=9223372036854775808", "`magasin_id` must be an integer, not `9223372036854775808`"),
        ("rollback=aucun", "`rollback` must be AUCUN, EN_COURS, TERMINE or BLOQUE"),
        ("etat=", "`etat` must be the name of a state, such as CONFIRMEE"),
        ("etat=A%00B", "`etat` must be the name of a state, such as CONFIRMEE"),
        ("cursor=", "`cursor` must come from the Link header of the page before"),
        ("cursor=12", "`cursor` must come from the Link header of the page before"),
        (&format!("cursor=x.{id}"), "`cursor` must come from the Link header of the page before"),
        ("cursor=12.x", "`cursor` must come from the Link header of the page before"),
        ("client_id=4&client_id=5", "`client_id` stands more than once"),
        ("limit=1&limit=1", "`limit` stands more than once"),
        (
            "client=4",
            "There is no filter `client`; there are etat, rollback, client_id, magasin_id, limit and cursor",
        ),
        (
            "Etat=A",
            "There is no filter `Etat`; there are etat, rollback, client_id, magasin_id, limit and cursor",
        ),
    ] {
        let problem = world.get(&format!("/api/commandes?{query}")).await.problem(422, "invalid_field");
        assert_eq!(problem["detail"], detail, "{query}");
    }
    for extreme in [i64::MIN, i64::MAX] {
        world.get(&format!("/api/commandes?cursor={extreme}.{id}")).await.expect(200);
        world.get(&format!("/api/commandes?client_id={extreme}&magasin_id={extreme}")).await.expect(200);
    }
}
