//! Why a saga of a bulk action has its result: kept as JSON, so that a face can have words of its own.

use std::fmt;
use std::sync::Arc;

use saga_core::Deed;
use saga_core::saga::CameSince;
use serde::{Deserialize, Serialize};

/// Characters of a participant's or the engine's words in a reason: the rest is cut.
const BULK_REASON_CHARS_MAX: usize = 500;

/// Why an item has its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkReason {
    /// Skipped: the operator did not know of this.
    Since(CameSince),
    /// Skipped: the saga does not wait for an operator.
    NotBlocked,
    /// Skipped: there is no such saga.
    Unknown,
    /// Not sent: the participants of these steps hold their calls back. They leave by themselves later.
    HeldBack {
        /// The names of the steps.
        steps: Vec<Arc<str>>,
    },
    /// In words of a participant or of the engine.
    Says(Box<str>),
}

impl BulkReason {
    pub(crate) fn says(words: impl fmt::Display) -> Self {
        let words = words.to_string();
        Self::Says(match words.char_indices().nth(BULK_REASON_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &words[..end]).into(),
            None => words.into(),
        })
    }

    /// As the journal keeps it.
    pub(crate) fn written(&self) -> Arc<str> {
        serde_json::to_string(self).unwrap_or_default().into()
    }

    /// A reason that the journal keeps. A reason that a later release has written is shown as it is.
    pub fn read(kept: &str) -> Self {
        serde_json::from_str(kept).unwrap_or_else(|_| Self::says(kept))
    }
}

impl fmt::Display for BulkReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Since(CameSince::Person { by, deed, at }) => {
                let by = by.as_deref().unwrap_or("another person");
                let did = match deed {
                    Deed::Cancel => "cancelled it",
                    Deed::Resume => "had it tried",
                    Deed::Resolve => "said what had happened",
                    Deed::Start => "started it",
                    Deed::Signal => "sent it a signal",
                };
                write!(f, "{by} {did} at {at}")
            }
            Self::Since(CameSince::Blocked { step, at }) => write!(f, "step `{step}` was blocked at {at}"),
            Self::NotBlocked => f.write_str("it needs no person any more"),
            Self::Unknown => f.write_str("there is no such saga"),
            Self::HeldBack { steps } => {
                write!(f, "its participant takes no calls now; they leave when it does: {}", steps.join(", "))
            }
            Self::Says(words) => f.write_str(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saga_core::Timestamp;

    /// Journals hold these texts.
    #[test]
    fn a_reason_is_read_as_it_was_written() {
        let at = Timestamp::from_micros(0);
        let person = CameSince::Person { by: Some("Ana".into()), deed: Deed::Resume, at };
        for (reason, kept, shown) in [
            (
                BulkReason::Since(person),
                r#"{"since":{"person":{"by":"Ana","deed":"resume","at":0}}}"#,
                "Ana had it tried at 1970-01-01T00:00:00.000000Z",
            ),
            (
                BulkReason::Since(CameSince::Blocked { step: "sale".into(), at }),
                r#"{"since":{"blocked":{"step":"sale","at":0}}}"#,
                "step `sale` was blocked at 1970-01-01T00:00:00.000000Z",
            ),
            (BulkReason::NotBlocked, r#""not_blocked""#, "it needs no person any more"),
            (BulkReason::Unknown, r#""unknown""#, "there is no such saga"),
            (
                BulkReason::HeldBack { steps: vec!["sale".into()] },
                r#"{"held_back":{"steps":["sale"]}}"#,
                "its participant takes no calls now; they leave when it does: sale",
            ),
            (BulkReason::says("HTTP 503"), r#"{"says":"HTTP 503"}"#, "HTTP 503"),
        ] {
            assert_eq!((&*reason.written(), &*reason.to_string()), (kept, shown));
            assert_eq!(BulkReason::read(kept), reason);
        }
        assert_eq!(BulkReason::read(r#"{"later":1}"#), BulkReason::says(r#"{"later":1}"#));
    }

    #[test]
    fn long_words_are_cut() {
        let BulkReason::Says(words) = BulkReason::says("é".repeat(BULK_REASON_CHARS_MAX + 1)) else {
            panic!()
        };
        assert_eq!(words.chars().count(), BULK_REASON_CHARS_MAX + 1, "with the mark of the cut");
        assert!(words.ends_with('…'));
        let fits = "é".repeat(BULK_REASON_CHARS_MAX);
        assert_eq!(BulkReason::says(&fits), BulkReason::Says(fits.into()));
    }
}
