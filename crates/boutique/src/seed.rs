//! The data of a new file: products, clients, and the faults of the scenarios.
//!
//! The four known scenarios come from these rows; no code depends on which client it serves.
//!
//! | client | cart | balance | fault | result |
//! |---|---|---|---|---|
//! | 1 | 5 espresso machines, of which the stock has 2 | default | | the stock is refused |
//! | 2 | default | 5.00 | | the payment is refused |
//! | 3 | default | default | `POST /api/ventes` answers 500 | the sale cannot be recorded |
//! | any other | default | default | | every service answers |
//!
//! The default cart is 3 x 19.99 (59.97, which binary fractions cannot represent) and 2 x 10.50: 80.97 in all.

use std::collections::BTreeMap;

use crate::{Centimes, FaultRule};

/// More than any demo or benchmark takes from the stock.
const NEVER_RUNS_OUT: i64 = 1_000_000_000;

/// A product of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// Its id.
    pub produit_id: i64,
    /// Its name.
    pub nom: String,
    /// Price of one.
    pub prix: Centimes,
    /// How many there are, in units.
    pub quantite: i64,
}

/// A line of a cart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LignePanier {
    /// Which of the articles.
    pub produit_id: i64,
    /// How many, in units.
    pub quantite: i64,
}

/// The rows of new files. An existing file keeps its own rows.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The shop's products.
    pub articles: Vec<Article>,
    /// The cart of every client without a cart of their own. Lines with an unknown article are left out.
    pub panier_par_defaut: Vec<LignePanier>,
    /// Clients with a cart of their own; it may be empty.
    pub paniers: BTreeMap<i64, Vec<LignePanier>>,
    /// The balance of every client without one of their own.
    pub solde_par_defaut: Centimes,
    /// Clients with a balance of their own.
    pub soldes: BTreeMap<i64, Centimes>,
    /// Faults that belong to the scenarios. Not stored: they apply at each start.
    pub fautes: Vec<FaultRule>,
}

impl Seed {
    /// The data of the demo.
    pub fn demo() -> Self {
        let article =
            |produit_id, nom: &str, prix, quantite| Article { produit_id, nom: nom.into(), prix, quantite };
        let ligne = |produit_id, quantite| LignePanier { produit_id, quantite };
        Self {
            articles: vec![
                article(1, "Café en grains, 1 kg", Centimes::const_new(19, 99), NEVER_RUNS_OUT),
                article(2, "Tasse en grès", Centimes::const_new(10, 50), NEVER_RUNS_OUT),
                article(3, "Machine à espresso, série limitée", Centimes::const_new(349, 0), 2),
            ],
            panier_par_defaut: vec![ligne(1, 3), ligne(2, 2)],
            paniers: BTreeMap::from([(1, vec![ligne(3, 5)])]),
            solde_par_defaut: Centimes::const_new(1_000_000_000, 0),
            soldes: BTreeMap::from([(2, Centimes::const_new(5, 0))]),
            fautes: vec![
                "POST /api/ventes client=3 status=500"
                    .parse()
                    .expect("the rule follows the grammar of fault.rs"),
            ],
        }
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::demo()
    }
}
