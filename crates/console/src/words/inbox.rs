//! The texts of the inbox.

use saga_core::event::{Finding, Stuck};

use super::words;
use crate::Lang;
use crate::shown::number;

words! {
    /// Of the inbox.
    pub(crate) struct InboxWords {
        causes: "Causes", "Causes";
        no_step: "no step: the saga as a whole", "aucune étape : toute la saga";
        other_reasons: "other reasons", "autres raisons";
        at_stake: "at stake", "en jeu";
        oldest: "oldest", "la plus ancienne";
        newest: "newest", "la plus récente";
        recent: "last 5 min", "5 dernières min";
        each_minute: "new each minute, last 45 min", "nouvelles par minute, 45 dernières min";
        definition: "Definition", "Définition";
        any_definition: "All definitions", "Toutes les définitions";
        order: "Order", "Ordre";
        by_oldest: "Oldest first", "La plus ancienne d’abord";
        by_money: "Most money first", "Le plus d’argent d’abord";
        by_sagas: "Most sagas first", "Le plus de sagas d’abord";
        show: "Show", "Montrer";
        counts_of_all: "The figures are of all definitions.", "Les chiffres valent pour toutes les définitions.";
        more_causes: "There are more causes than these.", "Il y a d’autres causes que celles-ci.";
        why_together: "Why together?", "Pourquoi ensemble?";
        why_text: "These sagas wait at the same step of the same participant, for the same kind of obstacle, and their reasons differ in numbers, times, ids and addresses at most.", "Ces sagas attendent à la même étape du même participant, devant le même genre d’obstacle, et leurs raisons ne diffèrent que par des nombres, heures, numéros et adresses.";
        others_text: "This step has more reasons than are shown one by one. These are the rest of them.", "Cette étape a plus de raisons qu’on n’en montre une à une. Voici les autres.";
        before_text: "These sagas were blocked by an earlier release, which gave no keys. The next event of each gives it one.", "Ces sagas ont été bloquées par une version antérieure, qui ne donnait pas de clé. Leur prochain événement leur en donnera une.";
        key: "Key", "Clé";
        participant: "Participant", "Participant";
        step: "Step", "Étape";
        reason: "Reason", "Raison";
        obstacle: "Obstacle", "Obstacle";
        follows: "What follows, as for the oldest one", "Ce qui suivra, d’après la plus ancienne";
        now: "now", "maintenant";
        then: "if it succeeds", "si elle réussit";
        otherwise: "otherwise", "sinon";
        one_call: "one call for each saga", "un appel par saga";
        read_again: "each is read again, and goes on where it stands", "chacune est relue, et reprend où elle en est";
        nothing_left: "then nothing is left to undo", "puis il ne reste rien à défaire";
        stands: "then the saga is over", "puis la saga est terminée";
        goes_on: "then the saga goes on", "puis la saga continue";
        waits: "then the saga waits", "puis la saga attend";
        tried_again: "it is tried again by itself, as now", "elle est réessayée d’elle-même, comme maintenant";
        stays: "it waits for a person, as now", "elle attend une personne, comme maintenant";
        no_try: "Trying does nothing here; say what happened.", "Essayer ne fait rien ici; dire ce qui s’est passé.";
        reason_optional: "Reason (optional)", "Raison (facultative)";
        reason_due: "How you know (due)", "Comment vous le savez (obligatoire)";
        by: "Your name", "Votre nom";
        try_one: "Try one first", "En essayer une";
        try_ticked: "Try the ticked ones", "Essayer les cochées";
        try_ticked_many: "Try the # ticked", "Essayer les # cochées";
        note: "Recorded saga by saga. Calls that have not left can be taken back.", "Consigné saga par saga. Les appels qui ne sont pas partis peuvent être retirés.";
        say_title: "Say what happened", "Dire ce qui s’est passé";
        say_note: "Only for rows ticked one by one, 50 at most.", "Seulement pour les rangées cochées une à une, 50 au plus.";
        ran: "It ran", "Elle a eu lieu";
        not_run: "It did not run", "Elle n’a pas eu lieu";
        undone: "Undone by hand", "Défaite à la main";
        say: "Say it of the ticked ones", "Le dire des cochées";
        sagas: "Sagas", "Sagas";
        saga: "Saga", "Saga";
        amount: "Amount", "Montant";
        waits_person: "Waits for a person", "Attend une personne";
        label: "Label", "Étiquette";
        next_attempt: "Next attempt", "Prochain essai";
        answer: "Last answer", "Dernière réponse";
        select_page: "Select all on this page", "Tout choisir sur cette page";
        select: "Select", "Choisir";
        new_rows: "# new: show", "# de plus : montrer";
        next: "Next", "Suite";
        first: "First page", "Première page";
        nobody: "Nobody is needed.", "Il n’y a rien à régler.";
        none_here: "None of these sagas waits any more.", "Plus aucune de ces sagas n’attend.";
        all_actions: "All actions", "Toutes les actions";
        suspended: "is suspended", "est suspendu";
        trial: "one call goes through", "un appel passera";
        typed: "Nothing was done.", "Rien n’a été fait.";
        why_not: "Why not", "Pourquoi";
        said: "Taken and recorded", "Pris et consigné";
    }
}

