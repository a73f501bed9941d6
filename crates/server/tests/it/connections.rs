//! Connections: how many there can be, and how long each may do nothing. Sockets that are opened here are
//! held open by the test, so that only the server can close them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{Server, Shop, World, until};
use crate::http::{Call, PATIENCE, Reply};

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends bytes on a connection that stays open.
async fn connect_and_send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(address).await;
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Waits until the server has closed its end, and gives what it sent before.
async fn closed(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut received)).await;
    assert!(end.is_ok(), "it is not closed: {}", String::from_utf8_lossy(&received));
    String::from_utf8_lossy(&received).into_owned()
}

fn cut(reason: &str) -> String {
    format!("http_connections_closed_total{{reason=\"{reason}\"}}")
}

const GET: &[u8] = b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n";

/// Sends a call from another address of the loopback interface.
async fn another_caller(address: SocketAddr, call: Call) -> Reply {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(&call.bytes()).await.unwrap();
    Reply::all(closed(stream).await.as_bytes()).remove(0)
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Usual,
    Another,
}

/// An order that is placed as soon as there is room: a question that has just been answered may still hold a
/// place.
async fn placed(address: SocketAddr, client: i64, source: Source) -> Reply {
    loop {
        let reply = match source {
            Source::Usual => crate::http::send(address, &Call::checkout(client)).await,
            Source::Another => another_caller(address, Call::checkout(client)).await,
        };
        if reply.status != 503 {
            return reply;
        }
    }
}

/// The first thing that was ever seen to stop it: clients that connect and say nothing.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_leave_files_for_orders_and_are_told_once() {
    let (shop, data) = (Shop::open().await, tempfile::tempdir().unwrap());
    // Each core has a thread with four files of its own.
    let cores = std::thread::available_parallelism().unwrap().get() as u32;
    let server = Server::start_with_files(128 + 4 * cores, &shop, data.path(), &[]).await;
    let mut held = Vec::new();
    for kind in 0..200 {
        // Some say nothing, some begin a head, some have had an answer.
        let bytes: &[u8] = match kind % 3 {
            0 => b"",
            1 => b"POST /api/commande/checkout HTTP/1.1\r\nhost: t",
            _ => GET,
        };
        let mut stream = connect(server.address).await;
        let _ = stream.write_all(bytes).await;
        held.push(stream);
    }
    until("they are as many as can be, and idle", async || server.metric("http_connections").await >= 12.0)
        .await;
    for client in 4..24 {
        let order = timeout(Duration::from_secs(10), server.send(&Call::checkout(client))).await;
        assert_eq!(order.expect("a checkout stalls").expect(200)["etat_final"], "CONFIRMEE");
    }
    // Many at once, too: each has its order, or is told that there is no room.
    let orders: Vec<_> = (4..104)
        .map(|client| tokio::spawn(crate::http::send(server.address, &Call::checkout(client))))
        .collect();
    let mut confirmed = 0;
    for order in orders {
        let reply = order.await.unwrap();
        match reply.status {
            503 => drop(reply.problem(503, "caller_percent")),
            _ => {
                assert_eq!(reply.expect(200)["etat_final"], "CONFIRMEE");
                confirmed += 1;
            }
        }
    }
    assert!(confirmed >= 10, "{confirmed}");
    assert!(server.metric("http_connections").await <= 32.0);
    assert!(server.metric(&cut("evicted")).await > 0.0);
    let warnings: Vec<String> =
        server.said().lines().filter(|line| line.contains("\"WARN\"")).map(str::to_owned).collect();
    // That there are fewer than asked for, and, where they came faster than idle ones could go, that
    // accepting failed.
    assert!((1..=2).contains(&warnings.len()), "{warnings:#?}");
    assert!(warnings[0].contains("connections_max is 16 instead of 10000"), "{}", warnings[0]);
    drop(held);
    until("they are gone", async || server.metric("http_connections").await <= 2.0).await;
}

