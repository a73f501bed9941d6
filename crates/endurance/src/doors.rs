//! The ways in: keys that are changed, certificates that are replaced, tokens of an issuer that is away at times.
//!
//! The callers hold what they are given here, and present it with each request. Each change is made as the documents tell
//! operators to make it, so no caller may ever be refused.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer as Authority, KeyPair, SanType};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use saga_testkit::tokens::TokenKey;
use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::client::WayIn;
use crate::issuer::Issuer;
use crate::measures::now;
use crate::serve::{Setup, program};

/// The name of the callers that have a key, over all its keys.
const KEY_HOLDER: &str = "till";
/// The audience of the callers that have tokens.
const AUDIENCE: &str = "endurance";
/// How long a certificate is valid: none is used to its end.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a token is valid.
const TOKEN_LIFE_S: i64 = 3_600;

/// Everything that callers need to be let in.
pub(crate) struct Doors {
    folder: TempDir,
    authority: Authority<'static, KeyPair>,
    /// Trusts the authority, whatever certificate it makes.
    pub(crate) connector: TlsConnector,
    /// The certificate that was written last.
    certificate: RwLock<CertificateDer<'static>>,
    /// The key that callers present.
    key: RwLock<String>,
    /// Signs the tokens that callers present.
    token_key: RwLock<TokenKey>,
    pub(crate) issuer: Issuer,
    /// A task that changes one of these holds its lock, so that no other does.
    pub(crate) keys_lock: Arc<tokio::sync::Mutex<()>>,
    pub(crate) certificate_lock: Arc<tokio::sync::Mutex<()>>,
    pub(crate) issuer_lock: Arc<tokio::sync::Mutex<()>>,
}

/// How a caller shows who it is: always in the same way, for an idempotency key belongs to a name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum CallerIdentity {
    /// With the key that callers present now.
    Key,
    /// With a token.
    Token,
    /// With this key or token.
    Other(Arc<str>),
}

impl CallerIdentity {
    /// The identity of the caller with this number.
    pub(crate) fn of(number: i64) -> Self {
        if number % 2 == 0 { Self::Key } else { Self::Token }
    }
}

/// A caller's way in.
struct CallerWayIn {
    doors: Arc<Doors>,
    identity: CallerIdentity,
}

impl WayIn for CallerWayIn {
    fn authorization(&self) -> String {
        self.doors.authorization(&self.identity)
    }

    fn connector(&self) -> &TlsConnector {
        &self.doors.connector
    }
}

impl Doors {
    pub(crate) async fn make() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let own = KeyPair::generate()?;
        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate: CertificateDer<'static> = params.self_signed(&own)?.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let token_key = TokenKey::p256("first");
        let issuer = Issuer::open(&token_key).await?;
        let doors = Self {
            folder,
            authority: Authority::new(params, own),
            connector: TlsConnector::from(Arc::new(config)),
            certificate: RwLock::new(CertificateDer::from(Vec::new())),
            key: RwLock::default(),
            token_key: RwLock::new(token_key),
            issuer,
            keys_lock: Arc::default(),
            certificate_lock: Arc::default(),
            issuer_lock: Arc::default(),
        };
        let first = doors.add_key()?;
        doors.present(first);
        doors.replace_certificate()?;
        Ok(doors)
    }

    /// Has a process let these callers in, and nobody else.
    pub(crate) fn set_up(&self, setup: &mut Setup) {
        let file = |name: &str| self.file(name).display().to_string();
        for argument in [
            format!("--api-keys-file={}", file("keys")),
            format!("--tls-cert={}", file("cert.pem")),
            format!("--tls-key={}", file("key.pem")),
            format!("--oidc-issuer={}", self.issuer.url()),
            format!("--oidc-audience={AUDIENCE}"),
            "--ops-listen=127.0.0.1:0".to_owned(),
        ] {
            setup.argument(&argument);
        }
    }

    /// The way in for a caller of this identity.
    pub(crate) fn entry(self: &Arc<Self>, identity: &CallerIdentity) -> Arc<dyn WayIn> {
        Arc::new(CallerWayIn { doors: self.clone(), identity: identity.clone() })
    }

    /// What a caller presents now.
    fn authorization(&self, identity: &CallerIdentity) -> String {
        match identity {
            CallerIdentity::Key => format!("Bearer {}", self.presented()),
            CallerIdentity::Token => {
                let key = self.token_key.read().unwrap_or_else(PoisonError::into_inner);
                format!("Bearer {}", self.token_of(&key))
            }
            CallerIdentity::Other(credential) => format!("Bearer {credential}"),
        }
    }

    /// A token of this key.
    pub(crate) fn token_of(&self, key: &TokenKey) -> String {
        let now = now() / 1_000_000;
        key.token(&json!({
            "iss": self.issuer.url(), "aud": AUDIENCE, "sub": "web", "roles": ["operate"],
            "iat": now, "exp": now + TOKEN_LIFE_S
        }))
    }

    /// The key that callers present now.
    pub(crate) fn presented(&self) -> String {
        self.key.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has callers present another key from now on.
    pub(crate) fn present(&self, key: String) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Has callers present tokens of another key from now on.
    pub(crate) fn sign_with(&self, key: TokenKey) {
        *self.token_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// A further key of the same name, which processes know once they read the file.
    pub(crate) fn add_key(&self) -> anyhow::Result<String> {
        let made = self.keys(&["add", KEY_HOLDER, "--role", "operate"])?;
        Ok(made.trim().to_owned())
    }

    /// Takes the keys away whose hash is not the last one's.
    pub(crate) fn revoke_all_but_the_last(&self) -> anyhow::Result<()> {
        let text = std::fs::read_to_string(self.file("keys")).context("read the keys file")?;
        let hashes: Vec<String> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|line| line["sha256"].as_str().map(str::to_owned))
            .collect();
        for hash in hashes.iter().rev().skip(1) {
            self.keys(&["revoke", KEY_HOLDER, "--sha256", hash])?;
        }
        Ok(())
    }

    fn keys(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let file = self.file("keys");
        let made = Command::new(program()).arg("keys").args(arguments).arg("--file").arg(file).output();
        let made = made.context("run `orchestrateur keys`")?;
        ensure!(
            made.status.success(),
            "`orchestrateur keys` failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        Ok(String::from_utf8(made.stdout)?)
    }

    /// Writes another certificate of the same authority, and its key: one file after the other, as tools do.
    pub(crate) fn replace_certificate(&self) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([])?;
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        let now = Duration::from_micros(now().unsigned_abs());
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now + CERTIFICATE_LIFE;
        let certificate = params.signed_by(&key, &self.authority)?;
        std::fs::write(self.file("cert.pem"), certificate.pem()).context("write the certificate")?;
        std::fs::write(self.file("key.pem"), key.serialize_pem()).context("write its key")?;
        *self.certificate.write().unwrap_or_else(PoisonError::into_inner) = certificate.der().clone();
        Ok(())
    }

    /// The certificate that was written last.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
