//! Journals that come back from a copy: refused until somebody has accepted them, and of another incarnation from then on.

use std::time::Duration;

use saga_core::Incarnation;
use saga_journal::sqlite::{self, back_up};
use saga_journal::{Histories, Joining, Lease, Membership, OpenError, postgres};

use crate::entries::{next, replica, saga, start};
use crate::fixture::{Fixture, InPostgres, InSqlite, Sql, keep};

const LEASE: Duration = Duration::from_secs(60);

/// All leases have run out, and no process has noticed: renewed, they would hold again.
const ALL_ENDED: &str = "UPDATE replica SET expires_at = now() - INTERVAL '1 second'";

fn second() -> Incarnation {
    Incarnation::FIRST.next().unwrap()
}

#[tokio::test]
async fn a_backup_is_refused_until_it_is_accepted_and_begins_an_incarnation() {
    let fixture = InSqlite::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1)]).await;
    assert_eq!(store.incarnation().await, Ok(Incarnation::FIRST));
    let folder = tempfile::tempdir().unwrap();
    let (copy, again) = (folder.path().join("copy.db"), folder.path().join("again.db"));
    back_up(&fixture.path(), &copy).unwrap();
    // A copy of a copy is as old as the first one, and no journal either.
    back_up(&copy, &again).unwrap();
    let made = |path: &std::path::Path| match sqlite::open(path).err().unwrap() {
        OpenError::Copy { made, .. } => made,
        other => panic!("{other}"),
    };
    let first = made(&copy);
    assert_eq!(made(&again), first);
    let told = sqlite::open(&copy).err().unwrap().to_string();
    assert!(told.contains("is a backup that was made at 20"), "{told}");
    assert!(
        told.contains("`orchestrateur database accept`") && told.contains("`orchestrateur reconcile`"),
        "{told}"
    );
    // Any reader can look into it.
    let read: i64 = rusqlite::Connection::open(&copy)
        .unwrap()
        .query_row("SELECT count(*) FROM saga", [], |row| row.get(0))
        .unwrap();
    assert_eq!(read, 1);

    let accepted = sqlite::accept(&copy, false).unwrap();
    assert_eq!((accepted.made, accepted.before, accepted.now), (Some(first), Incarnation::FIRST, second()));
    let restored = sqlite::open(&copy).unwrap();
    assert_eq!(
        (restored.incarnation().await, restored.lineage().incarnation),
        (Ok(second()), Some(second()))
    );
    assert!(restored.load(saga(1)).await.unwrap().is_some());
    let in_use = sqlite::accept(&copy, true).unwrap_err();
    assert!(matches!(in_use, OpenError::Locked { .. }), "{in_use}");
    drop(restored);

    let nothing = sqlite::accept(&copy, false).unwrap();
    assert_eq!((nothing.made, nothing.before, nothing.now), (None, second(), second()));
    // A copy that was made with cp does not say so.
    let by_word = sqlite::accept(&copy, true).unwrap();
    assert_eq!((by_word.before, Some(by_word.now)), (second(), second().next()));
    // The original goes on as it was.
    assert_eq!(store.incarnation().await, Ok(Incarnation::FIRST));
    drop(store);
    drop(fixture.open().await);
}

#[tokio::test]
async fn only_a_journal_can_be_accepted_and_incarnations_have_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    rusqlite::Connection::open(at("other")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    std::fs::write(at("text"), "no database, but longer than the head of one".repeat(9)).unwrap();
    for (name, why) in
        [("other", "no tables of a journal"), ("text", "not an SQLite database"), ("missing", "no such file")]
    {
        let refused = sqlite::accept(&at(name), true).unwrap_err().to_string();
        assert!(refused.contains(why), "{name}: {refused}");
    }
    assert!(!at("missing").exists());
    drop(sqlite::open(at("journal")).unwrap());
    let journal = rusqlite::Connection::open(at("journal")).unwrap();
    let set =
        |number: i64| journal.execute("UPDATE saga_incarnation SET incarnation = ?1", [number]).unwrap();
    set(Incarnation::LAST.get().into());
    let refused = sqlite::accept(&at("journal"), true).unwrap_err();
    assert!(matches!(refused, OpenError::NoIncarnationLeft), "{refused}");
    drop(sqlite::open(at("journal")).unwrap());
    set(0);
    assert!(sqlite::open(at("journal")).is_err());
}

