//! A saga's input: the body of a caller's request, checked against the definition's declarations. Numbers keep their
//! digits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::labels::{LabelError, Labels};
use super::suggest::nearest;
use super::{Definition, InputForm, InputMember, InputType};
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
    /// A member is not declared.
    #[error("`{name}` is no member of the input{meant}; it has {known}")]
    Undeclared {
        /// The member, cut.
        name: Box<str>,
        /// A correction, or nothing.
        meant: String,
        /// The declared members.
        known: String,
    },
    /// It does not fit the definition's schema.
    #[error("The input does not fit its schema. At {0}")]
    Unfit(String),
    /// A label cannot be made of it.
    #[error(transparent)]
    Label(#[from] LabelError),
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

/// What happens to members that are not declared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undeclared {
    Ignored,
    Refused,
}

impl Definition {
    /// Reads a caller's body: the declared members, each checked, in a fixed order. Other members are ignored, and are no part
    /// of the input, unless a schema decides about them.
    pub fn read_input(self: &Arc<Self>, body: &[u8]) -> Result<SagaInput, InputError> {
        self.input_of(body, Undeclared::Ignored)
    }

    /// The same, and a member that is not declared is an error.
    pub fn read_exact_input(self: &Arc<Self>, body: &[u8]) -> Result<SagaInput, InputError> {
        self.input_of(body, Undeclared::Refused)
    }

    fn input_of(self: &Arc<Self>, body: &[u8], undeclared: Undeclared) -> Result<SagaInput, InputError> {
        let not_json = |error: serde_json::Error| InputError::NotJson(error.to_string());
        let body = Json::parse_unambiguous(body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data if error.to_string().contains("is there twice") => {
                InputError::Ambiguous(error.to_string())
            }
            _ => InputError::NotJson(error.to_string()),
        })?;
        if !body.text().starts_with('{') {
            return Err(InputError::NotAnObject { example: self.input.example() });
        }
        let given: BTreeMap<MemberName<'_>, &RawValue> =
            serde_json::from_str(body.text()).map_err(not_json)?;
        let mut object = ObjectText::new();
        match &self.input {
            InputForm::Members(members) => {
                if undeclared == Undeclared::Refused {
                    self.refuse_others(&given, members)?;
                }
                for InputMember { name, kind, optional } in members {
                    match given.get(&MemberName(Cow::Borrowed(name))) {
                        Some(value) => object.add(name, &kind.read(name, value.get())?),
                        None if *optional => {}
                        None => return Err(InputError::Missing { name: name.clone(), kind: *kind }),
                    }
                }
            }
            InputForm::Schema(schema) => {
                let value = serde_json::from_str(body.text()).map_err(not_json)?;
                if let Some(wrong) = schema.wrong(&value) {
                    return Err(InputError::Unfit(wrong));
                }
                let is_described = |name: &str| schema.properties().iter().any(|known| **known == *name);
                let described = schema.properties().iter().map(|name| MemberName(Cow::Borrowed(name)));
                let described = described.filter_map(|name| given.get_key_value(&name));
                let others = given.iter().filter(|(name, _)| !is_described(&name.0));
                described.chain(others).for_each(|(name, value)| object.add(&name.0, value.get()));
            }
        }
        let json = Json::parse(object.close().as_bytes()).map_err(not_json)?;
        let labels = self.labels_of(&json)?;
        Ok(SagaInput { definition: self.clone(), json, labels })
    }

    fn refuse_others(
        &self,
        given: &BTreeMap<MemberName<'_>, &RawValue>,
        members: &[InputMember],
    ) -> Result<(), InputError> {
        let other = given.keys().find(|name| members.iter().all(|member| *member.name != *name.0));
        let Some(MemberName(name)) = other else { return Ok(()) };
        let near = nearest(name, self.input.names());
        let known: Vec<_> = self.input.names().map(|name| format!("`{name}`")).collect();
        Err(InputError::Undeclared {
            name: name.chars().take(MEMBER_SHOWN_CHARS_MAX).collect::<String>().into(),
            meant: near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)")),
            known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
        })
    }
}

/// Characters of an unknown member's name in an error: the rest is cut.
const MEMBER_SHOWN_CHARS_MAX: usize = 60;

/// The text of an object, member by member.
struct ObjectText(String);

impl ObjectText {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn add(&mut self, name: &str, json: &str) {
        let separator = if self.0.len() > 1 { "," } else { "" };
        self.0.push_str(&format!("{separator}{}:{json}", serde_json::Value::from(name)));
    }

    fn close(mut self) -> String {
        self.0.push('}');
        self.0
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
            Self::Object if value.starts_with('{') => Ok(value.into()),
            Self::Array if value.starts_with('[') => Ok(value.into()),
            _ => Err(InputError::Wrong { name: name.into(), kind: self }),
        }
    }
}
