//! The keys file: one key a line, as JSON, without the key itself.
//!
//! ```text
//! # made by `orchestrateur keys add`; a line that begins with # says nothing
//! {"name":"shop","role":"start","sha256":"9f86d0…","sagas":["checkout"],"expires":"2027-01-01T00:00:00Z"}
//! {"name":"bank","role":"signal","sha256":"0263ff…","signals":["paid"]}
//! {"name":"till","role":"start","san":"dns:till.internal"}
//! ```
//!
//! The last line is about the holders of certificates that have this name (`--tls-client-ca`), who present no key.
//!
//! A name may have several keys, so that a new one can be given out before the old one goes. A key is 256 random bits: a hash
//! of it cannot be turned back, and needs no salt.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use saga_core::Timestamp;
use saga_journal::KeyDigest;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::rate::{Bucket, RateLeft};
use super::role::Role;
use crate::tls::San;

/// Bytes of a keys file.
const KEYS_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Keys in a file.
const KEYS_MAX: usize = 1_000;
/// Characters of a caller's name: it stands in each event that the caller brings about.
const CALLER_NAME_CHARS_MAX: usize = 64;
/// Before the random part of each key, so that programs that look for lost secrets find it.
const PREFIX: &str = "ork_";
/// Bytes of a key's random part.
const SECRET_BYTES: usize = 32;

/// A line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyLine {
    /// Its holder.
    pub(crate) name: String,
    pub(crate) role: String,
    /// SHA-256 of the key, in hex; either this or `san`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// A name that the caller's certificate has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) san: Option<String>,
    /// When it ends, as RFC 3339 has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
    /// The sagas that it may start; all, if this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sagas: Option<Vec<String>>,
    /// The signals that it may send; all, if this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signals: Option<Vec<String>>,
    /// Requests that it may make in a second; as many as the server takes, if this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requests_per_second: Option<u32>,
    /// The percentage of all slots for sagas under way that its name may hold with it; its share among others, if this is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slots_percent: Option<u8>,
}

impl KeyLine {
    /// A name's line without limits; [`make`] gives it a key, [`make_for_certificate`] a certificate's name.
    pub(crate) fn of(name: &str, role: &str) -> Self {
        Self {
            name: name.into(),
            role: role.into(),
            sha256: None,
            san: None,
            expires: None,
            sagas: None,
            signals: None,
            requests_per_second: None,
            slots_percent: None,
        }
    }
}

/// A key that is known by its hash, or a certificate that is known by a name.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    expires: Option<Timestamp>,
    sagas: Option<Vec<String>>,
    signals: Option<Vec<String>>,
    bucket: Option<Bucket>,
    pub(super) slots_percent: Option<u8>,
}

impl KnownKey {
    /// Takes a request out of those that the key may make; `Err`: it may make none now.
    pub(super) fn take(&self, now: Timestamp) -> Result<Option<RateLeft>, RateLeft> {
        self.bucket.as_ref().map(|bucket| bucket.take(now)).transpose()
    }

    fn is_valid(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    pub(super) fn may_start(&self, saga: &str) -> bool {
        self.sagas.as_ref().is_none_or(|sagas| sagas.iter().any(|known| known == saga))
    }

    pub(super) fn may_signal(&self, signal: &str) -> bool {
        self.signals.as_ref().is_none_or(|signals| signals.iter().any(|known| known == signal))
    }
}

/// The SHA-256 of a key.
type KeyHash = [u8; 32];

/// The digest that a session of the console keeps of its key: neither the key nor its hash in the file can be found by it.
fn digest_of(hash: &KeyHash) -> KeyDigest {
    KeyDigest(
        Sha256::new().chain_update(b"a key of a console session: ").chain_update(hash).finalize().into(),
    )
}

/// What a caller is known by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum KnownBy {
    Key(KeyHash),
    Certificate(San),
}

/// All lines of a file.
#[derive(Default)]
pub(super) struct KeyRing {
    keys: HashMap<KeyHash, Arc<KnownKey>>,
    /// The same keys, as sessions know them.
    digests: HashMap<KeyDigest, Arc<KnownKey>>,
    certificates: HashMap<San, Arc<KnownKey>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.len())
    }
}

