//! Files of TLS that change while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::authority::{Authority, Client, Issued, dns, ending_in, here};
use crate::harness::{Shop, World, until};
use crate::http::Call;

/// A server whose certificate changes.
struct Renewed {
    world: World,
    authority: Authority,
    client: Client,
    folder: TempDir,
}

impl Renewed {
    async fn open(first: impl FnOnce(&Authority) -> Issued) -> (Self, Issued) {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        let first = first(&authority);
        let files = first.files(folder.path(), "server");
        let world = World::with(Shop::open().await, &files.flags()).await;
        (Self { world, client: Client::trusting(&authority), authority, folder }, first)
    }

    /// The certificate that a new handshake is shown.
    async fn shown(&self) -> Vec<u8> {
        self.client.keep(self.world.server.address).await.shown.to_vec()
    }

    async fn shows(&self, issued: &Issued) {
        let wanted = issued.certificate.to_vec();
        until("new handshakes see the certificate", async || self.shown().await == wanted).await;
    }

    async fn metric(&self, sample: &str) -> f64 {
        let text = self.client.send(self.world.server.address, &Call::get("/metrics")).await.text;
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {sample}")).parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_under_traffic_and_no_connection_is_dropped() {
    let (renewed, first) = Renewed::open(Authority::server).await;
    let address = renewed.world.server.address;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut traffic = Vec::new();
    for _ in 0..8 {
        let mut kept = renewed.client.keep(address).await;
        assert_eq!(kept.shown, first.certificate);
        let (stop, answered) = (stop.clone(), answered.clone());
        traffic.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let (status, _) = kept.get("/api/sagas").await.expect("the connection stays");
                assert_eq!(status, 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let mut handshakes = 0;
    for renewal in 0..3 {
        let next = renewed.authority.server();
        next.files(renewed.folder.path(), "server");
        if renewal == 1 {
            renewed.world.server.reload();
        }
        // No handshake fails while the files are changed.
        renewed.shows(&next).await;
        handshakes += 1;
    }
    let before = answered.load(Ordering::Relaxed);
    until("traffic goes on", async || answered.load(Ordering::Relaxed) > before + 100).await;
    stop.store(true, Ordering::Relaxed);
    for task in traffic {
        task.await.unwrap();
    }
    assert!(renewed.metric("tls_reloads_total{result=\"loaded\"}").await >= f64::from(handshakes));
    assert_eq!(renewed.metric("tls_reloads_total{result=\"refused\"}").await, 0.0);
    assert_eq!(renewed.metric("tls_handshake_failures_total{why=\"broken_off\"}").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_does_not_fit_is_tried_again_and_the_one_before_stays_meanwhile() {
    let (renewed, first) = Renewed::open(Authority::server).await;
    let next = renewed.authority.server();
    let told = "the certificate, the key or the authorities of TLS are not read again";
    next.cert_file(renewed.folder.path(), "server");
    renewed.world.server.says(told).await;
    renewed.world.server.says("the key does not fit the certificate").await;
    assert_eq!(renewed.shown().await, first.certificate.to_vec());
    // SIGHUP is answered, and says the same.
    renewed.world.server.reload();
    until("it is told again", async || renewed.world.server.said().matches(told).count() == 2).await;
    next.files(renewed.folder.path(), "server");
    renewed.shows(&next).await;
    assert_eq!(renewed.world.server.said().matches(told).count(), 2, "{}", renewed.world.server.said());
    assert_eq!(renewed.metric("tls_reloads_total{result=\"loaded\"}").await, 1.0);
    assert_eq!(renewed.metric("tls_reloads_total{result=\"refused\"}").await, 2.0);
    std::fs::remove_file(renewed.folder.path().join("server.pem")).unwrap();
    renewed.world.server.reload();
    renewed.world.server.says("server.pem: No such file").await;
    assert_eq!(renewed.shown().await, next.certificate.to_vec());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_soon_is_told_and_its_end_is_a_metric() {
    let day = Duration::from_secs(24 * 60 * 60);
    let of = |days: u32| move |authority: &Authority| authority.issue(&here(), ending_in(day * days));
    let (renewed, _) = Renewed::open(of(13)).await;
    let ends = async || renewed.metric("tls_certificate_expires_timestamp_seconds").await;
    let told = "renew the file, and it is used at once";
    renewed.world.server.says(told).await;
    assert!(renewed.world.server.said().contains("ends in 12 days"), "{}", renewed.world.server.said());
    let soon = ends().await;
    let next = of(15)(&renewed.authority);
    next.files(renewed.folder.path(), "server");
    renewed.shows(&next).await;
    until("the metric follows", async || ends().await > soon + 86_400.0).await;
    assert_eq!(renewed.world.server.said().matches(told).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_authorities_of_clients_are_read_again_for_open_connections_too() {
    let (authority, others, folder) = (Authority::new(), Authority::new(), tempfile::tempdir().unwrap());
    let files = authority.server().files(folder.path(), "server");
    let client_ca = authority.file(folder.path());
    let keys = folder.path().join("keys").display().to_string();
    std::fs::write(&keys, r#"{"name":"eyes","role":"read","san":"dns:eyes.internal"}"#).unwrap();
    let flags = [&files.flags()[..], &["--tls-client-ca", &client_ca, "--api-keys-file", &keys]].concat();
    let world = World::with(Shop::open().await, &flags).await;
    let address = world.server.address;
    let (old, new) = (authority.issue(&[dns("eyes.internal")], |_| {}), others.client("eyes.internal"));
    let (old, new) = (Client::showing(&authority, &old), Client::showing(&authority, &new));
    let mut kept = old.keep(address).await;
    assert_eq!(kept.get("/api/sagas").await.unwrap().0, 200);
    assert_eq!(new.try_send(address, &Call::get("/api/sagas")).await, None, "nobody vouches for it");
    others.file(folder.path());
    let is_known = async || {
        let answer = new.try_send(address, &Call::get("/api/sagas")).await;
        answer.is_some_and(|answer| answer.status == 200)
    };
    until("the other authority vouches", is_known).await;
    assert_eq!(kept.get("/api/sagas").await.unwrap().0, 401);
    assert_eq!(old.try_send(address, &Call::get("/api/sagas")).await, None);
}
