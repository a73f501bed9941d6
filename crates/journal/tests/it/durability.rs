//! The worth of an acknowledged append: the database's settings, and commits whose result is unknown.

use std::time::Duration;

use saga_journal::{AppendError, Histories, OpenError, postgres};
use saga_testkit::postgres::{Cluster, shared};
use tokio::time::{Instant, sleep};

use crate::entries::{OWNER, next, records, saga, start};
use crate::fixture::{InPostgres, Sql, join, keep};

const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);
const LOOKS_MAX: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_commit_that_waits_for_a_standby_in_vain_is_not_acknowledged() {
    let cluster = Cluster::start();
    let database = InPostgres { url: cluster.create_database() };
    let store = postgres::open(&database.url).await.unwrap();
    join(&store, OWNER).await;
    let first = start(1);
    keep(&store, &[&first]).await;
    let person = database.connect().await;
    let standby = async |name: &str| {
        person
            .batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"))
            .await
            .unwrap();
        person.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        let begun = Instant::now();
        while database.query("SHOW synchronous_standby_names").await != [[name]] {
            assert!(begun.elapsed() < LOOKS_MAX);
            sleep(LOOK_AGAIN_AFTER).await;
        }
    };
    standby("nobody").await;
    let second = next(&first, "STOCK_RESERVE");
    let cancel = async || {
        let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let begun = Instant::now();
        while person.query(cancel, &[]).await.unwrap().is_empty() {
            assert!(begun.elapsed() < LOOKS_MAX, "no commit waits for the standby");
            sleep(LOOK_AGAIN_AFTER).await;
        }
    };
    // It is there by then, but waiting for the standby is what an answer means: also when it comes again.
    for _ in 0..2 {
        let (appended, ()) = tokio::join!(store.append(std::slice::from_ref(&second)), cancel());
        let error = appended.and_then(|results| {
            results[0].clone().map_err(|error| match error {
                AppendError::Unavailable(error) => error,
                AppendError::Conflict | AppendError::Refused(_) => panic!("it is ours"),
            })
        });
        assert!(error.as_ref().is_err_and(|error| error.0.contains("warned at the commit")), "{error:?}");
    }
    standby("").await;
    keep(&store, &[&second]).await;
    assert_eq!(store_records(&store).await, records(&[&first, &second]));
}

async fn store_records(store: &postgres::Postgres) -> Vec<saga_core::Record> {
    store.load(saga(1)).await.unwrap().unwrap().records
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII", "WIN1252", "EUC_JP"] {
        let url = shared().create_database_with(&["-T", "template0", "-E", encoding, "--locale=C"]);
        for opened in [postgres::open(&url).await.map(drop), postgres::migrate(&url).await.map(drop)] {
            let error = opened.err().unwrap();
            let text = error.to_string();
            assert!(matches!(error, OpenError::Setting(_)), "{text}");
            assert!(
                text.contains(encoding) && text.contains("CREATE DATABASE") && text.contains("'UTF8'"),
                "{text}"
            );
        }
    }
}
