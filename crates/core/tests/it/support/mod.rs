//! Small definitions for the tests, and a saga driven by a script, told back as text.

mod spec;
mod text;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use saga_core::event::Finding;
use saga_core::reply::Verdict;
use saga_core::retry::Random;
use saga_core::saga::{CallWanted, Input, Moment, NewSaga};
use saga_core::{
    Command, CommandId, CommandKind, Definition, Incarnation, Json, Outcome, Record, Saga, SagaId, Seq,
    Timestamp,
};
use saga_testkit::definition::change;
use uuid::Uuid;

pub(crate) use self::spec::{Kind, Spec, When, definition, name};
pub(crate) use self::text::{effects_text, record_text};

pub(crate) const CHECKOUT: &str = include_str!("../../../../../sagas/checkout.yaml");
pub(crate) const VOISINS: &str = include_str!("../../../../../sagas/voisins.yaml");

/// How long after a call its step may be asked about, in [`definition`].
pub(crate) const PROBE_AFTER: Duration = Duration::from_secs(2);

/// How properties are tried: with the same cases in every run, unless `PROPTEST_RNG_SEED` gives others. `PROPTEST_CASES`
/// makes them more, where a test does not say how many.
pub(crate) fn by_seed() -> ProptestConfig {
    const SEED: u64 = 20_260_720;
    let usual = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let seed = match usual.rng_seed {
        RngSeed::Random => SEED,
        RngSeed::Fixed(seed) => seed,
    };
    println!("to repeat this run: PROPTEST_RNG_SEED={seed} cargo test -p saga-core --test it");
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..usual }
}

/// The environment of a machine where nothing is set.
pub(crate) fn no_env(_: &str) -> Option<String> {
    None
}

pub(crate) fn parse(source: &str) -> Arc<Definition> {
    Arc::new(Definition::parse("test.yaml", source, &no_env).unwrap_or_else(|m| panic!("{m}\n{source}")))
}

/// The built-in checkout with another safety for its three services.
pub(crate) fn checkout(safety: &str) -> Arc<Definition> {
    parse(&change(CHECKOUT).set("participants.*.safety", safety).text())
}

pub(crate) fn at(micros: i64, random: u64) -> Moment {
    Moment { now: Timestamp::from_micros(micros), random: Random(random) }
}

pub(crate) fn saga_id() -> SagaId {
    SagaId::from_idempotency_key("test")
}

/// A saga, its history, and the virtual time.
pub(crate) struct Run {
    pub(crate) saga: Saga,
    pub(crate) records: Vec<Record>,
    pub(crate) now_ms: i64,
    wanted: Vec<CallWanted>,
    shown: String,
    last_command: Option<Command>,
}

impl Run {
    pub(crate) fn start(definition: &Arc<Definition>) -> Self {
        let input = match definition.step_named("panier") {
            Some(_) => r#"{"client_id":7,"magasin_id":1}"#,
            None => r#"{"n":1}"#,
        };
        let input = definition.read_input(input.as_bytes()).expect("an input");
        let (saga, records) = Saga::start(NewSaga::of(saga_id(), input), at(0, u64::MAX));
        let mut run = Self {
            saga,
            records: Vec::new(),
            now_ms: 0,
            wanted: Vec::new(),
            shown: String::new(),
            last_command: None,
        };
        run.took("start", records);
        run
    }

    fn moment(&self) -> Moment {
        at(self.now_ms * 1000, u64::MAX)
    }

    /// Does what a script says.
    pub(crate) fn steps(&mut self, script: &str) {
        script
            .split([';', '\n'])
            .map(str::trim)
            .filter(|word| !word.is_empty())
            .for_each(|word| self.step(word));
    }