impl KeyRing {
    /// Reads a file. The error names the line, and never a key.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = text_of(path)?;
        let mut ring = Self::default();
        for (number, line) in lines(&text) {
            let place = || format!("{}:{number}", path.display());
            let (known_by, key) = known(line).with_context(place)?;
            let key = Arc::new(key);
            let before = match known_by {
                KnownBy::Key(hash) => {
                    ring.digests.insert(digest_of(&hash), key.clone());
                    ring.keys.insert(hash, key)
                }
                KnownBy::Certificate(san) => ring.certificates.insert(san, key),
            };
            if before.is_some() {
                bail!("{}: the same key or `san` stands here twice; remove one of the lines", place());
            }
        }
        if ring.len() > KEYS_MAX {
            bail!("{}: there are {} keys; the limit KEYS_MAX is {KEYS_MAX}", path.display(), ring.len());
        }
        Ok(ring)
    }

    /// How many there are, with the names of certificates.
    pub(super) fn len(&self) -> usize {
        self.keys.len() + self.certificates.len()
    }

    /// The caller whose certificate has these names: the first one that is known and has not ended.
    pub(super) fn of_certificate(&self, sans: &[San], now: Timestamp) -> Option<&Arc<KnownKey>> {
        sans.iter().filter_map(|san| self.certificates.get(san)).find(|known| known.is_valid(now))
    }

    /// The key that a session stands for, if it is still there under the same name and has not ended.
    pub(super) fn of_session(&self, name: &str, key: KeyDigest, now: Timestamp) -> Option<&Arc<KnownKey>> {
        self.digests.get(&key).filter(|known| *known.name == *name && known.is_valid(now))
    }

    /// The key that somebody signs in with, as [`KeyRing::find`] has it, and the digest that its session keeps.
    pub(super) fn signing_in(&self, presented: &[u8], now: Timestamp) -> Option<(&Arc<KnownKey>, KeyDigest)> {
        let hash: KeyHash = Sha256::digest(presented).into();
        self.find(presented, now).map(|key| (key, digest_of(&hash)))
    }

    /// The key that a caller presents, if it is one and has not ended. An unknown key and one that has ended take the same work.
    pub(super) fn find(&self, presented: &[u8], now: Timestamp) -> Option<&Arc<KnownKey>> {
        let hash: KeyHash = Sha256::digest(presented).into();
        // The table is searched by the hash, which tells nothing about how near a guess is; the comparison that decides takes
        // the same time wherever two hashes differ.
        let found = self.keys.get_key_value(&hash);
        let is_same = found.map_or(hash.ct_eq(&[0; 32]), |(known, _)| known.ct_eq(&hash));
        let key = found.map(|(_, key)| key).filter(|_| is_same.into());
        key.filter(|key| key.is_valid(now))
    }
}

/// The lines of a file that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    let about = || format!("the keys file {}", path.display());
    let meta = std::fs::metadata(path).with_context(about)?;
    if !meta.is_file() {
        bail!("{}: it is not a regular file", about());
    }
    if meta.len() > KEYS_FILE_BYTES_MAX {
        bail!("{}: it has {} bytes; the limit is {KEYS_FILE_BYTES_MAX}", about(), meta.len());
    }
    std::fs::read_to_string(path).with_context(about)
}

/// What a line says.
fn known(line: &str) -> anyhow::Result<(KnownBy, KnownKey)> {
    let line: KeyLine = serde_json::from_str(line)
        .context("a line is a JSON object with `name`, `role`, and either `sha256` or `san`")?;
    check_name(&line.name)?;
    let role: Role = role(&line.role)?;
    let known_by = match (&line.sha256, &line.san) {
        (Some(sha256), None) => KnownBy::Key(hash(sha256, &line.name)?),
        (None, Some(san)) => {
            KnownBy::Certificate(san.parse().map_err(|error| anyhow!("`san` of `{}`: {error}", line.name))?)
        }
        (Some(_), Some(_)) | (None, None) => bail!(
            "`{}` needs either `sha256`, the hash of its key, or `san`, a name of its certificate",
            line.name
        ),
    };
    let expires = line.expires.as_deref().map(expiry).transpose()?;
    if role == Role::Signal && line.signals.is_none() {
        bail!("`{}` has the role `signal` and no `signals`: name those that it may send", line.name);
    }
    if line.requests_per_second == Some(0) {
        bail!("`requests_per_second` of `{}` is 0: revoke the key, or write at least 1", line.name);
    }
    if line.slots_percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
        bail!("`slots_percent` of `{}` must be 1 to 100", line.name);
    }
    let KeyLine { name, sagas, signals, requests_per_second, slots_percent, .. } = line;
    let bucket = requests_per_second.map(Bucket::new);
    Ok((known_by, KnownKey { name: name.into(), role, expires, sagas, signals, bucket, slots_percent }))
}

