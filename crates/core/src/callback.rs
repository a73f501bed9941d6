//! Callbacks: addresses at which a saga takes signals from senders that only have the address, such as a payment service that
//! answers later. An address cannot be guessed, and allows its holder to send that signal to that saga.
//!
//! ```text
//!   {at}/{token}      token: the saga's id, then the proof, each 128 bits in lower-case hex
//!   proof of NAME  =  the first 128 bits of SHA-256("orchestrateur/callback/" + secret + NAME)
//! ```
//!
//! The secret is drawn when the saga starts and kept in its first event, with the place: each attempt of a call sends the
//! same address, on every replica. A token is found without an index, since it has the saga's id; it proves its right by what only the
//! history knows. It neither tells the secret nor the proof of another name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::id::SagaId;
use crate::printable::CUT;

/// What stands in the place of a token that is not to be seen.
const HIDDEN: &str = "***";
/// So many digits of a proof tell nothing. They may end a text by chance.
const PROOF_DIGITS_LEFT: usize = 3;

/// Where a saga is called back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callbacks {
    at: Arc<str>,
    secret: CallbackSecret,
}

/// 128 random bits that nobody but the history and the saga knows.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallbackSecret(#[serde(with = "hex")] u128);

impl CallbackSecret {
    /// A secret of bits that cannot be predicted.
    pub const fn drawn(random: u128) -> Self {
        Self(random)
    }
}

impl fmt::Debug for CallbackSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// The last part of a callback's address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CallbackToken {
    saga: SagaId,
    proof: u128,
}

/// A text is no token of any saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no token of a callback")]
pub struct NoToken;

impl CallbackToken {
    /// The saga that it belongs to, if its proof is right.
    pub fn saga(&self) -> SagaId {
        self.saga
    }

    fn proof_text(&self) -> String {
        format!("{:032x}", self.proof)
    }
}

impl FromStr for CallbackToken {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let (saga, proof) =
            text.split_at_checked(32).filter(|_| text.len() == 64 && is_hex(text)).ok_or(NoToken)?;
        let bits = |text: &str| u128::from_str_radix(text, 16).map_err(|_| NoToken);
        Ok(Self { saga: SagaId::new(Uuid::from_u128(bits(saga)?)), proof: bits(proof)? })
    }
}

impl fmt::Display for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.saga.as_uuid().simple(), self.proof_text())
    }
}

impl fmt::Debug for CallbackToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Callbacks {
    /// Callbacks at this address, which has no slash at its end.
    pub fn new(at: Arc<str>, secret: CallbackSecret) -> Self {
        Self { at, secret }
    }

    /// The token with which a signal of this name may be sent.
    pub(crate) fn token(&self, saga: SagaId, name: &str) -> CallbackToken {
        let hash = Sha256::new()
            .chain_update(b"orchestrateur/callback/")
            .chain_update(self.secret.0.to_be_bytes())
            .chain_update(name)
            .finalize();
        let mut proof = [0; 16];
        proof.copy_from_slice(&hash[..16]);
        CallbackToken { saga, proof: u128::from_be_bytes(proof) }
    }

    /// The addresses of these names, as a JSON object; hidden, their tokens are left out.
    pub(crate) fn addresses<'n>(
        &self,
        saga: SagaId,
        names: impl Iterator<Item = &'n str>,
        hidden: bool,
    ) -> String {
        let address = |name: &str| match hidden {
            true => format!("{}/{HIDDEN}", self.at),
            false => format!("{}/{}", self.at, self.token(saga, name)),
        };
        let members = names.map(|name| (name.to_owned(), address(name).into()));
        serde_json::Value::Object(members.collect()).to_string()
    }

    /// `text` without the secret.
    pub(crate) fn without_secret(&self, text: &str) -> String {
        text.replace(&format!("{:032x}", self.secret.0), HIDDEN)
    }

    /// `text` without the proofs of these names, whole or cut at the end of the text.
    pub(crate) fn hidden_in<'n>(&self, text: &str, names: impl Iterator<Item = &'n str>) -> String {
        names.fold(text.to_owned(), |text, name| {
            let proof = self.token(SagaId::new(Uuid::nil()), name).proof_text();
            let text = text.replace(&proof, HIDDEN);
            let kept = text.strip_suffix(CUT).unwrap_or(&text);
            let cut = (PROOF_DIGITS_LEFT + 1..proof.len())
                .rev()
                .find_map(|digits| kept.strip_suffix(&proof[..digits]));
            cut.map(|before| format!("{before}{HIDDEN}{CUT}")).unwrap_or(text)
        })
    }
}

