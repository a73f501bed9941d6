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
        retry: "its next attempt", "son prochain essai";
        participant: "its participant", "son participant";
        signal: "a signal", "un signal";
        time: "a time", "une heure";
        person: "a person", "une personne";
        at_call: "call under way", "appel en cours";
        at_retry: "next attempt", "prochain essai";
        at_participant: "its participant takes no calls now", "son participant ne prend pas d’appels";
        at_signal: "waits for a signal; gives up", "attend un signal; abandonne";
        at_time: "goes on", "reprend";
        at_person: "needs a person", "à régler";
    }
}

impl RowWords {
    /// What a step is doing, before the time when that ends.
    pub(crate) fn does(&self, cause: WaitingFor) -> &'static str {
        match cause {
            WaitingFor::Call => self.at_call,
            WaitingFor::Retry => self.at_retry,
            WaitingFor::Participant => self.at_participant,
            WaitingFor::Signal => self.at_signal,
            WaitingFor::Time => self.at_time,
            WaitingFor::Person => self.at_person,
        }
    }

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
