//! The texts about definitions.

use super::{Lang, words};
use crate::shown::number;

words! {
    /// Of definitions.
    pub(crate) struct DefinitionsWords {
        none: "No definition is loaded: start the server with --definitions.", "Aucune définition chargée : lancer le serveur avec --definitions.";
        name: "Definition", "Définition";
        version: "Version", "Version";
        steps: "Steps", "Étapes";
        participants: "Participants", "Participants";
        participant: "Participant", "Participant";
        started: "Started, 1 h", "Commencées, 1 h";
        done: "Done", "Terminées";
        failed: "Failed", "Échouées";
        under_way: "Under way", "En cours";
        older: "Older versions that still run", "Anciennes versions encore en cours";
        oldest: "Oldest started", "La plus ancienne commencée";
        served: "New sagas run this", "Les nouvelles sagas l’exécutent";
        former: "Older version", "Ancienne version";
        gone: "No longer loaded", "N’est plus chargée";
        versions: "Versions", "Versions";
        last_hour: "Last hour, all versions", "Dernière heure, toutes versions";
        time_taken: "Time to done", "Durée jusqu’à la fin";
        deadline: "Deadline", "Délai";
        input: "Input", "Entrée";
        labels: "Labels", "Étiquettes";
        states: "States", "États";
        state_words: "started, completed, cancelled", "commencée, terminée, annulée";
        step: "Step", "Étape";
        after: "After", "Après";
        does: "Do", "Faire";
        undoes: "Undo", "Défaire";
        promise: "Promise", "Promesse";
        attempts: "Attempts", "Essais";
        outcomes: "State then", "État ensuite";
        none_after: "the start", "le début";
        graph: "Graph of the steps", "Graphe des étapes";
        conditional: "on a condition", "sous condition";
        can_be_undone: "can be undone", "peut être défaite";
        read_only: "a read", "une lecture";
        pivot: "no way back", "sans retour";
        optional: "optional", "facultative";
        only_if: "only if", "seulement si";
        undo_only_if: "undone only if", "défaite seulement si";
        read: "a read: nothing to undo", "une lecture : rien à défaire";
        waits: "nothing to undo", "rien à défaire";
        never: "never undone", "jamais défaite";
        probe: "asked whether it ran", "vérification";
        poll: "then polled", "puis suivi";
        pause: "pause", "pause";
        computed: "until a computed time", "jusqu’à une heure calculée";
        signal: "waits for the signal", "attend le signal";
        or_signal: "or the signal", "ou le signal";
        within: "within", "d’ici";
        address: "Address", "Adresse";
        proof: "Proof", "Preuve";
        signed: "signed", "signés";
        calls_max: "Calls at once", "Appels simultanés";
        timeout: "Timeout", "Délai d’attente";
        horizon: "Keeps it for", "La tient pendant";
        source: "Source", "Source";
        unreadable: "This process cannot read it", "Ce processus ne peut pas la lire";
        hidden_path: "(path not shown)", "(chemin non montré)";
        its_sagas: "Its sagas", "Ses sagas";
    }
}

/// At most so many attempts, with waits between them.
pub(crate) fn attempts(attempts: u32, base: &str, cap: &str, lang: Lang) -> String {
    match (lang, attempts) {
        (_, 1) => "1".to_owned(),
        (Lang::En, _) => format!("{attempts}, waits of {base} to {cap}"),
        (Lang::Fr, _) => format!("{attempts}, attentes de {base} à {cap}"),
    }
}

/// How many older versions have sagas that are not over.
pub(crate) fn older_versions(count: usize, lang: Lang) -> String {
    let text = number(count as u64, lang);
    match (lang, count) {
        (Lang::En, 1) => "1 older version".to_owned(),
        (Lang::En, _) => format!("{text} older versions"),
        (Lang::Fr, 1) => "1 ancienne version".to_owned(),
        (Lang::Fr, _) => format!("{text} anciennes versions"),
    }
}
