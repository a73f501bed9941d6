//! Labels, by which sagas are found: a few names with small values, set at the start and never changed.

use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
