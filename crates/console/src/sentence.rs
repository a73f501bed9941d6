//! The sentence at the top of a saga's page: why it stands where it does, and what is left.
//!
//! Each sentence is a template in both languages. `{0}` stands for a value, `[0]` for the same in bold. Values are foreign texts:
//! they are cut and made visible here, escaped by the page, and never read as templates.

use saga_core::event::{Cause, Stuck};
use saga_core::saga::{CameSince, Saga, StepStands, Waiting, WaitingFor};
use saga_core::{Deed, Direction, Outcome, Timestamp};

use crate::Lang;
use crate::history::{AttemptEnd, AttemptTold, last_of};
use crate::shown::{Span, When, visible, visible_cut};

/// Characters of a participant's words in a sentence.
const WORDS_CHARS_MAX: usize = 160;
/// Steps that a sentence names; of more, it tells how many.
const STEPS_NAMED_MAX: usize = 3;

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentencePiece {
    /// The text.
    pub text: String,
    /// Whether it is a name that the eye should find.
    pub is_strong: bool,
}

/// Several sentences, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sentence {
    /// Their parts, in order.
    pub pieces: Vec<SentencePiece>,
}

impl Sentence {
    /// The plain text.
    pub fn text(&self) -> String {
        self.pieces.iter().map(|piece| &*piece.text).collect()
    }

    /// A text as it is: its author has cut it.
    pub fn of(text: &str) -> Self {
        Self { pieces: vec![SentencePiece { text: visible(text).into_owned(), is_strong: false }] }
    }

    /// Adds a sentence in this language, with these values.
    pub(crate) fn say(&mut self, lang: Lang, (en, fr): (&'static str, &'static str), values: &[&str]) {
        if !self.pieces.is_empty() {
            self.push(" ", false);
        }
        let template = if lang == Lang::Fr { fr } else { en };
        let mut rest = template;
        while let Some(at) = rest.find(['{', '[']) {
            self.push(&rest[..at], false);
            let is_strong = rest[at..].starts_with('[');
            let number = rest[at + 1..].chars().next().and_then(|digit| digit.to_digit(10));
            let value = number.and_then(|number| values.get(number as usize));
            self.push(value.copied().unwrap_or_default(), is_strong);
            rest = rest.get(at + 3..).unwrap_or_default();
        }
        self.push(rest, false);
    }

    fn push(&mut self, text: &str, is_strong: bool) {
        if !text.is_empty() {
            self.pieces.push(SentencePiece { text: text.to_owned(), is_strong });
        }
    }
}

/// A participant's words, as a quotation; nothing where there are none.
pub(crate) fn quoted(words: &str, lang: Lang) -> String {
    let words = visible_cut(words, WORDS_CHARS_MAX);
    match lang {
        Lang::En => format!("“{words}”"),
        Lang::Fr => format!("«\u{a0}{words}\u{a0}»"),
    }
}

/// `, 5 times`, `, 5 fois`; nothing for once.
fn times(count: usize, lang: Lang) -> String {
    match lang {
        _ if count < 2 => String::new(),
        Lang::En => format!(", {count} times"),
        Lang::Fr => format!(", {count} fois"),
    }
}

/// What a sentence is made of.
pub(crate) struct StandingTold<'a> {
    pub(crate) saga: &'a Saga,
    pub(crate) attempts: &'a [AttemptTold<'a>],
    pub(crate) waiting: &'a [Waiting],
    pub(crate) now: Timestamp,
    pub(crate) lang: Lang,
}

/// Why the saga stands where it does, and what is left.
pub(crate) fn sentence(told: &StandingTold<'_>) -> Sentence {
    let mut said = Sentence::default();
    match told.saga.cause() {
        Some(cause) => {
            told.cause(cause, &mut said);
            told.rollback(&mut said);
        }
        None if told.saga.is_over() => told.completed(&mut said),
        None => told.forward(&mut said),
    }
    said
}

