//! What becomes of processes and the database: they crash, pause, shut down, go away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_engine::breaker;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::World;
use crate::process::outside;

/// How long faults happen.
const FAULTY: Duration = Duration::from_secs(30);

impl World {
    /// Processes crash and pause, and the database goes away, until the faults end.
    pub(super) async fn break_things(self: &Arc<Self>) {
        let ends = Instant::now() + FAULTY;
        while Instant::now() < ends && !self.recorder.is_broken() {
            sleep(Duration::from_millis(100)).await;
            let place = self.dice.below(self.skews.len());
            let engine = self.replicas()[place].engine.clone();
            for participant in engine.participants() {
                match participant.breaker {
                    breaker::State { kind: breaker::Kind::Open, .. } => {
                        self.recorder.hit("participant: suspended by its breaker");
                    }
                    breaker::State { kind: breaker::Kind::Closed, waiting: 1.., .. } => {
                        self.recorder.hit("participant: as many calls at once as may be");
                    }
                    breaker::State { .. } => {}
                }
            }
            self.restart_the_dead();
            if self.dice.chance(self.clock_steps) {
                self.recorder.hit("process: clock steps");
                let by = self.dice.one(&[-600_000_000, -5_000_000, 5_000_000, 3_600_000_000]);
                self.replicas()[place].process.step_clock(by);
            }
            if self.dice.chance(self.crash) {
                self.crash(place).await;
            }
            if self.dice.chance(self.pause) {
                let long = self.dice.chance(500);
                let pause = if long { self.dice.millis(3_500, 20_000) } else { self.dice.millis(100, 2_000) };
                self.recorder.hit(if long {
                    "process: pause beyond the lease"
                } else {
                    "process: pause within the lease"
                });
                let process = self.replicas()[place].process.clone();
                self.recorder.note(|| format!("r{place} pauses for {pause:?}"));
                process.pause();
                let recorder = self.recorder.clone();
                outside(async move {
                    sleep(pause).await;
                    recorder.note(|| format!("r{place} wakes"));
                    process.wake();
                });
            }
            if self.dice.chance(self.shutdown) {
                self.shut_down(place);
            }
            if self.dice.chance(self.outage) {
                let (disk, outage) = (self.disk.clone(), self.dice.millis(100, 8_000));
                self.recorder.note(|| format!("the database is out for {outage:?}"));
                disk.is_out.store(true, Ordering::Relaxed);
                outside(async move {
                    sleep(outage).await;
                    disk.is_out.store(false, Ordering::Relaxed);
                });
            }
        }
    }

    async fn crash(&self, place: usize) {
        self.recorder.hit("process: crash");
        self.recorder.note(|| format!("r{place} crashes"));
        if self.shop.is_anything_in_transit() {
            self.recorder.hit("process: crash with calls in flight");
        }
        self.replicas()[place].process.kill();
        if self.dice.chance(500) {
            sleep(self.dice.millis(0, 6_000)).await;
        }
        let replica = self.start(place);
        self.replicas()[place] = replica;
    }

    fn shut_down(self: &Arc<Self>, place: usize) {
        self.recorder.hit("process: planned shutdown");
        self.recorder.note(|| format!("r{place} shuts down"));
        let (process, engine, drain) = {
            let replica = &self.replicas()[place];
            (replica.process.clone(), replica.engine.clone(), self.dice.millis(0, 3_000))
        };
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
                let replica = world.start(place);
                world.replicas()[place] = replica;
            }
        });
    }
}
