//! One definition: what runs?

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_core::Definition;
use saga_core::definition::{
    Call, CallStep, DefinitionHash, Participant, PauseEnd, SignalWait, Step, StepWork,
};
use saga_journal::UnderWay;

use super::definitions::{VersionRow, short_hash};
use super::overview::span_or_dash;
use super::participants::{cut, safety_text};
use crate::graph::{self, GraphStep};
use crate::hour::Flow;
use crate::shown::{Drawing, Span, number, visible};
use crate::words::DefinitionsWords;
use crate::words::definitions as said;
use crate::words::overview::of_oldest;
use crate::{Lang, PageFrame, PageName};

/// Versions that are listed.
const VERSIONS_SHOWN_MAX: usize = 100;

/// A definition, as far as it is known.
#[derive(Debug)]
pub struct DefinitionKnown<'k> {
    /// Its name.
    pub name: Arc<str>,
    /// The hash of the version that is shown.
    pub hash: DefinitionHash,
    /// The version, as this process reads it; or why it cannot.
    pub read: Result<&'k Definition, String>,
    /// Its text.
    pub source: &'k str,
    /// The version that new sagas run, if the name is loaded.
    pub served: Option<DefinitionHash>,
    /// Its last hour.
    pub flow: Option<&'k Flow>,
    /// The sagas that are not over.
    pub under_way: Option<&'k UnderWay>,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "definition.html")]
pub struct DefinitionPage {
    /// The frame.
    pub frame: PageFrame,
    words: &'static DefinitionsWords,
    name: String,
    its_sagas: String,
    hash: String,
    short: String,
    state: VersionState,
    unreadable: Option<String>,
    facts: Option<DefinitionFacts>,
    graph: Option<Drawing>,
    steps: Vec<StepRow>,
    participants: Vec<CalledRow>,
    versions: Vec<VersionRow>,
    of_oldest: Option<String>,
    flow: Option<FlowFacts>,
    lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VersionState {
    Served,
    Former,
    Gone,
}

#[derive(Debug)]
struct DefinitionFacts {
    deadline: String,
    input: String,
    labels: String,
    states: String,
}

#[derive(Debug)]
struct FlowFacts {
    started: String,
    completed: String,
    failed: String,
    p50: String,
    p99: String,
}

#[derive(Debug)]
struct StepRow {
    name: String,
    is_pivot: bool,
    is_optional: bool,
    when: Option<String>,
    after: String,
    participant: Option<String>,
    does: Vec<String>,
    undoes: String,
    undo_when: Option<String>,
    promise: Option<&'static str>,
    attempts: Option<String>,
    success: String,
    failure: String,
}

#[derive(Debug)]
struct CalledRow {
    name: String,
    address: String,
    promise: &'static str,
    proof: String,
    calls_max: String,
    timeout: String,
    horizon: String,
}

impl DefinitionPage {
    /// The page.
    pub fn new(frame: PageFrame, known: &DefinitionKnown<'_>) -> Self {
        let lang = frame.lang();
        let words = DefinitionsWords::of(lang);
        let definition = known.read.as_ref().ok().copied();
        let steps = definition.into_iter().flat_map(|definition| {
            (0..definition.steps.len()).map(|step| StepRow::of(definition, step, lang))
        });
        let called = definition.into_iter().flat_map(|definition| &definition.participants);
        let state = match &known.served {
            Some(served) if *served == known.hash => VersionState::Served,
            Some(_) => VersionState::Former,
            None => VersionState::Gone,
        };
        Self {
            words,
            name: visible(&known.name).into_owned(),
            its_sagas: super::overview::query(&[("saga", &known.name)]),
            hash: visible(known.hash.as_str()).into_owned(),
            short: short_hash(&known.hash),
            state,
            unreadable: known.read.as_ref().err().map(|why| cut(why)),
            facts: definition.map(|definition| DefinitionFacts::of(definition, lang)),
            graph: definition.map(|definition| drawn(definition, words, lang)),
            steps: steps.collect(),
            participants: called.map(|participant| CalledRow::of(participant, lang)).collect(),
            versions: versions(known, &frame),
            of_oldest: known.under_way.filter(|found| found.more).map(|found| of_oldest(found.sagas, lang)),
            flow: known.flow.map(|flow| FlowFacts {
                started: number(flow.started, lang),
                completed: number(flow.completed, lang),
                failed: number(flow.failed(), lang),
                p50: span_or_dash(flow.p50(), lang),
                p99: span_or_dash(flow.p99(), lang),
            }),
            lines: known.source.lines().map(|line| visible(line).into_owned()).collect(),
            frame,
        }
    }

