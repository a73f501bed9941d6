//! Handshakes: what is agreed on, who is sent away, and that a slow one holds up itself alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::authority::{Authority, Client, Files, ended};
use crate::harness::{Shop, World, database_in, orchestrateur_that_ends, until};
use crate::http::{Call, Close, PATIENCE, Reply, raw, raw_bytes};

/// A server with a certificate, and clients that trust it.
struct Secure {
    world: World,
    client: Client,
    authority: Authority,
    folder: TempDir,
}

impl Secure {
    async fn open(flags: &[&str]) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let files = authority.server().files(folder.path(), "server");
        let flags = [&files.flags()[..], flags].concat();
        let world = World::with(Shop::open().await, &flags).await;
        Self { world, client: Client::trusting(&authority), authority, folder }
    }

    async fn send(&self, call: &Call) -> Reply {
        self.client.send(self.world.server.address, call).await
    }

    async fn metric(&self, sample: &str) -> f64 {
        let text = self.send(&Call::get("/metrics")).await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {sample}")).parse().unwrap()
    }

    async fn failures(&self, why: &str) -> f64 {
        self.metric(&format!("tls_handshake_failures_total{{why=\"{why}\"}}")).await
    }
}

/// The ClientHello of a client that speaks TLS 1.1 at most, and names an address where a name belongs.
fn hello_of_tls_1_1() -> Vec<u8> {
    // signature_algorithms: rsa_pss_rsae_sha256, ecdsa_secp256r1_sha256.
    let algorithms = [0x00, 0x0d, 0x00, 0x06, 0x00, 0x04, 0x08, 0x04, 0x04, 0x03];
    let server_name = [0x00, 0x00, 0x00, 0x0e, 0x00, 0x0c, 0x00, 0x00, 0x09];
    let extensions = [&algorithms[..], &server_name, b"127.0.0.1"].concat();
    let mut body = vec![0x03, 0x02];
    body.extend([7; 32]);
    // No session; TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA; no compression.
    body.extend([0x00, 0x00, 0x02, 0xc0, 0x0a, 0x01, 0x00]);
    body.extend([0x00, extensions.len() as u8]);
    body.extend(extensions);
    let mut hello = vec![0x16, 0x03, 0x01, 0x00, body.len() as u8 + 4, 0x01, 0x00, 0x00, body.len() as u8];
    hello.extend(body);
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn the_private_key_is_in_nothing_that_a_run_says() {
    let secure = Secure::open(&["--log", "trace"]).await;
    let key = std::fs::read_to_string(secure.folder.path().join("server.key")).unwrap();
    let secret = key.lines().nth(1).unwrap().to_owned();
    assert!(secret.len() > 40, "a line of the key itself");
    let mut left = String::new();
    for path in ["/api/sagas", "/metrics", "/readyz", "/openapi.json"] {
        left.push_str(&secure.send(&Call::get(path)).await.text);
    }
    // A key that cannot be used is told without its text.
    std::fs::write(secure.folder.path().join("server.key"), key.replace("PRIVATE KEY", "PRIVATE KEYS"))
        .unwrap();
    secure.world.server.reload();
    secure.world.server.says("server.key").await;
    left.push_str(&secure.world.server.said());
    assert!(!left.contains(&secret), "the private key is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_1_2_and_1_3_are_spoken_with_http_1_1_and_nothing_older_or_newer() {
    let secure = Secure::open(&[]).await;
    let address = secure.world.server.address;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = Client::with(&secure.authority, None, &[version], b"http/1.1");
        let stream = client.connect(address).await.unwrap();
        let session = stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(version.version));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(client.send(address, &Call::get("/livez")).await.status, 200);
    }
    let other = Client::with(&secure.authority, None, rustls::DEFAULT_VERSIONS, b"h2");
    assert!(other.connect(address).await.is_err(), "HTTP/2 is not spoken");
    let told = raw_bytes(address, &hello_of_tls_1_1(), Close::Never).await;
    // An alert (0x15), which is fatal (2): protocol_version (70).
    assert_eq!((told[0], &told[5..]), (0x15, &[2, 70][..]), "{told:?}");
    assert_eq!(secure.failures("protocol").await, 2.0);
    let said = secure.world.server.says("\"WARN\"").await;
    assert_eq!(said.matches("\"WARN\"").count(), 1, "one line about failures, and none of a library: {said}");
    let order = secure.send(&Call::checkout(4)).await.expect(200);
    assert_eq!(order["etat_final"], "CONFIRMEE");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_told_to_come_back_with_tls_and_the_log_says_so_once() {
    let secure = Secure::open(&[]).await;
    let address = secure.world.server.address;
    let long = Call::checkout(4).header("x-long", "y".repeat(60_000));
    for call in [Call::get("/livez"), Call::checkout(4), long] {
        let told = raw(address, &call.bytes(), Close::Never).await.expect("an answer");
        told.problem(400, "tls_needed");
    }
    // Neither HTTP nor TLS: closed.
    assert_eq!(raw_bytes(address, &[0; 600], Close::Never).await.first(), Some(&0x15));
    assert_eq!(raw_bytes(address, b"", Close::AfterSending).await, b"", "a look whether the port is open");
    assert_eq!((secure.failures("plain_http").await, secure.failures("protocol").await), (3.0, 1.0));
    let said = secure.world.server.says("a handshake failed").await;
    assert_eq!(said.matches("a handshake failed").count(), 1, "{said}");
    assert_eq!(secure.metric("sagas_active").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handshake_is_cut_off_and_holds_up_nobody_else() {
    let secure = Secure::open(&["--head-timeout-s", "1", "--connections-max", "40"]).await;
    let address = secure.world.server.address;
    let cut = "http_connections_closed_total{reason=\"handshake_timeout\"}";
    let mut slow = Vec::new();
    for kind in 0..20 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if kind % 2 == 0 {
            stream.write_all(&hello_of_tls_1_1()[..30]).await.unwrap();
        }
        slow.push(stream);
    }
    // A byte now and then does not lengthen the time.
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let dripping = tokio::spawn(async move {
        let _ = write.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
        while write.write_all(&[0]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let begun = tokio::time::Instant::now();
    assert_eq!(secure.send(&Call::checkout(4)).await.expect(200)["etat_final"], "CONFIRMEE");
    let was_first = secure.metric(cut).await == 0.0;
    assert!(was_first || begun.elapsed() > Duration::from_secs(1), "it waited for the slow ones");
    let mut rest = Vec::new();
    timeout(PATIENCE, read.read_to_end(&mut rest)).await.expect("it is cut off").unwrap_or_default();
    timeout(PATIENCE, dripping).await.unwrap().unwrap();
    for mut stream in slow {
        timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is cut off").unwrap_or_default();
    }
    assert_eq!(rest, b"", "nothing was said to them");
    assert_eq!(secure.metric(cut).await, 21.0);
    // The time of a request's head begins after the handshake.
    let mut late = secure.client.connect(address).await.unwrap();
    timeout(PATIENCE, late.read_to_end(&mut rest)).await.expect("it is cut off").unwrap_or_default();
    assert_eq!(secure.metric("http_connections_closed_total{reason=\"head_timeout\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_do_not_end_take_no_place_from_orders() {
    let secure = Secure::open(&["--connections-max", "10"]).await;
    let mut held = Vec::new();
    for client in 4..12 {
        for _ in 0..10 {
            held.push(TcpStream::connect(secure.world.server.address).await.unwrap());
        }
        let placed = async || {
            let order = secure.client.try_send(secure.world.server.address, &Call::checkout(client)).await;
            order.is_some_and(|order| order.status == 200)
        };
        until("an order is placed", placed).await;
    }
    assert!(secure.metric("http_connections").await <= 26.0);
    assert!(secure.metric("http_connections_closed_total{reason=\"evicted\"}").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_at_once_while_handshakes_are_under_way_and_connections_are_open() {
    let mut secure = Secure::open(&[]).await;
    let address = secure.world.server.address;
    let begun = TcpStream::connect(address).await.unwrap();
    let mut kept = secure.client.keep(address).await;
    assert_eq!(kept.get("/livez").await.unwrap().0, 200);
    secure.world.shop.fault("POST /api/clients/*/payer latency=1000");
    let (client, call) = (secure.client.clone(), Call::checkout(4));
    let order = tokio::spawn(async move { client.send(address, &call).await });
    until("it is under way", async || secure.metric("sagas_active").await == 1.0).await;
    secure.world.server.terminate();
    assert_eq!(order.await.unwrap().expect(200)["etat_final"], "CONFIRMEE");
    let ended = async {
        while !secure.world.server.has_ended() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let since = tokio::time::Instant::now();
    timeout(PATIENCE, ended).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(4), "it waited for a handshake: {:?}", since.elapsed());
    drop(begun);
}

fn serve(data: &Path, flags: &[&str]) -> Command {
    let mut command = orchestrateur_that_ends();
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(flags).env("DATABASE_URL", database_in(data));
    command
}

#[test]
fn a_mistake_is_told_at_the_start_with_its_flag_and_what_to_do() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let path = folder.path();
    let Files { cert, key } = authority.server().files(path, "server");
    let other = authority.server().files(path, "other");
    let old = authority.issue(&[], ended).files(path, "old");
    let ca = authority.file(path);
    let empty = path.join("empty").display().to_string();
    std::fs::write(&empty, "").unwrap();
    let keys = path.join("keys").display().to_string();
    std::fs::write(&keys, "").unwrap();
    let data = tempfile::tempdir().unwrap();
    let folder = path.display().to_string();
    for (flags, words) in [
        (&["--tls-cert", &cert][..], &["--tls-cert is there without --tls-key", "ORCHESTRATEUR_TLS_KEY"][..]),
        (&["--tls-key", &key], &["--tls-key is there without --tls-cert", "ORCHESTRATEUR_TLS_CERT"]),
        (&["--tls-client-ca", &ca], &["--tls-client-ca is there without --tls-cert"]),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca],
            &["without a keys file", "orchestrateur keys add NAME --role ROLE --san", "--api-keys-file"],
        ),
        (&["--tls-cert", "/nowhere/c.pem", "--tls-key", &key], &["--tls-cert /nowhere/c.pem: No such file"]),
        (&["--tls-cert", &cert, "--tls-key", &folder], &["--tls-key", "it is not a regular file"]),
        (&["--tls-cert", &key, "--tls-key", &key], &["--tls-cert", "there is no certificate in it"]),
        (&["--tls-cert", &cert, "--tls-key", &cert], &["--tls-key", "there is no private key in it"]),
        (
            &["--tls-cert", &cert, "--tls-key", &other.key],
            &["--tls-key", "the key does not fit the certificate of --tls-cert"],
        ),
        (
            &["--tls-cert", &old.cert, "--tls-key", &old.key],
            &["--tls-cert", "the certificate ended at 2021-01-01", "renew it"],
        ),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--api-keys-file", &keys, "--tls-client-ca", &empty],
            &["--tls-client-ca", "there is no certificate in it"],
        ),
    ] {
        let refused = serve(data.path(), flags).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{flags:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{flags:?}: {word}: {said}");
        }
        assert!(!said.contains("MIG") && !said.contains("MII"), "no file is shown: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_passes_the_files_and_a_key_that_all_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let files = authority.server().files(folder.path(), "server");
    let credentials = folder.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let key = credentials.join("tls-key");
    std::fs::copy(files.cert, credentials.join("tls-cert")).unwrap();
    std::fs::copy(files.key, &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (shop, data) = (Shop::open().await, tempfile::tempdir().unwrap());
    let variable = ("CREDENTIALS_DIRECTORY", credentials.display().to_string());
    let server =
        crate::harness::Server::start_with(&[variable], &shop, data.path(), &["--log", "trace"]).await;
    let client = Client::trusting(&authority);
    assert_eq!(client.send(server.address, &Call::get("/livez")).await.status, 200);
    let warning = "every user of this machine may read the private key; allow its owner alone: chmod 600";
    assert!(server.said().contains(warning), "{}", server.said());
    let said = server.said();
    assert!(said.contains(&format!("listening on https://{}", server.address)));
    let secret = std::fs::read_to_string(key).unwrap();
    let mut secret = secret.lines().filter(|line| !line.contains("-----"));
    assert!(secret.all(|line| !said.contains(line)), "the log has the key");
}
