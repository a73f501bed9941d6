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

mod dice;
mod judge;
mod network;
mod participant;
mod person;

use std::collections::BTreeMap;

use saga_core::event::Stuck;
use saga_core::reply::Verdict;
use saga_core::saga::{CallWanted, Input};
use saga_core::{CommandKind, Event, Record, Saga};

use self::dice::Dice;
use self::network::Message;
use self::participant::Ledger;
use crate::support::{Kind, Spec, at, command, definition, record_text, saga_id};

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
const FAULT_POINTS: [&str; 47] = [
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
    "parked: its owners end again and again",
    "a person has a parked order run again",
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
        let input = definition.read_input(b"{\"n\":1}").expect("an input");
        let (saga, history) = Saga::start(saga_id(), input, at(0, dice.next()));
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
                if matches!(input, Input::Command(command) if command.kind != CommandKind::Cancel) {
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
                Event::Blocked { stuck: Stuck::TaskFailed, .. } => {
                    self.hit("parked: its owners end again and again");
                }
                Event::Blocked { .. } => self.hit("blocked for now"),
                Event::RollbackDecided { cause: saga_core::event::Cause::DeadlinePassed } => {
                    self.hit("a deadline")
                }
                _ => {}
            }
        }
        if self.sent.is_some() && self.saga.effects().first_call() != self.sent.map(|sent| self.rewanted(sent)) {
            self.sent = None;
        }
        is_taken
    }

    /// `sent`, with what may change about a call while it is under way: only what it needs.
    fn rewanted(&self, sent: CallWanted) -> CallWanted {
        CallWanted { needs: self.saga.effects().first_call().map_or(sent.needs, |call| call.needs), ..sent }
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
                self.handle(&command(CommandKind::Cancel));
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
                self.handle(&Input::Hurry { step: self.saga.waiting().least().unwrap_or(0) });
            }
            Move::Person => {
                if self.has_person {
                    self.person();
                }
            }
        }
    }

    fn write_to_disk(&mut self) {
        let pending = self.history.len() - self.durable;
        if pending > 0 {
            self.durable += 1 + self.dice.below(pending);
            self.say(|w| format!("durable: {}", w.durable));
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

    /// Whether only a person can go on.
    fn is_stuck(&self) -> bool {
        let effects = self.saga.effects();
        let is_blocked = self.saga.blocked().is_some() && !self.saga.is_parked();
        is_blocked && effects.calls.is_empty() && effects.wake_at.is_none()
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
            // Nobody has to know anything for that.
            if self.saga.is_parked() {
                self.person();
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
