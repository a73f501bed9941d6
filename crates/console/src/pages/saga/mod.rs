//! The page of one saga: why, and what now?
//!
//! - `view.rs`: the query, and what was typed into a form. `pending.rs`: the pending call. `act.rs`: what can be done.
//!   `rows.rs`: the table of attempts and people. `stands.rs`: each step in the graph. `given.rs`: what came of a command.

mod act;
mod given;
mod pending;
mod rows;
mod stands;
mod view;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use saga_core::definition::Label;
use saga_core::saga::{Moment, Rollback, Saga, Waiting, WaitingFor};
use saga_core::{CommandId, Record};
use saga_journal::KeptRow;

use self::act::ActOf;
pub use self::act::{ActCard, ActTab, FindingChoice, FollowLine};
pub use self::given::GivenShown;
pub use self::pending::{PendingCallShown, PendingCard};
use self::rows::RowsOf;
pub use self::rows::{SagaRow, SagaRowKind, SagaRows};
pub use self::view::{SagaAct, SagaView, TypedAct};
use crate::frame::{PageFrame, PageName};
use crate::graph::{self, GraphStep};
use crate::history::attempts;
use crate::sentence::{Sentence, StandingTold, sentence};
use crate::shown::{Amount, Badge, Drawing, Span, When, in_address, short_id, visible, visible_cut};
use crate::timeline::{Timeline, TimelineOf, timeline};
use crate::words::{FrameWords, SagaWords};

/// Characters of a label's value that are shown.
const LABEL_CHARS_MAX: usize = 120;
/// Characters of an input or an output that are shown.
const PAYLOAD_CHARS_MAX: usize = 20_000;
/// Characters of a reason for which a saga cannot be read.
const UNREAD_CHARS_MAX: usize = 2_000;
/// The end of labels that are amounts of money.
const CENTS: &str = "_cents";

/// A saga, as far as it is known.
#[derive(Debug)]
pub struct SagaSeen<'a> {
    /// Its row.
    pub row: &'a KeptRow,
    /// The saga and its history, if they can be read.
    pub read: Result<(&'a Saga, &'a [Record]), String>,
    /// What each step waits for, with what is known of participants.
    pub waiting: Vec<Waiting>,
    /// Participants that hold calls back, and in how long each lets one through to see.
    pub held: Vec<(Arc<str>, Option<Duration>)>,
    /// The steps whose calls their participants hold back.
    pub held_back: Vec<Arc<str>>,
    /// The page of its trace, where there is one.
    pub trace_page: Option<String>,
    /// The time, and a random number for what is foretold.
    pub moment: Moment,
}

/// What the reader has asked for.
#[derive(Debug)]
pub struct SagaAsked {
    /// The view.
    pub view: SagaView,
    /// The values that were typed into the form before.
    pub typed: TypedAct,
    /// Why what the form asked for was not done.
    pub trouble: Option<Sentence>,
    /// The key of the page's form, and the command that it gives.
    pub form: (String, CommandId),
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "saga.html")]
pub struct SagaPage {
    /// The frame.
    pub frame: PageFrame,
    /// The saga's id.
    pub id: String,
    /// Its state.
    pub badge: Badge,
    /// The state's name, and whether it is being undone.
    pub state: String,
    /// Its labels.
    pub labels: Vec<LabelShown>,
    /// When it started.
    pub started: When,
    /// The name of the caller who started it.
    pub started_by: Option<String>,
    /// The id of the trace in which it is, and the trace's page, where there is one.
    pub trace: Option<(String, Option<String>)>,
    /// How long it took, once it is over.
    pub took: Option<String>,
    /// Since when a person is needed.
    pub person_since: Option<When>,
    /// The definition's name, its address, and the beginning of its hash.
    pub definition: (String, String, String),
    /// Why it stands where it does.
    pub why: Sentence,
    /// Why the form was not followed.
    pub trouble: Option<Sentence>,
    /// What came of the command that was just given.
    pub given: Option<GivenShown>,
    /// The pending call.
    pub pending: Option<PendingCard>,
    /// What each step in progress waits for, where no person is needed.
    pub waits: Vec<Sentence>,
    /// The actions that fit.
    pub act: Option<ActCard>,
    /// What its history shows; `None`: it cannot be read.
    pub told: Option<HistoryShown>,
    /// The view.
    pub view: SagaView,
    /// The page's path.
    pub path: String,
}

/// A label.
#[derive(Debug)]
pub struct LabelShown {
    /// Its name.
    pub name: String,
    /// Its value; an amount of money as such.
    pub value: String,
    /// The list of all sagas with it.
    pub address: String,
}

