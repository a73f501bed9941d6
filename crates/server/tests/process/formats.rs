//! Stricter rules refuse files, never orders: what the release before formats were told apart left under way is finished
//! by the rules of that release.
//!
//! `formats/format_one.sql` is a journal that it wrote and was killed on, in SQL. Its definition is refused today: a
//! computed path, a number for a condition, a compensation that takes 404 for a success, a reserved header, a state with
//! two meanings.

use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use boutique::Facon;
use saga_core::Definition;
use saga_core::definition::{DefinitionHash, Format};

use crate::server::Setup;
use crate::shop::Shop;
use crate::store::{self, StoreEngine};
use crate::upgrade::moved_to_now;

const JOURNAL: &str = include_str!("formats/format_one.sql");
/// When it was killed, in microseconds.
const KILLED_US: u64 = 1_795_793_384_208_312;

/// The definition that its orders are pinned to, and its name there.
fn kept() -> (String, DefinitionHash) {
    let (_, row) = JOURNAL.split_once("INSERT INTO \"saga_definition\" VALUES('").unwrap();
    let (hash, row) = row.split_once("','checkout-ancien','").unwrap();
    let (source, _) = row.split_once("');\n").unwrap();
    (source.replace("''", "'"), DefinitionHash::new(hash))
}

type Seen = Arc<Mutex<Vec<String>>>;

/// Services that answer what today's rules would read otherwise.
async fn services() -> (String, Seen) {
    let seen = Seen::default();
    let answer = |State(seen): State<Seen>, request: Request| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 65_536).await.unwrap();
        let line = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
        let status = match line.as_str() {
            // A number is true.
            line if line.starts_with("POST /x/") => StatusCode::INTERNAL_SERVER_ERROR,
            // As if it had never been there.
            line if line.starts_with("DELETE /x/04d4") => StatusCode::NOT_FOUND,
            line if line.starts_with("DELETE ") => StatusCode::OK,
            line if line.contains("\"client_id\":3") => StatusCode::UNAUTHORIZED,
            _ => StatusCode::CREATED,
        };
        seen.lock().unwrap().push(line);
        (status, "{}")
    };
    let app = axum::Router::new().fallback(answer).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

#[test]
fn the_definition_of_the_release_before_is_refused_today_and_read_as_it_was() {
    let (source, hash) = kept();
    let env = |_: &str| Some("http://services".to_owned());
    let told = Definition::parse("ancienne.yaml", &source, &env).unwrap_err().to_string();
    for mistake in
        ["Accept-Encoding", "is a number, and a condition", "would count as undone", "`ANNULEE` means"]
    {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    struct Env;
    impl saga_core::definition::Variables for Env {
        fn variable(&self, _: &str) -> Option<String> {
            Some("http://services".into())
        }
        fn file(&self, _: &str) -> Result<String, String> {
            Err("there are none".into())
        }
    }
    let old = Definition::read(&source, Format::One, &Env).unwrap();
    assert_eq!((old.hash, old.format), (hash, Format::One));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_the_release_before_are_finished_by_its_rules() {
    let shop = Shop::open(Facon::Moderne).await;
    let (url, seen) = services().await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    rusqlite::Connection::open(store::file(setup.folder()))
        .unwrap()
        .execute_batch(&moved_to_now(JOURNAL, KILLED_US))
        .unwrap();
    let serve = setup.variable("PANIER_URL", url).start().await;
    serve.quiet().await;
    let orders = [
        // Its call was under way; the answer is a 500, and `ok: .status` takes it.
        ("99d2f5e8-d11f-8b52-b57f-7ea75987d44d", "CONFIRMEE", "AUCUN"),
        // It was being undone; a 404 is the success that its `ok` says.
        ("04d4a7a6-74c9-8399-a74d-2f24f0b16205", "ANNULEE", "TERMINE"),
        // Its sale was to be tried again; a 401 refuses it at once.
        ("f4239b64-bdbf-8925-a9cf-742b65c724f3", "ANNULEE", "TERMINE"),
    ];
    let (_, hash) = kept();
    // Their name is not loaded any more, so `/api/commande` does not show them; the view does.
    let person = rusqlite::Connection::open(store::file(setup.folder())).unwrap();
    for (saga, etat, rollback) in orders {
        let sql = "SELECT etat_actuel, commandes.rollback, definition_hash FROM commandes JOIN saga \
                   ON lower(hex(saga_id)) = replace(id, '-', '') WHERE id = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let order: (String, String, String) = person.query_row(sql, [saga], read).unwrap();
        assert_eq!(order, (etat.to_owned(), rollback.to_owned(), hash.as_str().to_owned()), "{saga}");
    }
    let mut calls = seen.lock().unwrap().clone();
    calls.sort();
    assert_eq!(
        calls,
        [
            "DELETE /x/04d4a7a6-74c9-8399-a74d-2f24f0b16205 ",
            "DELETE /x/f4239b64-bdbf-8925-a9cf-742b65c724f3 ",
            "POST /ventes {\"client_id\":1}",
            "POST /ventes {\"client_id\":3}",
            // The value of the computed path is sent as it is, as the first attempt was.
            "POST /x/A/../../admin?x=1/2 {\"client_id\":1}",
        ]
    );
}
