//! The network and the participants at its end. Each keeps exactly the promise of its kind: what a promise does not
//! forbid may happen to any call.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::reply::{Answer as HttpAnswer, Reply};
use saga_core::saga::Request;
use saga_core::{Definition, Direction, SagaId};
use saga_engine::participants::{Calling, Participants};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::bugs::Lies;
use crate::definition::{Spec, step_name};
use crate::disk::Disk;
use crate::fate::{Around, Fate, Fates, Poison};
use crate::ledger::{Handled, Ledger, LedgerPage, ParticipantAnswer};
use crate::process::{ANSWER_PANICS, Process, outside};
use crate::record::Recorder;
use crate::watch::Watch;

/// The participants, and the network around them.
pub(crate) struct SimulatedShop {
    specs: Vec<Spec>,
    ledger: Mutex<Ledger>,
    watch: Watch,
    recorder: Arc<Recorder>,
    fates: Arc<dyn Fates>,
    lies: Lies,
    /// Requests on their way, of each order.
    in_transit: Mutex<BTreeMap<SagaId, usize>>,
    /// The order whose participants take no calls, because an operator looks into their books.
    held: Mutex<Option<SagaId>>,
    /// Panics of orders' tasks that are to be noticed.
    pub(crate) panics: AtomicI64,
}

