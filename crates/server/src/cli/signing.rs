//! The flag that says which key signs calls to participants.

use std::path::PathBuf;

use clap::Args;

use super::access::credential;

/// The keys that sign calls.
#[derive(Debug, Args)]
pub(super) struct SigningFlags {
    /// The key that signs the calls to participants with `sign: true`: a file that `orchestrateur signing-keys new` makes, or any with
    /// a private key of Ed25519 in PEM. It is read again when it changes, and at SIGHUP. Without this flag, the systemd credential
    /// `signing-key`; without that, no call is signed.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_SIGNING_KEY")]
    signing_key: Option<PathBuf>,
}

impl SigningFlags {
    /// The file of keys. A variable that is set to nothing is not set.
    pub(super) fn file(self) -> Option<PathBuf> {
        let named = self.signing_key.filter(|file| !file.as_os_str().is_empty());
        named.or_else(|| credential("signing-key"))
    }
}
