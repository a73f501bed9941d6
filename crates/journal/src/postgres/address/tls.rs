//! The address's parameters about TLS, as one setting without contradictions.

use std::path::PathBuf;

use super::text::{Parameters, Wrong};

/// How much TLS, and whose certificates.
#[derive(Debug)]
pub(in crate::postgres) struct TlsWish {
    pub(in crate::postgres) mode: TlsMode,
    pub(in crate::postgres) roots: Roots,
    /// The certificate to show to the server, and its key.
    pub(in crate::postgres) identity: Option<(PathBuf, PathBuf)>,
    /// Certificates that were taken back.
    pub(in crate::postgres) crl: Option<PathBuf>,
    /// Whether the server is told which name is wanted.
    pub(in crate::postgres) sni: bool,
    pub(in crate::postgres) versions: Versions,
    /// Whether TLS begins with the first byte.
    pub(in crate::postgres) is_direct: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum TlsMode {
    Disable,
    /// Only if the server takes no connection without.
    Allow,
    /// If the server has it.
    Prefer,
    /// Checked: by [`Roots`], and its name if those are the system's.
    Require,
    /// An authority of `sslrootcert` vouches for the certificate, whatever name it has.
    VerifyCa,
    /// ... and it has the host's name.
    VerifyFull,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::postgres) enum Roots {
    System,
    File(PathBuf),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Versions {
    Both,
    Only12,
    Only13,
}

const MODES: &[(&str, TlsMode)] = &[
    ("disable", TlsMode::Disable),
    ("allow", TlsMode::Allow),
    ("prefer", TlsMode::Prefer),
    ("require", TlsMode::Require),
    ("verify-ca", TlsMode::VerifyCa),
    ("verify-full", TlsMode::VerifyFull),
];

impl TlsMode {
    /// Whether the server's certificate is looked at.
    pub(in crate::postgres) fn is_checked(self) -> bool {
        matches!(self, Self::Require | Self::VerifyCa | Self::VerifyFull)
    }
}

impl TlsWish {
    pub(super) fn parse(parameters: &mut Parameters) -> Result<Self, Wrong> {
        let root = parameters.remove("sslrootcert");
        let is_system = root.as_deref() == Some("system");
        let mode =
            match parameters.remove("sslmode") {
                None if is_system => TlsMode::VerifyFull,
                None => TlsMode::Prefer,
                Some(text) => MODES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode).ok_or(
                    "sslmode is `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`",
                )?,
            };
        if is_system && mode != TlsMode::VerifyFull {
            return Err(
                "sslrootcert=system is checked with the host's name: write sslmode=verify-full".to_owned()
            );
        }
        if root.is_none() && mode == TlsMode::VerifyCa {
            return Err("sslmode=verify-ca needs the certificate of the authority: write sslrootcert=FILE beside it, or \
                        sslmode=verify-full for the system's authorities and the host's name"
                .to_owned());
        }
        let crl = parameters.remove("sslcrl").map(PathBuf::from);
        if (root.is_some() || crl.is_some()) && !mode.is_checked() {
            return Err("sslrootcert and sslcrl need a mode that looks at the server's certificate: write \
                        sslmode=verify-full beside them"
                .to_owned());
        }
        let roots = root.filter(|_| !is_system).map_or(Roots::System, |file| Roots::File(file.into()));
        let is_direct = match parameters.remove("sslnegotiation").as_deref() {
            None | Some("postgres") => false,
            Some("direct") if mode.is_checked() => true,
            Some("direct") => {
                return Err("sslnegotiation=direct needs TLS: write sslmode=verify-full beside it".to_owned());
            }
            Some(_) => return Err("sslnegotiation is `postgres` or `direct`".to_owned()),
        };
        let sni = match parameters.remove("sslsni").as_deref() {
            None | Some("1") => true,
            Some("0") => false,
            Some(_) => return Err("sslsni is `0` or `1`".to_owned()),
        };
        let identity = identity(parameters, mode)?;
        Ok(Self { mode, roots, identity, crl, sni, versions: versions(parameters)?, is_direct })
    }
}

fn identity(parameters: &mut Parameters, mode: TlsMode) -> Result<Option<(PathBuf, PathBuf)>, Wrong> {
    let is_shown = match parameters.remove("sslcertmode").as_deref() {
        None | Some("allow") => true,
        Some("disable") => false,
        Some(_) => {
            return Err(
                "whether the server asks for a certificate is not looked at: write sslcertmode=allow"
                    .to_owned(),
            );
        }
    };
    match (parameters.remove("sslcert"), parameters.remove("sslkey")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) if mode == TlsMode::Disable => {
            Err("sslcert needs TLS: write sslmode=verify-full beside it".to_owned())
        }
        (Some(certificate), Some(key)) => Ok(is_shown.then(|| (certificate.into(), key.into()))),
        (Some(_), None) => Err("sslcert needs its key: write sslkey=FILE beside it".to_owned()),
        (None, Some(_)) => Err("sslkey needs its certificate: write sslcert=FILE beside it".to_owned()),
    }
}

fn versions(parameters: &mut Parameters) -> Result<Versions, Wrong> {
    let least = parameters.remove("ssl_min_protocol_version");
    let most = parameters.remove("ssl_max_protocol_version");
    let has_12 = match least.as_deref() {
        // The oldest version that is offered is 1.2 all the same.
        None | Some("TLSv1" | "TLSv1.1" | "TLSv1.2") => true,
        Some("TLSv1.3") => false,
        Some(_) => return Err("ssl_min_protocol_version is `TLSv1.2` or `TLSv1.3`".to_owned()),
    };
    let has_13 = match most.as_deref() {
        None | Some("TLSv1.3") => true,
        Some("TLSv1.2") => false,
        Some(_) => return Err("ssl_max_protocol_version is `TLSv1.2` or `TLSv1.3`".to_owned()),
    };
    match (has_12, has_13) {
        (true, true) => Ok(Versions::Both),
        (true, false) => Ok(Versions::Only12),
        (false, true) => Ok(Versions::Only13),
        (false, false) => Err("ssl_min_protocol_version is above ssl_max_protocol_version".to_owned()),
    }
}
