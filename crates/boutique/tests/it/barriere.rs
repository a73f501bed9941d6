//! The barrier's rules, one by one and together.

use boutique::{Facon::Moderne, Service};
use serde_json::json;

use crate::shop::{Call, Shop, open, pay, refund, release, reserve, sell, send};

/// The three services that the barrier guards: an action, its compensation, and the action with another body.
fn guarded() -> [(Service, Call, Call, Call); 3] {
    let cancel = Call::delete("/api/ventes/commande/s");
    [
        (Service::Stock, reserve(3), release(3), reserve(4)),
        (Service::Client, pay(4, "59.97"), refund(4, "59.97"), pay(4, "59.98")),
        (Service::Ventes, sell(4), cancel, sell(5)),
    ]
}

async fn expect_results(shop: &Shop, service: Service, results: &[&str]) {
    assert_eq!(shop.results(service).await, results, "{service}");
}

#[tokio::test]
async fn the_same_key_has_one_effect_and_gets_the_same_answer_even_after_a_restart() {
    let mut shop = open(Moderne).await;
    for (service, action, _, _) in guarded() {
        let action = action.of("s", "etape", "action");
        let first = shop.send(service, action.clone()).await;
        assert!(first.status < 300 && !first.replayed, "{first:?}");
        shop = shop.reopen().await;
        let again = shop.send(service, action).await;
        assert!(again.replayed);
        assert_eq!((again.status, again.body), (first.status, first.body));
        expect_results(&shop, service, &["effect", "replay"]).await;
    }
}

#[tokio::test]
async fn a_key_in_quotes_is_the_same_key_and_spacing_is_not_another_body() {
    let shop = open(Moderne).await;
    shop.send(Service::Client, pay(4, "5").header("idempotency-key", "s:p:action")).await;
    shop.send(Service::Client, pay(4, " 5 ").header("idempotency-key", "\"s:p:action\"")).await;
    expect_results(&shop, Service::Client, &["effect", "replay"]).await;
}

#[tokio::test]
async fn a_refusal_is_remembered_even_when_the_business_has_changed_its_mind() {
    let shop = open(Moderne).await;
    let payment = pay(2, "80.97").of("s", "paiement", "action");
    let refused = shop.send(Service::Client, payment.clone()).await;
    shop.send(Service::Client, refund(2, "1000")).await;
    let again = shop.send(Service::Client, payment).await;
    assert_eq!((refused.status, again.status, again.body), (402, 402, refused.body));
    assert_eq!(shop.send(Service::Client, pay(2, "80.97").of("t", "paiement", "action")).await.status, 200);
}

