//! Services that do what they are asked and then say nothing, at each of the three levels of safety.

use boutique::{Facon, Service};
use orchestrateur::definitions::CHECKOUT;
use saga_testkit::definition::change;
use serde_json::Value;

use crate::judge::OPERATIONS;
use crate::load::{Book, CallerResult, Wish};
use crate::server::{ServeProcess, Setup};
use crate::shop::Shop;
use crate::store::StoreEngine;

/// The actions, with their steps.
pub(crate) const ACTIONS: [(&str, &str, &str); 3] = [
    ("stock", "reserver", "POST /api/stock/reserver"),
    ("paiement", "payer", "POST /api/clients/*/payer"),
    ("vente", "enregistrer", "POST /api/ventes"),
];
pub(crate) const COMPENSATIONS: [(&str, &str, &str); 3] = [
    ("vente", "annuler", "DELETE /api/ventes/commande/*"),
    ("paiement", "rembourser", "POST /api/clients/*/rembourser"),
    ("stock", "liberer", "POST /api/stock/liberer"),
];

/// The checkout with participants that promise `safety`.
fn checkout(safety: &str) -> String {
    change(CHECKOUT).set("participants.*.safety", safety).text()
}

/// The same with a last step that is always refused, so that everything is undone.
fn undone(safety: &str) -> String {
    refused_at_the_end(&checkout(safety))
}

/// A definition with one more step, which is always refused.
pub(crate) fn refused_at_the_end(definition: &str) -> String {
    let controle = "
  - step: controle
    participant: panier
    action: { get: /api/controle }
    failure: ECHEC_ENREGISTREMENT
";
    format!("{definition}{controle}")
}

/// The order after one lost answer of `rule`.
async fn order_after(serve: &ServeProcess, shop: &Shop, number: i64, rule: &str) -> Value {
    order_amid(serve, shop, number, &[&format!("{rule} drop-after times=1")]).await
}

/// The order that is made amid these faults.
pub(crate) async fn order_amid(serve: &ServeProcess, shop: &Shop, number: i64, faults: &[&str]) -> Value {
    shop.mend();
    faults.iter().for_each(|rule| shop.fault(rule));
    let told = Wish::plain(number, 4).ask(serve.address, &Book::default()).await;
    let CallerResult::Final { saga, etat, blocked } = told else { panic!("{faults:?}: {told:?}") };
    let order = serve.commande(&saga).await;
    assert_eq!((order["etat_actuel"].as_str(), order["rollback"] == "BLOQUE"), (Some(&*etat), blocked));
    order
}

/// How often each operation had an effect for the order, and how often it was called.
pub(crate) async fn counts(shop: &Shop, order: &Value) -> Vec<(&'static str, usize, usize)> {
    let mut counts = Vec::new();
    for (service, action, compensation) in OPERATIONS {
        let calls = shop.calls(service).await;
        for operation in [action, compensation] {
            let mine = calls.iter().filter(|line| {
                line.operation == operation && line.saga_id.as_deref() == order["id"].as_str()
            });
            let (called, took_effect) = mine
                .fold((0, 0), |(n, effects), line| (n + 1, effects + usize::from(line.result == "effect")));
            counts.push((operation, took_effect, called));
        }
    }
    counts
}

