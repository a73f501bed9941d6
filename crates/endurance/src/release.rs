//! The two releases of a rolling upgrade.

use std::path::PathBuf;

/// The release before, and how it and this one follow each other.
#[derive(Debug, Clone)]
pub struct Rolling {
    /// Its program. `None`: the program of this release takes both parts, on a journal to which a step is added that a later
    /// release could bring.
    pub before: Option<PathBuf>,
    /// It cannot be started on a journal of this release: there is one upgrade, and whatever falls from its beginning on comes back as this
    /// release.
    pub is_one_way: bool,
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    Before,
    This,
}

impl Rolling {
    /// The program of a release; `None`: the one that was built together with this one.
    pub(crate) fn program(&self, release: Release) -> Option<PathBuf> {
        self.before.clone().filter(|_| release == Release::Before)
    }
}