/// `text` without the proof in each token of this saga.
pub(crate) fn without_tokens(text: &str, saga: SagaId) -> String {
    const PROOF_DIGITS: usize = 32;
    let id = saga.as_uuid().simple().to_string();
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&id) {
        let behind = at + id.len();
        let digits = rest[behind..].bytes().take(PROOF_DIGITS).take_while(u8::is_ascii_hexdigit).count();
        hidden.push_str(&rest[..behind]);
        if digits > PROOF_DIGITS_LEFT {
            hidden.push_str(HIDDEN);
            rest = &rest[behind + digits..];
        } else {
            rest = &rest[behind..];
        }
    }
    hidden + rest
}

/// 128 bits as 32 hex digits: JSON's readers do not keep such numbers.
mod hex {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bits: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{bits:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callbacks(secret: u128) -> Callbacks {
        Callbacks::new("https://shop.example/api/callbacks".into(), CallbackSecret::drawn(secret))
    }

    /// Services keep these addresses: they must be right after an upgrade. The proof was made with another implementation of
    /// SHA-256.
    #[test]
    fn a_token_never_changes() {
        let saga = SagaId::of_key("travel", "trip-7");
        let token = callbacks(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff).token(saga, "approved");
        assert_eq!(token.to_string(), "b6c8e29a6b088b49a20630de7302ed886150bbd82a7c413434175e2137ff4285");
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn a_token_belongs_to_one_name_and_one_secret() {
        let saga = SagaId::of_key("travel", "trip-7");
        let token = callbacks(7).token(saga, "approved");
        assert_ne!(callbacks(7).token(saga, "refused"), token);
        assert_ne!(callbacks(8).token(saga, "approved"), token);
    }

    #[test]
    fn anything_else_is_no_token() {
        let good = callbacks(7).token(SagaId::of_key("travel", "trip-7"), "approved").to_string();
        let cut = &good[..63];
        let longer = format!("{good}0");
        let upper = good.to_uppercase();
        let sign = format!("+{}", &good[1..]);
        let wide = "é".repeat(32);
        for text in ["", cut, &longer, &upper, &sign, &wide, "***"] {
            assert_eq!(text.parse::<CallbackToken>(), Err(NoToken), "{text}");
        }
    }

    #[test]
    fn no_proof_is_left_in_a_text_not_even_a_cut_one() {
        let callbacks = callbacks(7);
        let proof = callbacks.token(SagaId::new(Uuid::nil()), "approved").proof_text();
        let hidden = |text: &str| callbacks.hidden_in(text, ["refused", "approved"].into_iter());
        assert_eq!(hidden(&format!("a {proof} b {proof}")), "a *** b ***");
        for digits in 4..32 {
            assert_eq!(hidden(&format!("a {}…", &proof[..digits])), "a ***…");
        }
        assert_eq!(hidden(&format!("a {}…", &proof[..3])), format!("a {}…", &proof[..3]));
        assert_eq!(hidden("nothing of it…"), "nothing of it…");
    }

    #[test]
    fn nothing_secret_is_in_what_debug_shows() {
        let callbacks = callbacks(0xdead_beef);
        let shown = format!("{callbacks:?} {:?}", callbacks.token(SagaId::new(Uuid::nil()), "approved"));
        assert_eq!(shown.matches(HIDDEN).count(), 2, "{shown}");
        assert!(!shown.contains("dead"), "{shown}");
    }
}
