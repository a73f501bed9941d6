//! A journal that forgets, for tests and the simulator: what the databases do, without one.
//!
//! Frames are kept as the same text that the databases keep, so an event that does not survive being written and read
//! does not survive here either.

mod bulk;
mod causes;
mod deeds;
mod feed;
mod inbox;
mod lists;
mod retention;
mod sessions;
mod standing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::future::ready;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::saga::Rollback;
use saga_core::{CauseGroup, CommandId, SagaId, Seq, Timestamp};
use tokio::time::Instant;

use self::bulk::MemoryBulk;
use self::deeds::MemoryDeeds;
use self::inbox::WaitingCommand;
use crate::backlog::Group;
use crate::columns::{self, COLUMNS, Cell, Written};
use crate::figure_rows::FigureRows;
use crate::frame::{self, Frame, Head};
use crate::{
    AppendError, Backlog, CauseCursor, CauseMembers, CauseMinute, Causes, Cursor, DeedCursor, DeedsOf, Entry,
    FedFrame, FeedPlace, Filter, Histories, Joining, KeptDeed, KeptDefinition, KeptRow, KeptSession,
    LEASE_MAX, Lease, Library, LoadedHistory, Membership, MinuteFigures, Page, ReplicaId, ReplicaStanding,
    Resting, SessionHash, StoreFuture, Unavailable, UnderWay, WakeUp,
};

/// The journal. It lasts as long as this value does.
#[derive(Default)]
pub struct Memory {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    sagas: BTreeMap<SagaId, KeptSaga>,
    definitions: HashMap<DefinitionHash, KeptDefinition>,
    /// Until when each replica's lease lasts; `None`: it is gone.
    replicas: BTreeMap<ReplicaId, Option<Instant>>,
    names: BTreeMap<ReplicaId, Arc<str>>,
    commands: BTreeMap<(SagaId, CommandId), WaitingCommand>,
    deeds: MemoryDeeds,
    figures: FigureRows,
    sessions: BTreeMap<SessionHash, KeptSession>,
    bulk: MemoryBulk,
    /// The replica that takes old sagas away.
    retention: Option<ReplicaId>,
    /// The frames in the order in which they came.
    feed: Vec<(SagaId, i64)>,
}

struct KeptSaga {
    seq: Seq,
    /// As a database has them.
    cells: Vec<Cell<'static>>,
    /// When the saga wakes, as a database has it; `None`: it is awake.
    wake_us: Option<i64>,
    /// When it fell asleep, as a database has it.
    rested_us: i64,
    /// The saga's row.
    row: KeptRow,
    /// By the position of their first record.
    frames: BTreeMap<i64, String>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether any saga is to wake.
    pub fn has_to_wake(&self, due: WakeUp) -> bool {
        !self.tables().to_wake(due).is_empty()
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        // Nothing in here panics between two changes that belong together.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn append(&mut self, entry: &Entry) -> Result<(), AppendError> {
        if self.put(entry)? {
            self.deeds.put(entry);
            self.figures.add(entry);
        }
        Ok(())
    }

    /// Whether the entry is new, and not one that was there already.
    fn put(&mut self, entry: &Entry) -> Result<bool, AppendError> {
        let (text, first_seq) = (frame::encode(entry), frame::first_seq(entry));
        let last = entry.expected.plus(entry.records.len());
        let owner_is_live = self.is_live(entry.owner);
        match self.sagas.get_mut(&entry.saga) {
            None if entry.expected == Seq::NONE && owner_is_live => {
                let frames = BTreeMap::from([(first_seq, text)]);
                let cells: Vec<_> = COLUMNS.iter().map(|column| (column.write)(entry).into_owned()).collect();
                let row = read(&cells);
                self.feed.push((entry.saga, first_seq));
                self.sagas.insert(
                    entry.saga,
                    KeptSaga { seq: last, cells, wake_us: None, rested_us: 0, row, frames },
                );
                Ok(true)
            }
            Some(kept) if kept.row.owner != entry.owner => Err(AppendError::Conflict),
            Some(kept) if kept.seq == entry.expected => {
                kept.seq = last;
                kept.frames.insert(first_seq, text);
                self.feed.push((entry.saga, first_seq));
                for (cell, column) in kept.cells.iter_mut().zip(COLUMNS) {
                    if column.written == Written::Always {
                        *cell = (column.write)(entry).into_owned();
                    }
                }
                kept.row = KeptRow { owner: kept.row.owner, ..read(&kept.cells) };
                Ok(true)
            }
            Some(kept) if kept.frames.get(&first_seq) == Some(&text) => Ok(false),
            _ => Err(AppendError::Conflict),
        }
    }

