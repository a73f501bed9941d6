//! The values of the tables `bulk_action` and `bulk_item`, as all stores keep them.

use std::sync::Arc;

use saga_core::saga::SeenUntil;
use saga_core::{Seq, Timestamp};

use crate::columns::text;
use crate::{BulkHead, NewBulkAction};

/// The action without its items. Its texts are fit for a column.
pub(crate) fn head(action: &NewBulkAction) -> BulkHead {
    let fit = |kept: &Arc<str>| Arc::from(text(kept));
    let head = action.head();
    BulkHead {
        id: head.id,
        key: fit(&head.key),
        kind: head.kind,
        caller: head.caller.as_ref().map(fit),
        by: fit(&head.by),
        reason: head.reason.as_ref().map(fit),
        described: fit(&head.described),
        begun: head.begun,
    }
}

/// The part of a saga that an operator knew, from the columns `seen_us` and `seen_seq`.
pub(crate) fn seen(at_us: i64, seq: Option<i64>) -> SeenUntil {
    SeenUntil { at: Timestamp::from_micros(at_us), position: seq.map(|seq| Seq::new(seq.unsigned_abs())) }
}

/// The value of `seen_seq`. It comes from an operator's form, so it may be any number.
pub(crate) fn seen_seq(seen: SeenUntil) -> Option<i64> {
    seen.position.map(|position| i64::try_from(position.get()).unwrap_or(i64::MAX))
}
