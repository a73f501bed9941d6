//! Which certificates are trusted, and the advice to operators about a certificate that is not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An error of the library.
    #[error("set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// An error of the file of `--participants-ca`, or of another flag that names authorities.
    #[error(
        "{flag} {file}: {reason}; it wants the PEM file of the authority's certificate, or several in one \
         file (-----BEGIN CERTIFICATE-----)", file = file.display()
    )]
    Authorities {
        /// The flag.
        flag: &'static str,
        /// Its path.
        file: PathBuf,
        /// The problem.
        reason: String,
    },
    /// An error of a file with our own certificate, or with its key.
    #[error("{flag} {file}: {reason}; it wants a PEM file", file = file.display())]
    Own {
        /// The flag, or the variable.
        flag: &'static str,
        /// Its path.
        file: PathBuf,
        /// The problem.
        reason: String,
    },
}

/// A file, and the flag or the variable that names it.
#[derive(Debug, Clone, Copy)]
pub struct NamedFile<'p> {
    /// The flag, or the variable.
    pub flag: &'static str,
    /// Its value.
    pub path: &'p Path,
}

impl NamedFile<'_> {
    /// What the PEM file has, by `find`.
    pub(super) fn read<T>(&self, find: impl Fn(&[u8]) -> Result<T, String>) -> Result<T, SetupError> {
        let pem = std::fs::read(self.path).map_err(|error| error.to_string());
        pem.and_then(|pem| find(&pem)).map_err(|reason| self.unfit(reason))
    }

    pub(super) fn unfit(&self, reason: String) -> SetupError {
        SetupError::Own { flag: self.flag, file: self.path.to_owned(), reason }
    }
}

/// The authorities that the machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` replace them).
pub fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(error = %error, "cannot read some of the trusted certificates");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// The machine's certificates, and the certificates in `authorities`, the file of this flag.
pub(super) fn roots(flag: &'static str, authorities: Option<&Path>) -> Result<RootCertStore, SetupError> {
    let mut roots = machine_roots();
    if let Some(file) = authorities {
        let pem = std::fs::read(file).map_err(|error| error.to_string());
        let added = pem.and_then(|pem| add(&mut roots, &pem));
        added.map_err(|reason| SetupError::Authorities { flag, file: file.to_owned(), reason })?;
    }
    Ok(roots)
}

/// A certificate with those between it and an authority, and its key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// Trusts `roots`, and shows a certificate if there is one. The error is about that certificate and its key.
pub(super) fn config(
    roots: impl Into<Arc<RootCertStore>>,
    identity: Option<Identity>,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => config.with_no_client_auth(),
        Some((certificates, key)) => config.with_client_auth_cert(certificates, key)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Adds all certificates of a PEM file.
pub(super) fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
    }
    Ok(())
}

/// All certificates of a PEM file: at least one.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("it cannot be read: {error}"))?;
    if found.is_empty() { Err("there is no certificate in it".to_owned()) } else { Ok(found) }
}

/// The first private key of a PEM file. The error has none of its content.
pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        "there is no private key in it that can be read (-----BEGIN PRIVATE KEY-----, without a password)"
            .to_owned()
    })
}

/// Whether an error on a new connection is the participant's word that it does not let us in, by its alert of TLS. With TLS 1.3
/// that word comes after our handshake, but before anything of the request is read: the participant waits for the end of the
/// handshake first.
pub(super) fn is_unwelcome(error: &io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        tls,
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
                | AlertDescription::NoCertificate
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied
                | AlertDescription::DecryptError
        ))
    )
}

/// The message for a failed handshake, with what to do.
pub(super) fn explained(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let advice = match tls {
        Some(rustls::Error::InvalidCertificate(certificate)) => of_certificate(certificate),
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "it does not speak TLS here; its URL says https"
        }
        Some(rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::BadCertificate,
        )) => {
            "it wants a client's certificate; name one with `tls: {cert, key}` at the participant (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, if it \
             is a collector)"
        }
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied,
        )) => "it does not take our certificate (`tls: {cert, key}`)",
        Some(rustls::Error::AlertReceived(_)) => "it refused the handshake",
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "it closed the connection during the handshake",
        _ => return format!("TLS: {error}"),
    };
    format!("TLS: {advice} ({error})")
}

fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        // A bad signature: another authority with the same name is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of an authority that is not trusted; name it with --participants-ca, or in the participant's `tls: {ca}` \
             (--oidc-ca, if it is an issuer)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate names other hosts; it needs this one as its subjectAltName"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's (CA:TRUE), as `openssl req -x509` makes them; make one with CA:FALSE \
             and a subjectAltName"
        }
        _ => "its certificate cannot be used",
    }
}
