//! Whose certificate is believed, and what is said about one that is not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use saga_core::reply::Reply;
use saga_engine::participants::{Fetcher, HttpParticipants, NamedFile, Participants, Settings};
use saga_testkit::hostile::Hostile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{Caller, reason};

/// Takes TLS off with this certificate and key, and passes everything on to `target`.
async fn in_front_of(target: SocketAddr, certificate: &[u8], key: &[u8]) -> SocketAddr {
    guarded(target, certificate, key, None).await
}

/// The same for clients with a certificate of this authority alone, where one is given.
async fn guarded(target: SocketAddr, certificate: &[u8], key: &[u8], clients: Option<&[u8]>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let config = config.with_single_cert(certificates, PrivateKeyDer::from_pem_slice(key).unwrap()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut secure) = acceptor.accept(stream).await else { return };
                let Ok(mut plain) = TcpStream::connect(target).await else { return };
                let _ = copy_bidirectional(&mut secure, &mut plain).await;
            });
        }
    });
    address
}

/// Calls `localhost` there, which trusts the certificates in `authorities` too.
async fn call(address: SocketAddr, authorities: Option<&Path>) -> Reply {
    let settings = Settings { authorities: authorities.map(Path::to_owned), ..Settings::default() };
    let caller = Caller::with(&format!("https://localhost:{}", address.port()), "barrier", settings);
    caller.call().await
}

fn expect_well(reply: &Reply) {
    assert!(matches!(reply, Reply::Answered(answer) if answer.status == 200), "{reply:?}");
}

fn expect_not_sent(reply: &Reply, words: &str) {
    assert!(matches!(reply, Reply::NotSent { .. }), "{reply:?}");
    assert!(reason(reply).contains(words), "{reply:?}");
    assert!(reason(reply).len() < 300, "{reply:?}");
}

/// An authority's certificate, and a server's that it vouches for, as PEM, with the server's key.
fn vouched_for(hosts: &[&str], change: impl Fn(&mut CertificateParams)) -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let server_key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut server = CertificateParams::new(hosts).unwrap();
    change(&mut server);
    (pem, server.signed_by(&server_key, &issuer).unwrap().pem(), server_key.serialize_pem())
}

