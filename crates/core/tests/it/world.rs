//! A small world that tries to break the promises P1-P3, P5 and P6 (DESIGN, section 1), judged by the ledgers
//! of its participants.
//!
//! A driver runs one saga on a disk that lags: only a prefix of the history is durable, a call leaves only if
//! its `needs` is, and a crash loses the rest (or finds that more of it had been written than was known). The
//! network loses, delays and doubles; participants keep exactly the promise of their safety level, and no more.
//! After a while the faults end, and the saga must, too.
//!
//! Half of the worlds are bounded: what is sent arrives within [`LIFE_MICROS`] or never, and clocks are steady. That is
//! what asking about a call, and promises that end, build on; so there, steps have probes, and participants forget.
//! In some worlds a person looks after orders that are blocked: looks into the ledger, and tells the truth.
//!
//! Everything follows from one seed. `SAGA_SEED=17` runs that one, with a trace; `SAGA_SEEDS=100000` runs more.

use std::collections::BTreeMap;

use saga_core::event::{Finding, Stuck};
use saga_core::reply::Verdict;
use saga_core::saga::{CallWanted, Input};
use saga_core::{Direction, Event, Json, Outcome, Record, Saga};

use crate::support::{Kind, Spec, at, definition, name, record_text, reply, saga_id};

const SEEDS: u64 = 10_000;
/// Faults happen for this many moves; then the world is kind.
const FAULTY_MOVES: u32 = 100;
/// A kind world needs no more than this to finish.
const KIND_MOVES: u32 = 600;

/// In a bounded world, what was sent so long ago never arrives, and what could not leave for so long never leaves.
/// A probe waits longer.
const LIFE_MICROS: i64 = 1_000_000;
/// The promise that ends, where one does; participants keep it a little longer, for what is still on its way.
const HORIZON: (&str, i64) = ("3s", 3_000_000);

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to shuffle a world with.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// One step's participant, as its own books tell.
#[derive(Debug, Default)]
struct Ledger {
    /// The actions that took effect and were not undone.
    open: Vec<Stored>,
    /// The answers it remembers, if it promises to.
    action: Option<Stored>,
    compensation: Option<Stored>,
    /// Whether it was ever called, but for questions.
    touched: bool,
}

#[derive(Debug, Clone)]
struct Stored {
    body: String,
    answer: Answer,
    at: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Ok(String),
    Refused,
}

/// A request on its way.
#[derive(Debug, Clone)]
struct Message {
    call: CallWanted,
    body: String,
    sent_at: i64,
    /// It has a twin.
    doubled: bool,
}

/// What can happen next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Write,
    Send,
    Deliver,
    Reply,
    PassTime,
    TimeOut,
    Crash,
    Cancel,
    LoseRequest,
    LoseReply,
    Double,
    StepBack,
    Hurry,
    Person,
}

/// The moves of a world without faults.
const KIND: [(Move, usize); 6] = [
    (Move::Write, 2),
    (Move::Send, 3),
    (Move::Deliver, 2),
    (Move::Reply, 2),
    (Move::PassTime, 1),
    (Move::Person, 1),
];

/// The moves of a faulty world. Each world has a character: some faults are common in it, others never happen, so
/// that long chains of one kind are met as well as mixtures. (Groce et al., "Swarm Testing", ISSTA 2012.)
fn weights(dice: &mut Dice) -> Vec<(Move, usize)> {
    let often = [Move::Write, Move::Send, Move::Deliver, Move::Reply];
    let seldom = [
        Move::PassTime,
        Move::TimeOut,
        Move::Crash,
        Move::LoseRequest,
        Move::LoseReply,
        Move::Double,
        Move::StepBack,
        Move::Hurry,
        Move::Person,
    ];
    let often = often.map(|m| (m, [3, 10, 30, 60][dice.below(4)]));
    let seldom = seldom.map(|m| (m, [0, 0, 1, 3, 8][dice.below(5)]));
    let cancel = (Move::Cancel, [0, 0, 1, 5][dice.below(4)]);
    often.into_iter().chain(seldom).chain([cancel]).collect()
}

