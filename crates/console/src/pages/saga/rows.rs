//! The rows of a saga's table: its attempts, and what people and processes did, newest first.

use std::sync::Arc;

use saga_core::definition::{Definition, StepSet};
use saga_core::event::{Cause, Finding};
use saga_core::{Direction, Epoch, Event, Outcome, Record};

use super::view::SagaView;
use crate::Lang;
use crate::history::{AttemptEnd, AttemptTold};
use crate::sentence::{Sentence, answer, quoted};
use crate::shown::{Badge, Family, Span, When, visible_cut};
use crate::words::SagaWords;

/// Rows of one page.
const ROWS_MAX: usize = 200;
/// Characters of an answer in the table.
const ANSWER_CHARS_MAX: usize = 400;

/// The table.
#[derive(Debug)]
pub struct SagaRows {
    /// The rows.
    pub rows: Vec<SagaRow>,
    /// The address of older rows, if there are more.
    pub older: Option<String>,
}

/// A row.
#[derive(Debug)]
pub struct SagaRow {
    /// Names it for good.
    pub id: String,
    /// Of the newest row of a step: what the graph leads to.
    pub anchor: Option<String>,
    /// When it was.
    pub when: When,
    /// The rest.
    pub kind: SagaRowKind,
}

/// The kinds of rows.
#[derive(Debug)]
pub enum SagaRowKind {
    /// An attempt.
    Attempt {
        /// The step's name.
        step: String,
        /// Do, undo, ask.
        direction: &'static str,
        /// The attempt's number.
        number: u32,
        /// What came of it.
        badge: Badge,
        /// The HTTP status.
        status: String,
        /// How long it took.
        lasted: String,
        /// The answer.
        answer: String,
    },
    /// Attempts that are alike.
    Alike {
        /// When the first of them was; the row has the last one's time.
        since: When,
        /// How many.
        count: String,
        /// What they have in common.
        common: String,
        /// The page that shows each.
        unfolded: String,
    },
    /// Something that is told in a sentence.
    Told {
        /// The sentence.
        said: Sentence,
        /// Whether a person did it.
        is_person: bool,
    },
}

/// What the rows are made of.
pub(super) struct RowsOf<'a> {
    pub(super) definition: &'a Definition,
    pub(super) records: &'a [Record],
    pub(super) attempts: &'a [AttemptTold<'a>],
    pub(super) now: saga_core::Timestamp,
    pub(super) lang: Lang,
    pub(super) view: SagaView,
    pub(super) path: &'a str,
    /// The steps whose calls their participants hold back.
    pub(super) held_back: &'a [Arc<str>],
}

/// A row, before it is written.
enum Raw<'a> {
    Attempt(&'a AttemptTold<'a>),
    /// The newest one of those that are alike, the oldest one, and how many there are.
    Alike(&'a AttemptTold<'a>, &'a AttemptTold<'a>, usize),
    Record(u64, &'a Record),
}

impl Raw<'_> {
    fn seq(&self) -> u64 {
        match self {
            Self::Attempt(attempt) | Self::Alike(attempt, ..) => attempt.seq,
            Self::Record(seq, _) => *seq,
        }
    }
}

impl<'a> RowsOf<'a> {
    pub(super) fn rows(&self) -> SagaRows {
        let mut all = self.attempts();
        let numbered = self.records.iter().enumerate().map(|(index, record)| (index as u64 + 1, record));
        let told = numbered.filter(|(_, record)| self.is_told(record));
        all.extend(told.map(|(seq, record)| Raw::Record(seq, record)));
        all.sort_by_key(|row| std::cmp::Reverse(row.seq()));
        let wanted = |row: &Raw<'_>| self.view.before.is_none_or(|before| row.seq() < before);
        let mut page: Vec<Raw<'_>> = all.into_iter().filter(wanted).take(ROWS_MAX + 1).collect();
        let has_older = page.len() > ROWS_MAX;
        page.truncate(ROWS_MAX);
        let last = page.last().filter(|_| has_older).map(Raw::seq);
        let older = last.map(|last| {
            let view = SagaView { before: Some(last), act: None, ..self.view };
            format!("{}{}#attempts", self.path, view.query())
        });
        let mut rows: Vec<SagaRow> = page.iter().map(|row| self.row(row)).collect();
        let mut anchored = StepSet::NONE;
        for (row, raw) in rows.iter_mut().zip(&page) {
            let (Raw::Attempt(attempt) | Raw::Alike(attempt, ..)) = raw else { continue };
            if !anchored.contains(attempt.step) {
                anchored = anchored.with(StepSet::of(attempt.step));
                let step = self.definition.steps.get(attempt.step);
                row.anchor = step.map(|step| format!("step-{}", step.name));
            }
        }
        SagaRows { rows, older }
    }

