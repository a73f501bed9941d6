//! Callers: a fixed number of them, each of which places one order after the other and does not give up.
//!
//! A caller that gets no answer, or an answer that says "later", sends the order again with the same key to any
//! process that listens. A caller whose answer says that the order continues
//! looks for the order's end at another process.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use saga_testkit::dice::Dice;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::{Response, send_within};
use crate::doors::CallerIdentity;
use crate::errand::{APPROVED, Approval, Errand, SignalSent};
use crate::fleet::Processes;
use crate::load::{Book, CallerResult, Manner, Shown, Wish};

/// How long a caller waits for one answer before it sends the order elsewhere: less than most pauses of a process.
const PATIENCE: Duration = Duration::from_secs(4);
/// The pause between two requests of a caller, in milliseconds.
const ASK_AGAIN_MS: (u64, u64) = (50, 400);

/// How long after its saga's start a signal is sent at the latest, in milliseconds: before its step waits, or while it does.
const SIGNAL_AFTER_MS: u64 = 2_000;

/// The state that all callers share.
pub(crate) struct Callers {
    pub(crate) fleet: Arc<Processes>,
    pub(crate) seed: u64,
    pub(crate) book: Book,
    /// The number of the next order.
    pub(crate) next: AtomicI64,
    /// Callers begin no further order.
    pub(crate) enough: AtomicBool,
    /// The signals that were sent.
    pub(crate) signals: Mutex<Vec<SignalSent>>,
    /// How many of a hundred sagas are errands.
    errands_percent: u64,
    /// Answers that contradict each other, or that can never be right.
    pub(crate) contradictions: Mutex<Vec<String>>,
}

impl Callers {
    pub(crate) fn new(fleet: Arc<Processes>, seed: u64, errands_percent: u64) -> Self {
        Self {
            fleet,
            seed,
            book: Book::default(),
            next: AtomicI64::new(1),
            enough: AtomicBool::new(false),
            signals: Mutex::default(),
            errands_percent,
            contradictions: Mutex::default(),
        }
    }

    /// Starts `callers` callers. They end when [`Callers::enough`] is set and each has seen the end of its last
    /// order.
    pub(crate) fn start(self: &Arc<Self>, callers: usize, dice: &Dice) -> JoinSet<()> {
        (0..callers)
            .map(|_| {
                let (this, dice) = (self.clone(), dice.split());
                async move {
                    while !this.enough.load(Ordering::Relaxed) {
                        let number = this.next.fetch_add(1, Ordering::Relaxed);
                        this.order(number, &dice).await;
                    }
                }
            })
            .collect()
    }

    async fn order(&self, number: i64, dice: &Dice) {
        let mixed = Wish::mixed(number, dice);
        let cancels = mixed.manner == Manner::Cancel;
        let errand = (dice.between(0, 100) < self.errands_percent).then(|| Errand::drawn(dice));
        let approval = errand.map_or(Approval::NotAsked, |errand| errand.approval);
        let is_async = cancels || approval != Approval::NotAsked;
        let wish = Wish {
            key: Some(format!("ordeal-{}-{number}", self.seed)),
            manner: if is_async { Manner::Async } else { mixed.manner },
            errand,
            patience: PATIENCE,
            ..mixed
        };
        let identity = &CallerIdentity::of(number);
        loop {
            let Some(address) = self.fleet.any(dice, identity) else {
                pause(dice).await;
                continue;
            };
            match wish.ask(address, &self.book).await {
                CallerResult::Final { blocked: false, .. } => return,
                CallerResult::Final { saga, .. } => return self.follow(&wish, &saga, identity, dice).await,
                CallerResult::Accepted { saga } => {
                    if cancels && let Some(elsewhere) = self.fleet.any(dice, identity) {
                        wish.cancel(elsewhere, &self.book, &saga).await;
                    }
                    if let Some(body) = approval.body() {
                        self.signal(&saga, &body, identity, dice).await;
                    }
                    return self.follow(&wish, &saga, identity, dice).await;
                }
                _ => pause(dice).await,
            }
        }
    }

    /// Sends the signal that a saga waits for, or will wait for, until a process says that it is kept, or can no longer be taken. Any
    /// process may be asked, and some are asked again afterwards.
    async fn signal(&self, saga: &str, body: &Value, identity: &CallerIdentity, dice: &Dice) {
        sleep(Duration::from_millis(dice.between(0, SIGNAL_AFTER_MS))).await;
        let path = format!("/api/sagas/{saga}/signals/{APPROVED}");
        let key = format!("approval-of-{saga}");
        let mut is_acknowledged = false;
        loop {
            pause(dice).await;
            let Some(address) = self.fleet.any(dice, identity) else { continue };
            let headers = [("idempotency-key", &*key)];
            match send_within(PATIENCE, address.clone(), "POST", &path, &headers, Some(body)).await {
                Ok(Response { status: 202, .. }) if !is_acknowledged && dice.one_in(4) => {
                    is_acknowledged = true
                }
                Ok(Response { status: 202, .. }) => {
                    is_acknowledged = true;
                    break;
                }
                // Its time was over, or its saga was stopped.
                Ok(Response { status: 409, .. }) if !is_acknowledged => break,
                Err(_) | Ok(Response { status: 503, .. }) => {}
                Ok(answer) => {
                    self.contradicts(format!("the signal of {saga} at {address}: {answer:?}"));
                    break;
                }
            }
        }
        let sent = SignalSent { saga: saga.to_owned(), key, is_acknowledged };
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
    }

    fn contradicts(&self, what: String) {
        self.contradictions.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Requests the order's state from any process until the order has ended.
    async fn follow(&self, wish: &Wish, saga: &str, identity: &CallerIdentity, dice: &Dice) {
        let path = wish.shown_at(saga);
        loop {
            pause(dice).await;
            let Some(address) = self.fleet.any(dice, identity) else { continue };
            match send_within(PATIENCE, address.clone(), "GET", &path, &[], None).await {
                Ok(Response { status: 404, .. }) => {
                    self.contradicts(format!(
                        "{saga} was acknowledged ({wish:?}) and is unknown at {address}"
                    ));
                    return;
                }
                Ok(answer) if matches!(answer.status, 401 | 403) => {
                    self.contradicts(format!(
                        "{saga} is hidden from its own caller at {address}: {answer:?}"
                    ));
                    return;
                }
                Ok(answer) if answer.status == 200 => {
                    let Shown { etat, is_over, .. } = wish.shown(&answer.json());
                    if is_over {
                        self.book
                            .note(wish, CallerResult::Final { saga: saga.to_owned(), etat, blocked: false });
                        return;
                    }
                }
                // Another try cures these, and nothing else.
                Err(_) | Ok(Response { status: 503, .. }) => {}
                Ok(answer) => {
                    self.contradicts(format!("{saga} is shown at {address} as {answer:?}"));
                    return;
                }
            }
        }
    }
}

async fn pause(dice: &Dice) {
    sleep(Duration::from_millis(dice.between(ASK_AGAIN_MS.0, ASK_AGAIN_MS.1))).await;
}