/// The parts of the page that come from the history.
#[derive(Debug)]
pub struct HistoryShown {
    /// The graph.
    pub graph: Drawing,
    /// The same as a list.
    pub steps: Vec<StepShown>,
    /// The timeline.
    pub timeline: Timeline,
    /// The table.
    pub table: SagaRows,
    /// The input.
    pub input: String,
    /// The output.
    pub output: Option<String>,
}

/// A step in the list.
#[derive(Debug)]
pub struct StepShown {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub badge: Badge,
}

impl SagaPage {
    /// The page of a saga.
    pub fn of(frame: PageFrame, seen: &SagaSeen<'_>, asked: SagaAsked) -> Self {
        let (lang, now, row) = (frame.lang(), frame.at, &seen.row.row);
        let path = format!("/console/sagas/{}", seen.row.saga);
        let words = SagaWords::of(lang);
        let read = seen.read.as_ref().ok();
        let all = read.map(|(saga, records)| attempts(saga, records)).unwrap_or_default();
        let is_parked = seen.row.parked.is_some();
        let why = match (&seen.row.parked, &seen.read) {
            (Some(reason), _) => unread(reason, lang),
            (None, Err(reason)) => unread(reason, lang),
            (None, Ok((saga, _))) => {
                sentence(&StandingTold { saga, attempts: &all, waiting: &seen.waiting, now, lang })
            }
        };
        let pending = read
            .filter(|_| !is_parked)
            .and_then(|(saga, _)| pending::pending_card(saga, &all, seen, now, lang));
        let waits = match (&pending, read) {
            (None, Some((saga, _))) if !is_parked && !saga.is_over() => {
                waits(&StandingTold { saga, attempts: &all, waiting: &seen.waiting, now, lang }, &seen.held)
            }
            _ => Vec::new(),
        };
        // One line that the sentence has said already is not said again.
        let waits = if waits.len() == 1 && waits[0] == why { Vec::new() } else { waits };
        let (key, command) = asked.form;
        let act = ActOf {
            saga: read.map(|(saga, _)| *saga).filter(|_| !is_parked),
            moment: seen.moment,
            lang,
            view: asked.view,
            may: frame.may,
            path: &path,
            typed: asked.typed,
            has_name: frame.reader.is_some(),
            seen: read.map_or(0, |(saga, _)| saga.seq().get()),
            key,
            command,
        };
        let act = if row.over { None } else { act.card() };
        let given = read.zip(asked.view.given);
        let given =
            given.map(|((saga, records), given)| GivenShown::of(saga, records, &all, given, now, lang));
        let told = read
            .map(|(saga, records)| HistoryShown::of(saga, records, &all, seen, &frame, asked.view, &path));
        let person_since = (seen.row.rollback() == Rollback::Blocked)
            .then(|| When::of(row.blocked_since.unwrap_or(row.updated), now, lang));
        let hash: String = row.definition_hash.as_str().chars().take(8).collect();
        let named = visible_cut(&row.definition, 64);
        let trace = read.map(|(saga, _)| (saga.trace_id().to_string(), seen.trace_page.clone()));
        let took = row.over.then(|| Span(row.updated.since(row.created)).text(lang));
        Self {
            id: seen.row.saga.to_string(),
            badge: Badge::of_row(&with_waiting(seen), lang),
            state: state(seen.row, words),
            labels: row.labels.iter().map(|(name, label)| LabelShown::of(name, label, lang)).collect(),
            started: When::of(row.created, now, lang),
            started_by: row.summary.started_by.as_ref().map(|name| visible_cut(name, 100)),
            trace,
            took,
            person_since,
            definition: (named, format!("/console/definitions/{}", in_address(&row.definition)), hash),
            why,
            trouble: asked.trouble,
            given,
            pending,
            waits,
            act,
            told,
            view: asked.view,
            path,
            frame,
        }
    }

    fn words(&self) -> &'static SagaWords {
        SagaWords::of(self.frame.lang())
    }

    fn frame_words(&self) -> &'static FrameWords {
        FrameWords::of(self.frame.lang())
    }

    fn short(&self) -> &str {
        short_id(&self.id)
    }

    /// The page in another view.
    fn address(&self, view: SagaView) -> String {
        format!("{}{}", self.path, view.query())
    }

    fn scale_address(&self) -> String {
        self.address(SagaView { to_scale: !self.view.to_scale, ..self.view })
    }

    fn failed_address(&self) -> String {
        self.address(SagaView { failed: !self.view.failed, before: None, ..self.view })
    }

    fn alike_address(&self) -> String {
        self.address(SagaView { unfolded: false, before: None, ..self.view })
    }

    fn newest_address(&self) -> String {
        self.address(SagaView { before: None, ..self.view })
    }
}