    fn is_live(&self, replica: ReplicaId) -> bool {
        matches!(self.replicas.get(&replica), Some(Some(_)))
    }

    fn renew(&mut self, replica: ReplicaId, lease: Duration) -> Lease {
        match self.replicas.get_mut(&replica) {
            Some(Some(until)) => {
                *until = Instant::now() + lease.min(LEASE_MAX);
                Lease::Held
            }
            Some(None) | None => Lease::Lost,
        }
    }

    fn rest(&mut self, replica: ReplicaId, sagas: &[Resting]) {
        for resting in sagas {
            let kept = self.sagas.get_mut(&resting.saga);
            let owned = kept
                .filter(|kept| kept.row.owner == replica && kept.seq == resting.seq && !kept.row.row.over);
            if let Some(kept) = owned {
                (kept.row.owner, kept.wake_us) = (ReplicaId::NOBODY, Some(resting.wake_us()));
                kept.rested_us = resting.at.as_micros();
            }
        }
    }

    /// The sagas that are to wake, the earliest first.
    fn to_wake(&self, due: WakeUp) -> Vec<SagaId> {
        let waiting = self.commands.iter().filter(|(_, posted)| posted.refused.is_none());
        let called: BTreeSet<SagaId> = waiting.map(|((saga, _), _)| *saga).collect();
        let is_to_wake = |saga: &SagaId, kept: &KeptSaga, wake_us: i64| {
            let was_ahead = kept.rested_us > due.rested_after.as_micros();
            wake_us <= due.by.as_micros() || was_ahead || called.contains(saga)
        };
        let asleep = self.sagas.iter().filter_map(|(saga, kept)| Some((kept.wake_us?, saga, kept)));
        let mut to_wake: Vec<(i64, SagaId)> = asleep
            .filter(|(wake_us, saga, kept)| is_to_wake(saga, kept, *wake_us))
            .map(|(wake_us, saga, _)| (wake_us, *saga))
            .collect();
        to_wake.sort_unstable();
        to_wake.into_iter().map(|(_, saga)| saga).collect()
    }

    fn wake(&mut self, replica: ReplicaId, due: WakeUp, limit: usize) -> Vec<(SagaId, Seq)> {
        if !self.is_live(replica) {
            return Vec::new();
        }
        let to_wake = self.to_wake(due).into_iter().take(columns::page_rows(limit));
        let woken = to_wake.filter_map(|saga| {
            let kept = self.sagas.get_mut(&saga)?;
            (kept.row.owner, kept.wake_us) = (replica, None);
            Some((saga, kept.seq))
        });
        woken.collect()
    }

    fn claim(&mut self, replica: ReplicaId, limit: usize) -> Vec<SagaId> {
        if !self.is_live(replica) {
            return Vec::new();
        }
        let replicas = &self.replicas;
        let is_gone = |owner| !matches!(replicas.get(&owner), Some(Some(_)));
        let is_orphan =
            |kept: &KeptSaga| kept.wake_us.is_none() && !kept.row.row.over && is_gone(kept.row.owner);
        let orphans = self.sagas.iter_mut().filter(|(_, kept)| is_orphan(kept));
        orphans
            .take(columns::page_rows(limit))
            .map(|(saga, kept)| {
                kept.row.owner = replica;
                *saga
            })
            .collect()
    }
}

