//! Files in PEM with certificates and private keys. An error names the flag, the file and what it should have, and never a key.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Bytes of a file with certificates or a key.
const PEM_BYTES_MAX: u64 = 1_048_576;
/// The bit of a file's mode by which everybody may read it.
const READ_BY_OTHERS: u32 = 0o004;

/// A file, and the flag that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PemFile {
    flag: &'static str,
    path: PathBuf,
}

/// The text of a file. It is overwritten when it is dropped: it may be a private key's.
pub(crate) struct PemText {
    file: PemFile,
    text: Zeroizing<Vec<u8>>,
    /// Whether every user of the machine may read the file.
    is_open_to_all: bool,
}

impl PemFile {
    /// The file that `flag` names.
    pub(crate) fn new(flag: &'static str, path: PathBuf) -> Self {
        Self { flag, path }
    }

    fn about(&self) -> String {
        format!("{} {}", self.flag, self.path.display())
    }

    /// The path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file.
    pub(crate) fn read(&self) -> anyhow::Result<PemText> {
        let read = || -> std::io::Result<_> {
            let file = File::open(&self.path)?;
            let meta = file.metadata()?;
            Ok((file, meta))
        };
        let (file, meta) = read().with_context(|| self.about())?;
        if !meta.is_file() {
            bail!("{}: it is not a regular file", self.about());
        }
        // The room is there beforehand: a text that grows would leave copies of a key behind.
        let room = usize::try_from(meta.len().min(PEM_BYTES_MAX)).unwrap_or_default() + 1;
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        file.take(PEM_BYTES_MAX + 1).read_to_end(&mut text).with_context(|| self.about())?;
        if text.len() as u64 > PEM_BYTES_MAX {
            bail!("{}: it has more than {PEM_BYTES_MAX} bytes (PEM_BYTES_MAX)", self.about());
        }
        Ok(PemText { file: self.clone(), text, is_open_to_all: meta.mode() & READ_BY_OTHERS != 0 })
    }
}

impl PemText {
    /// The bytes, to be compared.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// The flag and the file, as messages have them.
    pub(crate) fn about(&self) -> String {
        self.file.about()
    }

    /// A warning if every user of the machine may read the file.
    pub(crate) fn open_to_all(&self) -> Option<String> {
        self.is_open_to_all.then(|| {
            format!(
                "{}: every user of this machine may read the private key; allow its owner alone: chmod 600 {}",
                self.about(),
                self.file.path.display()
            )
        })
    }

    /// The certificates: the one that is shown first, then those of the authorities between it and the one that is trusted.
    pub(crate) fn chain(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let wants = "it wants the PEM file of a certificate, and after it those of the authorities in between \
                     (-----BEGIN CERTIFICATE-----)";
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<_, _>>()
            .map_err(|error| anyhow!("{}: it cannot be read: {}; {wants}", self.about(), told(&error)))?;
        if chain.is_empty() {
            bail!("{}: there is no certificate in it; {wants}", self.about());
        }
        Ok(chain)
    }

    /// The private key.
    pub(crate) fn key(&self) -> anyhow::Result<Zeroizing<PrivateKeyDer<'static>>> {
        match PrivateKeyDer::from_pem_slice(&self.text) {
            Ok(key) => Ok(Zeroizing::new(key)),
            Err(pem::Error::NoItemsFound) => bail!(
                "{}: there is no private key in it that can be used; it wants a PEM file that is not encrypted \
                 (-----BEGIN PRIVATE KEY-----)",
                self.about()
            ),
            Err(error) => bail!("{}: the private key cannot be read: {}", self.about(), told(&error)),
        }
    }

    /// The authorities' certificates, as the roots of trust.
    pub(crate) fn authorities(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        for certificate in self.chain()? {
            roots
                .add(certificate)
                .with_context(|| format!("{}: a certificate in it cannot be used", self.about()))?;
        }
        Ok(roots)
    }
}

/// The kind of a mistake in a PEM file. The library's own words may show parts of the file.
fn told(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "an -----END ...----- line is missing",
        pem::Error::IllegalSectionStart { .. } => "an -----BEGIN ...----- line is malformed",
        pem::Error::Base64Decode(_) => "what stands between its lines is no base64",
        _ => "it is no PEM file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_cannot_be_read_is_told_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let file = PemFile::new("--tls-key", path.clone());
        let body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc2VjcmV0";
        for (text, said) in [
            (String::new(), "there is no private key in it"),
            (body.to_owned(), "there is no private key in it"),
            (
                format!(
                    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n"
                ),
                "not encrypted",
            ),
            (format!("-----BEGIN PRIVATE KEY-----\n{body}\n"), "line is missing"),
            (format!("-----BEGIN PRIVATE KEY-----\n{body}*\n-----END PRIVATE KEY-----\n"), "no base64"),
        ] {
            std::fs::write(&path, &text).unwrap();
            let told = format!("{:#}", file.read().unwrap().key().unwrap_err());
            assert!(told.starts_with("--tls-key /") && told.contains(said), "{text}: {told}");
            assert!(!told.contains(&body[..8]), "{told}");
        }
        std::fs::write(&path, vec![b' '; PEM_BYTES_MAX as usize + 1]).unwrap();
        assert!(file.read().err().unwrap().to_string().contains("PEM_BYTES_MAX"));
        let folder = PemFile::new("--tls-key", folder.path().to_owned());
        assert!(folder.read().err().unwrap().to_string().contains("not a regular file"));
    }
}