/// A server that is no participant, such as a collector of spans, may want to know who sends.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_sent_with_a_certificate_where_one_is_asked_for() {
    let hostile = Hostile::start();
    let folder = tempfile::tempdir().unwrap();
    let (authority, certificate, key) = vouched_for(&["localhost"], |_| {});
    let (of_clients, own, own_key) = vouched_for(&["client"], |_| {});
    let (_, _, other_key) = vouched_for(&["client"], |_| {});
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let authorities = file("authority.pem", &authority);
    let (own, own_key) = (file("own.pem", &own), file("own.key", &own_key));
    let (other_key, empty) = (file("other.key", &other_key), file("empty", ""));
    let clients = Some(of_clients.as_bytes());
    let address = guarded(hostile.address(), certificate.as_bytes(), key.as_bytes(), clients).await;
    let url = format!("https://localhost:{}/v1/traces", address.port()).parse().unwrap();
    let send = async |fetcher: Fetcher| {
        let within = Duration::from_secs(10);
        let sent = fetcher.send(&url, &HeaderMap::new(), Bytes::new(), 65_536, within).await;
        sent.map(|taken| taken.status).map_err(|error| error.to_string())
    };
    let showing = |certificate: &Path, key: &Path| {
        let [certificate, key] =
            [("CERT", certificate), ("KEY", key)].map(|(flag, path)| NamedFile { flag, path });
        Fetcher::showing(certificate, key, "CA", Some(&authorities))
    };
    assert_eq!(send(showing(&own, &own_key).unwrap()).await, Ok(200));
    let unknown = send(Fetcher::trusting("CA", Some(&authorities)).unwrap()).await.unwrap_err();
    assert!(unknown.contains("TLS: it wants a client's certificate"), "{unknown}");
    for (certificate, key, words) in [
        (&empty, &own_key, "CERT "),
        (&own, &empty, "KEY "),
        (&own, &other_key, "KEY "),
        (&own, &folder.path().join("no-such-file"), "KEY "),
    ] {
        let unfit = showing(certificate, key).unwrap_err().to_string();
        assert!(unfit.starts_with(words) && unfit.contains("PEM"), "{unfit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_once_it_is_named() {
    let hostile = Hostile::start();
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("authority.pem");
    let (authority, certificate, key) = vouched_for(&["localhost"], |_| {});
    std::fs::write(&named, authority).unwrap();
    let address = in_front_of(hostile.address(), certificate.as_bytes(), key.as_bytes()).await;
    expect_not_sent(&call(address, None).await, "not trusted; name it with --participants-ca");
    expect_well(&call(address, Some(&named)).await);
    // A URL without the name that the certificate is for.
    let settings = Settings { authorities: Some(named.clone()), ..Settings::default() };
    let caller = Caller::with(&format!("https://127.0.0.1:{}", address.port()), "barrier", settings);
    expect_not_sent(&caller.call().await, "it needs this one as its subjectAltName");
    assert_eq!(hostile.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_over_is_told_as_such() {
    let hostile = Hostile::start();
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("authority.pem");
    let (authority, certificate, key) =
        vouched_for(&["localhost"], |server| server.not_after = rcgen::date_time_ymd(2020, 1, 1));
    std::fs::write(&named, authority).unwrap();
    let address = in_front_of(hostile.address(), certificate.as_bytes(), key.as_bytes()).await;
    expect_not_sent(&call(address, Some(&named)).await, "its certificate has expired");
}

/// A certificate as `openssl req -x509` makes it, without and with the options in `docs/operations.md`.
#[tokio::test(flavor = "multi_thread")]
async fn openssls_self_signed_certificates_are_refused_with_words_or_trusted() {
    let hostile = Hostile::start();
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, options: &[&str]| {
        let (key, certificate) =
            (folder.path().join(format!("{name}.key")), folder.path().join(format!("{name}.pem")));
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "30"])
            .args(options)
            .args([Path::new("-keyout"), &key, Path::new("-out"), &certificate])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        (std::fs::read(&certificate).unwrap(), std::fs::read(key).unwrap(), certificate)
    };
    let (certificate, key, file) = make("default", &[]);
    let address = in_front_of(hostile.address(), &certificate, &key).await;
    for authorities in [None, Some(file.as_path())] {
        expect_not_sent(&call(address, authorities).await, "make one with CA:FALSE and a subjectAltName");
    }
    let (certificate, key, file) = make("unnamed", &["-addext", "basicConstraints=critical,CA:FALSE"]);
    let address = in_front_of(hostile.address(), &certificate, &key).await;
    expect_not_sent(&call(address, Some(&file)).await, "it needs this one as its subjectAltName");
    assert_eq!(hostile.requests(), 0);

    let right = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    let (certificate, key, file) = make("right", &right);
    let address = in_front_of(hostile.address(), &certificate, &key).await;
    expect_not_sent(&call(address, None).await, "name it with --participants-ca");
    expect_well(&call(address, Some(&file)).await);
}

/// A participant called by https that does not speak TLS is not called otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn https_never_falls_back() {
    let hostile = Hostile::start();
    expect_not_sent(&call(hostile.address(), None).await, "");
    assert_eq!(hostile.requests(), 0);
    hostile.play(saga_testkit::hostile::mode("banner_at_once"));
    expect_not_sent(&call(hostile.address(), None).await, "it does not speak TLS here; its URL says https");
}