struct World {
    seed: u64,
    trace: bool,
    dice: Dice,
    specs: Vec<Spec>,
    weights: Vec<(Move, usize)>,
    /// See the module.
    is_bounded: bool,
    has_person: bool,
    /// How often a participant turns a call away, in percent.
    unready: u64,
    /// How often it refuses an action, in percent.
    refusing: u64,
    /// How often it fails before doing what it is asked, and how often after, in percent.
    failing: u64,
    saga: Saga,
    history: Vec<Record>,
    durable: usize,
    micros: i64,
    /// The call that this owner has sent, or found that it cannot be sent.
    sent: Option<CallWanted>,
    network: Vec<Message>,
    replies: Vec<(CallWanted, Verdict)>,
    ledgers: Vec<Ledger>,
    answers: u64,
    kind: bool,
    hits: Hits,
}

type Hits = BTreeMap<&'static str, u64>;

/// What must have happened to somebody, or the world is too kind to prove anything.
const FAULT_POINTS: [&str; 45] = [
    "a barrier's step that was lost is undone",
    "a call leaves ahead of the record of its start",
    "a call is too late to leave",
    "a call never leaves",
    "a cancellation",
    "a clock steps back",
    "a compensation after an unknown outcome",
    "a compensation of nothing",
    "a crash that finds more written than was known",
    "a crash that loses nothing",
    "a crash that loses the tail",
    "a deadline",
    "a hurry",
    "a next owner with a slower clock",
    "a participant has forgotten an action",
    "a participant has forgotten a compensation",
    "a person is turned away",
    "a person says that it did not run",
    "a person says that it ran",
    "a person undoes it by hand",
    "a person vouches",
    "a person wants it to go on",
    "a question about an action finds its effect",
    "a question about an action finds nothing",
    "a question about a compensation finds nothing left",
    "a question about a compensation finds the effect still there",
    "a refusal",
    "a reply is late",
    "a reply is lost",
    "a request is delayed past its timeout",
    "a request is doubled",
    "a request is lost",
    "a request is too old to arrive",
    "a take-over going forward",
    "a take-over rolling back",
    "an action arrives after its compensation",
    "blocked for good: nobody knows about the action",
    "blocked for good: nobody knows about the compensation",
    "blocked for good: the promise has ended",
    "blocked for now",
    "blocked for now: the promise has ended",
    "confirmed",
    "rolled back: nothing to undo",
    "rolled back: undone",
    "unready: 503",
];

impl World {
    fn new(seed: u64, trace: bool) -> Self {
        let mut dice = Dice(seed);
        let (is_bounded, has_person) = (dice.chance(50), dice.chance(50));
        let specs = specs(&mut dice, is_bounded);
        let weights = weights(&mut dice);
        let failing = [4, 25][dice.below(2)];
        let (unready, refusing) = ([0, 5, 40][dice.below(3)], [8, 40][dice.below(2)]);
        let definition = definition(&specs);
        let input = Json::parse(b"{\"n\":1}").expect("JSON");
        let (saga, history) = Saga::start(saga_id(), &definition, input, at(0, dice.next()));
        let ledgers = specs.iter().map(|_| Ledger::default()).collect();
        let world = Self {
            seed,
            trace,
            dice,
            specs,
            weights,
            is_bounded,
            has_person,
            unready,
            refusing,
            failing,
            saga,
            history,
            durable: 0,
            micros: 0,
            sent: None,
            network: Vec::new(),
            replies: Vec::new(),
            ledgers,
            answers: 0,
            kind: false,
            hits: Hits::new(),
        };
        world.say(|w| format!("steps: {:?}\nmoves: {:?}", w.specs, w.weights));
        world.tell_from(0);
        world
    }

