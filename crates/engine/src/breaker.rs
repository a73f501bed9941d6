//! A circuit breaker: when calls to a participant fail anyway, they are suspended, so that it can recover and nobody
//! waits for timeouts one by one. One for each participant, shared by all sagas of a process. (M. Nygard, "Release
//! It!", 2007.) It is also where the limit on calls at once is kept: whoever waits for either has not called yet, and
//! everybody knows.
//!
//! ```text
//!              too many of the window's calls failed
//!      Closed ──────────────────────────────────────▶ Open ◀─────────────┐
//!        ▲                                             │ its time is over │ too many of a round's
//!        │ a round of successes that did               ▼                  │ calls failed
//!        └──────────────────────────────────────── HalfOpen ──────────────┘
//!          not need all of its places              1, 2, 4, 8, ... calls at once
//! ```
//!
//! - `circuit.rs`: the states, and what calls and time do to them. No tasks, no waiting.
//! - `window.rs`: the calls of the last stretch of time.
//! - here: how many are under way, who waits, in which order, and who is woken.
//!
//! There is no task: time is moved on by whoever asks, and by the first who waits. Whoever waits passes in the order of
//! asking; but while it is half open it is drawn by lot who does, since calls that never get an answer must not be the
//! ones to judge by again and again. A call that is let through holds a [`Permit`] and says how it ended; one that is
//! dropped says nothing, and its place is free again.

mod circuit;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use saga_core::definition::Breaker as Settings;
use saga_core::retry::Random;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use self::circuit::{Circuit, Phase, Ticket};

/// A participant's breaker. Clones are the same breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

/// What asking gives.
#[derive(Debug)]
pub enum Turn {
    /// The call may be made at once.
    Go(Permit),
    /// Not yet.
    Wait(Waiting),
}

/// How a call ended, as far as it tells whether its participant works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It answered, be it with a refusal or an error about this call.
    Good,
    /// It did not answer, or only to say that it is away or overloaded.
    Bad {
        /// How long it wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
}

/// What people see of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Who may pass.
    pub kind: Kind,
    /// For how long it has been so.
    pub lasted: Duration,
    /// Calls that wait to pass.
    pub waiting: usize,
    /// Calls that ended within the window, while it is closed.
    pub calls: u32,
    /// Those of them that ended badly.
    pub failures: u32,
    /// In how long one call is let through, while it is open.
    pub tried_in: Option<Duration>,
}

/// Who may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// As many as may call at once.
    Closed,
    /// A few at a time: the participant seems to have come back, or is being tried.
    HalfOpen,
    /// Nobody.
    Open,
}

impl Kind {
    /// Its name for people and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

struct Shared {
    inner: Mutex<Inner>,
    recovered: watch::Sender<u64>,
    dice: Dice,
}

type Dice = Box<dyn Fn() -> Random + Send + Sync>;

#[derive(Debug)]
struct Inner {
    circuit: Circuit,
    queue: Queue,
    /// Calls that were let through and have not ended, whatever the state was then.
    in_flight: usize,
    in_flight_max: usize,
    /// Who keeps the time, and until when.
    clock: Option<(u64, Instant)>,
}

/// Who waits, in the order of asking, and who need not any more but does not know yet.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
    granted: HashMap<u64, Ticket>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Breaker {
    /// A closed breaker that lets at most so many calls through at once. The dice shorten its pauses by up to a tenth, so
    /// that several processes do not try at the same instant, and draw who may try.
    pub fn new(
        settings: Settings,
        in_flight_max: usize,
        dice: impl Fn() -> Random + Send + Sync + 'static,
    ) -> Self {
        let circuit = Circuit::new(settings, Instant::now());
        let inner = Inner { circuit, queue: Queue::default(), in_flight: 0, in_flight_max, clock: None };
        let recovered = watch::Sender::new(0);
        Self { shared: Arc::new(Shared { inner: Mutex::new(inner), recovered, dice: Box::new(dice) }) }
    }

    /// Asks for one call. It passes at once only if nobody waits.
    pub fn ask(&self) -> Turn {
        self.shared.change(|inner| {
            // Whoever may pass by now has been let through, so that this one overtakes nobody.
            if let Some(ticket) = inner.admit() {
                return Turn::Go(self.permit(ticket));
            }
            let place = inner.queue.next;
            inner.queue.next += 1;
            inner.queue.waiting.insert(place, None);
            Turn::Wait(Waiting { breaker: self.clone(), place, sleep: None })
        })
    }

    /// Changes each time that the participant has come back: the call that tried it after a pause went well. What waits
    /// for its next attempt may be hurried then.
    pub fn recovered(&self) -> watch::Receiver<u64> {
        self.shared.recovered.subscribe()
    }

    /// How it stands.
    pub fn state(&self) -> State {
        let now = Instant::now();
        self.shared.change(|inner| {
            let Inner { circuit, queue, .. } = inner;
            let counts = circuit.counts(now);
            State {
                kind: match circuit.phase() {
                    Phase::Closed { .. } => Kind::Closed,
                    Phase::HalfOpen { .. } => Kind::HalfOpen,
                    Phase::Open { .. } => Kind::Open,
                },
                lasted: now.duration_since(circuit.since()),
                waiting: queue.waiting.len(),
                calls: counts.calls,
                failures: counts.failures,
                tried_in: circuit.tried_at().map(|until| until.duration_since(now)),
            }
        })
    }

    fn permit(&self, ticket: Ticket) -> Permit {
        Permit { breaker: self.clone(), ticket: Some(ticket) }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is whole by the time anything could panic (the dice), so a poisoned lock guards nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves time on, makes a change, and lets through whoever may pass after it.
    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let (result, woken) = {
            let mut inner = self.lock();
            inner.circuit.pass(Instant::now());
            let mut woken = inner.grant(&self.dice);
            let result = change(&mut inner);
            woken.extend(inner.grant(&self.dice));
            woken.extend(inner.clock_to_set());
            (result, woken)
        };
        woken.into_iter().for_each(Waker::wake);
        result
    }
}

impl Queue {
    /// Takes out the one that the lot falls on, or the first.
    fn leave(&mut self, lot: Option<Random>) -> Option<(u64, Option<Waker>)> {
        let Random(lot) = lot.unwrap_or(Random(0));
        let nth = (u128::from(lot) * self.waiting.len() as u128) >> 64;
        let place = *self.waiting.keys().nth(nth as usize)?;
        self.waiting.remove_entry(&place)
    }
}

impl Inner {
    /// Lets one more call through, if it may pass now.
    fn admit(&mut self) -> Option<Ticket> {
        if self.in_flight >= self.in_flight_max {
            return None;
        }
        let ticket = self.circuit.admit()?;
        self.in_flight += 1;
        Some(ticket)
    }