    fn attempts(&self) -> Vec<Raw<'_>> {
        let mut rows: Vec<Raw<'_>> = Vec::new();
        // Where the row of alike attempts of each step and direction is, while more of them come.
        let mut alike: Vec<((usize, Direction), usize)> = Vec::new();
        for attempt in self.attempts.iter().filter(|attempt| !self.view.failed || !attempt.is_ok()) {
            let key = (attempt.step, attempt.direction);
            let open = alike.iter().position(|(other, _)| *other == key);
            if !attempt.is_folded || self.view.unfolded {
                if let Some(open) = open {
                    alike.remove(open);
                }
                rows.push(Raw::Attempt(attempt));
                continue;
            }
            match open.map(|open| alike[open].1) {
                Some(row) => {
                    if let Raw::Alike(newest, _, count) = &mut rows[row] {
                        (*newest, *count) = (attempt, *count + 1);
                    }
                }
                None => {
                    alike.push((key, rows.len()));
                    rows.push(Raw::Alike(attempt, attempt, 1));
                }
            }
        }
        rows
    }

    /// Whether an event has a row of its own.
    fn is_told(&self, record: &Record) -> bool {
        match &record.event {
            Event::AttemptStarted { .. } | Event::AttemptEnded { .. } => false,
            Event::Blocked { .. } | Event::PassedOver { .. } | Event::RollbackDecided { .. } => true,
            Event::SignalTaken { outcome, .. } => !self.view.failed || *outcome != Outcome::Ok,
            Event::OutputMade { error, .. } => !self.view.failed || error.is_some(),
            Event::Started { .. }
            | Event::Skipped { .. }
            | Event::Waits { .. }
            | Event::PauseEnded { .. }
            | Event::Signalled { .. }
            | Event::Completed
            | Event::RolledBack
            | Event::Resumed { .. }
            | Event::Resolved { .. }
            | Event::TakenOver { .. } => !self.view.failed,
        }
    }

    fn is_held_back(&self, step: usize) -> bool {
        self.definition.steps.get(step).is_some_and(|step| self.held_back.contains(&step.name))
    }

    fn step(&self, step: usize) -> String {
        self.definition.steps.get(step).map_or_else(String::new, |step| visible_cut(&step.name, 64))
    }

    fn row(&self, raw: &Raw<'_>) -> SagaRow {
        let words = SagaWords::of(self.lang);
        let when = |at| When::of(at, self.now, self.lang);
        match raw {
            Raw::Attempt(attempt) => SagaRow {
                id: attempt.seq.to_string(),
                anchor: None,
                when: when(attempt.from),
                kind: self.attempt(attempt, words),
            },
            Raw::Alike(newest, oldest, count) => {
                let view = SagaView { unfolded: true, act: None, ..self.view };
                SagaRow {
                    // The first one's number: it stays while more come.
                    id: format!("{}-", oldest.seq),
                    anchor: None,
                    when: when(newest.from),
                    kind: SagaRowKind::Alike {
                        since: when(oldest.from),
                        count: format!("{count} {}", words.alike),
                        common: format!(
                            "{} {}, {}",
                            words.direction(newest.direction),
                            self.step(newest.step),
                            answer(&newest.end, self.lang)
                        ),
                        unfolded: format!("{}{}#attempts", self.path, view.query()),
                    },
                }
            }
            Raw::Record(seq, record) => {
                let mut said = Sentence::default();
                self.tell(record, &mut said);
                let is_person = matches!(
                    record.event,
                    Event::Resumed { .. }
                        | Event::Resolved { .. }
                        | Event::Signalled { .. }
                        | Event::RollbackDecided { cause: Cause::Cancelled | Cause::CancelledBy { .. } }
                );
                SagaRow {
                    id: seq.to_string(),
                    anchor: None,
                    when: when(record.at),
                    kind: SagaRowKind::Told { said, is_person },
                }
            }
        }
    }

    fn attempt(&self, attempt: &AttemptTold<'_>, words: &'static SagaWords) -> SagaRowKind {
        let (badge, status, text) = match attempt.end {
            AttemptEnd::NotYet if self.is_held_back(attempt.step) => {
                (Badge::new(Family::Wait, words.s_held), None, None)
            }
            AttemptEnd::NotYet => (Badge::new(Family::Run, words.under_way), None, None),
            AttemptEnd::Lost(_) => (Badge::new(Family::None, words.lost), None, None),
            AttemptEnd::With { outcome, status, reason, .. } => {
                let word = words.outcome(attempt.direction, outcome, status.is_some());
                let badge = match (outcome, attempt.direction) {
                    (Outcome::Ok, _) => Badge::new(Family::Done, word),
                    (Outcome::Accepted, _) => Badge::new(Family::Wait, word),
                    (_, Direction::Compensation) => Badge::new(Family::Pers, word),
                    _ => Badge::with_icon(Family::Undo, "fail", word),
                };
                (badge, status, reason)
            }
        };
        let lasted = attempt.end.at().map(|at| Span(at.since(attempt.from)).text(self.lang));
        // A poll has no beginning.
        let lasted = lasted.filter(|_| attempt.direction != Direction::Poll);
        SagaRowKind::Attempt {
            step: self.step(attempt.step),
            direction: words.direction(attempt.direction),
            number: attempt.number,
            badge,
            status: status.map(|status| status.to_string()).unwrap_or_default(),
            lasted: lasted.unwrap_or_default(),
            answer: text.map(|text| visible_cut(text, ANSWER_CHARS_MAX)).unwrap_or_default(),
        }
    }

    /// An event that is no attempt, in a sentence.
    fn tell(&self, record: &Record, said: &mut Sentence) {
        let lang = self.lang;
        let by = |text: &str| visible_cut(text, 100);
        let words = |text: &str| quoted(text, lang);
        let whom = record.by.as_deref().map(by);
        match &record.event {
            Event::Started { .. } => match &whom {
                Some(whom) => said.say(lang, ("[0] started it.", "[0] l’a commencée."), &[whom]),
                None => said.say(lang, ("It started.", "Elle a commencé."), &[]),
            },
            Event::Skipped { step } => said.say(
                lang,
                (
                    "[0] was skipped: its condition does not hold.",
                    "[0] a été sautée : sa condition n’est pas remplie.",
                ),
                &[&self.step(*step)],
            ),
            Event::Waits { step, until } => {
                let longest = Span(until.since(record.at)).text(lang);
                said.say(
                    lang,
                    ("[0] began to wait, for {1} at most.", "[0] a commencé à attendre, {1} au plus."),
                    &[&self.step(*step), &longest],
                );
            }
            Event::PauseEnded { step } => {
                said.say(lang, ("The pause [0] is over.", "La pause [0] est finie."), &[&self.step(*step)]);
            }
            Event::Signalled { name, .. } => {
                let name = visible_cut(name, 64);
                match &whom {
                    Some(whom) => {
                        said.say(
                            lang,
                            ("[0] sent the signal [1].", "[0] a envoyé le signal [1]."),
                            &[whom, &name],
                        );
                    }
                    None => said.say(lang, ("The signal [0] came.", "Le signal [0] est arrivé."), &[&name]),
                }
            }
            Event::SignalTaken { step, outcome, reason, .. } => match (outcome, reason) {
                (Outcome::Ok, _) => {
                    said.say(lang, ("[0] took the signal.", "[0] a pris le signal."), &[&self.step(*step)]);
                }
                (_, reason) => {
                    let reason = reason.as_deref().map(words).unwrap_or_default();
                    said.say(
                        lang,
                        ("[0] was refused by the signal. {1}", "[0] a été refusée par le signal. {1}"),
                        &[&self.step(*step), &reason],
                    );
                }
            },
            Event::PassedOver { step, reason } => said.say(
                lang,
                (
                    "[0] failed and is optional: the saga went on. {1}",
                    "[0] a échoué et est facultative : la saga a continué. {1}",
                ),
                &[&self.step(*step), &words(reason)],
            ),
            Event::OutputMade { error: Some(error), .. } => said.say(
                lang,
                ("The output could not be made: {0}.", "La sortie n’a pas pu être faite : {0}."),
                &[&words(error)],
            ),
            Event::OutputMade { .. } => {
                said.say(lang, ("The output was made.", "La sortie a été faite."), &[])
            }
            Event::RollbackDecided { cause } => self.tell_cause(cause, said),
            Event::Blocked { step, reason, .. } => said.say(
                lang,
                ("A person is needed for [0]: {1}.", "Une personne doit régler [0] : {1}."),
                &[&self.step(*step), &words(reason)],
            ),
            Event::Completed => said.say(lang, ("It completed.", "Elle s’est terminée."), &[]),
            Event::RolledBack => {
                said.say(lang, ("Nothing is left of it.", "Il n’en reste rien."), &[]);
            }
            Event::Resumed { by: named, reason, .. } => {
                let reason = reason.as_deref().map(words).unwrap_or_default();
                said.say(
                    lang,
                    ("[0] had it tried at once. {1}", "[0] a essayé tout de suite. {1}"),
                    &[&by(named), &reason],
                );
            }
            Event::Resolved { step, finding, by: named, reason, .. } => {
                let template = match finding {
                    Finding::Ran => ("[0] says that [1] ran. {2}", "[0] dit que [1] a eu lieu. {2}"),
                    Finding::NotRun => {
                        ("[0] says that [1] did not run. {2}", "[0] dit que [1] n’a pas eu lieu. {2}")
                    }
                    Finding::Undone => (
                        "[0] says that [1] was undone by hand. {2}",
                        "[0] dit que [1] a été défaite à la main. {2}",
                    ),
                };
                said.say(lang, template, &[&by(named), &self.step(*step), &words(reason)]);
            }
            Event::TakenOver { epoch, .. } if *epoch == Epoch::first_of(epoch.incarnation()) => {
                let incarnation = epoch.incarnation().to_string();
                said.say(
                    lang,
                    (
                        "A process went on with it after the journal was restored (incarnation {0}).",
                        "Un processus l’a reprise après la restauration du journal (incarnation {0}).",
                    ),
                    &[&incarnation],
                );
            }
            Event::TakenOver { epoch, .. } => {
                let epoch = (epoch.get() - Epoch::first_of(epoch.incarnation()).get() + 1).to_string();
                said.say(
                    lang,
                    (
                        "Process {0} took it over: the one before had stopped.",
                        "Le processus {0} a pris la relève : le précédent s’était arrêté.",
                    ),
                    &[&epoch],
                );
            }
            // They are rows of their own.
            Event::AttemptStarted { .. } | Event::AttemptEnded { .. } => {}
        }
    }

    fn tell_cause(&self, cause: &Cause, said: &mut Sentence) {
        let lang = self.lang;
        match cause {
            Cause::StepFailed { step, reason } => said.say(
                lang,
                (
                    "[0] failed ({1}): what was done is undone from here on.",
                    "[0] a échoué ({1}) : à partir d’ici, on défait ce qui était fait.",
                ),
                &[&self.step(*step), &quoted(reason, lang)],
            ),
            Cause::Cancelled => {
                said.say(lang, ("It was cancelled on request.", "Elle a été annulée sur demande."), &[])
            }
            Cause::CancelledBy { by, reason } => {
                let reason = reason.as_deref().map(|reason| quoted(reason, lang)).unwrap_or_default();
                said.say(
                    lang,
                    ("[0] cancelled it. {1}", "[0] l’a annulée. {1}"),
                    &[&visible_cut(by, 100), &reason],
                );
            }
            Cause::DeadlinePassed => said.say(
                lang,
                (
                    "Its deadline passed: what was done is undone from here on.",
                    "Son échéance est passée : à partir d’ici, on défait ce qui était fait.",
                ),
                &[],
            ),
        }
    }
}
