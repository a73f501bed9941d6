//! Roles: what callers may do. Each route says beside its handler which roles it is for.

use strum::{Display, EnumString, VariantArray};

/// What a caller may do. Routes name the roles that they are for; the words are those of the keys file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Display, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Start sagas, and see and cancel those that the same name has started.
    Start,
    /// Send signals of certain names.
    Signal,
    /// See all sagas, definitions, participants and metrics.
    Read,
    /// The same, start and cancel any, and clear blocked ones.
    Operate,
    /// Everything.
    Admin,
}

/// The roles that a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// The route is for all, and does not ask for a key.
    Nothing,
    /// One of these.
    AnyOf(Vec<Role>),
}

impl Needs {
    /// Whether a caller of this role is let through.
    pub fn allows(&self, role: Role) -> bool {
        match self {
            Self::Nothing => true,
            Self::AnyOf(roles) => roles.contains(&role),
        }
    }
}
