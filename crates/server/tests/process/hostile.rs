//! A participant that answers in every wrong way: the process lives, takes orders, keeps its memory, and reports to
//! operators.
//!
//! Each round plays every mode; `HOSTILE_ROUNDS` sets how many (`scripts/hostile`), and the memory is
//! compared after the first ones, which fill buffers and caches.

use std::time::Instant;

use boutique::Facon;
use futures_util::future::join_all;
use saga_testkit::hostile::{Hostile, MODES, Mode, mode};
use serde_json::{Value, json};

use crate::client::{self, until};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

/// Patient enough for an answer, and quick enough for a test.
const DEFINITION: &str = r#"
saga: hostile
input: { client_id: integer, magasin_id: integer }
states: { started: INITIEE, completed: CONFIRMEE, cancelled: ANNULEE }
deadline: 3s
participants:
  hote:
    url: "${HOTE_URL}"
    safety: barrier
    timeout: 250ms
    connect_timeout: 250ms
    answer_bytes_max: 65536
    # The breaker is not what is tested here: it would only make the modes wait for each other.
    breaker: { calls_min: 1000000000 }
steps:
  - step: essai
    participant: hote
    action: { post: /essai, body: { client: .input.client_id }, output: { id: .body.id } }
    compensation: { post: /annuler, body: { client: .input.client_id } }
    success: ESSAYEE
    failure: ECHEC_ESSAI
    retry: { attempts: 2, base: 10ms, cap: 20ms }
    persist: { attempts: 2, base: 20ms, cap: 200ms }
"#;

/// Orders placed at the same time in each mode.
const ORDERS: usize = 3;
/// After the first rounds the memory may grow by so many bytes, whatever the number of further rounds.
const GROWTH_BYTES_MAX: u64 = 48 << 20;

