//! What came of the command that the reader has just given. An action is over when its result is in the journal.

use saga_core::saga::Saga;
use saga_core::{CommandId, Record, Timestamp};

use crate::Lang;
use crate::history::{AttemptEnd, AttemptTold};
use crate::sentence::{Sentence, answer};
use crate::shown::{Family, When, visible_cut};

/// A command's result, so far.
#[derive(Debug)]
pub struct GivenShown {
    /// Its colour.
    pub family: Family,
    /// When the command's event was recorded.
    pub at: Option<When>,
    /// In words.
    pub said: Sentence,
}

impl GivenShown {
    pub(super) fn of(
        saga: &Saga,
        records: &[Record],
        attempts: &[AttemptTold<'_>],
        given: CommandId,
        now: Timestamp,
        lang: Lang,
    ) -> Self {
        let mut said = Sentence::default();
        let Some(index) = records.iter().position(|record| record.command == Some(given)) else {
            said.say(
                lang,
                (
                    "Nothing had to change: what you asked for is under way or done.",
                    "Rien n’avait à changer : ce que vous avez demandé est en cours ou fait.",
                ),
                &[],
            );
            return Self { family: Family::None, at: None, said };
        };
        said.say(
            lang,
            ("What you asked for is in the history.", "Ce que vous avez demandé est dans l’histoire."),
            &[],
        );
        let mut since = attempts.iter().rev().take_while(|attempt| attempt.seq > index as u64);
        let last = since.find(|attempt| attempt.end != AttemptEnd::NotYet);
        let is_calling = !saga.effects().calls.is_empty();
        let family = if saga.is_over() {
            let state = visible_cut(saga.state(), 64);
            said.say(lang, ("The saga is over: [0].", "La saga est terminée : [0]."), &[&state]);
            Family::Done
        } else if is_calling {
            said.say(lang, ("A call is under way.", "Un appel est en cours."), &[]);
            Family::Run
        } else {
            match last {
                Some(last) if !last.is_ok() => {
                    let step = saga.definition().steps.get(last.step);
                    let step = step.map_or_else(String::new, |step| visible_cut(&step.name, 64));
                    let answer = answer(&last.end, lang);
                    said.say(
                        lang,
                        ("[0] failed again: {1}.", "[0] a encore échoué : {1}."),
                        &[&step, &answer],
                    );
                }
                Some(_) | None => said.say(lang, ("It goes on.", "Elle suit son cours."), &[]),
            }
            if saga.blocked().is_some() { Family::Pers } else { Family::Wait }
        };
        Self { family, at: records.get(index).map(|record| When::of(record.at, now, lang)), said }
    }

    pub(crate) fn class(&self) -> &'static str {
        self.family.into()
    }
}
