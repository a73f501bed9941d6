//! The texts of sagas as rows.

use saga_core::saga::WaitingFor;

use super::words;

words! {
    /// Of sagas as rows.
    pub(crate) struct RowWords {
        state: "State", "État";
        saga: "Saga", "Saga";
        definition: "Definition", "Définition";
        labels: "Labels", "Étiquettes";
        place: "Where", "Où";
        since: "Since", "Depuis";
        started: "Started", "Commencée";
        whole: "the saga as a whole", "toute la saga";
        more: "more", "de plus";
        answer: "an answer", "une réponse";
        retry: "next attempt", "prochain essai";
        participant: "its participant", "son participant";
        signal: "a signal", "un signal";
        time: "a time", "une heure";
        person: "a person", "une personne";
    }
}

impl RowWords {
    /// The awaited thing, in a few words.
    pub(crate) fn waits_for(&self, cause: WaitingFor) -> &'static str {
        match cause {
            WaitingFor::Call => self.answer,
            WaitingFor::Retry => self.retry,
            WaitingFor::Participant => self.participant,
            WaitingFor::Signal => self.signal,
            WaitingFor::Time => self.time,
            WaitingFor::Person => self.person,
        }
    }
}
