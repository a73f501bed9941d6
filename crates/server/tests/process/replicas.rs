//! Two processes on one database: whichever of them gets a command, the one that runs the order applies it.

use boutique::{Facon, Service};
use saga_testkit::definition::change;
use serde_json::{Value, json};

use crate::client::{self, Response, until};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

const CHECKOUT: &str = include_str!("../../../../sagas/checkout.yaml");

/// The built-in checkout with a client service that promises nothing, and one attempt of everything before an operator
/// is needed. An attempt that is to be made later is not made while a test runs.
fn careful() -> String {
    change(CHECKOUT)
        .remove("participants.client.safety")
        .add("steps.*.retry", "{ attempts: 1 }")
        .add("steps.*.persist", "{ attempts: 1, base: 720h, cap: 720h }")
        .text()
}

struct Pair {
    /// Runs every order of these tests.
    owner: ServeProcess,
    other: ServeProcess,
    shop: Shop,
    setup: Setup,
}

impl Pair {
    async fn start(definition: &str) -> Self {
        let shop = Shop::open(Facon::Moderne).await;
        let mut setup = Setup::new(&shop, StoreEngine::Postgres);
        setup.definition(definition);
        let owner = setup.start().await;
        let other = setup.start_as("replique-2").await;
        for serve in [&owner, &other] {
            serve.quiet().await;
        }
        Self { owner, other, shop, setup }
    }

    /// Has an order block, and gives its id.
    async fn block(&self, client: i64) -> String {
        let answer = checkout(&self.owner, client, &[]).await;
        assert_eq!((answer.status, &answer.json()["rollback"]), (200, &json!("BLOQUE")), "{answer:?}");
        answer.json()["saga_id"].as_str().unwrap().to_owned()
    }

    /// Starts an order that goes on for a while.
    async fn begin(&self, client: i64, etat: &str) -> String {
        let answer = checkout(&self.owner, client, &[("prefer", "respond-async")]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let saga = answer.json()["saga_id"].as_str().unwrap().to_owned();
        until(etat, async || (self.other.commande(&saga).await["etat_actuel"] == etat).then_some(())).await;
        saga
    }

    /// The effects of `saga` at the services: reserved, released, paid, refunded.
    async fn effects(&self, saga: &str) -> [usize; 4] {
        let mut effects = [0; 4];
        for (count, operation) in effects.iter_mut().zip(["reserver", "liberer", "payer", "rembourser"]) {
            *count = self.shop.effects_of(saga, operation).await;
        }
        effects
    }

    /// No other replica took the order over: the command went to the replica that runs it.
    async fn stayed(&self, saga: &str) {
        assert_eq!(self.owner_of(saga).await, "replique-1");
    }

    /// Whichever process woke the blocked order, none had to take it over.
    async fn was_never_taken_over(&self, saga: &str) {
        let history = self.other.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.json();
        let taken = history.as_array().unwrap().iter().find(|line| line["evenement"] == "pris_en_charge");
        assert_eq!(taken, None, "{history:#}");
    }

    /// The name of the process that runs an order, or ran it last.
    async fn owner_of(&self, saga: &str) -> String {
        let database = connect(&self.setup).await;
        let owner = format!(
            "SELECT replica.name FROM saga JOIN replica ON replica_id = owner WHERE saga_id = '{saga}'"
        );
        database.query_one(&owner, &[]).await.unwrap().get(0)
    }
}

async fn connect(setup: &Setup) -> tokio_postgres::Client {
    let (database, connection) =
        tokio_postgres::connect(&setup.database_url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    database
}

async fn checkout(serve: &ServeProcess, client: i64, headers: &[(&str, &str)]) -> Response {
    let body = json!({ "client_id": client, "magasin_id": 1 });
    client::send(serve.address, "POST", "/api/commande/checkout", headers, Some(&body)).await.unwrap()
}

async fn ask(serve: &ServeProcess, saga: &str, what: &str, prefer: &str, body: Option<&Value>) -> Response {
    let path = format!("/api/commande/{saga}/{what}");
    client::send(serve.address, "POST", &path, &[("prefer", prefer)], body).await.unwrap()
}

fn found(constat: &str) -> Value {
    json!({ "etape": "paiement", "constat": constat, "raison": "vu dans ses livres", "par": "Ana" })
}

#[track_caller]
fn ended(answer: &Response, etat: &str) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["etat_final"], &body["rollback"]), (&json!(etat), &Value::Null), "{answer:?}");
}

