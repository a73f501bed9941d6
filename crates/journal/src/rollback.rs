//! The words of the column `rollback`, which operators read with SQL.

use saga_core::saga::Rollback;

/// The word for the column.
pub const fn rollback_word(rollback: Rollback) -> &'static str {
    match rollback {
        Rollback::None => "none",
        Rollback::Running => "running",
        Rollback::Done => "done",
        Rollback::Blocked => "blocked",
    }
}

/// The meaning of a word of the column; `None`: it is none of them.
pub(crate) fn rollback_named(word: &str) -> Option<Rollback> {
    let all = [Rollback::None, Rollback::Running, Rollback::Done, Rollback::Blocked];
    all.into_iter().find(|rollback| rollback_word(*rollback) == word)
}
