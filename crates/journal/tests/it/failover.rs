//! A standby that is promoted, a former primary that comes back writable, and a database that is not the one of before.

use saga_journal::{Histories, Membership, OpenError, postgres};
use saga_testkit::postgres::Cluster;

use crate::entries::{OWNER, next, records, saga, start};
use crate::fixture::{Fixture, InPostgres, Sql, join, keep};

/// The URL that names all of these servers, in this order.
fn all(clusters: &[&Cluster]) -> String {
    let hosts: Vec<String> = clusters.iter().map(|cluster| format!("127.0.0.1:{}", cluster.port())).collect();
    format!("postgres://postgres@{}/postgres", hosts.join(","))
}

fn sagas_in(cluster: &Cluster) -> String {
    cluster.sql("SELECT count(*) FROM saga").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_primary_that_comes_back_is_refused_by_whoever_has_seen_its_successor() {
    let first = Cluster::start();
    let second = first.standby();
    let url = all(&[&first, &second]);
    let store = postgres::open(&url).await.unwrap();
    join(&store, OWNER).await;
    let mut entry = start(1);
    keep(&store, &[&entry]).await;
    assert_eq!((store.lineage().timeline, store.lineage().refused), (Some(1), 0));
    first.wait_until_copied();

    first.kill9();
    second.promote();
    let before = entry.clone();
    entry = next(&entry, "STOCK_RESERVE");
    while store.append(std::slice::from_ref(&entry)).await != Ok(vec![Ok(())]) {}
    assert_eq!(store.lineage().timeline, Some(2));

    // Each of the two takes writes now. A process that connects anew comes to the one that was promoted, also by a URL that names it last.
    first.start_again();
    let newcomer = postgres::open(&url).await.unwrap();
    assert_eq!(newcomer.lineage().timeline, Some(2));
    keep(&newcomer, &[&start(2)]).await;
    // Connections to the successor are lost, and it is away: the former primary alone answers.
    second.stop_fast();
    for store in [&store, &newcomer] {
        let error = store.append(&[start(3)]).await.unwrap_err().to_string();
        assert!(error.contains("it is a former primary: timeline 1 of system"), "{error}");
        assert!(error.contains("has seen timeline 2"), "{error}");
        assert!(store.load(saga(1)).await.is_err() && store.clock().await.is_err());
        assert!(store.lineage().refused > 0);
    }
    assert_eq!(sagas_in(&first), "1", "something was written at the former primary");

    second.start_again();
    keep(&store, &[&start(3)]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&before, &entry]));
    assert_eq!((&*sagas_in(&first), &*sagas_in(&second)), ("1", "3"));
    // A process that starts now and finds nothing but the former primary cannot know.
    let deceived = postgres::open(&first.url()).await.unwrap();
    assert_eq!(deceived.lineage().timeline, Some(1));
}

/// The URL of a load balancer that leads to the former primary for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_the_former_primary_is_given_up_once_another_one_has_led_to_its_successor() {
    let first = Cluster::start();
    let second = first.standby();
    let store = postgres::open(&all(&[&first, &second])).await.unwrap();
    join(&store, OWNER).await;
    keep(&store, &[&start(1)]).await;
    first.wait_until_copied();
    store.load(saga(1)).await.unwrap();
    // The first one is not stopped: the connections that append and read lead there, and are well.
    second.promote();
    store.load(saga(1)).await.unwrap();
    assert_eq!(store.lineage().timeline, Some(1));
    // One connection is cut; where it is made anew, the process looks at all hosts.
    first.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%saga_event.first_seq%' \
         AND pid <> pg_backend_pid()",
    );
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    while store.load(saga(1)).await.is_err() {}
    assert_eq!(store.lineage().timeline, Some(2));
    keep(&store, &[&start(2)]).await;
    assert_eq!((&*sagas_in(&first), &*sagas_in(&second)), ("1", "2"));
}

#[tokio::test]
async fn a_failover_is_kept_and_a_lower_timeline_or_another_system_is_refused_until_it_is_accepted() {
    let fixture = InPostgres::new();
    drop(fixture.open().await);
    let kept = "SELECT system_identifier, timeline FROM saga_database";
    let own = fixture.query(kept).await;
    let told = fixture
        .query("SELECT system_identifier, timeline_id FROM pg_control_system(), pg_control_checkpoint()");
    assert_eq!(own, told.await);
    for other in ["timeline = 7", "system_identifier = system_identifier - 1"] {
        fixture.execute(&format!("UPDATE saga_database SET {other}")).await;
        let noted = fixture.query(kept).await;
        let error = fixture.try_open().await.err().unwrap();
        assert!(matches!(error, OpenError::OtherDatabase { .. }), "{error}");
        assert!(error.to_string().contains("`orchestrateur database accept`"), "{error}");
        assert_eq!(fixture.query(kept).await, noted);
        fixture.execute("UPDATE replica SET expires_at = now()").await;
        let accepted = postgres::accept(&fixture.url, false).await.unwrap();
        assert_ne!(accepted.before, accepted.now);
        assert_eq!(fixture.query(kept).await, own);
        drop(fixture.open().await);
    }
    // A higher timeline than the one that was kept is a failover, which is noted.
    fixture.execute("UPDATE saga_database SET timeline = 0").await;
    drop(fixture.open().await);
    assert_eq!(fixture.query(kept).await, own);
}

#[tokio::test]
async fn a_server_that_does_not_tell_is_believed() {
    let fixture = InPostgres::new();
    let store = postgres::open(&fixture.url).await.unwrap();
    assert_eq!(store.lineage().timeline, Some(1));
    drop(store);
    // A function of that name in front of the server's own, as a relative without it answers.
    let database = fixture.url.rsplit('/').next().unwrap();
    fixture
        .execute(&format!(
            "CREATE SCHEMA shy; \
             CREATE FUNCTION shy.pg_control_system(OUT nothing BIGINT) LANGUAGE sql AS 'SELECT 1::bigint'; \
             ALTER DATABASE {database} SET search_path = shy, pg_catalog, public"
        ))
        .await;
    let store = postgres::open(&fixture.url).await.unwrap();
    assert_eq!((store.lineage().timeline, store.lineage().refused), (None, 0));
    join(&store, OWNER).await;
    keep(&store, &[&start(1)]).await;
}

#[tokio::test]
async fn a_process_has_as_many_connections_as_it_may() {
    for (asked, had) in [(3, 3), (6, 6), (0, 3)] {
        let fixture = InPostgres::new();
        let store = postgres::open_with(&fixture.url, asked).await.unwrap();
        join(&store, OWNER).await;
        futures_util::future::join_all((0..40).map(|number| store.load(saga(number)))).await;
        let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        assert_eq!(fixture.query(open).await, [[had.to_string()]], "{asked}");
    }
}
