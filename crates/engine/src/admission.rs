//! How much may be under way at the same time: slots for sagas that go forward, bytes in memory, shares of callers.
//!
//! A start needs a slot. The slot is free again once its saga is over or is being rolled back: a rollback must go on
//! whatever else waits, and must not keep new sagas out. Existing sagas are never refused.
//!
//! No caller gets all slots: a caller is refused while it holds more than a multiple of the slots that are still
//! free. A single caller therefore gets [`caller_share_percent`](crate::Limits::caller_share_percent) of them,
//! several callers divide them, and a further caller always finds some. (Choudhury and Hahne, "Dynamic Queue Length
//! Thresholds for Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking, 1998.)

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;

/// Memory of a saga beside its payloads, in bytes: its task, its state, its place in the maps.
const SAGA_BYTES: usize = 8 << 10;
/// Freed slots are counted over this period, to estimate when there will be room.
const DRAIN_WINDOW: Duration = Duration::from_secs(10);
/// The shortest and the longest `Retry-After` of a refused caller.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The name of the limit of one caller's slots, which its key says.
pub const SLOTS_PERCENT: &str = "slots_percent";

/// The sender of a request, for shares.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Caller {
    /// Not known: all of these have one share together.
    #[default]
    Unknown,
    /// The address, or the network, of the caller.
    Address(IpAddr),
    /// The name of the caller, which its key tells, wherever it calls from.
    Named(Arc<str>),
}

/// Why a start is refused, and when to try again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoom {
    /// The limit's name.
    pub limit: &'static str,
    /// Its value.
    pub value: usize,
    /// The expected time until there is room, at the current rate of ending sagas.
    pub retry_after: Duration,
}

