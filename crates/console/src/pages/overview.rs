//! The overview: must somebody act, does it flow, what recovers alone?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_core::Timestamp;
use saga_core::saga::WaitingFor;
use saga_journal::{Backlog, LeaseStanding, ReplicaId, ReplicaStanding, UnderWay, Unfinished};

use crate::hour::{Flow, Hour, MINUTES_SHOWN};
use crate::pages::participants::{ParticipantFacts, Trouble};
use crate::shown::{Amount, Span, When, bars, bars_box, in_address, number, visible};
use crate::words::overview as said;
use crate::words::{OverviewWords, ParticipantsWords};
use crate::{Lang, PageFrame, PageName};

/// Lines of the list of waits; the rest is counted.
const WAITS_SHOWN_MAX: usize = 12;
/// Lines of the list of definitions; the rest is counted.
const DEFINITIONS_SHOWN_MAX: usize = 50;
/// Steps at which sagas failed that are named; the rest is added up.
const FAILURES_SHOWN_MAX: usize = 8;
/// Lines of the list of participants that are not well, and of the list of replicas.
const LINES_SHOWN_MAX: usize = 50;
/// Minutes that one line of the table beside the bars adds up.
const MINUTES_A_LINE: usize = 5;

/// All sagas together, as far as they are known; `None`: a part is not known.
#[derive(Debug, Clone, Default)]
pub struct WholeKnown {
    /// The sagas that need a person.
    pub need: Option<NeedFacts>,
    /// The last hour.
    pub hour: Option<Arc<Hour>>,
    /// The sagas that are not over, counted.
    pub backlog: Option<Arc<Backlog>>,
    /// What they wait for.
    pub under_way: Option<Arc<UnderWay>>,
    /// The replicas.
    pub replicas: Option<Arc<[ReplicaStanding]>>,
    /// This process's own id, while it has one.
    pub this_replica: Option<ReplicaId>,
    /// The time that all but a hundredth of this process's commits took, or less.
    pub commit_p99: Option<Duration>,
    /// The names of the definitions that new sagas can run.
    pub served: Vec<Arc<str>>,
    /// Since when the figures are older than they should be, and why.
    pub stale: Option<StaleFacts>,
}

/// Figures that could not be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleFacts {
    /// When they were read; `None`: never.
    pub of: Option<Timestamp>,
    /// Why they were not read again.
    pub reason: Arc<str>,
}

/// The sagas that need a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NeedFacts {
    /// How many.
    pub count: u64,
    /// Whether there are more than were counted.
    pub more: bool,
    /// Since when the one waits that has waited for longest.
    pub oldest: Option<Timestamp>,
    /// The money at stake, in cents, where it is known; and whether it is more, which was not added up.
    pub at_stake: Option<(i64, bool)>,
    /// How many causes there are, and whether there are more, where that is known.
    pub causes: Option<(u64, bool)>,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "overview.html")]
pub struct OverviewPage {
    /// The frame.
    pub frame: PageFrame,
    words: &'static OverviewWords,
    stale: Option<Stale>,
    need: Option<Need>,
    flow: Option<FlowShown>,
    waits: Option<WaitsShown>,
    ill: Vec<IllLine>,
    well: String,
    replicas: Option<Vec<ReplicaLine>>,
    commit: Option<String>,
}

#[derive(Debug)]
struct Stale {
    of: Option<When>,
    reason: String,
}

#[derive(Debug)]
struct Need {
    is_needed: bool,
    text: String,
    oldest: Option<When>,
    at_stake: Option<String>,
    causes: Option<String>,
}

#[derive(Debug)]
struct FlowShown {
    is_empty: bool,
    started: String,
    completed: String,
    failed: String,
    p50: String,
    p99: String,
    bars: String,
    bars_box: String,
    bars_text: String,
    first: When,
    most_at: When,
    minutes: Vec<(When, String)>,
    failures: Vec<FailureLine>,
    definitions: Vec<DefinitionLine>,
    more_definitions: Option<String>,
}

#[derive(Debug)]
struct FailureLine {
    count: String,
    /// The step, and the list of its sagas; `None`: it was no step.
    step: Option<(String, String)>,
    text: &'static str,
}

