//! The network and the participants at its end. Each keeps exactly the promise of its kind: what a promise does not
//! forbid may happen to any call.

use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use saga_core::reply::{Answer as HttpAnswer, Reply};
use saga_core::saga::Request;
use saga_core::{AttemptNumber, Definition, Direction, Event, Outcome, SagaId};
use saga_engine::participants::{Calling, Participants};
use saga_journal::Histories;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::bugs::Lies;
use crate::definition::{Kind, Spec};
use crate::disk::Disk;
use crate::ledger::{Answer, Handled, Ledger};
use crate::process::{ANSWER_PANICS, Process, outside};
use crate::record::Recorder;

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The participant does what it is asked, and says so.
    Good,
    /// It refuses.
    Refusal,
    /// 500, and nothing was done.
    ErrorBefore,
    /// 500, and it was done.
    ErrorAfter,
    /// 503: nothing was done; come back after so many seconds.
    Unready(u8),
    /// Nobody listens.
    ConnectionRefused,
    /// Nobody listens, and so it goes for a while.
    Down,
    /// The connection breaks; the request never arrived.
    ResetBefore,
    /// The connection breaks; the request arrived.
    ResetAfter,
    /// No answer in time; the request never arrived.
    SilenceBefore,
    /// No answer in time; the request arrived.
    SilenceAfter,
    /// No answer in time; the request arrives this much later, in milliseconds.
    Late(u32),
    /// A compensation that looks in the wrong place: 404, there is nothing to undo, it says.
    Misdirected,
    /// The request arrives twice, the second time this much later, in milliseconds.
    Doubled(u32),
}

/// What an answer does to the process that reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// The process ends, as it does when it gets no more memory.
    Kills,
    /// The order's task panics.
    Panics,
}

/// Processes that one order may end without any end of a call of it in between: one before its history shows the call,
/// and those after which it is taken over.
const ENDED_BY_ONE_ORDER_MAX: usize = 4;

/// Where a process may be killed around a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    Before,
    After,
    Answer,
}

/// Who decides what becomes of calls.
pub(crate) trait Fates: Send + Sync {
    /// What becomes of the next call, which goes to a participant of this kind.
    fn of_call(&self, kind: Kind, direction: Direction, step: usize) -> Fate;

    /// Whether the process dies here.
    fn kills(&self, around: Around) -> bool;

    /// What the answer to an action of this order does to the process that reads it.
    fn poison(&self, saga: SagaId, step: usize) -> Option<Poison>;

    /// How long a message takes.
    fn travel(&self) -> Duration;
}

/// Calls with the same key that may leave within [`HAMMER_WINDOW`]: an attempt for each take-over, and their retries.
const HAMMER_CALLS_MAX: usize = 20;
const HAMMER_WINDOW: Duration = Duration::from_secs(1);

/// The participants, and the network around them.
pub(crate) struct Shop {
    specs: Vec<Spec>,
    ledger: Mutex<Ledger>,
    disk: Arc<Disk>,
    recorder: Arc<Recorder>,
    fates: Arc<dyn Fates>,
    lies: Lies,
    in_transit: AtomicU64,
    sent: Mutex<BTreeMap<String, VecDeque<Instant>>>,
    /// Ends of calls in each order's history, and processes that it has ended since the last one.
    ended: Mutex<BTreeMap<SagaId, (usize, usize)>>,
    /// Panics of orders' tasks that are to be noticed.
    pub(crate) panics: AtomicI64,
}

impl Shop {
    pub(crate) fn new(
        specs: Vec<Spec>,
        disk: Arc<Disk>,
        recorder: Arc<Recorder>,
        fates: Arc<dyn Fates>,
        lies: Lies,
    ) -> Arc<Self> {
        let (ledger, sent, in_transit, ended, panics) = Default::default();
        Arc::new(Self { specs, ledger, disk, recorder, fates, lies, in_transit, sent, ended, panics })
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request is still on its way.
    pub(crate) fn is_anything_in_transit(&self) -> bool {
        self.in_transit.load(Ordering::Relaxed) > 0
    }

    /// What must be on disk when a request leaves, as the design says it. (P2, P5, and nobody calls for a saga that
    /// belongs to somebody else.)
    fn leaves(&self, definition: &Definition, step: usize, request: &Request) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let times = sent.entry(request.idempotency_key()).or_default();
        times.push_back(Instant::now());
        times.retain(|at| at.elapsed() < HAMMER_WINDOW);
        if times.len() > HAMMER_CALLS_MAX {
            self.recorder.violation(
                "no hammering",
                format_args!("{} calls of {} within a second", times.len(), request.idempotency_key()),
            );
        }
        drop(sent);
        if request.direction == Direction::Probe || definition.steps[step].is_read() {
            return;
        }
        let history = match now(self.disk.memory.load(request.saga)) {
            Ok(Some(history)) => history,
            _ => {
                self.recorder.violation(
                    "P2",
                    format_args!("{} leaves before its saga's start is on disk", request.idempotency_key()),
                );
                return;
            }
        };
        let has = |test: &dyn Fn(&Event) -> bool| history.records.iter().any(|record| test(&record.event));
        let epoch =
            1 + history.records.iter().filter(|r| matches!(r.event, Event::TakenOver { .. })).count() as u32;
        if epoch != request.epoch.get() {
            self.recorder.violation(
                "ownership",
                format_args!(
                    "{} leaves in epoch {} while the saga is in epoch {epoch}",
                    request.idempotency_key(),
                    request.epoch.get()
                ),
            );
        }
        if has(&|event| matches!(event, Event::Completed | Event::RolledBack)) {
            self.recorder.violation(
                "P5",
                format_args!("{} leaves though the saga is over", request.idempotency_key()),
            );
        }
        let is_announced = has(&|event| {
            matches!(event, Event::AttemptStarted { step: s, direction, attempt }
                if (*s, *direction, *attempt) == (step, request.direction, request.attempt))
        });
        let kind = self.specs[step].kind;
        if request.direction == Direction::Action && kind != Kind::Barrier && !is_announced {
            self.recorder.violation("P2", format_args!("{} leaves unannounced", request.idempotency_key()));
        }
        if request.direction == Direction::Compensation
            && !has(&|event| matches!(event, Event::RollbackDecided { .. }))
        {
            self.recorder.violation(
                "P5",
                format_args!("{} leaves before the rollback is on disk", request.idempotency_key()),
            );
        }
        if request.direction == Direction::Compensation
            && has(
                &|event| matches!(event, Event::AttemptEnded { step: s, direction: Direction::Action, outcome: Outcome::Unknown, .. } if *s == step),
            )
        {
            self.recorder.hit("saga: compensated after an unknown outcome");
        }
    }

