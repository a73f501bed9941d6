//! TLS: the certificate that the server shows, and the certificates that its clients show.
//!
//! - `pem.rs`: files with certificates and keys, read within limits.
//! - `certificate.rs`: the end of a certificate, and the names in it; `san.rs`: one such name.
//! - `serving.rs`: the configuration that new handshakes get; `renewal.rs`: the task that looks whether the files have changed.
//! - `peer.rs`: a client's certificate, and the authorities that vouch for it.
//!
//! It knows neither HTTP nor keys: `crate::http` does the handshakes, and `crate::api::access` decides what a name may do.

mod certificate;
mod peer;
pub(crate) mod pem;
mod renewal;
mod san;
mod serving;

pub use self::peer::PeerCertificate;
pub(crate) use self::renewal::Renewal;
pub(crate) use self::san::San;
pub(crate) use self::serving::{ServerTls, TlsFiles};