    fn say(&self, text: impl FnOnce(&Self) -> String) {
        if self.trace {
            println!("{}", text(self));
        }
    }

    fn tell_from(&self, from: usize) {
        for (i, record) in self.history.iter().enumerate().skip(from) {
            self.say(|w| format!("    {:3} {}", i + 1, record_text(&w.saga, record)));
        }
    }

    fn hit(&mut self, point: &'static str) {
        assert!(FAULT_POINTS.contains(&point), "`{point}` is not listed");
        *self.hits.entry(point).or_default() += 1;
    }

    /// Ends the test: a promise is broken.
    fn broken(&self, what: &str) -> ! {
        panic!(
            "{what}\nsteps: {:?}\nledgers: {:?}\nreplay with SAGA_SEED={}",
            self.specs, self.ledgers, self.seed
        );
    }

    /// Whether the input was taken.
    fn handle(&mut self, input: &Input) -> bool {
        let moment = at(self.micros, self.dice.next());
        let before = self.history.len();
        let result = self.saga.handle(input, moment);
        let is_taken = result.is_ok();
        match result {
            Ok(records) => self.history.extend(records),
            Err(rejected) => {
                self.say(|_| format!("    rejected: {rejected}"));
                if matches!(input, Input::Resume { .. } | Input::Resolve { .. }) {
                    self.hit("a person is turned away");
                }
            }
        }
        self.tell_from(before);
        for i in before..self.history.len() {
            match &self.history[i].event {
                Event::Blocked { stuck: Stuck::HorizonPassed, .. } => {
                    self.hit("blocked for now: the promise has ended");
                }
                Event::Blocked { .. } => self.hit("blocked for now"),
                Event::RollbackDecided { cause: saga_core::event::Cause::DeadlinePassed } => {
                    self.hit("a deadline")
                }
                _ => {}
            }
        }
        if self.sent.is_some() && self.saga.effects().call != self.sent.map(|sent| self.rewanted(sent)) {
            self.sent = None;
        }
        is_taken
    }

    /// `sent`, with what may change about a call while it is under way: only what it needs.
    fn rewanted(&self, sent: CallWanted) -> CallWanted {
        CallWanted { needs: self.saga.effects().call.map_or(sent.needs, |call| call.needs), ..sent }
    }

    /// One thing happens.
    fn one_move(&mut self) {
        let moves: &[(Move, usize)] = if self.kind { &KIND } else { &self.weights };
        let mut left = self.dice.below(moves.iter().map(|(_, weight)| weight).sum());
        let (chosen, _) = moves
            .iter()
            .find(|(_, weight)| {
                let found = left < *weight;
                left = left.saturating_sub(*weight);
                found
            })
            .expect("less than the sum of the weights");
        match chosen {
            Move::Write => self.write_to_disk(),
            Move::Send => self.send(),
            Move::Deliver => self.deliver(),
            Move::Reply => self.reply(),
            Move::PassTime => self.pass_time(),
            Move::TimeOut => self.time_out(),
            Move::Crash => self.crash(),
            Move::Cancel => {
                self.hit("a cancellation");
                self.say(|_| "cancel".into());
                self.handle(&Input::Cancel);
            }
            Move::LoseRequest => self.lose_request(),
            Move::LoseReply => self.lose_reply(),
            Move::Double => self.double(),
            Move::StepBack => {
                if !self.is_bounded {
                    self.hit("a clock steps back");
                    self.micros -= 1_000 * self.dice.below(5_000) as i64;
                }
            }
            Move::Hurry => {
                self.hit("a hurry");
                self.say(|_| "hurry".into());
                self.handle(&Input::Hurry);
            }
            Move::Person => {
                if self.has_person {
                    self.person();
                }
            }
        }
    }

