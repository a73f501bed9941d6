//! The texts of bulk actions.

use saga_core::Deed;
use saga_core::saga::CameSince;

use super::words;
use crate::Lang;
use crate::shown::{excerpt, number};

/// Characters of a name or of a reason that are shown.
const WHY_CHARS_SHOWN_MAX: usize = 500;

words! {
    /// Of bulk actions.
    pub(crate) struct ActionWords {
        title: "Actions", "Actions";
        one: "Action", "Action";
        none: "Nobody has tried several sagas at once yet.", "Personne n’a encore essayé plusieurs sagas à la fois.";
        begun: "Begun", "Commencée";
        what: "What", "Quoi";
        reason: "Reason", "Raison";
        results: "Results", "Résultats";
        result: "Result", "Résultat";
        why: "Why", "Pourquoi";
        saga: "Saga", "Saga";
        at: "At", "À";
        over: "Over", "Terminée";
        under_way: "Under way", "En cours";
        undone: "undone", "défaites";
        completed: "completed", "terminées";
        failed_again: "failed again", "échouées encore";
        skipped: "skipped", "sautées";
        not_sent: "not sent", "pas parties";
        going_on: "still going on", "encore en cours";
        waiting: "waiting", "en attente";
        sent: "being tried", "à l’essai";
        taken_back: "taken back", "retirées";
        all: "all", "toutes";
        next: "Next", "Suite";
        first: "First page", "Première page";
        inbox: "Inbox", "À régler";
        not_blocked: "It needs no person any more.", "Elle n’a plus besoin de personne.";
        unknown: "There is no such saga.", "Cette saga n’existe pas.";
        empty: "None.", "Aucune.";
        gone: "There is no such action; actions are kept for 35 days.", "Cette action n’existe pas; les actions sont gardées 35 jours.";
    }
}

impl ActionWords {
    /// `operator-b tried 26 of paiement · client`.
    pub(crate) fn tried(lang: Lang, by: &str, count: u64, place: &str) -> String {
        let (by, count) = (excerpt(by, WHY_CHARS_SHOWN_MAX), number(count, lang));
        let of = if place.is_empty() { "" } else { " · " };
        match lang {
            Lang::En => format!("{by} tried {count}{of}{place}"),
            Lang::Fr => format!("{by} a essayé {count}{of}{place}"),
        }
    }

    /// Take back the 300 that have not left.
    pub(crate) fn take_back_many(lang: Lang, count: u64) -> String {
        let count = number(count, lang);
        match lang {
            Lang::En => format!("Take back the {count} that have not left"),
            Lang::Fr => format!("Retirer les {count} qui ne sont pas parties"),
        }
    }

    /// Why a saga was skipped: an event that the operator had not seen.
    pub(crate) fn since(lang: Lang, since: &CameSince) -> String {
        match since {
            CameSince::Person { by, deed, at } => {
                let by = by.as_deref().map(|by| excerpt(by, WHY_CHARS_SHOWN_MAX));
                let at = clock(*at);
                match lang {
                    Lang::En => {
                        let by = by.unwrap_or_else(|| "Another person".to_owned());
                        let did = match deed {
                            Deed::Cancel => "cancelled it",
                            Deed::Resume => "had it tried",
                            Deed::Resolve => "said what had happened",
                            Deed::Start => "started it",
                            Deed::Signal => "sent it a signal",
                        };
                        format!("{by} {did} at {at} UTC.")
                    }
                    Lang::Fr => {
                        let by = by.unwrap_or_else(|| "Une autre personne".to_owned());
                        let did = match deed {
                            Deed::Cancel => "l’a annulée",
                            Deed::Resume => "l’a fait essayer",
                            Deed::Resolve => "a dit ce qui s’était passé",
                            Deed::Start => "l’a commencée",
                            Deed::Signal => "lui a envoyé un signal",
                        };
                        format!("{by} {did} à {at} UTC.")
                    }
                }
            }
            CameSince::Blocked { step, at } => {
                let (step, at) = (excerpt(step, WHY_CHARS_SHOWN_MAX), clock(*at));
                match lang {
                    Lang::En => format!("Its step {step} was blocked at {at} UTC."),
                    Lang::Fr => format!("Son étape {step} a été bloquée à {at} UTC."),
                }
            }
        }
    }

    /// Why no call has left.
    pub(crate) fn held_back(lang: Lang, steps: &[std::sync::Arc<str>]) -> String {
        let steps: Vec<_> = steps.iter().map(|step| excerpt(step, WHY_CHARS_SHOWN_MAX)).collect();
        let steps = steps.join(", ");
        match lang {
            Lang::En => format!("The participant of {steps} takes no calls now; they leave when it does."),
            Lang::Fr => {
                format!("Le participant de {steps} ne prend pas d’appels maintenant; ils partiront ensuite.")
            }
        }
    }
}

fn clock(at: saga_core::Timestamp) -> String {
    let text = at.to_string();
    text.get(11..19).map(ToOwned::to_owned).unwrap_or(text)
}

/// `1 saga`, `412 sagas`.
pub(crate) fn number_of_sagas(lang: Lang, count: u64) -> String {
    let noun = if count == 1 || (count == 0 && lang == Lang::Fr) { "saga" } else { "sagas" };
    format!("{} {noun}", number(count, lang))
}
