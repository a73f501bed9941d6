//! Bulk actions: one wish of an operator for many sagas, carried out by every process, a few sagas at a time.
//!
//! ```text
//!   claim ──▶ is the saga where the operator saw it? ── no ──▶ skipped
//!                 │ yes
//!                 ▼
//!             command, with an id that follows from action and saga ──▶ wait for the attempt ──▶ result
//! ```
//!
//! The saga's own driver makes the calls, so breakers and limits hold as for every call. A process that ends in the middle
//! leaves its items `sent`: another one claims them, finds the command's event in the history or gives the command again,
//! which the saga applies once, and waits for the result.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::saga::{Rejected, Tried};
use saga_core::{BulkActionId, Command, CommandId, CommandKind, Saga, SagaId};
use saga_journal::{
    BulkBegun, BulkHead, BulkItem, BulkItemResult, BulkKind, BulkState, ClaimedItem, CommandStatus,
    NewBulkAction, Unavailable, UnfitBulkAction,
};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::Engine;
use super::whereabouts::LOOK_AGAIN_AFTER;
use crate::bulk_reason::BulkReason;
use crate::caught::caught;
use crate::handle::Wait;
use crate::journal_health::JOURNAL_PROBE_AFTER;
use crate::refusal::Refusal;

/// Sagas that a process tries at the same time for bulk actions.
pub const BULK_ITEMS_AT_ONCE: usize = 16;
/// How long a process waits for what comes of a saga's attempt, before it counts the saga as going on.
const BULK_TRY_WAIT: Duration = Duration::from_secs(15);
/// How long a process waits for a call that its participant holds back, before it counts the saga as not sent.
const BULK_HELD_BACK_WAIT: Duration = Duration::from_secs(2);
/// How long an action that has ended is kept, with its results.
const BULK_KEPT: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// Items of old actions that are removed in one sweep.
const BULK_FORGOTTEN_AT_ONCE: usize = 1_000;

/// A bulk action that an operator asks for: each saga is to be tried now.
#[derive(Debug, Clone)]
pub struct BulkWish {
    /// The idempotency key: a second wish with the same key is the same wish.
    pub key: Arc<str>,
    /// The name of the caller who asks, where callers are known by their keys.
    pub caller: Option<Arc<str>>,
    /// The operator, as the events of the sagas are to name the operator.
    pub by: Arc<str>,
    /// The operator's reason.
    pub reason: Option<Arc<str>>,
    /// How the sagas were chosen, as JSON.
    pub described: Arc<str>,
    /// The sagas, in the order in which they are to be tried, each with what the operator knew of it.
    pub items: Vec<BulkItem>,
}

