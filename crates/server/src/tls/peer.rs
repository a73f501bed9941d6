//! A client's certificate, as it was verified in the handshake, and the authorities that vouch for it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use saga_core::Timestamp;

use super::certificate::ReadCertificate;
use super::san::San;

/// The authorities of `--tls-client-ca`, as the file last had them.
pub(super) struct ClientAuthorities(RwLock<Arc<Vouching>>);

/// One reading of that file.
#[derive(Debug)]
pub(super) struct Vouching {
    /// Grows with each reading.
    generation: u64,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Vouching {
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }
}

impl ClientAuthorities {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self(RwLock::new(Arc::new(Vouching { generation: 0, verifier })))
    }

    pub(super) fn now(&self) -> Arc<Vouching> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has others vouch from now on.
    pub(super) fn replace(&self, verifier: Arc<dyn ClientCertVerifier>) {
        let generation = self.now().generation + 1;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Vouching { generation, verifier });
    }
}

/// The certificate of a client, which proved in the handshake that it has the key. Every request of its connection has it among its
/// extensions.
///
/// Its names hold for one request: a connection may outlive its certificate, or the authority that vouched for it.
pub struct PeerCertificate {
    /// As the client sent it, its own certificate first.
    chain: Vec<CertificateDer<'static>>,
    read: ReadCertificate,
    authorities: Arc<ClientAuthorities>,
    /// Whether the authorities of this generation vouch for it.
    vouched: Mutex<(u64, bool)>,
}

impl PeerCertificate {
    /// A certificate that `vouching` has verified. An error: it cannot be read.
    pub(super) fn verified(
        chain: &[CertificateDer<'_>],
        authorities: &Arc<ClientAuthorities>,
        vouching: &Vouching,
    ) -> anyhow::Result<Option<Self>> {
        let Some(own) = chain.first() else { return Ok(None) };
        Ok(Some(Self {
            read: ReadCertificate::read(own)?,
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            authorities: authorities.clone(),
            vouched: Mutex::new((vouching.generation, true)),
        }))
    }

    /// The names that the caller has now: none if the certificate has ended, or if the authorities of today do not vouch for it.
    pub(crate) fn names(&self, now: Timestamp) -> &[San] {
        if self.read.is_valid(now) && self.is_vouched_for(now) { &self.read.sans } else { &[] }
    }

    fn is_vouched_for(&self, now: Timestamp) -> bool {
        let vouching = self.authorities.now();
        let mut vouched = self.vouched.lock().unwrap_or_else(PoisonError::into_inner);
        if vouched.0 != vouching.generation {
            let since = Duration::from_micros(u64::try_from(now.as_micros()).unwrap_or_default());
            let (own, between) = self.chain.split_at(1);
            let verified =
                vouching.verifier.verify_client_cert(&own[0], between, UnixTime::since_unix_epoch(since));
            *vouched = (vouching.generation, verified.is_ok());
        }
        vouched.1
    }
}

impl fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate for {:?}", self.read.sans)
    }
}
