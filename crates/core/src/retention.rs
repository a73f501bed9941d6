//! How long sagas are kept once they are over.
//!
//! A rule says so for some of them, and the most special rule counts:
//!
//! ```text
//!   90d                      all of them
//!   :failed=365d             those that were rolled back
//!   booking=30d              those of one definition
//!   booking:failed=ever      the same, if they were rolled back
//! ```
//!
//! A saga that no rule is about is kept for ever. So is one that is not over: it may wait for a person.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use strum::{EnumString, IntoStaticStr};
use thiserror::Error;

use crate::definition::duration;
use crate::id::Timestamp;

/// The shortest time that a saga can be kept: by then, whatever was under way when it ended has ended, too.
pub const KEPT_MIN: Duration = Duration::from_secs(60);
/// Rules together.
pub const KEEP_RULES_MAX: usize = 1_000;

/// How a saga has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum SagaEnd {
    /// All of its steps have succeeded.
    Completed,
    /// It was rolled back, for whatever reason: a step, its deadline, or a person.
    Failed,
}

/// For how long a saga is kept, from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptFor {
    /// At least [`KEPT_MIN`].
    Time(Duration),
    /// It is not taken away.
    Ever,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepRule {
    definition: Option<Arc<str>>,
    end: Option<SagaEnd>,
    kept: KeptFor,
}

/// Rules that do not contradict each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepRules(Vec<KeepRule>);

/// Why a text is no rule, or rules do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnfitKeepRule {
    /// The time cannot be read.
    #[error(
        "`{0}` is no time to keep sagas for: write a number and ms, s, m, h or d, such as 90d, or `ever`"
    )]
    Time(String),
    /// The time is too short.
    #[error("sagas are kept for 60s (KEPT_MIN) at least, and `{0}` is less")]
    TooShort(String),
    /// The end is none.
    #[error("`{0}` is no way in which a saga ends: write `completed` or `failed` behind the colon")]
    End(String),
    /// There is nothing before the equals sign.
    #[error("a rule about all sagas has no `=`: write 90d, or a definition's name or :failed before the `=`")]
    AboutNothing,
    /// Two rules are about the same sagas.
    #[error("two rules are about the same sagas: `{0}` and `{1}`")]
    Twice(String, String),
    /// There are too many.
    #[error("these are more rules than KEEP_RULES_MAX ({KEEP_RULES_MAX})")]
    TooMany,
}

impl std::str::FromStr for KeepRule {
    type Err = UnfitKeepRule;

    fn from_str(text: &str) -> Result<Self, UnfitKeepRule> {
        let (about, time) = match text.split_once('=') {
            Some((about, _)) if about.trim().is_empty() => return Err(UnfitKeepRule::AboutNothing),
            Some((about, time)) => (about.trim(), time.trim()),
            None => ("", text.trim()),
        };
        let (definition, end) = match about.split_once(':') {
            Some((definition, end)) => {
                let named = end.trim().parse().map_err(|_| UnfitKeepRule::End(end.trim().to_owned()))?;
                (definition.trim(), Some(named))
            }
            None => (about, None),
        };
        let definition = Some(definition).filter(|name| !name.is_empty()).map(Into::into);
        let kept = match time {
            "ever" => KeptFor::Ever,
            _ => match duration(time) {
                None => return Err(UnfitKeepRule::Time(time.to_owned())),
                Some(short) if short < KEPT_MIN => return Err(UnfitKeepRule::TooShort(time.to_owned())),
                Some(long) => KeptFor::Time(long),
            },
        };
        Ok(Self { definition, end, kept })
    }
}

impl fmt::Display for KeepRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.as_deref().unwrap_or_default())?;
        if let Some(end) = self.end {
            write!(f, ":{}", <&str>::from(end))?;
        }
        if self.definition.is_some() || self.end.is_some() {
            f.write_str("=")?;
        }
        match self.kept {
            KeptFor::Ever => f.write_str("ever"),
            KeptFor::Time(time) => match (time.as_secs(), time.subsec_millis()) {
                (seconds, 0) if seconds % 86_400 == 0 => write!(f, "{}d", seconds / 86_400),
                (seconds, 0) if seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
                (seconds, 0) => write!(f, "{seconds}s"),
                _ => write!(f, "{}ms", time.as_millis()),
            },
        }
    }
}

impl KeepRules {
    /// These rules, if no two are about the same sagas.
    pub fn new(rules: Vec<KeepRule>) -> Result<Self, UnfitKeepRule> {
        if rules.len() > KEEP_RULES_MAX {
            return Err(UnfitKeepRule::TooMany);
        }
        for (index, rule) in rules.iter().enumerate() {
            let same = |other: &&KeepRule| other.definition == rule.definition && other.end == rule.end;
            if let Some(other) = rules[..index].iter().find(same) {
                return Err(UnfitKeepRule::Twice(other.to_string(), rule.to_string()));
            }
        }
        Ok(Self(rules))
    }

    /// Whether all sagas are kept for ever.
    pub fn keep_all(&self) -> bool {
        self.0.iter().all(|rule| rule.kept == KeptFor::Ever)
    }

