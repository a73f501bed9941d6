//! A circuit breaker: when most calls to a participant fail, it suspends them, so that the participant can recover
//! and orders do not each wait for timeouts. All sagas of a process share one breaker for each participant. (M.
//! Nygard, "Release It!", 2007.) The breaker also enforces the limit on concurrent calls: a call that waits for
//! either has not been sent, and the driver knows that.
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
//! - `circuit.rs`: the states, and their transitions by calls and time. No tasks, no waiting.
//! - `window.rs`: the calls of the last stretch of time.
//! - here: the number of calls under way, the queue of waiting calls, and waking them.
//!
//! The breaker has no task: each request to it, and the first waiting call, move its time on. Waiting calls pass in
//! the order of asking. While the breaker is half open it chooses among them at random, so that calls which never get
//! an answer do not decide every round. A call that is let through holds a [`Permit`] and reports how it ended. A
//! permit that is dropped reports nothing, and its place is free again.

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

use saga_core::definition::BreakerSettings as Settings;
use saga_core::retry::Random;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use self::circuit::{Circuit, CircuitPhase, Ticket};

/// A participant's breaker. Clones are the same breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    shared: Arc<SharedCircuit>,
}

/// The result of asking for a call.
#[derive(Debug)]
pub enum BreakerTurn {
    /// The call may be made at once.
    Go(Permit),
    /// Not yet.
    Wait(WaitingCall),
}

/// How a call ended, as far as that shows whether its participant works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// It got an answer, even if that was a refusal or an error about this call.
    Good,
    /// It got no answer, or an answer that the participant is away or overloaded.
    Bad {
        /// How long the participant asks to be left alone, if it says so.
        retry_after: Option<Duration>,
    },
}

/// A breaker's state, for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerState {
    /// Which calls may pass.
    pub kind: BreakerKind,
    /// The time in this state.
    pub lasted: Duration,
    /// Calls that wait to pass.
    pub waiting: usize,
    /// Calls that have passed and have not ended.
    pub in_flight: usize,
    /// Calls that ended within the window, while it is closed.
    pub calls: u32,
    /// Failed calls among `calls`.
    pub failures: u32,
    /// The time until one call is let through, while it is open.
    pub tried_in: Option<Duration>,
}

/// Which calls may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerKind {
    /// As many calls as may be under way at once.
    Closed,
    /// A few calls at a time: the participant seems to work again, or is being tried.
    HalfOpen,
    /// No call.
    Open,
}

struct SharedCircuit {
    inner: Mutex<Inner>,
    recovered: watch::Sender<u64>,
    dice: Dice,
}

type Dice = Box<dyn Fn() -> Random + Send + Sync>;

#[derive(Debug)]
struct Inner {
    circuit: Circuit,
    queue: Queue,
    /// Calls that were let through and have not ended; the breaker may have changed its state since.
    in_flight: usize,
    in_flight_max: usize,
    /// The waiting call that keeps the time, and until when.
    clock: Option<(u64, Instant)>,
}

/// The waiting calls in the order of asking, and the calls that have a permit but have not been polled since.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
    granted: HashMap<u64, Ticket>,
}

impl fmt::Debug for SharedCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Breaker {
    /// A closed breaker that lets at most `calls_max` calls through at once. The random numbers shorten its pauses by
    /// up to a tenth, so that several processes do not try at the same instant, and choose the waiting calls that may
    /// be made.
    pub fn new(
        settings: Settings,
        in_flight_max: usize,
        dice: impl Fn() -> Random + Send + Sync + 'static,
    ) -> Self {
        let circuit = Circuit::new(settings, Instant::now());
        let inner = Inner { circuit, queue: Queue::default(), in_flight: 0, in_flight_max, clock: None };
        let recovered = watch::Sender::new(0);
        Self { shared: Arc::new(SharedCircuit { inner: Mutex::new(inner), recovered, dice: Box::new(dice) }) }
    }

    /// Changes the settings. The phase stays; calls that are under way beyond the new limit go on.
    pub fn adjust(&self, settings: Settings, in_flight_max: usize) {
        self.shared.change(|inner| {
            inner.in_flight_max = in_flight_max;
            inner.circuit.adjust(settings);
        });
    }