#[test]
fn with_hardly_any_files_it_does_not_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -n 60; exec \"$0\" serve --listen 127.0.0.1:0"]);
    command
        .arg(env!("CARGO_BIN_EXE_orchestrateur"))
        .env("DATABASE_URL", crate::harness::database_in(folder.path()));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("this process may open 60 files, which leaves no room for connections"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_connections_are_at_work_a_new_one_gets_503_and_supervisors_their_answers() {
    let world = World::with(Shop::open().await, &["--connections-max", "10"]).await;
    world.shop.fault("POST /api/clients/*/payer latency=4000");
    let mut orders = Vec::new();
    for client in 4..12 {
        orders.push(tokio::spawn(placed(world.server.address, client, Source::Usual)));
        let under_way = orders.len() as f64;
        until("it is under way", async || world.metric("sagas_active").await == under_way).await;
    }
    let reply = world.send(&Call::checkout(12)).await;
    reply.problem(503, "caller_percent");
    assert_eq!(reply.header("retry-after"), Some("1"));
    // Two places are left to others, and no more.
    for client in 14..16 {
        orders.push(tokio::spawn(placed(world.server.address, client, Source::Another)));
        let under_way = orders.len() as f64;
        until("it is under way", async || world.metric("sagas_active").await == under_way).await;
    }
    another_caller(world.server.address, Call::checkout(16)).await.problem(503, "connections_max");
    world.get("/api/commandes").await.problem(503, "caller_percent");
    world.get("/").await.problem(503, "caller_percent");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    // Some silent connections do not keep supervisors out.
    let mut held = Vec::new();
    for _ in 0..40 {
        held.push(connect(world.server.address).await);
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(world.get(path).await.status, 200, "{path}");
    }
    drop(held);
    for order in orders {
        assert_eq!(order.await.unwrap().expect(200)["etat_final"], "CONFIRMEE");
    }
    until("there is room again", async || world.send(&Call::checkout(13)).await.status == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_end_is_cut_off_however_its_bytes_drip() {
    let world = World::with(Shop::open().await, &["--head-timeout-s", "1"]).await;
    let address = world.server.address;
    let silent = connect(address).await;
    let begun = connect_and_send(address, b"GET /livez HTTP/1.1\r\nhost: t").await;
    let mut second = connect_and_send(address, GET).await;
    let mut answer = vec![0; 1_000];
    assert!(second.read(&mut answer).await.unwrap() > 0);
    second.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let (mut read, mut write) = connect(address).await.into_split();
    let dripping = tokio::spawn(async move {
        let _ = write.write_all(b"GET /livez HTTP/1.1\r\nx: ").await;
        while write.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    for stream in [silent, begun, second] {
        assert_eq!(closed(stream).await, "");
    }
    let mut rest = Vec::new();
    assert!(timeout(PATIENCE, read.read_to_end(&mut rest)).await.is_ok());
    timeout(PATIENCE, dripping).await.unwrap().unwrap();
    assert_eq!(world.metric(&cut("head_timeout")).await, 4.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_and_one_that_waits_for_its_order_is_not() {
    let world = World::with(Shop::open().await, &["--idle-timeout-s", "1", "--head-timeout-s", "1"]).await;
    world.shop.fault("POST /api/clients/*/payer client=5 latency=4000");
    let long = tokio::spawn(crate::http::send(world.server.address, &Call::checkout(5)));
    let idle = closed(connect_and_send(world.server.address, GET).await).await;
    assert!(idle.starts_with("HTTP/1.1 200 OK\r\n") && idle.ends_with("\r\n\r\nok\n"), "{idle}");
    assert_eq!(world.metric(&cut("idle_timeout")).await, 1.0);
    assert_eq!(long.await.unwrap().expect(200)["etat_final"], "CONFIRMEE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_reads_its_answers_is_cut_off() {
    let world = World::with(Shop::open().await, &["--stall-timeout-s", "1"]).await;
    let memory = async || world.metric("process_resident_memory_bytes").await;
    let before = memory().await;
    let ask = b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: test\r\n\r\n".repeat(100);
    let mut held = Vec::new();
    for _ in 0..25 {
        held.push(connect_and_send(world.server.address, &ask).await);
    }
    until("all are cut off", async || world.metric(&cut("stall_timeout")).await == 25.0).await;
    let grown = memory().await - before;
    assert!(grown < 100e6, "{grown} bytes more");
    drop(held);
    // A client that reads slowly, but reads, gets the whole of it.
    let mut slow = connect_and_send(world.server.address, &ask[..ask.len() / 100]).await;
    let (mut got, mut piece) = (0, vec![0; 200_000]);
    while got < 1_000_000 {
        got += slow.read(&mut piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(world.metric(&cut("stall_timeout")).await, 25.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_gets_408_and_its_connection_is_closed() {
    let world = World::with(Shop::open().await, &["--request-timeout-s", "1"]).await;
    let head = "POST /api/commande/checkout HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n";
    for length in ["content-length: 1000\r\n\r\n", "transfer-encoding: chunked\r\n\r\n3e8\r\n"] {
        let stream = connect_and_send(world.server.address, format!("{head}{length}").as_bytes()).await;
        let (mut read, mut write) = stream.into_split();
        let dripping = tokio::spawn(async move {
            while write.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("it is not closed");
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"request_timeout\""), "{answer}");
        timeout(PATIENCE, dripping).await.unwrap().unwrap();
    }
}

/// Lowers or raises how many files a process may open while it runs.
fn allow_files(server: &Server, files: &str) {
    let process = server.id().to_string();
    let status = std::process::Command::new("prlimit")
        .args(["--pid", &process, &format!("--nofile={files}")])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_file_is_left_it_says_so_once_rests_and_goes_on_afterwards() {
    let world = World::open().await;
    world.order(4, "CONFIRMEE").await;
    allow_files(&world.server, "5:");
    let waiting: Vec<_> = (0..20)
        .map(|_| tokio::spawn(crate::http::send(world.server.address, &Call::get("/livez"))))
        .collect();
    world.server.says("connections cannot be accepted").await;
    let seconds = || -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", world.server.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
    };
    let before = seconds();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(seconds() - before < 0.5, "it spins: {} s of CPU in 2 s", seconds() - before);
    allow_files(&world.server, "1024:");
    for reply in waiting {
        assert_eq!(reply.await.unwrap().status, 200);
    }
    world.order(5, "CONFIRMEE").await;
    let warnings = world.server.said().matches("connections cannot be accepted").count();
    assert_eq!(warnings, 1, "{}", world.server.said());
    assert!(world.metric("http_accept_errors_total").await >= 2.0);
}
