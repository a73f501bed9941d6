//! TLS to the server, by the address's `sslmode`.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::OpenError;

/// How a connection is protected.
pub(super) enum Tls {
    /// Not at all.
    Off,
    /// As far as `sslmode` asks for it and the server offers it.
    Rustls(MakeRustlsConnect),
}

impl Tls {
    pub(super) fn new(mode: SslMode) -> Result<Self, OpenError> {
        if mode == SslMode::Disable {
            return Ok(Self::Off);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Setting(format!("cannot prepare TLS: {error}")))?;
        let config = if mode == SslMode::Prefer {
            let verifier = Arc::new(Opportunistic(provider.signature_verification_algorithms));
            config.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            config.with_root_certificates(system_roots()?)
        };
        Ok(Self::Rustls(MakeRustlsConnect::new(config.with_no_client_auth())))
    }
}

/// Whom the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn system_roots() -> Result<RootCertStore, OpenError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(OpenError::Setting(format!(
            "sslmode=require needs trusted certificates, but the system has none{why}: install ca-certificates, or \
             name a file of them in SSL_CERT_FILE"
        )));
    }
    Ok(roots)
}

/// Takes any certificate, as `sslmode=prefer` does everywhere: whoever can put a false one in the way can as well
/// say that the server offers no TLS. It only keeps listeners out.
#[derive(Debug)]
struct Opportunistic(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Opportunistic {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