/// The slots and bytes in use, and their limits.
pub(crate) struct Admission {
    slots_max: usize,
    bytes_max: usize,
    share_percent: usize,
    slots: Mutex<Slots>,
    /// Bytes of the sagas in memory.
    bytes: Arc<AtomicUsize>,
    /// Bytes reserved for answers on their way. Only further reservations count them: most answers are far smaller
    /// than their reservation.
    reserved: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Slots {
    taken: usize,
    by_caller: HashMap<Caller, usize>,
    window: SlotWindow,
}

/// The slots freed and the starts refused, in the current period and in the one before.
struct SlotWindow {
    since: Instant,
    /// The length of the period before; zero if it gives no information.
    before: Duration,
    freed: (usize, usize),
    refused: (usize, usize),
}

impl Default for SlotWindow {
    fn default() -> Self {
        Self { since: Instant::now(), before: Duration::ZERO, freed: (0, 0), refused: (0, 0) }
    }
}

/// One slot, for as long as this lives.
pub(crate) struct Slot {
    admission: Arc<Admission>,
    caller: Caller,
}

/// Bytes that are counted as long as this lives.
pub(crate) struct HeldBytes {
    account: Arc<AtomicUsize>,
    bytes: usize,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            slots_max: limits.active_sagas_max,
            bytes_max: limits.active_bytes_max,
            share_percent: limits.caller_share_percent.clamp(1, 100),
            slots: Mutex::default(),
            bytes: Arc::default(),
            reserved: Arc::default(),
        }
    }

    /// A slot for a new saga of a caller, which may hold that percentage of all slots, if that is limited; it may always hold one.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: Caller,
        slots_percent_max: Option<u8>,
    ) -> Result<Slot, NoRoom> {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let mut slots = self.slots();
        let free = self.slots_max.saturating_sub(slots.taken);
        let own = slots.by_caller.get(&caller).copied().unwrap_or(0);
        let own_max = slots_percent_max.map(|percent| (usize::from(percent), self.slots_max));
        let is_own_used =
            |(percent, slots): (usize, usize)| own >= (slots.saturating_mul(percent) / 100).max(1);
        let refused = if let Some(used) = own_max.filter(|own_max| is_own_used(*own_max)) {
            Some((SLOTS_PERCENT, used.0))
        } else if free == 0 {
            Some(("active_sagas_max", self.slots_max))
        } else if own.saturating_mul(100 - self.share_percent) >= free.saturating_mul(self.share_percent) {
            Some(("caller_share_percent", self.share_percent))
        } else if bytes >= self.bytes_max {
            Some(("active_bytes_max", self.bytes_max))
        } else {
            None
        };
        if let Some((limit, value)) = refused {
            return Err(NoRoom { limit, value, retry_after: slots.window.refuse() });
        }
        slots.taken += 1;
        *slots.by_caller.entry(caller.clone()).or_default() += 1;
        Ok(Slot { admission: self.clone(), caller })
    }

    /// Slots that are taken.
    pub(crate) fn taken(&self) -> usize {
        self.slots().taken
    }

    /// Bytes that are counted.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Counts a saga in memory.
    pub(crate) fn saga(&self) -> HeldBytes {
        HeldBytes::new(&self.bytes, SAGA_BYTES)
    }

    /// Reserves bytes for an answer of at most `bytes` that will be kept, if there is room for it. Any answer, even
    /// one that is larger than the whole limit, gets its reservation while at most half of the limit is in use.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<HeldBytes> {
        let held = self.bytes().saturating_add(self.reserved.load(Ordering::Relaxed));
        let fits = held.saturating_add(bytes) <= self.bytes_max || held <= self.bytes_max / 2;
        fits.then(|| HeldBytes::new(&self.reserved, bytes))
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlotWindow {
    /// Begins the next period when this one is over.
    fn turn(&mut self) {
        let passed = self.since.elapsed();
        if passed >= DRAIN_WINDOW {
            let is_next = passed < DRAIN_WINDOW * 2;
            let keep = |(now, _): (usize, usize)| (0, if is_next { now } else { 0 });
            (self.freed, self.refused) = (keep(self.freed), keep(self.refused));
            self.before = if is_next { passed } else { Duration::ZERO };
            self.since = Instant::now();
        }
    }

    fn free(&mut self) {
        self.turn();
        self.freed.0 += 1;
    }

    /// Counts a refused start, and returns when there may be room for it after the starts that were refused before.
    fn refuse(&mut self) -> Duration {
        self.turn();
        self.refused.0 += 1;
        let seconds = (self.since.elapsed() + self.before).as_secs_f64().max(1.0);
        let freed = (self.freed.0 + self.freed.1) as f64 / seconds;
        let refused = (self.refused.0 + self.refused.1) as f64 / seconds;
        if freed <= 0.0 {
            return DRAIN_WINDOW;
        }
        Duration::from_secs_f64(((refused + 1.0) / freed).ceil()).clamp(RETRY_AFTER.0, RETRY_AFTER.1)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.admission.slots();
        slots.taken -= 1;
        slots.window.free();
        if let Some(own) = slots.by_caller.get_mut(&self.caller) {
            *own -= 1;
            if *own == 0 {
                slots.by_caller.remove(&self.caller);
            }
        }
    }
}

impl HeldBytes {
    fn new(account: &Arc<AtomicUsize>, bytes: usize) -> Self {
        account.fetch_add(bytes, Ordering::Relaxed);
        Self { account: account.clone(), bytes }
    }

