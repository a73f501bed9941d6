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
use crate::fleet::Processes;
use crate::load::{Book, CallerResult, Manner, Wish};

/// How long a caller waits for one answer before it sends the order elsewhere: less than most pauses of a process.
const PATIENCE: Duration = Duration::from_secs(4);
/// The pause between two requests of a caller, in milliseconds.
const ASK_AGAIN_MS: (u64, u64) = (50, 400);

/// The state that all callers share.
pub(crate) struct Callers {
    pub(crate) fleet: Arc<Processes>,
    pub(crate) seed: u64,
    pub(crate) book: Book,
    /// The number of the next order.
    pub(crate) next: AtomicI64,
    /// Callers begin no further order.
    pub(crate) enough: AtomicBool,
    /// Answers that contradict each other, or that can never be right.
    pub(crate) contradictions: Mutex<Vec<String>>,
}

impl Callers {
    pub(crate) fn new(fleet: Arc<Processes>, seed: u64) -> Self {
        Self {
            fleet,
            seed,
            book: Book::default(),
            next: AtomicI64::new(1),
            enough: AtomicBool::new(false),
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
        let wish = Wish {
            key: Some(format!("ordeal-{}-{number}", self.seed)),
            manner: if cancels { Manner::Async } else { mixed.manner },
            patience: PATIENCE,
            ..mixed
        };
        loop {
            let Some(address) = self.fleet.any(dice) else {
                pause(dice).await;
                continue;
            };
            match wish.ask(address, &self.book).await {
                CallerResult::Final { blocked: false, .. } => return,
                CallerResult::Final { saga, .. } => return self.follow(&wish, &saga, dice).await,
                CallerResult::Accepted { saga } => {
                    if cancels && let Some(elsewhere) = self.fleet.any(dice) {
                        wish.cancel(elsewhere, &self.book, &saga).await;
                    }
                    return self.follow(&wish, &saga, dice).await;
                }
                _ => pause(dice).await,
            }
        }
    }

    /// Requests the order's state from any process until the order has ended.
    async fn follow(&self, wish: &Wish, saga: &str, dice: &Dice) {
        let path = format!("/api/commande/{saga}");
        loop {
            pause(dice).await;
            let Some(address) = self.fleet.any(dice) else { continue };
            match send_within(PATIENCE, address, "GET", &path, &[], None).await {
                Ok(Response { status: 404, .. }) => {
                    let what = format!("{saga} was acknowledged ({wish:?}) and is unknown at {address}");
                    self.contradictions.lock().unwrap_or_else(PoisonError::into_inner).push(what);
                    return;
                }
                Ok(answer) if answer.status == 200 => {
                    let order = answer.json();
                    if is_over(&order) {
                        let etat = order["etat_actuel"].as_str().unwrap_or_default().to_owned();
                        self.book
                            .note(wish, CallerResult::Final { saga: saga.to_owned(), etat, blocked: false });
                        return;
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether the order's state is final.
fn is_over(order: &Value) -> bool {
    order["etat_actuel"] == "CONFIRMEE"
        || order["rollback"] == "TERMINE"
        || (order["rollback"] == "AUCUN" && !order["echec"].is_null())
}

async fn pause(dice: &Dice) {
    sleep(Duration::from_millis(dice.between(ASK_AGAIN_MS.0, ASK_AGAIN_MS.1))).await;
}
