//! The holder of a token: the name and the roles that its claims tell. Pure.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use saga_core::Timestamp;
use serde_json::{Map, Value};

use super::token::BadToken;
use crate::api::access::role::{Role, Roles};

/// Before the names of tokens' holders. No key has a name that begins so, because keys' names have no `:`.
pub(crate) const PREFIX: &str = "oidc:";
/// Characters of the name that a token tells: the longest `sub` that OpenID Connect allows.
const TOKEN_NAME_CHARS_MAX: usize = 255;
/// Members inside each other on the way to a claim.
const CLAIM_DEPTH_MAX: usize = 8;

/// The holder of a token that was found to be good.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::api::access) struct TokenHolder {
    pub(in crate::api::access) name: Arc<str>,
    pub(in crate::api::access) roles: Roles,
    /// The token counts before this time.
    pub(super) until: Timestamp,
}

/// Where a claim stands: the names of the members on the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClaimPath(Vec<Box<str>>);

/// A word of a token that stands for a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoleWord {
    word: Box<str>,
    role: Role,
}

/// How claims are read.
#[derive(Debug)]
pub(super) struct HolderRules {
    name: ClaimPath,
    roles: ClaimPath,
    /// `None`: the roles' own words count.
    words: Option<HashMap<Box<str>, Roles>>,
}

impl FromStr for ClaimPath {
    type Err = String;

    /// A dot leads into an object, but not in names that are URLs, which issuers give to claims of their own.
    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<Box<str>> = match text.contains("://") {
            true => vec![text.into()],
            false => text.split('.').map(Box::from).collect(),
        };
        if names.iter().any(|name| name.is_empty()) {
            return Err(
                "write the name of a claim, such as roles, or the way to it, such as realm_access.roles"
                    .into(),
            );
        }
        if names.len() > CLAIM_DEPTH_MAX {
            return Err(format!(
                "it leads through {} objects; the limit CLAIM_DEPTH_MAX is {CLAIM_DEPTH_MAX}",
                names.len()
            ));
        }
        Ok(Self(names))
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

impl ClaimPath {
    fn of<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(claims.get(&**first)?, |value, name| value.get(&**name))
    }

    fn is_sub(&self) -> bool {
        matches!(&*self.0, [only] if **only == *"sub")
    }
}

impl FromStr for RoleWord {
    type Err = String;

    /// `VALUE=ROLE`. A value may have `=` in it, a role has none.
    fn from_str(text: &str) -> Result<Self, String> {
        let (word, role) =
            text.rsplit_once('=').filter(|(word, _)| !word.is_empty()).ok_or("write VALUE=ROLE")?;
        let role = role
            .parse()
            .map_err(|_| format!("`{role}` is no role; there are start, signal, read, operate and admin"))?;
        Ok(Self { word: word.into(), role })
    }
}

impl HolderRules {
    /// With `words`, those alone stand for roles.
    pub(super) fn new(name: ClaimPath, roles: ClaimPath, words: Vec<RoleWord>) -> Self {
        let mut table: HashMap<Box<str>, Roles> = HashMap::new();
        for RoleWord { word, role } in words {
            let known = table.entry(word).or_default();
            *known = [*known, role.into()].into_iter().collect();
        }
        Self { name, roles, words: (!table.is_empty()).then_some(table) }
    }

    /// The holder of a token with these claims.
    pub(super) fn holder(
        &self,
        claims: &Map<String, Value>,
        until: Timestamp,
    ) -> Result<TokenHolder, BadToken> {
        let name = format!("{PREFIX}{}", self.name(claims)?).into();
        Ok(TokenHolder { name, roles: self.roles(claims), until })
    }

    /// A token without a `sub` is a client's own. The issuer keeps `sub` and `client_id` apart (RFC 9068, 5), but not a claim that
    /// users may choose, so none but `sub` is stood in for.
    fn name<'a>(&self, claims: &'a Map<String, Value>) -> Result<&'a str, BadToken> {
        let named = match self.name.of(claims) {
            None if self.name.is_sub() => claims.get("client_id"),
            named => named,
        };
        let name = named.and_then(Value::as_str).ok_or(BadToken::NoName)?;
        let is_plain = !name.chars().any(|c| c.is_control() || is_invisible(c)) && name.trim() == name;
        let is_short =
            !name.is_empty() && name.chars().take(TOKEN_NAME_CHARS_MAX + 1).count() <= TOKEN_NAME_CHARS_MAX;
        if is_plain && is_short { Ok(name) } else { Err(BadToken::NoName) }
    }

    /// The roles that a claim names: a text of words, or an array of them.
    fn roles(&self, claims: &Map<String, Value>) -> Roles {
        let words: Vec<&str> = match self.roles.of(claims) {
            Some(Value::String(text)) => text.split_ascii_whitespace().collect(),
            Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let of_word = |word: &str| match &self.words {
            Some(words) => words.get(word).copied(),
            None => word.parse::<Role>().ok().map(Roles::from),
        };
        words.into_iter().filter_map(of_word).collect()
    }
}

/// Characters that show nothing, or turn the text around them: two names with and without them would look the same.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}
