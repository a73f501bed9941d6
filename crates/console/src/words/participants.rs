//! The texts about participants.

use super::{Lang, words};
use crate::shown::number;

words! {
    /// Of participants.
    pub(crate) struct ParticipantsWords {
        none: "No participant: no definition is loaded that calls one.", "Aucun participant : aucune définition chargée n’en appelle.";
        well: "Well", "Va bien";
        suspended: "Suspended", "Suspendu";
        tried: "Being tried", "À l’essai";
        full: "All places taken", "Complet";
        failing: "Failing", "Échecs";
        no_access: "No access", "Sans accès";
        old_access: "Access not renewed", "Accès non renouvelé";
        since: "since", "depuis";
        trial_in: "Trial", "Test";
        in_flight: "Calls under way", "Appels en cours";
        waiting: "Calls that wait", "Appels en attente";
        drained: "Drained in", "Écoulés dans";
        recent: "Recent calls", "Appels récents";
        p50: "p50", "p50";
        p99: "p99", "p99";
        bad_row: "Bad ends in a row", "Échecs de suite";
        last_failure: "Last bad end", "Dernier échec";
        never: "none since this process began", "aucun depuis le début de ce processus";
        status: "status", "statut";
        promise: "Promise", "Promesse";
        safety_none: "none: a call whose outcome is unknown is not repeated", "aucune : un appel au résultat inconnu n’est pas répété";
        safety_idempotent: "idempotent: the same key has one effect", "idempotent : une même clé n’a qu’un effet";
        safety_barrier: "barrier: idempotent, and an undoing that arrives first stops the doing", "barrière : idempotent, et une annulation arrivée la première bloque l’action";
        horizon: "Keeps it for", "La tient pendant";
        timeout: "Timeout", "Délai d’attente";
        used_by: "Used by", "Utilisé par";
        access: "Access", "Accès";
        access_holds: "calls wait for it", "les appels l’attendent";
        access_old: "calls go on with the former one", "les appels continuent avec le précédent";
        not_accepted: "it does not accept our calls", "n’accepte pas nos appels";
        unreachable: "no connection", "aucune connexion";
        unavailable: "away or overloaded", "absent ou surchargé";
        unanswered: "no whole answer", "aucune réponse complète";
        unclear: "an answer that does not tell the outcome", "une réponse qui ne dit pas le résultat";
        this_process: "Calls, latencies and failures are this process’s own.", "Appels, latences et échecs sont ceux de ce processus.";
    }
}

/// That calls wait.
pub(crate) fn wait(count: u64, lang: Lang) -> String {
    let text = number(count, lang);
    match (lang, count) {
        (Lang::En, 1) => "1 call waits".to_owned(),
        (Lang::En, _) => format!("{text} calls wait"),
        (Lang::Fr, 0 | 1) => format!("{text} appel en attente"),
        (Lang::Fr, _) => format!("{text} appels en attente"),
    }
}

/// In how long the waiting calls will have left.
pub(crate) fn drained_in(span: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("drained in ~{span}"),
        Lang::Fr => format!("écoulés dans ~{span}"),
    }
}

/// When one call is let through.
pub(crate) fn trial_in(span: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("trial in {span}"),
        Lang::Fr => format!("test dans {span}"),
    }
}

/// Calls under way, of as many as may be.
pub(crate) fn of_max(in_flight: u64, max: u64, lang: Lang) -> String {
    let (in_flight, max) = (number(in_flight, lang), number(max, lang));
    match lang {
        Lang::En => format!("{in_flight} of {max}"),
        Lang::Fr => format!("{in_flight} sur {max}"),
    }
}

/// Calls of the breaker's window, and how many of them failed.
pub(crate) fn window(calls: u64, failures: u64, lang: Lang) -> String {
    let (calls, failures) = (number(calls, lang), number(failures, lang));
    match lang {
        Lang::En => format!("{calls}, {failures} failed"),
        Lang::Fr => format!("{calls}, dont {failures} en échec"),
    }
}

/// Bad ends in a row.
pub(crate) fn bad_row(count: u64, lang: Lang) -> String {
    let text = number(count, lang);
    match lang {
        Lang::En => format!("{text} bad ends in a row"),
        Lang::Fr => format!("{text} échecs de suite"),
    }
}
