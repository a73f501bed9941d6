//! Participants over HTTPS: a proxy in front of the stock speaks TLS, with a certificate of an authority of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use boutique::{Facon, Service};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::load::{Book, CallerResult, Wish};
use crate::server::Setup;
use crate::shop::Shop;
use crate::store::StoreEngine;

/// An authority, as the PEM file that makes a client trust it, and a TLS server that it vouches for as `localhost`.
fn authority() -> (String, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let server_key = KeyPair::generate().unwrap();
    let server =
        CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&server_key, &issuer).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.der().clone()], private)
        .unwrap();
    (pem, TlsAcceptor::from(Arc::new(config)))
}

/// Takes TLS off, and passes everything on to `target`.
async fn proxy(tls: TlsAcceptor, target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let tls = tls.clone();
            tokio::spawn(async move {
                let Ok(mut secure) = tls.accept(stream).await else { return };
                let Ok(mut plain) = TcpStream::connect(target).await else { return };
                let _ = copy_bidirectional(&mut secure, &mut plain).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_is_called_over_https_if_its_authority_is_trusted_and_not_otherwise() {
    let shop = Shop::open(Facon::Moderne).await;
    let (pem, tls) = authority();
    let stock = proxy(tls, shop.address(Service::Stock)).await;
    let mut setup = Setup::new(&shop, StoreEngine::Sqlite);
    setup.variable("STOCK_URL", format!("https://localhost:{}", stock.port()));
    let book = Book::default();

    // No trusted authority vouches for the proxy yet: the call is certainly not sent, and the order fails cleanly.
    let serve = setup.start().await;
    let CallerResult::Final { saga, etat, .. } = Wish::plain(1, 4).ask(serve.address, &book).await else {
        panic!("not over")
    };
    assert_eq!(etat, "ECHEC_STOCK");
    let order = serve.commande(&saga).await;
    assert_eq!(order["rollback"], "AUCUN");
    assert!(order["echec"]["raison"].as_str().unwrap().contains("certificate"), "{order}");
    serve.kill();

    let trusted = setup.folder().join("authority.pem");
    std::fs::write(&trusted, pem).unwrap();
    // Instead of what the machine trusts, or beside it: then the machine's is another one, and does not help.
    let other = setup.folder().join("other.pem");
    std::fs::write(&other, authority().0).unwrap();
    for (variable, orders) in [("SSL_CERT_FILE", 2..5), ("PARTICIPANTS_CA_FILE", 5..8)] {
        setup.variable("SSL_CERT_FILE", other.display().to_string());
        let serve = setup.variable(variable, trusted.display().to_string()).start().await;
        for order in orders {
            let CallerResult::Final { etat, .. } = Wish::plain(order, 4).ask(serve.address, &book).await
            else {
                panic!("not over")
            };
            assert_eq!(etat, "CONFIRMEE", "{variable}");
        }
        serve.kill();
    }
    assert_eq!(shop.ledger(Service::Stock).await.len(), 6);

    // A file that is not there is told at once, with what is wanted.
    setup.variable("PARTICIPANTS_CA_FILE", "no-such-file.pem".to_owned());
    let Err((status, log)) = setup.try_start().await else { panic!("it started") };
    assert!(!status.success() && log.contains("--participants-ca no-such-file.pem: No such file"), "{log}");
}
