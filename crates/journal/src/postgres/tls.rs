//! TLS to the server, as the address wishes it. Files are read once, at the start.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Roots, TlsMode, TlsWish, Versions, private};
use crate::OpenError;

/// The protocol that the server is told, where TLS begins with the first byte.
const ALPN: &[u8] = b"postgresql";

/// How a connection is protected; `None`: not at all.
pub(super) fn connector(wish: &TlsWish) -> Result<Option<MakeRustlsConnect>, OpenError> {
    if wish.mode == TlsMode::Disable {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match wish.versions {
        Versions::Both => &[&rustls::version::TLS12, &rustls::version::TLS13],
        Versions::Only12 => &[&rustls::version::TLS12],
        Versions::Only13 => &[&rustls::version::TLS13],
    };
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .map_err(|error| OpenError::Setting(format!("cannot prepare TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(verifier(wish, &provider)?);
    let mut config = match &wish.identity {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = certificates(certificate, "sslcert")?;
            let text = private(key, "sslkey").map_err(OpenError::Address)?;
            let key_der = PrivateKeyDer::from_pem_slice(text.as_bytes());
            let key_der = key_der.map_err(|error| unreadable(key, "sslkey", &error))?;
            config.with_client_auth_cert(chain, key_der).map_err(|error| {
                OpenError::Address(format!("sslcert and sslkey do not go together: {error}"))
            })?
        }
    };
    config.enable_sni = wish.sni;
    if wish.is_direct {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    Ok(Some(MakeRustlsConnect::new(config)))
}

fn verifier(
    wish: &TlsWish,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, OpenError> {
    if !wish.mode.is_checked() {
        return Ok(Arc::new(Opportunistic(provider.signature_verification_algorithms)));
    }
    let (roots, pinned) = match &wish.roots {
        Roots::System => (system_roots()?, Vec::new()),
        Roots::File(path) => {
            let pinned = certificates(path, "sslrootcert")?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(pinned.iter().cloned());
            (roots, pinned)
        }
    };
    let mut lists = Vec::new();
    if let Some(path) = &wish.crl {
        let found = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(path, "sslcrl", &error))?;
        lists.extend(found);
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .with_crls(lists)
        .build()
        .map_err(|error| OpenError::Address(format!("cannot use sslrootcert or sslcrl: {error}")))?;
    let with_name =
        wish.mode == TlsMode::VerifyFull || wish.mode == TlsMode::Require && wish.roots == Roots::System;
    Ok(Arc::new(AuthorityCheck { inner, pinned, with_name }))
}

fn certificates(path: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| unreadable(path, name, &error))?;
    if found.is_empty() {
        return Err(OpenError::Address(format!(
            "there is no certificate (PEM) in {name}={}",
            path.display()
        )));
    }
    Ok(found)
}

fn unreadable(path: &Path, name: &str, error: &dyn std::fmt::Display) -> OpenError {
    OpenError::Address(format!("cannot read {name}={}: {error}", path.display()))
}

/// Whom the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name others.
fn system_roots() -> Result<RootCertStore, OpenError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(OpenError::Setting(format!(
            "this sslmode needs trusted certificates, but the system has none{why}: install ca-certificates, or name \
             a file of them in sslrootcert"
        )));
    }
    Ok(roots)
}

/// The advice about a certificate that is not taken.
pub(super) fn advice(reason: &str) -> Option<&'static str> {
    [
        (
            "UnknownIssuer",
            "name the file of the authority that signed it, or of the certificate itself if it has signed itself, in \
             sslmode=verify-full&sslrootcert=FILE",
        ),
        ("BadSignature", "another authority of that name has signed it: name the right one's file in sslrootcert=FILE"),
        (
            "CaUsedAsEndEntity",
            "it has signed itself: name its own file in sslmode=verify-full&sslrootcert=FILE",
        ),
        (
            "not valid for name",
            "the host must be among the certificate's subjectAltName; without that, sslmode=verify-ca&sslrootcert=FILE \
             checks the rest",
        ),
        ("NotValidForName", "the host must be among the certificate's subjectAltName, or write sslmode=verify-ca"),
        ("Expired", "the server needs a new one"),
        ("does not support TLS", "switch `ssl` on there, or write sslmode=disable in a network without listeners"),
    ]
    .into_iter()
    .find_map(|(words, advice)| reason.contains(words).then_some(advice))
}

/// Takes a certificate that the authorities vouch for, and a certificate that is among them itself: OpenSSL makes by
/// default a certificate that has signed itself as an authority.
#[derive(Debug)]
struct AuthorityCheck {
    inner: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
    with_name: bool,
}

impl ServerCertVerifier for AuthorityCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;
        match self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            // The name is looked at last: all else is right.
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.with_name => Ok(ServerCertVerified::assertion()),
            // Its time is looked at before its kind, so that is right. The pinned certificate needs no other
            // certificate's signature.
            Err(InvalidCertificate(CertificateError::Other(other)))
                if format!("{other:?}").contains("CaUsedAsEndEntity") && self.pinned.contains(end_entity) =>
            {
                if self.with_name {
                    verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Takes any certificate, as `sslmode=prefer` does everywhere: an attacker who can put a false one in the way can as
/// well say that the server offers no TLS. It only keeps listeners out.
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
