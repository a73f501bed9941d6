//! Small JSON bodies that people write: each member is read by its name, and every mistake says how to correct it, which
//! serde's own messages would not.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::access::Principal;
use super::body::malformed;
use super::problem::Problem;

/// Characters of an unknown member's name in an error: the rest is cut.
const NAME_CHARS_SHOWN_MAX: usize = 64;

/// A member that is a line of text.
pub(crate) struct TextMember {
    pub(crate) name: &'static str,
    /// The limit's name, and its value in characters.
    pub(crate) max: (&'static str, usize),
    /// Its meaning, for messages.
    pub(crate) says: &'static str,
    pub(crate) example: &'static str,
}

/// A body's members, as they were written.
pub(crate) struct BodyMembers(BTreeMap<String, Box<RawValue>>);

impl BodyMembers {
    /// The name of the caller who asks, which no body can change; of a caller without one, the name that the body says.
    pub(crate) fn asker(&self, member: &TextMember, principal: &Principal) -> Result<Box<str>, Problem> {
        match principal.name() {
            None => self.required(member),
            Some(name) => self.optional(member).map(|_| (&**name).into()),
        }
    }

    /// Reads an object that has no other members than these: what was misspelt must not be taken for left out.
    pub(crate) fn read(body: &[u8], known: &[&str]) -> Result<Self, Problem> {
        let names = known.join("`, `");
        // Of an empty body, too, it is said what is missing.
        let body = if body.iter().all(u8::is_ascii_whitespace) { b"{}" } else { body };
        let parsed: &RawValue = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(parsed.get())
            .map_err(|_| Problem::invalid(format!("The body must be a JSON object with `{names}`")))?;
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            Some(other) => {
                let other: String = other.chars().take(NAME_CHARS_SHOWN_MAX).collect();
                let other = other.escape_debug();
                Err(Problem::invalid(format!("There is no member `{other}` here; there are `{names}`")))
            }
            None => Ok(Self(members)),
        }
    }

    pub(crate) fn required(&self, text: &TextMember) -> Result<Box<str>, Problem> {
        let TextMember { name, says, example, .. } = text;
        self.optional(text)?.ok_or_else(|| {
            Problem::invalid(format!("`{name}` is missing; write {says}, such as \"{name}\": \"{example}\""))
        })
    }

    pub(crate) fn optional(&self, text: &TextMember) -> Result<Option<Box<str>>, Problem> {
        let TextMember { name, says, example, .. } = text;
        let Some(value) = self.0.get(*name).filter(|value| value.get() != "null") else { return Ok(None) };
        let Ok(given) = serde_json::from_str::<String>(value.get()) else {
            let detail = format!("`{name}` must be a JSON string: {says}, such as \"{example}\"");
            return Err(Problem::invalid(detail));
        };
        match text.kept(&given)? {
            Some(kept) => Ok(Some(kept)),
            None => Err(Problem::invalid(format!("`{name}` is empty; write {says}, such as \"{example}\""))),
        }
    }

    /// A member as it was written.
    pub(crate) fn raw(&self, name: &str) -> Option<&RawValue> {
        self.0.get(name).map(|value| &**value)
    }
}

impl TextMember {
    /// The text as it is kept; `None`: it is empty.
    pub(crate) fn kept(&self, given: &str) -> Result<Option<Box<str>>, Problem> {
        let Self { name, max: (limit, max), .. } = self;
        let given = given.trim();
        let length = given.chars().count();
        if length == 0 {
            Ok(None)
        } else if length > *max {
            let detail = format!("`{name}` has {length} characters; at most {max} are taken ({limit})");
            Err(Problem::invalid(detail))
        } else if given.contains(char::is_control) {
            let detail =
                format!("`{name}` has a control character in it, such as a line break; leave it out");
            Err(Problem::invalid(detail))
        } else {
            Ok(Some(given.into()))
        }
    }

    /// The same of a text that is due.
    pub(crate) fn due(&self, given: &str) -> Result<Box<str>, Problem> {
        let Self { name, says, example, .. } = self;
        let missing =
            || Problem::invalid(format!("`{name}` is missing; write {says}, such as \"{example}\""));
        self.kept(given)?.ok_or_else(missing)
    }
}
