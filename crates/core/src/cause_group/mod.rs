//! The cause for which a saga waits for an operator, as a key: sagas with the same key are looked after together.
//!
//! A key is a text: `1:participant|step|kind|hash`. The first number is the version of these rules: a saga keeps the key that the
//! release has given it which recorded its last event. The hash is of the reason in a form that leaves out its ids, numbers, times
//! and addresses (`reason.rs`).

mod reason;

use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use strum::VariantArray;

use self::reason::without_details;
use crate::event::Stuck;

/// A reason is shown with so many characters at most.
const REASON_CHARS_SHOWN_MAX: usize = 120;
/// The hexadecimal digits of a key's hash.
const HASH_DIGITS: usize = 16;
/// What begins the keys of these rules.
const VERSION: &str = "1:";
/// The word for sagas that cannot be read.
const UNREADABLE: &str = "unreadable";
/// Stands before a hash for all that are greater.
const OTHERS: char = '>';
/// What a name would be mistaken with; names that today's definitions may have contain none of it.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b'|');

/// Why a saga waits for an operator, as a key that it shares with the sagas that wait for the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CauseGroup(Arc<str>);

/// The parts of a key that can be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseParts {
    /// The name of the participant of the step that is stuck; `None`: it calls none, or there is no step.
    pub participant: Option<String>,
    /// The name of the step; `None`: the saga as a whole cannot be read.
    pub step: Option<String>,
    /// The kind of obstacle.
    pub kind: CauseKind,
    /// Whether it stands for several reasons, which are not told one by one: see [`CauseGroup::others`].
    pub is_others: bool,
}

/// The keys that a key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CauseRange {
    /// This one.
    Key(Arc<str>),
    /// Those between these two, byte for byte.
    Between {
        /// Before the first of them.
        above: Arc<str>,
        /// Behind the last of them.
        below: Arc<str>,
    },
}

/// The kind of a cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CauseKind {
    /// An obstacle at a step.
    Stuck(Stuck),
    /// The saga cannot be read.
    Unreadable,
}

impl CauseGroup {
    /// The key of sagas that were blocked by a release that gave no keys, and of which nothing has been recorded since.
    pub const BEFORE_KEYS: &str = "0:";

    /// The cause of a saga that is stuck at a step. `status`: of the answer that the reason is about, if there was one.
    pub(crate) fn at_step(
        participant: Option<&str>,
        step: &str,
        stuck: Stuck,
        status: Option<u16>,
        reason: &str,
    ) -> Self {
        Self::new(participant.unwrap_or_default(), step, stuck.into(), status, reason)
    }

    /// The cause of a saga that cannot be read.
    pub fn unreadable(reason: &str) -> Self {
        Self::new("", "", UNREADABLE, None, reason)
    }