#[derive(Debug)]
struct DefinitionLine {
    name: Arc<str>,
    address: String,
    started: String,
    completed: String,
    failed: String,
    p50: String,
    p99: String,
    under_way: String,
}

#[derive(Debug)]
struct WaitsShown {
    forward: String,
    rolling_back: String,
    asleep: String,
    lines: Vec<WaitLine>,
    more: Option<String>,
    of_oldest: Option<String>,
}

#[derive(Debug)]
struct WaitLine {
    key: String,
    cause: &'static str,
    step: Arc<str>,
    definition: Arc<str>,
    count: String,
    until: Option<When>,
    address: String,
}

#[derive(Debug)]
struct IllLine {
    name: Arc<str>,
    trouble: Trouble,
    parts: Vec<String>,
}

#[derive(Debug)]
struct ReplicaLine {
    key: String,
    name: String,
    /// Empty: it has not said.
    release: String,
    is_this: bool,
    is_gone: bool,
    lease: String,
    sagas: String,
}

impl OverviewPage {
    /// The page about what is known.
    pub fn new(frame: PageFrame, known: &WholeKnown, participants: &[ParticipantFacts]) -> Self {
        let (lang, now) = (frame.lang(), frame.at);
        let words = OverviewWords::of(lang);
        let stale = known.stale.as_ref().map(|stale| Stale {
            of: stale.of.map(|of| When::of(of, now, lang)),
            reason: visible(&stale.reason).into_owned(),
        });
        let flow = known.hour.as_ref().map(|hour| FlowShown::of(hour, known, now, lang));
        let ill: Vec<IllLine> = participants
            .iter()
            .filter_map(|facts| {
                let trouble = facts.trouble()?;
                let parts = facts.trouble_told(trouble, now, lang);
                Some(IllLine { name: facts.name.clone(), trouble, parts })
            })
            .take(LINES_SHOWN_MAX)
            .collect();
        Self {
            words,
            stale,
            need: known.need.map(|need| Need::of(need, now, lang)),
            flow,
            waits: WaitsShown::of(known, now, lang),
            ill,
            well: said::all_well(participants.len(), lang),
            replicas: known.replicas.as_ref().map(|replicas| {
                let line = |replica| ReplicaLine::of(replica, known.this_replica, lang);
                replicas.iter().take(LINES_SHOWN_MAX).map(line).collect()
            }),
            commit: known.commit_p99.map(|p99| span_or_dash(Some(p99), lang)),
            frame,
        }
    }

    /// Whether sagas are known to need a person.
    fn is_needed(&self) -> bool {
        self.need.as_ref().is_some_and(|need| need.is_needed)
    }

    /// The words of the badges of participants.
    fn badge(&self, trouble: Trouble) -> crate::shown::Badge {
        trouble.badge(ParticipantsWords::of(self.frame.lang()))
    }

    /// The command that starts a saga.
    fn first_saga(&self) -> String {
        let lines = self.flow.iter().flat_map(|flow| &flow.definitions);
        let name = lines.map(|line| visible(&line.name)).next().unwrap_or_else(|| "NAME".into());
        format!("curl -X POST $SERVER/api/sagas/{name} -H 'Content-Type: application/json' -d '{{…}}'")
    }
}

impl Need {
    fn of(need: NeedFacts, now: Timestamp, lang: Lang) -> Self {
        let words = OverviewWords::of(lang);
        let is_needed = need.count > 0;
        Self {
            is_needed,
            text: if is_needed { said::need(need.count, need.more, lang) } else { words.nobody.to_owned() },
            oldest: need.oldest.filter(|_| is_needed).map(|oldest| When::of(oldest, now, lang)),
            at_stake: need
                .at_stake
                .filter(|_| is_needed)
                .map(|(cents, more)| format!("{}{}", Amount(cents).text(lang), if more { "+" } else { "" })),
            causes: need.causes.filter(|_| is_needed).map(|(count, more)| said::causes(count, more, lang)),
        }
    }
}

