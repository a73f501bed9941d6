//! Services that promise nothing, but can be asked: the outcome of a lost call is found out over HTTP, and no operator
//! is needed.

use boutique::{Facon, Service};
use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use serde_json::Value;

use crate::client::until;
use crate::load::{Book, CallerResult, Manner, Wish};
use crate::lost_answers::{
    ACTIONS, ALL_DONE, ALL_UNDONE, COMPENSATIONS, counts, effects, order_amid, refused_at_the_end,
};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

/// The checkout at services without promises, where each step can be asked about: the stock and the payment by what
/// their books say of the order, the sale by itself.
fn asking() -> String {
    let books = r#"    probe:
      get: /ledger?saga_id=\(.saga_id)
      refused: .status == 200 and (.body | length % 2 == 0) # done and undone, or neither
      after: 300ms
"#;
    let sales = r#"    probe:
      get: /api/ventes?saga_id=\(.saga_id)
      refused: .status == 200 and (.body | all(.etat != "ENREGISTREE"))
      after: 300ms
    persist: { attempts: 2, base: 50ms, cap: 200ms }
"#;
    let mut definition = change(CHECKOUT).set("participants.*.safety", "none");
    for (success, probe) in
        [("STOCK_RESERVE", books), ("PAIEMENT_EFFECTUE", books), ("COMMANDE_ENREGISTREE", sales)]
    {
        let line = format!("    success: {success}\n");
        definition = definition.swap(&line, &format!("{probe}{line}"));
    }
    definition.text()
}

async fn open(definition: &str) -> (Shop, Setup) {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.definition(definition);
    (shop, setup)
}

/// The probes of the order: their steps and their outcomes.
async fn findings(serve: &ServeProcess, order: &Value) -> Vec<(String, String)> {
    let path = format!("/api/commande/{}/historique?detail=etapes", order["id"].as_str().unwrap());
    let lines = serve.get(&path).await.json();
    let probes = lines.as_array().unwrap().iter().filter(|line| line["direction"] == "probe");
    let text = |value: &Value| value.as_str().unwrap_or("under way").to_owned();
    probes.map(|line| (text(&line["etape"]), text(&line["resultat"]))).collect()
}

fn found(step: &str, outcome: &str) -> Vec<(String, String)> {
    vec![(step.to_owned(), outcome.to_owned())]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_in_doubt_is_asked_about_and_repeated_only_if_it_is_not_there() {
    let (shop, setup) = open(&asking()).await;
    let serve = setup.start().await;
    for (number, (step, operation, rule)) in (1..).zip(ACTIONS) {
        let order = order_amid(&serve, &shop, number, &[&format!("{rule} drop-after times=1")]).await;
        assert_eq!(order["etat_actuel"], "CONFIRMEE", "{rule}: {order}");
        let counted = counts(&shop, &order).await;
        assert_eq!(effects(&counted), ALL_DONE, "{rule}");
        assert!(counted.contains(&(operation, 1, 1)), "{rule}: it was repeated: {counted:?}");
        assert_eq!(findings(&serve, &order).await, found(step, "ok"), "{rule}");

        let order = order_amid(&serve, &shop, 10 + number, &[&format!("{rule} drop-before times=1")]).await;
        assert_eq!(order["etat_actuel"], "CONFIRMEE", "{rule}: {order}");
        assert_eq!(effects(&counts(&shop, &order).await), ALL_DONE, "{rule}");
        assert_eq!(findings(&serve, &order).await, found(step, "refused"), "{rule}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_in_doubt_is_asked_about_and_repeated_only_if_its_step_still_stands() {
    let (shop, setup) = open(&refused_at_the_end(&asking())).await;
    let serve = setup.start().await;
    for (number, (step, operation, rule)) in (1..).zip(COMPENSATIONS) {
        for (number, fault, outcome) in
            [(number, "drop-after", "refused"), (10 + number, "drop-before", "ok")]
        {
            let order = order_amid(&serve, &shop, number, &[&format!("{rule} {fault} times=1")]).await;
            assert_eq!(order["etat_actuel"], "ECHEC_ENREGISTREMENT", "{rule} {fault}: {order}");
            assert_eq!(order["rollback"], "TERMINE", "{rule} {fault}: {order}");
            let counted = counts(&shop, &order).await;
            assert_eq!(effects(&counted), ALL_UNDONE, "{rule} {fault}");
            assert!(counted.contains(&(operation, 1, 1)), "{rule} {fault}: {counted:?}");
            assert_eq!(findings(&serve, &order).await, found(step, outcome), "{rule} {fault}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_kill_cut_short_is_asked_about_after_the_restart() {
    let (shop, setup) = open(&asking()).await;
    let serve = setup.start().await;
    shop.fault("POST /api/clients/*/payer latency-after=2000");
    let wish = Wish { manner: Manner::Async, ..Wish::plain(1, 4) };
    let CallerResult::Accepted { saga } = wish.ask(serve.address, &Book::default()).await else {
        panic!("not accepted")
    };
    until("it is paid", async || (shop.ledger(Service::Client).await.len() == 1).then_some(())).await;
    serve.kill();
    shop.mend();
    let serve = setup.start().await;
    let order = serve.settled(&saga).await;
    assert_eq!(order["etat_actuel"], "CONFIRMEE", "{order}");
    let counted = counts(&shop, &order).await;
    assert_eq!(effects(&counted), ALL_DONE);
    assert!(counted.contains(&("payer", 1, 1)), "it was repeated: {counted:?}");
    assert_eq!(findings(&serve, &order).await, found("paiement", "ok"));
}

/// The probe has no answer: an operator is told, and the probe is repeated; with the first answer the order goes on by
/// itself.
#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_answers_a_person_is_told_and_it_is_asked_about_on() {
    let (shop, setup) = open(&asking()).await;
    let serve = setup.start().await;
    let order =
        order_amid(&serve, &shop, 1, &["POST /api/ventes drop-after", "GET /api/ventes status=503"]).await;
    assert_eq!(
        (&order["rollback"], &order["echec"]["etape"]),
        (&"BLOQUE".into(), &"vente".into()),
        "{order}"
    );
    assert!(
        order["blocage"]["prochaine_tentative"].is_string() || order["blocage"]["en_cours"] == true,
        "{order}"
    );
    shop.mend();
    let saga = order["id"].as_str().unwrap();
    let order = until("it is undone", async || {
        let order = serve.commande(saga).await;
        (order["rollback"] == "TERMINE").then_some(order)
    })
    .await;
    assert_eq!(order["etat_actuel"], "ECHEC_ENREGISTREMENT", "{order}");
    assert_eq!(effects(&counts(&shop, &order).await), ALL_UNDONE);
    let asked = findings(&serve, &order).await;
    assert!(asked.len() > 2 && asked.iter().all(|(step, _)| step == "vente"), "{asked:?}");
    assert_eq!(asked.last().map(|(_, outcome)| &**outcome), Some("ok"), "{asked:?}");
}