    /// Asks for one call. It passes at once only if no other call waits.
    pub fn ask(&self) -> BreakerTurn {
        self.shared.change(|inner| {
            // Calls that may pass by now are let through first, so that this one overtakes none.
            if let Some(ticket) = inner.admit() {
                return BreakerTurn::Go(self.permit(ticket));
            }
            let place = inner.queue.next;
            inner.queue.next += 1;
            inner.queue.waiting.insert(place, None);
            BreakerTurn::Wait(WaitingCall { breaker: self.clone(), place, sleep: None })
        })
    }

    /// Changes each time that the participant works again, that is, when the first call after a pause succeeded. A
    /// saga that waits for its next attempt may then make it earlier.
    pub fn recovered(&self) -> watch::Receiver<u64> {
        self.shared.recovered.subscribe()
    }

    /// The breaker's state.
    pub fn state(&self) -> BreakerState {
        let now = Instant::now();
        self.shared.change(|inner| {
            let Inner { circuit, queue, in_flight, .. } = inner;
            let counts = circuit.counts(now);
            BreakerState {
                kind: match circuit.phase() {
                    CircuitPhase::Closed { .. } => BreakerKind::Closed,
                    CircuitPhase::HalfOpen { .. } => BreakerKind::HalfOpen,
                    CircuitPhase::Open { .. } => BreakerKind::Open,
                },
                lasted: now.duration_since(circuit.since()),
                waiting: queue.waiting.len(),
                in_flight: *in_flight,
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

impl SharedCircuit {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before code that could panic (the random numbers), so a poisoned lock protects
        // nothing.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves time on, makes a change, and lets through all calls that may pass after it.
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
    /// Removes the waiting call that the random number selects, or the first one.
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

    /// The call was not made, or its outcome is unknown.
    fn given_back(&mut self, ticket: Ticket) {
        self.in_flight -= 1;
        self.circuit.given_back(ticket);
    }

    /// Gives tickets to all waiting calls that may pass. Returns the wakers to wake.
    fn grant(&mut self, dice: &Dice) -> Vec<Waker> {
        let mut woken = Vec::new();
        while !self.queue.waiting.is_empty() {
            let Some(ticket) = self.admit() else { break };
            let lot = match self.circuit.phase() {
                CircuitPhase::HalfOpen { .. } => Some(dice()),
                CircuitPhase::Closed { .. } | CircuitPhase::Open { .. } => None,
            };
            let Some((place, waker)) = self.queue.leave(lot) else { break };
            self.queue.granted.insert(place, ticket);
            woken.extend(waker);
        }
        woken
    }

    /// The waker of the first waiting call, if another call keeps the time, or keeps it until another instant.
    fn clock_to_set(&mut self) -> Option<Waker> {
        let until = self.circuit.tried_at()?;
        let mut first = self.queue.waiting.first_entry()?;
        if self.clock == Some((*first.key(), until)) { None } else { first.get_mut().take() }
    }

    /// Remembers the waker. The first waiting call has to keep the time until the returned instant.
    fn wait(&mut self, place: u64, waker: &Waker) -> Option<Instant> {
        self.queue.waiting.insert(place, Some(waker.clone()));
        let until = self.circuit.tried_at()?;
        let is_first = self.queue.waiting.first_key_value().is_some_and(|(first, _)| *first == place);
        self.clock = if is_first { Some((place, until)) } else { self.clock };
        is_first.then_some(until)
    }
}

/// A place in the queue; a future that gives the permit. Dropping it leaves the queue, and passes on a permit that it
/// was given meanwhile. Poll it or drop it: a place that is neither polled nor dropped blocks all others when its
/// turn comes.
#[derive(Debug)]
#[must_use = "a place in the queue has to be polled, or dropped"]
pub struct WaitingCall {
    breaker: Breaker,
    place: u64,
    /// Only the first waiting call has it.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Future for WaitingCall {
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

impl Drop for WaitingCall {
    fn drop(&mut self) {
        self.breaker.shared.change(|inner| {
            inner.queue.waiting.remove(&self.place);
            if let Some(ticket) = inner.queue.granted.remove(&self.place) {
                inner.given_back(ticket);
            }
        });
    }
}

/// A call that may be made, or is under way.
#[derive(Debug)]
#[must_use = "a permit that is dropped says nothing about its call"]
pub struct Permit {
    breaker: Breaker,
    ticket: Option<Ticket>,
}

impl Permit {
    /// The call has ended.
    pub fn ended(mut self, ended: CallEnd) {
        let Some(ticket) = self.ticket.take() else { return };
        let SharedCircuit { dice, recovered, .. } = &*self.breaker.shared;
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