impl StandingTold<'_> {
    fn step(&self, step: usize) -> String {
        let step = self.saga.definition().steps.get(step);
        step.map_or_else(String::new, |step| visible_cut(&step.name, 64))
    }

    fn participant(&self, step: usize) -> Option<String> {
        self.saga.definition().participant(step).map(|participant| visible_cut(&participant.name, 64))
    }

    /// The names of steps; of many, how many.
    fn named(&self, steps: &[usize]) -> String {
        let (and, more) = match self.lang {
            Lang::En => (" and ", "others"),
            Lang::Fr => (" et ", "autres"),
        };
        let shown = if steps.len() > STEPS_NAMED_MAX { STEPS_NAMED_MAX - 1 } else { steps.len() };
        let mut names: Vec<String> = steps[..shown].iter().map(|step| self.step(*step)).collect();
        if shown < steps.len() {
            names.push(format!("{} {more}", steps.len() - shown));
        }
        match names.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{}{and}{last}", before.join(", ")),
            Some((last, _)) => last.clone(),
            None => String::new(),
        }
    }

    fn cause(&self, cause: &Cause, said: &mut Sentence) {
        let lang = self.lang;
        match cause {
            Cause::StepFailed { step, reason } => {
                let name = self.step(*step);
                let words = quoted(reason, lang);
                let last = last_of(self.attempts, *step, Direction::Action);
                match (self.participant(*step), last) {
                    (Some(participant), Some((last, count))) => {
                        self.failed_call(&name, &participant, last, count, &words, said);
                    }
                    _ => said.say(lang, ("[0] failed: {1}.", "[0] a échoué : {1}."), &[&name, &words]),
                }
            }
            Cause::Cancelled => {
                said.say(lang, ("It was cancelled on request.", "Elle a été annulée sur demande."), &[])
            }
            Cause::CancelledBy { by, reason } => {
                let by = visible_cut(by, 100);
                match reason {
                    Some(reason) => said.say(
                        lang,
                        ("[0] cancelled it ({1}).", "[0] l’a annulée ({1})."),
                        &[&by, &quoted(reason, lang)],
                    ),
                    None => said.say(lang, ("[0] cancelled it.", "[0] l’a annulée."), &[&by]),
                }
            }
            Cause::DeadlinePassed => said.say(
                lang,
                ("It was not done by its deadline.", "Elle n’était pas terminée à son échéance."),
                &[],
            ),
        }
    }

    fn failed_call(
        &self,
        name: &str,
        participant: &str,
        last: &AttemptTold<'_>,
        count: usize,
        words: &str,
        said: &mut Sentence,
    ) {
        let (lang, times) = (self.lang, times(count, self.lang));
        let AttemptEnd::With { outcome, status, .. } = last.end else { return };
        let status = status.map(|status| status.to_string());
        match (outcome, status) {
            (Outcome::Refused, Some(status)) => said.say(
                lang,
                ("[0] failed: [1] refused it with {2} ({3}).", "[0] a échoué : [1] a refusé avec {2} ({3})."),
                &[name, participant, &status, words],
            ),
            (Outcome::Ok | Outcome::Accepted, _) => {
                said.say(lang, ("[0] failed: {1}.", "[0] a échoué : {1}."), &[name, words]);
            }
            (_, Some(status)) => said.say(
                lang,
                ("[0] failed: [1] answered {2}{3} ({4}).", "[0] a échoué : [1] a répondu {2}{3} ({4})."),
                &[name, participant, &status, &times, words],
            ),
            (_, None) => said.say(
                lang,
                ("[0] failed: [1] gave no answer{2} ({3}).", "[0] a échoué : [1] n’a pas répondu{2} ({3})."),
                &[name, participant, &times, words],
            ),
        }
    }

    fn rollback(&self, said: &mut Sentence) {
        let lang = self.lang;
        if self.saga.is_over() {
            let undone = (0..self.saga.definition().steps.len())
                .any(|step| self.saga.stands(step) == StepStands::Undone);
            match undone {
                true => said.say(
                    lang,
                    (
                        "What was done has been undone: nothing is left.",
                        "Ce qui était fait a été défait : il n’en reste rien.",
                    ),
                    &[],
                ),
                false => said.say(lang, ("There was nothing to undo.", "Il n’y avait rien à défaire."), &[]),
            }
            return;
        }
        let left: Vec<usize> = self.saga.left_to_undo().iter().collect();
        let blocked: Vec<usize> = self.saga.blocked_steps().iter().collect();
        match blocked.first() {
            Some(_) => self.blocked(said),
            None if left.is_empty() => {}
            None => said.say(
                lang,
                (
                    "What was done is being undone; left: [0].",
                    "Ce qui était fait est en train d’être défait; il reste [0].",
                ),
                &[&self.named(&left)],
            ),
        }
        let others: Vec<usize> = left.into_iter().filter(|step| !blocked.contains(step)).collect();
        if !blocked.is_empty() && !others.is_empty() {
            said.say(
                lang,
                ("After that, [0] will be undone.", "Ensuite, il restera à défaire [0]."),
                &[&self.named(&others)],
            );
        }
    }

    /// The obstacle for which a person is needed.
    fn blocked(&self, said: &mut Sentence) {
        let Some(blocked) = self.saga.blocked() else { return };
        let (lang, step) = (self.lang, blocked.step);
        let (name, participant) = (self.step(step), self.participant(step).unwrap_or_default());
        let direction = match blocked.stuck {
            Stuck::CompensationFailing | Stuck::CompensationUnknown | Stuck::NothingToUndo => {
                Direction::Compensation
            }
            _ => Direction::Action,
        };
        let last = last_of(self.attempts, step, direction);
        let since = When::of(blocked.at, self.now, lang).span;
        let answer = last.map_or_else(|| quoted(&blocked.reason, lang), |(last, _)| answer(&last.end, lang));
        let values: [&str; 4] = [&name, &participant, &answer, &since];
        let template = match blocked.stuck {
            Stuck::CompensationFailing => (
                "[0] is still to be undone: [1] has kept failing for {3}, last with {2}.",
                "Il reste [0] à défaire : [1] échoue depuis {3}, la dernière fois avec {2}.",
            ),
            Stuck::ActionFailing => (
                "There is no way back, and [0] keeps failing: [1], last with {2}, for {3}.",
                "On ne peut plus revenir en arrière, et [0] échoue toujours : [1], la dernière fois avec {2}, depuis {3}.",
            ),
            Stuck::ActionUnknown => (
                "Nobody can know whether [0] ran at [1] ({2}), and calling again may double it. Somebody must look there.",
                "On ignore si [0] a eu lieu chez [1] ({2}), et rappeler pourrait la doubler. Quelqu’un doit aller voir.",
            ),
            Stuck::CompensationUnknown => (
                "Nobody can know whether [0] was undone at [1] ({2}), and calling again may undo twice. Somebody must look there.",
                "On ignore si [0] a été défaite chez [1] ({2}), et rappeler pourrait la défaire deux fois. Quelqu’un doit aller voir.",
            ),
            Stuck::ActionUnsettled => (
                "Whether [0] ran is still not known: [1], last with {2}, for {3}. It is still asked.",
                "On ignore encore si [0] a eu lieu : [1], la dernière fois avec {2}, depuis {3}. On le demande toujours.",
            ),
            Stuck::HorizonPassed => (
                "[1] may have forgotten [0] by now, so no call can be repeated safely. Somebody must look there.",
                "[1] a peut-être oublié [0] depuis : plus aucun appel ne peut être répété sans risque. Quelqu’un doit aller voir.",
            ),
            Stuck::NothingToUndo => (
                "[1] says that [0] is not there to be undone, though it is known to have run. Somebody must look there.",
                "[1] dit qu’il n’y a rien à défaire pour [0], alors qu’elle a eu lieu. Quelqu’un doit aller voir.",
            ),
            Stuck::TaskFailed => (
                "Running it failed at [0], again and again: nothing goes on until somebody tries it or cancels it.",
                "L’exécution échoue à [0], encore et encore : rien n’avance tant que personne n’essaie ou n’annule.",
            ),
        };
        said.say(lang, template, &values);
    }

    fn completed(&self, said: &mut Sentence) {
        let lang = self.lang;
        let span = Span(self.saga.updated().since(self.saga.created())).text(lang);
        said.say(lang, ("It completed in {0}.", "Elle s’est terminée en {0}."), &[&span]);
        let passed: Vec<usize> = (0..self.saga.definition().steps.len())
            .filter(|step| self.saga.stands(*step) == StepStands::PassedOver)
            .collect();
        if !passed.is_empty() {
            said.say(
                lang,
                ("Optional, and failed: [0].", "Facultatif, et en échec : [0]."),
                &[&self.named(&passed)],
            );
        }
    }

    fn forward(&self, said: &mut Sentence) {
        if self.saga.blocked().is_some() {
            self.blocked(said);
            return;
        }
        if self.waiting.is_empty() {
            said.say(self.lang, ("It goes on.", "Elle suit son cours."), &[]);
        }
        for waiting in self.waiting.iter().take(STEPS_NAMED_MAX) {
            self.waits(waiting, said);
        }
        let more = self.waiting.len().saturating_sub(STEPS_NAMED_MAX);
        if more > 0 {
            let more = more.to_string();
            said.say(
                self.lang,
                ("{0} other steps are under way.", "{0} autres étapes sont en cours."),
                &[&more],
            );
        }
    }

    /// One step in progress.
    pub(crate) fn waits(&self, waiting: &Waiting, said: &mut Sentence) {
        let lang = self.lang;
        let step = self.saga.definition().step_named(&waiting.step);
        let name = visible_cut(&waiting.step, 64);
        let participant = step.and_then(|step| self.participant(step)).unwrap_or_default();
        let until = waiting.until.map(|until| When::of(until, self.now, lang).relative).unwrap_or_default();
        let signal = step.and_then(|step| self.saga.definition().steps[step].signal());
        let signal = signal.map(|signal| visible_cut(&signal.name, 64)).unwrap_or_default();
        let direction = if self.saga.cause().is_some() { Direction::Compensation } else { Direction::Action };
        let last = step.and_then(|step| last_of(self.attempts, step, direction));
        match (waiting.cause, last) {
            (WaitingFor::Retry, Some((last, count))) => {
                let (answer, times) = (answer(&last.end, lang), times(count, lang));
                said.say(
                    lang,
                    (
                        "[0] will be tried again {1}; the last answer of [2]: {4}{3}.",
                        "[0] sera réessayée {1}; la dernière réponse de [2] : {4}{3}.",
                    ),
                    &[&name, &until, &participant, &times, &answer],
                );
            }
            (WaitingFor::Retry, None) => {
                said.say(lang, ("[0] will be tried {1}.", "[0] sera essayée {1}."), &[&name, &until]);
            }
            (WaitingFor::Call, _) => said.say(
                lang,
                ("[0] waits for the answer of [1].", "[0] attend la réponse de [1]."),
                &[&name, &participant],
            ),
            (WaitingFor::Participant, _) => said.say(
                lang,
                (
                    "[0] waits until calls to [1] are let through again.",
                    "[0] attend que les appels à [1] passent de nouveau.",
                ),
                &[&name, &participant],
            ),
            (WaitingFor::Signal, _) if until.is_empty() => said.say(
                lang,
                ("[0] waits for the signal [1].", "[0] attend le signal [1]."),
                &[&name, &signal],
            ),
            (WaitingFor::Signal, _) => said.say(
                lang,
                (
                    "[0] waits for the signal [1], at the latest {2}.",
                    "[0] attend le signal [1], au plus tard {2}.",
                ),
                &[&name, &signal, &until],
            ),
            (WaitingFor::Time, _) => {
                said.say(lang, ("[0] goes on {1}.", "[0] continue {1}."), &[&name, &until]);
            }
            (WaitingFor::Person, _) => {
                said.say(lang, ("[0] waits for a person.", "[0] attend une personne."), &[&name]);
            }
        }
    }
}