impl KeptSaga {
    fn history(&self) -> LoadedHistory {
        let definition_hash = self.row.row.definition_hash.clone();
        let frames = self.frames.iter().map(|(first_seq, events)| Frame { first_seq: *first_seq, events });
        frame::assemble(Some(Head { seq: self.seq.get() as i64, definition_hash }), frames)
    }

    /// Whether it is not over and does not wait for an operator alone.
    fn has_something_to_do(&self) -> bool {
        !self.row.row.over && (self.row.row.due.is_some() || self.row.rollback() != Rollback::Blocked)
    }
}

/// The row that these cells are.
fn read(cells: &[Cell<'static>]) -> KeptRow {
    let shown: Vec<_> = cells.iter().zip(COLUMNS).filter(|(_, column)| column.read.is_some()).collect();
    let cell = |index: usize, _| Ok::<_, Infallible>(shown[index].0.clone());
    columns::read_row(cell).unwrap_or_else(|never| match never {})
}

impl Histories for Memory {
    fn append<'a>(
        &'a self,
        batch: &'a [Entry],
    ) -> StoreFuture<'a, Result<Vec<Result<(), AppendError>>, Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            Ok(batch.iter().map(|entry| tables.append(entry)).collect())
        })
    }

    fn histories(&self, sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<LoadedHistory>, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            Ok(sagas.iter().map(|saga| tables.sagas.get(saga).map_or(Ok(None), KeptSaga::history)).collect())
        })
    }

    fn row(&self, saga: SagaId) -> StoreFuture<'_, Result<Option<KeptRow>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().sagas.get(&saga).map(|kept| kept.row.clone())) })
    }

    fn known(&self, mut sagas: Vec<SagaId>) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        sagas.retain(|saga| self.tables().sagas.contains_key(saga));
        Box::pin(ready(Ok(sagas)))
    }

    fn backlog(&self) -> StoreFuture<'_, Result<Backlog, Unavailable>> {
        Box::pin(async move {
            let mut backlog = Backlog::default();
            for KeptSaga { row: kept, wake_us, .. } in
                self.tables().sagas.values().filter(|kept| !kept.row.row.over)
            {
                let due_us = kept.row.due.unwrap_or(kept.row.updated).as_micros();
                let since_us = kept.row.blocked_since.unwrap_or(kept.row.updated).as_micros();
                let rollback = kept.rollback().into();
                let definition = &kept.row.definition;
                let asleep = wake_us.is_some().into();
                Group { definition, rollback, sagas: 1, asleep, due_us, since_us }.add_to(&mut backlog);
            }
            Ok(backlog)
        })
    }

    fn under_way(&self) -> StoreFuture<'_, Result<UnderWay, Unavailable>> {
        Box::pin(async move { Ok(self.tables().under_way()) })
    }

    fn list(
        &self,
        filter: Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Page, Unavailable>> {
        Box::pin(async move { Ok(self.tables().list(&filter, after, limit)) })
    }

    fn causes(&self, recent: Timestamp, limit: usize) -> StoreFuture<'_, Result<Causes, Unavailable>> {
        Box::pin(async move { Ok(self.tables().causes(recent, limit)) })
    }

    fn cause_members(
        &self,
        of: CauseMembers,
        after: Option<CauseCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptRow>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().cause_members(&of, after, limit)) })
    }

    fn cause_minutes(
        &self,
        cause: Arc<str>,
        since: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<CauseMinute>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().cause_minutes(&cause, since)) })
    }

    fn deeds(
        &self,
        of: DeedsOf,
        after: Option<DeedCursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<KeptDeed>, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            let definition =
                |saga| tables.sagas.get(&saga).map(|kept: &KeptSaga| kept.row.row.definition.clone());
            Ok(tables.deeds.of(&of, after, limit, definition))
        })
    }

    fn figures(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> StoreFuture<'_, Result<Vec<MinuteFigures>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().figures.read(since, until)) })
    }

    fn forget_figures(&self, before: Timestamp, limit: usize) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().figures.forget(before, columns::page_rows(limit));
            Ok(())
        })
    }

    fn feed(&self, from: FeedPlace, limit: usize) -> StoreFuture<'_, Result<Vec<FedFrame>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().feed(from, limit)) })
    }

    fn feed_end(&self) -> StoreFuture<'_, Result<FeedPlace, Unavailable>> {
        Box::pin(async move { Ok(FeedPlace::before(self.tables().feed.len() as i64)) })
    }

    fn park(
        &self,
        saga: SagaId,
        owner: ReplicaId,
        reason: Arc<str>,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let of_owner = tables.sagas.get_mut(&saga).filter(|kept| kept.row.owner == owner);
            if let Some(kept) = of_owner {
                kept.row.parked = Some(columns::text(&reason).into());
                let row = &mut kept.row.row;
                row.blocked_since.get_or_insert(row.updated);
                row.cause = Some(CauseGroup::unreadable(&reason).key().clone());
            }
            Ok(())
        })
    }

    fn probe(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(ready(Ok(())))
    }
}