    /// Does one line of a script:
    ///
    /// - `ok`, `refused`, `unknown`, `not_sent`, `not_sent 3s`: the wanted call ends like that. `ok` to a probe says
    ///   that the effect is there, `refused` that it is not;
    /// - `b: ok`: the same of the call of the step `b`, where several are wanted;
    /// - `absent`: the wanted compensation is answered with "there was nothing to undo";
    /// - `old ok`, `b: old ok`: so ends the last call that is not wanted any more;
    /// - `accepted`: the wanted action is accepted, and not done yet;
    /// - `decide`, `b: decide`: the expression that a step waits for is evaluated; `output`: that of the saga's output;
    /// - `signal go`, `signal go {"x":2}`, `signal go#key`: a signal of that name is sent;
    /// - `wait`: time passes until the saga asks to be woken; `wait 5s`: that much passes;
    /// - `pass 5s`: that much passes, and the saga has not been told yet;
    /// - `cancel`, `cancel Ana` (she says who she is), `take-over`;
    /// - `hurry`: the participant answers again;
    /// - `park`: the task that ran the saga has failed;
    /// - `resume`: Ana wants the next attempt at once; `resume 3s`: she said so three seconds ago;
    /// - `resolve b ran`, `resolve b not_run`, `resolve b undone`, `resolve b ran {"x":2}`: Ana has found out about the
    ///   step `b`, and what its answer would have given;
    /// - `crash 4`: only the first four events were on disk, and a new owner goes on.
    pub(crate) fn step(&mut self, line: &str) {
        let (named, outcome) = line.split_once(": ").map_or((None, line), |(name, rest)| (Some(name), rest));
        let mut words = outcome.split_whitespace();
        let (word, argument) = (words.next().expect("a word"), words.next());
        let step = named.map(|name| self.saga.definition().step_named(name).expect("a step"));
        let input = match word {
            "wait" => {
                self.now_ms = match (argument, self.saga.effects().wake_at) {
                    (Some(wait), _) => self.now_ms + millis(wait),
                    (None, Some(wake)) => self.now_ms.max(wake.as_micros() / 1000),
                    (None, None) => panic!("`wait`: the saga does not ask to be woken"),
                };
                Input::Tick
            }
            "pass" => {
                self.now_ms += millis(argument.expect("how long"));
                writeln!(self.shown, "> {line}").expect("strings take what they get");
                return;
            }
            "decide" => {
                let asked = self.saga.effects().evaluations;
                let step = step.or(asked.least()).expect("no expression is asked for");
                decision(&self.saga, step)
            }
            "output" => {
                assert!(self.saga.effects().output, "no output is asked for");
                Input::Output(self.saga.evaluate_output().map_err(|error| error.to_string().into()))
            }
            "signal" => {
                let name = argument.expect("a name");
                let (name, key) =
                    name.split_once('#').map_or((name, None), |(name, key)| (name, Some(key.into())));
                let body =
                    Json::parse(words.next().unwrap_or("null").as_bytes()).expect("JSON without spaces");
                command(CommandKind::Signal { name: name.into(), key, body, trace: None }, self.moment().now)
            }
            "cancel" => {
                let by = |by: &str| CommandKind::CancelBy { by: by.into(), reason: None };
                command(argument.map_or(CommandKind::Cancel, by), self.moment().now)
            }
            "hurry" => Input::Hurry { step: self.saga.waiting().least().unwrap_or(0) },
            "resume" => {
                let ago = argument.map_or(0, millis);
                let asked = Timestamp::from_micros((self.now_ms - ago) * 1000);
                command(CommandKind::Resume { by: "Ana".into(), reason: None }, asked)
            }
            "again" => Input::Command(self.last_command.clone().expect("a command before")),
            "resolve" => resolution(&self.saga, argument.expect("a step"), words, self.moment().now),
            "take-over" => Input::TakeOver(Incarnation::FIRST),
            "restored" => Input::TakeOver(Incarnation::FIRST.next().expect("there is a second one")),
            "park" => Input::Park { reason: "it panicked".into() },
            "crash" => {
                let kept: usize = argument.expect("a number of events").parse().expect("a number");
                self.records.truncate(kept);
                self.saga =
                    Saga::fold(saga_id(), self.saga.definition().clone(), &self.records).expect("a prefix");
                Input::TakeOver(Incarnation::FIRST)
            }
            "old" => {
                let current = self.saga.effects().calls;
                let mut gone = self.wanted.iter().rev().filter(|call| !current.contains(call));
                let old = gone.find(|call| step.is_none_or(|step| call.step == step)).expect("an old call");
                reply(old, verdict(argument.expect("an outcome"), None))
            }
            outcome => {
                let calls = self.saga.effects().calls;
                let wanted = calls.iter().find(|call| step.is_none_or(|step| call.step == step));
                let wanted = wanted.unwrap_or_else(|| panic!("`{line}`: no such call is wanted"));
                reply(wanted, verdict(outcome, argument))
            }
        };
        if let Input::Command(command) = &input {
            self.last_command = Some(command.clone());
        }
        match self.saga.handle(&input, self.moment()) {
            Ok(records) => self.took(line, records),
            Err(rejected) => {
                writeln!(self.shown, "> {line}\n  rejected: {rejected}").expect("strings take what they get");
            }
        }
    }

    fn took(&mut self, line: &str, records: Vec<Record>) {
        writeln!(self.shown, "> {line}").expect("strings take what they get");
        for record in records {
            let seq = self.records.len() + 1;
            let text = record_text(&self.saga, &record);
            writeln!(self.shown, "  {seq} {text}").expect("strings take what they get");
            self.records.push(record);
        }
        assert_wakes_for_something(&self.saga, self.now_ms * 1000);
        let effects = self.saga.effects();
        for call in &effects.calls {
            if !self.wanted.contains(call) {
                self.wanted.push(*call);
            }
        }
        writeln!(self.shown, "  = {}", effects_text(&self.saga, &effects))
            .expect("strings take what they get");
        assert_eq!(self.saga.seq(), Seq::NONE.plus(self.records.len()), "it has taken all its events");
        let folded =
            Saga::fold(saga_id(), self.saga.definition().clone(), &self.records).expect("its own history");
        assert_eq!(format!("{folded:?}"), format!("{:?}", self.saga), "the fold of a history is the saga");
    }
}

