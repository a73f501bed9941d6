//! A private key of Ed25519 (RFC 8032), and what may be known of it: its id and its public half.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use ed25519_dalek::{SECRET_KEY_LENGTH, Signer as _};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A key that signs calls. Its memory is overwritten when it is dropped, and only [`SigningKey::to_pem`] shows it.
pub struct SigningKey {
    pair: ed25519_dalek::SigningKey,
    id: Box<str>,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl SigningKey {
    fn new(pair: ed25519_dalek::SigningKey) -> Self {
        let public = URL_SAFE_NO_PAD.encode(pair.verifying_key().as_bytes());
        // RFC 7638, 3, and RFC 8037, 2: the members that matter, in the order of their names, without spaces.
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#);
        Self { pair, id: URL_SAFE_NO_PAD.encode(Sha256::digest(members)).into() }
    }

    /// A new key, of the operating system's random numbers.
    pub fn draw() -> io::Result<Self> {
        let mut secret = Zeroizing::new([0; SECRET_KEY_LENGTH]);
        getrandom::fill(&mut *secret)?;
        Ok(Self::new(ed25519_dalek::SigningKey::from_bytes(&secret)))
    }

    /// The key in one PEM block. The error has nothing of it.
    pub(super) fn from_pem(block: &str) -> Result<Self, String> {
        let told = |error| {
            format!(
                "it is no private key of Ed25519 in PKCS #8 ({error}); make one with `orchestrateur signing-keys new`, or with `openssl \
                 genpkey -algorithm ed25519`"
            )
        };
        ed25519_dalek::SigningKey::from_pkcs8_pem(block).map(Self::new).map_err(told)
    }

    /// The private key in PEM (PKCS #8), as OpenSSL writes it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, String> {
        // Without the public half: OpenSSL 3.0 does not read keys that have it.
        let bytes = KeypairBytes { secret_key: self.pair.to_bytes(), public_key: None };
        bytes.to_pkcs8_pem(LineEnding::LF).map_err(|error| format!("write the key: {error}"))
    }

    /// The thumbprint of its public half (RFC 7638): `keyid` in signatures, and `kid` in key sets.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public half in base64url: the member `x` of a JWK (RFC 8037, 2).
    pub fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.verifying_key().as_bytes())
    }

    /// The public half in PEM.
    pub fn public_pem(&self) -> Result<String, String> {
        let public = self.pair.verifying_key();
        public.to_public_key_pem(LineEnding::LF).map_err(|error| format!("write the public key: {error}"))
    }

    pub(super) fn sign(&self, text: &str) -> [u8; 64] {
        self.pair.sign(text.as_bytes()).to_bytes()
    }
}
