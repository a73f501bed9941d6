//! Roles: what callers may do. Each route says beside its handler which roles it is for.
//!
//! Roles are no ladder: `signal` reaches what `read` does not. So a caller has a set of them, and acts at a route in those of its
//! roles that the route is for.

use std::fmt;

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

/// A set of roles: a bit for each.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles(u8);

impl Roles {
    /// Every role.
    pub(crate) fn all() -> Self {
        Role::VARIANTS.iter().copied().collect()
    }

    /// Whether the role is one of them.
    pub(crate) fn contains(self, role: Role) -> bool {
        self.0 & Self::from(role).0 != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> u32 {
        self.0.count_ones()
    }

    fn iter(self) -> impl Iterator<Item = Role> {
        Role::VARIANTS.iter().copied().filter(move |role| self.contains(*role))
    }
}

impl From<Role> for Roles {
    fn from(role: Role) -> Self {
        Self(1 << role as u8)
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        roles.into_iter().map(Self::from).collect()
    }
}

impl FromIterator<Self> for Roles {
    fn from_iter<I: IntoIterator<Item = Self>>(sets: I) -> Self {
        Self(sets.into_iter().fold(0, |bits, set| bits | set.0))
    }
}

/// As in a sentence: `read` or `operate`, each in backquotes, separated by commas.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}`{role}`")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The roles that a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The route is for all, and does not ask who calls.
    Nothing,
    /// One of these.
    AnyOf(Roles),
}

impl Needs {
    /// The roles in which a caller that has these acts at the route. None of them: it is not let through.
    pub(super) fn acting(self, has: Roles) -> Roles {
        match self {
            Self::Nothing => has,
            Self::AnyOf(roles) => Roles(roles.0 & has.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles<const N: usize>(of: [Role; N]) -> Roles {
        of.into_iter().collect()
    }

    #[test]
    fn a_caller_acts_in_those_of_its_roles_that_the_route_is_for() {
        use Role::{Admin, Operate, Read, Signal, Start};
        let has = roles([Start, Signal]);
        let acting = |route: Roles| Needs::AnyOf(route).acting(has);
        assert_eq!(acting(roles([Start, Operate, Admin])), Start.into());
        assert_eq!(acting(roles([Signal, Operate, Admin])), Signal.into());
        assert!(acting(roles([Read, Operate, Admin])).is_empty());
        assert_eq!(Needs::Nothing.acting(has), has);
        assert_eq!(Roles::all(), roles([Admin, Operate, Read, Signal, Start]));
        assert_eq!(
            format!("{has} {:?}", Roles::all()),
            "`start`, `signal` {Start, Signal, Read, Operate, Admin}"
        );
    }
}