    /// Somebody looks after the order, knows what the participant's books say, and tells the truth.
    fn person(&mut self) {
        let blocked = self.saga.blocked().map(|blocked| (blocked.step, blocked.stuck));
        let (by, reason) = (Box::from("Ana"), Box::from("looked it up"));
        let resume = |world: &mut Self| {
            world.say(|_| "a person wants it to go on".into());
            world.handle(&Input::Resume { by: "Ana".into(), reason: None })
        };
        let Some((step, stuck)) = blocked else {
            self.hit("a person wants it to go on");
            resume(self);
            return;
        };
        // What is still on its way may change what is found; so nobody says anything yet.
        if self.network.iter().any(|message| message.call.step == step) {
            return;
        }
        self.forget(step);
        let ledger = &self.ledgers[step];
        let remembers = match self.specs[step].kind {
            Kind::Barrier => ledger.action.is_some(),
            _ => ledger.action.is_some() || ledger.open.is_empty(),
        };
        if stuck != Stuck::HorizonPassed && self.dice.chance(30) {
            self.hit("a person wants it to go on");
            resume(self);
            return;
        }
        if stuck == Stuck::HorizonPassed && remembers && self.dice.chance(50) {
            self.hit("a person vouches");
            resume(self);
            return;
        }
        let output = ledger.open.first().map(|done| done.answer.clone());
        let undoes_by_hand = self.specs[step].kind == Kind::Barrier && !remembers || self.dice.chance(30);
        let finding = match &output {
            None => Finding::NotRun,
            Some(_) if undoes_by_hand => Finding::Undone,
            Some(_) => Finding::Ran,
        };
        let output = match (finding, output) {
            (Finding::Ran, Some(Answer::Ok(output))) => Json::parse(output.as_bytes()).ok(),
            _ => None,
        };
        self.say(|_| format!("a person says about {}: {finding:?}", name(step)));
        if !self.handle(&Input::Resolve { step, finding, output, by, reason }) {
            return;
        }
        self.hit(match finding {
            Finding::Ran => "a person says that it ran",
            Finding::NotRun => "a person says that it did not run",
            Finding::Undone => "a person undoes it by hand",
        });
        if finding == Finding::Undone {
            self.ledgers[step].open.clear();
        }
    }

    fn lose_request(&mut self) {
        if !self.network.is_empty() {
            self.hit("a request is lost");
            let lost = self.dice.below(self.network.len());
            let lost = self.network.swap_remove(lost);
            self.say(|_| format!("lost: {:?}", lost.call));
        }
    }

    fn lose_reply(&mut self) {
        if !self.replies.is_empty() {
            self.hit("a reply is lost");
            let lost = self.dice.below(self.replies.len());
            self.replies.swap_remove(lost);
        }
    }

    fn write_to_disk(&mut self) {
        let pending = self.history.len() - self.durable;
        if pending > 0 {
            self.durable += 1 + self.dice.below(pending);
            self.say(|w| format!("durable: {}", w.durable));
        }
    }

    /// Sends the wanted call, if its `needs` is durable and it has not been sent.
    fn send(&mut self) {
        let Some(call) = self.saga.effects().call else { return };
        if self.sent == Some(call) || call.needs.get() > self.durable as u64 {
            return;
        }
        let started = self.history.iter().rposition(|record| {
            matches!(record.event, Event::AttemptStarted { step, direction, attempt }
                if (step, direction, attempt) == (call.step, call.direction, call.attempt))
        });
        let waited = started.map_or(0, |at| self.micros - self.history[at].at.as_micros());
        if started.is_none_or(|at| at >= self.durable) {
            self.hit("a call leaves ahead of the record of its start");
        }
        let decided = |records: &[Record]| {
            records.iter().filter(|r| matches!(r.event, Event::RollbackDecided { .. })).count()
        };
        if call.direction == Direction::Compensation && decided(&self.history[..self.durable]) != 1 {
            self.broken("P5: a compensation leaves before the decision to roll back is durable");
        }
        let request = match self.saga.request(&call) {
            Ok(request) => request,
            Err(error) => self.broken(&format!("P6: {error}")),
        };
        self.sent = Some(call);
        if self.is_bounded && waited > LIFE_MICROS {
            self.hit("a call is too late to leave");
            self.replies.push((call, Verdict::without_answer(Outcome::NotSent, "no connection was free")));
            return;
        }
        if !self.kind && self.dice.chance(self.unready) {
            self.hit("a call never leaves");
            self.replies.push((call, Verdict::without_answer(Outcome::NotSent, "refused connection")));
            return;
        }
        let body = request.body.map_or(String::new(), |body| body.text().to_owned());
        self.say(|_| format!("send {:?} {body}", call));
        let sent_at = self.micros;
        self.network.push(Message { call, body, sent_at, doubled: false });
    }

