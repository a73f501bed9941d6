//! The words of the wire.

use saga_core::saga::Rollback;

/// The field `rollback`.
pub(crate) const fn rollback(rollback: Rollback) -> &'static str {
    match rollback {
        Rollback::None => "AUCUN",
        Rollback::Running => "EN_COURS",
        Rollback::Done => "TERMINE",
        Rollback::Blocked => "BLOQUE",
    }
}

/// What a word in that field means; `None`: it is none of them.
pub(crate) fn rollback_named(word: &str) -> Option<Rollback> {
    let all = [Rollback::None, Rollback::Running, Rollback::Done, Rollback::Blocked];
    all.into_iter().find(|meant| rollback(*meant) == word)
}