fn hash(digits: &str, name: &str) -> anyhow::Result<KeyHash> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 64 || !digits.bytes().all(is_hex) {
        bail!("`sha256` of `{name}` must be 64 lower-case hex digits: the SHA-256 of the key, not the key");
    }
    let mut hash = [0; 32];
    for (byte, digits) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        *byte = u8::from_str_radix(digits, 16).unwrap_or_default();
    }
    Ok(hash)
}

pub(super) fn role(word: &str) -> anyhow::Result<Role> {
    word.parse()
        .ok()
        .with_context(|| format!("`{word}` is no role; there are start, signal, read, operate and admin"))
}

pub(super) fn expiry(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::from_rfc3339(text).with_context(|| {
        format!("`{text}` is no time as RFC 3339 has it; write for example 2027-01-31T00:00:00Z")
    })
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
    if name.is_empty() || name.len() > CALLER_NAME_CHARS_MAX || !name.chars().all(is_plain) {
        bail!(
            "the name `{}` must be 1 to {CALLER_NAME_CHARS_MAX} letters, digits, `_`, `-`, `.` or `@`",
            name.escape_debug()
        );
    }
    Ok(())
}

/// A new key, and the line that has its hash.
pub(crate) fn make(line: &KeyLine) -> anyhow::Result<(String, KeyLine)> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).context("draw random numbers")?;
    let digits: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("{PREFIX}{digits}");
    let sha256: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let line = KeyLine { sha256: Some(sha256), san: None, ..line.clone() };
    known(&serde_json::to_string(&line)?)?;
    Ok((key, line))
}

/// A line for the holders of certificates that have this name.
pub(crate) fn make_for_certificate(line: &KeyLine, san: &San) -> anyhow::Result<KeyLine> {
    let line = KeyLine { sha256: None, san: Some(san.to_string()), ..line.clone() };
    known(&serde_json::to_string(&line)?)?;
    Ok(line)
}

/// Which lines of a name.
pub(crate) enum Chosen {
    All,
    /// The keys whose hashes begin so.
    Sha256(String),
    /// The one with this name of a certificate.
    San(San),
}

impl Chosen {
    fn has(&self, line: &KeyLine) -> bool {
        match self {
            Self::All => true,
            Self::Sha256(begins) => line.sha256.as_ref().is_some_and(|sha256| sha256.starts_with(begins)),
            Self::San(wanted) => {
                line.san.as_deref().and_then(|san| san.parse().ok()).as_ref() == Some(wanted)
            }
        }
    }
}

/// All lines of a file that are keys. The error names a line that cannot be read.
pub(crate) fn listed(path: &Path) -> anyhow::Result<Vec<KeyLine>> {
    KeyRing::read(path)?;
    let text = text_of(path)?;
    lines(&text).map(|(_, line)| serde_json::from_str(line).context("read the keys file")).collect()
}