    /// A request arrives, and its answer is on its way back.
    fn deliver(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let which = self.dice.below(self.network.len());
        let message = self.network.swap_remove(which);
        self.arrive(message);
    }

    /// What has been on its way for too long never arrives.
    fn bury(&mut self) {
        let (before, now) = (self.network.len(), self.micros);
        if self.is_bounded {
            self.network.retain(|message| now - message.sent_at <= LIFE_MICROS);
        }
        for _ in self.network.len()..before {
            self.hit("a request is too old to arrive");
        }
    }

    /// A step's participant forgets what it promised to remember for so long only.
    fn forget(&mut self, step: usize) {
        let kept = match self.specs[step].horizon {
            Some(_) => HORIZON.1 + 2 * LIFE_MICROS,
            None => return,
        };
        let now = self.micros;
        let is_old = |stored: &mut Stored| now - stored.at > kept;
        if self.ledgers[step].action.take_if(is_old).is_some() {
            self.hit("a participant has forgotten an action");
        }
        if self.ledgers[step].compensation.take_if(is_old).is_some() {
            self.hit("a participant has forgotten a compensation");
        }
    }

    fn arrive(&mut self, message: Message) {
        let verdict = self.serve(&message);
        self.say(|_| format!("served {:?}: {:?}", message.call, verdict.outcome));
        self.judge_while_running();
        self.replies.push((message.call, verdict));
    }

