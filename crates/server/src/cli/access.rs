//! The flags that say who may use the API.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::tls::credential;
use crate::api::access::Access;

/// The callers that a process lets in.
#[derive(Debug, Args)]
pub(super) struct AccessFlags {
    /// The callers' keys, which `orchestrateur keys add` makes: without one of them, or with a role that does not reach, a request is
    /// refused. SIGHUP reads the file again. Without this flag, the systemd credential `api-keys`; without that, everybody who
    /// reaches the port may do everything, and only this machine reaches it.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_API_KEYS_FILE")]
    api_keys_file: Option<PathBuf>,
    /// Listen on other addresses than this machine's own without keys: everybody who reaches the port may do everything.
    #[arg(long, env = "ORCHESTRATEUR_INSECURE_NO_AUTH")]
    insecure_no_auth: bool,
}

impl AccessFlags {
    /// The callers that are let in at this address.
    pub(super) fn access(self, listen: SocketAddr) -> anyhow::Result<Access> {
        let Self { api_keys_file, insecure_no_auth } = self;
        let named = api_keys_file.filter(|file| !file.as_os_str().is_empty());
        let access = Access::of(named.or_else(|| credential("api-keys")))?;
        match access.keys() {
            None => for_this_machine(listen, insecure_no_auth)?,
            Some(0) => tracing::warn!("the keys file has no key: every request that needs one is refused"),
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
             admin --file FILE`, and have `serve` read the file: --api-keys-file FILE (ORCHESTRATEUR_API_KEYS_FILE). To have \
             everybody who reaches the port do everything, say so: --insecure-no-auth (ORCHESTRATEUR_INSECURE_NO_AUTH=true)"
        ),
    }
}