/// TLS is a part of an attempt: the listener of the first address completes no handshake.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_tls_is_left_for_the_next_one() {
    let (deaf, hostile) = (Hostile::start(), Hostile::start());
    deaf.play(saga_testkit::hostile::mode("nothing_held"));
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("authority.pem");
    let (authority, certificate, key) = vouched_for(&["stock-service"], |_| {});
    std::fs::write(&named, authority).unwrap();
    let alive = in_front_of(hostile.address(), certificate.as_bytes(), key.as_bytes()).await;
    let addresses = vec![deaf.address(), alive];
    let settings = Settings {
        authorities: Some(named),
        resolver: Arc::new(move |_: &str, _| Ok(addresses.clone())),
        ..Settings::default()
    };
    let caller = Caller::with("https://stock-service", "barrier", settings);
    let begun = std::time::Instant::now();
    expect_well(&caller.call().await);
    assert!(begun.elapsed() < Duration::from_millis(550), "{:?}", begun.elapsed());
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authority.pem");
    let setup = || {
        let settings = Settings { authorities: Some(file.clone()), ..Settings::default() };
        HttpParticipants::with(settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let shown = format!("--participants-ca {}: ", file.display());
    for (content, words) in [
        (None, "No such file"),
        (Some(""), "there is no certificate in it"),
        (
            Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            "there is no certificate in it",
        ),
        (Some("-----BEGIN CERTIFICATE-----\n"), "it cannot be read"),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "a certificate in it cannot be used",
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let said = setup();
        assert!(said.starts_with(&shown) && said.contains(words), "{content:?}: {said}");
    }
}

/// Files of a participant's `tls`: `ca.pem`, `client.pem` and `client.key`.
struct TlsFolder(tempfile::TempDir);

impl TlsFolder {
    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    fn place(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn keys(&self) -> String {
        let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| self.place(name));
        format!("tls: {{ ca: '{ca}', cert: '{cert}', key: '{key}' }}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_that_wants_a_certificate_gets_ours_and_trusts_it() {
    let hostile = Hostile::start();
    let files = TlsFolder(tempfile::tempdir().unwrap());
    let (servers, certificate, key) = vouched_for(&["localhost"], |_| {});
    let (clients, ours, our_key) = vouched_for(&["orchestrateur"], |_| {});
    let (_, foreign, foreign_key) = vouched_for(&["orchestrateur"], |_| {});
    let behind = (certificate.as_bytes(), key.as_bytes());
    let address = guarded(hostile.address(), behind.0, behind.1, Some(clients.as_bytes())).await;
    let url = format!("https://localhost:{}", address.port());
    let caller = Caller::proving(&url, "barrier", &files.keys(), "");

    // Without its files a call waits, and says why; none is sent.
    let access = caller.participants.access(&caller.definition, 0).expect("it waits");
    expect_not_sent(&caller.call().await, "ca.pem` of `tls` cannot be used: No such file");
    let trouble = caller.participants.access_trouble(&caller.definition.participants[0]).expect("a trouble");
    assert!(trouble.holds_calls, "{trouble:?}");
    files.write("ca.pem", &servers);
    files.write("client.pem", &ours);
    files.write("client.key", &our_key);
    tokio::time::timeout(Duration::from_secs(20), access).await.expect("the files are there");
    expect_well(&caller.call().await);
    assert_eq!(caller.participants.access_trouble(&caller.definition.participants[0]), None);

    // No certificate, or a stranger's: not let in. The participant is the same, the connections are not.
    let requests = hostile.requests();
    let ca_alone = Caller {
        participants: caller.participants.clone(),
        ..Caller::proving(&url, "barrier", &format!("tls: {{ ca: '{}' }}", files.place("ca.pem")), "")
    };
    let reply = ca_alone.call().await;
    assert!(matches!(reply, Reply::NotSent { .. } | Reply::Lost { .. }), "{reply:?}");
    let stranger = TlsFolder(tempfile::tempdir().unwrap());
    stranger.write("ca.pem", &servers);
    stranger.write("client.pem", &foreign);
    stranger.write("client.key", &foreign_key);
    let reply = Caller::proving(&url, "barrier", &stranger.keys(), "").call().await;
    assert!(matches!(reply, Reply::NotSent { .. } | Reply::Lost { .. }), "{reply:?}");
    assert_eq!(hostile.requests(), requests);

    // A key of another certificate: what was there before is used, and the trouble is shown.
    files.write("client.key", &foreign_key);
    let mut told = None;
    let begun = std::time::Instant::now();
    while told.is_none() && begun.elapsed() < Duration::from_secs(20) {
        // A participant of safety `none` gets a new connection for each call.
        let careful = Caller {
            participants: caller.participants.clone(),
            ..Caller::proving(&url, "none", &files.keys(), "")
        };
        expect_well(&careful.call().await);
        told = caller.participants.access_trouble(&caller.definition.participants[0]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = told.expect("a trouble");
    assert!(!told.holds_calls && told.reason.contains("cannot be used together"), "{told:?}");
}

/// The machine's authorities do not count beside `ca`, and another name can be wanted.
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_a_participant_s_own_is_the_only_one_there() {
    let hostile = Hostile::start();
    let files = TlsFolder(tempfile::tempdir().unwrap());
    let (trusted, certificate, key) = vouched_for(&["stock.internal"], |_| {});
    let (other, ..) = vouched_for(&["stock.internal"], |_| {});
    files.write("trusted.pem", &trusted);
    files.write("other.pem", &other);
    let address = in_front_of(hostile.address(), certificate.as_bytes(), key.as_bytes()).await;
    let url = format!("https://127.0.0.1:{}", address.port());
    let call = async |ca: &str, more: &str| {
        let keys = format!("tls: {{ ca: '{}'{more} }}", files.place(ca));
        // The machine trusts the certificate, whatever the participant's own authority is.
        let settings =
            Settings { authorities: Some(files.place("trusted.pem").into()), ..Settings::default() };
        let participants = Arc::new(HttpParticipants::with(settings).unwrap());
        Caller { participants, ..Caller::proving(&url, "barrier", &keys, "") }.call().await
    };
    expect_not_sent(&call("trusted.pem", "").await, "it needs this one as its subjectAltName");
    expect_well(&call("trusted.pem", ", server_name: stock.internal").await);
    expect_not_sent(&call("trusted.pem", ", server_name: ventes.internal").await, "subjectAltName");
    expect_not_sent(&call("other.pem", ", server_name: stock.internal").await, "not trusted");
    assert_eq!(hostile.requests(), 1);
}
