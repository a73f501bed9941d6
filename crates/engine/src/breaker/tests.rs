//! On tokio's paused clock: time passes only where a test says so.

mod opening;
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Wake;

use tokio::task::coop::unconstrained;
use tokio::time::advance;

use super::circuit::SLOW_START_MAX;
use super::*;

const SETTINGS: Settings = Settings {
    window: Duration::from_secs(10),
    calls_min: 4,
    failures_percent: 50,
    open: Duration::from_secs(1),
    open_max: Duration::from_secs(8),
};
/// More calls at once than any test makes.
const MANY: usize = 100_000;
/// Pauses at full length, and the first call in the queue is chosen.
const FIRST: Random = Random(0);
const BAD: CallEnd = CallEnd::Bad { retry_after: None };

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn bad_for(seconds: u64) -> CallEnd {
    CallEnd::Bad { retry_after: Some(secs(seconds)) }
}

fn go(breaker: &Breaker) -> Permit {
    match breaker.ask() {
        BreakerTurn::Go(permit) => permit,
        BreakerTurn::Wait(_) => panic!("nobody may pass: {:?}", breaker.state()),
    }
}

/// A waiting call that is polled only when woken, as a task would be.
struct PolledCall {
    waiting: Pin<Box<WaitingCall>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl PolledCall {
    /// Not polled yet.
    fn new(waiting: WaitingCall) -> Self {
        Self { waiting: Box::pin(waiting), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    async fn poll(&mut self) -> Option<Permit> {
        if !self.woken.0.swap(false, Ordering::Relaxed) {
            return None;
        }
        let waker = Waker::from(self.woken.clone());
        let waiting = &mut self.waiting;
        // The test is one task, but each waiting call stands for a task with its own budget.
        let poll =
            std::future::poll_fn(|_| Poll::Ready(waiting.as_mut().poll(&mut Context::from_waker(&waker))));
        match unconstrained(poll).await {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }
}

async fn wait(breaker: &Breaker) -> PolledCall {
    let BreakerTurn::Wait(waiting) = breaker.ask() else { panic!("anybody may pass: {:?}", breaker.state()) };
    let mut waiter = PolledCall::new(waiting);
    assert!(waiter.poll().await.is_none());
    waiter
}

/// A breaker that has just opened.
fn opened() -> Breaker {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    fail(&breaker, BAD);
    breaker
}

/// As many failures as open the breaker.
fn fail(breaker: &Breaker, last: CallEnd) {
    let permits: Vec<Permit> = (0..SETTINGS.calls_min).map(|_| go(breaker)).collect();
    let calls = permits.len();
    for (i, permit) in permits.into_iter().enumerate() {
        permit.ended(if i + 1 == calls { last } else { BAD });
    }
}

fn kind(breaker: &Breaker) -> BreakerKind {
    breaker.state().kind
}

#[tokio::test(start_paused = true)]
async fn good_calls_pass_and_are_counted() {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    for _ in 0..100 {
        go(&breaker).ended(CallEnd::Good);
    }
    let state = breaker.state();
    assert_eq!((state.kind, state.calls, state.failures, state.waiting), (BreakerKind::Closed, 100, 0, 0));
    assert_eq!(state.tried_in, None);
}

#[tokio::test(start_paused = true)]
async fn it_opens_when_enough_calls_failed_and_tells_when_it_is_tried() {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    go(&breaker).ended(CallEnd::Good);
    go(&breaker).ended(CallEnd::Good);
    go(&breaker).ended(BAD);
    assert_eq!((breaker.state().calls, breaker.state().failures), (3, 1));
    go(&breaker).ended(BAD);
    advance(Duration::from_millis(300)).await;
    let state = breaker.state();
    assert_eq!((state.kind, state.lasted), (BreakerKind::Open, Duration::from_millis(300)));
    assert_eq!(state.tried_in, Some(Duration::from_millis(700)));
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_dropped_counts_as_neither() {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    for _ in 0..20 {
        drop(go(&breaker));
    }
    assert_eq!((kind(&breaker), breaker.state().calls), (BreakerKind::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn when_its_time_is_over_one_call_passes_and_all_others_wait() {
    let breaker = opened();
    advance(Duration::from_millis(999)).await;
    let mut early = wait(&breaker).await;
    advance(Duration::from_millis(1)).await;
    let trial = early.poll().await.expect("its turn");
    assert_eq!((kind(&breaker), breaker.state().tried_in), (BreakerKind::HalfOpen, None));
    let mut second = wait(&breaker).await;
    advance(secs(100)).await;
    assert!(second.poll().await.is_none(), "the trial is still under way");
    trial.ended(CallEnd::Good);
    let second = second.poll().await.expect("the service has come back");
    second.ended(CallEnd::Good);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_after_its_time_tries_if_nobody_waits() {
    let breaker = opened();
    advance(secs(1)).await;
    let trial = go(&breaker);
    assert!(matches!(breaker.ask(), BreakerTurn::Wait(_)), "only one call");
    trial.ended(BAD);
    // A single call without an answer may be its own fault.
    assert_eq!(kind(&breaker), BreakerKind::HalfOpen);
    go(&breaker).ended(BAD);
    assert_eq!((kind(&breaker), breaker.state().tried_in), (BreakerKind::Open, Some(secs(2))));
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_says_nothing_leaves_its_turn_to_the_next() {
    let breaker = opened();
    let (mut first, second, mut third) = (wait(&breaker).await, wait(&breaker).await, wait(&breaker).await);
    advance(secs(1)).await;
    drop(first.poll().await.expect("its turn"));
    // The call was given a permit, and was dropped before it was polled.
    assert!(second.woken.0.load(Ordering::Relaxed));
    drop(second);
    third.poll().await.expect("its turn").ended(CallEnd::Good);
    drop(go(&breaker));
}

#[tokio::test(start_paused = true)]
async fn the_next_keeps_the_time_when_the_first_goes_away() {
    let breaker = opened();
    let first = wait(&breaker).await;
    let mut second = wait(&breaker).await;
    drop(first);
    assert!(second.poll().await.is_none(), "it is told to keep the time, and may not pass yet");
    advance(secs(1)).await;
    second.poll().await.expect("its turn").ended(CallEnd::Good);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_task_of_its_own_needs_no_help() {
    let breaker = opened();
    let BreakerTurn::Wait(waiting) = breaker.ask() else { panic!("it is open") };
    // The paused clock moves on by itself when all tasks wait.
    let before = Instant::now();
    waiting.await.ended(CallEnd::Good);
    assert_eq!(before.elapsed(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn who_waits_passes_in_the_order_of_asking_two_then_four_at_once() {
    let breaker = opened();
    let mut waiters = Vec::new();
    for _ in 0..9 {
        waiters.push(wait(&breaker).await);
    }
    advance(secs(1)).await;
    let mut passed = Vec::new();
    let mut lines = Vec::new();
    while waiters.len() > passed.len() {
        let mut permits = Vec::new();
        for (i, waiter) in waiters.iter_mut().enumerate() {
            if !passed.contains(&i)
                && let Some(permit) = waiter.poll().await
            {
                passed.push(i);
                permits.push(permit);
            }
        }
        lines.push(permits.len());
        permits.into_iter().for_each(|permit| permit.ended(CallEnd::Good));
    }
    assert_eq!(lines, [1, 2, 4, 2]);
    assert!(passed.is_sorted(), "{passed:?}");
    // In the round after that, eight pass at once.
    let permits: Vec<Permit> = (0..8).map(|_| go(&breaker)).collect();
    drop(wait(&breaker).await);
    drop(permits);
}

#[tokio::test(start_paused = true)]
async fn a_round_that_did_not_need_all_of_its_places_closes_it() {
    let breaker = opened();
    advance(secs(1)).await;
    go(&breaker).ended(CallEnd::Good);
    go(&breaker).ended(CallEnd::Good);
    assert_eq!(kind(&breaker), BreakerKind::HalfOpen);
    go(&breaker).ended(CallEnd::Good);
    assert_eq!(kind(&breaker), BreakerKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn from_a_named_number_on_nobody_is_held_back() {
    let breaker = opened();
    advance(secs(1)).await;
    go(&breaker).ended(CallEnd::Good);
    let mut limit = 2;
    while limit <= SLOW_START_MAX {
        let permits: Vec<Permit> = (0..limit).map(|_| go(&breaker)).collect();
        assert!(matches!(breaker.ask(), BreakerTurn::Wait(_)), "{limit}");
        assert_eq!(kind(&breaker), BreakerKind::HalfOpen);
        permits.into_iter().for_each(|permit| permit.ended(CallEnd::Good));
        limit *= 2;
    }
    assert_eq!(kind(&breaker), BreakerKind::Closed);
    let all: Vec<Permit> = (0..10 * limit).map(|_| go(&breaker)).collect();
    drop(all);
}

#[tokio::test(start_paused = true)]
async fn failures_in_the_slow_start_open_it_again_for_longer() {
    let breaker = opened();
    advance(secs(1)).await;
    go(&breaker).ended(CallEnd::Good);
    let other = go(&breaker);
    go(&breaker).ended(BAD);
    assert_eq!(kind(&breaker), BreakerKind::HalfOpen, "one of a round of two");
    go(&breaker).ended(BAD);
    assert_eq!((kind(&breaker), breaker.state().tried_in), (BreakerKind::Open, Some(secs(2))));
    // A call that was let through before does not count for this pause.
    other.ended(CallEnd::Good);
    assert_eq!(kind(&breaker), BreakerKind::Open);
    advance(secs(2)).await;
    go(&breaker).ended(CallEnd::Good);
    go(&breaker).ended(CallEnd::Good);
    go(&breaker).ended(CallEnd::Good);
    assert_eq!(kind(&breaker), BreakerKind::Closed);
    // After the breaker was closed, the pauses begin anew.
    fail(&breaker, BAD);
    assert_eq!(breaker.state().tried_in, Some(secs(1)));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_when_it_opens_again_are_woken_for_the_next_trial() {
    let breaker = opened();
    advance(secs(1)).await;
    go(&breaker).ended(CallEnd::Good);
    let (one, two) = (go(&breaker), go(&breaker));
    let mut waiter = wait(&breaker).await;
    one.ended(bad_for(1));
    assert!(waiter.poll().await.is_none(), "it is told to keep the time");
    drop(two);
    advance(secs(2)).await;
    waiter.poll().await.expect("its turn").ended(CallEnd::Good);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_asked_to_come_later_does() {
    let breaker = opened();
    let mut next = wait(&breaker).await;
    advance(secs(1)).await;
    next.poll().await.expect("its turn").ended(bad_for(5));
    assert_eq!((kind(&breaker), breaker.state().tried_in), (BreakerKind::Open, Some(secs(5))));
}

#[tokio::test(start_paused = true)]
async fn one_call_in_a_round_that_gets_no_answer_suspends_nobody() {
    let breaker = opened();
    let mut never = wait(&breaker).await;
    let mut others = [wait(&breaker).await, wait(&breaker).await, wait(&breaker).await];
    advance(secs(1)).await;
    never.poll().await.expect("its turn").ended(BAD);
    for other in &mut others {
        other.poll().await.expect("its turn").ended(CallEnd::Good);
    }
    go(&breaker).ended(BAD);
    assert_eq!(kind(&breaker), BreakerKind::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn as_many_pass_at_once_as_may_and_the_others_in_the_order_of_asking() {
    let breaker = Breaker::new(SETTINGS, 2, || Random(u64::MAX));
    let (one, two) = (go(&breaker), go(&breaker));
    let (mut third, mut fourth, mut fifth) =
        (wait(&breaker).await, wait(&breaker).await, wait(&breaker).await);
    assert_eq!((kind(&breaker), breaker.state().waiting), (BreakerKind::Closed, 3));
    one.ended(CallEnd::Good);
    let three = third.poll().await.expect("its turn");
    assert!(fourth.poll().await.is_none());
    // A call with a permit is dropped, and so is a call that was let through.
    drop(two);
    drop(fourth);
    let five = fifth.poll().await.expect("its turn");
    let sixth = wait(&breaker).await;
    drop((three, five));
    drop(sixth);
    drop([go(&breaker), go(&breaker)]);
}

#[tokio::test(start_paused = true)]
async fn calls_from_before_a_pause_still_count_as_calls_at_once() {
    let breaker = Breaker::new(SETTINGS, 5, || FIRST);
    let slow = go(&breaker);
    fail(&breaker, BAD);
    advance(secs(1)).await;
    for _ in 0..4 {
        go(&breaker).ended(CallEnd::Good);
    }
    let others: Vec<Permit> = (0..4).map(|_| go(&breaker)).collect();
    let mut next = wait(&breaker).await;
    slow.ended(BAD);
    next.poll().await.expect("its turn").ended(CallEnd::Good);
    drop(others);
}

#[tokio::test(start_paused = true)]
async fn it_is_drawn_by_lot_who_tries() {
    for (lot, expected) in [(0, 0), (u64::MAX / 2, 1), (u64::MAX / 4 * 3, 2), (u64::MAX, 3)] {
        let breaker = Breaker::new(SETTINGS, MANY, move || Random(lot));
        fail(&breaker, BAD);
        let mut waiters = Vec::new();
        for _ in 0..4 {
            waiters.push(wait(&breaker).await);
        }
        advance(secs(1)).await;
        let mut passed = Vec::new();
        for (i, waiter) in waiters.iter_mut().enumerate() {
            if let Some(permit) = waiter.poll().await {
                passed.push((i, permit));
            }
        }
        assert_eq!(passed.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_is_told_once_when_the_trial_went_well() {
    let breaker = Breaker::new(SETTINGS, MANY, || FIRST);
    let mut recovered = breaker.recovered();
    fail(&breaker, BAD);
    advance(secs(1)).await;
    go(&breaker).ended(BAD);
    go(&breaker).ended(BAD);
    advance(secs(2)).await;
    let trial = go(&breaker);
    assert!(!recovered.has_changed().expect("the breaker is there"), "not by time alone");
    trial.ended(CallEnd::Good);
    assert!(recovered.has_changed().expect("the breaker is there"));
    assert_eq!(*recovered.borrow_and_update(), 1);
    for _ in 0..10 {
        go(&breaker).ended(CallEnd::Good);
    }
    assert!(!recovered.has_changed().expect("the breaker is there"));
}

#[tokio::test(start_paused = true)]
async fn state_tells_who_waits() {
    let breaker = opened();
    let waiters = [wait(&breaker).await, wait(&breaker).await, wait(&breaker).await];
    assert_eq!(breaker.state().waiting, 3);
    drop(waiters);
    assert_eq!(breaker.state().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_a_pause_by_a_tenth_at_most() {
    let pause = |random: u64| {
        let breaker = Breaker::new(SETTINGS, MANY, move || Random(random));
        fail(&breaker, BAD);
        breaker.state().tried_in.expect("it is open")
    };
    assert_eq!(pause(0), secs(1));
    assert_eq!(pause(u64::MAX), Duration::from_millis(900));
    let half = pause(u64::MAX / 2);
    assert!(half > Duration::from_millis(949) && half < Duration::from_millis(951), "{half:?}");
}
