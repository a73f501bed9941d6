//! The signatures that tokens may have, and the keys that fit them.
//!
//! Signatures are checked by ring, which the process has for TLS. (The usual library for tokens has no part for ring any more, and its
//! pure Rust part brings a second implementation of each algorithm.) A secret is never a key here: HMAC (`HS256`) and `none` are no
//! algorithms of this list, so a public key cannot be taken for the secret of one.

use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use strum::{EnumString, VariantArray};

/// Bits of the smallest RSA key whose signatures count (RFC 7518, 3.3).
const RSA_BITS_MIN: usize = 2_048;
/// Bits of the largest one: larger ones would make each check slow.
const RSA_BITS_MAX: usize = 8_192;

/// The algorithms that are allowed, by their names in `alg` (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantArray)]
pub(super) enum TokenAlgorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// Modulus and exponent, without leading zeros.
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
    },
    /// A point of P-256, uncompressed.
    P256(Box<[u8]>),
    /// A point of P-384, uncompressed.
    P384(Box<[u8]>),
    Ed25519(Box<[u8]>),
}

impl PublicKey {
    /// `None`: it is too small, or too large.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Option<Self> {
        let [n, e] = [n, e].map(|number| -> Box<[u8]> {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            number[zeros..].into()
        });
        let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
        (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits).then_some(Self::Rsa { n, e })
    }

    /// The point of a curve whose coordinates have so many bytes. `None`: they have others.
    pub(super) fn point(bytes: usize, x: &[u8], y: &[u8]) -> Option<Self> {
        if x.len() != bytes || y.len() != bytes {
            return None;
        }
        let point = [&[4], x, y].concat().into();
        match bytes {
            32 => Some(Self::P256(point)),
            48 => Some(Self::P384(point)),
            _ => None,
        }
    }

    /// `None`: it has not as many bytes as such a key has.
    pub(super) fn ed25519(x: &[u8]) -> Option<Self> {
        (x.len() == 32).then(|| Self::Ed25519(x.into()))
    }

    /// The check of an algorithm that this key fits. `None`: it is a key of another one.
    fn check(&self, algorithm: TokenAlgorithm) -> Option<SignatureCheck<'_>> {
        use TokenAlgorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let rsa: &'static RsaParameters = match (self, algorithm) {
            (Self::Rsa { .. }, RS256) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Self::Rsa { .. }, RS384) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Self::Rsa { .. }, RS512) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (Self::Rsa { .. }, PS256) => &signature::RSA_PSS_2048_8192_SHA256,
            (Self::Rsa { .. }, PS384) => &signature::RSA_PSS_2048_8192_SHA384,
            (Self::Rsa { .. }, PS512) => &signature::RSA_PSS_2048_8192_SHA512,
            (Self::P256(point), ES256) => {
                return Some(SignatureCheck::Other(&signature::ECDSA_P256_SHA256_FIXED, point));
            }
            (Self::P384(point), ES384) => {
                return Some(SignatureCheck::Other(&signature::ECDSA_P384_SHA384_FIXED, point));
            }
            (Self::Ed25519(key), EdDSA) => return Some(SignatureCheck::Other(&signature::ED25519, key)),
            (Self::Rsa { .. } | Self::P256(_) | Self::P384(_) | Self::Ed25519(_), _) => return None,
        };
        match self {
            Self::Rsa { n, e } => Some(SignatureCheck::Rsa(rsa, RsaPublicKeyComponents { n, e })),
            Self::P256(_) | Self::P384(_) | Self::Ed25519(_) => None,
        }
    }

    /// Whether this is a key of the algorithm.
    pub(super) fn fits(&self, algorithm: TokenAlgorithm) -> bool {
        self.check(algorithm).is_some()
    }

    /// Whether this key has signed the message by this algorithm.
    pub(super) fn has_signed(&self, algorithm: TokenAlgorithm, message: &[u8], signature: &[u8]) -> bool {
        match self.check(algorithm) {
            Some(SignatureCheck::Rsa(parameters, key)) => key.verify(parameters, message, signature).is_ok(),
            Some(SignatureCheck::Other(algorithm, key)) => {
                UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
            }
            None => false,
        }
    }
}

/// How a signature is checked.
enum SignatureCheck<'a> {
    Rsa(&'static RsaParameters, RsaPublicKeyComponents<&'a [u8]>),
    Other(&'static dyn VerificationAlgorithm, &'a [u8]),
}
