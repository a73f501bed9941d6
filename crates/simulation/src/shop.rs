//! The network and the participants at its end. Each keeps exactly the promise of its kind: what a promise does not
//! forbid may happen to any call.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::reply::{Answer as HttpAnswer, Reply};
use saga_core::saga::Request;
use saga_core::{CallbackToken, Definition, Direction, SagaId};
use saga_engine::participants::{Calling, Participants};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::bugs::Lies;
use crate::callback::token_in;
use crate::definition::{CallSpec, Spec, step_name};
use crate::disk::Disk;
use crate::fate::{Around, Fate, Fates, JobFate, Poison};
use crate::ledger::{ActionManner, Handled, JobEnd, Ledger, LedgerPage, ParticipantAnswer};
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
    /// Hears of the ends of accepted actions.
    jobs: mpsc::UnboundedSender<JobTold>,
}

/// An accepted action of an order has come to its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobTold {
    pub(crate) saga: SagaId,
    pub(crate) step: usize,
    pub(crate) refused: bool,
    /// Of the address at which the order is called back, if the action's request had one.
    pub(crate) token: Option<CallbackToken>,
}

impl SimulatedShop {
    pub(crate) fn new(
        specs: Vec<Spec>,
        disk: Arc<Disk>,
        recorder: Arc<Recorder>,
        fates: Arc<dyn Fates>,
        lies: Lies,
        jobs: mpsc::UnboundedSender<JobTold>,
    ) -> Arc<Self> {
        let (ledger, in_transit, held, panics) = Default::default();
        let watch = Watch::new(specs.clone(), disk, recorder.clone());
        Arc::new(Self { specs, ledger, watch, recorder, fates, lies, in_transit, held, panics, jobs })
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
        let forgotten = self.specs[step].call().map(|call| ledger.forget(call, saga, name));
        for remark in forgotten.into_iter().flatten() {
            self.recorder.hit(remark);
        }
        ledger.page(saga, name)
    }

    /// A step that is called.
    fn call(&self, step: usize) -> &CallSpec {
        self.specs[step].call().expect("a request is of a step that calls")
    }