    /// What the participant does, keeping its promise and no more.
    fn serve(&mut self, message: &Message) -> Verdict {
        let Message { call, body, doubled, .. } = message;
        let kind = self.specs[call.step].kind;
        self.forget(call.step);
        // Whoever answers 503 says that nothing was done, and that goes for the twin, too.
        if !self.kind && !doubled && self.dice.chance(self.unready) {
            self.hit("unready: 503");
            return Verdict::without_answer(Outcome::NotSent, "503");
        }
        let fails_before = !self.kind && self.dice.chance(self.failing);
        let fails_after = !self.kind && self.dice.chance(self.failing);
        let refuses = self.dice.chance(if self.kind { 2 } else { self.refusing });
        if fails_before {
            return Verdict::without_answer(Outcome::Unknown, "500 before");
        }
        self.answers += 1;
        let fresh = Answer::Ok(format!("{{\"x\":{}}}", self.answers));
        let at = self.micros;
        self.ledgers[call.step].touched |= call.direction != Direction::Probe;
        let remembers = matches!(kind, Kind::Idempotent | Kind::Barrier);
        let answer = match (kind, call.direction) {
            (Kind::Read, _) => fresh,
            (_, Direction::Action) => {
                let known = self.ledgers[call.step].action.clone().filter(|_| remembers);
                if let Some(known) = known {
                    if known.body != *body {
                        self.broken(&format!("one key, two requests: {} and {body}", known.body));
                    }
                    known.answer
                } else if kind == Kind::Barrier && self.ledgers[call.step].compensation.is_some() {
                    self.hit("an action arrives after its compensation");
                    Answer::Refused
                } else {
                    let answer = if refuses { Answer::Refused } else { fresh };
                    match answer {
                        Answer::Refused => self.hit("a refusal"),
                        Answer::Ok(_) => {
                            let done = Stored { body: body.clone(), answer: answer.clone(), at };
                            self.ledgers[call.step].open.push(done);
                        }
                    }
                    self.ledgers[call.step].action =
                        Some(Stored { body: body.clone(), answer: answer.clone(), at });
                    answer
                }
            }
            (_, Direction::Probe) => {
                let effect = self.ledgers[call.step].open.first().map(|done| done.answer.clone());
                let undoes = self.is_undoing(call.step);
                self.hit(match (&effect, undoes) {
                    (Some(_), false) => "a question about an action finds its effect",
                    (None, false) => "a question about an action finds nothing",
                    (None, true) => "a question about a compensation finds nothing left",
                    (Some(_), true) => "a question about a compensation finds the effect still there",
                });
                effect.unwrap_or(Answer::Refused)
            }
            (_, Direction::Compensation) => {
                let ledger = &mut self.ledgers[call.step];
                let known = ledger.compensation.clone().filter(|_| remembers);
                let ran = ledger.action.as_ref().is_some_and(|action| matches!(action.answer, Answer::Ok(_)));
                if let Some(known) = known {
                    if known.body != *body {
                        self.broken(&format!("one key, two requests: {} and {body}", known.body));
                    }
                } else {
                    ledger.compensation = Some(Stored { body: body.clone(), answer: fresh.clone(), at });
                    match ledger.open.pop() {
                        Some(done) if done.body != *body => {
                            self.broken(&format!("P1: {} was done, and {body} is undone", done.body));
                        }
                        Some(_) => {}
                        None if kind == Kind::Barrier && !ran => self.hit("a compensation of nothing"),
                        None => self.broken("P3: undone what was not there"),
                    }
                }
                fresh
            }
        };
        if fails_after {
            return Verdict::without_answer(Outcome::Unknown, "500 after");
        }
        match answer {
            Answer::Ok(output) => Verdict {
                outcome: Outcome::Ok,
                status: Some(200),
                reason: None,
                output: Some(Json::parse(output.as_bytes()).expect("JSON")),
                retry_after: None,
            },
            Answer::Refused => Verdict::without_answer(Outcome::Refused, "no"),
        }
    }

    fn is_undoing(&self, step: usize) -> bool {
        self.history.iter().any(|record| {
            matches!(record.event, Event::AttemptStarted { step: s, direction: Direction::Compensation, .. } if s == step)
        })
    }

    /// A reply arrives; late ones belong to attempts that nobody waits for.
    fn reply(&mut self) {
        if self.replies.is_empty() {
            return;
        }
        let which = self.dice.below(self.replies.len());
        let (call, verdict) = self.replies.swap_remove(which);
        // An answer comes over the connection of its own request, which a former owner took along.
        if self.sent != Some(call) {
            self.hit("a reply is late");
            return;
        }
        self.say(|_| format!("reply {call:?}: {:?}", verdict.outcome));
        self.handle(&reply(&call, verdict));
    }

    fn time_out(&mut self) {
        let Some(call) = self.sent else { return };
        if self.network.iter().any(|message| message.call == call) {
            self.hit("a request is delayed past its timeout");
        }
        self.say(|_| format!("timeout {call:?}"));
        self.handle(&reply(&call, Verdict::without_answer(Outcome::Unknown, "timeout")));
    }

    fn double(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let which = self.dice.below(self.network.len());
        // A service that promises nothing would be right to do it twice.
        if self.specs[self.network[which].call.step].kind != Kind::Plain {
            self.hit("a request is doubled");
            self.network[which].doubled = true;
            let twin = self.network[which].clone();
            self.network.push(twin);
        }
    }

    fn pass_time(&mut self) {
        let most = match self.dice.below(100) {
            ..3 => 12_000_000,
            3..25 if self.is_bounded => 3_000_000,
            _ => 300_000,
        };
        let wake = self.saga.effects().wake_at.map(|wake| wake.as_micros());
        self.micros = match wake {
            Some(wake) if self.kind || self.dice.chance(50) => self.micros.max(wake),
            _ => self.micros + self.dice.below(most) as i64,
        };
        self.bury();
        self.handle(&Input::Tick);
    }