#[track_caller]
fn refused(answer: &Response, status: u16, code: &str) {
    assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cancelled_through_the_process_that_does_not_run_it() {
    let pair = Pair::start(CHECKOUT).await;
    pair.shop.fault("POST /api/clients/*/payer latency=2000");
    let saga = pair.begin(4, "STOCK_RESERVE").await;
    ended(&ask(&pair.other, &saga, "annuler", "wait=60", None).await, "ANNULEE");
    assert_eq!(pair.effects(&saga).await[..2], [1, 1]);
    pair.stayed(&saga).await;
    // Asking twice is no mistake there, either; too late is.
    ended(&ask(&pair.other, &saga, "annuler", "wait=60", None).await, "ANNULEE");
    pair.shop.mend();
    let confirmed = checkout(&pair.owner, 5, &[]).await.json()["saga_id"].as_str().unwrap().to_owned();
    refused(&ask(&pair.other, &confirmed, "annuler", "wait=60", None).await, 409, "already_completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_order_is_tried_again_through_the_process_that_does_not_run_it() {
    let pair = Pair::start(&careful()).await;
    pair.shop.fault("POST /api/clients/*/payer status=402");
    pair.shop.fault("POST /api/stock/liberer latency=500");
    pair.shop.fault("POST /api/stock/liberer status=500");
    let saga = pair.block(11).await;
    let by_ana = json!({ "par": "Ana" });
    // In vain: also this process's caller learns so when that is known.
    let answer = ask(&pair.other, &saga, "reprendre", "wait=60", Some(&by_ana)).await;
    assert_eq!((answer.status, &answer.json()["rollback"]), (200, &json!("BLOQUE")), "{answer:?}");
    let blocage = pair.other.commande(&saga).await["blocage"].clone();
    assert_eq!((&blocage["tentatives"], &blocage["en_cours"]), (&json!(2), &json!(false)), "{blocage}");
    pair.shop.mend();
    ended(&ask(&pair.other, &saga, "reprendre", "wait=60", Some(&by_ana)).await, "ECHEC_PAIEMENT");
    assert_eq!(pair.effects(&saga).await, [1, 1, 0, 0]);
    pair.was_never_taken_over(&saga).await;
    let said = pair.owner.commande(&saga).await["interventions"].clone();
    assert_eq!(said.as_array().unwrap().len(), 2, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_resolved_through_the_process_that_does_not_run_it() {
    let pair = Pair::start(&careful()).await;
    pair.shop.fault("POST /api/clients/*/payer drop-after times=1");
    let saga = pair.block(12).await;
    let by_ana = json!({ "par": "Ana" });
    refused(&ask(&pair.other, &saga, "reprendre", "wait=60", Some(&by_ana)).await, 409, "in_doubt");
    let elsewhere = json!({ "etape": "stock", "constat": "ANNULEE", "raison": "r", "par": "Ana" });
    refused(&ask(&pair.other, &saga, "resoudre", "wait=60", Some(&elsewhere)).await, 409, "other_step");
    // A refused command leaves no trace, and does not keep other commands from being sent.
    let history = pair.other.get(&format!("/api/commande/{saga}/historique?detail=etapes")).await.json();
    let last = history.as_array().unwrap().last().unwrap();
    assert_eq!(last["evenement"], "bloque", "{history:#}");
    pair.shop.fault("POST /api/clients/*/rembourser latency=2000");
    let answer = ask(&pair.other, &saga, "resoudre", "wait=0", Some(&found("EXECUTEE"))).await;
    assert_eq!((answer.status, &answer.json()["rollback"]), (202, &json!("EN_COURS")), "{answer:?}");
    assert_eq!(answer.header("location"), Some(&*format!("/api/commande/{saga}")));
    // The same again, to the letter, is not taken for the one that was followed.
    refused(
        &ask(&pair.other, &saga, "resoudre", "wait=0", Some(&found("EXECUTEE"))).await,
        409,
        "not_blocked",
    );
    until("it is undone", async || (pair.other.commande(&saga).await["rollback"] == "TERMINE").then_some(()))
        .await;
    assert_eq!(pair.effects(&saga).await, [1, 1, 1, 1]);
    pair.was_never_taken_over(&saga).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_order_in_both_processes() {
    let pair = Pair::start(CHECKOUT).await;
    pair.shop.fault("POST /api/clients/*/payer latency=2000 times=1");
    let key = ("idempotency-key", "une-seule");
    let first = checkout(&pair.owner, 4, &[key, ("prefer", "respond-async")]).await;
    assert_eq!(first.status, 202, "{first:?}");
    let saga = first.json()["saga_id"].clone();
    // A caller that does not wait is told where the order is, and a caller that waits gets its end, from a process that
    // does not run it.
    let second = checkout(&pair.other, 4, &[key, ("prefer", "respond-async")]).await;
    assert_eq!((second.status, &second.json()["saga_id"]), (202, &saga), "{second:?}");
    assert_eq!(second.header("location"), first.header("location"));
    let short = checkout(&pair.other, 4, &[key, ("prefer", "wait=0")]).await;
    assert_eq!((short.status, &short.json()["saga_id"]), (202, &saga), "{short:?}");
    let waited = checkout(&pair.other, 4, &[key]).await;
    assert_eq!((waited.status, waited.json()), (200, json!({ "saga_id": saga, "etat_final": "CONFIRMEE" })));
    let replayed = checkout(&pair.other, 4, &[key]).await;
    assert_eq!(replayed.json(), waited.json());
    refused(&checkout(&pair.other, 5, &[key]).await, 422, "idempotency_key_reused");
    assert_eq!(pair.shop.ledger(Service::Client).await.len(), 1);
    pair.stayed(saga.as_str().unwrap()).await;
}

/// The command stays with the order, and the process that runs it by then finds it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_process_was_asked_is_followed_by_the_one_that_takes_over() {
    let pair = Pair::start(&careful()).await;
    pair.shop.fault("POST /api/clients/*/payer status=402");
    pair.shop.fault("POST /api/stock/liberer status=500");
    let saga = pair.block(13).await;
    pair.shop.mend();
    pair.owner.signal("STOP");
    let by_ana = json!({ "par": "Ana" });
    let answer = ask(&pair.other, &saga, "reprendre", "wait=60", Some(&by_ana)).await;
    pair.owner.signal("CONT");
    ended(&answer, "ECHEC_PAIEMENT");
    assert_eq!(pair.effects(&saga).await, [1, 1, 0, 0]);
    assert_eq!(pair.owner_of(&saga).await, "replique-2");
    // The one that was paused finds out that it has lost its orders, and goes on with new ones.
    assert_eq!(pair.owner.commande(&saga).await["rollback"], "TERMINE");
    until("it confirms an order", async || (checkout(&pair.owner, 4, &[]).await.status == 200).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_its_process_cannot_read_says_so_through_the_other_and_goes_on_once_it_can() {
    let Pair { shop, mut setup, owner, other } = Pair::start(CHECKOUT).await;
    shop.fault("POST /api/clients/*/payer latency=60000");
    let answer = checkout(&owner, 4, &[("prefer", "respond-async")]).await;
    let saga = answer.json()["saga_id"].as_str().unwrap().to_owned();
    until("stock", async || (owner.commande(&saga).await["etat_actuel"] == "STOCK_RESERVE").then_some(()))
        .await;
    owner.kill();
    other.kill();
    shop.mend();
    let database = connect(&setup).await;
    let rename = async |to: &str, from: &str| {
        let statement = format!("UPDATE saga_definition SET hash = {to} WHERE {from}");
        assert_eq!(database.execute(&statement, &[]).await.unwrap(), 1);
    };
    rename("'away-' || hash", "TRUE").await;
    // New orders run another definition, so no process stores this one again.
    setup.definition(&careful());
    let owner = setup.start().await;
    owner.quiet().await;
    let other = setup.start_as("replique-2").await;
    assert_eq!(other.commande(&saga).await["blocage"]["motif"], "history_unreadable");
    let by_ana = json!({ "par": "Ana" });
    for _ in 0..2 {
        let answer = ask(&other, &saga, "reprendre", "wait=60", Some(&by_ana)).await;
        refused(&answer, 500, "history_damaged");
        assert!(answer.json()["detail"].as_str().unwrap().contains("is not in the journal"), "{answer:?}");
    }
    rename("substr(hash, 6)", "hash LIKE 'away-%'").await;
    ended(&ask(&other, &saga, "reprendre", "wait=60", Some(&by_ana)).await, "CONFIRMEE");
    assert_eq!(shop.effects_of(&saga, "payer").await, 1);
    assert_eq!(owner.metric("sagas_parked_total").await, 1);
}