    /// Counts the saga's payloads of this many bytes.
    pub(crate) fn payloads(&mut self, bytes: usize) {
        let bytes = SAGA_BYTES + bytes;
        if bytes != self.bytes {
            self.account.fetch_add(bytes, Ordering::Relaxed);
            self.account.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.account.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(slots: usize, share: usize) -> Arc<Admission> {
        let limits = Limits {
            active_sagas_max: slots,
            caller_share_percent: share,
            active_bytes_max: 1 << 20,
            ..Limits::default()
        };
        Arc::new(Admission::new(&limits))
    }

    fn caller(last: u8) -> Caller {
        Caller::Address(IpAddr::from([127, 0, 0, last]))
    }

    fn take_all(admission: &Arc<Admission>, caller: Caller) -> (Vec<Slot>, NoRoom) {
        let mut slots = Vec::new();
        loop {
            match admission.admit(caller.clone(), None) {
                Ok(slot) => slots.push(slot),
                Err(no_room) => return (slots, no_room),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_gets_its_share_and_the_next_one_finds_room() {
        let admission = admission(1_000, 80);
        let (first, refused) = take_all(&admission, caller(1));
        assert_eq!((first.len(), refused.limit, refused.value), (800, "caller_share_percent", 80));
        let (second, _) = take_all(&admission, caller(2));
        assert_eq!(second.len(), 160);
        let (third, _) = take_all(&admission, caller(3));
        assert_eq!(third.len(), 32);
        drop(first);
        let (more, _) = take_all(&admission, caller(2));
        assert_eq!(second.len() + more.len(), 775, "the share of two, the third of which holds little");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_a_limit_of_its_own_holds_so_many_slots_and_one_at_least() {
        let admission = admission(200, 80);
        let mut held = Vec::new();
        let refused = loop {
            match admission.admit(caller(1), Some(5)) {
                Ok(slot) => held.push(slot),
                Err(refused) => break refused,
            }
        };
        assert_eq!((held.len(), refused.limit, refused.value), (10, SLOTS_PERCENT, 5));
        assert!(admission.admit(caller(2), Some(5)).is_ok(), "another caller has its own");
        assert!(admission.admit(caller(1), None).is_ok(), "another key of the same name may have no limit");
        held.pop();
        assert!(admission.admit(caller(1), Some(5)).is_ok());
        let few = super::tests::admission(3, 80);
        let one = few.admit(caller(1), Some(1));
        assert!(one.is_ok() && few.admit(caller(1), Some(1)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn all_slots_are_for_one_caller_where_the_share_is_all() {
        let admission = admission(10, 100);
        let (slots, refused) = take_all(&admission, caller(1));
        assert_eq!((slots.len(), refused.limit), (10, "active_sagas_max"));
        drop(slots);
        assert_eq!(admission.taken(), 0);
        assert!(admission.slots().by_caller.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_caller_is_told_when_there_may_be_room_at_the_present_rate() {
        let admission = admission(100, 100);
        let (mut slots, refused) = take_all(&admission, caller(1));
        assert_eq!(refused.retry_after, DRAIN_WINDOW, "nothing has ended yet");
        // One saga ends each second, and one start comes each second.
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            slots.pop();
            slots.extend(admission.admit(caller(1), None));
            let refused = admission.admit(caller(1), None).err().expect("there is no room for another");
            assert!(refused.retry_after <= Duration::from_secs(10), "{refused:?}");
        }
        let refused = admission.admit(caller(1), None).err().expect("no room");
        assert!((2..=4).contains(&refused.retry_after.as_secs()), "{refused:?}");
        // No saga ends for a long time, and many starts come.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(admission.admit(caller(1), None).err().expect("no room").retry_after, DRAIN_WINDOW);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_are_a_limit_of_their_own() {
        let admission = admission(1_000, 100);
        let mut saga = admission.saga();
        saga.payloads(900_000);
        assert!(admission.admit(caller(1), None).is_ok());
        assert!(admission.reserve(1_000_000).is_none(), "an answer that may not fit has to wait");
        saga.payloads(1 << 20);
        assert_eq!(admission.admit(caller(1), None).err().map(|no| no.limit), Some("active_bytes_max"));
        saga.payloads(10);
        let large = admission.reserve(usize::MAX / 4);
        assert!(large.is_some(), "alone, the largest answer has its turn, too");
        assert!(admission.admit(caller(1), None).is_ok(), "what may come keeps no saga out");
        drop((saga, large));
        assert_eq!((admission.bytes(), admission.reserved.load(Ordering::Relaxed)), (0, 0));
    }
}
