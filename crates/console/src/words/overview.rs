//! The texts of the overview.

use super::{Lang, words};
use crate::shown::number;

words! {
    /// Of the overview.
    pub(crate) struct OverviewWords {
        nobody: "Nobody is needed", "Personne n’est requis";
        unknown: "Not known now", "Inconnu pour l’instant";
        oldest: "oldest", "la plus ancienne depuis";
        at_stake: "at stake", "en jeu";
        to_inbox: "Open the inbox", "Ouvrir À régler";
        last_hour: "Last hour", "Dernière heure";
        started: "Started", "Commencées";
        done: "Done", "Terminées";
        failed: "Failed", "Échouées";
        failed_why: "Failed, by reason", "Échouées, par raison";
        at_step: "at step", "à l’étape";
        cancelled: "cancelled", "annulées";
        deadline: "past their deadline", "hors délai";
        step_unknown: "step not known", "étape inconnue";
        other_steps: "at other steps", "à d’autres étapes";
        none_failed: "None failed.", "Aucune n’a échoué.";
        time_taken: "Time to done", "Durée jusqu’à la fin";
        per_minute: "Started each minute", "Commencées à chaque minute";
        most_at: "the most at", "le plus à";
        until_now: "now", "maintenant";
        from: "From", "À partir de";
        by_definition: "By definition", "Par définition";
        definition: "Definition", "Définition";
        under_way: "Under way", "En cours";
        no_saga: "No saga in this hour. To start one:", "Aucune saga dans l’heure. Pour en lancer une :";
        waits: "Waiting by themselves", "Attendent d’elles-mêmes";
        waits_none: "No saga waits.", "Aucune saga n’attend.";
        waits_for: "Waits for", "Attend";
        step: "Step", "Étape";
        count: "Sagas", "Sagas";
        first: "First goes on", "La première reprend";
        for_retry: "Next attempt", "Prochain essai";
        for_signal: "Signal", "Signal";
        for_time: "Time", "Heure prévue";
        for_participant: "Participant", "Participant";
        for_call: "Answer", "Réponse";
        for_person: "Person", "Personne";
        forward: "going forward", "vont de l’avant";
        rolling_back: "being undone", "en train d’être défaites";
        asleep: "asleep until their time", "endormies jusqu’à leur heure";
        replicas: "Replicas", "Répliques";
        replica: "Replica", "Réplique";
        this_one: "this one", "celle-ci";
        lease: "Lease", "Bail";
        active: "Active sagas", "Sagas actives";
        lease_open: "held while it runs", "tenu tant qu’elle tourne";
        commit: "Commits of this process, p99", "Écritures de ce processus, p99";
        stale: "The journal does not answer", "Le journal ne répond pas";
        figures_of: "Figures of", "Chiffres de";
    }
}

/// How many sagas need a person.
pub(crate) fn need(count: u64, more: bool, lang: Lang) -> String {
    let text = number(count, lang);
    match (lang, count, more) {
        (Lang::En, 1, false) => "1 saga needs a person".to_owned(),
        (Lang::En, _, false) => format!("{text} sagas need a person"),
        (Lang::En, _, true) => format!("More than {text} sagas need a person"),
        (Lang::Fr, 0 | 1, false) => format!("{text} saga à régler"),
        (Lang::Fr, _, false) => format!("{text} sagas à régler"),
        (Lang::Fr, _, true) => format!("Plus de {text} sagas à régler"),
    }
}

/// For how many causes.
pub(crate) fn causes(count: u64, more: bool, lang: Lang) -> String {
    let text = number(count, lang);
    match (lang, count, more) {
        (_, 1, false) => "1 cause".to_owned(),
        (Lang::En, _, true) => format!("more than {text} causes"),
        (Lang::Fr, _, true) => format!("plus de {text} causes"),
        (_, _, false) => format!("{text} causes"),
    }
}

/// A description of the bars, for those who do not see them.
pub(crate) fn bars(most: u64, now: u64, lang: Lang) -> String {
    let (most, now) = (number(most, lang), number(now, lang));
    match lang {
        Lang::En => format!("at most {most} a minute, {now} in the current one so far"),
        Lang::Fr => format!("au plus {most} par minute, {now} dans celle en cours"),
    }
}

/// That only the oldest sagas were looked at.
pub(crate) fn of_oldest(read: u64, lang: Lang) -> String {
    let read = number(read, lang);
    match lang {
        Lang::En => format!("Of the {read} oldest that are not over."),
        Lang::Fr => format!("Parmi les {read} plus anciennes qui ne sont pas finies."),
    }
}

/// More lines than are shown.
pub(crate) fn and_more(count: usize, lang: Lang) -> String {
    let text = number(count as u64, lang);
    match lang {
        Lang::En => format!("and {text} more"),
        Lang::Fr => format!("et {text} de plus"),
    }
}

/// How many participants there are, all of which are well.
pub(crate) fn all_well(count: usize, lang: Lang) -> String {
    let text = number(count as u64, lang);
    match (lang, count) {
        (Lang::En, 1) => "The one participant is well".to_owned(),
        (Lang::En, _) => format!("All {text} participants are well"),
        (Lang::Fr, 1) => "Le seul participant va bien".to_owned(),
        (Lang::Fr, _) => format!("Les {text} participants vont bien"),
    }
}

/// How a lease stands that is not renewed.
pub(crate) fn lease_for(span: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("for another {span}"),
        Lang::Fr => format!("encore {span}"),
    }
}

/// How a lease stands that has run out.
pub(crate) fn lease_ran_out(span: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("ran out {span} ago"),
        Lang::Fr => format!("échu depuis {span}"),
    }
}

/// How long a replica has been gone whose sagas are to be taken over.
pub(crate) fn gone(span: &str, lang: Lang) -> String {
    match lang {
        Lang::En => format!("gone {span} ago; takeover due"),
        Lang::Fr => format!("partie il y a {span}; relève à venir"),
    }
}