/// The row with what is known of participants.
fn with_waiting(seen: &SagaSeen<'_>) -> KeptRow {
    let mut row = seen.row.clone();
    row.row.summary.waiting.clone_from(&seen.waiting);
    row
}

fn state(row: &KeptRow, words: &SagaWords) -> String {
    let state = visible(&row.row.state);
    match row.rollback() {
        Rollback::Running => format!("{state} · {}", words.undoing),
        Rollback::Blocked if row.row.summary.failure.is_some() => {
            format!("{state} · {}", words.undoing_stuck)
        }
        Rollback::Blocked | Rollback::None | Rollback::Done => state.into_owned(),
    }
}

fn unread(reason: &str, lang: crate::Lang) -> Sentence {
    let mut said = Sentence::default();
    said.say(
        lang,
        (
            "Its history cannot be read, so nothing goes on: {0}. Once that is mended, try now: it is read again.",
            "Son histoire ne peut pas être lue, donc rien n’avance : {0}. Une fois réparé, essayez maintenant : elle est relue.",
        ),
        &[&visible_cut(reason, UNREAD_CHARS_MAX)],
    );
    said
}

/// What each step in progress waits for.
fn waits(told: &StandingTold<'_>, held: &[(Arc<str>, Option<Duration>)]) -> Vec<Sentence> {
    let one = |waiting: &Waiting| {
        let mut said = Sentence::default();
        told.waits(waiting, &mut said);
        let definition = told.saga.definition();
        let participant = definition.step_named(&waiting.step).and_then(|step| definition.participant(step));
        let trial = participant.and_then(|participant| {
            let is_it = |(name, _): &&(Arc<str>, Option<Duration>)| *name == participant.name;
            held.iter().find(is_it).map(|(_, trial)| *trial)
        });
        if let (WaitingFor::Participant, Some(Some(trial))) = (waiting.cause, trial) {
            let trial = Span(trial).text(told.lang);
            said.say(
                told.lang,
                ("One is let through in {0}, to see.", "Un appel passe dans {0}, pour voir."),
                &[&trial],
            );
        }
        said
    };
    told.waiting.iter().map(one).collect()
}

impl LabelShown {
    fn of(name: &str, label: &Label, lang: crate::Lang) -> Self {
        let text = label.to_string();
        let value = match label {
            Label::Integer(cents) if name.ends_with(CENTS) => Amount(*cents).text(lang),
            Label::Integer(_) | Label::Text(_) => visible_cut(&text, LABEL_CHARS_MAX),
        };
        let address = format!("/console/sagas?label.{}={}", in_address(name), in_address(&text));
        Self { name: visible_cut(name, 64), value, address }
    }
}

impl HistoryShown {
    fn of(
        saga: &Saga,
        records: &[Record],
        all: &[crate::history::AttemptTold<'_>],
        seen: &SagaSeen<'_>,
        frame: &PageFrame,
        view: SagaView,
        path: &str,
    ) -> Self {
        let (lang, now) = (frame.lang(), frame.at);
        let words = SagaWords::of(lang);
        let badges: Vec<Badge> = stands::badges(saga, &seen.waiting, words);
        let step = |(index, step): (usize, &saga_core::definition::Step)| GraphStep {
            name: visible_cut(&step.name, 64),
            beside: saga
                .definition()
                .participant(index)
                .map_or_else(String::new, |participant| visible_cut(&participant.name, 64)),
            note: badges[index].word.clone(),
            family: Some(badges[index].family),
            icon: Some(badges[index].icon),
            address: format!("#step-{}", in_address(&step.name)),
        };
        let steps: Vec<GraphStep> = saga.definition().steps.iter().enumerate().map(step).collect();
        let timeline = timeline(&TimelineOf {
            saga,
            records,
            attempts: all,
            held_back: &seen.held_back,
            now,
            to_scale: view.to_scale,
            lang,
        });
        let table = RowsOf {
            definition: saga.definition(),
            records,
            attempts: all,
            now,
            lang,
            view,
            path,
            held_back: &seen.held_back,
        }
        .rows();
        Self {
            graph: graph::drawn(&saga.definition().graph, &steps, words.graph_alt),
            steps: steps
                .iter()
                .zip(badges)
                .map(|(step, badge)| StepShown { name: step.name.clone(), badge })
                .collect(),
            timeline,
            table,
            input: visible_cut(saga.input().text(), PAYLOAD_CHARS_MAX),
            output: saga.output().map(|output| visible_cut(output.text(), PAYLOAD_CHARS_MAX)),
        }
    }
}
