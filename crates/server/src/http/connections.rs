//! Which connections there are: how many may be, and which has to go when there is one too many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Limits;
use super::activity::{Activity, Clock, Sweeps};
use crate::metrics::Connections as Counts;

/// All connections of a listener.
pub(super) struct Connections {
    limits: Limits,
    sweeps: Sweeps,
    clock: Clock,
    counts: Counts,
    known: Mutex<Known>,
    left: Notify,
}

#[derive(Default)]
struct Known {
    entries: HashMap<u64, Entry>,
    next: u64,
    /// Entries that count against `connections_max`, and those beyond it; what is being closed is in neither.
    open: usize,
    extra: usize,
}

struct Entry {
    activity: Arc<Activity>,
    room: Room,
    /// Ends the connection's task, and so the connection; `None` before the task runs.
    task: Option<AbortHandle>,
}

/// What a connection counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// `connections_max`.
    Ordinary,
    /// `connections_extra`.
    Extra,
    /// Nothing any more: it is being closed.
    Leaving,
}

/// A place among the connections; left when dropped.
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    pub(super) room: Room,
    pub(super) activity: Arc<Activity>,
}

impl Connections {
    pub(super) fn new(limits: Limits, counts: Counts) -> Arc<Self> {
        let (sweeps, clock) = (Sweeps::of(&limits), Clock::new());
        Arc::new(Self { limits, sweeps, clock, counts, known: Mutex::default(), left: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more, if need be that of the connection that has done nothing for the longest time. `None`:
    /// all are at work, and those that are let in beyond the limit are there, too, or have only just come.
    pub(super) fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut known = self.lock();
        let room = if known.open < self.limits.connections_max || self.evict(&mut known, Room::Ordinary) {
            known.open += 1;
            Room::Ordinary
        } else if known.extra < self.limits.connections_extra || self.evict(&mut known, Room::Extra) {
            known.extra += 1;
            Room::Extra
        } else {
            return None;
        };
        let activity = Activity::new(self.clock.clone());
        let id = known.next;
        known.next += 1;
        known.entries.insert(id, Entry { activity: activity.clone(), room, task: None });
        self.counts.opened();
        drop(known);
        Some(Place { connections: self.clone(), id, room, activity })
    }

    /// Says which task a connection has, so that it can be ended.
    pub(super) fn runs(&self, id: u64, task: AbortHandle) {
        // A task that has ended already has left its place.
        if let Some(entry) = self.lock().entries.get_mut(&id) {
            entry.task = Some(task);
        }
    }

    /// Closes the connection that has waited longest for a request, if there is one.
    pub(super) fn make_room(&self) -> bool {
        self.evict(&mut self.lock(), Room::Ordinary)
    }

    /// Whether there is a place for one more.
    pub(super) fn has_room(&self) -> bool {
        let known = self.lock();
        known.open < self.limits.connections_max
            || known.extra < self.limits.connections_extra
            || [Room::Ordinary, Room::Extra].into_iter().any(|room| self.idlest(&known, room).is_some())
    }

    /// Waits until a connection has left.
    pub(super) async fn one_less(&self) {
        self.left.notified().await;
    }

    fn evict(&self, known: &mut Known, room: Room) -> bool {
        let Some(id) = self.idlest(known, room) else { return false };
        self.end(known, id, "evicted");
        true
    }

    /// The connection that has waited longest for a request.
    fn idlest(&self, known: &Known, room: Room) -> Option<u64> {
        let now = self.clock.now();
        // One that has just come is about to send: closing it would only make room for the next of its kind.
        let waiting = known.entries.iter().filter_map(|(id, entry)| {
            let since = entry.activity.waiting_since().filter(|since| *since != now)?;
            (entry.room == room && entry.task.is_some()).then_some((now.wrapping_sub(since), *id))
        });
        waiting.max().map(|(_, id)| id)
    }

    fn end(&self, known: &mut Known, id: u64, why: &'static str) {
        let Some(entry) = known.entries.get_mut(&id) else { return };
        let Some(task) = &entry.task else { return };
        task.abort();
        let room = std::mem::replace(&mut entry.room, Room::Leaving);
        known.give_back(room);
        self.counts.closed(why);
    }

    /// Cuts off whatever has had its time. To be called every `sweep`.
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
            self.end(&mut known, id, cut.as_str());
        }
    }
}

impl Known {
    fn give_back(&mut self, room: Room) {
        match room {
            Room::Ordinary => self.open -= 1,
            Room::Extra => self.extra -= 1,
            Room::Leaving => {}
        }
    }
}

impl Place {
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut known = self.connections.lock();
        if let Some(entry) = known.entries.remove(&self.id) {
            known.give_back(entry.room);
        }
        drop(known);
        self.connections.counts.left();
        self.connections.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::super::activity::Phase;
    use super::*;

    fn two_and_one_extra() -> Arc<Connections> {
        let limits = Limits { connections_max: 2, connections_extra: 1, ..Limits::default() };
        Connections::new(limits, Counts::default())
    }

    /// A connection with a task that never ends by itself.
    #[expect(clippy::disallowed_methods, reason = "stands for a connection's task")]
    fn connect(connections: &Arc<Connections>) -> Option<(Room, Arc<Activity>)> {
        let place = connections.enter()?;
        let (room, activity, id) = (place.room, place.activity.clone(), place.id());
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
        first.is(Phase::Busy);
        // The second came in this very sweep.
        assert_eq!(connect(&connections).unwrap().0, Room::Extra);
        assert!(connect(&connections).is_none(), "the extra one is there, too");
        second.is(Phase::Busy);
        connections.sweep();
        assert_eq!(connect(&connections).unwrap().0, Room::Extra, "the extra one has made room");
        second.is(Phase::Idle);
        assert!(connect(&connections).is_none(), "everything is of this sweep");
        connections.sweep();
        assert_eq!(connect(&connections).unwrap().0, Room::Ordinary, "the second has made room");
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&second), 1, "it is closed");
        first.is(Phase::Idle);
        connections.sweep();
        assert_eq!(connect(&connections).unwrap().0, Room::Ordinary);
        assert_eq!(connect(&connections).unwrap().0, Room::Ordinary);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&first), 1, "it is closed");
    }

    #[tokio::test]
    async fn places_come_back_whichever_way_a_connection_ends() {
        let connections = two_and_one_extra();
        for _ in 0..10 {
            let (a, b) = (connections.enter().unwrap(), connections.enter().unwrap());
            let c = connections.enter().unwrap();
            assert_eq!((a.room, b.room, c.room), (Room::Ordinary, Room::Ordinary, Room::Extra));
            assert!(connections.enter().is_none());
        }
        let known = connections.lock();
        assert_eq!((known.open, known.extra, known.entries.len()), (0, 0, 0));
    }
}