/// An answer in a few words: `503 “away”`.
pub(crate) fn answer(end: &AttemptEnd<'_>, lang: Lang) -> String {
    match end {
        AttemptEnd::With { status: Some(status), reason: Some(reason), .. }
            if **reason != format!("HTTP {status}") =>
        {
            format!("{status} {}", quoted(reason, lang))
        }
        AttemptEnd::With { status: Some(status), .. } => status.to_string(),
        AttemptEnd::With { status: None, reason: Some(reason), .. } => quoted(reason, lang),
        AttemptEnd::With { .. } | AttemptEnd::NotYet | AttemptEnd::Lost(_) => match lang {
            Lang::En => "no answer".to_owned(),
            Lang::Fr => "aucune réponse".to_owned(),
        },
    }
}

/// What somebody does not know of who has asked for something: so nothing was done.
pub fn came_since(came: &CameSince, now: Timestamp, lang: Lang) -> Sentence {
    let mut said = Sentence::default();
    match came {
        CameSince::Person { by, deed, at } => {
            let when = When::of(*at, now, lang);
            let (clock, relative) = (when.clock, when.relative);
            let somebody = if lang == Lang::Fr { "quelqu’un" } else { "somebody" };
            let by = by.as_deref().map_or_else(|| somebody.to_owned(), |by| visible_cut(by, 100));
            let template = match deed {
                Deed::Cancel => (
                    "[0] cancelled it meanwhile, at {1} UTC ({2}).",
                    "[0] l’a annulée entre-temps, à {1} UTC ({2}).",
                ),
                Deed::Resolve => (
                    "[0] said meanwhile what happened, at {1} UTC ({2}).",
                    "[0] a dit entre-temps ce qui s’est passé, à {1} UTC ({2}).",
                ),
                Deed::Resume | Deed::Start | Deed::Signal => (
                    "[0] had it tried meanwhile, at {1} UTC ({2}).",
                    "[0] a essayé entre-temps, à {1} UTC ({2}).",
                ),
            };
            said.say(lang, template, &[&by, &clock, &relative]);
        }
        CameSince::Blocked { step, at } => {
            let when = When::of(*at, now, lang);
            said.say(
                lang,
                (
                    "A person has come to be needed for [0], at {1} UTC ({2}).",
                    "Entre-temps, [0] est à régler aussi, depuis {1} UTC ({2}).",
                ),
                &[&visible_cut(step, 64), &when.clock, &when.relative],
            );
        }
    }
    said.say(
        lang,
        (
            "Nothing was done: look at what is new, and decide again.",
            "Rien n’a été fait : voyez ce qui est nouveau, et décidez de nouveau.",
        ),
        &[],
    );
    said
}
