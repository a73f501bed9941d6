//! A role that owns the tables, and a service's role that has exactly the rights that the documents list.

use std::sync::Arc;

use saga_core::Incarnation;
use saga_journal::postgres::{self, Migrated};
use saga_journal::{OpenError, ReplicaId, Store};
use tokio::sync::OnceCell;

use crate::entries::{next, start};
use crate::fixture::{Fixture, InPostgres, Leases, Sql, keep};

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");

/// A database that one role owns and another one uses.
pub(crate) struct AsService {
    admin: InPostgres,
    is_migrated: OnceCell<()>,
}

impl AsService {
    fn database(&self) -> &str {
        self.admin.url.rsplit('/').next().unwrap()
    }

    fn url(&self, role: &str) -> String {
        self.admin.url.replace("postgres@", &format!("{role}_{}@", self.database()))
    }

    async fn make_roles(&self) {
        let database = self.database();
        let sql = format!(
            "CREATE ROLE owner_{database} LOGIN; CREATE ROLE service_{database} LOGIN; \
             ALTER DATABASE {database} OWNER TO owner_{database}"
        );
        self.admin.execute(&sql).await;
    }

    /// The rights in the documents, to the letter.
    async fn grant(&self) {
        let database = self.database();
        let lines = OPERATIONS.lines().map(str::trim).filter(|line| line.starts_with("GRANT "));
        let grants: Vec<String> = lines
            .map(|line| {
                line.replace("DATABASE orchestrateur", &format!("DATABASE {database}"))
                    .replace("orchestrateur_service", &format!("service_{database}"))
            })
            .collect();
        assert!(grants.len() >= 5, "{grants:?}");
        let owner = InPostgres { url: self.url("owner") };
        owner.execute(&grants.join("\n")).await;
    }
}

impl Fixture for AsService {
    fn new() -> Self {
        Self { admin: InPostgres::new(), is_migrated: OnceCell::new() }
    }

    async fn open_for_nobody(&self) -> Arc<dyn Store> {
        self.is_migrated
            .get_or_init(|| async {
                self.make_roles().await;
                postgres::migrate(&self.url("owner")).await.unwrap();
                self.grant().await;
            })
            .await;
        Arc::new(postgres::open(&self.url("service")).await.unwrap())
    }
}

impl Leases for AsService {
    async fn run_out(&self, replica: ReplicaId) {
        self.admin.run_out(replica).await;
    }
}

#[tokio::test]
async fn the_service_cannot_change_what_has_happened_or_make_anything() {
    let fixture = AsService::new();
    let store = fixture.open().await;
    let first = start(1);
    keep(&*store, &[&first, &next(&first, "STOCK_RESERVE")]).await;
    let service = InPostgres { url: fixture.url("service") };
    // A probe writes a row anew, and nothing into it.
    let rows = async |what: &str| service.query(&format!("SELECT {what} FROM replica ORDER BY name")).await;
    let (writers, names) = (rows("xmin::text").await, rows("name").await);
    store.probe().await.unwrap();
    assert_ne!(rows("xmin::text").await, writers);
    assert_eq!(rows("name").await, names);
    let connection = service.connect().await;
    for sql in [
        "UPDATE saga_event SET events = '[]'",
        "DELETE FROM saga_event",
        "TRUNCATE saga_event",
        "DELETE FROM saga",
        "TRUNCATE saga",
        "DELETE FROM saga_definition",
        "UPDATE saga_definition SET source = ''",
        "DROP TABLE saga",
        "ALTER TABLE saga ADD COLUMN x TEXT",
        "CREATE TABLE mine (id BIGINT)",
        "INSERT INTO saga_migration (version, name, checksum) VALUES (99, 'x', 'x')",
        "UPDATE saga_migration SET checksum = ''",
    ] {
        let error = connection.batch_execute(sql).await.unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn who_may_not_make_tables_is_told_who_may_and_needs_no_such_right_once_they_are_there() {
    let fixture = AsService::new();
    fixture.make_roles().await;
    let error = postgres::open(&fixture.url("service")).await.err().unwrap();
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error}");
    assert!(error.to_string().contains("`orchestrateur migrate`"), "{error}");

    let version = 4.max(postgres::migrate(&fixture.url("owner")).await.unwrap().version);
    let again = postgres::migrate(&fixture.url("owner")).await.unwrap();
    assert_eq!(again, Migrated { steps: 0, version });
    // The tables are there, but not for this role yet: what is missing is told as SQL.
    let error = postgres::open(&fixture.url("service")).await.err().unwrap();
    assert!(error.to_string().contains("GRANT SELECT ON saga_migration"), "{error}");
    fixture.grant().await;
    postgres::open(&fixture.url("service")).await.unwrap();
    InPostgres { url: fixture.url("owner") }
        .execute(&format!("REVOKE INSERT ON saga_event FROM service_{}", fixture.database()))
        .await;
    let error = postgres::open(&fixture.url("service")).await.err().unwrap();
    assert!(error.to_string().contains("GRANT INSERT ON saga_event"), "{error}");
    // A step that a new release brings.
    fixture
        .admin
        .execute("DELETE FROM saga_migration WHERE version = (SELECT max(version) FROM saga_migration)")
        .await;
    let error = postgres::open(&fixture.url("service")).await.err().unwrap();
    assert!(matches!(error, OpenError::NotMigrated { .. }), "{error}");
}

/// The right to keep other releases away is not the service's: it serves without, also where an owner has to do so still.
#[tokio::test]
async fn the_owner_begins_an_incarnation_or_grants_the_right_to() {
    let fixture = AsService::new();
    drop(fixture.open_for_nobody().await);
    let (owner, service) = (fixture.url("owner"), fixture.url("service"));
    let needed = || fixture.admin.query("SELECT needs FROM saga_migration WHERE name = 'incarnation'");
    let error = postgres::accept(&service, true).await.unwrap_err();
    assert!(
        matches!(error, OpenError::AcceptRights { .. })
            && error.to_string().contains("GRANT UPDATE (needs) ON saga_migration TO the role;"),
        "{error}"
    );
    // Nothing has begun, and without a new incarnation there is nothing to keep away.
    assert_eq!(postgres::accept(&service, false).await.unwrap().incarnation, Incarnation::FIRST);
    assert_eq!(postgres::accept(&owner, true).await.unwrap().incarnation.get(), 2);
    assert_eq!(needed().await, [["24"]]);

    // A release that did not raise this has accepted it.
    let lower = "UPDATE saga_migration SET needs = 22 WHERE name = 'incarnation'";
    fixture.admin.execute(lower).await;
    drop(postgres::open(&service).await.unwrap());
    assert_eq!(needed().await, [["22"]]);
    assert_eq!(postgres::migrate(&owner).await.unwrap().steps, 0);
    assert_eq!(needed().await, [["24"]]);

    fixture.admin.execute(lower).await;
    let grant = format!("GRANT UPDATE (needs) ON saga_migration TO service_{}", fixture.database());
    InPostgres { url: owner }.execute(&grant).await;
    drop(postgres::open(&service).await.unwrap());
    assert_eq!(needed().await, [["24"]]);
    assert_eq!(postgres::accept(&service, true).await.unwrap().incarnation.get(), 3);
}

#[tokio::test]
async fn an_owner_s_process_makes_the_tables_itself() {
    let fixture = AsService::new();
    fixture.make_roles().await;
    postgres::open(&fixture.url("owner")).await.unwrap();
    assert_eq!(postgres::migrate(&fixture.url("owner")).await.unwrap().steps, 0);
}
