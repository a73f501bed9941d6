//! Calls that begin, end, and are dropped in random order. `BREAKER_SEED=17` runs that seed alone.

use saga_testkit::dice::{Dice, number};

use super::*;

const SEEDS: u64 = 3_000;
const MOVES: u32 = 150;

struct RandomCalls {
    breaker: Breaker,
    dice: Dice,
    waiters: Vec<PolledCall>,
    permits: Vec<Permit>,
    /// How often each kind of state occurred.
    seen: [u32; 4],
}

impl RandomCalls {
    fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let calls_max = [1, 3, 20, MANY][dice.below(4)];
        let jitter = dice.split();
        let settings = Settings { failures_percent: [1, 50, 100][dice.below(3)], ..SETTINGS };
        let breaker = Breaker::new(settings, calls_max, move || Random(jitter.next()));
        Self { breaker, dice, waiters: Vec::new(), permits: Vec::new(), seen: [0; 4] }
    }

    async fn one_move(&mut self, good_percent: usize) {
        match self.dice.below(10) {
            0..3 => self.ask(),
            3..6 if !self.permits.is_empty() => {
                let which = self.dice.below(self.permits.len());
                let permit = self.permits.swap_remove(which);
                let is_good = self.dice.below(100) < good_percent;
                let retry_after = Some(secs(self.dice.below(4) as u64)).filter(|wait| !wait.is_zero());
                permit.ended(if is_good { CallEnd::Good } else { CallEnd::Bad { retry_after } });
            }
            6 if !self.permits.is_empty() => {
                let which = self.dice.below(self.permits.len());
                drop(self.permits.swap_remove(which));
            }
            7 if !self.waiters.is_empty() => {
                let which = self.dice.below(self.waiters.len());
                drop(self.waiters.remove(which));
            }
            8 => advance(Duration::from_millis(self.dice.below(1500) as u64)).await,
            _ => self.poll().await,
        }
        self.check();
    }

    fn ask(&mut self) {
        match self.breaker.ask() {
            BreakerTurn::Go(permit) => {
                // Calls with a permit may not have been polled yet; but no call may still wait.
                assert_eq!(self.breaker.state().waiting, 0, "somebody was overtaken");
                self.permits.push(permit);
            }
            BreakerTurn::Wait(waiting) => self.waiters.push(PolledCall::new(waiting)),
        }
    }

    /// Polls the calls that were woken, as a runtime would.
    async fn poll(&mut self) {
        let mut still = Vec::new();
        let mut passed = Vec::new();
        for mut waiter in self.waiters.drain(..) {
            match waiter.poll().await {
                Some(permit) => passed.push(permit),
                None => still.push(waiter),
            }
        }
        self.waiters = still;
        self.permits.extend(passed);
    }

    /// As many calls are let through as the state allows, and the breaker counts each.
    fn check(&mut self) {
        let inner = self.breaker.shared.lock();
        let generation = inner.circuit.generation();
        let held = self.permits.iter().filter_map(|permit| permit.ticket);
        let given = inner.queue.granted.values().copied();
        let all: Vec<Ticket> = held.chain(given).collect();
        let let_through = all.iter().filter(|ticket| ticket.generation == generation).count();
        assert_eq!(all.len(), inner.in_flight, "a permit was lost");
        assert!(inner.in_flight <= inner.in_flight_max);
        let is_full = inner.in_flight == inner.in_flight_max;
        let kind = match *inner.circuit.phase() {
            CircuitPhase::Closed { .. } => {
                assert!(is_full || inner.queue.waiting.is_empty(), "closed, and somebody waits");
                0
            }
            CircuitPhase::Open { .. } => {
                assert_eq!(let_through, 0);
                1
            }
            CircuitPhase::HalfOpen { limit, in_flight, .. } => {
                assert_eq!(let_through, in_flight as usize, "a permit was lost");
                assert!(in_flight <= limit);
                assert!(
                    is_full || in_flight == limit || inner.queue.waiting.is_empty(),
                    "places are free, and somebody waits"
                );
                if limit == 1 { 2 } else { 3 }
            }
        };
        self.seen[kind] += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_forgotten_or_let_through_twice() {
    let only = number("BREAKER_SEED");
    let seeds = only.map_or(0..SEEDS, |seed| seed..seed + 1);
    let mut seen = [0; 4];
    for seed in seeds {
        println!("to repeat this run: BREAKER_SEED={seed} cargo test -p saga-engine --lib breaker");
        let mut world = RandomCalls::new(seed);
        let good_percent = [20, 60, 90][world.dice.below(3)];
        for _ in 0..MOVES {
            world.one_move(good_percent).await;
        }
        // From now on calls succeed, and none is dropped: all of them must pass.
        let mut rounds = 0;
        while !(world.waiters.is_empty() && world.permits.is_empty()) {
            world.poll().await;
            world.permits.drain(..).for_each(|permit| permit.ended(CallEnd::Good));
            world.check();
            advance(secs(1)).await;
            rounds += 1;
            assert!(rounds < 200, "{} wait for ever: {:?}", world.waiters.len(), world.breaker.state());
        }
        assert_eq!(world.breaker.state().waiting, 0);
        seen.iter_mut().zip(world.seen).for_each(|(all, once)| *all += once);
    }
    assert!(only.is_some() || seen.iter().all(|times| *times > 10_000), "{seen:?}");
}
