//! The work that the services give to the store: a query, or an [`Operation`] to carry out.

use rusqlite::Connection;
use serde::Deserialize;
use serde_json::json;

use crate::{
    Centimes, Facon,
    call::{CallDirection, CallerHeaders, JsonAnswer},
};

/// Most lines in one request.
const LIGNES_MAX: usize = 1_000;
/// Most units in one line: with the line limit and the largest price, sums stay far from overflow.
const QUANTITE_MAX: i64 = 1_000_000;

/// A query, run by the reader thread on a connection that cannot write.
pub(crate) type Read = Box<dyn FnOnce(&Connection) -> rusqlite::Result<JsonAnswer> + Send>;

/// The work that a request asks for.
pub(crate) enum Task {
    Read(Subject, Read),
    Write(Subject, Box<dyn Operation>),
}

impl Task {
    pub(crate) fn subject(&self) -> &Subject {
        match self {
            Self::Read(subject, _) | Self::Write(subject, _) => subject,
        }
    }
}

/// The client, products and saga of a request, which fault rules select by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) client_id: Option<i64>,
    pub(crate) produits: Vec<i64>,
    pub(crate) saga_id: Option<String>,
}

/// A change to a service's data.
///
/// It runs inside the request's own savepoint. An outcome other than [`OperationOutcome::Done`] and
/// [`OperationOutcome::Nothing`] undoes whatever it wrote, so it may check and write in any order.
pub(crate) trait Operation: Send {
    /// The name in the ledger.
    fn name(&self) -> &'static str;
    /// The direction of the operation if the key has none.
    fn direction(&self) -> CallDirection;
    /// The client, products and amounts, for the ledger.
    fn details(&self) -> Details;
    /// The answer of a compensation with nothing to undo. `None`: the operation must run to find out, because its
    /// service finds the action by something else than the key.
    fn null_answer(&self) -> Option<JsonAnswer>;
    /// Whether the effect that this action had was undone without a key, as the service's own tables tell: the barrier's
    /// record does not know of it.
    fn is_undone(&self, _db: &Connection, _caller: &CallerHeaders) -> rusqlite::Result<bool> {
        Ok(false)
    }
    /// Makes the change.
    fn run(&self, db: &Connection, caller: &CallerHeaders) -> rusqlite::Result<OperationOutcome>;
}

/// How an operation ended.
#[derive(Debug)]
pub(crate) enum OperationOutcome {
    /// Changed data: one ledger line for each of the details.
    Done(JsonAnswer, Vec<Details>),
    /// A definite business refusal: it changed nothing, and the same request would be refused again.
    Refused(JsonAnswer),
    /// A compensation that found nothing to undo. The rows that it wrote to record this are kept.
    Nothing(JsonAnswer),
    /// An action whose compensation is there.
    Hanging(JsonAnswer),
}

/// The part of a ledger line that names the effect and its client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Details {
    pub(crate) saga_id: Option<String>,
    pub(crate) client_id: Option<i64>,
    pub(crate) produits: Option<Vec<Produit>>,
    pub(crate) montant: Option<Centimes>,
    pub(crate) vente_id: Option<i64>,
}

/// A product and its quantity, with the price if the caller gave one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub(crate) struct Produit {
    pub(crate) produit_id: i64,
    pub(crate) quantite: i64,
    #[serde(alias = "prix_unitaire", skip_serializing_if = "Option::is_none", default)]
    pub(crate) prix: Option<Centimes>,
}

/// Refuses products and quantities that no cart can contain.
pub(crate) fn check_produits(produits: &[Produit]) -> Result<(), JsonAnswer> {
    if produits.is_empty() || produits.len() > LIGNES_MAX {
        return Err(JsonAnswer::detail(
            422,
            &format!("produits : de 1 à {LIGNES_MAX} lignes sont attendues"),
        ));
    }
    match produits.iter().find(|ligne| !(1..=QUANTITE_MAX).contains(&ligne.quantite)) {
        Some(ligne) => Err(JsonAnswer::detail(
            422,
            &format!("quantite du produit {} : de 1 à {QUANTITE_MAX} est attendu", ligne.produit_id),
        )),
        None => Ok(()),
    }
}

/// A refusal in the form of the façon: the old services turned every exception into a 500.
pub(crate) fn refusal(facon: Facon, status: u16, detail: &str) -> JsonAnswer {
    match facon {
        Facon::Moderne => JsonAnswer::detail(status, detail),
        Facon::Ancienne => JsonAnswer::json(500, &json!({ "detail": format!("{status}: {detail}") })),
    }
}
