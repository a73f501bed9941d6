//! The end of every world: no more faults. Every order has to come to its end or be blocked; then an operator clears
//! the blocked orders, and the judge looks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use saga_core::SagaId;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::judge::{judge, judge_blocked};
use crate::scene::is_blocked;

/// From the end of all faults to the end of all orders: a lease, the longest wait for a retry, and some more.
pub(crate) const TAIL: Duration = Duration::from_secs(180);
/// How often an operator goes through the inbox.
const ROUNDS: usize = 24;

impl Fleet {
    pub(crate) async fn end(&self) {
        let (scene, recorder) = (&self.scene, &self.scene.recorder);
        recorder.note(|| "no more faults".into());
        self.kind.store(true, Ordering::Relaxed);
        scene.disk.is_out.store(false, Ordering::Relaxed);
        recorder.report().faults_ended = Some(scene.disk.now());
        for place in 0..self.places() {
            self.replica(place).0.wake();
        }
        self.restart_the_dead();
        let rows = self.settle(TAIL, |row| row.row.over || is_blocked(row)).await;
        for row in rows.iter().filter(|row| !row.row.over && !is_blocked(row)) {
            recorder.violation(
                "P6",
                format_args!(
                    "{} is still {} {:?} after {TAIL:?} without faults",
                    row.saga,
                    row.row.state,
                    row.rollback()
                ),
            );
        }
        if !recorder.is_broken() {
            judge_blocked(scene);
        }
        for _ in 0..ROUNDS {
            let blocked: Vec<SagaId> =
                scene.rows().iter().filter(|row| is_blocked(row)).map(|row| row.saga).collect();
            if blocked.is_empty() || recorder.is_broken() {
                break;
            }
            for id in blocked {
                self.look_after(id).await;
            }
            // An order that an operator cannot settle goes on by itself, at its slow rate.
            sleep(Duration::from_secs(5)).await;
            self.settle(TAIL, |row| row.row.over || is_blocked(row)).await;
        }
        for row in scene.rows().iter().filter(|row| !row.row.over) {
            recorder
                .violation("P6", format_args!("{} cannot be cleared by a person: {:?}", row.saga, row.row));
        }
        judge(scene);
        self.kill_all();
    }
}