    /// For how long sagas of a definition are kept that have ended so.
    pub fn kept(&self, definition: &str, end: SagaEnd) -> KeptFor {
        let is_about = |rule: &&KeepRule| {
            rule.definition.as_deref().is_none_or(|name| name == definition)
                && rule.end.is_none_or(|named| named == end)
        };
        // A definition is more special than an end.
        let rule = self.0.iter().filter(is_about).max_by_key(|rule| (rule.definition.is_some(), rule.end));
        rule.map_or(KeptFor::Ever, |rule| rule.kept)
    }

    /// Whether a saga of a definition that has ended so, at that time, is to go.
    pub fn is_due(&self, definition: &str, end: SagaEnd, ended: Timestamp, now: Timestamp) -> bool {
        match self.kept(definition, end) {
            KeptFor::Ever => false,
            KeptFor::Time(time) => ended <= now.minus(time),
        }
    }

    /// Sagas of a definition that started at that time or later are not to go yet; `None`: none of them is ever to go.
    pub fn none_started_since(&self, definition: &str, now: Timestamp) -> Option<Timestamp> {
        let times = [SagaEnd::Completed, SagaEnd::Failed].map(|end| self.kept(definition, end));
        let shortest = times.into_iter().filter_map(|kept| match kept {
            KeptFor::Time(time) => Some(time),
            KeptFor::Ever => None,
        });
        shortest.min().map(|time| now.minus(time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[&str]) -> Result<KeepRules, UnfitKeepRule> {
        KeepRules::new(texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?)
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_most_special_rule_counts() {
        let rules =
            rules(&["90d", ":failed=365d", "booking=30d", "booking:failed=ever", "draft=ever"]).unwrap();
        for (definition, end, kept) in [
            ("checkout", SagaEnd::Completed, KeptFor::Time(90 * DAY)),
            ("checkout", SagaEnd::Failed, KeptFor::Time(365 * DAY)),
            ("booking", SagaEnd::Completed, KeptFor::Time(30 * DAY)),
            ("booking", SagaEnd::Failed, KeptFor::Ever),
            ("draft", SagaEnd::Completed, KeptFor::Ever),
            ("draft", SagaEnd::Failed, KeptFor::Ever),
        ] {
            assert_eq!(rules.kept(definition, end), kept, "{definition} {end:?}");
        }
        assert!(!rules.keep_all());
        assert!(self::rules(&["ever", "draft:failed=ever"]).unwrap().keep_all());
        let none = KeepRules::default();
        assert_eq!(none.kept("checkout", SagaEnd::Completed), KeptFor::Ever);
        assert!(none.keep_all());
    }

    #[test]
    fn a_saga_goes_once_it_has_been_over_for_that_long() {
        let rules = rules(&["1d", ":failed=2d", "draft=ever", "note:completed=ever"]).unwrap();
        let at = |days: i64| Timestamp::from_micros(days * DAY.as_micros() as i64);
        assert!(rules.is_due("checkout", SagaEnd::Completed, at(9), at(10)));
        assert!(!rules.is_due(
            "checkout",
            SagaEnd::Completed,
            at(9),
            Timestamp::from_micros(at(10).as_micros() - 1)
        ));
        assert!(!rules.is_due("checkout", SagaEnd::Failed, at(9), at(10)));
        assert!(rules.is_due("checkout", SagaEnd::Failed, at(8), at(10)));
        assert!(!rules.is_due("draft", SagaEnd::Failed, at(-100_000), at(10)));
        // A clock that went back takes nothing away.
        assert!(!rules.is_due("checkout", SagaEnd::Completed, at(12), at(10)));
        assert_eq!(rules.none_started_since("checkout", at(10)), Some(at(9)));
        assert_eq!(rules.none_started_since("note", at(10)), Some(at(8)));
        assert_eq!(rules.none_started_since("draft", at(10)), None);
    }

    #[test]
    fn a_text_that_is_no_rule_says_why() {
        for (texts, why) in [
            (&["90"][..], "`90` is no time"),
            (&[""], "`` is no time"),
            (&["checkout=soon"], "`soon` is no time"),
            (&["59s"], "60s (KEPT_MIN) at least, and `59s` is less"),
            (&["checkout:done=90d"], "`done` is no way in which a saga ends"),
            (&["checkout:=90d"], "`` is no way"),
            (&["=90d"], "a rule about all sagas has no `=`"),
            (&["90d", "80d"], "two rules are about the same sagas: `90d` and `80d`"),
            (&["a:failed=36h", " a : failed = 61s "], "`a:failed=36h` and `a:failed=61s`"),
        ] {
            let error = rules(texts).unwrap_err().to_string();
            assert!(error.contains(why), "{texts:?}: {error}");
        }
        let many: Vec<KeepRule> =
            (0..=KEEP_RULES_MAX).map(|number| format!("saga-{number}=1d").parse().unwrap()).collect();
        assert_eq!(KeepRules::new(many), Err(UnfitKeepRule::TooMany));
        for text in ["90d", "60s", ":failed=365d", "a=1500m", "a:completed=ever", "a=90500ms"] {
            let rule: KeepRule = text.parse().unwrap();
            assert_eq!(rule.to_string().parse(), Ok(rule.clone()), "{text}");
        }
    }
}