#[tokio::test]
async fn an_answer_made_up_by_a_fault_is_not_remembered() {
    let shop = open(Moderne).await;
    shop.add_fault(Service::Stock, "POST /api/stock/reserver status=503 times=1").await;
    let action = reserve(1).of("s", "stock", "action");
    assert_eq!(shop.send(Service::Stock, action.clone()).await.status, 503);
    let second = shop.send(Service::Stock, action).await;
    assert!(second.status == 200 && !second.replayed);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_refused_without_effect() {
    let shop = open(Moderne).await;
    for (service, action, _, other) in guarded() {
        shop.send(service, action.of("s", "etape", "action")).await;
        let reused = shop.send(service, other.of("s", "etape", "action")).await;
        assert_eq!((reused.status, &reused.body["code"]), (422, &json!("cle_reutilisee")));
        expect_results(&shop, service, &["effect", "key_reused"]).await;
    }
}

#[tokio::test]
async fn a_compensation_without_its_action_does_nothing_succeeds_and_bars_the_action() {
    let mut shop = open(Moderne).await;
    for (service, action, compensation, _) in guarded() {
        let null = shop.send(service, compensation.clone().of("s", "etape", "compensation")).await;
        assert_eq!(null.status, if service == Service::Ventes { 404 } else { 200 }, "{null:?}");
        shop = shop.reopen().await;
        let again = shop.send(service, compensation.of("s", "etape", "compensation")).await;
        assert_eq!((again.status, again.body, again.replayed), (null.status, null.body, true));
        let late = shop.send(service, action.of("s", "etape", "action")).await;
        assert_eq!((late.status, &late.body["code"]), (409, &json!("action_tardive")), "{late:?}");
        assert!(shop.ledger(service).await.is_empty());
        expect_results(&shop, service, &["null", "replay", "hanging"]).await;
    }
}

#[tokio::test]
async fn a_compensation_of_a_refused_action_does_nothing() {
    let shop = open(Moderne).await;
    assert_eq!(shop.send(Service::Client, pay(2, "80.97").of("s", "p", "action")).await.status, 402);
    assert_eq!(shop.send(Service::Client, refund(2, "80.97").of("s", "p", "compensation")).await.status, 200);
    assert_eq!(shop.balance_of(2).await, json!(5.0));
    // The refusal, with its reason, is as true as before.
    let again = shop.send(Service::Client, pay(2, "80.97").of("s", "p", "action")).await;
    assert_eq!((again.status, again.replayed), (402, true));
    expect_results(&shop, Service::Client, &["refused", "null", "replay"]).await;
}

#[tokio::test]
async fn a_compensation_takes_effect_once() {
    let shop = open(Moderne).await;
    for (service, action, compensation, _) in guarded() {
        shop.send(service, action.clone().of("s", "etape", "action")).await;
        shop.send(service, compensation.clone().of("s", "etape", "compensation")).await;
        let again = shop.send(service, compensation.of("s", "etape", "compensation")).await;
        assert!(again.status == 200 && again.replayed, "{again:?}");
        // The action had succeeded before it was undone. Its stored answer would be untrue by now.
        let late = shop.send(service, action.of("s", "etape", "action")).await;
        assert_eq!((late.status, &late.body["code"]), (409, &json!("action_tardive")), "{late:?}");
        expect_results(&shop, service, &["effect", "effect", "replay", "hanging"]).await;
    }
}

#[tokio::test]
async fn a_lower_epoch_than_the_highest_seen_for_the_saga_is_refused() {
    let mut shop = open(Moderne).await;
    for (service, action, compensation, _) in guarded() {
        assert!(shop.send(service, action.clone().of("s", "etape", "action").epoch(7)).await.status < 300);
        shop = shop.reopen().await;
        for stale in
            [action.clone().of("s", "etape", "action"), compensation.clone().of("s", "etape", "compensation")]
        {
            let reply = shop.send(service, stale.epoch(6)).await;
            assert_eq!((reply.status, &reply.body["code"]), (409, &json!("epoque_perimee")));
        }
        // Each saga has its own records; the stale compensation has blocked nothing.
        if service != Service::Ventes {
            assert!(shop.send(service, action.of("t", "etape", "action").epoch(1)).await.status < 300);
        }
        let newer = shop.send(service, compensation.of("s", "etape", "compensation").epoch(8)).await;
        assert!(newer.status == 200 && !newer.replayed, "{newer:?}");
    }
}

#[tokio::test]
async fn a_refused_call_raises_the_epoch_too() {
    let shop = open(Moderne).await;
    shop.send(Service::Client, pay(2, "80.97").of("s", "a", "action").epoch(5)).await;
    assert_eq!(shop.send(Service::Client, pay(2, "1").of("s", "b", "action").epoch(4)).await.status, 409);
}

#[tokio::test]
async fn calls_without_a_key_each_have_their_effect() {
    let shop = open(Moderne).await;
    for (service, action, _, _) in guarded() {
        for _ in 0..2 {
            assert!(shop.send(service, action.clone()).await.status < 300);
        }
        expect_results(&shop, service, &["effect", "effect"]).await;
    }
}

#[tokio::test]
async fn a_sale_is_cancelled_by_its_saga_with_or_without_keys() {
    let shop = open(Moderne).await;
    shop.send(Service::Ventes, sell(4).header("saga-id", "s")).await;
    let keyed = Call::delete("/api/ventes/commande/s").of("s", "vente", "compensation");
    assert_eq!(shop.send(Service::Ventes, keyed).await.status, 200);

    shop.send(Service::Ventes, sell(4).of("t", "vente", "action")).await;
    let unkeyed = Call::delete("/api/ventes/commande/t");
    assert_eq!(shop.send(Service::Ventes, unkeyed.clone()).await.status, 200);
    assert_eq!(shop.send(Service::Ventes, unkeyed).await.status, 404);
    for late in [sell(4).header("saga-id", "t"), sell(4).of("t", "vente", "action")] {
        let late = shop.send(Service::Ventes, late).await;
        assert_eq!((late.status, &late.body["code"]), (409, &json!("action_tardive")));
    }

    let mut in_body =
        json!({ "produits": [{ "produit_id": 1, "quantite": 1 }], "client_id": 4, "magasin_id": 1 });
    in_body["saga_id"] = "u:1".into();
    shop.send(Service::Ventes, Call::post("/api/ventes", in_body)).await;
    assert_eq!(
        shop.send(Service::Ventes, Call::delete("/api/ventes/commande/u%3A1")).await.body["ventes"],
        json!([3])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_duplicates_at_once_have_one_effect() {
    let shop = open(Moderne).await;
    for (service, action, _, _) in guarded() {
        let url = shop.url(service);
        let action = action.of("s", "etape", "action");
        let sent: Vec<_> = (0..50)
            .map(|_| {
                let (url, action) = (url.clone(), action.clone());
                tokio::spawn(async move { send(&url, action).await.unwrap() })
            })
            .collect();
        let mut replies = Vec::new();
        for one in sent {
            replies.push(one.await.unwrap());
        }
        assert!(
            replies.iter().all(|reply| (reply.status, &reply.body) == (replies[0].status, &replies[0].body))
        );
        assert_eq!(replies.iter().filter(|reply| !reply.replayed).count(), 1);
        assert_eq!(shop.ledger(service).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_different_requests_at_once_are_all_carried_out() {
    let shop = open(Moderne).await;
    let before = shop.stock_of(1).await;
    let url = shop.url(Service::Stock);
    let sent: Vec<_> = (0..200)
        .map(|number| {
            let (url, call) = (url.clone(), reserve(1).of(&format!("s{number}"), "stock", "action"));
            tokio::spawn(async move { send(&url, call).await.unwrap().status })
        })
        .collect();
    for one in sent {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(shop.stock_of(1).await, before - 200);
}
