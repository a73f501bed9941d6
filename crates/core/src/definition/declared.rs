//! What a definition declares of its input.

use serde_json::{Map, Value, json};
use strum::{Display, EnumString, VariantNames};

use super::schema::InputSchema;

/// What an input must be.
#[derive(Debug)]
pub enum InputForm {
    /// An object with these members, each of a type.
    Members(Vec<InputMember>),
    /// An object that fits a JSON Schema.
    Schema(Box<InputSchema>),
}

/// A declared member of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputMember {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub kind: InputType,
    /// Whether it may be left out.
    pub optional: bool,
}

/// The JSON type of an input's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum InputType {
    /// A whole number that fits 64 bits with sign.
    Integer,
    /// Any JSON number within the range of a double; its digits are kept.
    Number,
    /// A string.
    String,
    /// `true` or `false`.
    Boolean,
    /// An object, whatever its members.
    Object,
    /// A list, whatever its items.
    Array,
}

impl InputForm {
    /// The declared members' names, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (members, properties) = match self {
            Self::Members(members) => (&members[..], &[][..]),
            Self::Schema(schema) => (&[][..], schema.properties()),
        };
        members.iter().map(|member| &*member.name).chain(properties.iter().map(|name| &**name))
    }

    /// The declared member called `name`; `None`: there is none, or a schema describes it.
    pub fn member(&self, name: &str) -> Option<&InputMember> {
        match self {
            Self::Members(members) => members.iter().find(|member| *member.name == *name),
            Self::Schema(_) => None,
        }
    }

    /// Whether an input can have a member called `name`.
    pub(super) fn may_have(&self, name: &str) -> bool {
        let is_open = match self {
            Self::Members(_) => false,
            Self::Schema(schema) => schema.is_open(),
        };
        is_open || self.names().any(|known| known == name)
    }

    /// Members that would be valid, as an example in JSON without braces.
    pub(super) fn example(&self) -> String {
        let members = match self {
            Self::Members(members) => members,
            Self::Schema(schema) => return schema.example(),
        };
        let needed = members.iter().filter(|member| !member.optional);
        let shown: Vec<_> = needed
            .map(|member| format!("{}: {}", Value::from(&*member.name), member.kind.example()))
            .collect();
        shown.join(", ")
    }

    /// The JSON Schema (2020-12) of a body that has nothing else.
    pub fn schema(&self) -> Value {
        let members = match self {
            Self::Members(members) => members,
            Self::Schema(schema) => return schema.value().clone(),
        };
        let properties: Map<_, _> =
            members.iter().map(|member| (member.name.to_string(), member.kind.schema())).collect();
        let needed = members.iter().filter(|member| !member.optional);
        let required: Vec<_> = needed.map(|member| &member.name).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }
}

impl InputType {
    /// Further details for an error message.
    pub(super) const fn details(self) -> &'static str {
        match self {
            Self::Integer => ", written without a fraction or an exponent, from -2^63 to 2^63 - 1",
            _ => "",
        }
    }

    const fn example(self) -> &'static str {
        match self {
            Self::Integer => "7",
            Self::Number => "1.5",
            Self::String => "\"...\"",
            Self::Boolean => "true",
            Self::Object => "{}",
            Self::Array => "[]",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Integer => json!({ "type": "integer", "format": "int64" }),
            Self::Number => json!({ "type": "number" }),
            Self::String => json!({ "type": "string" }),
            Self::Boolean => json!({ "type": "boolean" }),
            Self::Object => json!({ "type": "object" }),
            Self::Array => json!({ "type": "array" }),
        }
    }
}
