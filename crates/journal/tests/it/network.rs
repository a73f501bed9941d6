//! Servers that are silent, behind a network that swallows packets, or locked: nothing hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use saga_journal::{AppendError, Filter, Histories, Lease, LoadError, Membership, OpenError, postgres};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::entries::{OWNER, next, records, saga, start};
use crate::fixture::{Fixture, InPostgres, LONG, Sql, join, keep};

/// The time that a test waits beyond a deadline: the machine is busy.
const SLACK: Duration = Duration::from_millis(1_500);
const LEASE_DEADLINE: Duration = Duration::from_millis(1_500);
const DEADLINE: Duration = Duration::from_secs(3);

/// Carries bytes both ways, until the answers are swallowed: connections stay open, and packets go one way only.
struct Hole {
    port: u16,
    swallows: Arc<AtomicBool>,
    cut: watch::Sender<u64>,
}

impl Hole {
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hole = Self {
            port: listener.local_addr().unwrap().port(),
            swallows: Arc::default(),
            cut: watch::Sender::new(0),
        };
        let (swallows, cut) = (hole.swallows.clone(), hole.cut.clone());
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (swallows, mut cut) = (swallows.clone(), cut.subscribe());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let (mut from_client, mut to_client) = client.split();
                    let (mut from_server, mut to_server) = server.split();
                    let answers = async {
                        let mut bytes = [0; 8192];
                        while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
                            if !swallows.load(Ordering::SeqCst)
                                && to_client.write_all(&bytes[..read]).await.is_err()
                            {
                                return;
                            }
                        }
                    };
                    tokio::select! {
                        () = answers => {}
                        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        hole
    }

    fn swallow(&self, swallows: bool) {
        self.swallows.store(swallows, Ordering::SeqCst);
        // Packets that were swallowed do not come later.
        if !swallows {
            self.cut.send_modify(|cuts| *cuts += 1);
        }
    }
}

async fn within<T>(limit: Duration, what: &str, task: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let result =
        tokio::time::timeout(Duration::from_secs(20), task).await.unwrap_or_else(|_| panic!("{what} hangs"));
    assert!(begun.elapsed() < limit + SLACK, "{what} took {:?}", begun.elapsed());
    result
}

#[tokio::test]
async fn a_database_whose_answers_are_swallowed_fails_every_operation_within_its_deadline() {
    let fixture = InPostgres::new();
    let port = saga_testkit::postgres::shared().port();
    let hole = Hole::before(port).await;
    let url = fixture.url.replace(&format!(":{port}/"), &format!(":{}/", hole.port));
    let store = postgres::open(&url).await.unwrap();
    join(&store, OWNER).await;
    let first = start(1);
    keep(&store, &[&first]).await;
    // Every connection of the pool is open.
    join_all((0..8).map(|_| store.load(saga(1)))).await;
    let second = next(&first, "STOCK_RESERVE");
    hole.swallow(true);
    let append = within(DEADLINE, "append", store.append(std::slice::from_ref(&second)));
    let renew = within(LEASE_DEADLINE, "renew", store.renew(OWNER, LONG));
    let loads = within(DEADLINE, "load", join_all((0..20).map(|_| store.load(saga(1)))));
    let (append, renew, loads) = tokio::join!(append, renew, loads);
    assert!(append.unwrap_err().0.contains("APPEND_DEADLINE (3 s)"));
    assert!(renew.unwrap_err().0.contains("LEASE_DEADLINE (1.5 s)"));
    assert!(loads.iter().all(|load| matches!(load, Err(LoadError::Unavailable(_)))), "{loads:?}");
    let list = within(DEADLINE, "list", store.list(Filter::default(), None, 10)).await;
    assert!(list.is_err());
    // It was kept; its answer was lost.
    hole.swallow(false);
    assert_eq!(within(SLACK, "renew again", store.renew(OWNER, LONG)).await, Ok(Lease::Held));
    keep(&store, &[&second]).await;
    assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second]));
}

