//! Authorities, the certificates that they make, and clients of TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::http::{Call, PATIENCE, Reply};

/// An authority of a test's own.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate, and its private key.
pub(crate) struct Issued {
    pub(crate) certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

/// The files of a certificate.
pub(crate) struct Files {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = params.self_signed(&key).unwrap();
        let (certificate, pem) = (own.der().clone(), own.pem());
        Self { issuer: Issuer::new(params, key), certificate, pem }
    }

    /// Makes a certificate for these names.
    pub(crate) fn issue(&self, names: &[SanType], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.subject_alt_names = names.to_vec();
        change(&mut params);
        let made = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate: made.der().clone(), pem: made.pem(), key }
    }

    /// A server on this machine.
    pub(crate) fn server(&self) -> Issued {
        self.issue(&here(), |_| {})
    }

    /// A client with this DNS name.
    pub(crate) fn client(&self, name: &str) -> Issued {
        self.issue(&[dns(name)], |_| {})
    }

    /// Its own certificate in a file, which makes others trust it.
    pub(crate) fn file(&self, folder: &Path) -> String {
        written(folder.join("authority.pem"), &self.pem)
    }
}

impl Issued {
    /// Writes, or overwrites, the files NAME.pem and NAME.key.
    pub(crate) fn files(&self, folder: &Path, name: &str) -> Files {
        let key = written(folder.join(format!("{name}.key")), &self.key.serialize_pem());
        Files { cert: self.cert_file(folder, name), key }
    }

    /// The certificate alone.
    pub(crate) fn cert_file(&self, folder: &Path, name: &str) -> String {
        written(folder.join(format!("{name}.pem")), &self.pem)
    }
}

impl Files {
    /// The flags of a server with this certificate.
    pub(crate) fn flags(&self) -> [&str; 4] {
        ["--tls-cert", &self.cert, "--tls-key", &self.key]
    }
}

fn written(path: PathBuf, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// The names of this machine.
pub(crate) fn here() -> [SanType; 2] {
    [dns("localhost"), SanType::IpAddress([127, 0, 0, 1].into())]
}

pub(crate) fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// Has a certificate end so long from now.
pub(crate) fn ending_in(time: Duration) -> impl FnOnce(&mut CertificateParams) {
    move |params| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + time;
    }
}

/// Has a certificate that has ended.
pub(crate) fn ended(params: &mut CertificateParams) {
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(2020, 1, 1), rcgen::date_time_ymd(2021, 1, 1));
}

/// A client of servers that an authority vouches for.
#[derive(Clone)]
pub(crate) struct Client(TlsConnector);

impl Client {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        Self::with(authority, None, rustls::DEFAULT_VERSIONS, b"http/1.1")
    }

    /// The same, which shows a certificate.
    pub(crate) fn showing(authority: &Authority, own: &Issued) -> Self {
        Self::with(authority, Some(own), rustls::DEFAULT_VERSIONS, b"http/1.1")
    }

    pub(crate) fn with(
        authority: &Authority,
        own: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
        protocol: &[u8],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
                config.with_client_auth_cert(vec![own.certificate.clone()], key).unwrap()
            }
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Self(TlsConnector::from(Arc::new(config)))
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        timeout(PATIENCE, self.0.connect(name, stream)).await.expect("the handshake ends")
    }

    /// Sends a call on a connection of its own. `None`: there is no answer.
    pub(crate) async fn try_send(&self, address: SocketAddr, call: &Call) -> Option<Reply> {
        let mut stream = self.connect(address).await.ok()?;
        let mut answer = Vec::new();
        let exchange = async {
            stream.write_all(&call.bytes()).await?;
            stream.read_to_end(&mut answer).await
        };
        let _ = timeout(PATIENCE, exchange).await.expect("it is answered or closed");
        Reply::parse(&answer)
    }

    pub(crate) async fn send(&self, address: SocketAddr, call: &Call) -> Reply {
        self.try_send(address, call).await.expect("an answer")
    }

    /// A connection that stays open.
    pub(crate) async fn keep(&self, address: SocketAddr) -> Kept {
        let stream = self.connect(address).await.unwrap();
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Kept { sender, shown }
    }
}

/// A connection of a client that stays open.
pub(crate) struct Kept {
    sender: SendRequest<Empty<Bytes>>,
    /// The server's certificate.
    pub(crate) shown: CertificateDer<'static>,
}

impl Kept {
    /// The status and the body of the answer. An error: the connection was closed.
    pub(crate) async fn get(&mut self, path: &str) -> hyper::Result<(u16, String)> {
        let request = hyper::Request::get(path).header("host", "test").body(Empty::new()).unwrap();
        let exchange = async {
            self.sender.ready().await?;
            let answer = self.sender.send_request(request).await?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await?.to_bytes();
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        };
        timeout(PATIENCE, exchange).await.expect("it is answered or closed")
    }
}