/// The condition of a step, evaluated.
pub(crate) fn decision(saga: &Saga, step: usize) -> Input {
    Input::Evaluated { step, value: saga.evaluate(step).map_err(|error| error.to_string().into()) }
}

/// A command with an id of its own, given at this time.
pub(crate) fn command(kind: CommandKind, asked: Timestamp) -> Input {
    static COMMANDS: AtomicU64 = AtomicU64::new(0);
    let number = COMMANDS.fetch_add(1, Ordering::Relaxed);
    Input::Command(Command { id: CommandId::new(Uuid::from_u128(number.into())), asked, by: None, kind })
}

/// Ana's finding about the step of that name.
fn resolution<'a>(
    saga: &Saga,
    name: &str,
    mut words: impl Iterator<Item = &'a str>,
    now: Timestamp,
) -> Input {
    let finding = match words.next().expect("a finding") {
        "ran" => Finding::Ran,
        "not_run" => Finding::NotRun,
        "undone" => Finding::Undone,
        other => panic!("`{other}` is no finding"),
    };
    let step = saga.definition().step_named(name).expect("a step");
    let output = words.next().map(|json| Json::parse(json.as_bytes()).expect("JSON without spaces"));
    let (by, reason) = ("Ana".into(), "asked there".into());
    command(CommandKind::Resolve { step, finding, output, by, reason }, now)
}

/// A saga that asked to be woken at an instant at which it then does nothing would be woken for ever.
pub(crate) fn assert_wakes_for_something(saga: &Saga, micros: i64) {
    let Some(wake) = saga.effects().wake_at else { return };
    // On time, or a little late, or very late.
    for late in [0, 1, 1_500_000, 60_000_000] {
        let moment = at(micros.max(wake.as_micros()) + late, 7);
        let records = saga.clone().handle(&Input::Tick, moment).expect("time passes");
        // A poll is asked without an event.
        let (mut later, before) = (saga.clone(), saga.effects());
        let _ = later.handle(&Input::Tick, moment);
        assert!(
            !records.is_empty() || later.effects() != before,
            "woken {late} us late at {:?}, and nothing to do: {saga:#?}",
            moment.now
        );
    }
}

/// Runs a script, one word for each input, and tells what was recorded and what was wanted after its `|`, if it has one.
pub(crate) fn tell(definition: &Arc<Definition>, script: &str) -> String {
    let mut run = Run::start(definition);
    let (before, told) = script.split_once('|').unwrap_or(("", script));
    run.steps(before);
    if !before.is_empty() {
        run.shown = "...\n".to_owned();
    }
    run.steps(told);
    let Run { saga, shown, .. } = run;
    let over = if saga.is_over() { "over" } else { "under way" };
    format!("{shown}{} {:?} {over}", saga.state(), saga.rollback())
}

pub(crate) fn millis(text: &str) -> i64 {
    match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => number.parse().expect("a number"),
        (None, Some(number)) => number.parse::<i64>().expect("a number") * 1000,
        (None, None) => panic!("`{text}` is not a time"),
    }
}

pub(crate) fn reply(call: &CallWanted, verdict: Verdict) -> Input {
    Input::Reply { step: call.step, direction: call.direction, attempt: call.attempt, verdict }
}

/// A plausible verdict with that outcome.
pub(crate) fn verdict(outcome: &str, retry_after: Option<&str>) -> Verdict {
    let (outcome, status) = match outcome {
        "ok" => (Outcome::Ok, Some(200)),
        "absent" => {
            return Verdict { absent: true, status: Some(404), output: None, ..verdict("ok", retry_after) };
        }
        "refused" => (Outcome::Refused, Some(409)),
        "accepted" => (Outcome::Accepted, Some(202)),
        "unknown" => (Outcome::Unknown, None),
        "not_sent" => (Outcome::NotSent, Some(503)),
        other => panic!("`{other}` is no input of a script"),
    };
    let is_ok = outcome == Outcome::Ok;
    Verdict {
        outcome,
        absent: false,
        not_accepted: false,
        status,
        reason: (!is_ok).then(|| "why".into()),
        output: is_ok.then(|| Json::parse(b"{\"x\":1}").expect("JSON")),
        retry_after: retry_after.map(|wait| Duration::from_millis(millis(wait).unsigned_abs())),
    }
}
