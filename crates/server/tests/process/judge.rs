//! The judge: compares, order by order, what the orchestrator says with what the services' ledgers say, and both
//! with what clients were told.

use std::collections::{BTreeMap, HashMap};

use boutique::Service;
use serde_json::Value;

use crate::load::{Book, Told, Wish};
use crate::server::Serve;
use crate::shop::{Line, Shop, cents, products};

/// Each service's operation, and the one that undoes it.
pub(crate) const OPERATIONS: [(Service, &str, &str); 3] = [
    (Service::Stock, "reserver", "liberer"),
    (Service::Client, "payer", "rembourser"),
    (Service::Ventes, "enregistrer", "annuler"),
];

/// The contract's states: from, and what may follow.
const STATES: [(&str, &[&str]); 5] = [
    ("", &["INITIEE"]),
    ("INITIEE", &["STOCK_RESERVE", "ECHEC_STOCK", "ANNULEE"]),
    ("STOCK_RESERVE", &["PAIEMENT_EFFECTUE", "ECHEC_PAIEMENT", "ANNULEE"]),
    ("PAIEMENT_EFFECTUE", &["COMMANDE_ENREGISTREE", "ECHEC_ENREGISTREMENT", "ANNULEE"]),
    ("COMMANDE_ENREGISTREE", &["CONFIRMEE", "ANNULEE"]),
];

/// What the judge counted.
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
pub(crate) async fn judge(serve: &Serve, shop: &Shop, book: &Book) -> Verdict {
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
pub(crate) async fn orders(serve: &Serve) -> HashMap<String, Value> {
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

/// Everything that had an effect, by saga.
async fn effects(shop: &Shop) -> HashMap<String, Vec<Line>> {
    let mut effects: HashMap<String, Vec<Line>> = HashMap::new();
    for service in Service::ALL {
        for line in shop.ledger(service).await {
            assert_eq!(line.result, "effect");
            let saga = line.saga_id.clone().expect("the services note the saga");
            effects.entry(saga).or_default().push(line);
        }
    }
    effects
}

fn check_effects(order: &Value, effects: &[Line], (cart, cost): &(Vec<(i64, i64)>, i64)) {
    let stands = order["etat_actuel"] == "CONFIRMEE";
    let (rollback, saga) = (order["rollback"].as_str().unwrap(), &order["id"]);
    let etat = order["etat_actuel"].as_str().unwrap();
    let over = match etat {
        "CONFIRMEE" => rollback == "AUCUN",
        "ECHEC_STOCK" | "ECHEC_PAIEMENT" | "ECHEC_ENREGISTREMENT" | "ANNULEE" => {
            matches!(rollback, "AUCUN" | "TERMINE")
        }
        _ => false,
    };
    assert!(over, "an order that is not over: {order}");
    for (service, operation, undo) in OPERATIONS {
        let of = |name: &str| effects.iter().filter(|line| line.operation == name).count();
        let (done, undone) = (of(operation), of(undo));
        let right = match (stands, rollback) {
            (true, _) => (done, undone) == (1, 0),
            (false, "AUCUN") => (done, undone) == (0, 0),
            (false, _) => done == undone && done <= 1,
        };
        assert!(right, "{service}: {done} x {operation}, {undone} x {undo} for {order}: {effects:?}");
    }
    for line in effects {
        if let Some(produits) = &line.produits {
            assert_eq!(products(produits), *cart, "the products of {saga}: {line:?}");
        }
        if let Some(montant) = line.montant {
            assert_eq!(cents(montant), *cost, "the amount of {saga}: {line:?}");
        }
        if let Some(client_id) = line.client_id {
            assert_eq!(Some(client_id), order["client_id"].as_i64(), "the client of {saga}: {line:?}");
        }
    }
    // What the scenarios that everybody knows look like.
    let expected = match order["client_id"].as_i64().unwrap() {
        1 => Some("ECHEC_STOCK"),
        2 => Some("ECHEC_PAIEMENT"),
        3 => Some("ECHEC_ENREGISTREMENT"),
        _ => None,
    };
    assert!(expected.is_none_or(|expected| !stands && (etat == expected || etat == "ANNULEE")), "{order}");
}

async fn check_history(serve: &Serve, order: &Value) {
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
        *silent.entry(wish.number).or_insert(true) &= told == Told::NothingDone;
    }
    for (number, _) in silent.iter().filter(|(_, nothing_done)| **nothing_done) {
        assert!(!by_number.contains_key(number), "nothing was done, and yet: {}", by_number[number]);
    }
}

fn check_one(orders: &HashMap<String, Value>, wish: &Wish, told: &Told) {
    let order = |saga: &str| {
        let order =
            orders.get(saga).unwrap_or_else(|| panic!("{told:?}, but there is no such order: {wish:?}"));
        assert_eq!(order["magasin_id"], wish.number, "{told:?} is another's order: {order}");
        order
    };
    match told {
        Told::Final { saga, etat, blocked } => {
            assert_eq!(order(saga)["etat_actuel"], **etat, "{wish:?} was told {told:?}");
            assert!(!blocked, "{wish:?} was told {told:?}");
        }
        Told::Accepted { saga } => {
            order(saga);
        }
        Told::WillBeCancelled { saga } => {
            assert_eq!(order(saga)["etat_actuel"], "ANNULEE", "{wish:?} was told {told:?}");
        }
        Told::NotCancelled { saga, code } => {
            let etat = order(saga)["etat_actuel"].as_str().unwrap();
            let right = match &**code {
                "already_completed" => etat == "CONFIRMEE",
                "already_failed" => etat.starts_with("ECHEC_"),
                _ => false,
            };
            assert!(right, "{told:?}, but it is {etat}");
        }
        // Such an order may exist or not, but at most once.
        Told::NothingDone | Told::InDoubt { .. } | Told::Lost | Told::CancelLost => {}
    }
}