pub(crate) fn effects(counts: &[(&'static str, usize, usize)]) -> Vec<&'static str> {
    for (operation, effects, called) in counts {
        assert!(*effects <= 1, "{operation} took effect {effects} times in {called} calls");
    }
    counts.iter().filter(|(_, effects, _)| *effects == 1).map(|(operation, ..)| *operation).collect()
}

pub(crate) const ALL_DONE: [&str; 3] = ["reserver", "payer", "enregistrer"];
pub(crate) const ALL_UNDONE: [&str; 6] =
    ["reserver", "liberer", "payer", "rembourser", "enregistrer", "annuler"];

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_asked_for_again_where_that_is_safe() {
    for safety in ["barrier", "idempotent"] {
        let shop = Shop::open(Facon::Moderne).await;
        let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
        let serve = setup.definition(&checkout(safety)).start().await;
        for (number, (_, operation, rule)) in (1..).zip(ACTIONS) {
            let order = order_after(&serve, &shop, number, rule).await;
            assert_eq!(order["etat_actuel"], "CONFIRMEE", "{safety}, {rule}");
            let counts = counts(&shop, &order).await;
            assert_eq!(effects(&counts), ALL_DONE, "{safety}, {rule}");
            assert!(counts.contains(&(operation, 1, 2)), "{safety}, {rule}: it was not repeated: {counts:?}");
        }
        serve.kill();
        let serve = setup.definition(&undone(safety)).start().await;
        for (number, (_, operation, rule)) in (11..).zip(COMPENSATIONS.into_iter().chain(ACTIONS)) {
            let order = order_after(&serve, &shop, number, rule).await;
            assert_eq!(order["etat_actuel"], "ECHEC_ENREGISTREMENT", "{safety}, {rule}");
            assert_eq!(order["rollback"], "TERMINE", "{safety}, {rule}");
            let counts = counts(&shop, &order).await;
            assert_eq!(effects(&counts), ALL_UNDONE, "{safety}, {rule}");
            assert!(counts.contains(&(operation, 1, 2)), "{safety}, {rule}: it was not repeated: {counts:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_whose_answers_are_all_lost_is_undone() {
    for safety in ["barrier", "idempotent"] {
        let shop = Shop::open(Facon::Moderne).await;
        let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
        let serve = setup.definition(&checkout(safety)).start().await;
        // One more than there are attempts: rolling back has to ask, or undo without knowing.
        shop.fault("POST /api/ventes drop-after times=6");
        let told = Wish::plain(1, 4).ask(serve.address, &Book::default()).await;
        let CallerResult::Final { saga, etat, .. } = told else { panic!("{told:?}") };
        assert_eq!(etat, "ECHEC_ENREGISTREMENT");
        let order = serve.commande(&saga).await;
        assert_eq!(order["rollback"], "TERMINE", "{safety}");
        assert_eq!(effects(&counts(&shop, &order).await), ALL_UNDONE, "{safety}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_promise_a_lost_answer_blocks_the_order_and_is_never_repeated() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.definition(&checkout("none")).start().await;
    let mut blocked = Vec::new();
    for (number, (step, operation, rule)) in (1..).zip(ACTIONS) {
        let order = order_after(&serve, &shop, number, rule).await;
        blocked.push((order, step, operation, "nobody can know whether the action ran"));
    }
    serve.kill();
    let serve = setup.definition(&undone("none")).start().await;
    for (number, (step, operation, rule)) in (11..).zip(COMPENSATIONS) {
        let order = order_after(&serve, &shop, number, rule).await;
        blocked.push((order, step, operation, "nobody can know whether the compensation ran"));
    }
    let mut before = Vec::new();
    for (order, step, operation, reason) in &blocked {
        assert_eq!(order["rollback"], "BLOQUE", "{order}");
        assert_eq!(order["blocage"]["etape"], *step, "{order}");
        assert!(order["blocage"]["raison"].as_str().unwrap().contains(reason), "{order}");
        let counts = counts(&shop, order).await;
        effects(&counts);
        assert!(counts.contains(&(operation, 1, 1)), "{order}: {counts:?}");
        // Undoing goes backwards, so everything before the step that is stuck still stands.
        let last = ALL_DONE[..ACTIONS.iter().position(|(name, ..)| name == step).unwrap()].to_vec();
        assert!(last.iter().all(|operation| counts.contains(&(operation, 1, 1))), "{order}: {counts:?}");
        before.push(counts);
    }
    serve.kill();
    shop.mend();
    // Another start knows no more, and does no more.
    let serve = setup.start().await;
    serve.quiet().await;
    for ((order, ..), before) in blocked.iter().zip(before) {
        let after = serve.settled(order["id"].as_str().unwrap()).await;
        for field in ["etat_actuel", "rollback", "echec"] {
            assert_eq!(after[field], order[field], "{after}");
        }
        assert_eq!(counts(&shop, order).await, before, "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_promise_a_call_that_a_kill_cut_short_blocks_the_order() {
    let shop = Shop::open(Facon::Moderne).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    let serve = setup.definition(&checkout("none")).start().await;
    shop.fault("POST /api/clients/*/payer latency-after=2000");
    let wish = Wish { manner: crate::load::Manner::Async, ..Wish::plain(1, 4) };
    let CallerResult::Accepted { saga } = wish.ask(serve.address, &Book::default()).await else {
        panic!("not accepted")
    };
    crate::client::until("it is paid", async || {
        (shop.ledger(Service::Client).await.len() == 1).then_some(())
    })
    .await;
    serve.kill();
    shop.mend();
    for _ in 0..2 {
        let serve = setup.start().await;
        serve.quiet().await;
        let order = serve.settled(&saga).await;
        assert_eq!((&order["rollback"], &order["blocage"]["etape"]), (&"BLOQUE".into(), &"paiement".into()));
        let reason = order["blocage"]["raison"].as_str().unwrap();
        assert!(reason.contains("cut short by a restart"), "{reason}");
        assert_eq!(effects(&counts(&shop, &order).await), ["reserver", "payer"]);
        serve.kill();
    }
}
