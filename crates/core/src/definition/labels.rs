//! Labels, by which sagas are found: a few names with small values, set at the start and never changed.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::budget::{Budget, within};
use super::{Definition, Scope, Template};
use crate::json::Json;

/// A saga's labels, in the order in which its definition names them. A copy shares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Option<Arc<[Named]>>);

type Named = (Arc<str>, Label);

/// A label's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(Arc<str>),
}

/// How a label is made.
#[derive(Debug)]
pub struct LabelRule {
    /// The label's name.
    pub name: Arc<str>,
    /// An expression over `.input`.
    pub value: Template,
}

/// A label cannot be made of an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The label `{name}` cannot be made: {why}")]
pub struct LabelError {
    /// The label.
    pub name: Arc<str>,
    /// Why not.
    pub why: String,
}

/// The largest amount at stake of one saga, in cents: more counts as this. The sum of more sagas than are ever added up fits into 64 bits.
const AT_STAKE_CENTS_MAX: i64 = 900_000_000_000_000;

/// The longest text of a label, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;

impl Definition {
    /// The definition, whose sagas are found by these members of their input, too.
    #[must_use]
    pub fn labelled_by(mut self, members: &[&str]) -> Self {
        self.labels.retain(|rule| !members.contains(&&*rule.name));
        let rule = |member: &&str| {
            let value = Template::parse(&format!(".input.\"{member}\"")).ok()?;
            Some(LabelRule { name: (*member).into(), value })
        };
        self.labels.splice(0..0, members.iter().filter_map(rule));
        self
    }

    /// The labels of a saga with this input. They are made while its caller waits, so they have the small budget of
    /// expressions alone.
    pub(super) fn labels_of(&self, input: &Json) -> Result<Labels, LabelError> {
        if self.labels.is_empty() {
            return Ok(Labels::default());
        }
        let scope = Scope::default().with("input", input.text());
        let label = |rule: &LabelRule| {
            let refused = |why: String| LabelError { name: rule.name.clone(), why };
            let made = rule.value.render(&scope).map_err(|error| refused(error.to_string()))?;
            let label = Label::of(made.text()).map_err(refused)?;
            Ok(label.map(|label| (rule.name.clone(), label)))
        };
        within(Budget::INLINE, || self.labels.iter().filter_map(|rule| label(rule).transpose()).collect())
            .value
    }
}

impl Label {
    /// The label with this value; `None`: it is null. The error says why it cannot be one.
    fn of(json: &str) -> Result<Option<Self>, String> {
        match json.as_bytes().first() {
            Some(b'n') => Ok(None),
            Some(b'"') => {
                let text: String = serde_json::from_str(json).map_err(|error| error.to_string())?;
                if text.len() > LABEL_BYTES_MAX {
                    let bytes = text.len();
                    return Err(format!(
                        "it has {bytes} bytes; the limit LABEL_BYTES_MAX is {LABEL_BYTES_MAX}"
                    ));
                }
                if text.chars().any(char::is_control) {
                    return Err("it has a control character, such as a line break".into());
                }
                Ok(Some(Self::Text(text.into())))
            }
            _ => match json.parse() {
                Ok(number) => Ok(Some(Self::Integer(number))),
                Err(_) => Err("it is no text and no whole number of 64 bits".into()),
            },
        }
    }
}

impl Labels {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Label)> {
        self.0.iter().flat_map(|labels| labels.iter()).map(|(name, label)| (name, label))
    }

    /// The value of a label.
    pub fn get(&self, name: &str) -> Option<&Label> {
        self.iter().find(|(known, _)| &***known == name).map(|(_, label)| label)
    }

    /// The amount of money that is at stake, in cents: the sum of the labels whose names end in `_cents` and whose values are whole
    /// numbers; `None`: there is no such label.
    pub fn at_stake(&self) -> Option<i64> {
        let amounts = self.iter().filter_map(|(name, label)| match label {
            Label::Integer(cents) if name.ends_with("_cents") => Some(*cents),
            Label::Integer(_) | Label::Text(_) => None,
        });
        let sum = amounts.reduce(i64::saturating_add)?;
        Some(sum.clamp(-AT_STAKE_CENTS_MAX, AT_STAKE_CENTS_MAX))
    }

    /// The value of a label that is a whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Label::Integer(value)) => Some(*value),
            Some(Label::Text(_)) | None => None,
        }
    }
}

impl FromIterator<(Arc<str>, Label)> for Labels {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, Label)>>(labels: T) -> Self {
        let labels: Arc<[Named]> = labels.into_iter().collect();
        Self(Some(labels).filter(|labels| !labels.is_empty()))
    }
}

impl fmt::Display for Label {
    /// The value as filters write it: `7` is the number and the text alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => fmt::Display::fmt(value, f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelMembers;

        impl<'de> Visitor<'de> for LabelMembers {
            type Value = Labels;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of integers and strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Labels, A::Error> {
                let mut labels = Vec::new();
                while let Some(label) = members.next_entry()? {
                    labels.push(label);
                }
                Ok(labels.into_iter().collect())
            }
        }

        deserializer.deserialize_map(LabelMembers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_stake_is_the_sum_of_all_amounts_in_cents() {
        let at_stake = |labels: &[(&str, Label)]| {
            labels
                .iter()
                .map(|(name, label)| (Arc::from(*name), label.clone()))
                .collect::<Labels>()
                .at_stake()
        };
        let (number, text) = (Label::Integer, |text: &str| Label::Text(text.into()));
        assert_eq!(at_stake(&[]), None);
        assert_eq!(at_stake(&[("client_id", number(5)), ("total_cents", text("5"))]), None);
        assert_eq!(at_stake(&[("total_cents", number(0))]), Some(0));
        let several =
            [("total_cents", number(1_000)), ("points", number(7)), ("shipping_cents", number(-200))];
        assert_eq!(at_stake(&several), Some(800));
        let most = [("a_cents", number(i64::MAX)), ("b_cents", number(i64::MAX))];
        assert_eq!(at_stake(&most), Some(AT_STAKE_CENTS_MAX));
        assert_eq!(at_stake(&[("a_cents", number(i64::MIN))]), Some(-AT_STAKE_CENTS_MAX));
    }
}
