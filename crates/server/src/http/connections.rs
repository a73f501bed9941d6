//! The connections: how many there may be, and which one is closed when there are too many.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::activity::{Activity, SweepClock, Sweeps};
use super::{CallerAddress, ConnectionLimits, Crowded};
use crate::metrics::ConnectionCounts as Counts;

/// All connections of a listener.
pub(super) struct Connections {
    limits: ConnectionLimits,
    sweeps: Sweeps,
    clock: SweepClock,
    counts: Counts,
    known: Mutex<OpenConnections>,
    left: Notify,
}

#[derive(Default)]
struct OpenConnections {
    entries: HashMap<u64, ConnectionEntry>,
    next: u64,
    /// Entries that count against `connections_max`, and those beyond it; a connection that is being closed counts in
    /// neither.
    open: usize,
    extra: usize,
    /// The number of `open` connections of each caller.
    callers: HashMap<CallerAddress, usize>,
}

struct ConnectionEntry {
    caller: CallerAddress,
    activity: Arc<Activity>,
    room: Room,
    /// Ends the connection's task, and with it the connection; `None` before the task runs.
    task: Option<AbortHandle>,
}

/// The limit that a connection counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// `connections_max`.
    Ordinary,
    /// `connections_extra`.
    Extra,
    /// No limit: the connection is being closed.
    Leaving,
}

/// Which waiting connections may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// Connections that have waited for `settled_after`: a new connection is about to send.
    Settled,
    /// All waiting connections.
    Any,
}

/// A place among the connections; dropping it leaves the place.
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    id: u64,
    /// The reason in the answer if the connection counts against `connections_extra`.
    pub(super) crowded: Option<Crowded>,
    pub(super) activity: Arc<Activity>,
}

