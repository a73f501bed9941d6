//! The texts that every page has.

use super::words;

words! {
    /// Of the frame, and of parts that several pages share.
    pub(crate) struct FrameWords {
        skip: "Skip to content", "Aller au contenu";
        pages: "Pages", "Pages";
        overview: "Overview", "Aperçu";
        sagas: "Sagas", "Sagas";
        inbox: "Inbox", "À régler";
        definitions: "Definitions", "Définitions";
        participants: "Participants", "Participants";
        search: "Search", "Rechercher";
        search_hint: "Id, client_id=…, step…  ( / )", "Numéro, client_id=…, étape…  ( / )";
        live: "Live", "En direct";
        still: "Figures of #", "Chiffres de #";
        other_language: "Français", "English";
        theme: "Theme", "Thème";
        theme_auto: "Auto", "Auto";
        theme_light: "Light", "Clair";
        theme_dark: "Dark", "Sombre";
        sign_in: "Sign in", "Se connecter";
        sign_out: "Sign out", "Se déconnecter";
        keys: "Keys", "Touches";
        keys_on: "Use these keys", "Utiliser ces touches";
        key_search: "search", "rechercher";
        key_go: "then o, s, i, d or p: a page", "puis o, s, i, d ou p : une page";
        key_move: "next and previous row", "rangée suivante, précédente";
        key_open: "open the row", "ouvrir la rangée";
        key_tick: "tick the row", "cocher la rangée";
        key_next: "next page", "page suivante";
        key_copy: "copy the id", "copier le numéro";
        key_try: "go to Try now; to Try one first", "aller à Essayer maintenant; à En essayer une";
        key_help: "these keys", "ces touches";
        close: "Close", "Fermer";
        times: "Times are UTC", "Heures en UTC";
        copy: "copy", "copier";
        copied: "copied", "copié";
        copy_long: "Copy", "Copier";
        running: "Running", "En cours";
        waiting: "Waiting", "En attente";
        done: "Done", "Terminée";
        failed: "Failed", "Échouée";
        undone: "Failed, undone", "Échouée, défaite";
        cancelled: "Cancelled", "Annulée";
        person: "Needs a person", "À régler";
        back: "Back", "Retour";
        reload: "Reload", "Recharger";
    }
}
