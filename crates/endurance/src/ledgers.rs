//! The effects that the shop's ledgers must show for one order, given its end.

use std::collections::HashMap;

use boutique::Service;

use crate::shop::{Shop, ShopLine, cents, products};

/// Each service's operation, and the operation that undoes it.
pub const OPERATIONS: [(Service, &str, &str); 3] = [
    (Service::Stock, "reserver", "liberer"),
    (Service::Client, "payer", "rembourser"),
    (Service::Ventes, "enregistrer", "annuler"),
];

/// How an order ended.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The order's client.
    pub client_id: i64,
    /// `etat_actuel`.
    pub etat: &'a str,
    /// `rollback`.
    pub rollback: &'a str,
    /// Whether it records a sale where it stands.
    pub sells: bool,
}

/// A client's cart as (product, quantity), and its price, in cents.
pub type Cart = (Vec<(i64, i64)>, i64);

/// All effects, by saga.
pub async fn effects(shop: &Shop) -> HashMap<String, Vec<ShopLine>> {
    let mut effects: HashMap<String, Vec<ShopLine>> = HashMap::new();
    for &service in Service::ALL {
        for line in shop.ledger(service).await {
            assert_eq!(line.result, "effect");
            let saga = line.saga_id.clone().expect("the services note the saga");
            effects.entry(saga).or_default().push(line);
        }
    }
    effects
}

/// Checks that the order is over, and that each of its effects is there exactly once, or is undone.
pub fn check(end: End<'_>, effects: &[ShopLine], (cart, cost): &Cart) -> Result<(), String> {
    let stands = end.etat == "CONFIRMEE";
    let over = match end.etat {
        "CONFIRMEE" => end.rollback == "AUCUN",
        "ECHEC_STOCK" | "ECHEC_PAIEMENT" | "ECHEC_ENREGISTREMENT" | "ECHEC_ACCORD" | "ANNULEE" => {
            matches!(end.rollback, "AUCUN" | "TERMINE")
        }
        _ => false,
    };
    if !over {
        return Err("it is not over".to_owned());
    }
    for (service, operation, undo) in OPERATIONS {
        let of = |name: &str| effects.iter().filter(|line| line.operation == name).count();
        let (done, undone) = (of(operation), of(undo));
        let right = match (stands, end.rollback) {
            (true, _) => (done, undone) == (usize::from(end.sells || service != Service::Ventes), 0),
            (false, "AUCUN") => (done, undone) == (0, 0),
            (false, _) => done == undone && done <= 1,
        };
        if !right {
            return Err(format!("{service}: {done} x {operation}, {undone} x {undo}"));
        }
    }
    for line in effects {
        let same_cart = line.produits.as_ref().is_none_or(|produits| products(produits) == *cart);
        let same_cost = line.montant.is_none_or(|montant| cents(montant) == *cost);
        let same_client = line.client_id.is_none_or(|client_id| client_id == end.client_id);
        if !(same_cart && same_cost && same_client) {
            return Err(format!("another's products, amount or client: {line:?}"));
        }
    }
    // The known scenarios can never be confirmed: of the third one, the sale fails.
    if stands && (matches!(end.client_id, 1 | 2) || end.client_id == 3 && end.sells) {
        return Err("a client whose orders fail has one".to_owned());
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn line(operation: &str) -> ShopLine {
        let operation = operation.to_owned();
        let result = "effect".to_owned();
        ShopLine { seq: 1, operation, result, saga_id: None, client_id: None, produits: None, montant: None }
    }

    #[test]
    fn all_or_nothing_once() {
        let cart: Cart = (vec![(1, 3)], 8_097);
        let check = |client_id, etat, rollback, effects: &str| {
            let mut effects: Vec<ShopLine> = effects.split_whitespace().map(line).collect();
            if let Some(paid) = effects.iter_mut().find(|line| line.operation == "payer") {
                paid.montant = Some(80.97);
            }
            super::check(End { client_id, etat, rollback, sells: true }, &effects, &cart)
        };
        let done = "reserver payer enregistrer";
        check(4, "CONFIRMEE", "AUCUN", done).unwrap();
        check(4, "ANNULEE", "AUCUN", "").unwrap();
        check(4, "ECHEC_PAIEMENT", "TERMINE", "reserver liberer").unwrap();
        for (client_id, etat, rollback, effects) in [
            (4, "INITIEE", "AUCUN", ""),
            (4, "ANNULEE", "EN_COURS", "reserver"),
            (4, "ECHEC_STOCK", "BLOQUE", ""),
            (4, "CONFIRMEE", "AUCUN", "reserver payer"),
            (4, "CONFIRMEE", "AUCUN", "reserver payer payer enregistrer"),
            (4, "CONFIRMEE", "AUCUN", "reserver liberer payer enregistrer"),
            (4, "ANNULEE", "AUCUN", "reserver liberer"),
            (4, "ANNULEE", "TERMINE", "reserver"),
            (4, "ANNULEE", "TERMINE", "liberer"),
            (4, "ANNULEE", "TERMINE", "reserver reserver liberer liberer"),
            (3, "CONFIRMEE", "AUCUN", done),
        ] {
            check(client_id, etat, rollback, effects).unwrap_err();
        }
        let mut other = line("payer");
        other.montant = Some(80.98);
        let end = End { client_id: 4, etat: "ECHEC_ENREGISTREMENT", rollback: "TERMINE", sells: true };
        super::check(end, &[other, line("rembourser")], &cart).unwrap_err();
    }
}