    /// The owner dies. What was written is kept: at least what it knew of.
    fn crash(&mut self) {
        let known = self.durable;
        if known == 0 {
            return;
        }
        let unsure = self.history.len() - known;
        if self.dice.chance(30) {
            self.durable += self.dice.below(unsure + 1);
        }
        self.hit(match (self.durable > known, self.durable < self.history.len()) {
            (true, _) => "a crash that finds more written than was known",
            (false, true) => "a crash that loses the tail",
            (false, false) => "a crash that loses nothing",
        });
        self.history.truncate(self.durable);
        self.saga = match Saga::fold(saga_id(), self.saga.definition().clone(), &self.history) {
            Ok(saga) => saga,
            Err(error) => self.broken(&format!("P2: {error}")),
        };
        // Its connections are gone, and with them all replies; what was sent still arrives.
        self.sent = None;
        self.replies.clear();
        self.say(|w| format!("crash: {} kept", w.durable));
        if !self.is_bounded && self.dice.chance(50) {
            self.hit("a next owner with a slower clock");
            self.micros -= self.dice.below(400_000) as i64;
        }
        if !self.saga.is_over() {
            let rolling_back = self.saga.cause().is_some();
            self.hit(if rolling_back { "a take-over rolling back" } else { "a take-over going forward" });
            self.handle(&Input::TakeOver);
        }
    }

    fn judge_while_running(&mut self) {
        if let Some(step) = self.ledgers.iter().position(|ledger| ledger.open.len() > 1) {
            self.broken(&format!("P3: step {} has had its effect twice", name(step)));
        }
    }

    /// Whether only a person can go on.
    fn is_stuck(&self) -> bool {
        let effects = self.saga.effects();
        self.saga.blocked().is_some() && effects.call.is_none() && effects.wake_at.is_none()
    }

    fn run(mut self) -> Hits {
        for _ in 0..FAULTY_MOVES {
            self.one_move();
        }
        self.kind = true;
        self.say(|_| "-- the faults end --".into());
        let mut moves = 0;
        while !(self.saga.is_over() || self.is_stuck() && !self.has_person)
            || self.durable < self.history.len()
        {
            // What a lost request or reply leaves behind ends with its timeout.
            if let Some(call) = self.sent
                && !self.network.iter().any(|m| m.call == call)
                && !self.replies.iter().any(|(c, _)| *c == call)
            {
                self.time_out();
            }
            self.one_move();
            moves += 1;
            if moves > KIND_MOVES {
                self.broken("P6: the saga does not end");
            }
        }
        // Whatever is still on its way arrives after the end.
        for message in std::mem::take(&mut self.network) {
            self.arrive(message);
        }
        self.judge();
        self.hits
    }