    fn is_served(&self) -> bool {
        self.state == VersionState::Served
    }

    fn state_word(&self) -> &'static str {
        match self.state {
            VersionState::Served => self.words.served,
            VersionState::Former => self.words.former,
            VersionState::Gone => self.words.gone,
        }
    }
}

/// The version that new sagas run, the one that is shown, and those that sagas under way are pinned to.
fn versions(known: &DefinitionKnown<'_>, frame: &PageFrame) -> Vec<VersionRow> {
    let pinned = known.under_way.into_iter().flat_map(|under_way| &under_way.pinned);
    let pinned: Vec<_> = pinned.filter(|((name, _), _)| *name == known.name).collect();
    let more = known.under_way.is_some_and(|under_way| under_way.more);
    let others = pinned.iter().map(|((_, hash), _)| hash);
    let mut hashes: Vec<&DefinitionHash> = Vec::new();
    for hash in known.served.iter().chain([&known.hash]).chain(others) {
        if !hashes.contains(&hash) {
            hashes.push(hash);
        }
    }
    let row = |hash: &DefinitionHash| {
        let sagas = pinned.iter().find(|((_, of), _)| of == hash).map(|(_, sagas)| *sagas);
        VersionRow::new((&known.name, hash), known.served.as_ref() == Some(hash), sagas, more, frame)
    };
    hashes.into_iter().take(VERSIONS_SHOWN_MAX).map(row).collect()
}

impl DefinitionFacts {
    fn of(definition: &Definition, lang: Lang) -> Self {
        let described = |name: &str| match definition.input.member(name) {
            Some(member) if member.optional => format!("{name} ({}?)", member.kind),
            Some(member) => format!("{name} ({})", member.kind),
            None => name.to_owned(),
        };
        let joined = |names: Vec<String>| visible(&names.join(", ")).into_owned();
        let states = &definition.states;
        Self {
            deadline: Span(definition.deadline).text(lang),
            input: joined(definition.input.names().map(described).collect()),
            labels: joined(definition.labels.iter().map(|rule| rule.name.to_string()).collect()),
            states: joined(
                [&states.started, &states.completed, &states.cancelled].map(ToString::to_string).to_vec(),
            ),
        }
    }
}

impl StepRow {
    fn of(definition: &Definition, index: usize, lang: Lang) -> Self {
        let words = DefinitionsWords::of(lang);
        let step = &definition.steps[index];
        let after: Vec<&str> =
            definition.graph.after(index).iter().map(|earlier| &*definition.steps[earlier].name).collect();
        let participant = definition.participant(index);
        let call = step.as_call();
        Self {
            name: visible(&step.name).into_owned(),
            is_pivot: step.is_pivot(),
            is_optional: step.optional,
            when: step.when.as_ref().map(|when| cut(when.code())),
            after: if after.is_empty() {
                words.none_after.to_owned()
            } else {
                visible(&after.join(", ")).into_owned()
            },
            participant: participant.map(|called| visible(&called.name).into_owned()),
            does: does(step, lang),
            undoes: undoes(step, lang),
            undo_when: call.and_then(|call| call.undo_when.as_ref()).map(|when| cut(when.code())),
            promise: participant.filter(|_| !step.is_read()).map(|called| safety_text(called.safety, lang)),
            attempts: call.map(|call| {
                let [base, cap] = [call.retry.base, call.retry.cap].map(|span| Span(span).text(lang));
                said::attempts(call.retry.attempts, &base, &cap, lang)
            }),
            success: step
                .success
                .as_deref()
                .map_or_else(|| "–".to_owned(), |state| visible(state).into_owned()),
            failure: visible(&step.failure).into_owned(),
        }
    }
}

