//! `GET /api/commande/{id}` and its `historique`.

use saga_testkit::definition::change;
use serde_json::{Value, json};

use crate::harness::World;
use crate::http::Call;

/// Ids that name no order: unknown ones, and text that is no id at all.
const NO_ORDER: [&str; 7] = [
    "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21",
    "00000000-0000-0000-0000-000000000000",
    "7",
    "checkout-1",
    "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e2g",
    "%FF%00",
    "%27%20OR%201=1",
];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_shows_where_it_stands() {
    let world = World::open().await;
    let saga = world.order(4, "CONFIRMEE").await;
    let commande = world.commande(&saga).await;
    let expected = json!({
        "id": saga,
        "client_id": 4,
        "magasin_id": 1,
        "etat_actuel": "CONFIRMEE",
        "rollback": "AUCUN",
        "echec": null,
        "blocage": null,
        "interventions": [],
        "cree_le": commande["cree_le"],
        "modifie_le": commande["modifie_le"],
        "definition": { "nom": "checkout", "empreinte": commande["definition"]["empreinte"] },
        // Its caller has sent no trace.
        "trace_id": saga.replace('-', ""),
    });
    assert_eq!(commande, expected);
    let (created, changed) = (&commande["cree_le"], &commande["modifie_le"]);
    assert!(created.as_str().unwrap().ends_with('Z') && created.as_str() <= changed.as_str(), "{commande}");
    let hash = commande["definition"]["empreinte"].as_str().unwrap();
    assert!(hash.len() == 64 && hash.chars().all(|c| c.is_ascii_hexdigit()), "{hash}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_order_names_the_step_and_the_participants_words() {
    let world = World::open().await;
    for (client, etat, rollback, etape, raison) in [
        (1, "ECHEC_STOCK", "AUCUN", "stock", "Stock insuffisant"),
        (2, "ECHEC_PAIEMENT", "TERMINE", "paiement", "Solde insuffisant"),
        (3, "ECHEC_ENREGISTREMENT", "TERMINE", "vente", "Panne provoquée"),
    ] {
        let saga = world.order(client, etat).await;
        let commande = world.commande(&saga).await;
        assert_eq!(commande["rollback"], rollback, "{commande}");
        assert_eq!(commande["echec"], json!({ "etape": etape, "raison": raison }));
    }
}

/// A participant that has much to say, in letters of two bytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_cut_to_300_bytes_between_two_letters() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let talker = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", talker.local_addr().unwrap());
    let talking = tokio::spawn(async move {
        loop {
            let (mut stream, _) = talker.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let body = json!({ "detail": "é".repeat(400) }).to_string();
            let head = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    let world = World::open().await;
    let source = change(orchestrateur::definitions::CHECKOUT);
    let source = source.set("participants.stock.url", &format!("\"{url}\"")).text();
    let file = world.data.path().join("talker.yaml");
    std::fs::write(&file, source).unwrap();
    let definition = file.display().to_string();
    let world = World::with(world.shop, &["--definition", &definition]).await;
    let saga = world.order(4, "ECHEC_STOCK").await;
    let commande = world.commande(&saga).await;
    let reason = commande["echec"]["raison"].as_str().unwrap();
    let letters = reason.strip_suffix('…').unwrap();
    assert!((295..=300).contains(&reason.len()), "{} bytes", reason.len());
    assert!(letters.chars().all(|letter| letter == 'é'), "{reason}");
    talking.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_names_no_order_is_not_found() {
    let world = World::open().await;
    for id in NO_ORDER {
        for call in [
            Call::get(&format!("/api/commande/{id}")),
            Call::get(&format!("/api/commande/{id}/historique")),
            Call::get(&format!("/api/commande/{id}/historique?detail=etapes")),
            Call::post(&format!("/api/commande/{id}/annuler")),
        ] {
            let problem = world.send(&call).await.problem(404, "commande_inconnue");
            assert_eq!(problem["detail"], "Commande non trouvée", "{call:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_a_list_of_states_and_times() {
    let world = World::open().await;
    let saga = world.order(2, "ECHEC_PAIEMENT").await;
    let history = world.get(&format!("/api/commande/{saga}/historique")).await.expect(200);
    let lines = history.as_array().unwrap();
    let mut before = "";
    for (line, etat) in lines.iter().zip(["INITIEE", "STOCK_RESERVE", "ECHEC_PAIEMENT"]) {
        let members: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(members, ["etat", "timestamp"], "{history}");
        assert_eq!(line["etat"], etat);
        let at = line["timestamp"].as_str().unwrap();
        assert!(before <= at && at.ends_with('Z'), "{history}");
        before = at;
    }
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["timestamp"], world.commande(&saga).await["cree_le"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_detailed_history_has_every_attempt_with_what_became_of_it() {
    let world = World::open().await;
    world.shop.fault("POST /api/stock/reserver status=503 times=1");
    world.shop.fault("POST /api/stock/reserver status=500 times=1");
    world.shop.fault("POST /api/clients/*/payer drop-after times=1");
    let saga = world.order(2, "ECHEC_PAIEMENT").await;
    let history = world.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.expect(200);
    let shown: Vec<String> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|line| match line["etat"].as_str() {
            Some(etat) => etat.to_owned(),
            None => {
                assert!(line["duree_ms"].as_f64().is_some_and(|ms| ms >= 0.0), "{line}");
                let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
                let (etape, direction, resultat) = (text("etape"), text("direction"), text("resultat"));
                format!("{etape} {direction} {} {resultat} {}", line["tentative"], line["statut_http"])
            }
        })
        .collect();
    let expected = [
        "INITIEE",
        "panier action 1 ok 200",
        "stock action 1 not_sent 503",
        "stock action 2 unknown 500",
        "stock action 3 ok 200",
        "STOCK_RESERVE",
        "paiement action 1 unknown null",
        "paiement action 2 refused 402",
        "ECHEC_PAIEMENT",
        // Whether the first attempt took effect was never known, so it is undone as well.
        "paiement compensation 1 ok 200",
        "stock compensation 1 ok 200",
    ];
    assert_eq!(shown, expected, "{history:#}");
    assert_eq!(history[7]["raison"], "Solde insuffisant");
    assert_eq!(history[10]["raison"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_under_way_is_shown_without_an_outcome() {
    let world = World::open().await;
    world.shop.fault("POST /api/clients/*/payer latency=1500");
    let saga = world.begin(4).await;
    world.reaches(&saga, "STOCK_RESERVE").await;
    let path = format!("/api/commande/{saga}/historique?detail=etapes");
    let history = world.get(&path).await.expect(200);
    let last = history.as_array().unwrap().last().unwrap();
    let expected = json!({
        "etape": "paiement", "direction": "action", "tentative": 1, "resultat": null,
        "statut_http": null, "raison": null, "duree_ms": null, "timestamp": last["timestamp"],
    });
    assert_eq!(*last, expected, "{history:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_detail_is_refused_whether_the_order_exists_or_not() {
    let world = World::open().await;
    let saga = world.order(4, "CONFIRMEE").await;
    for query in ["detail=tout", "detail=", "detail=ETAPES", "detail=etapes&detail=tout", "detail=%FF"] {
        let path = format!("/api/commande/{saga}/historique?{query}");
        let problem = world.get(&path).await.problem(422, "invalid_field");
        assert!(problem["detail"].as_str().unwrap().starts_with("`detail` can be `etapes`"), "{problem}");
    }
}