    /// The request arrives.
    fn arrives(self: &Arc<Self>, step: usize, request: &Request, manner: ActionManner) -> Reply {
        self.page(request.saga, step, &request.step);
        let Handled { answer, remark, violation, carry_out } =
            self.ledger().handle(self.call(step), self.lies.key_of_request(request), request, manner);
        self.recorder.note(|| {
            format!(
                "shop {} {} {} #{} e{}: {answer:?}",
                short(request.saga),
                request.step,
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
        if let Some(after) = carry_out {
            self.carry_out(step, request.saga, after, token_in(request));
        }
        match answer {
            ParticipantAnswer::Refused if request.direction == Direction::Poll => {
                reply(200, r#"{"no":true}"#.into(), None)
            }
            ParticipantAnswer::Accepted => reply(202, "{}".into(), None),
            ParticipantAnswer::NotYet => reply(503, String::new(), None),
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
        if request.direction == Direction::Action {
            let is_pending = |earlier: &usize| {
                !self.specs[*earlier].is_optional()
                    && self.page(request.saga, *earlier, &step_name(*earlier)).is_pending()
            };
            for earlier in graph.before(step).iter().filter(is_pending) {
                self.recorder.violation(
                    "order",
                    format_args!(
                        "{} leaves, and step {earlier} is accepted, not done",
                        request.idempotency_key()
                    ),
                );
            }
        }
        if request.direction != Direction::Compensation {
            return;
        }
        let may_stand = |later: usize| {
            self.specs[later].is_optional() && !self.watch.is_known_to_have_run(request.saga, later)
        };
        for later in graph.behind(step).iter().filter(|later| self.specs[*later].is_undone()) {
            if self.page(request.saga, later, &step_name(later)).open() > 0 && !may_stand(later) {
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
        manner: ActionManner,
        back: Option<oneshot::Sender<Reply>>,
    ) {
        let (shop, request, travel) = (self.clone(), request.clone(), self.fates.travel());
        *self.in_transit().entry(request.saga).or_default() += 1;
        outside(async move {
            sleep(delay).await;
            let reply = shop.arrives(step, &request, manner);
            shop.arrived(request.saga);
            if let Some(back) = back {
                sleep(travel).await;
                let _ = back.send(reply);
            }
        });
    }
}

impl SimulatedShop {
    /// How the participant takes a call that it does not refuse.
    fn manner(&self, step: usize, direction: Direction) -> ActionManner {
        let call = self.call(step);
        let job = (direction == Direction::Action).then(|| self.fates.job(call, step)).flatten();
        let Some(JobFate { takes: after, refused }) = job else { return ActionManner::AtOnce };
        ActionManner::Later { after, refuses: refused && call.may_refuse_later() }
    }

    /// The participant does what it has accepted, or refuses it, after so long, whatever the orchestrator does meanwhile.
    fn carry_out(self: &Arc<Self>, step: usize, saga: SagaId, after: Duration, token: Option<CallbackToken>) {
        let shop = self.clone();
        *self.in_transit().entry(saga).or_default() += 1;
        outside(async move {
            sleep(after).await;
            let end = shop.ledger().carry_out(shop.call(step), saga, &step_name(step));
            shop.arrived(saga);
            let Some(end) = end else { return };
            shop.recorder.note(|| format!("shop {} {}: {end:?}", short(saga), step_name(step)));
            shop.recorder.hit(match &end {
                JobEnd::Done { .. } => "participant: does what it has accepted",
                JobEnd::Refused => "participant: refuses what it has accepted",
            });
            if matches!(end, JobEnd::Done { is_doubled: true, .. }) {
                shop.recorder
                    .violation("P3", format_args!("{} of {saga} took effect twice", step_name(step)));
            }
            // In a small world nobody is told.
            let _ = shop.jobs.send(JobTold { saga, step, refused: end == JobEnd::Refused, token });
        });
    }

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

fn short(saga: SagaId) -> String {
    let saga = saga.to_string();
    saga[saga.len() - 4..].to_owned()
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
        let fate = match shop.fates.of_call(shop.call(step), request.direction, step) {
            _ if *shop.held() == Some(request.saga) => Fate::ConnectionRefused,
            // Where the step may not have run, or may have been undone, 404 would be as good as undone: no participant
            // says it of what is there.
            Fate::Misdirected if !shop.watch.is_known_to_be_there(step, &request) => Fate::Good,
            fate => fate,
        };
        shop.recorder.note(|| {
            format!(
                "send {} {} {} #{} e{}: {fate:?}",
                short(request.saga),
                request.step,
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
        let manner = shop.manner(step, request.direction);
        match fate {
            Fate::Good => shop.deliver(step, &request, travel, manner, Some(back)),
            Fate::Refusal => shop.deliver(step, &request, travel, ActionManner::Refuses, Some(back)),
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
                shop.deliver(step, &request, Duration::ZERO, manner, None);
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
                shop.deliver(step, &request, travel, manner, None);
                at_once = lost("reset");
            }
            Fate::SilenceBefore => {
                hit("network: request lost");
                std::mem::forget(back);
            }
            Fate::SilenceAfter => {
                hit("network: answer lost");
                shop.deliver(step, &request, travel, manner, None);
                std::mem::forget(back);
            }
            Fate::Late(ms) => {
                let late = Duration::from_millis(ms.into());
                hit(if late > limit {
                    "network: request late, after its caller gave up"
                } else {
                    "network: answer after the time-out"
                });
                shop.deliver(step, &request, late, manner, None);
                std::mem::forget(back);
            }
            Fate::Doubled(ms) => {
                hit("network: request doubled");
                shop.deliver(step, &request, travel, manner, Some(back));
                shop.deliver(step, &request, travel + Duration::from_millis(ms.into()), manner, None);
            }
        }
        if !matches!(fate, Fate::Good | Fate::Refusal | Fate::Doubled(_)) {
            match request.direction {
                Direction::Probe => hit("probe: no answer"),
                Direction::Poll => hit("poll: no answer"),
                Direction::Action | Direction::Compensation => {}
            }
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