fn rounds() -> usize {
    std::env::var("HOSTILE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1)
}

struct World {
    hostile: Hostile,
    setup: Setup,
    serve: ServeProcess,
    _shop: Shop,
}

impl World {
    async fn open() -> Self {
        let (shop, hostile) = (Shop::open(Facon::Moderne).await, Hostile::start());
        let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
        setup.definition(DEFINITION).argument("--commande-saga=hostile");
        setup.variable("HOTE_URL", format!("http://{}", hostile.address()));
        // A proxy that the environment names is not asked: it does not even exist.
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"] {
            setup.variable(name, "http://127.0.0.1:1".to_owned());
        }
        let serve = setup.start().await;
        Self { hostile, setup, serve, _shop: shop }
    }

    /// Places an order, which must be taken whatever the participant does. Its id.
    async fn order(&self) -> String {
        let body = json!({ "client_id": 1, "magasin_id": 1 });
        let prefer = [("prefer", "wait=20")];
        let answer = client::send(self.serve.address, "POST", "/api/commande/checkout", &prefer, Some(&body));
        let answer = answer.await.unwrap();
        assert!(matches!(answer.status, 200 | 202), "{}: {}", answer.status, answer.text);
        answer.json()["saga_id"].as_str().unwrap().to_owned()
    }

    /// The modes in turn, some orders in each; how many there were. Orders with an unknown outcome are settled as soon
    /// as the participant answers well.
    async fn round(&self) -> usize {
        for mode in MODES {
            self.hostile.play(mode);
            let orders = join_all((0..ORDERS).map(|_| self.order())).await;
            for path in ["/livez", "/readyz"] {
                assert_eq!(self.serve.get(path).await.status, 200, "{}", mode.name);
            }
            self.hostile.play(self::mode("well"));
            for order in &orders {
                self.ends_well_defined(mode, order).await;
            }
        }
        MODES.len() * ORDERS
    }

    async fn ends_well_defined(&self, mode: &Mode, order: &str) {
        let shown = until("the order is over", async || {
            let shown = self.serve.commande(order).await;
            let is_over = shown["etat_actuel"] == "CONFIRMEE"
                || shown["rollback"] == "TERMINE"
                || (shown["rollback"] == "AUCUN" && !shown["echec"].is_null());
            is_over.then_some(shown)
        })
        .await;
        let (etat, reason) = (&shown["etat_actuel"], shown["echec"]["raison"].as_str().unwrap_or_default());
        assert!(etat == "CONFIRMEE" || !reason.is_empty(), "{}: {shown:#}", mode.name);
        assert!(!reason.chars().any(char::is_control), "{}: {shown:#}", mode.name);
        // Where one call is refused for good, so is the order; where it is ok, too.
        match mode.outcomes {
            ["ok"] => assert_eq!(etat, "CONFIRMEE", "{}: {shown:#}", mode.name),
            ["refused"] => assert_eq!(etat, "ECHEC_ESSAI", "{}: {shown:#}", mode.name),
            _ => {}
        }
    }

    async fn participant(&self) -> Value {
        self.serve.get("/api/participants").await.json()[0].clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_participant_spoils_its_own_orders_and_nothing_else() {
    let (world, begun) = (World::open().await, Instant::now());
    let mut all = world.round().await;
    let before = world.serve.metric("process_resident_memory_bytes").await;
    let mut peak = before;
    for _ in 0..rounds() {
        all += world.round().await;
        peak = peak.max(world.serve.metric("process_resident_memory_bytes").await);
    }
    println!(
        "{all} orders, {} modes: {before} bytes held after the first round, {peak} at most later",
        MODES.len()
    );
    assert!(peak < before + GROWTH_BYTES_MAX, "{before} bytes became {peak}");
    // No line for each call, and none about the process itself.
    let logs = world.setup.logs();
    let lines = logs.lines().filter(|line| line.contains("participant.name")).count();
    let minutes = 1 + begun.elapsed().as_secs() as usize / 60;
    assert!(lines <= 2 * minutes, "{lines} lines about the participant");
    assert!(!logs.contains("panicked"), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_does_not_accept_calls_is_told_and_so_is_its_return() {
    let world = World::open().await;
    world.order().await;
    let shown = world.participant().await;
    assert_eq!((&shown["echecs_de_suite"], &shown["dernier_echec"]), (&json!(0), &Value::Null), "{shown:#}");

    world.hostile.play(mode("token_expired"));
    let orders = [world.order().await, world.order().await];
    let shown = world.participant().await;
    let failure = &shown["dernier_echec"];
    assert_eq!((&failure["genre"], &failure["statut"]), (&json!("not_accepted"), &json!(401)), "{shown:#}");
    let raison = "HTTP 401: the service does not accept our calls: the token has expired";
    assert_eq!(failure["raison"], raison);
    assert!(shown["echecs_de_suite"].as_u64().unwrap() >= 2, "{shown:#}");
    // It is there: nothing is suspended for other orders.
    assert_eq!(shown["breaker"]["etat"], "FERME");
    let counted = world.serve.metric(r#"saga_calls_not_accepted_total{participant="hote""#).await;
    assert!(counted >= 2, "{counted}");

    world.hostile.play(mode("well"));
    world.order().await;
    for order in &orders {
        until("it is over", async || {
            matches!(world.serve.commande(order).await["rollback"].as_str(), Some("AUCUN" | "TERMINE"))
                .then_some(())
        })
        .await;
    }
    let shown = world.participant().await;
    assert_eq!(shown["echecs_de_suite"], 0, "{shown:#}");
    assert_eq!(shown["dernier_echec"]["genre"], "not_accepted");
    let logs = world.setup.logs();
    let told = |words: &str| logs.lines().filter(|line| line.contains(words)).count();
    assert_eq!(told("hote does not accept our calls"), 1, "{logs}");
    assert_eq!(told("hote answers well again"), 1, "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_is_gone_is_told_once() {
    let world = World::open().await;
    let mut setup = Setup::new(&world._shop, StoreEngine::Sqlite);
    setup.definition(DEFINITION).argument("--commande-saga=hostile");
    setup.variable("HOTE_URL", "http://127.0.0.1:1".to_owned());
    let serve = setup.start().await;
    let world = World { serve, setup, ..world };
    for _ in 0..4 {
        world.order().await;
    }
    let shown = world.participant().await;
    assert_eq!(shown["dernier_echec"]["genre"], "unreachable", "{shown:#}");
    let logs = world.setup.logs();
    assert_eq!(logs.lines().filter(|line| line.contains("hote cannot be reached")).count(), 1, "{logs}");
}