    /// Whether the history shows that a step has run, and that this is the first time that it is to be undone.
    fn is_known_to_be_there(&self, step: usize, request: &Request) -> bool {
        let Ok(Some(history)) = now(self.disk.memory.load(request.saga)) else { return false };
        let events = || history.records.iter().map(|record| &record.event);
        let has_run = events().any(|event| {
            matches!(event, Event::AttemptEnded { step: s, direction: Direction::Action, outcome: Outcome::Ok, .. } if *s == step)
        });
        let rolling_back = events().skip_while(|event| !matches!(event, Event::RollbackDecided { .. }));
        let is_first =
            request.direction == Direction::Compensation && request.attempt == AttemptNumber::FIRST;
        has_run && is_first && !rolling_back.into_iter().any(|event| matches!(event, Event::TakenOver { .. }))
    }

    /// An order has ended the process that ran it.
    fn has_ended_its_process(&self, saga: SagaId) {
        self.recorder.hit("process: ended by an order");
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // An order of which nothing was kept is none: whoever asks for it again asks for the same again.
        let Ok(Some(history)) = now(self.disk.memory.load(saga)) else { return };
        let is_end =
            |event: &Event| matches!(event, Event::AttemptEnded { .. } | Event::RollbackDecided { .. });
        let ends = history.records.iter().filter(|record| is_end(&record.event)).count();
        let (before, times) = ended.entry(saga).or_default();
        *times = if *before == ends { *times + 1 } else { 1 };
        *before = ends;
        if *times > ENDED_BY_ONE_ORDER_MAX {
            self.recorder.violation("P8", format_args!("{saga} has ended {times} processes in a row"));
        }
    }

    /// The request arrives.
    fn arrives(&self, step: usize, request: &Request, refuse: bool) -> Reply {
        let Handled { answer, remark, violation } =
            self.ledger().handle(self.specs[step].kind, self.lies.key_of_request(request), request, refuse);
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
        if let Some(violation) = violation {
            self.recorder.violation("P3", violation);
        }
        match answer {
            Answer::Ok(body) => reply(200, body, None),
            Answer::Refused => reply(409, r#"{"detail":"refused"}"#.into(), None),
            Answer::Absent => reply(404, r#"{"detail":"not there"}"#.into(), None),
        }
    }

    /// The request arrives after `delay`, whatever becomes of its sender; its answer goes back, if anybody wants it.
    fn deliver(
        self: &Arc<Self>,
        step: usize,
        request: &Request,
        delay: Duration,
        refuse: bool,
        back: Option<oneshot::Sender<Reply>>,
    ) {
        let (shop, request, travel) = (self.clone(), request.clone(), self.fates.travel());
        self.in_transit.fetch_add(1, Ordering::Relaxed);
        outside(async move {
            sleep(delay).await;
            let reply = shop.arrives(step, &request, refuse);
            shop.in_transit.fetch_sub(1, Ordering::Relaxed);
            if let Some(back) = back {
                sleep(travel).await;
                let _ = back.send(reply);
            }
        });
    }
}

fn short(request: &Request) -> String {
    let saga = request.saga.to_string();
    format!("{} {}", &saga[saga.len() - 4..], request.step)
}

fn reply(status: u16, body: String, retry_after: Option<Duration>) -> Reply {
    Reply::Answered(HttpAnswer { status, body: body.into_bytes(), retry_after, ..HttpAnswer::default() })
}

/// A future of the memory store, which is always ready.
pub(crate) fn now<T>(mut future: std::pin::Pin<Box<dyn Future<Output = T> + Send + '_>>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store waits for nothing"),
    }
}

/// One process's way to the shop.
pub(crate) struct Gate {
    pub(crate) shop: Arc<Shop>,
    pub(crate) process: Arc<Process>,
}

impl Participants for Gate {
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, limit: Duration) -> Calling {
        let (shop, process) = (self.shop.clone(), self.process.clone());
        let kind = shop.specs[step].kind;
        if shop.fates.kills(Around::Before) {
            process.kill();
            return Box::pin(pending());
        }
        shop.leaves(definition, step, &request);
        if shop.recorder.is_broken() {
            // Time may stand still for whoever calls without a pause.
            process.kill();
            return Box::pin(pending());
        }
        let fate = match shop.fates.of_call(kind, request.direction, step) {
            // Where the step may not have run, or may have been undone, 404 would be as good as undone: no participant
            // says it of what is there.
            Fate::Misdirected if !shop.is_known_to_be_there(step, &request) => Fate::Good,
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
                if asked.is_some() {
                    hit("participant: 503 with Retry-After");
                }
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
                    shop.has_ended_its_process(request.saga);
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
