//! The fates of processes and the database: they crash, pause, shut down, go away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::SagaId;
use saga_engine::breaker;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::SeededWorld;
use crate::process::outside;
use crate::scene::is_blocked;

/// How long faults happen.
const FAULTY: Duration = Duration::from_secs(30);

impl SeededWorld {
    /// Processes crash and pause, and the database goes away, until the faults end.
    pub(super) async fn break_things(self: &Arc<Self>) {
        let ends = Instant::now() + FAULTY;
        while Instant::now() < ends && !self.scene().recorder.is_broken() {
            sleep(Duration::from_millis(100)).await;
            let place = self.fleet.dice.below(self.fleet.places());
            let (process, engine) = self.fleet.replica(place);
            for participant in engine.participants() {
                match participant.breaker {
                    breaker::BreakerState { kind: breaker::BreakerKind::Open, .. } => {
                        self.scene().recorder.hit("participant: suspended by its breaker");
                    }
                    breaker::BreakerState { kind: breaker::BreakerKind::Closed, waiting: 1.., .. } => {
                        self.scene().recorder.hit("participant: as many calls at once as may be");
                    }
                    breaker::BreakerState { .. } => {}
                }
            }
            self.fleet.restart_the_dead();
            if self.fleet.dice.chance(self.clock_steps) {
                self.scene().recorder.hit("process: clock steps");
                let by = self.fleet.dice.one(&[-600_000_000, -5_000_000, 5_000_000, 3_600_000_000]);
                process.step_clock(by);
            }
            if self.fleet.dice.chance(self.crash) {
                self.crash(place).await;
            }
            if self.fleet.dice.chance(self.pause) {
                let long = self.fleet.dice.chance(500);
                let pause = if long {
                    self.fleet.dice.millis(3_500, 20_000)
                } else {
                    self.fleet.dice.millis(100, 2_000)
                };
                self.scene().recorder.hit(if long {
                    "process: pause beyond the lease"
                } else {
                    "process: pause within the lease"
                });
                let (process, _) = self.fleet.replica(place);
                self.scene().recorder.note(|| format!("r{place} pauses for {pause:?}"));
                process.pause();
                let recorder = self.scene().recorder.clone();
                outside(async move {
                    sleep(pause).await;
                    recorder.note(|| format!("r{place} wakes"));
                    process.wake();
                });
            }
            if self.fleet.dice.chance(self.person) {
                self.somebody_looks();
            }
            if self.fleet.dice.chance(self.shutdown) {
                self.shut_down(place);
            }
            if self.fleet.dice.chance(self.outage) {
                let (disk, outage) = (self.scene().disk.clone(), self.fleet.dice.millis(100, 8_000));
                self.scene().recorder.note(|| format!("the database is out for {outage:?}"));
                disk.is_out.store(true, Ordering::Relaxed);
                outside(async move {
                    sleep(outage).await;
                    disk.is_out.store(false, Ordering::Relaxed);
                });
            }
        }
    }

    /// An operator looks at one of the orders, whatever it is up to.
    fn somebody_looks(self: &Arc<Self>) {
        let orders = self.scene().orders().clone();
        let of_interest = |id| self.scene().row(id).is_some_and(|row| is_blocked(&row));
        let blocked: Vec<SagaId> =
            orders.iter().map(|order| order.id).filter(|id| of_interest(*id)).collect();
        let any = || orders.get(self.fleet.dice.below(orders.len().max(1))).map(|order| order.id);
        let chosen = match &*blocked {
            [_, ..] if self.fleet.dice.chance(800) => Some(self.fleet.dice.one(&blocked)),
            _ => any(),
        };
        if let Some(id) = chosen {
            let world = self.clone();
            outside(async move { world.fleet.look_after(id).await });
        }
    }

    async fn crash(&self, place: usize) {
        self.scene().recorder.hit("process: crash");
        self.scene().recorder.note(|| format!("r{place} crashes"));
        if self.scene().shop.is_anything_in_transit() {
            self.scene().recorder.hit("process: crash with calls in flight");
        }
        self.fleet.replica(place).0.kill();
        if self.fleet.dice.chance(500) {
            sleep(self.fleet.dice.millis(0, 6_000)).await;
        }
        self.fleet.restart_the_dead();
    }

    fn shut_down(self: &Arc<Self>, place: usize) {
        self.scene().recorder.hit("process: planned shutdown");
        self.scene().recorder.note(|| format!("r{place} shuts down"));
        let ((process, engine), drain) = (self.fleet.replica(place), self.fleet.dice.millis(0, 3_000));
        let (done, stopped) = oneshot::channel();
        process.start(Box::pin(async move {
            engine.stop(drain).await;
            let _ = done.send(());
        }));
        let world = self.clone();
        outside(async move {
            // It may be killed or paused meanwhile.
            let _ = timeout(Duration::from_secs(30), stopped).await;
            if !process.is_dead() {
                process.kill();
                world.fleet.restart(place);
            }
        });
    }
}
