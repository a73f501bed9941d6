//! Which certificates are trusted, and the advice to operators about a certificate that is not.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
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

/// Trusts the machine's certificates, and the certificates in `authorities`, the file of this flag.
pub(super) fn config(
    flag: &'static str,
    authorities: Option<&Path>,
) -> Result<Arc<ClientConfig>, SetupError> {
    let mut roots = machine_roots();
    if let Some(file) = authorities {
        add(&mut roots, file).map_err(|reason| SetupError::Authorities {
            flag,
            file: file.to_owned(),
            reason,
        })?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn add(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let pem = std::fs::read(file).map_err(|error| error.to_string())?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| format!("it cannot be read: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
    }
    if roots.len() == before { Err("there is no certificate in it".to_owned()) } else { Ok(()) }
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
        )) => "it wants a client's certificate, which is not supported",
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
            "its certificate is of an authority that is not trusted; name it with --participants-ca (--oidc-ca, if it is an issuer)"
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