#[tokio::test]
async fn a_database_in_another_cluster_is_accepted_in_a_new_incarnation() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    assert_eq!(store.incarnation().await, Ok(Incarnation::FIRST));
    drop(store);
    fixture.execute(ALL_ENDED).await;
    fixture.execute("UPDATE saga_database SET system_identifier = system_identifier - 1").await;
    assert!(matches!(fixture.try_open().await, Err(OpenError::OtherDatabase { .. })));
    let accepted = postgres::accept(&fixture.url, false).await.unwrap();
    assert_eq!((accepted.incarnation_before, accepted.incarnation), (Incarnation::FIRST, second()));
    let nothing = postgres::accept(&fixture.url, false).await.unwrap();
    assert_eq!((nothing.before, nothing.incarnation), (nothing.now, second()));
    let store = fixture.open().await;
    assert_eq!((store.incarnation().await, store.lineage().incarnation), (Ok(second()), Some(second())));
    // Recovery to an earlier time looks like a failover.
    fixture.execute(ALL_ENDED).await;
    fixture.execute("UPDATE saga_database SET timeline = 0").await;
    assert_eq!(postgres::accept(&fixture.url, false).await.unwrap().incarnation, second());
    let by_word = postgres::accept(&fixture.url, true).await.unwrap();
    assert_eq!(Some(by_word.incarnation), second().next());
}

#[tokio::test]
async fn no_incarnation_begins_beside_processes_and_the_leases_of_former_ones_end_with_it() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    fixture.execute(ALL_ENDED).await;
    let other = replica(7);
    store.join(other, "till-1".into(), Joining::Started, LEASE).await.unwrap();
    keep(&*store, &[&start(1)]).await;
    let refused = postgres::accept(&fixture.url, true).await.unwrap_err();
    assert!(
        matches!(&refused, OpenError::InUse { names, left_s } if names == "till-1" && *left_s <= 60),
        "{refused}"
    );
    assert_eq!(store.incarnation().await, Ok(Incarnation::FIRST));
    fixture.execute(ALL_ENDED).await;
    postgres::accept(&fixture.url, true).await.unwrap();
    assert_eq!(store.renew(other, LEASE).await, Ok(Lease::Lost));
    assert!(store.append(&[next(&start(1), "STOCK_RESERVE")]).await.unwrap()[0].is_err());
    assert_eq!(store.incarnation().await, Ok(second()));
}

/// The schema version that a program has to know because of incarnations.
const NEEDED: &str = "SELECT needs FROM saga_migration WHERE name = 'incarnation'";

async fn releases_without_incarnations_are_kept_away_from_the_second_one<F: Sql>(
    accept: impl AsyncFn(&F, bool),
) {
    let fixture = F::new();
    drop(fixture.open_for_nobody().await);
    let first = fixture.query(NEEDED).await;
    let own = fixture.query("SELECT version FROM saga_migration WHERE name = 'incarnation'").await;
    assert!(first < own, "{first:?}");
    accept(&fixture, false).await;
    drop(fixture.open_for_nobody().await);
    assert_eq!(fixture.query(NEEDED).await, first, "it is the first one still");
    accept(&fixture, true).await;
    assert_eq!(fixture.query(NEEDED).await, own);
    // A release that did not raise this has accepted it.
    let lower = format!("UPDATE saga_migration SET needs = {} WHERE name = 'incarnation'", first[0][0]);
    fixture.execute(&lower).await;
    drop(fixture.open_for_nobody().await);
    assert_eq!(fixture.query(NEEDED).await, own);
    fixture.execute(&lower).await;
    accept(&fixture, false).await;
    assert_eq!(fixture.query(NEEDED).await, own);
}

#[tokio::test]
async fn releases_without_incarnations_are_kept_away_from_the_second_one_of_a_file() {
    releases_without_incarnations_are_kept_away_from_the_second_one(async |fixture: &InSqlite, restored| {
        drop(sqlite::accept(&fixture.path(), restored).unwrap());
    })
    .await;
}

#[tokio::test]
async fn releases_without_incarnations_are_kept_away_from_the_second_one_of_a_database() {
    releases_without_incarnations_are_kept_away_from_the_second_one(
        async |fixture: &InPostgres, restored| {
            postgres::accept(&fixture.url, restored).await.unwrap();
        },
    )
    .await;
}

/// A database that does not tell where it is has an incarnation as well.
#[tokio::test]
async fn a_database_that_does_not_tell_begins_an_incarnation_by_word() {
    let fixture = InPostgres::new();
    drop(fixture.open().await);
    fixture.execute(ALL_ENDED).await;
    fixture.execute("UPDATE saga_database SET system_identifier = 0, timeline = 0").await;
    let by_word = postgres::accept(&fixture.url, true).await.unwrap();
    assert_eq!((by_word.before, by_word.incarnation), (None, second()));
    // It tells from now on, or again.
    assert_eq!(
        fixture.query("SELECT system_identifier <> 0, incarnation FROM saga_database").await,
        [["t", "2"]]
    );
    drop(fixture.open().await);
}
