//! A client that follows the events of all sagas, at one process after the other: each event is told at least once, and those of a
//! saga in their order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_testkit::dice::Dice;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::doors::CallerIdentity;
use crate::events::EventListener;
use crate::fleet::Processes;

/// A stream is left for another process's after this, in milliseconds.
const MOVES_AFTER_MS: (u64, u64) = (2_000, 20_000);
/// Until another process is asked, after one that did not answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// What the follower was told.
#[derive(Default)]
pub(crate) struct Follower {
    /// The last position of each saga.
    told: Mutex<HashMap<Uuid, u64>>,
    /// Gaps, and events before those that they follow.
    wrong: Mutex<Vec<String>>,
    enough: AtomicBool,
}

impl Follower {
    /// Follows from the first event on, until [`Follower::stop`].
    pub(crate) async fn follow(self: Arc<Self>, fleet: Arc<Processes>, dice: Dice) {
        let mut last = "0".to_owned();
        while !self.enough.load(Ordering::Relaxed) {
            let Some(process) = fleet.any(&dice, &CallerIdentity::Key) else {
                sleep(ASK_AGAIN_AFTER).await;
                continue;
            };
            let Ok(mut stream) = EventListener::open(process, "/api/events", Some(&last)).await else {
                sleep(ASK_AGAIN_AFTER).await;
                continue;
            };
            let while_here = Duration::from_millis(dice.between(MOVES_AFTER_MS.0, MOVES_AFTER_MS.1));
            let listening = async {
                while let Some(message) = stream.message().await {
                    if let Some(event) = &message.event {
                        self.hears(event["subject"].as_str(), event["data"]["position"].as_u64());
                    }
                    last = message.id;
                }
            };
            let _ = timeout(while_here, listening).await;
        }
    }

    fn hears(&self, saga: Option<&str>, position: Option<u64>) {
        let (Some(saga), Some(position)) = (saga.and_then(|saga| saga.parse().ok()), position) else {
            return self.is_wrong("an event has no subject, or no position".to_owned());
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let last = told.entry(saga).or_default();
        if position > *last + 1 {
            let last = *last;
            self.is_wrong(format!("of {saga}, event {position} was told after {last}"));
        }
        *last = position.max(*last);
    }

    fn is_wrong(&self, what: String) {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Waits until all events of these histories were told, sagas with their last positions; what is wrong then.
    pub(crate) async fn caught_up(&self, sagas: &HashMap<Uuid, u64>, within: Duration) -> Vec<String> {
        let missing = || {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let lacks = |(saga, last): (&Uuid, &u64)| {
                let heard = told.get(saga).copied().unwrap_or(0);
                (heard != *last).then(|| format!("of {saga}, {heard} of {last} events were told"))
            };
            sagas.iter().filter_map(lacks).collect::<Vec<_>>()
        };
        let all = async {
            while !missing().is_empty() {
                sleep(ASK_AGAIN_AFTER).await;
            }
        };
        let _ = timeout(within, all).await;
        self.enough.store(true, Ordering::Relaxed);
        let mut wrong = std::mem::take(&mut *self.wrong.lock().unwrap_or_else(PoisonError::into_inner));
        wrong.extend(missing().into_iter().take(20));
        wrong
    }

    /// How many events there were.
    pub(crate) fn events(&self) -> u64 {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}
