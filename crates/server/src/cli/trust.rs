//! Which servers a command believes that it calls by https, and the certificate that it shows them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, crypto};
use saga_engine::participants::machine_roots;
use tokio_rustls::TlsConnector;

use crate::tls::pem::PemFile;

/// The flags for servers that speak TLS.
#[derive(Debug, Args)]
pub(super) struct TrustFlags {
    /// A PEM file with certificates of authorities that an https server is trusted for, beside those that this machine trusts.
    #[arg(long, global = true, value_name = "FILE", env = "ORCHESTRATEUR_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// The certificate to show to an https server: a PEM file. It may take the place of a key.
    #[arg(long, global = true, value_name = "FILE", env = "ORCHESTRATEUR_CLIENT_CERT")]
    client_cert: Option<PathBuf>,
    /// The private key of that certificate: a PEM file that is not encrypted.
    #[arg(long, global = true, value_name = "FILE", env = "ORCHESTRATEUR_CLIENT_KEY")]
    client_key: Option<PathBuf>,
}

/// Makes connections to one server secure.
pub(super) struct Security {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl TrustFlags {
    /// The security of connections to a host.
    pub(super) fn security(&self, host: &str) -> anyhow::Result<Security> {
        let name = ServerName::try_from(host.to_owned())
            .with_context(|| format!("`{host}` is no name that a certificate can have"))?;
        Ok(Security { connector: TlsConnector::from(Arc::new(self.config()?)), name })
    }

    fn config(&self) -> anyhow::Result<ClientConfig> {
        let file = |flag: &'static str, path: &Option<PathBuf>| {
            path.clone().filter(|path| !path.as_os_str().is_empty()).map(|path| PemFile::new(flag, path))
        };
        let mut roots = machine_roots();
        if let Some(file) = file("--ca-file", &self.ca_file) {
            roots.roots.extend(file.read()?.authorities()?.roots);
        }
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("set up TLS")?
            .with_root_certificates(roots);
        let mut config =
            match (file("--client-cert", &self.client_cert), file("--client-key", &self.client_key)) {
                (None, None) => config.with_no_client_auth(),
                (Some(cert), Some(key)) => {
                    let (cert, key) = (cert.read()?, key.read()?);
                    config.with_client_auth_cert(cert.chain()?, key.key()?.clone_key()).with_context(
                        || format!("{}, {}: they cannot be used together", cert.about(), key.about()),
                    )?
                }
                (Some(_), None) => {
                    bail!("--client-cert is there without --client-key (ORCHESTRATEUR_CLIENT_KEY)")
                }
                (None, Some(_)) => {
                    bail!("--client-key is there without --client-cert (ORCHESTRATEUR_CLIENT_CERT)")
                }
            };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// TLS's reason in an error, if it is one of TLS.
pub(super) fn tls_reason<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An `io::Error` shows the cause of its cause.
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        next =
            inner.map_or_else(|| error.source(), |inner| Some(inner as &(dyn std::error::Error + 'static)));
    }
    None
}

/// The message for a connection that is not secure, with what to do. Nothing was asked on it.
pub(super) fn explained(error: &rustls::Error) -> String {
    let advice = match error {
        rustls::Error::InvalidCertificate(certificate) => of_certificate(certificate),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS; write http:// in the address instead of https://"
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError,
        ) => {
            "it refused the certificate of --client-cert: the certificate has ended, or is of an authority that its \
             --tls-client-ca does not have"
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "it wants a client's certificate: --client-cert and --client-key"
        }
        rustls::Error::AlertReceived(_) => "it refused the handshake",
        _ => "TLS failed",
    };
    format!("{advice} ({error})")
}

fn of_certificate(error: &CertificateError) -> &'static str {
    match error {
        // A bad signature: another authority with the same name is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is of an authority that is not trusted here; name the authority's certificate with --ca-file \
             (ORCHESTRATEUR_CA_FILE)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for other names; write one of them in the address, or have this one in its subjectAltName"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has ended",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; compare the clocks"
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's (CA:TRUE), as `openssl req -x509` makes them; it needs one with CA:FALSE and a \
             subjectAltName"
        }
        _ => "its certificate cannot be used",
    }
}