impl SimulatedShop {
    pub(crate) fn new(
        specs: Vec<Spec>,
        disk: Arc<Disk>,
        recorder: Arc<Recorder>,
        fates: Arc<dyn Fates>,
        lies: Lies,
    ) -> Arc<Self> {
        let (ledger, in_transit, held, panics) = Default::default();
        let watch = Watch::new(specs.clone(), disk, recorder.clone());
        Arc::new(Self { specs, ledger, watch, recorder, fates, lies, in_transit, held, panics })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn in_transit(&self) -> MutexGuard<'_, BTreeMap<SagaId, usize>> {
        self.in_transit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, Option<SagaId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request is still on its way.
    pub(crate) fn is_anything_in_transit(&self) -> bool {
        !self.in_transit().is_empty()
    }

    /// An operator opens the books about an order: from here on nothing changes in them, until [`SimulatedShop::release`].
    /// `false`: a request that may change them is still on its way, or they are open already.
    pub(crate) fn hold(&self, saga: SagaId) -> bool {
        let mut held = self.held();
        let is_quiet = held.is_none() && !self.in_transit().contains_key(&saga);
        if is_quiet {
            *held = Some(saga);
        }
        is_quiet
    }

    /// The books are closed, and calls are taken again.
    pub(crate) fn release(&self) {
        *self.held() = None;
    }

    /// Whether an operator has the books open.
    pub(crate) fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// The page in the book of a step's participant, without what the participant has forgotten by now.
    pub(crate) fn page(&self, saga: SagaId, step: usize, name: &str) -> LedgerPage {
        let mut ledger = self.ledger();
        for remark in ledger.forget(&self.specs[step], saga, name) {
            self.recorder.hit(remark);
        }
        ledger.page(saga, name)
    }

    /// The request arrives.
    fn arrives(&self, step: usize, request: &Request, refuse: bool) -> Reply {
        self.page(request.saga, step, &request.step);
        let Handled { answer, remark, violation } =
            self.ledger().handle(&self.specs[step], self.lies.key_of_request(request), request, refuse);
        self.recorder.note(|| {
            format!(
                "shop {} {} #{} e{}: {answer:?}",
                short(request),
                request.direction,
                request.attempt.get(),
                request.epoch.get()
            )
        });
        if let Some(remark) = remark {
            self.recorder.hit(remark);
        }
        if request.direction == Direction::Probe {
            let is_there = matches!(answer, ParticipantAnswer::Ok(_));
            self.recorder.hit(match (is_there, self.watch.is_undoing(request.saga, step)) {
                (true, false) => "probe: the action's effect is there",
                (false, false) => "probe: it is not",
                (true, true) => "probe: the effect is not undone yet",
                (false, true) => "probe: nothing is left to undo",
            });
        }
        if let Some((promise, violation)) = violation {
            self.recorder.violation(promise, violation);
        }
        match answer {
            ParticipantAnswer::Ok(body) => reply(200, body, None),
            ParticipantAnswer::Refused => reply(409, r#"{"detail":"refused"}"#.into(), None),
            ParticipantAnswer::Absent => reply(404, r#"{"detail":"not there"}"#.into(), None),
        }
    }

    /// A step is undone after all that waited for it, by their participants' books.
    fn is_in_order(&self, step: usize, request: &Request) {
        let graph = &self.watch.graph;
        if !graph.is_chain() && self.watch.is_beside_another(step, request.saga) {
            self.recorder.hit("saga: calls two steps at the same time");
        }
        if request.direction != Direction::Compensation {
            return;
        }
        for later in graph.behind(step).iter().filter(|later| self.specs[*later].undo) {
            if self.page(request.saga, later, &step_name(later)).open() > 0 {
                self.recorder.violation(
                    "order",
                    format_args!("{} leaves, and step {later} stands", request.idempotency_key()),
                );
            }
        }
    }

    /// The request arrives after `delay`, even if its sender has died; its answer goes back, if the sender still waits.
    fn deliver(
        self: &Arc<Self>,
        step: usize,
        request: &Request,
        delay: Duration,
        refuse: bool,
        back: Option<oneshot::Sender<Reply>>,
    ) {
        let (shop, request, travel) = (self.clone(), request.clone(), self.fates.travel());
        *self.in_transit().entry(request.saga).or_default() += 1;
        outside(async move {
            sleep(delay).await;
            let reply = shop.arrives(step, &request, refuse);
            shop.arrived(request.saga);
            if let Some(back) = back {
                sleep(travel).await;
                let _ = back.send(reply);
            }
        });
    }
}

impl SimulatedShop {
    fn arrived(&self, saga: SagaId) {
        let mut in_transit = self.in_transit();
        if let Some(count) = in_transit.get_mut(&saga) {
            *count -= 1;
            if *count == 0 {
                in_transit.remove(&saga);
            }
        }
    }
}

fn short(request: &Request) -> String {
    let saga = request.saga.to_string();
    format!("{} {}", &saga[saga.len() - 4..], request.step)
}

fn reply(status: u16, body: String, retry_after: Option<Duration>) -> Reply {
    Reply::Answered(HttpAnswer { status, body: body.into_bytes(), retry_after, ..HttpAnswer::default() })
}

/// One process's way to the shop.
pub(crate) struct Gate {
    pub(crate) shop: Arc<SimulatedShop>,
    pub(crate) process: Arc<Process>,
}

impl Participants for Gate {
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, limit: Duration) -> Calling {
        let (shop, process) = (self.shop.clone(), self.process.clone());
        if shop.fates.kills(Around::Before) {
            process.kill();
            return Box::pin(pending());
        }
        shop.watch.leaves(definition, step, &request);
        shop.is_in_order(step, &request);
        if shop.recorder.is_broken() {
            // Time may stand still for a process that calls without a pause.
            process.kill();
            return Box::pin(pending());
        }
        let fate = match shop.fates.of_call(&shop.specs[step], request.direction, step) {
            _ if *shop.held() == Some(request.saga) => Fate::ConnectionRefused,
            // Where the step may not have run, or may have been undone, 404 would be as good as undone: no participant
            // says it of what is there.
            Fate::Misdirected if !shop.watch.is_known_to_be_there(step, &request) => Fate::Good,
            fate => fate,
        };
        shop.recorder.note(|| {
            format!(
                "send {} {} #{} e{}: {fate:?}",
                short(&request),
                request.direction,
                request.attempt.get(),
                request.epoch.get()
            )
        });
        let travel = shop.fates.travel();
        let (back, answered) = oneshot::channel();
        let mut at_once = None;
        let lost = |reason: &str| Some(Reply::Lost { reason: reason.into() });
        let hit = |point| shop.recorder.hit(point);
        match fate {
            Fate::Good => shop.deliver(step, &request, travel, false, Some(back)),
            Fate::Refusal => shop.deliver(step, &request, travel, true, Some(back)),
            Fate::Misdirected => {
                hit("participant: nothing to undo, it says");
                at_once = Some(reply(404, r#"{"detail":"not found"}"#.into(), None));
            }
            Fate::ErrorBefore => {
                hit("participant: 500 before the effect");
                at_once = Some(reply(500, String::new(), None));
            }
            Fate::ErrorAfter => {
                hit("participant: 500 after the effect");
                shop.deliver(step, &request, Duration::ZERO, false, None);
                at_once = Some(reply(500, String::new(), None));
            }
            Fate::Unready(seconds) => {
                let asked = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
                hit(if asked.is_some() { "participant: 503 with Retry-After" } else { "participant: 503" });
                at_once = Some(reply(503, String::new(), asked));
            }
            Fate::ConnectionRefused => {
                hit("network: connection refused");
                at_once = Some(Reply::NotSent { reason: "connection refused".into() });
            }
            Fate::Down => {
                hit("participant: down");
                at_once = Some(Reply::NotSent { reason: "nobody is there".into() });
            }
            Fate::ResetBefore => {
                hit("network: request lost");
                at_once = lost("reset");
            }
            Fate::ResetAfter => {
                hit("network: reset after the request");
                shop.deliver(step, &request, travel, false, None);
                at_once = lost("reset");
            }
            Fate::SilenceBefore => {
                hit("network: request lost");
                std::mem::forget(back);
            }
            Fate::SilenceAfter => {
                hit("network: answer lost");
                shop.deliver(step, &request, travel, false, None);
                std::mem::forget(back);
            }
            Fate::Late(ms) => {
                let late = Duration::from_millis(ms.into());
                hit(if late > limit {
                    "network: request late, after its caller gave up"
                } else {
                    "network: answer after the time-out"
                });
                shop.deliver(step, &request, late, false, None);
                std::mem::forget(back);
            }
            Fate::Doubled(ms) => {
                hit("network: request doubled");
                shop.deliver(step, &request, travel, false, Some(back));
                shop.deliver(step, &request, travel + Duration::from_millis(ms.into()), false, None);
            }
        }
        if request.direction == Direction::Probe
            && !matches!(fate, Fate::Good | Fate::Refusal | Fate::Doubled(_))
        {
            hit("probe: no answer");
        }
        if shop.fates.kills(Around::After) {
            process.kill();
            return Box::pin(pending());
        }
        Box::pin(async move {
            let reply = match at_once {
                Some(reply) => {
                    sleep(travel).await;
                    reply
                }
                None => match timeout(limit, answered).await {
                    Ok(Ok(reply)) => reply,
                    Ok(Err(_)) => pending().await,
                    Err(_) => Reply::Lost { reason: "no answer in time".into() },
                },
            };
            if shop.fates.kills(Around::Answer) {
                process.kill();
                return pending().await;
            }
            let is_answer = matches!(reply, Reply::Answered(_)) && request.direction == Direction::Action;
            match shop.fates.poison(request.saga, step).filter(|_| is_answer) {
                None => shop.lies.heard(request.direction, reply),
                Some(Poison::Kills) => {
                    // Another answer to the order may have ended the process at this moment.
                    if !process.is_dead() {
                        shop.watch.has_ended_its_process(request.saga);
                    }
                    process.kill();
                    pending().await
                }
                Some(Poison::Panics) => {
                    shop.panics.fetch_add(1, Ordering::Relaxed);
                    panic!("{ANSWER_PANICS}");
                }
            }
        })
    }
}
