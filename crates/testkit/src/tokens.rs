//! Signed tokens (JWT), with real keys of every kind, and the keys as an issuer publishes them (JWK).

use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

/// A key that signs tokens, under a name.
pub struct TokenKey {
    id: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

impl TokenKey {
    /// An RSA key of 2048 bits. ring makes none, so `openssl` does.
    pub fn rsa(id: &str) -> Self {
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"])
            .output()
            .expect("openssl");
        assert!(made.status.success(), "{made:?}");
        // Versions differ in whether the DER is PKCS#1 or PKCS#8.
        let read = RsaKeyPair::from_der(&made.stdout).or_else(|_| RsaKeyPair::from_pkcs8(&made.stdout));
        let pair = read.expect("an RSA key");
        Self { id: id.to_owned(), pair: Pair::Rsa(Box::new(pair)) }
    }

    /// A key of the curve P-256.
    pub fn p256(id: &str) -> Self {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random numbers");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key of P-256");
        Self { id: id.to_owned(), pair: Pair::P256(pair) }
    }

    /// A key of the curve P-384.
    pub fn p384(id: &str) -> Self {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random numbers");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).expect("a key of P-384");
        Self { id: id.to_owned(), pair: Pair::P384(pair) }
    }

    /// A key of Ed25519.
    pub fn ed25519(id: &str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("random numbers");
        let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key of Ed25519");
        Self { id: id.to_owned(), pair: Pair::Ed25519(pair) }
    }

    /// Its name (`kid`).
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The algorithm that it signs by when nothing else is said.
    pub fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::P384(_) => "ES384",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half, as an issuer publishes it.
    pub fn published(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "n": encoded(n), "e": encoded(e) })
            }
            Pair::P256(pair) => point("P-256", &pair.public_key().as_ref()[1..]),
            Pair::P384(pair) => point("P-384", &pair.public_key().as_ref()[1..]),
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref()) })
            }
        };
        key["kid"] = self.id.as_str().into();
        key["use"] = "sig".into();
        key
    }

    /// The public half as the bytes of a PKCS#1 or raw key: what an attacker takes for the secret of an HMAC.
    pub fn public_bytes(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public().as_ref().to_vec(),
            Pair::P256(pair) | Pair::P384(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    /// An access token of these claims, signed by this key's usual algorithm.
    pub fn token(&self, claims: &Value) -> String {
        self.signed(&json!({ "alg": self.algorithm(), "kid": self.id, "typ": "at+jwt" }), claims)
    }

    /// A token with this header and these claims. The header's `alg` says how it is signed, if this key can do that; otherwise the
    /// key's usual algorithm signs, whatever the header says.
    pub fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.signature(header["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", encoded(signature))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, message, &mut signature).expect("a signature");
                signature
            }
            Pair::P256(pair) | Pair::P384(pair) => {
                pair.sign(&random, message).expect("a signature").as_ref().to_vec()
            }
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn point(curve: &str, coordinates: &[u8]) -> Value {
    let (x, y) = coordinates.split_at(coordinates.len() / 2);
    json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
}

/// A token whose signature is an HMAC (`HS256`) by this secret.
pub fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    format!("{message}.{}", encoded(ring::hmac::sign(&key, message.as_bytes())))
}

/// A token without a signature.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.", encoded(header.to_string()), encoded(claims.to_string()))
}