    /// A call was not made after all, or nobody knows how it ended.
    fn given_back(&mut self, ticket: Ticket) {
        self.in_flight -= 1;
        self.circuit.given_back(ticket);
    }

    /// Gives whoever may pass a ticket. Those to be woken.
    fn grant(&mut self, dice: &Dice) -> Vec<Waker> {
        let mut woken = Vec::new();
        while !self.queue.waiting.is_empty() {
            let Some(ticket) = self.admit() else { break };
            let lot = match self.circuit.phase() {
                Phase::HalfOpen { .. } => Some(dice()),
                Phase::Closed { .. } | Phase::Open { .. } => None,
            };
            let Some((place, waker)) = self.queue.leave(lot) else { break };
            self.queue.granted.insert(place, ticket);
            woken.extend(waker);
        }
        woken
    }

    /// The first who waits, if somebody else keeps the time, or until another instant.
    fn clock_to_set(&mut self) -> Option<Waker> {
        let until = self.circuit.tried_at()?;
        let mut first = self.queue.waiting.first_entry()?;
        if self.clock == Some((*first.key(), until)) { None } else { first.get_mut().take() }
    }

    /// Remembers whom to wake. The first who waits has to keep the time until the instant returned.
    fn wait(&mut self, place: u64, waker: &Waker) -> Option<Instant> {
        self.queue.waiting.insert(place, Some(waker.clone()));
        let until = self.circuit.tried_at()?;
        let is_first = self.queue.waiting.first_key_value().is_some_and(|(first, _)| *first == place);
        self.clock = if is_first { Some((place, until)) } else { self.clock };
        is_first.then_some(until)
    }
}

/// A place among those who wait; a future that gives the permit. Dropping it leaves the place, and passes on a permit
/// that it was given meanwhile. Poll it or drop it: the turn of one that does neither blocks all others.
#[derive(Debug)]
#[must_use = "whoever waits has to be polled, or dropped"]
pub struct Waiting {
    breaker: Breaker,
    place: u64,
    /// Kept by the first who waits.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for Waiting {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        loop {
            let place = self.place;
            let (ticket, until) =
                self.breaker.shared.change(|inner| match inner.queue.granted.remove(&place) {
                    Some(ticket) => (Some(ticket), None),
                    None => (None, inner.wait(place, cx.waker())),
                });
            if let Some(ticket) = ticket {
                return Poll::Ready(self.breaker.permit(ticket));
            }
            let Some(until) = until else { return Poll::Pending };
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if sleep.deadline() != until {
                sleep.as_mut().reset(until);
            }
            ready!(sleep.as_mut().poll(cx));
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.breaker.shared.change(|inner| {
            inner.queue.waiting.remove(&self.place);
            if let Some(ticket) = inner.queue.granted.remove(&self.place) {
                inner.given_back(ticket);
            }
        });
    }
}

/// A call that may be made, or is being made.
#[derive(Debug)]
#[must_use = "a permit that is dropped says nothing about its call"]
pub struct Permit {
    breaker: Breaker,
    ticket: Option<Ticket>,
}

impl Permit {
    /// The call has ended.
    pub fn ended(mut self, ended: Ended) {
        let Some(ticket) = self.ticket.take() else { return };
        let Shared { dice, recovered, .. } = &*self.breaker.shared;
        let has_recovered = self.breaker.shared.change(|inner| {
            inner.in_flight -= 1;
            inner.circuit.ended(ticket, ended, Instant::now(), dice)
        });
        if has_recovered {
            recovered.send_modify(|times| *times += 1);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.breaker.shared.change(|inner| inner.given_back(ticket));
        }
    }
}