/// Why no bulk action has begun, or may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkRefused {
    /// The wish is beyond a limit. Nothing was kept.
    #[error(transparent)]
    Unfit(#[from] UnfitBulkAction),
    /// The journal does not answer.
    #[error("{0}; it is not known whether the action has begun: ask again with the same key")]
    Unavailable(#[from] Unavailable),
}

/// The items that this process carries out.
#[derive(Default)]
pub(super) struct BulkHands {
    /// Told when an action begins here, and when there is room for another item.
    called: Notify,
    items: Mutex<BTreeSet<(BulkActionId, SagaId)>>,
    /// Their sagas: those of two actions are tried one after the other, so that the second one sees the first one's event.
    sagas: Mutex<BTreeSet<SagaId>>,
}

/// An item is in hand for as long as this lives.
struct InHand {
    engine: Engine,
    key: (BulkActionId, SagaId),
    /// Whether its saga is tried for this item, and for no other.
    has_saga: bool,
}

/// The result of an item, and why.
type ItemEnd = (BulkState, Option<BulkReason>);

/// Why an item has no result yet.
enum NotYet {
    /// The journal fails.
    Journal(Unavailable),
    /// It is not known yet how the command stands.
    Unclear,
}

impl From<Unavailable> for NotYet {
    fn from(error: Unavailable) -> Self {
        Self::Journal(error)
    }
}

impl BulkHands {
    fn items(&self) -> MutexGuard<'_, BTreeSet<(BulkActionId, SagaId)>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sagas(&self) -> MutexGuard<'_, BTreeSet<SagaId>> {
        self.sagas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InHand {
    /// `None`: it is in hand already.
    fn take(engine: &Engine, key: (BulkActionId, SagaId)) -> Option<Self> {
        let is_new = engine.parts.bulk.items().insert(key);
        is_new.then(|| Self { engine: engine.clone(), key, has_saga: false })
    }

    /// Waits until the saga is tried for no other item.
    async fn take_saga(&mut self) {
        while !self.engine.parts.bulk.sagas().insert(self.key.1) {
            sleep(LOOK_AGAIN_AFTER.0).await;
        }
        self.has_saga = true;
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        let hands = &self.engine.parts.bulk;
        if self.has_saga {
            hands.sagas().remove(&self.key.1);
        }
        hands.items().remove(&self.key);
        hands.called.notify_one();
    }
}

impl Engine {
    /// Begins a bulk action, or finds the one of its key: returns when it is on disk. It covers these sagas and no others, and
    /// goes on by itself, whichever processes end meanwhile.
    pub async fn begin_bulk(&self, wish: BulkWish) -> Result<BulkActionId, BulkRefused> {
        let BulkWish { key, caller, by, reason, described, items } = wish;
        let (id, begun) = (self.clock().new_bulk_action_id(), self.clock().now());
        let head = BulkHead { id, key, kind: BulkKind::Resume, caller, by, reason, described, begun };
        let (by, sagas) = (head.by.clone(), items.len());
        match self.journal().begin_bulk(NewBulkAction::new(head, items)?).await? {
            BulkBegun::AlreadyThere(same) => Ok(same),
            BulkBegun::Begun => {
                tracing::info!(bulk.action = %id, sagas, by = %by, "{by} has {sagas} orders tried");
                self.parts.bulk.called.notify_one();
                Ok(id)
            }
        }
    }

    /// Takes back the sagas of a bulk action that no process has begun with. Tells how many they were.
    pub async fn take_back_bulk(&self, action: BulkActionId) -> Result<u64, Unavailable> {
        self.journal().take_back(action, self.clock().now()).await
    }

    /// Carries out what bulk actions want, until the process stops.
    pub(super) async fn carry_out_bulk_actions(&self) {
        loop {
            let goes_on = tokio::select! {
                biased;
                () = self.parts.bulk.called.notified() => !self.parts.lifecycle.is_stopping(),
                goes_on = self.parts.lifecycle.pause(self.limits().beat) => goes_on,
            };
            if !goes_on {
                return;
            }
            if let Err(error) = self.claim_bulk_items().await {
                self.journal_health().fails(&error);
            }
        }
    }

    /// Claims as many items as there is room for, and begins with each.
    async fn claim_bulk_items(&self) -> Result<(), Unavailable> {
        let Some(replica) = self.membership().id() else { return Ok(()) };
        let in_hand: Vec<_> = self.parts.bulk.items().iter().copied().collect();
        let room = BULK_ITEMS_AT_ONCE.saturating_sub(in_hand.len());
        if room == 0 {
            return Ok(());
        }
        for item in self.journal().claim_items(replica, in_hand, room, self.clock().now()).await? {
            // An item that was claimed anew under another id of this process may be in hand already.
            let Some(hand) = InHand::take(self, (item.action, item.saga)) else { continue };
            let engine = self.clone();
            self.parts.lifecycle.spawn(async move {
                tokio::select! {
                    biased;
                    // The item stays as it is: another process goes on with it, or this one once it is started again.
                    () = engine.parts.lifecycle.stops() => {}
                    () = engine.carry_out(&item, hand) => {}
                }
            });
        }
        Ok(())
    }

    /// Carries out an item, and keeps its result.
    async fn carry_out(&self, item: &ClaimedItem, mut hand: InHand) {
        hand.take_saga().await;
        let (state, reason) = match caught(self.end_of(item)).await {
            Ok(end) => end,
            Err(panic) => {
                let reason = format!("the task that tried it has panicked: {panic}");
                tracing::error!(saga.id = %item.saga, bulk.action = %item.action, reason);
                (BulkState::GoingOn, Some(BulkReason::says(reason)))
            }
        };
        let why = reason.map(|reason| reason.written());
        let result = BulkItemResult { state, why, at: self.clock().now() };
        while let Err(error) = self.journal().record_item(item.action, item.saga, result.clone()).await {
            self.journal_health().fails(&error);
            sleep(JOURNAL_PROBE_AFTER).await;
        }
        self.observer().bulk_item_ended(state);
    }

    /// The end of an item, however often the journal has to be asked.
    async fn end_of(&self, item: &ClaimedItem) -> ItemEnd {
        loop {
            match self.try_item(item).await {
                Ok(end) => return end,
                Err(NotYet::Journal(error)) => self.journal_health().fails(&error),
                Err(NotYet::Unclear) => {}
            }
            sleep(JOURNAL_PROBE_AFTER).await;
        }
    }

    async fn try_item(&self, item: &ClaimedItem) -> Result<ItemEnd, NotYet> {
        let command = CommandId::of_bulk_action(item.action, item.saga);
        let (saga, history) = match self.read(item.saga).await {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(skipped(BulkReason::Unknown)),
            Err(refusal) => return unreadable(refusal),
        };
        // A process that had the item before may have given the command.
        if !Saga::was_brought_about(&history.records, command) {
            if let Some(since) = saga.came_since(&history.records, item.seen, command) {
                return Ok(skipped(BulkReason::Since(since)));
            }
            if !self.needs_a_person(&saga).await? {
                return Ok(skipped(BulkReason::NotBlocked));
            }
            if let Some(end) = self.send(item, command).await? {
                return Ok(end);
            }
        }
        self.watch_try(item.saga, command).await
    }

    /// Whether a saga waits for an operator. A saga that could be read just now may be parked, because it could not be before.
    async fn needs_a_person(&self, saga: &Saga) -> Result<bool, Unavailable> {
        if saga.blocked().is_some() {
            return Ok(true);
        }
        let row = self.in_the_journal(saga.id()).await?;
        Ok(row.is_some_and(|row| row.parked.is_some() && !row.row.over))
    }

    /// Gives the saga its command; an end if nothing more comes of it.
    async fn send(&self, item: &ClaimedItem, command: CommandId) -> Result<Option<ItemEnd>, NotYet> {
        let kind = match item.kind {
            BulkKind::Resume => {
                CommandKind::Resume { by: (*item.by).into(), reason: item.reason.as_deref().map(Into::into) }
            }
        };
        // The operator knows nothing of what came after that.
        let asked = item.seen.at;
        let given = Command { id: command, asked, by: item.caller.clone(), kind };
        Ok(Some(match self.give(item.saga, &given).await {
            Ok(()) => return Ok(None),
            Err(Refusal::Rejected(Rejected::Over)) => skipped(BulkReason::NotBlocked),
            Err(Refusal::NotAppliedYet(_)) => match self.journal().status(item.saga, command).await? {
                CommandStatus::Waiting => {
                    (BulkState::GoingOn, Some(BulkReason::says(Refusal::NotAppliedYet(item.saga))))
                }
                // It may have been applied, or never have been kept: the history tells.
                CommandStatus::Applied | CommandStatus::Refused(_) => return Err(NotYet::Unclear),
            },
            Err(refusal @ (Refusal::Unavailable(_) | Refusal::Damaged(_) | Refusal::Stopping)) => {
                unreadable(refusal)?
            }
            Err(refusal) => (BulkState::NotSent, Some(BulkReason::says(refusal))),
        }))
    }

    /// Waits for what comes of the command's attempt.
    async fn watch_try(&self, saga: SagaId, command: CommandId) -> Result<ItemEnd, NotYet> {
        let begun = Instant::now();
        loop {
            let left = BULK_TRY_WAIT.saturating_sub(begun.elapsed());
            let snapshot = match self.wait(saga, Wait::tried(left.min(LOOK_AGAIN_AFTER.1))).await {
                Ok(snapshot) => snapshot,
                Err(refusal) => return unreadable(refusal),
            };
            let is_late = begun.elapsed() >= BULK_TRY_WAIT;
            let is_held_back = !snapshot.held_back.is_empty() && begun.elapsed() >= BULK_HELD_BACK_WAIT;
            if snapshot.settled && !snapshot.calling || is_late || is_held_back {
                let (saga, history) = match self.read(saga).await {
                    Ok(Some(read)) => read,
                    Ok(None) => return Ok(skipped(BulkReason::Unknown)),
                    Err(refusal) => return unreadable(refusal),
                };
                match saga.result_of_try(&history.records, command) {
                    Tried::Undone => return Ok((BulkState::Undone, None)),
                    Tried::Completed => return Ok((BulkState::Completed, None)),
                    Tried::FailedAgain { reason } => {
                        return Ok((BulkState::FailedAgain, Some(BulkReason::says(reason))));
                    }
                    Tried::GoesOn if is_held_back => {
                        let reason = BulkReason::HeldBack { steps: snapshot.held_back };
                        return Ok((BulkState::NotSent, Some(reason)));
                    }
                    Tried::GoesOn if is_late => return Ok((BulkState::GoingOn, None)),
                    Tried::GoesOn => {}
                }
                sleep(LOOK_AGAIN_AFTER.0).await;
            }
        }
    }

    /// Removes old actions, in small steps.
    pub(super) async fn forget_bulk_actions(&self) -> Result<(), Unavailable> {
        let before = self.clock().now().minus(BULK_KEPT);
        self.journal().forget_bulk(before, BULK_FORGOTTEN_AT_ONCE).await
    }
}

fn skipped(reason: BulkReason) -> ItemEnd {
    (BulkState::Skipped, Some(reason))
}

/// The end of an item whose saga cannot be read, if that is the saga's fault.
fn unreadable(refusal: Refusal) -> Result<ItemEnd, NotYet> {
    match refusal {
        Refusal::Damaged(_) => Ok((BulkState::FailedAgain, Some(BulkReason::says(refusal)))),
        // A journal that fails is noticed by the lease, too; and not every such refusal is the journal's.
        _ => Err(NotYet::Unclear),
    }
}