    fn judge(&mut self) {
        let folded = Saga::fold(saga_id(), self.saga.definition().clone(), &self.history).expect("a history");
        if format!("{folded:?}") != format!("{:?}", self.saga) {
            self.broken("P7: the history tells another saga");
        }
        let net: Vec<usize> = self.ledgers.iter().map(|ledger| ledger.open.len()).collect();
        let effects = |world: &Self| -> Vec<usize> {
            (0..world.specs.len()).filter(|&step| world.specs[step].kind != Kind::Read).collect()
        };
        for step in effects(self) {
            let touched = self.ledgers[step].touched;
            let told = self
                .history
                .iter()
                .any(|record| matches!(record.event, Event::AttemptStarted { step: s, .. } if s == step));
            if touched && !told && self.specs[step].is_undone() {
                self.broken(&format!(
                    "P7: the participant of {} was called, and the history is silent",
                    name(step)
                ));
            }
        }
        match (self.saga.is_over(), self.saga.cause().is_some()) {
            (true, false) => {
                if effects(self).iter().any(|&step| net[step] != 1) {
                    self.broken("P1: confirmed, and not every step has its effect once");
                }
                self.hit("confirmed");
            }
            (true, true) => {
                if effects(self).iter().any(|&step| self.specs[step].is_undone() && net[step] != 0) {
                    self.broken("P1: rolled back, and an effect is left");
                }
                let undone = self.saga.rollback() == saga_core::saga::Rollback::Termine;
                self.hit(if undone { "rolled back: undone" } else { "rolled back: nothing to undo" });
                self.count_undone();
            }
            (false, _) => {
                let blocked = self.saga.blocked().expect("only a person can go on").clone();
                let spec = &self.specs[blocked.step];
                let has_ended = blocked.stuck == Stuck::HorizonPassed && spec.horizon.is_some();
                if !has_ended && (spec.kind != Kind::Plain || spec.is_probed()) {
                    self.broken("P6: only where nothing is promised and nothing can be asked is a person needed for good");
                }
                let later = |step: &usize| *step > blocked.step && self.specs[*step].is_undone();
                if effects(self).iter().filter(|step| later(step)).any(|&step| net[step] != 0) {
                    self.broken("P1: undone past a step whose effect is left");
                }
                self.hit(match blocked.stuck {
                    Stuck::HorizonPassed => "blocked for good: the promise has ended",
                    Stuck::ActionUnknown => "blocked for good: nobody knows about the action",
                    _ => "blocked for good: nobody knows about the compensation",
                });
            }
        }
    }

    fn count_undone(&mut self) {
        for step in 0..self.specs.len() {
            let first = |direction| {
                self.history.iter().position(|r| {
                    matches!(r.event, Event::AttemptStarted { step: s, direction: d, .. } if s == step && d == direction)
                })
            };
            let succeeded = self.history.iter().any(|r| {
                matches!(r.event, Event::AttemptEnded { step: s, direction: Direction::Action, outcome: Outcome::Ok, .. } if s == step)
            });
            match (first(Direction::Action), first(Direction::Compensation)) {
                (None, Some(_)) => self.hit("a barrier's step that was lost is undone"),
                (Some(_), Some(_)) if !succeeded => self.hit("a compensation after an unknown outcome"),
                _ => {}
            }
        }
    }
}

/// One to four steps, of any kinds, made of any earlier outputs; in a bounded world some can be asked about, and some
/// participants forget.
fn specs(dice: &mut Dice, is_bounded: bool) -> Vec<Spec> {
    let forgets = is_bounded && dice.chance(50);
    let favourite = [Kind::Plain, Kind::Idempotent, Kind::Barrier, Kind::Barrier][dice.below(4)];
    let steps = 1 + dice.below(4);
    (0..steps)
        .map(|step| {
            let kind = match dice.below(6) {
                0 => Kind::Read,
                1 => Kind::Plain,
                2 => Kind::Idempotent,
                3 => Kind::Barrier,
                _ => favourite,
            };
            let from: Vec<usize> = (0..step).filter(|_| dice.chance(40)).collect();
            let probe = is_bounded && dice.chance(50);
            let horizon = Some(HORIZON.0).filter(|_| forgets && !matches!(kind, Kind::Read | Kind::Plain));
            Spec { kind, undo: dice.chance(90), from, probe, horizon }
        })
        .collect()
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

#[test]
fn the_promises_hold_in_a_world_that_loses_delays_and_doubles() {
    if let Some(seed) = number("SAGA_SEED") {
        World::new(seed, true).run();
        return;
    }
    let mut hits = Hits::new();
    for seed in 0..number("SAGA_SEEDS").unwrap_or(SEEDS) {
        for (point, count) in World::new(seed, false).run() {
            *hits.entry(point).or_default() += count;
        }
    }
    println!("{hits:#?}");
    for point in FAULT_POINTS {
        assert!(hits.get(point).is_some_and(|count| *count > 0), "`{point}` never happened: {hits:#?}");
    }
}
