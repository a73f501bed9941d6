//! Bulk actions: an operator's wish for many sagas, such as "try these 412 now".
//!
//! ```text
//!   begin ──▶ waiting ──▶ sent ──▶ undone, completed, failed_again, skipped, not_sent, going_on
//!                 │         ▲└─┐
//!                 │         └──┘ the replica that had it is gone: another one goes on
//!                 └──▶ taken_back
//! ```
//!
//! The action covers the sagas that it was begun with, and no others. Each is an item with a state of its own. A replica claims
//! a few items at a time, so that the others can be taken back; an item whose replica is gone is claimed again. What the
//! states mean for the sagas is the engine's business.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use saga_core::saga::SeenUntil;
use saga_core::{BulkActionId, SagaId, Timestamp};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Sagas of one bulk action.
pub const BULK_ITEMS_MAX: usize = 10_000;

/// Bytes of the key of a bulk action, which is in an index, and of each of its names, which are in an event of each saga.
pub const BULK_NAME_BYTES_MAX: usize = 1_024;

/// Bytes of the operator's reason, which is in an event of each saga, too.
pub const BULK_WHY_BYTES_MAX: usize = 4 * 1_024;

/// Bytes of the JSON that says how the sagas were chosen.
pub const BULK_CHOICE_BYTES_MAX: usize = 16 * 1_024;

/// The wish of a bulk action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum BulkKind {
    /// Try each saga now.
    Resume,
}

/// The state of one saga of a bulk action.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum BulkState {
    /// No replica has it yet.
    Waiting,
    /// A replica carries it out.
    Sent,
    /// The saga is over, and no effect is left.
    Undone,
    /// The saga is over, and the order stands.
    Completed,
    /// The attempt has failed: the saga waits for an operator as before.
    FailedAgain,
    /// Nothing was done: the saga is not where the operator saw it.
    Skipped,
    /// No call has left.
    NotSent,
    /// The operator has taken it back before a replica had it.
    TakenBack,
    /// The saga has gone on, and was not over when the replica stopped watching.
    GoingOn,
}

impl BulkState {
    /// The state that a word of the journal means. A later release may have written one that this one does not know: then
    /// something has come of it.
    pub(crate) fn read(word: &str) -> Self {
        word.parse().unwrap_or(Self::GoingOn)
    }
}

/// How many items are in each state. A state that none is in may be missing.
pub type BulkCounts = BTreeMap<BulkState, u64>;

/// A bulk action without its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkHead {
    /// Which action.
    pub id: BulkActionId,
    /// The idempotency key: a second action with the same key is the same action.
    pub key: Arc<str>,
    /// The wish.
    pub kind: BulkKind,
    /// The name of the caller who asked for it, where callers are known by their keys.
    pub caller: Option<Arc<str>>,
    /// The operator, as the events of the sagas name the operator.
    pub by: Arc<str>,
    /// The operator's reason.
    pub reason: Option<Arc<str>>,
    /// How the sagas were chosen, as JSON.
    pub described: Arc<str>,
    /// When it was begun.
    pub begun: Timestamp,
}

/// A saga that a bulk action is to cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkItem {
    /// Which saga.
    pub saga: SagaId,
    /// What the operator knew of it.
    pub seen: SeenUntil,
}

/// A bulk action that is to begin: its items are neither none nor too many, and no saga is among them twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBulkAction {
    head: BulkHead,
    items: Vec<BulkItem>,
}

/// Why no bulk action can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnfitBulkAction {
    /// It covers no saga.
    #[error("no saga was chosen; choose at least one")]
    Empty,
    /// It covers too many.
    #[error(
        "{0} sagas were chosen; one action can have BULK_ITEMS_MAX ({BULK_ITEMS_MAX}) of them: choose fewer, and the others \
         with another action"
    )]
    TooMany(usize),
    /// One of its texts is too long.
    #[error("`{name}` of a bulk action has more than {limit} ({max}) bytes; shorten it")]
    TooLong {
        /// Which text.
        name: &'static str,
        /// The limit's name.
        limit: &'static str,
        /// The limit.
        max: usize,
    },
}

