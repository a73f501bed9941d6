//! Whom the orchestrator trusts at a participant, and the certificate that it shows there: paths of files, never their
//! content.

use std::fmt;

/// The files and the name of a participant's `tls`. Equal ones share connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParticipantTls {
    /// A PEM file with the certificates of authorities: the participant's certificate is from one of these, and the
    /// machine's own are not trusted there. `None`: those of the machine, and of `--participants-ca`.
    pub ca: Option<Box<str>>,
    /// The orchestrator's own certificate there, and its key.
    pub identity: Option<ClientIdentity>,
    /// The name that the participant's certificate has to have; `None`: the host of its URL.
    pub server_name: Option<Box<str>>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientIdentity {
    /// A PEM file with the certificate, and with those between it and an authority.
    pub cert: Box<str>,
    /// A PEM file with its private key.
    pub key: Box<str>,
}

/// As the definition writes it.
impl fmt::Display for ParticipantTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity.as_ref();
        let parts = [
            ("ca", &self.ca.as_ref()),
            ("cert", &identity.map(|identity| &identity.cert)),
            ("key", &identity.map(|identity| &identity.key)),
            ("server_name", &self.server_name.as_ref()),
        ];
        let mut is_first = true;
        for (key, value) in parts.into_iter().filter_map(|(key, value)| Some((key, (*value)?))) {
            let comma = if std::mem::take(&mut is_first) { "" } else { ", " };
            write!(f, "{comma}{key}: {value}")?;
        }
        Ok(())
    }
}
