//! The file of signing keys: PEM blocks, of which the first signs. The others are announced: participants know them before they
//! sign, and as long as calls that they signed may be on their way.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key::SigningKey;

/// Bytes of a file of signing keys.
const SIGNING_FILE_BYTES_MAX: usize = 16 * 1024;
/// Keys in such a file: the one that signs, the one before it and the one behind it are three.
const SIGNING_KEYS_MAX: usize = 8;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END PRIVATE KEY-----";
const LABEL: &str = "PRIVATE KEY-----";

/// A file of signing keys cannot be used. The text has nothing of a key.
#[derive(Debug, thiserror::Error)]
#[error("the signing keys {}: {reason}", file.display())]
pub struct KeyFileError {
    file: PathBuf,
    reason: String,
}

/// The keys of a file: at least one, none of them twice.
#[derive(Debug)]
pub struct SigningKeys {
    current: SigningKey,
    announced: Vec<SigningKey>,
}

impl SigningKeys {
    /// Keys of which the first signs.
    pub fn new(current: SigningKey, announced: Vec<SigningKey>) -> Self {
        Self { current, announced }
    }

    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, KeyFileError> {
        let told = |reason: String| KeyFileError { file: file.to_owned(), reason };
        let text = text_of(file).map_err(told)?;
        Self::parse(&text).map_err(told)
    }

    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut keys: Vec<SigningKey> = Vec::new();
        let mut rest = text;
        while let Some(begin) = rest.find(BEGIN) {
            let number = keys.len() + 1;
            let block = &rest[begin..];
            let label = block[BEGIN.len()..].lines().next().unwrap_or_default().trim_end();
            if label != LABEL {
                let label = label.trim_end_matches('-');
                return Err(format!("block {number} is `{}`; {}", label.escape_debug(), advice(label)));
            }
            let end =
                block.find(END).ok_or_else(|| format!("block {number} has no line `{END}`"))? + END.len();
            let key = SigningKey::from_pem(&block[..end]).map_err(|why| format!("block {number}: {why}"))?;
            if keys.iter().any(|known| known.id() == key.id()) {
                return Err(format!("the key {} is here twice; remove one of the blocks", key.id()));
            }
            if keys.len() == SIGNING_KEYS_MAX {
                return Err(format!(
                    "there are more than SIGNING_KEYS_MAX, {SIGNING_KEYS_MAX} keys; remove the old ones"
                ));
            }
            keys.push(key);
            rest = &block[end..];
        }
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or_else(|| {
            "there is no key in it (-----BEGIN PRIVATE KEY-----); `orchestrateur signing-keys new` makes a file with one".to_owned()
        })?;
        Ok(Self { current, announced: keys.collect() })
    }

    /// The key that signs.
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The others.
    pub fn announced(&self) -> &[SigningKey] {
        &self.announced
    }

    /// All of them, the one that signs first.
    pub fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.announced)
    }

    /// Adds a key that is announced.
    pub fn announce(&mut self, key: SigningKey) -> Result<(), String> {
        if self.announced.len() + 1 == SIGNING_KEYS_MAX {
            return Err(format!(
                "there are SIGNING_KEYS_MAX, {SIGNING_KEYS_MAX} keys already; remove an old one first"
            ));
        }
        self.announced.push(key);
        Ok(())
    }

    /// Has the announced key of this id sign; the one that signed so far is announced from now on.
    pub fn switch_to(&mut self, id: &str) -> Result<(), String> {
        let at = self.position(id)?;
        std::mem::swap(&mut self.current, &mut self.announced[at]);
        Ok(())
    }

    /// Removes an announced key.
    pub fn remove(&mut self, id: &str) -> Result<(), String> {
        let at = self.position(id)?;
        self.announced.remove(at);
        Ok(())
    }

    fn position(&self, id: &str) -> Result<usize, String> {
        if self.current.id() == id {
            return Err(format!(
                "the key {id} is the one that signs; have another one sign first (`signing-keys switch`)"
            ));
        }
        self.announced.iter().position(|key| key.id() == id).ok_or_else(|| {
            let known: Vec<_> = self.announced.iter().map(SigningKey::id).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            format!("there is no announced key `{}`; announced: {known}", id.escape_debug())
        })
    }

    /// The text of a file that has these keys.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, String> {
        let mut text = Zeroizing::new(String::with_capacity(SIGNING_FILE_BYTES_MAX));
        for key in self.iter() {
            text.push_str(&key.to_pem()?);
        }
        Ok(text)
    }
}

/// How to go on with a PEM block of another kind.
fn advice(label: &str) -> &'static str {
    match label {
        "ENCRYPTED PRIVATE KEY" => {
            "a key must not need a password: `openssl pkey -in FILE -out NEW` writes it without one"
        }
        "PUBLIC KEY" | "CERTIFICATE" => "the private key is needed to sign (-----BEGIN PRIVATE KEY-----)",
        _ => "a key of Ed25519 in PKCS #8 is needed (-----BEGIN PRIVATE KEY-----)",
    }
}

/// The text of a file, of no more bytes than there may be.
fn text_of(file: &Path) -> Result<Zeroizing<String>, String> {
    let told = |error: std::io::Error| error.to_string();
    // Asked before it is opened: opening a pipe waits for its other end.
    if !std::fs::metadata(file).map_err(told)?.is_file() {
        return Err("it is not a regular file".into());
    }
    // All room at once: a buffer that grows would leave copies.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SIGNING_FILE_BYTES_MAX + 2));
    let opened = File::open(file).map_err(told)?;
    opened.take(SIGNING_FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > SIGNING_FILE_BYTES_MAX {
        return Err(format!(
            "it is larger than the limit SIGNING_FILE_BYTES_MAX, {SIGNING_FILE_BYTES_MAX} bytes"
        ));
    }
    let text = str::from_utf8(&bytes).map_err(|_| "it is not a text in PEM".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests;