    fn new(participant: &str, step: &str, kind: &str, status: Option<u16>, reason: &str) -> Self {
        let digest = Sha256::digest(whole(status, reason).as_bytes());
        let hash: String = digest.iter().take(HASH_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        let [participant, step] = [participant, step].map(|name| utf8_percent_encode(name, ESCAPED));
        Self(format!("{VERSION}{participant}|{step}|{kind}|{hash}").into())
    }

    /// The key.
    pub fn key(&self) -> &Arc<str> {
        &self.0
    }

    /// The beginning that a key has in common with those of the same participant, step and kind.
    pub fn beginning(key: &str) -> &str {
        key.rfind('|').map_or(key, |bar| &key[..=bar])
    }

    /// Behind all keys with this beginning, byte for byte.
    pub fn behind(beginning: &str) -> String {
        format!("{}}}", beginning.strip_suffix('|').unwrap_or(beginning))
    }

    /// A key that stands for all keys with the beginning of this one that are greater: a step with many reasons is shown with a few of
    /// them and the others.
    pub fn others(last: &str) -> String {
        let beginning = Self::beginning(last);
        format!("{beginning}{OTHERS}{}", &last[beginning.len()..])
    }

    /// The keys that a key stands for.
    pub fn range(key: &str) -> CauseRange {
        let beginning = Self::beginning(key);
        match key[beginning.len()..].strip_prefix(OTHERS) {
            Some(last) => CauseRange::Between {
                above: format!("{beginning}{last}").into(),
                below: Self::behind(beginning).into(),
            },
            None => CauseRange::Key(key.into()),
        }
    }

    /// The parts of a key; `None`: it is [`CauseGroup::BEFORE_KEYS`], of another version, or no key.
    pub fn parts(key: &str) -> Option<CauseParts> {
        let mut parts = key.strip_prefix(VERSION)?.split('|');
        let (participant, step) = (name(parts.next()?)?, name(parts.next()?)?);
        let (kind, hash) = (parts.next()?, parts.next()?);
        let (is_others, hash) = hash.strip_prefix(OTHERS).map_or((false, hash), |hash| (true, hash));
        let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let kind = match kind {
            UNREADABLE => CauseKind::Unreadable,
            word => CauseKind::Stuck(stuck(word)?),
        };
        (is_hash && parts.next().is_none()).then_some(CauseParts { participant, step, kind, is_others })
    }

    /// A reason as the sagas of a group share it, to be shown: without its details, and cut.
    pub fn reason_shown(status: Option<u16>, reason: &str) -> String {
        let whole = whole(status, reason);
        match whole.char_indices().nth(REASON_CHARS_SHOWN_MAX) {
            None => whole,
            Some(_) => whole.chars().take(REASON_CHARS_SHOWN_MAX - 1).chain(['…']).collect(),
        }
    }
}

/// The text that is hashed.
fn whole(status: Option<u16>, reason: &str) -> String {
    let reason = without_details(reason);
    match status {
        Some(status) => format!("{status} {reason}"),
        None => reason,
    }
}

/// A name in a key; the empty one stands for none. `None`: it is none.
fn name(escaped: &str) -> Option<Option<String>> {
    let name = percent_decode_str(escaped).decode_utf8().ok()?;
    Some(Some(name.into_owned()).filter(|name| !name.is_empty()))
}

fn stuck(word: &str) -> Option<Stuck> {
    Stuck::VARIANTS.iter().copied().find(|stuck| <&str>::from(stuck) == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(participant: Option<&str>, step: &str, status: Option<u16>, reason: &str) -> Arc<str> {
        CauseGroup::at_step(participant, step, Stuck::CompensationFailing, status, reason).key().clone()
    }

    #[test]
    fn the_key_tells_participant_step_kind_and_reason() {
        let known = key(Some("client"), "paiement", Some(503), "Maintenance en cours");
        assert_eq!(&*known, "1:client|paiement|compensation_failing|3f94de94e7b6d639");
        let parts = CauseParts {
            participant: Some("client".into()),
            step: Some("paiement".into()),
            kind: CauseKind::Stuck(Stuck::CompensationFailing),
            is_others: false,
        };
        assert_eq!(CauseGroup::parts(&known), Some(parts.clone()));
        let others = CauseGroup::others(&known);
        assert_eq!(CauseGroup::parts(&others), Some(CauseParts { is_others: true, ..parts }));
        let CauseRange::Between { above, below } = CauseGroup::range(&others) else { panic!("{others}") };
        assert_eq!((&above, &*below), (&known, "1:client|paiement|compensation_failing}"));
        let greater = format!("{}4f94de94e7b6d639", CauseGroup::beginning(&known));
        assert!(*above < *greater && *greater < *below);
        assert_eq!(CauseGroup::range(&known), CauseRange::Key(known.clone()));
        assert_eq!(CauseGroup::range("0:"), CauseRange::Key("0:".into()));
        for other in [
            key(Some("stock"), "paiement", Some(503), "Maintenance en cours"),
            key(Some("client"), "stock", Some(503), "Maintenance en cours"),
            key(Some("client"), "paiement", Some(500), "Maintenance en cours"),
            key(Some("client"), "paiement", None, "Maintenance en cours"),
            key(Some("client"), "paiement", Some(503), "Maintenance finie"),
        ] {
            assert_ne!(other, known);
        }
        assert_eq!(key(Some("client"), "paiement", Some(503), " Maintenance\nen  cours"), known);
        let unreadable = CauseGroup::unreadable("variable VENTES_TOKEN is not set");
        let none =
            CauseParts { participant: None, step: None, kind: CauseKind::Unreadable, is_others: false };
        assert_eq!(CauseGroup::parts(unreadable.key()), Some(none));
        for kind in Stuck::VARIANTS {
            let group = CauseGroup::at_step(None, "s", *kind, None, "");
            assert_eq!(CauseGroup::parts(group.key()).unwrap().kind, CauseKind::Stuck(*kind));
        }
    }

    #[test]
    fn a_name_cannot_forge_a_key() {
        let forged =
            CauseGroup::at_step(Some("a|b|unreadable"), "s%7C\u{202e}\0é", Stuck::TaskFailed, None, "x");
        assert_eq!(forged.key().matches('|').count(), 3);
        assert!(forged.key().is_ascii() && !forged.key().contains(char::is_control), "{forged:?}");
        let parts = CauseGroup::parts(forged.key()).unwrap();
        assert_eq!(parts.participant.as_deref(), Some("a|b|unreadable"));
        assert_eq!(parts.step.as_deref(), Some("s%7C\u{202e}\0é"));
    }

    #[test]
    fn other_texts_are_no_keys_of_these_rules() {
        for text in [
            "",
            "0:",
            "1:",
            "2:a|b|task_failed|0123456789abcdef",
            "1:a|b|task_failed|0123456789abcde",
            "1:a|b|odd|0123456789abcdef",
            "1:a|b|task_failed|0123456789abcdef|",
            "1:%ff|b|task_failed|0123456789abcdef",
        ] {
            assert_eq!(CauseGroup::parts(text), None, "{text}");
        }
    }

    #[test]
    fn a_reason_is_hashed_whole_and_shown_cut() {
        let long = |end: &str| format!("{} {end}", "word ".repeat(60));
        assert_ne!(CauseGroup::unreadable(&long("a")), CauseGroup::unreadable(&long("b")));
        let shown = CauseGroup::reason_shown(Some(503), &long("a"));
        assert!(shown.starts_with("503 word word") && shown.ends_with('…'), "{shown}");
        assert_eq!(shown.chars().count(), REASON_CHARS_SHOWN_MAX);
        assert_eq!(CauseGroup::reason_shown(None, "order 48213"), "order *");
        let whole = "é".repeat(REASON_CHARS_SHOWN_MAX);
        assert_eq!(CauseGroup::reason_shown(None, &whole), whole);
    }
}
