//! A participant's `tls`: the paths of files, and a name. Whether the files can be used is for the process that loads the
//! definition to say.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;

use super::super::NamedTls;
use super::super::tls::{ClientIdentity, ParticipantTls};
use super::super::yaml::{Spanned, TlsIn};
use super::{Checker, address, line};

/// The longest path of a file, in bytes: Linux has no longer ones.
const TLS_PATH_BYTES_MAX: usize = 4096;

impl Checker<'_> {
    /// `base` is the participant's address, where it is known. `None`: a mistake has been reported.
    pub(super) fn tls(&mut self, given: &Spanned<TlsIn>, base: Option<&Uri>) -> Option<Arc<ParticipantTls>> {
        let told = self.mistakes.len();
        let at = line(given);
        let TlsIn { ca, cert, key, server_name } = &given.value;
        let ca = ca.as_ref().and_then(|ca| self.path(ca, "ca"));
        let cert_path = cert.as_ref().and_then(|cert| self.path(cert, "cert"));
        let key_path = key.as_ref().and_then(|key| self.path(key, "key"));
        let server_name = server_name.as_ref().and_then(|name| self.server_name(name));
        match (cert, key) {
            (Some(cert), None) => {
                self.mistake(line(cert), "`cert` needs its private key; write `key: FILE` beside it")
            }
            (None, Some(key)) => {
                self.mistake(line(key), "`key` needs its certificate; write `cert: FILE` beside it")
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if base.is_some_and(|base| base.scheme_str() != Some("https")) {
            self.mistake(at, "`tls` is for an https:// `url`, and this one is http://; write https:// there, or remove `tls`");
        }
        let identity = cert_path.zip(key_path).map(|(cert, key)| ClientIdentity { cert, key });
        let files = ParticipantTls { ca, identity, server_name };
        if self.mistakes.len() > told {
            return None;
        }
        if files == (ParticipantTls { ca: None, identity: None, server_name: None }) {
            self.mistake(
                at,
                "`tls` says nothing; write `ca`, `cert` with `key`, or `server_name` into it, or remove it",
            );
            return None;
        }
        let files = Arc::new(files);
        self.tls.push(NamedTls { line: at, files: files.clone() });
        Some(files)
    }

    /// The path of a file, with its variables replaced.
    fn path(&mut self, given: &Spanned<String>, key: &str) -> Option<Box<str>> {
        let write = format!("write the file's path, such as `{key}: /etc/orchestrateur/{key}.pem`");
        let why = if given.value.contains("-----BEGIN") {
            "is what stands in a file"
        } else if given.value.contains("${file:") {
            "would be the content of a file"
        } else {
            let filled = self.substitute(given)?;
            match filled.text.len() {
                0 if !filled.is_whole => return Some("not-set".into()),
                0 => "is empty",
                bytes if bytes > TLS_PATH_BYTES_MAX => {
                    "is longer than a path can be (TLS_PATH_BYTES_MAX, 4096 bytes)"
                }
                _ if filled.text.chars().any(char::is_control) => {
                    "has a line break, or another control character"
                }
                _ => return Some(filled.text.into()),
            }
        };
        self.mistake(line(given), format!("`{key}` {why}; {write}"));
        None
    }

    fn server_name(&mut self, given: &Spanned<String>) -> Option<Box<str>> {
        let filled = self.substitute(given)?;
        if filled.text.is_empty() && !filled.is_whole {
            return Some("not-set.invalid".into());
        }
        if filled.text.parse::<IpAddr>().is_err()
            && let Some(why) = address::wrong_host(&filled.text)
        {
            let message = format!(
                "`server_name`: {why}; write the name in the service's certificate, such as stock.internal"
            );
            self.mistake(line(given), message);
            return None;
        }
        Some(filled.text.into())
    }
}