/// The text of a file without the chosen lines of a name, and how many those were. Comments stay.
pub(crate) fn without(path: &Path, name: &str, chosen: &Chosen) -> anyhow::Result<(String, usize)> {
    KeyRing::read(path)?;
    let text = text_of(path)?;
    let is_it = |line: KeyLine| line.name == name && chosen.has(&line);
    let is_its = |line: &str| serde_json::from_str(line.trim()).is_ok_and(is_it);
    let kept: Vec<&str> = text.lines().filter(|line| !is_its(line)).collect();
    let removed = text.lines().count() - kept.len();
    let kept: String = kept.iter().flat_map(|line| [line, "\n"]).collect();
    Ok((kept, removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, role: &str) -> KeyLine {
        KeyLine::of(name, role)
    }

    fn file(lines: &[String]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        file
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_key_is_found_by_itself_alone_and_until_it_ends() {
        let (key, made) = make(&line("shop", "start")).unwrap();
        let (late, ended) =
            make(&KeyLine { expires: Some("2026-01-01T00:00:00Z".into()), ..line("old", "read") }).unwrap();
        let lines = [made, ended].map(|line| serde_json::to_string(&line).unwrap());
        assert!(!lines.concat().contains(&key[4..]), "the file has the hash alone");
        let file = file(&[vec!["# two".to_owned(), String::new()], lines.to_vec()].concat());
        let keys = KeyRing::read(file.path()).unwrap();
        let now = at("2026-06-01T00:00:00Z");
        assert_eq!(&*keys.find(key.as_bytes(), now).unwrap().name, "shop");
        assert!(keys.find(late.as_bytes(), now).is_none());
        assert_eq!(&*keys.find(late.as_bytes(), at("2025-12-31T23:59:59Z")).unwrap().name, "old");
        for other in ["", "ork_", &key[..67], &format!("{key} "), &key.to_uppercase()] {
            assert!(keys.find(other.as_bytes(), now).is_none(), "{other}");
        }
    }

    #[test]
    fn a_line_that_is_wrong_is_told_with_its_number_and_without_its_hash() {
        let hash = "ab".repeat(32);
        for (wrong, why) in [
            ("x".to_owned(), "a JSON object"),
            (format!(r#"{{"name":"a b","role":"read","sha256":"{hash}"}}"#), "must be 1 to 64"),
            (format!(r#"{{"name":"a","role":"root","sha256":"{hash}"}}"#), "is no role"),
            (format!(r#"{{"name":"a","role":"read","sha256":"{}"}}"#, &hash[1..]), "64 lower-case hex"),
            (format!(r#"{{"name":"a","role":"signal","sha256":"{hash}"}}"#), "no `signals`"),
            (format!(r#"{{"name":"a","role":"read","sha256":"{hash}","expires":"soon"}}"#), "is no time"),
            (format!(r#"{{"name":"a","role":"read","sha256":"{hash}","may":1}}"#), "unknown field"),
            (format!(r#"{{"name":"a","role":"start","sha256":"{hash}","slots_percent":101}}"#), "1 to 100"),
            (r#"{"name":"a","role":"read"}"#.to_owned(), "either `sha256`"),
            (format!(r#"{{"name":"a","role":"read","sha256":"{hash}","san":"dns:a"}}"#), "either `sha256`"),
            (
                r#"{"name":"a","role":"read","san":"dns:*.org"}"#.to_owned(),
                "`san` of `a`: `dns:*.org` is no name",
            ),
        ] {
            let file = file(&["# a comment".to_owned(), wrong.clone()]);
            let told = format!("{:#}", KeyRing::read(file.path()).unwrap_err());
            assert!(told.contains(why), "{wrong}: {told}");
            assert!(told.contains(":2") && !told.contains(&hash[1..]), "{told}");
        }
        let key = format!(r#"{{"name":"a","role":"read","sha256":"{hash}"}}"#);
        let name = |host: &str| format!(r#"{{"name":"a","role":"read","san":"dns:{host}"}}"#);
        for twice in [[key.clone(), key], [name("A.org"), name("a.org")]] {
            assert!(KeyRing::read(file(&twice).path()).unwrap_err().to_string().contains("twice"));
        }
        assert!(KeyRing::read(Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_certificate_is_found_by_its_first_name_that_is_known_and_has_not_ended() {
        let san = |text: &str| text.parse::<San>().unwrap();
        let line = |name: &str, of: &str, expires: Option<&str>| {
            let line = KeyLine { expires: expires.map(str::to_owned), ..line(name, "read") };
            serde_json::to_string(&make_for_certificate(&line, &san(of)).unwrap()).unwrap()
        };
        let file = file(&[
            line("old", "dns:a.org", Some("2026-01-01T00:00:00Z")),
            line("new", "uri:spiffe://b/c", None),
            line("third", "email:a@b.org", None),
        ]);
        let ring = KeyRing::read(file.path()).unwrap();
        let found = |sans: &[&str], when: &str| {
            let sans: Vec<San> = sans.iter().map(|text| san(text)).collect();
            ring.of_certificate(&sans, at(when)).map(|known| known.name.to_string())
        };
        let (before, after) = ("2025-01-01T00:00:00Z", "2026-06-01T00:00:00Z");
        let all = ["dns:other", "dns:A.ORG", "uri:spiffe://b/c", "email:a@b.org"];
        assert_eq!((found(&all, before), found(&all, after)), (Some("old".into()), Some("new".into())));
        assert_eq!(found(&["dns:b", "uri:spiffe://b/C", "email:A@b.org"], before), None);
        assert_eq!(found(&[], before), None);
    }

    #[test]
    fn the_keys_of_a_name_are_removed_and_comments_stay() {
        let lines = [line("a", "read"), line("b", "read"), line("a", "admin")]
            .map(|line| serde_json::to_string(&make(&line).unwrap().1).unwrap());
        let file = file(&[vec!["# kept".to_owned()], lines.to_vec()].concat());
        let (kept, removed) = without(file.path(), "a", &Chosen::All).unwrap();
        assert_eq!((kept.lines().count(), removed), (2, 2));
        assert!(kept.starts_with("# kept\n"));
        let third = listed(file.path()).unwrap()[2].sha256.clone().unwrap();
        let (kept, removed) = without(file.path(), "a", &Chosen::Sha256(third[..8].to_owned())).unwrap();
        assert!(removed == 1 && !kept.contains(&third), "{kept}");
        assert_eq!(listed(file.path()).unwrap().len(), 3);
    }
}
