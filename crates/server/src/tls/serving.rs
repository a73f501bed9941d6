//! The certificate and key that new handshakes get, and the authorities of clients' certificates.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig, crypto};
use saga_core::Timestamp;
use sha2::{Digest, Sha256};

use super::certificate::ReadCertificate;
use super::peer::{ClientAuthorities, PeerCertificate, Vouching};
use super::pem::{PemFile, PemText};

/// The files of a server.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PemFile,
    pub(crate) key: PemFile,
    /// The authorities of clients' certificates; `None`: none is asked for.
    pub(crate) client_ca: Option<PemFile>,
}

/// The texts of these files, read one after the other.
pub(super) struct TlsTexts {
    cert: PemText,
    key: PemText,
    client_ca: Option<PemText>,
}

/// The SHA-256 of all texts: whether files have changed is seen without keeping a key.
pub(super) type TextsDigest = [u8; 32];

impl TlsFiles {
    pub(super) fn read(&self) -> anyhow::Result<TlsTexts> {
        let client_ca = self.client_ca.as_ref().map(PemFile::read).transpose()?;
        Ok(TlsTexts { cert: self.cert.read()?, key: self.key.read()?, client_ca })
    }
}

impl TlsTexts {
    pub(super) fn digest(&self) -> TextsDigest {
        let texts = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        let mut hash = Sha256::new();
        for bytes in texts.into_iter().flatten().map(PemText::bytes) {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }

    /// What these texts say, if a server can serve with it now.
    fn understood(&self, now: Timestamp) -> anyhow::Result<Understood> {
        let chain = self.cert.chain()?;
        let own = ReadCertificate::read(&chain[0]).with_context(|| self.cert.about())?;
        if now > own.ends {
            bail!("{}: the certificate ended at {}; renew it", self.cert.about(), own.ends);
        }
        if !own.is_valid(now) {
            bail!("{}: the certificate begins at {}; compare the clocks", self.cert.about(), own.begins);
        }
        let key = crypto::ring::sign::any_supported_type(&*self.key.key()?)
            .with_context(|| format!("{}: the key cannot be used", self.key.about()))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => bail!(
                "{}: the key does not fit the certificate of {}; name the key that the certificate was made with",
                self.key.about(),
                self.cert.about()
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("{}: it cannot be used", self.cert.about()));
            }
        }
        let verifier = self.client_ca.as_ref().map(verifier).transpose()?;
        Ok(Understood { certified, verifier, ends: own.ends })
    }
}

/// What the files say.
struct Understood {
    certified: CertifiedKey,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    ends: Timestamp,
}

/// Asks each client for a certificate, and takes none, too: a key may say who it is instead.
fn verifier(client_ca: &PemText) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let roots = Arc::new(client_ca.authorities()?);
    let provider = Arc::new(crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(roots, provider)
        .allow_unauthenticated()
        .build()
        .with_context(|| client_ca.about())
}

/// The TLS of a server: what new handshakes get, and when its certificate ends.
pub(crate) struct ServerTls {
    pub(super) files: TlsFiles,
    authorities: Option<Arc<ClientAuthorities>>,
    current: RwLock<Arc<Handshakes>>,
}

/// The meaning of the files when they were last read.
pub(crate) struct Handshakes {
    config: Arc<ServerConfig>,
    client: Option<(Arc<ClientAuthorities>, Arc<Vouching>)>,
    pub(super) digest: TextsDigest,
    pub(super) ends: Timestamp,
}

impl ServerTls {
    /// Reads the files; with warnings for the log. The error names the flag, and what to do.
    pub(crate) fn load(files: TlsFiles, now: Timestamp) -> anyhow::Result<(Self, Vec<String>)> {
        let texts = files.read()?;
        let Understood { certified, verifier, ends } = texts.understood(now)?;
        let authorities = verifier.map(|verifier| Arc::new(ClientAuthorities::new(verifier)));
        let handshakes = Handshakes::new(certified, authorities.as_ref(), texts.digest(), ends)?;
        let warnings = texts.key.open_to_all().into_iter().collect();
        Ok((Self { files, authorities, current: RwLock::new(Arc::new(handshakes)) }, warnings))
    }

    /// Gives new handshakes what these texts say. After an error they get what they got before.
    pub(super) fn replace(&self, texts: &TlsTexts, now: Timestamp) -> anyhow::Result<Vec<String>> {
        let Understood { certified, verifier, ends } = texts.understood(now)?;
        if let (Some(authorities), Some(verifier)) = (&self.authorities, verifier) {
            authorities.replace(verifier);
        }
        let handshakes = Handshakes::new(certified, self.authorities.as_ref(), texts.digest(), ends)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(handshakes);
        Ok(texts.key.open_to_all().into_iter().collect())
    }

    /// What a handshake gets that begins now.
    pub(crate) fn handshakes(&self) -> Arc<Handshakes> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long the certificate is valid from `now` on; zero: it has ended.
    pub(super) fn left(&self, now: Timestamp) -> Duration {
        self.handshakes().ends.since(now)
    }
}

impl Handshakes {
    fn new(
        certified: CertifiedKey,
        authorities: Option<&Arc<ClientAuthorities>>,
        digest: TextsDigest,
        ends: Timestamp,
    ) -> anyhow::Result<Self> {
        let client = authorities.map(|authorities| (authorities.clone(), authorities.now()));
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("set up TLS")?;
        let config = match &client {
            Some((_, vouching)) => config.with_client_cert_verifier(vouching.verifier()),
            None => config.with_no_client_auth(),
        };
        // Sessions are resumed with this configuration alone: a new one has verified no client yet.
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), client, digest, ends })
    }

    /// The configuration of TLS.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// The client of a handshake that was made with this configuration; `None`: it showed no certificate.
    pub(crate) fn peer(
        &self,
        chain: Option<&[CertificateDer<'_>]>,
    ) -> anyhow::Result<Option<PeerCertificate>> {
        match (&self.client, chain) {
            (Some((authorities, vouching)), Some(chain)) => {
                PeerCertificate::verified(chain, authorities, vouching)
            }
            _ => Ok(None),
        }
    }
}
