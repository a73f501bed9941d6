//! The texts of the sign-in.

use super::words;

words! {
    /// Of the page that asks for a key.
    pub(crate) struct SignInWords {
        key: "Key", "Clé";
        help: "It begins with ork_; `orchestrateur keys add` makes one. It is not kept in this browser: a session is, which ends after 12 hours without use, and with the key.", "Elle commence par ork_; « orchestrateur keys add » en fait une. Ce navigateur ne la garde pas : il garde une session, qui finit après 12 heures sans usage, et avec la clé.";
        signed_in_as: "You are signed in as", "Vous êtes connecté en tant que";
        everywhere: "Sign out of all browsers", "Se déconnecter de tous les navigateurs";
        go_on: "Go on", "Continuer";
        bad_key: "This key is not known here, or has ended. Nothing was done.", "Cette clé n’est pas connue ici, ou elle est échue. Rien n’a été fait.";
        token: "This is a token of an identity provider, which signs nobody in to the console. Use a key.", "Ceci est un jeton d’un fournisseur d’identité, qui ne connecte personne à la console. Utilisez une clé.";
        too_many: "There were too many tries in the last minute, and this one was not looked at. Try again in a minute.", "Il y a eu trop d’essais dans la dernière minute, et celui-ci n’a pas été examiné. Réessayez dans une minute.";
        no_keys: "A key is needed to sign in, and this server has no file of keys. Start it with --api-keys-file.", "Il faut une clé pour se connecter, et ce serveur n’a pas de fichier de clés. Démarrez-le avec --api-keys-file.";
        unavailable: "The journal is away, so the session cannot be kept. Try again later.", "Le journal est absent, et la session ne peut pas être gardée. Réessayez plus tard.";
    }
}
