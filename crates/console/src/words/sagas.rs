//! The texts of the list of sagas, and of the search.

use super::words;
use crate::Lang;
use crate::shown::number;

words! {
    /// Of the list of sagas.
    pub(crate) struct SagasWords {
        families: "Families of states", "Familles d’états";
        all: "All", "Toutes";
        filters: "Filters", "Filtres";
        active: "Active filters", "Filtres actifs";
        any_definition: "Any definition", "Toute définition";
        waits_for: "Waits for", "Attend";
        anything: "Anything", "Peu importe";
        longer: "Longer than", "Depuis plus de";
        any_time: "Any time", "Peu importe";
        label: "Label", "Étiquette";
        value: "Value", "Valeur";
        filter: "Filter", "Filtrer";
        remove: "Remove", "Enlever";
        first: "First page", "Première page";
        next: "Next", "Suite";
        new_rows: "# new: show", "# de plus : montrer";
        none_yet: "No saga yet. Start one:", "Aucune saga pour l’instant. En commencer une :";
        no_match: "Nothing matches.", "Rien ne correspond.";
        no_more: "There are no more of them.", "Il n’y en a pas d’autres.";
        further: "Look further", "Chercher plus loin";
    }
}

impl SagasWords {
    /// The list has ended, although there may be more: so many rows were looked at.
    pub(crate) fn stopped(lang: Lang, looked_at: usize, found: usize) -> String {
        let [looked_at, found] = [looked_at, found].map(|count| number(count as u64, lang));
        match lang {
            Lang::En => format!("Stopped after looking at {looked_at} sagas; {found} of them match."),
            Lang::Fr => format!("Arrêté après {looked_at} sagas examinées; {found} correspondent."),
        }
    }
}

words! {
    /// Of the search.
    pub(crate) struct SearchWords {
        title: "Search", "Recherche";
        not_found: "Nothing found", "Rien trouvé";
        found: "Sagas", "Sagas";
        names: "Filters of that name", "Filtres de ce nom";
        no_id: "There is no saga with this id.", "Aucune saga ne porte ce numéro.";
        only_end: "A saga is found by its whole id: its end alone is not enough.", "Une saga se trouve par son numéro entier : la fin seule ne suffit pas.";
        no_value: "A label needs its value: NAME=VALUE.", "Une étiquette demande sa valeur : NOM=VALEUR.";
        looked_in: "Looked for it as a name of a definition, step, participant or state, and as a value of the labels", "Cherché comme nom de définition, d’étape, de participant ou d’état, et comme valeur des étiquettes";
        no_labels: "Looked for it as a name of a definition, step, participant or state; the loaded definitions have no labels", "Cherché comme nom de définition, d’étape, de participant ou d’état; les définitions chargées n’ont pas d’étiquettes";
        all_sagas: "All sagas", "Toutes les sagas";
        newest: "newest first", "les plus récentes d’abord";
    }
}
