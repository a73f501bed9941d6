//! A saga's input: the body of a caller's request, checked against the definition's declarations. Numbers keep their
//! digits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::labels::{Label, Labels};
use super::{Definition, InputType};
use crate::json::Json;

/// The input of a saga. Only a definition can make it, from a caller's body.
#[derive(Debug, Clone)]
pub struct SagaInput {
    definition: Arc<Definition>,
    json: Json,
    labels: Labels,
}

impl SagaInput {
    /// The definition that the saga will run.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The declared members, in their order.
    pub fn json(&self) -> &Json {
        &self.json
    }

    /// The labels, by which operators and callers find the saga.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    pub(crate) fn into_parts(self) -> (Arc<Definition>, Json, Labels) {
        (self.definition, self.json, self.labels)
    }
}

/// The longest number, in characters.
pub const NUMBER_CHARS_MAX: usize = 100;

/// Why a body is not the input of a saga.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It is not JSON.
    #[error("The body is not JSON: {0}")]
    NotJson(String),
    /// Two programs might read different inputs from it.
    #[error("The body is ambiguous: {0}")]
    Ambiguous(String),
    /// It is JSON, but not an object.
    #[error("The body must be a JSON object, such as {{{example}}}")]
    NotAnObject {
        /// Members that would be valid.
        example: String,
    },
    /// A declared member is missing.
    #[error("`{name}` is missing; it must be a JSON {kind}")]
    Missing {
        /// The member.
        name: Box<str>,
        /// Its declared type.
        kind: InputType,
    },
    /// A declared member is of another type.
    #[error("`{name}` must be a JSON {kind}{}", kind.details())]
    Wrong {
        /// The member.
        name: Box<str>,
        /// Its declared type.
        kind: InputType,
    },
    /// A number has too many digits.
    #[error("`{name}` is a number of {chars} characters; the limit NUMBER_CHARS_MAX is {NUMBER_CHARS_MAX}")]
    TooLong {
        /// The member.
        name: Box<str>,
        /// Its length.
        chars: usize,
    },
}

/// A member's name: borrowed where it has no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct MemberName<'a>(#[serde(borrow)] Cow<'a, str>);

impl Definition {
    /// Reads a caller's body: the declared members, each checked, in a fixed order. Other members are ignored, and
    /// are no part of the input.
    pub fn read_input(self: &Arc<Self>, body: &[u8]) -> Result<SagaInput, InputError> {
        let body = Json::parse_unambiguous(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data if error.to_string().contains("is there twice") => {
                InputError::Ambiguous(error.to_string())
            }
            _ => InputError::NotJson(error.to_string()),
        })?;
        if !body.text().starts_with('{') {
            let member = |(name, kind): &(Box<str>, InputType)| format!("\"{name}\": {}", kind.example());
            let example = self.input.iter().map(member).collect::<Vec<_>>().join(", ");
            return Err(InputError::NotAnObject { example });
        }
        let given: BTreeMap<MemberName<'_>, &RawValue> =
            serde_json::from_str(body.text()).map_err(|error| InputError::NotJson(error.to_string()))?;
        let (mut text, mut labels) = (String::from("{"), Vec::new());
        for (name, kind) in &self.input {
            let value = given
                .get(&MemberName(Cow::Borrowed(name)))
                .ok_or_else(|| InputError::Missing { name: name.clone(), kind: *kind })?;
            let separator = if text.len() > 1 { "," } else { "" };
            let value = kind.read(name, value.get())?;
            text.push_str(&format!("{separator}{}:{value}", serde_json::Value::from(&**name)));
            let is_label = |label: &&Arc<str>| ***label == **name;
            if let (Some(label), Ok(value)) = (self.labels.iter().find(is_label), value.parse()) {
                labels.push((label.clone(), Label::Integer(value)));
            }
        }
        text.push('}');
        let json = Json::parse(text.as_bytes()).map_err(|error| InputError::NotJson(error.to_string()))?;
        Ok(SagaInput { definition: self.clone(), json, labels: labels.into_iter().collect() })
    }

    /// The definition with these members of its input, where they are whole numbers, as labels.
    #[must_use]
    pub fn labelled_by(mut self, members: &[&str]) -> Self {
        self.labels.extend(members.iter().map(|member| (*member).into()));
        self
    }
}

impl InputType {
    /// The value as it is stored.
    fn read<'v>(self, name: &str, value: &'v str) -> Result<Cow<'v, str>, InputError> {
        let is_number = value.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if is_number && value.len() > NUMBER_CHARS_MAX && matches!(self, Self::Integer | Self::Number) {
            return Err(InputError::TooLong { name: name.into(), chars: value.len() });
        }
        match self {
            // `-0`, `1.0` and `1e3` are whole numbers in an unusual notation: a path or a key made of them would
            // differ.
            Self::Integer if value != "-0" && value.parse::<i64>().is_ok() => Ok(value.into()),
            Self::Number if is_number => Ok(value.into()),
            Self::Boolean if matches!(value, "true" | "false") => Ok(value.into()),
            Self::String if value.starts_with('"') => serde_json::from_str::<String>(value)
                .map(|text| serde_json::Value::from(text).to_string().into())
                .map_err(|error| InputError::NotJson(error.to_string())),
            _ => Err(InputError::Wrong { name: name.into(), kind: self }),
        }
    }

    /// Further details for an error message.
    const fn details(self) -> &'static str {
        match self {
            Self::Integer => ", written without a fraction or an exponent, from -2^63 to 2^63 - 1",
            Self::Number | Self::String | Self::Boolean => "",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Integer => "7",
            Self::Number => "1.5",
            Self::String => "\"...\"",
            Self::Boolean => "true",
        }
    }
}
