//! Names with several addresses, names that move, names that cannot be resolved.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use saga_core::reply::Reply;
use saga_engine::participants::{RESOLUTIONS_MAX, Settings};
use saga_testkit::hostile::{Hostile, mode};

use crate::support::{Caller, TIMEOUT, reason};

/// A resolver that gives these addresses, whatever it is asked.
fn resolving(addresses: Vec<SocketAddr>) -> Settings {
    resolving_with(move || Ok(addresses.clone()))
}

fn resolving_with(resolver: impl Fn() -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Settings {
    Settings { resolver: Arc::new(move |_: &str, _| resolver()), ..Settings::default() }
}

fn by_name(settings: Settings) -> Caller {
    Caller::with("http://stock-service:8000", "barrier", settings)
}

/// An address that drops what it is sent: a listener that accepts nothing, and whose queue is full.
struct Silent {
    listener: TcpListener,
    _queued: Vec<TcpStream>,
}

impl Silent {
    fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        socket2::SockRef::from(&listener).listen(0).unwrap();
        let own = listener.local_addr().unwrap();
        let patience = Duration::from_millis(200);
        let connect = || TcpStream::connect_timeout(&own, patience);
        let queued = std::iter::from_fn(|| connect().ok()).take(64).collect();
        assert!(connect().is_err(), "{own} is silent");
        Self { listener, _queued: queued }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// An address without a listener.
fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

async fn well(caller: &Caller) -> Duration {
    let begun = Instant::now();
    let reply = caller.call().await;
    assert!(matches!(&reply, Reply::Answered(answer) if answer.status == 200), "{reply:?}");
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_address_costs_a_moment_and_no_order() {
    for silent in ["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"] {
        let (silent, alive) = (Silent::on(silent), Hostile::start());
        let caller = by_name(resolving(vec![silent.address(), alive.address()]));
        let took = well(&caller).await;
        assert!(took < Duration::from_millis(550), "{took:?}");
        assert!(took > Duration::from_millis(150), "the first address was not tried: {took:?}");
        assert_eq!(alive.connections(), 1);
        // The other one is remembered: it comes last for a while.
        alive.play(mode("http_1_0"));
        well(&caller).await;
        let took = well(&caller).await;
        assert!(alive.connections() > 1);
        assert!(took < Duration::from_millis(100), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_has_its_turn_and_the_reason_names_them() {
    let (silent, refusing, alive) = (Silent::on("127.0.0.1:0"), refusing(), Hostile::start());
    let many =
        [vec![refusing; 1], (0..5).map(|_| self::refusing()).collect(), vec![alive.address()]].concat();
    assert!(
        well(&by_name(resolving(many))).await < Duration::from_millis(200),
        "a refusal is not waited for"
    );

    let none = by_name(resolving(vec![silent.address(), refusing]));
    let begun = Instant::now();
    let reply = none.call().await;
    assert!(matches!(reply, Reply::NotSent { .. }), "{reply:?}");
    let expected =
        format!("connect: no connection within connect_timeout (600ms): {refusing}: Connection refused");
    assert!(reason(&reply).starts_with(&expected), "{}", reason(&reply));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

/// Behind an address something accepts and never answers, such as a balancer without a service.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_accepts_and_never_answers_is_left_for_the_others() {
    let (deaf, alive) = (Hostile::start(), Hostile::start());
    deaf.play(mode("nothing_held"));
    let caller = by_name(resolving(vec![deaf.address(), alive.address()]));
    // It may have arrived: the driver knows what may follow.
    assert!(matches!(caller.call().await, Reply::Lost { .. }));
    for _ in 0..5 {
        well(&caller).await;
    }
    assert_eq!((deaf.requests(), alive.requests()), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_moves_is_followed_under_steady_traffic() {
    let (old, new) = (Hostile::start(), Hostile::start());
    let current = Arc::new(Mutex::new(old.address()));
    let resolved = current.clone();
    let caller = by_name(Settings {
        connection_age_max: Duration::from_millis(500),
        ..resolving_with(move || Ok(vec![*resolved.lock().unwrap()]))
    });
    well(&caller).await;
    *current.lock().unwrap() = new.address();
    let begun = Instant::now();
    while new.requests() == 0 {
        well(&caller).await;
        assert!(begun.elapsed() < Duration::from_secs(2), "still at the old address");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(begun.elapsed() > Duration::from_millis(200), "the connection was not kept");
    let before = old.requests();
    for _ in 0..20 {
        well(&caller).await;
    }
    assert_eq!(old.requests(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_cannot_be_resolved_are_told_and_not_sent() {
    let failing = by_name(resolving_with(|| Err(io::Error::other("no such name"))));
    assert_eq!(reason(&failing.call().await), "connect: resolve stock-service: no such name");
    let empty = by_name(resolving(Vec::new()));
    assert_eq!(reason(&empty.call().await), "connect: resolve stock-service: it has no address");
}

/// A resolver that hangs holds one thread for each name, and no call for longer than its `connect_timeout`.
#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_hangs_holds_a_bounded_number_of_threads() {
    let hanging = Arc::new(AtomicUsize::new(0));
    let counted = hanging.clone();
    let settings = resolving_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    });
    let caller = Arc::new(by_name(settings));
    let begun = Instant::now();
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.call().await })
        })
        .collect();
    for call in calls {
        let expected = "connect: stock-service was not resolved within connect_timeout (600ms)";
        assert_eq!(reason(&call.await.unwrap()), expected);
    }
    assert!(begun.elapsed() < TIMEOUT + Duration::from_secs(2));
    assert_eq!(hanging.load(Ordering::SeqCst), 1);

    // Other names have threads of their own, and so many together.
    for n in 1..=RESOLUTIONS_MAX {
        let reply = caller.calling(&format!("http://service-{n}"), "barrier").call().await;
        let is_full = reason(&reply).contains("(RESOLUTIONS_MAX)");
        assert_eq!(is_full, n == RESOLUTIONS_MAX, "{}", reason(&reply));
    }
    assert_eq!(hanging.load(Ordering::SeqCst), RESOLUTIONS_MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_opened_together_share_a_resolution() {
    let alive = Hostile::start();
    let (asked, address) = (Arc::new(AtomicUsize::new(0)), alive.address());
    let counted = asked.clone();
    let caller = Arc::new(by_name(resolving_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(50));
        Ok(vec![address])
    })));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { well(&caller).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    assert!(asked.load(Ordering::SeqCst) <= 3, "{asked:?}");
}
