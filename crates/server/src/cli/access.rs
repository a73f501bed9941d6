//! The flags that say who may use the API.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::oidc::OidcFlags;
use crate::api::access::Access;

/// The callers that a process lets in.
#[derive(Debug, Args)]
pub(super) struct AccessFlags {
    /// The callers' keys, which `orchestrateur keys add` makes: without one of them, or with a role that does not reach, a request is
    /// refused. SIGHUP reads the file again. Without this flag, the systemd credential `api-keys`; without that and --oidc-issuer,
    /// everybody who reaches the port may do everything, and only this machine reaches it.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_API_KEYS_FILE")]
    api_keys_file: Option<PathBuf>,
    /// Listen on other addresses than this machine's own without keys: everybody who reaches the port may do everything.
    #[arg(long, env = "ORCHESTRATEUR_INSECURE_NO_AUTH")]
    insecure_no_auth: bool,
    #[command(flatten)]
    oidc: OidcFlags,
}

impl AccessFlags {
    /// The callers that are let in at this address.
    pub(super) fn access(self, listen: SocketAddr) -> anyhow::Result<Access> {
        let Self { api_keys_file, insecure_no_auth, oidc } = self;
        let named = api_keys_file.filter(|file| !file.as_os_str().is_empty());
        let oidc = oidc.settings()?;
        let issuer = oidc.as_ref().map(|oidc| oidc.issuer.to_string());
        let access = Access::of(named.or_else(|| credential("api-keys")), oidc)?;
        if let Some(issuer) = issuer {
            tracing::info!(issuer, "requests need tokens of this issuer, or keys");
        }
        match access.keys() {
            None if access.is_open() => for_this_machine(listen, insecure_no_auth)?,
            None => {}
            Some(0) => tracing::warn!("the keys file has no key: a request that presents one is refused"),
            Some(keys) => tracing::info!(keys, "requests need keys"),
        }
        Ok(access)
    }
}

/// Whether an address may be served without keys: this machine's own, or another one that was asked for in spite of that.
pub(super) fn for_this_machine(listen: SocketAddr, is_insecure: bool) -> anyhow::Result<()> {
    match () {
        () if listen.ip().to_canonical().is_loopback() => Ok(()),
        () if is_insecure => {
            tracing::warn!(
                "there are no keys (--insecure-no-auth): everybody who reaches {listen} may start, see and cancel sagas"
            );
            Ok(())
        }
        () => bail!(
            "without keys, only this machine is served, and --listen is {listen}. Make a key with `orchestrateur keys add NAME --role \
             admin --file FILE`, and have `serve` read the file: --api-keys-file FILE (ORCHESTRATEUR_API_KEYS_FILE). Or take tokens of \
             an identity provider: --oidc-issuer URL (ORCHESTRATEUR_OIDC_ISSUER). To have everybody who reaches the port do everything, say so: \
             --insecure-no-auth (ORCHESTRATEUR_INSECURE_NO_AUTH=true)"
        ),
    }
}

/// A file that systemd passes (`LoadCredential=NAME:FILE`).
pub(super) fn credential(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")?;
    Some(PathBuf::from(folder).join(name)).filter(|file| file.is_file())
}