#[tokio::test]
async fn a_lock_on_the_sagas_holds_up_no_renewal_and_nothing_for_long() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    let first = start(1);
    keep(&*store, &[&first]).await;
    let second = next(&first, "STOCK_RESERVE");
    let person = fixture.connect().await;
    person.batch_execute("BEGIN; LOCK TABLE saga").await.unwrap();
    let append = within(DEADLINE, "append", store.append(std::slice::from_ref(&second)));
    let loads = within(DEADLINE, "loads", join_all((0..20).map(|_| store.load(saga(1)))));
    let renewals = async {
        for _ in 0..5 {
            let renewed = within(Duration::ZERO, "renew", store.renew(OWNER, LONG)).await;
            assert_eq!(renewed, Ok(Lease::Held));
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let (append, loads, ()) = tokio::join!(append, loads, renewals);
    assert!(append.is_err() && loads.iter().all(Result::is_err));
    // The server was told that the statement is not waited for any more: connections do not pile up behind the lock.
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while fixture.query(waiting).await != [["0"]] {
        assert!(begun.elapsed() < DEADLINE, "statements still wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    person.batch_execute("COMMIT").await.unwrap();
    keep(&*store, &[&second]).await;
}

/// Takes connections and says nothing.
async fn silent() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn hosts_are_tried_in_turn_and_a_silent_one_costs_its_timeout_once() {
    let fixture = InPostgres::new();
    let (_listener, dead) = silent().await;
    let (user, rest) = fixture.url.split_once('@').unwrap();
    // A silent one, one without a listener, and the right one.
    let hosts = |more: &str| format!("{user}@127.0.0.1:{dead},127.0.0.1:1,{rest}{more}");
    let store = within(Duration::from_secs(2), "open", postgres::open(&hosts(""))).await.unwrap();
    // Later connections begin with what worked.
    within(Duration::ZERO, "join", join(&store, OWNER)).await;
    keep(&store, &[&start(1)]).await;
    drop(store);
    let impatient = hosts("?connect_timeout=1");
    within(Duration::from_secs(1), "open", postgres::open(&impatient)).await.unwrap();
    // Where none works, each is told with its reason.
    let none = format!("{user}@127.0.0.1:{dead},127.0.0.1:1/d?connect_timeout=1");
    let error = postgres::open(&none).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Unreachable { .. }), "{text}");
    assert!(
        text.contains(&format!("127.0.0.1:{dead}: no connection within connect_timeout (1 s)")),
        "{text}"
    );
    assert!(text.contains("127.0.0.1:1: error connecting"), "{text}");
}

#[tokio::test]
async fn a_store_finds_the_next_host_when_its_own_falls_silent() {
    let fixture = InPostgres::new();
    let port = saga_testkit::postgres::shared().port();
    let hole = Hole::before(port).await;
    let url = fixture.url.replace(&format!(":{port}/"), &format!(":{},127.0.0.1:{port}/", hole.port));
    let store = postgres::open(&url).await.unwrap();
    join(&store, OWNER).await;
    let first = start(1);
    keep(&store, &[&first]).await;
    hole.swallow(true);
    let second = next(&first, "STOCK_RESERVE");
    // One deadline to notice, at most two to get past the first host.
    for _ in 0..3 {
        if store.append(std::slice::from_ref(&second)).await == Ok(vec![Ok(())]) {
            assert_eq!(store.load(saga(1)).await.unwrap().unwrap().records, records(&[&first, &second]));
            return;
        }
    }
    panic!("the second host is not found");
}

#[tokio::test]
async fn all_addresses_of_a_name_are_tried() {
    let fixture = InPostgres::new();
    let port = saga_testkit::postgres::shared().port();
    // The name's IPv6 address has no listener, or a listener that says nothing.
    let silent = TcpListener::bind(("::1", port)).await;
    let url = fixture.url.replace("127.0.0.1", "localhost") + "?connect_timeout=1";
    let store = within(Duration::from_secs(2), "open", postgres::open(&url)).await.unwrap();
    within(Duration::ZERO, "join", join(&store, OWNER)).await;
    drop(silent);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_passed_over() {
    let fixture = InPostgres::new();
    let (user, rest) = fixture.url.split_once('@').unwrap();
    let (place, database) = rest.split_once('/').unwrap();
    fixture.execute(&format!("ALTER DATABASE {database} SET default_transaction_read_only = on")).await;
    for parameters in ["", "?target_session_attrs=read-write", "?target_session_attrs=any"] {
        let error = postgres::open(&format!("{user}@{place}/{database}{parameters}")).await.err().unwrap();
        assert!(error.to_string().contains("takes no writes"), "{error}");
    }
    // The same server by another name, with that switched off for it, stands for a primary behind a standby.
    let options = "?options=-c%20default_transaction_read_only%3Doff";
    postgres::open(&format!("{user}@{place}/{database}{options}")).await.unwrap();
    assert_eq!(
        postgres::open(&format!("{user}@{place}/{database}?target_session_attrs=read-only"))
            .await
            .err()
            .map(|error| error.to_string().contains("target_session_attrs=read-write")),
        Some(true)
    );
}

#[tokio::test]
async fn an_entry_that_can_never_be_kept_costs_the_others_nothing() {
    let fixture = InPostgres::new();
    let store = fixture.open().await;
    fixture
        .execute("ALTER TABLE saga_event ADD CHECK (saga_id <> '00000000-0000-0000-0000-000000000007')")
        .await;
    let batch: Vec<_> = (0..20).map(start).collect();
    let results = store.append(&batch).await.unwrap();
    for (number, result) in results.iter().enumerate() {
        let is_refused = matches!(result, Err(AppendError::Refused(_)));
        assert_eq!((result.is_ok(), is_refused), (number != 7, number == 7), "{number}");
    }
    assert_eq!(store.owned(OWNER, None, 100).await.unwrap().len(), 19);
}