impl InboxWords {
    /// The words of an obstacle, as a title.
    pub(crate) fn title(stuck: Option<Stuck>, lang: Lang) -> &'static str {
        match (stuck, lang) {
            (Some(Stuck::ActionFailing), Lang::En) => "Doing keeps failing",
            (Some(Stuck::ActionFailing), Lang::Fr) => "Faire échoue encore",
            (Some(Stuck::ActionUnknown), Lang::En) => "Unknown whether it ran",
            (Some(Stuck::ActionUnknown), Lang::Fr) => "On ignore si elle a eu lieu",
            (Some(Stuck::CompensationUnknown), Lang::En) => "Unknown whether it was undone",
            (Some(Stuck::CompensationUnknown), Lang::Fr) => "On ignore si elle a été défaite",
            (Some(Stuck::CompensationFailing), Lang::En) => "Undoing keeps failing",
            (Some(Stuck::CompensationFailing), Lang::Fr) => "Défaire échoue encore",
            (Some(Stuck::ActionUnsettled), Lang::En) => "Still unknown whether it ran",
            (Some(Stuck::ActionUnsettled), Lang::Fr) => "On ignore encore si elle a eu lieu",
            (Some(Stuck::HorizonPassed), Lang::En) => "Promise expired",
            (Some(Stuck::HorizonPassed), Lang::Fr) => "Promesse échue",
            (Some(Stuck::NothingToUndo), Lang::En) => "Nothing to undo, though it ran",
            (Some(Stuck::NothingToUndo), Lang::Fr) => "Rien à défaire, alors qu’elle a eu lieu",
            (Some(Stuck::TaskFailed), Lang::En) => "The saga’s task fails",
            (Some(Stuck::TaskFailed), Lang::Fr) => "La tâche de la saga échoue",
            (None, Lang::En) => "History cannot be read",
            (None, Lang::Fr) => "Historique illisible",
        }
    }

    /// The title of the sagas that an earlier release has blocked.
    pub(crate) fn before_keys(lang: Lang) -> &'static str {
        match lang {
            Lang::En => "Blocked before the upgrade",
            Lang::Fr => "Bloquées avant la mise à niveau",
        }
    }

    /// `Try these 412 now`; of more than an action can have, the oldest.
    pub(crate) fn try_group(lang: Lang, count: u64, max: u64) -> String {
        let shown = number(count.min(max), lang);
        match (lang, count > max) {
            (Lang::En, false) => format!("Try these {shown} now"),
            (Lang::En, true) => format!("Try the oldest {shown} now"),
            (Lang::Fr, false) => format!("Essayer ces {shown} maintenant"),
            (Lang::Fr, true) => format!("Essayer les {shown} plus anciennes"),
        }
    }

    /// `412 need a person`.
    pub(crate) fn need(lang: Lang, count: u64, more: bool) -> String {
        let count = count_text(lang, count, more);
        match (lang, count.as_str()) {
            (Lang::En, "1") => "1 saga needs a person".to_owned(),
            (Lang::En, _) => format!("{count} sagas need a person"),
            (Lang::Fr, "1") => "1 saga à régler".to_owned(),
            (Lang::Fr, _) => format!("{count} sagas à régler"),
        }
    }

    /// `at most 16 sagas at a time in each process`.
    pub(crate) fn at_a_time(lang: Lang, count: usize) -> String {
        match lang {
            Lang::En => format!("at most {count} sagas at a time in each process"),
            Lang::Fr => format!("au plus {count} sagas à la fois dans chaque processus"),
        }
    }

    /// The bars in words.
    pub(crate) fn bars(lang: Lang, most: u64, at: &str, last: u64) -> String {
        match lang {
            Lang::En => format!("At most {most} a minute, at {at}; {last} in the last one"),
            Lang::Fr => format!("Au plus {most} par minute, à {at}; {last} dans la dernière"),
        }
    }

    /// The words of a finding.
    pub(crate) fn finding(&self, finding: Finding) -> &'static str {
        match finding {
            Finding::Ran => self.ran,
            Finding::NotRun => self.not_run,
            Finding::Undone => self.undone,
        }
    }
}

/// A count; one that was not counted to its end has a `+`.
pub(crate) fn count_text(lang: Lang, count: u64, more: bool) -> String {
    let plus = if more { "+" } else { "" };
    format!("{}{plus}", number(count, lang))
}