/// A duration, or a dash where there is none.
pub(crate) fn span_or_dash(span: Option<Duration>, lang: Lang) -> String {
    match span {
        None => "–".to_owned(),
        Some(span) if span < Duration::from_millis(1) => "<\u{a0}1\u{a0}ms".to_owned(),
        Some(span) => Span(span).text(lang),
    }
}

/// How many sagas of a definition are not over.
pub(crate) fn not_over(unfinished: Option<&Unfinished>) -> u64 {
    unfinished.map_or(0, |unfinished| unfinished.forward + unfinished.rolling_back + unfinished.blocked)
}

/// A query with these members.
pub(crate) fn query(members: &[(&str, &str)]) -> String {
    let members = members.iter().map(|(name, value)| format!("{}={}", in_address(name), in_address(value)));
    members.collect::<Vec<_>>().join("&")
}

impl FlowShown {
    fn of(hour: &Hour, known: &WholeKnown, now: Timestamp, lang: Lang) -> Self {
        let (all, number_of) = (&hour.all, |count| number(count, lang));
        let most = (0..MINUTES_SHOWN).max_by_key(|place| all.started_by_minute[*place]).unwrap_or(0);
        let clock = |place| When::of(hour.minute(place), now, lang);
        let current = all.started_by_minute.last().copied().unwrap_or(0);
        let minutes = all.started_by_minute.chunks(MINUTES_A_LINE).enumerate();
        let minutes = minutes
            .map(|(line, counts)| (clock(line * MINUTES_A_LINE), number_of(counts.iter().sum::<u64>())))
            .collect();
        let mut definitions = Self::definitions(hour, known, lang);
        let more = definitions.len().saturating_sub(DEFINITIONS_SHOWN_MAX);
        definitions.truncate(DEFINITIONS_SHOWN_MAX);
        let under_way = known.backlog.as_ref().is_some_and(|backlog| !backlog.is_empty());
        Self {
            is_empty: all == &Flow::default() && !under_way,
            started: number_of(all.started),
            completed: number_of(all.completed),
            failed: number_of(all.failed()),
            p50: span_or_dash(all.p50(), lang),
            p99: span_or_dash(all.p99(), lang),
            bars: bars(&all.started_by_minute),
            bars_box: bars_box(MINUTES_SHOWN),
            bars_text: said::bars(all.started_by_minute[most], current, lang),
            first: clock(0),
            most_at: clock(most),
            minutes,
            failures: Self::failures(all, lang),
            definitions,
            more_definitions: (more > 0).then(|| said::and_more(more, lang)),
        }
    }

    /// The reasons, those first that are most frequent.
    fn failures(all: &Flow, lang: Lang) -> Vec<FailureLine> {
        let words = OverviewWords::of(lang);
        let mut steps: Vec<(&Option<Arc<str>>, u64)> =
            all.failed_at.iter().map(|(step, count)| (step, *count)).collect();
        steps.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let rest: u64 = steps.iter().skip(FAILURES_SHOWN_MAX).map(|(_, count)| count).sum();
        let line = |count: u64, step: Option<&Arc<str>>, text| FailureLine {
            count: number(count, lang),
            step: step.map(|step| (visible(step).into_owned(), query(&[("step", step)]))),
            text,
        };
        let named = steps.iter().take(FAILURES_SHOWN_MAX).map(|(step, count)| {
            line(*count, step.as_ref(), if step.is_some() { words.at_step } else { words.step_unknown })
        });
        let others = [
            (rest, words.other_steps),
            (all.cancelled, words.cancelled),
            (all.deadline_passed, words.deadline),
        ];
        let others = others.into_iter().filter(|(count, _)| *count > 0);
        named.chain(others.map(|(count, text)| line(count, None, text))).collect()
    }