impl NewBulkAction {
    /// Checks the limits. Of a saga that was given twice, the first one counts.
    pub fn new(head: BulkHead, mut items: Vec<BulkItem>) -> Result<Self, UnfitBulkAction> {
        let bytes = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        for (name, bytes, limit, max) in [
            ("key", head.key.len(), "BULK_NAME_BYTES_MAX", BULK_NAME_BYTES_MAX),
            ("caller", bytes(&head.caller), "BULK_NAME_BYTES_MAX", BULK_NAME_BYTES_MAX),
            ("by", head.by.len(), "BULK_NAME_BYTES_MAX", BULK_NAME_BYTES_MAX),
            ("reason", bytes(&head.reason), "BULK_WHY_BYTES_MAX", BULK_WHY_BYTES_MAX),
            ("described", head.described.len(), "BULK_CHOICE_BYTES_MAX", BULK_CHOICE_BYTES_MAX),
        ] {
            if bytes > max {
                return Err(UnfitBulkAction::TooLong { name, limit, max });
            }
        }
        if items.len() > BULK_ITEMS_MAX {
            return Err(UnfitBulkAction::TooMany(items.len()));
        }
        let mut known = HashSet::with_capacity(items.len());
        items.retain(|item| known.insert(item.saga));
        if items.is_empty() { Err(UnfitBulkAction::Empty) } else { Ok(Self { head, items }) }
    }

    /// The action without its items.
    pub(crate) fn head(&self) -> &BulkHead {
        &self.head
    }

    /// In the order in which they are carried out.
    pub(crate) fn items(&self) -> &[BulkItem] {
        &self.items
    }
}

/// The result of beginning a bulk action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkBegun {
    /// It is kept. (Beginning the same action again is beginning it once.)
    Begun,
    /// There is one of its key already.
    AlreadyThere(BulkActionId),
}

impl BulkBegun {
    /// The answer to an action whose key belongs to `kept`.
    pub(crate) fn of(wanted: BulkActionId, kept: BulkActionId) -> Self {
        if wanted == kept { Self::Begun } else { Self::AlreadyThere(kept) }
    }
}

/// An item that a replica carries out, with what it needs to know of its action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedItem {
    /// Which action.
    pub action: BulkActionId,
    /// Which saga.
    pub saga: SagaId,
    /// What the operator knew of it.
    pub seen: SeenUntil,
    /// The action's wish.
    pub kind: BulkKind,
    /// The action's caller.
    pub caller: Option<Arc<str>>,
    /// The action's operator.
    pub by: Arc<str>,
    /// The operator's reason.
    pub reason: Option<Arc<str>>,
}

/// The result of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkItemResult {
    /// Neither [`BulkState::Waiting`] nor [`BulkState::Sent`].
    pub state: BulkState,
    /// Why, as JSON: see the engine's `BulkReason`.
    pub why: Option<Arc<str>>,
    /// When that was found.
    pub at: Timestamp,
}

/// An action as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBulkAction {
    /// The action itself.
    pub head: BulkHead,
    /// How many sagas it covers.
    pub items: u64,
    /// When it was found that no item is left to carry out.
    pub ended: Option<Timestamp>,
}

impl KeptBulkAction {
    /// Its place in the list.
    pub fn cursor(&self) -> BulkCursor {
        BulkCursor { begun: self.head.begun, id: self.head.id }
    }
}

/// The last action of a page: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BulkCursor {
    /// When it was begun.
    pub begun: Timestamp,
    /// Tells actions of the same instant apart.
    pub id: BulkActionId,
}

impl BulkCursor {
    /// After every action.
    pub(crate) const END: Self =
        Self { begun: Timestamp::from_micros(i64::MAX), id: BulkActionId::new(uuid::Uuid::max()) };
}

/// An item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBulkItem {
    /// Which saga.
    pub saga: SagaId,
    /// Its place among the action's items, counted from 0.
    pub place: u64,
    /// What the operator knew of it.
    pub seen: SeenUntil,
    /// The state that it is in.
    pub state: BulkState,
    /// Why, as JSON.
    pub why: Option<Arc<str>>,
    /// When it got its result.
    pub ended: Option<Timestamp>,
}
