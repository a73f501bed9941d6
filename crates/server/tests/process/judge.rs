//! The judge: compares, order by order, what the orchestrator says with what the services' ledgers say, and both
//! with what clients were told.

use std::collections::{BTreeMap, HashMap};

use saga_endurance::ledgers::{self, Cart, End, effects};
use serde_json::Value;

use crate::load::{Book, CallerResult, Wish};
use crate::server::ServeProcess;
use crate::shop::{Shop, ShopLine};

pub(crate) use saga_endurance::ledgers::OPERATIONS;

/// The contract's states: from, and what may follow.
const STATES: [(&str, &[&str]); 5] = [
    ("", &["INITIEE"]),
    ("INITIEE", &["STOCK_RESERVE", "ECHEC_STOCK", "ANNULEE"]),
    ("STOCK_RESERVE", &["PAIEMENT_EFFECTUE", "ECHEC_PAIEMENT", "ANNULEE"]),
    ("PAIEMENT_EFFECTUE", &["COMMANDE_ENREGISTREE", "ECHEC_ENREGISTREMENT", "ANNULEE"]),
    ("COMMANDE_ENREGISTREE", &["CONFIRMEE", "ANNULEE"]),
];

/// The judge's counts.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Orders by state.
    pub(crate) states: BTreeMap<String, usize>,
    /// Orders that were undone.
    pub(crate) undone: usize,
    /// Orders by id.
    pub(crate) orders: HashMap<String, Value>,
}

/// Judges everything, once it is quiet. No order may be blocked.
pub(crate) async fn judge(serve: &ServeProcess, shop: &Shop, book: &Book) -> Verdict {
    let mut verdict = Verdict { orders: orders(serve).await, ..Verdict::default() };
    let mut effects = effects(shop).await;
    let mut carts = HashMap::new();
    for (saga, order) in &verdict.orders {
        let client_id = order["client_id"].as_i64().unwrap();
        if let std::collections::hash_map::Entry::Vacant(cart) = carts.entry(client_id) {
            cart.insert(shop.cart(client_id).await);
        }
        let mine = effects.remove(saga).unwrap_or_default();
        check_effects(order, &mine, &carts[&client_id]);
        check_history(serve, order).await;
        *verdict.states.entry(order["etat_actuel"].as_str().unwrap().to_owned()).or_default() += 1;
        verdict.undone += usize::from(order["rollback"] == "TERMINE");
    }
    assert!(effects.is_empty(), "effects that belong to no order: {effects:?}");
    check_told(&verdict.orders, book);
    verdict
}

/// All orders, by their ids, page by page.
pub(crate) async fn orders(serve: &ServeProcess) -> HashMap<String, Value> {
    let mut orders = HashMap::new();
    let mut next = Some("/api/commandes?limit=200".to_owned());
    while let Some(path) = next {
        let page = serve.get(&path).await;
        for order in page.json().as_array().unwrap() {
            let twice = orders.insert(order["id"].as_str().unwrap().to_owned(), order.clone());
            assert!(twice.is_none(), "an order is listed twice: {order}");
        }
        let link = page.header("link").map(str::to_owned);
        next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
    }
    orders
}

fn check_effects(order: &Value, effects: &[ShopLine], cart: &Cart) {
    let text = |name: &str| order[name].as_str().unwrap();
    let client_id = order["client_id"].as_i64().unwrap();
    let end = End { client_id, etat: text("etat_actuel"), rollback: text("rollback"), sells: true };
    let checked = ledgers::check(end, effects, cart);
    assert!(checked.is_ok(), "{checked:?} for {order}: {effects:?}");
    // The known scenarios' ends.
    let expected = match client_id {
        1 => "ECHEC_STOCK",
        2 => "ECHEC_PAIEMENT",
        3 => "ECHEC_ENREGISTREMENT",
        _ => return,
    };
    assert!(end.etat == expected || end.etat == "ANNULEE", "{order}");
}

async fn check_history(serve: &ServeProcess, order: &Value) {
    let history = serve.get(&format!("/api/commande/{}/historique", order["id"].as_str().unwrap())).await;
    let history = history.json();
    let (mut state, mut at) = ("", "");
    for line in history.as_array().unwrap() {
        let (next, then) = (line["etat"].as_str().unwrap(), line["timestamp"].as_str().unwrap());
        let legal = STATES.iter().find(|(from, _)| *from == state).is_some_and(|(_, to)| to.contains(&next));
        assert!(legal && at <= then, "{order} cannot come to {next} here: {history}");
        (state, at) = (next, then);
    }
    assert_eq!(order["etat_actuel"], state, "the history ends elsewhere: {history}");
}

fn check_told(orders: &HashMap<String, Value>, book: &Book) {
    let mut by_number: HashMap<i64, &Value> = HashMap::new();
    for order in orders.values() {
        let twice = by_number.insert(order["magasin_id"].as_i64().unwrap(), order);
        assert!(twice.is_none(), "one wish, two orders: {order} and {twice:?}");
    }
    let mut silent: HashMap<i64, bool> = HashMap::new();
    for (wish, told) in book.entries() {
        check_one(orders, &wish, &told);
        *silent.entry(wish.number).or_insert(true) &= told == CallerResult::NothingDone;
    }
    for (number, _) in silent.iter().filter(|(_, nothing_done)| **nothing_done) {
        assert!(!by_number.contains_key(number), "nothing was done, and yet: {}", by_number[number]);
    }
}

fn check_one(orders: &HashMap<String, Value>, wish: &Wish, told: &CallerResult) {
    let order = |saga: &str| {
        let order =
            orders.get(saga).unwrap_or_else(|| panic!("{told:?}, but there is no such order: {wish:?}"));
        assert_eq!(order["magasin_id"], wish.number, "{told:?} is another's order: {order}");
        order
    };
    match told {
        CallerResult::Final { saga, etat, blocked } => {
            assert_eq!(order(saga)["etat_actuel"], **etat, "{wish:?} was told {told:?}");
            assert!(!blocked, "{wish:?} was told {told:?}");
        }
        CallerResult::Accepted { saga } => {
            order(saga);
        }
        CallerResult::WillBeCancelled { saga } => {
            assert_eq!(order(saga)["etat_actuel"], "ANNULEE", "{wish:?} was told {told:?}");
        }
        CallerResult::NotCancelled { saga, code } => {
            let etat = order(saga)["etat_actuel"].as_str().unwrap();
            let right = match &**code {
                "already_completed" => etat == "CONFIRMEE",
                "already_failed" => etat.starts_with("ECHEC_"),
                _ => false,
            };
            assert!(right, "{told:?}, but it is {etat}");
        }
        // Such an order may exist or not, but at most once.
        CallerResult::NothingDone
        | CallerResult::InDoubt { .. }
        | CallerResult::Lost
        | CallerResult::CancelLost => {}
        CallerResult::Silent => panic!("{wish:?} was never answered"),
    }
}