    fn definitions(hour: &Hour, known: &WholeKnown, lang: Lang) -> Vec<DefinitionLine> {
        let empty = Flow::default();
        let mut names: BTreeMap<&Arc<str>, ()> = hour.of.keys().map(|name| (name, ())).collect();
        names.extend(known.served.iter().map(|name| (name, ())));
        names.extend(known.backlog.iter().flat_map(|backlog| backlog.keys()).map(|name| (name, ())));
        let line = |name: &Arc<str>| {
            let flow = hour.of.get(name).unwrap_or(&empty);
            let under_way = known.backlog.as_ref().map(|backlog| not_over(backlog.get(name)));
            DefinitionLine {
                name: name.clone(),
                address: definition_address(name),
                started: number(flow.started, lang),
                completed: number(flow.completed, lang),
                failed: number(flow.failed(), lang),
                p50: span_or_dash(flow.p50(), lang),
                p99: span_or_dash(flow.p99(), lang),
                under_way: under_way.map_or_else(|| "–".to_owned(), |count| number(count, lang)),
            }
        };
        names.into_keys().map(line).collect()
    }
}

/// The address of a definition's page.
pub(crate) fn definition_address(name: &str) -> String {
    format!("/console/definitions/{}", in_address(name))
}

impl WaitsShown {
    fn of(known: &WholeKnown, now: Timestamp, lang: Lang) -> Option<Self> {
        let backlog = known.backlog.as_ref()?;
        let all = backlog.values().copied().fold(Unfinished::default(), Unfinished::and);
        let found = known.under_way.as_deref();
        let by_themselves = |cause| !matches!(cause, WaitingFor::Call | WaitingFor::Person);
        let mut waits: Vec<_> = found
            .into_iter()
            .flat_map(|found| &found.waits)
            .filter(|(key, _)| by_themselves(key.cause()))
            .collect();
        waits.sort_by_key(|(_, waits)| std::cmp::Reverse(waits.sagas));
        let more = waits.len().saturating_sub(WAITS_SHOWN_MAX);
        let lines = waits.into_iter().take(WAITS_SHOWN_MAX).map(|(key, waits)| {
            let word: &'static str = key.cause().into();
            WaitLine {
                key: format!("{word} {} {}", key.definition, key.step),
                cause: cause_text(key.cause(), lang),
                step: key.step.clone(),
                definition: key.definition.clone(),
                count: number(waits.sagas, lang),
                until: waits.until.map(|until| When::of(until, now, lang)),
                address: query(&[("waiting", word), ("step", &key.step), ("saga", &key.definition)]),
            }
        });
        Some(Self {
            forward: number(all.forward, lang),
            rolling_back: number(all.rolling_back, lang),
            asleep: number(all.asleep, lang),
            lines: lines.collect(),
            more: (more > 0).then(|| said::and_more(more, lang)),
            of_oldest: found.filter(|found| found.more).map(|found| said::of_oldest(found.sagas, lang)),
        })
    }
}

fn cause_text(cause: WaitingFor, lang: Lang) -> &'static str {
    let words = OverviewWords::of(lang);
    match cause {
        WaitingFor::Call => words.for_call,
        WaitingFor::Retry => words.for_retry,
        WaitingFor::Participant => words.for_participant,
        WaitingFor::Signal => words.for_signal,
        WaitingFor::Time => words.for_time,
        WaitingFor::Person => words.for_person,
    }
}

impl ReplicaLine {
    fn of(replica: &ReplicaStanding, this: Option<ReplicaId>, lang: Lang) -> Self {
        let span = |span| Span(span).text(lang);
        let lease = match replica.lease {
            LeaseStanding::Open => OverviewWords::of(lang).lease_open.to_owned(),
            LeaseStanding::For(left) => said::lease_for(&span(left), lang),
            LeaseStanding::RanOut(past) => said::lease_ran_out(&span(past), lang),
            LeaseStanding::Gone(past) => said::gone(&span(past), lang),
        };
        let more = if replica.more { "+" } else { "" };
        Self {
            key: replica.id.to_string(),
            name: visible(&replica.name).into_owned(),
            release: replica
                .release
                .as_deref()
                .map(|release| visible(release).into_owned())
                .unwrap_or_default(),
            is_this: this == Some(replica.id),
            is_gone: matches!(replica.lease, LeaseStanding::RanOut(_) | LeaseStanding::Gone(_)),
            lease,
            sagas: format!("{}{more}", number(replica.sagas, lang)),
        }
    }
}