impl Connections {
    pub(super) fn new(limits: ConnectionLimits, counts: Counts) -> Arc<Self> {
        let (sweeps, clock) = (Sweeps::of(&limits), SweepClock::new());
        Arc::new(Self { limits, sweeps, clock, counts, known: Mutex::default(), left: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, OpenConnections> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for one more connection of this caller; if necessary, that of the connection that has been idle
    /// for the longest time. `None`: all connections are at work, including those beyond the limit, or are too new;
    /// try again later.
    pub(super) fn enter(self: &Arc<Self>, caller: CallerAddress) -> Option<ConnectionSlot> {
        let mut known = self.lock();
        let has_share = known.callers.get(&caller).is_none_or(|open| *open < self.share());
        let crowded = if has_share { Crowded::Full } else { Crowded::Share };
        let ordinary =
            |entry: &ConnectionEntry| entry.room == Room::Ordinary && (has_share || entry.caller == caller);
        let extra = |entry: &ConnectionEntry| entry.room == Room::Extra;
        let is_free = has_share && known.open < self.limits.connections_max;
        let room = if is_free || self.evict(&mut known, ordinary) {
            Room::Ordinary
        } else if self.idlest(&known, Age::Any, ordinary).is_some() {
            // Not all connections are at work: some will soon have been idle for long enough.
            return None;
        } else if known.extra < self.limits.connections_extra || self.evict(&mut known, extra) {
            Room::Extra
        } else {
            return None;
        };
        let crowded = match room {
            Room::Extra => {
                known.extra += 1;
                Some(crowded)
            }
            _ => {
                known.open += 1;
                *known.callers.entry(caller).or_default() += 1;
                None
            }
        };
        let activity = Activity::new(self.clock.clone());
        let id = known.next;
        known.next += 1;
        known.entries.insert(id, ConnectionEntry { caller, activity: activity.clone(), room, task: None });
        self.counts.opened();
        drop(known);
        Some(ConnectionSlot { connections: self.clone(), id, crowded, activity })
    }

    /// The most connections of one caller; at least one.
    fn share(&self) -> usize {
        (self.limits.connections_max.saturating_mul(self.limits.caller_percent)).div_ceil(100).max(1)
    }

    /// Sets the task of a connection, so that it can be ended.
    pub(super) fn runs(&self, id: u64, task: AbortHandle) {
        // A task that has already ended has left its place.
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.task = Some(task);
        }
    }

    /// Closes the connection that has waited longest for a request, if there is one.
    pub(super) fn make_room(&self) -> bool {
        self.evict(&mut self.lock(), |entry| entry.room == Room::Ordinary)
    }

    /// Whether one more connection has a place.
    pub(super) fn has_room(&self) -> bool {
        let known = self.lock();
        known.open < self.limits.connections_max
            || known.extra < self.limits.connections_extra
            || self.idlest(&known, Age::Settled, |entry| entry.room != Room::Leaving).is_some()
    }

    /// Waits until a connection has left.
    pub(super) async fn one_less(&self) {
        self.left.notified().await;
    }

    fn evict(&self, known: &mut OpenConnections, among: impl Fn(&ConnectionEntry) -> bool) -> bool {
        let Some(id) = self.idlest(known, Age::Settled, among) else { return false };
        self.end(known, id, "evicted");
        true
    }

    /// The connection among these that has waited longest for a request; of several, the oldest.
    fn idlest(
        &self,
        known: &OpenConnections,
        age: Age,
        among: impl Fn(&ConnectionEntry) -> bool,
    ) -> Option<u64> {
        let now = self.clock.now();
        let waiting = known.entries.iter().filter_map(|(id, entry)| {
            let waited = now.wrapping_sub(entry.activity.waiting_since()?);
            let is_old_enough = age == Age::Any || waited >= self.sweeps.settled;
            (is_old_enough && among(entry) && entry.task.is_some()).then_some((waited, Reverse(*id)))
        });
        waiting.max().map(|(_, Reverse(id))| id)
    }

    fn end(&self, known: &mut OpenConnections, id: u64, why: &'static str) {
        let Some(entry) = known.entries.get_mut(&id) else { return };
        let Some(task) = &entry.task else { return };
        task.abort();
        let (room, caller) = (std::mem::replace(&mut entry.room, Room::Leaving), entry.caller);
        known.give_back(room, caller);
        self.counts.closed(why);
    }

    /// Closes the connections that have exceeded a timeout. Call it every `sweep`.
    pub(super) fn sweep(&self) {
        self.clock.advance();
        let now = self.clock.now();
        let mut known = self.lock();
        let due: Vec<_> = known
            .entries
            .iter()
            .filter(|(_, entry)| entry.room != Room::Leaving)
            .filter_map(|(id, entry)| Some((*id, entry.activity.cut(now, &self.sweeps)?)))
            .collect();
        for (id, cut) in due {
            self.end(&mut known, id, cut.into());
        }
    }
}

impl OpenConnections {
    fn give_back(&mut self, room: Room, caller: CallerAddress) {
        match room {
            Room::Ordinary => {
                self.open -= 1;
                if let Some(theirs) = self.callers.get_mut(&caller) {
                    *theirs -= 1;
                    if *theirs == 0 {
                        self.callers.remove(&caller);
                    }
                }
            }
            Room::Extra => self.extra -= 1,
            Room::Leaving => {}
        }
    }
}

impl ConnectionSlot {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut known = self.connections.lock();
        if let Some(entry) = known.entries.remove(&self.id) {
            known.give_back(entry.room, entry.caller);
        }
        drop(known);
        self.connections.counts.left();
        self.connections.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::ConnectionPhase;
    use super::*;

    /// A connection of an earlier sweep may be closed.
    const SWEEP: std::time::Duration = std::time::Duration::from_millis(100);

    fn two_and_one_extra() -> Arc<Connections> {
        let limits = ConnectionLimits {
            connections_max: 2,
            connections_extra: 1,
            caller_percent: 1_000,
            settled_after: SWEEP,
            ..ConnectionLimits::default()
        };
        Connections::new(limits, Counts::default())
    }

    /// A connection with a task that never ends by itself.
    fn connect(connections: &Arc<Connections>) -> Option<(Room, Arc<Activity>)> {
        connect_from("127.0.0.1", connections)
    }

    #[expect(clippy::disallowed_methods, reason = "stands for a connection's task")]
    fn connect_from(address: &str, connections: &Arc<Connections>) -> Option<(Room, Arc<Activity>)> {
        let place = connections.enter(CallerAddress::from(address.parse::<std::net::IpAddr>().unwrap()))?;
        let (activity, id) = (place.activity.clone(), place.id());
        let room = connections.lock().entries[&id].room;
        let task = tokio::spawn(async move {
            let _place = place;
            std::future::pending::<()>().await;
        });
        connections.runs(id, task.abort_handle());
        Some((room, activity))
    }

    #[tokio::test]
    async fn the_connection_that_waited_longest_makes_room_and_one_at_work_never() {
        let connections = two_and_one_extra();
        let (_, first) = connect(&connections).unwrap();
        let (_, second) = connect(&connections).unwrap();
        // Both were opened in this sweep.
        assert!(connect(&connections).is_none(), "either may be about to send");
        second.is(ConnectionPhase::Busy);
        connections.sweep();
        assert!(connections.has_room());
        let (room, third) = connect(&connections).unwrap();
        assert_eq!(room, Room::Ordinary);
        tokio::task::yield_now().await;
        assert_eq!(
            (Arc::strong_count(&first), Arc::strong_count(&second)),
            (1, 3),
            "the first has made room"
        );
        third.is(ConnectionPhase::Busy);
        assert_eq!(connect(&connections).unwrap().0, Room::Extra, "all are at work");
        assert!(connect(&connections).is_none() && !connections.has_room(), "the extra one has just come");
        connections.sweep();
        assert!(connections.has_room());
        assert_eq!(connect(&connections).unwrap().0, Room::Extra);
    }

    #[tokio::test]
    async fn when_all_are_at_work_there_is_no_room_until_one_has_left() {
        let connections = two_and_one_extra();
        let busy = |_| {
            let (room, activity) = connect(&connections).unwrap();
            activity.is(ConnectionPhase::Busy);
            (room, activity)
        };
        let all: Vec<_> = (0..3).map(busy).collect();
        assert!(!connections.has_room() && connect(&connections).is_none());
        all[2].1.is(ConnectionPhase::Idle);
        connections.sweep();
        assert!(connections.has_room());
    }

    #[tokio::test]
    async fn places_come_back_whichever_way_a_connection_ends() {
        let connections = two_and_one_extra();
        for _ in 0..10 {
            let enter = || connections.enter(CallerAddress::default());
            let (a, b, c) = (enter().unwrap(), enter().unwrap(), enter().unwrap());
            assert_eq!((a.crowded, b.crowded, c.crowded), (None, None, Some(Crowded::Full)));
            assert!(enter().is_none());
        }
        let known = connections.lock();
        assert_eq!((known.open, known.extra, known.entries.len(), known.callers.len()), (0, 0, 0, 0));
    }

    #[tokio::test]
    async fn one_caller_leaves_room_for_others_even_when_all_are_at_work() {
        let limits = ConnectionLimits {
            connections_max: 10,
            connections_extra: 1,
            settled_after: SWEEP,
            ..ConnectionLimits::default()
        };
        let connections = Connections::new(limits, Counts::default());
        let theirs: Vec<_> = (0..8).map(|_| connect(&connections).unwrap()).collect();
        theirs.iter().for_each(|(_, activity)| activity.is(ConnectionPhase::Busy));
        assert!(theirs.iter().all(|(room, _)| *room == Room::Ordinary));
        connections.sweep();
        assert_eq!(connect(&connections).unwrap().0, Room::Extra, "their share is used up, and at work");
        for _ in 0..2 {
            let (room, activity) = connect_from("127.0.0.2", &connections).unwrap();
            activity.is(ConnectionPhase::Busy);
            assert_eq!(room, Room::Ordinary);
        }
        // The caller may lose one of its own connections.
        theirs[3].1.is(ConnectionPhase::Idle);
        connections.sweep();
        assert_eq!(connect(&connections).unwrap().0, Room::Ordinary);
    }
}
