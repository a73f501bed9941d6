//! The cart service: one read, no effect, an empty ledger.
//!
//! | façon | request | answer |
//! |---|---|---|
//! | moderne | `GET /api/paniers/client/{client_id}` | `[{"produit_id", "quantite", "prix"}]` |
//! | ancienne | `GET /api/panier/{client_id}` | `{"client_id", "articles": [{"id", "produit_id", "nom", "quantite", "prix_unitaire", "ajoute_le"}]}` |

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    Centimes, Facon, Seed,
    call::{CallRequest, JsonAnswer, client_id},
    operation::{Subject, Task},
    seed::LignePanier,
};

pub(crate) fn routes(facon: Facon) -> &'static [(&'static str, &'static str)] {
    match facon {
        Facon::Moderne => &[("GET", "/api/paniers/client/{client_id}")],
        Facon::Ancienne => &[("GET", "/api/panier/{client_id}")],
    }
}

/// When the demo's carts were filled: an extra field that callers must ignore.
const AJOUTE_LE: &str = "2025-01-06T09:30:00Z";

const SCHEMA: &str = "
    -- A client listed here has a cart of their own (maybe empty). Client 0 is the template for all others.
    CREATE TABLE paniers (client_id INTEGER PRIMARY KEY) STRICT;
    CREATE TABLE lignes (
        client_id INTEGER NOT NULL REFERENCES paniers,
        position INTEGER NOT NULL,
        produit_id INTEGER NOT NULL,
        nom TEXT NOT NULL,
        quantite INTEGER NOT NULL,
        prix_centimes INTEGER NOT NULL,
        PRIMARY KEY (client_id, position)
    ) STRICT, WITHOUT ROWID;
";

/// The id of the default cart, for every client without a cart of their own.
const MODELE: i64 = 0;

pub(crate) fn create(db: &Connection, seed: &Seed) -> rusqlite::Result<()> {
    db.execute_batch(SCHEMA)?;
    fill(db, seed, MODELE, &seed.panier_par_defaut)?;
    seed.paniers.iter().try_for_each(|(&client_id, lignes)| fill(db, seed, client_id, lignes))
}

fn fill(db: &Connection, seed: &Seed, client_id: i64, lignes: &[LignePanier]) -> rusqlite::Result<()> {
    db.execute("INSERT INTO paniers (client_id) VALUES (?1)", [client_id])?;
    for (position, ligne) in (1_i64..).zip(lignes) {
        if let Some(article) = seed.articles.iter().find(|article| article.produit_id == ligne.produit_id) {
            db.execute(
                "INSERT INTO lignes (client_id, position, produit_id, nom, quantite, prix_centimes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (client_id, position, ligne.produit_id, &article.nom, ligne.quantite, article.prix),
            )?;
        }
    }
    Ok(())
}

/// `None`: no such route.
pub(crate) fn route(facon: Facon, request: &CallRequest) -> Option<Result<Task, JsonAnswer>> {
    match (facon, request.method.as_str(), request.segments().as_slice()) {
        (Facon::Moderne, "GET", ["api", "paniers", "client", id])
        | (Facon::Ancienne, "GET", ["api", "panier", id]) => {
            Some(client_id(id).map(|id| read_cart(facon, id)))
        }
        _ => None,
    }
}

fn read_cart(facon: Facon, client_id: i64) -> Task {
    let subject = Subject { client_id: Some(client_id), ..Subject::default() };
    Task::Read(
        subject,
        Box::new(move |db| {
            let mut query = db.prepare_cached(
                "SELECT position, produit_id, nom, quantite, prix_centimes FROM lignes
                 WHERE client_id = COALESCE((SELECT client_id FROM paniers WHERE client_id = ?1), ?2)
                 ORDER BY position",
            )?;
            let lignes = query
                .query_map([client_id, MODELE], |row| {
                    let (produit_id, quantite): (i64, i64) = (row.get(1)?, row.get(3)?);
                    let prix: Centimes = row.get(4)?;
                    Ok(match facon {
                        Facon::Moderne => {
                            json!({ "produit_id": produit_id, "quantite": quantite, "prix": prix })
                        }
                        Facon::Ancienne => json!({
                            "id": row.get::<_, i64>(0)?,
                            "produit_id": produit_id,
                            "nom": row.get::<_, String>(2)?,
                            "quantite": quantite,
                            "prix_unitaire": prix,
                            "ajoute_le": AJOUTE_LE,
                        }),
                    })
                })?
                .collect::<rusqlite::Result<Vec<Value>>>()?;
            Ok(match facon {
                Facon::Moderne => JsonAnswer::json(200, &lignes),
                Facon::Ancienne => {
                    JsonAnswer::json(200, &json!({ "client_id": client_id, "articles": lignes }))
                }
            })
        }),
    )
}
