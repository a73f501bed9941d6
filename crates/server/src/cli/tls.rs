//! The flags of TLS: the server's certificate, and whose clients' certificates are believed.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use saga_core::Timestamp;

use super::access::credential;
use crate::api::access::Access;
use crate::tls::pem::PemFile;
use crate::tls::{ServerTls, TlsFiles};

/// The server's TLS.
#[derive(Debug, Args)]
pub(super) struct TlsFlags {
    /// The certificate that is shown to clients, which then call by https alone: a PEM file, with the certificates of authorities in
    /// between after it. The file is read again when it has changed, and at SIGHUP. Without this flag, the systemd credential
    /// `tls-cert`.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key: a PEM file that is not encrypted. Without this flag, the systemd credential `tls-key`.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Asks clients for certificates, and believes those of the authorities in this PEM file: the keys file says who they are
    /// (`orchestrateur keys add NAME --san dns:...`). Without this flag, the systemd credential `tls-client-ca`.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_TLS_CLIENT_CA")]
    tls_client_ca: Option<PathBuf>,
}

impl TlsFlags {
    /// The server's TLS, if there is any.
    pub(super) fn tls(self, access: &Access, now: Timestamp) -> anyhow::Result<Option<Arc<ServerTls>>> {
        let file = |flag: &'static str, named: Option<PathBuf>| {
            let named = named.filter(|path| !path.as_os_str().is_empty());
            named.or_else(|| credential(flag.trim_start_matches('-'))).map(|path| PemFile::new(flag, path))
        };
        let client_ca = file("--tls-client-ca", self.tls_client_ca);
        let (cert, key) = match (file("--tls-cert", self.tls_cert), file("--tls-key", self.tls_key)) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) if client_ca.is_none() => return Ok(None),
            (None, None) => bail!(
                "--tls-client-ca is there without --tls-cert: clients show certificates to a server that has one. Add --tls-cert FILE \
                 and --tls-key FILE (ORCHESTRATEUR_TLS_CERT, ORCHESTRATEUR_TLS_KEY)"
            ),
            (Some(_), None) => bail!(
                "--tls-cert is there without --tls-key: add --tls-key FILE (ORCHESTRATEUR_TLS_KEY), the private key that the \
                 certificate was made with"
            ),
            (None, Some(_)) => bail!(
                "--tls-key is there without --tls-cert: add --tls-cert FILE (ORCHESTRATEUR_TLS_CERT), the certificate that was made \
                 with the key"
            ),
        };
        if client_ca.is_some() && access.keys().is_none() {
            bail!(
                "--tls-client-ca is there without a keys file, which says what the holder of a certificate may do. Make a line of it with \
                 `orchestrateur keys add NAME --role ROLE --san dns:HOST --file FILE`, and have `serve` read the file: \
                 --api-keys-file FILE (ORCHESTRATEUR_API_KEYS_FILE)"
            );
        }
        let (tls, warnings) = ServerTls::load(TlsFiles { cert, key, client_ca }, now)?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(Some(Arc::new(tls)))
    }
}