impl Membership for Memory {
    fn join(
        &self,
        replica: ReplicaId,
        name: Arc<str>,
        joining: Joining,
        lease: Duration,
    ) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            if joining == Joining::Started {
                let Tables { names, replicas, .. } = &mut *tables;
                for (former, _) in names.iter().filter(|(id, known)| **id != replica && **known == name) {
                    replicas.insert(*former, None);
                }
            }
            tables.names.insert(replica, name);
            if replica != ReplicaId::NOBODY {
                tables.replicas.entry(replica).or_insert_with(|| Some(Instant::now()));
            }
            tables.renew(replica, lease);
            Ok(())
        })
    }

    fn renew(&self, replica: ReplicaId, lease: Duration) -> StoreFuture<'_, Result<Lease, Unavailable>> {
        Box::pin(async move { Ok(self.tables().renew(replica, lease)) })
    }

    fn leave(&self, replica: ReplicaId) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            if let Some(lease) = self.tables().replicas.get_mut(&replica) {
                *lease = None;
            }
            Ok(())
        })
    }

    fn expire(&self) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            let now = Instant::now();
            for lease in self.tables().replicas.values_mut() {
                *lease = lease.filter(|until| *until >= now);
            }
            Ok(())
        })
    }

    fn rest(&self, replica: ReplicaId, sagas: Vec<Resting>) -> StoreFuture<'_, Result<(), Unavailable>> {
        Box::pin(async move {
            self.tables().rest(replica, &sagas);
            Ok(())
        })
    }

    fn wake(
        &self,
        replica: ReplicaId,
        due: WakeUp,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<(SagaId, Seq)>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().wake(replica, due, limit)) })
    }

    fn claim(&self, replica: ReplicaId, limit: usize) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().claim(replica, limit)) })
    }

    fn owned(
        &self,
        replica: ReplicaId,
        after: Option<SagaId>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<SagaId>, Unavailable>> {
        Box::pin(async move {
            let tables = self.tables();
            let rest = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
            let is_own = |kept: &KeptSaga| kept.row.owner == replica && kept.has_something_to_do();
            let sagas = tables.sagas.range(rest).filter(|(_, kept)| is_own(kept)).map(|(saga, _)| *saga);
            Ok(sagas.take(columns::page_rows(limit)).collect())
        })
    }

    fn replicas(&self) -> StoreFuture<'_, Result<Vec<ReplicaStanding>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().replicas()) })
    }
}

impl Library for Memory {
    fn define(&self, hash: DefinitionHash, kept: KeptDefinition) -> StoreFuture<'_, Result<(), Unavailable>> {
        let orders = kept.orders;
        self.tables().definitions.entry(hash).or_insert(kept).orders |= orders;
        Box::pin(ready(Ok(())))
    }

    fn definition(
        &self,
        hash: DefinitionHash,
    ) -> StoreFuture<'_, Result<Option<KeptDefinition>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().definitions.get(&hash).cloned()) })
    }
}
