//! Rolling upgrades and downgrades: the processes of two releases take each other's places, one after the other, under load and all faults.
//!
//! A wave replaces each process once, by its supervisor's way (`SIGTERM`) or by `kill -9`. The first wave upgrades, the second one
//! downgrades, and so on. A process that falls meanwhile is started again as the release that it was: so the release before starts anew on
//! a journal that this release has migrated, beside processes of this release, and alone after a downgrade.

use std::time::Duration;

use saga_testkit::dice::Dice;
use tokio::time::sleep;

use crate::fault::Fault;
use crate::fleet::ProcessPlace;
use crate::measures::now;
use crate::release::{Release, Rolling};
use crate::trouble::{Departure, FaultTargets};

impl FaultTargets {
    /// Replaces all processes again and again until `enough`, but at least once in each direction. Returns after a whole wave.
    pub(crate) async fn roll(
        &self,
        rolling: &Rolling,
        every: Duration,
        dice: &Dice,
        enough: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        sleep(every).await;
        if rolling.before.is_none() {
            self.database.make_newer().await?;
        }
        if rolling.is_one_way {
            self.wave(rolling, Release::This, every, dice).await;
            return Ok(());
        }
        while !enough() || self.diary().waves.1 == 0 {
            self.wave(rolling, Release::This, every, dice).await;
            self.wave(rolling, Release::Before, every, dice).await;
        }
        // The last word is this release's: it judges what the other one has left behind.
        self.wave(rolling, Release::This, every, dice).await;
        Ok(())
    }

    async fn wave(&self, rolling: &Rolling, to: Release, every: Duration, dice: &Dice) {
        if rolling.is_one_way {
            // The journal is migrated in a moment.
            for place in &self.fleet.places {
                place.machine.lock().await.run_release(to, rolling.program(to));
            }
        }
        let places = &self.fleet.places;
        let first = dice.between(0, places.len() as u64) as usize;
        for turn in 0..places.len() {
            self.swap(&places[(first + turn) % places.len()], rolling, to, dice).await;
            sleep(every.mul_f64(dice.between(50, 150) as f64 / 100.0)).await;
        }
        self.note(|diary| match to {
            Release::This => diary.waves.0 += 1,
            Release::Before => diary.waves.1 += 1,
        });
    }

    /// Replaces one process.
    async fn swap(&self, place: &ProcessPlace, rolling: &Rolling, to: Release, dice: &Dice) {
        let mut machine = place.machine.lock().await;
        let Some(serve) = &machine.serve else { return };
        let fault = match to {
            Release::This => Fault::Upgrade,
            Release::Before => Fault::Downgrade,
        };
        let mut departure = Departure { fault, at: now(), owned: Vec::new(), back: 0, said_so: false };
        if dice.one_in(2) {
            departure.owned = self.database.owned_by(&machine.name).await;
            departure.at = now();
            serve.signal("TERM");
            place.exit(&mut machine).await;
        } else {
            place.kill(&mut machine);
            departure.owned = self.database.owned_by(&machine.name).await;
        }
        machine.run_release(to, rolling.program(to));
        departure.back = place.start(&mut machine).await;
        self.note(|diary| {
            diary.departures.push(departure);
            *diary.faults.entry(fault).or_default() += 1;
        });
    }
}
