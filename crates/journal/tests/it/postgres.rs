//! Failures that only a server, a network and other processes can cause.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use saga_core::Event;
use saga_core::definition::{Label, Labels};
use saga_core::event::RollbackCause;
use saga_core::saga::Rollback;
use saga_journal::{AppendError, Histories, LoadError, OpenError, Store, postgres};
use saga_testkit::postgres::Cluster;

use crate::entries::{OWNER, at, by, end, failure, next, records, replica, saga, start};
use crate::fixture::{Fixture, InPostgres, Sql, join, keep};

/// Between two looks whether something has happened in the server.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);
/// Looks before it is given up: a minute, which only a failing test waits for.
const LOOKS_MAX: u32 = 6_000;
/// Deadlocks that are made before it is given up that an append gets over one within its deadline.
const ROUNDS_MAX: usize = 5;

#[tokio::test]
async fn eight_processes_open_a_fresh_database_at_once() {
    let fixture = InPostgres::new();
    let opened = join_all((0..8).map(|_| fixture.try_open())).await;
    let stores: Vec<Arc<dyn Store>> = opened.into_iter().map(|store| store.unwrap()).collect();
    join(&*stores[0], OWNER).await;
    for (number, store) in stores.iter().enumerate() {
        keep(&**store, &[&start(number as u128)]).await;
    }
    assert_eq!(stores[0].owned(OWNER, None, 10).await.unwrap().len(), 8);
    assert_eq!(
        fixture.query("SELECT version FROM saga_migration ORDER BY version").await,
        (1..=24).map(|version| [version.to_string()]).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn of_two_processes_that_append_to_one_saga_one_wins() {
    let fixture = InPostgres::new();
    let (one, two) = (fixture.open().await, fixture.open().await);
    let mut before: Vec<_> = (0..20).map(start).collect();
    assert!(one.append(&before).await.unwrap().iter().all(Result::is_ok));
    for _ in 0..20 {
        let mine: Vec<_> = before.iter().map(|entry| next(entry, "STOCK_RESERVE")).collect();
        // In the other order, so that they lock each other out now and then.
        let theirs: Vec<_> = before.iter().rev().map(|entry| next(entry, "ANNULEE")).collect();
        let (a, b) = tokio::join!(one.append(&mine), two.append(&theirs));
        let (a, mut b) = (a.unwrap(), b.unwrap());
        b.reverse();
        for ((a, b), entry) in a.iter().zip(&b).zip(&mut before) {
            let winner = match (a, b) {
                (Ok(()), Err(AppendError::Conflict)) => "STOCK_RESERVE",
                (Err(AppendError::Conflict), Ok(())) => "ANNULEE",
                both => panic!("{both:?}"),
            };
            *entry = next(entry, winner);
        }
    }
    let history = one.load(saga(0)).await.unwrap().unwrap();
    assert_eq!(history.records.len(), 41);
    assert_eq!(history.records[39..], before[0].records);
}

/// An entry that is alone in its batch has statements of its own.
#[tokio::test]
async fn an_entry_alone_leaves_what_it_leaves_beside_another() {
    let plain = start(1);
    let failed = {
        let mut entry = end(&plain);
        entry.records[1].event = Event::RolledBack;
        entry.row.summary.cause = Some(RollbackCause::StepFailed);
        entry.row.summary.failure = Some(failure(Some("stock"), "there is none"));
        (entry.row.state, entry.row.rollback) = ("ECHEC_STOCK".into(), Rollback::Done);
        entry
    };
    let mut named = start(2);
    named.records[0].by = Some("ann".into());
    let reserved = next(&named, "STOCK_RESERVE");
    let resolved = {
        let mut entry = next(&reserved, "PAIEMENT_EFFECTUE");
        entry.records[1].by = Some("ben".into());
        entry.records[1].event = Event::Resumed { by: "somebody".into(), reason: None, unseen: false };
        entry
    };
    let mut unlabelled = start(3);
    (unlabelled.row.labels, unlabelled.row.due) = (Labels::default(), None);
    let mut odd = start(4);
    odd.row.created = at(7);
    odd.row.labels = [("a\u{0}b".into(), Label::Text("\u{0}, {\"x\"}".into()))].into_iter().collect();
    let at_once = {
        let (mut entry, rest) = (start(5), end(&start(5)));
        entry.records.extend(rest.records);
        entry.row = rest.row;
        entry
    };
    let mut strange = start(6);
    strange.owner = replica(999);
    let entries = [
        &plain,
        &failed,
        &named,
        &reserved,
        &resolved,
        &unlabelled,
        &odd,
        &at_once,
        // The entries that are there already, those that expect another position, and those of an owner that nobody knows.
        &reserved,
        &named,
        &next(&plain, "STOCK_RESERVE"),
        &by(replica(999), &next(&resolved, "CONFIRMEE")),
        &strange,
        &next(&start(7), "STOCK_RESERVE"),
    ];
    let (alone, beside) = (InPostgres::new(), InPostgres::new());
    let (of_one, of_two) = (alone.open().await, beside.open().await);
    for (number, entry) in entries.into_iter().enumerate() {
        let mut other = start(1_000 + number as u128);
        other.row.definition = "other".into();
        let single = of_one.append(std::slice::from_ref(entry)).await.unwrap();
        let both = of_two.append(&[entry.clone(), other]).await.unwrap();
        assert_eq!((&single[0], &both[1]), (&both[0], &Ok(())), "{number}");
    }
    let first_of_others = "'00000000-0000-0000-0000-0000000003e8'";
    for (table, columns) in [
        ("saga", "*"),
        ("saga_event", "saga_id, first_seq, events"),
        ("saga_label", "*"),
        ("saga_deed", "*"),
        ("saga_minute", "*"),
    ] {
        let of_sagas = format!("saga_id < {first_of_others}");
        let rows = if table == "saga_minute" { "definition <> 'other'" } else { &*of_sagas };
        let text = format!(
            "SELECT row_to_json(line)::text AS line FROM (SELECT {columns} FROM {table} WHERE {rows}) AS line ORDER BY 1"
        );
        let (single, both) = (alone.query(&text).await, beside.query(&text).await);
        assert!(single.len() >= 2, "{table}: {single:?}");
        assert_eq!(single, both, "{table}");
    }
}

#[tokio::test]
async fn a_move_touches_no_index() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    let mut entry = start(1);
    keep(&*store, &[&entry]).await;
    for _ in 0..5 {
        entry = next(&entry, "STOCK_RESERVE");
        keep(&*store, &[&entry]).await;
    }
    // The server counts when the connection ends.
    drop(store);
    let moves = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'saga'";
    let mut counted = Vec::new();
    for _ in 0..1_000 {
        counted = fixture.query(moves).await;
        if counted[0][0] == "5" {
            break;
        }
    }
    assert_eq!(counted, [["5", "5"]]);
}

#[tokio::test]
async fn a_server_that_stops_makes_appends_unavailable_and_then_they_work_again_by_themselves() {
    let cluster = Cluster::start();
    let url = cluster.create_database();
    let store = postgres::open(&url).await.unwrap();
    join(&store, OWNER).await;
    let mut entry = start(1);
    let mut kept = vec![entry.clone()];
    keep(&store, &[&entry]).await;
    // A killed server's last processes may still answer for a moment.
    type Stop = fn(&Cluster);
    for (stop, at_once) in
        [(Cluster::stop_fast as Stop, true), (Cluster::stop_immediate, true), (Cluster::kill9, false)]
    {
        assert!(store.load(saga(1)).await.is_ok());
        stop(&cluster);
        entry = next(&entry, "STOCK_RESERVE");
        let appended = store.append(std::slice::from_ref(&entry)).await;
        let loaded = store.load(saga(1)).await;
        assert!(
            !at_once || appended.is_err() && matches!(loaded, Err(LoadError::Unavailable(_))),
            "{loaded:?}"
        );
        cluster.start_again();
        keep(&store, &[&entry]).await;
        kept.push(entry.clone());
        let history = store.load(saga(1)).await.unwrap().unwrap();
        assert_eq!(history.records, records(&kept.iter().collect::<Vec<_>>()));
    }
}

#[tokio::test]
async fn a_server_that_was_restarted_meanwhile_goes_unnoticed() {
    let cluster = Cluster::start();
    let store = postgres::open(&cluster.create_database()).await.unwrap();
    join(&store, OWNER).await;
    let first = start(1);
    keep(&store, &[&first]).await;
    store.load(saga(1)).await.unwrap();
    let mut entry = first;
    // Each time the first to ask is another: the later ones may have seen the connection's end by then.
    for stop in [Cluster::stop_fast, Cluster::stop_immediate] {
        stop(&cluster);
        cluster.start_again();
        entry = next(&entry, "STOCK_RESERVE");
        keep(&store, &[&entry]).await;
        assert!(store.load(saga(1)).await.unwrap().is_some());
        stop(&cluster);
        cluster.start_again();
        assert!(store.load(saga(1)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_deadlock_is_tried_again() {
    let fixture = InPostgres::new();
    // A transaction that has waited this long looks for a circle, once: the append, as soon as the other transaction is
    // sure to be in it.
    let database = fixture.url.rsplit('/').next().unwrap();
    fixture.execute(&format!("ALTER DATABASE {database} SET deadlock_timeout = '2s'")).await;
    let store = fixture.open().await;
    let person = fixture.connect().await;
    person.batch_execute("SET deadlock_timeout = '60s'").await.unwrap();
    // A machine that is busy with other tests may take the last second of the append's three, too.
    for number in (1..).step_by(2).take(ROUNDS_MAX) {
        let first: Vec<_> = [number, number + 1].map(start).into();
        assert_eq!(store.append(&first).await, Ok(vec![Ok(()), Ok(())]));
        let batch: Vec<_> = first.iter().map(|entry| next(entry, "STOCK_RESERVE")).collect();
        let lock = |number| format!("SELECT FROM saga WHERE saga_id = '{}' FOR UPDATE", saga(number));
        person.batch_execute(&format!("BEGIN; {}", lock(number + 1))).await.unwrap();
        let cross = async {
            // The append has the first saga and waits for the second.
            until_somebody_waits(&person).await;
            person.batch_execute(&lock(number)).await.unwrap();
            person.batch_execute("COMMIT").await.unwrap();
        };
        let (results, ()) = tokio::join!(store.append(&batch), cross);
        match results {
            Err(late) if late.to_string().contains("APPEND_DEADLINE") => {}
            results => {
                assert_eq!(results, Ok(vec![Ok(()), Ok(())]));
                break;
            }
        }
        assert!(number < 2 * ROUNDS_MAX as u128 - 1, "each of {ROUNDS_MAX} appends took too long");
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    // The server counts when the connection has ended, which on a loaded machine is not at once.
    drop(store);
    for _ in 0..LOOKS_MAX {
        if fixture.query(deadlocks).await == [["1"]] {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    panic!("there was no deadlock");
}

/// Returns when a statement in this database waits for another transaction.
pub(crate) async fn until_somebody_waits(person: &tokio_postgres::Client) {
    use tokio_postgres::SimpleQueryMessage::Row;
    // Within a transaction, what was read first would be shown for ever.
    let waits = "SELECT pg_stat_clear_snapshot(); \
        SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..LOOKS_MAX {
        let messages = person.simple_query(waits).await.unwrap();
        if messages.iter().filter(|message| matches!(message, Row(_))).count() > 1 {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    panic!("nobody waits");
}

/// Waits until no other connection to the database has a statement under way.
pub(crate) async fn until_nobody_is_at_work(person: &tokio_postgres::Client) {
    let at_work = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid()";
    for _ in 0..LOOKS_MAX {
        let others: i64 = person.query_one(at_work, &[]).await.unwrap().get(0);
        if others == 0 {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
    panic!("somebody is always at work");
}

#[tokio::test]
async fn a_statement_that_stalls_is_given_up_and_comes_again() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    let first = start(1);
    keep(&*store, &[&first]).await;
    let person = fixture.connect().await;
    person.batch_execute("BEGIN; SELECT * FROM saga FOR UPDATE").await.unwrap();
    let second = next(&first, "STOCK_RESERVE");
    // The clock stands still but for deadlines: it jumps to the next one when nothing else can go on.
    tokio::time::pause();
    let error = store.append(std::slice::from_ref(&second)).await.unwrap_err();
    tokio::time::resume();
    assert!(error.to_string().contains("within APPEND_DEADLINE (3 s)"), "{error}");
    // The server still has the statement, and carries it out when the lock is gone; it is the same entry.
    person.batch_execute("COMMIT").await.unwrap();
    keep(&*store, &[&second]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second]));
}

#[tokio::test]
async fn an_append_whose_caller_goes_away_does_not_mix_up_answers() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    keep(&*store, &[&start(1), &start(2)]).await;
    let (one, two) = (next(&start(1), "STOCK_RESERVE"), next(&start(2), "ANNULEE"));
    let person = fixture.connect().await;
    let lock = format!("BEGIN; SELECT FROM saga WHERE saga_id = '{}' FOR UPDATE", saga(1));
    person.batch_execute(&lock).await.unwrap();
    tokio::select! {
        result = store.append(std::slice::from_ref(&one)) => panic!("it did not wait for the row: {result:?}"),
        () = until_somebody_waits(&person) => {}
    }
    person.batch_execute("COMMIT").await.unwrap();
    keep(&*store, &[&two, &one]).await;
}

#[tokio::test]
async fn a_database_that_does_not_wait_for_the_disk_is_refused() {
    let fixture = InPostgres::new();
    let database = fixture.url.rsplit('/').next().unwrap();
    fixture.execute(&format!("ALTER DATABASE {database} SET synchronous_commit = off")).await;
    let error = fixture.try_open().await.err().unwrap();
    assert!(
        matches!(error, OpenError::Setting(_)) && error.to_string().contains("synchronous_commit"),
        "{error}"
    );
}

#[tokio::test]
async fn an_address_that_is_wrong_says_what_is() {
    let open = |url: &'static str| async move { postgres::open(url).await.err().unwrap() };
    assert!(matches!(open("not an address").await, OpenError::Address(_)));
    assert!(matches!(open("postgres:///database").await, OpenError::Address(_)));
    // Port 1 of this machine has no listener.
    let error = open("postgres://someone:secret@127.0.0.1:1/orders").await;
    assert!(matches!(error, OpenError::Unreachable { .. }));
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1/orders") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_role_that_is_not_let_in_is_told_apart_from_a_server_that_is_away() {
    let fixture = InPostgres::new();
    let error = postgres::open(&fixture.url.replace("postgres@", "nobody@")).await.err().unwrap();
    assert!(matches!(error, OpenError::Denied { .. }), "{error}");
}

#[tokio::test]
async fn tls_is_asked_for_as_the_address_says() {
    let cluster = Cluster::start_with_tls();
    let open = |mode: &'static str| {
        let url = format!("{}?sslmode={mode}", cluster.url());
        async move { postgres::open(&url).await }
    };
    for (mode, encrypted) in [("disable", false), ("prefer", true)] {
        let store = open(mode).await.unwrap();
        join(&store, OWNER).await;
        keep(&store, &[&start(1)]).await;
        let log = cluster.log();
        let last = log.lines().rfind(|line| line.contains("connection authorized")).unwrap();
        assert_eq!(last.contains("SSL enabled"), encrypted, "{last}");
    }
    // Its certificate is its own.
    let error = open("require").await.err().unwrap();
    assert!(error.to_string().contains("certificate"), "{error}");
    // A server without TLS.
    let plain = InPostgres::new();
    let error = postgres::open(&format!("{}?sslmode=require", plain.url)).await.err().unwrap();
    assert!(error.to_string().contains("TLS"), "{error}");
}
