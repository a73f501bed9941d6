//! Examples in the document. The answers' are held against their schemas by the tests.

use serde_json::{Value, json};

/// An order's id.
pub(crate) const ID: &str = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21";
/// A definition's hash.
const HASH: &str = "3f0d6a9c8e2b41d7a5f6c1e09b7d8234a1b2c3d4e5f60718293a4b5c6d7e8f90";
/// Why an order of the examples is blocked.
const DOUBT: &str =
    "nobody can know whether the action ran: no answer: connection closed before message completed";

/// [`ID`], where a function is wanted.
pub(crate) fn id() -> &'static str {
    ID
}

/// An order that has ended in this state.
pub(crate) fn end(etat: &str) -> Value {
    json!({ "saga_id": ID, "etat_final": etat })
}

/// An order that the stock has refused.
pub(crate) fn out_of_stock() -> Value {
    json!({
        "saga_id": ID,
        "etat_final": "ECHEC_STOCK",
        "echec": { "etape": "stock", "raison": "Stock insuffisant" }
    })
}

/// An order that was refused, and cannot be undone without an operator.
pub(crate) fn needs_a_person() -> Value {
    json!({
        "saga_id": ID,
        "etat_final": "ECHEC_PAIEMENT",
        "rollback": "BLOQUE",
        "echec": { "etape": "paiement", "raison": "Solde insuffisant" }
    })
}

/// An order that goes on.
pub(crate) fn under_way(etat: &str, rollback: &str) -> Value {
    json!({ "saga_id": ID, "etat_actuel": etat, "rollback": rollback })
}

/// An order that was confirmed.
pub(crate) fn confirmed() -> Value {
    json!({
        "id": ID,
        "client_id": 7,
        "magasin_id": 1,
        "etat_actuel": "CONFIRMEE",
        "rollback": "AUCUN",
        "echec": null,
        "blocage": null,
        "interventions": [],
        "cree_le": "2026-11-22T10:15:30.123456Z",
        "modifie_le": "2026-11-22T10:15:30.131207Z",
        "definition": { "nom": "checkout", "empreinte": HASH }
    })
}

/// An order that has failed and is rolled back.
pub(crate) fn failed() -> Value {
    with(
        confirmed(),
        json!({
            "client_id": 2,
            "etat_actuel": "ECHEC_PAIEMENT",
            "rollback": "TERMINE",
            "echec": { "etape": "paiement", "raison": "Solde insuffisant" }
        }),
    )
}

/// An order that waits for an operator.
pub(crate) fn blocked() -> Value {
    with(
        confirmed(),
        json!({
            "etat_actuel": "ECHEC_ENREGISTREMENT",
            "rollback": "BLOQUE",
            "echec": { "etape": "vente", "raison": DOUBT },
            "blocage": {
                "etape": "vente",
                "motif": "action_unknown",
                "raison": DOUBT,
                "depuis": "2026-11-22T10:15:30.140211Z",
                "appel": {
                    "participant": "ventes",
                    "direction": "action",
                    "methode": "POST",
                    "url": "http://ventes-service:8000/api/ventes",
                    "corps": {
                        "produits": [{ "produit_id": 1, "quantite": 3, "prix": 19.99 }],
                        "client_id": 7,
                        "magasin_id": 1
                    },
                    "corps_octets": 86,
                    "cle_idempotence": format!("{ID}:vente:action")
                },
                "appel_absent": null,
                "tentatives": 1,
                "en_cours": false,
                "prochaine_tentative": null,
                "constats_possibles": ["EXECUTEE", "NON_EXECUTEE", "ANNULEE"],
                "sortie_requise": true
            },
            "interventions": [{
                "quoi": "reprendre",
                "etape": null,
                "constat": null,
                "par": "Ana",
                "raison": null,
                "timestamp": "2026-11-22T10:20:00.000000Z"
            }],
            "modifie_le": "2026-11-22T10:15:30.140211Z",
            "definition": { "nom": "checkout-voisins", "empreinte": HASH }
        }),
    )
}

/// A list, which shows neither interventions nor the bodies of calls.
pub(crate) fn list() -> Value {
    let mut rows = [confirmed(), blocked()];
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.remove("interventions");
    }
    rows[1]["blocage"]["appel"]["corps"] = Value::Null;
    rows.into_iter().collect()
}

/// A history with its steps.
pub(crate) fn history() -> Value {
    json!([
        { "etat": "INITIEE", "timestamp": "2026-11-22T10:15:30.123456Z" },
        {
            "etape": "stock",
            "direction": "action",
            "tentative": 1,
            "resultat": "ok",
            "statut_http": 200,
            "raison": null,
            "duree_ms": 1.204,
            "timestamp": "2026-11-22T10:15:30.124511Z"
        },
        { "etat": "STOCK_RESERVE", "timestamp": "2026-11-22T10:15:30.125715Z" },
        {
            "evenement": "rollback_decide",
            "etape": null,
            "motif": null,
            "constat": null,
            "par": null,
            "raison": "cancelled on request",
            "timestamp": "2026-11-22T10:15:31.000000Z"
        }
    ])
}

/// `order` with other members.
fn with(mut order: Value, members: Value) -> Value {
    if let (Some(order), Value::Object(members)) = (order.as_object_mut(), members) {
        order.extend(members);
    }
    order
}