/// The steps as a graph: each leads to its row of the table.
fn drawn(definition: &Definition, words: &DefinitionsWords, lang: Lang) -> Drawing {
    let steps: Vec<GraphStep> = (0..definition.steps.len())
        .map(|index| {
            let step = &definition.steps[index];
            let note = match (step.is_pivot(), step.optional, step.when.is_some()) {
                (true, ..) => words.pivot.to_owned(),
                (_, true, _) => words.optional.to_owned(),
                (.., true) => words.conditional.to_owned(),
                _ => match step.as_call() {
                    Some(_) => undoes_shortly(step, lang).to_owned(),
                    None => does(step, lang).join(", "),
                },
            };
            GraphStep {
                name: visible(&step.name).into_owned(),
                beside: definition
                    .participant(index)
                    .map(|called| visible(&called.name).into_owned())
                    .unwrap_or_default(),
                note,
                family: None,
                icon: None,
                address: format!("#step-{}", step.name),
            }
        })
        .collect();
    graph::drawn(&definition.graph, &steps, words.graph)
}

/// Whether a step that calls can be undone.
fn undoes_shortly(step: &Step, lang: Lang) -> &'static str {
    let words = DefinitionsWords::of(lang);
    match step.compensation() {
        Some(_) => words.can_be_undone,
        None if step.is_read() => words.read_only,
        None => words.never,
    }
}

/// What a step does, one thing a line.
fn does(step: &Step, lang: Lang) -> Vec<String> {
    let words = DefinitionsWords::of(lang);
    let span = |span: Duration| Span(span).text(lang);
    let signal = |signal: &SignalWait, word: &str| {
        format!("{word} {}, {} {}", visible(&signal.name), words.within, span(signal.within))
    };
    match &step.work {
        StepWork::Signal(waited) => vec![signal(waited, words.signal)],
        StepWork::Pause(PauseEnd::After(pause)) => vec![format!("{} {}", words.pause, span(*pause))],
        StepWork::Pause(PauseEnd::Until(_)) => vec![format!("{} {}", words.pause, words.computed)],
        StepWork::Call(step) => {
            let CallStep { action, probe, acceptance, .. } = &**step;
            let mut lines = vec![request(action, lang)];
            lines
                .extend(probe.iter().map(|probe| format!("{}: {}", words.probe, request(&probe.call, lang))));
            if let Some(accepted) = acceptance {
                let poll = accepted.poll.iter();
                lines.extend(poll.map(|poll| format!("{}: {}", words.poll, request(&poll.call, lang))));
                lines.extend(accepted.signal.iter().map(|waited| signal(waited, words.or_signal)));
            }
            lines
        }
    }
}

/// How a step is undone.
fn undoes(step: &Step, lang: Lang) -> String {
    let words = DefinitionsWords::of(lang);
    match step.compensation() {
        Some(call) => request(call, lang),
        None if step.as_call().is_none() => words.waits.to_owned(),
        None if step.is_read() => words.read.to_owned(),
        None => words.never.to_owned(),
    }
}

/// A call's method and path.
fn request(call: &Call, lang: Lang) -> String {
    let path = call.path.shown().unwrap_or_else(|| DefinitionsWords::of(lang).hidden_path.to_owned());
    format!("{} {}", call.method, cut(&path))
}

impl CalledRow {
    fn of(called: &Participant, lang: Lang) -> Self {
        let auth = called.auth.as_ref().map(|auth| auth.to_string());
        let tls = called.tls.as_ref().map(|tls| tls.to_string());
        let signed = called.is_signed.then(|| DefinitionsWords::of(lang).signed.to_owned());
        let proofs: Vec<String> = auth.into_iter().chain(tls).chain(signed).collect();
        Self {
            name: visible(&called.name).into_owned(),
            address: visible(&called.address).into_owned(),
            promise: safety_text(called.safety, lang),
            proof: if proofs.is_empty() { "–".to_owned() } else { cut(&proofs.join(" · ")) },
            calls_max: number(called.calls_max as u64, lang),
            timeout: Span(called.timeout).text(lang),
            horizon: Span(called.horizon).text(lang),
        }
    }
}
