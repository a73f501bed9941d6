//! The texts of a saga's page.

use saga_core::event::Finding;
use saga_core::{Direction, Outcome};

use super::words;

words! {
    /// Of one saga's page.
    pub(crate) struct SagaWords {
        saga: "Saga", "Saga";
        started: "started", "commencée";
        started_by: "started by", "commencée par";
        trace: "trace", "trace";
        took: "took", "durée";
        person_since: "needs a person for", "à régler depuis";
        definition: "definition", "définition";
        undoing: "being undone", "retour en arrière";
        undoing_stuck: "undoing is stuck", "retour en arrière bloqué";
        raw: "raw", "brut";
        raw_title: "Raw history", "Histoire brute";
        raw_hint: "Each event as it is kept, in its order. Secrets of callbacks are left out.", "Chaque événement tel qu’il est gardé, dans l’ordre. Les secrets des rappels n’y sont pas.";
        event: "Event", "Événement";
        next_page: "Next", "Suite";
        newest: "Newest", "Plus récents";
        older: "Older", "Plus anciens";
        history_unread: "The history cannot be read:", "L’histoire ne peut pas être lue :";

        pending: "Pending call", "Appel en attente";
        waits_for: "What it waits for", "Ce qu’elle attend";
        body: "Body", "Corps";
        key: "Key", "Clé";
        last_answer: "Last answer", "Dernière réponse";
        attempts: "Attempts", "Essais";
        known: "What is known", "Ce qu’on sait";
        what_to_do: "What to do", "Que faire";
        attempt: "attempt", "essai";
        attempts_many: "attempts", "essais";
        by_itself_not: "not by itself", "pas de soi-même";
        under_way: "under way", "en cours";
        no_call: "The call cannot be made:", "L’appel ne peut pas être fait :";
        cut_note: "cut; the whole has", "coupé; le tout a";
        bytes: "bytes", "octets";
        at: "at", "à";

        known_done_barrier: "It ran. Undoing it twice does no harm (barrier).", "Elle a eu lieu. La défaire deux fois est sans danger (barrier).";
        known_done_idempotent: "It ran. Undoing it again with the same key does no harm (idempotent).", "Elle a eu lieu. La défaire de nouveau avec la même clé est sans danger (idempotent).";
        known_done_none: "It ran. Whether the undo ran is not known, and a second one may do harm.", "Elle a eu lieu. On ignore si la défaire a eu lieu, et recommencer pourrait nuire.";
        known_maybe_barrier: "Unknown whether it ran. Undoing what did not run does no harm (barrier).", "On ignore si elle a eu lieu. Défaire ce qui n’a pas eu lieu est sans danger (barrier).";
        known_maybe_idempotent: "Unknown whether it ran. Calling again with the same key does no harm (idempotent).", "On ignore si elle a eu lieu. Rappeler avec la même clé est sans danger (idempotent).";
        known_maybe_none: "Unknown whether it ran, and calling again may double it: its participant promises nothing.", "On ignore si elle a eu lieu, et rappeler pourrait la doubler : son participant ne promet rien.";
        known_forgotten: "The participant may have forgotten: its promise has expired.", "Le participant a peut-être oublié : sa promesse est échue.";
        known_forward: "There is no way back: it is done, or called again.", "On ne peut plus revenir en arrière : elle a lieu, ou on rappelle.";
        known_task: "The step before it is in the history; what it was doing may have been done.", "Ce qui précède est dans l’histoire; ce qu’elle faisait a pu avoir lieu.";

        act: "Act", "Agir";
        actions: "Possible actions", "Actions possibles";
        resume: "Try now", "Essayer maintenant";
        resolve: "Say what happened…", "Dire ce qui s’est passé…";
        resolve_do: "Say what happened", "Dire ce qui s’est passé";
        cancel: "Cancel…", "Annuler…";
        cancel_do: "Cancel this saga", "Annuler cette saga";
        signal_tab: "Send a signal…", "Envoyer un signal…";
        signal_do: "Send the signal", "Envoyer le signal";
        preview: "Show what follows", "Voir ce qui suivra";
        follows: "What follows:", "Ce qui suivra :";
        follows_if: "Then:", "Alors :";
        at_once: "at once", "tout de suite";
        if_ok: "if it succeeds", "si réussi";
        then: "then", "ensuite";
        otherwise: "otherwise", "sinon";
        nothing_left: "nothing is left to undo; the saga is over", "il ne reste rien à défaire; la saga est terminée";
        completes: "the saga completes", "la saga se termine";
        goes_on: "what comes after depends on the answers", "la suite dépend des réponses";
        read_again: "the saga is read again, and goes on if it can be", "la saga est relue, et continue si c’est possible";
        body_decides: "the step takes the signal; what follows depends on its body", "l’étape prend le signal; la suite dépend de son corps";
        unknown_output: "needs an output that is not known yet", "il manque une sortie qu’on ne connaît pas encore";
        retried: "it is tried again, at most every", "on essaie encore, au plus aux";
        given_up: "after so many attempts in all, what was done is undone:", "après tant d’essais en tout, ce qui était fait est défait :";
        your_name: "Your name", "Votre nom";
        reason_optional: "Reason (optional)", "Raison (facultative)";
        reason_due: "How do you know?", "Comment le savez-vous?";
        step: "Step", "Étape";
        finding: "What happened?", "Que s’est-il passé?";
        it_ran: "It ran", "Elle a eu lieu";
        not_run: "It did not run", "Elle n’a pas eu lieu";
        undone_by_hand: "Undone by hand", "Défaite à la main";
        output_due: "What its answer would have given (JSON)", "Ce que sa réponse aurait donné (JSON)";
        signal: "signal", "signal";
        signal_name: "Signal", "Signal";
        signal_body: "Content (JSON)", "Contenu (JSON)";

        steps: "Steps", "Étapes";
        steps_hint: "a step is undone after those that waited for it", "une étape est défaite après celles qui l’attendaient";
        graph_alt: "Graph of the steps, from left to right", "Graphe des étapes, de gauche à droite";
        graph_region: "Graph, to be scrolled", "Graphe, à faire défiler";

        s_not_reached: "Not reached", "Pas atteinte";
        s_skipped: "Skipped", "Sautée";
        s_signal: "Waits for a signal", "Attend un signal";
        s_time: "Waits for a time", "Attend une heure";
        s_doing: "Being done", "En cours";
        s_retry: "To be tried again", "À réessayer";
        s_held: "Held back", "Retenue";
        s_accepted: "Accepted, not done yet", "Acceptée, pas encore faite";
        s_done: "Done", "Faite";
        s_done_kept: "Done · nothing to undo", "Faite · rien à défaire";
        s_passed_over: "Failed, passed over", "Échec, on continue";
        s_not_done: "Failed · nothing to undo", "Échec · rien à défaire";
        s_not_done_plain: "Not done", "Pas faite";
        s_unsure: "Unknown whether it ran", "A-t-elle eu lieu?";
        s_to_undo: "Done · to be undone", "Faite · à défaire ensuite";
        s_undoing: "Being undone", "En train d’être défaite";
        s_undoing_stuck: "Done · undoing is stuck", "Faite · défaire bloqué";
        s_stuck: "Stuck", "Bloquée";
        s_undone: "Undone", "Défaite";

        timeline: "Timeline", "Chronologie";
        timeline_alt: "Timeline; the table of attempts below says the same", "Chronologie; le tableau des essais, plus bas, dit la même chose";
        timeline_region: "Timeline, to be scrolled", "Chronologie, à faire défiler";
        waits_folded: "quiet spans folded", "attentes repliées";
        to_scale: "all to scale", "tout à l’échelle";
        fold_again: "fold quiet spans", "replier les attentes";
        left_out: "earlier attempts are in the table alone", "essais plus anciens sont dans le tableau seulement";
        run_by: "run by", "exécutée par";
        process: "process", "processus";
        folded: "folded", "repliées";
        now: "now", "maintenant";
        next_in: "next attempt, in", "prochain essai, dans";
        decision: "decision to undo", "décision de défaire";
        between: "wait between two attempts", "attente entre deux essais";
        waits_signal: "waits for a signal", "attend un signal";
        waits_time: "waits for a time", "attend une heure";
        waits_turn: "waits for another step to be undone", "attend qu’une autre étape soit défaite";
        needs_person: "needs a person", "à régler";
        held_back: "held back by its participant", "retenu par son participant";
        lost: "abandoned", "abandonné";
        l_ok: "succeeded", "réussi";
        l_accepted: "accepted", "accepté";
        l_undone: "undone", "défait";
        l_refused: "refused", "refusé";
        l_unsure: "no certain answer", "sans réponse sûre";
        l_failing: "undoing failed", "défaire a échoué";

        attempts_title: "Attempts and people", "Essais et interventions";
        attempts_region: "Attempts, to be scrolled", "Essais, à faire défiler";
        newest_first: "newest first", "plus récent d’abord";
        failed_only: "failed ones only", "ratés seulement";
        all_rows: "all", "tout";
        fold: "fold those alike", "replier les semblables";
        time: "Time", "Heure";
        direction: "Direction", "Sens";
        number: "Attempt", "Essai";
        result: "Result", "Résultat";
        lasted: "Duration", "Durée";
        answer: "Answer", "Réponse";
        alike: "alike attempts", "essais semblables";
        new_rows: "# new", "# de plus";
        none_yet: "No attempt yet.", "Aucun essai encore.";
        none_failed: "No attempt has failed.", "Aucun essai n’a échoué.";
        d_do: "do", "faire";
        d_undo: "undo", "défaire";
        d_ask: "ask", "demander";
        d_poll: "ask again", "redemander";
        o_ok: "succeeded", "réussi";
        o_refused: "refused", "refusé";
        o_unknown: "unknown", "inconnu";
        o_accepted: "accepted", "accepté";
        o_not_sent: "not sent", "pas parti";
        o_no_effect: "no effect", "sans effet";
        o_not_there: "not there", "pas là";

        payload: "Input and output", "Entrée et sortie";
        input: "Input", "Entrée";
        output: "Output", "Sortie";
        no_output: "none: it has not completed", "aucune : elle ne s’est pas terminée";
    }
}

impl SagaWords {
    pub(crate) fn direction(&self, direction: Direction) -> &'static str {
        match direction {
            Direction::Action => self.d_do,
            Direction::Compensation => self.d_undo,
            Direction::Probe => self.d_ask,
            Direction::Poll => self.d_poll,
        }
    }

    /// What an outcome of a call in this direction means. `answered`: whether there was an answer.
    pub(crate) fn outcome(&self, direction: Direction, outcome: Outcome, answered: bool) -> &'static str {
        match (outcome, direction) {
            (Outcome::Ok, _) => self.o_ok,
            (Outcome::Accepted, _) => self.o_accepted,
            // The participant has turned it away.
            (Outcome::NotSent, _) if answered => self.o_no_effect,
            (Outcome::NotSent, _) => self.o_not_sent,
            (Outcome::Refused, Direction::Probe) => self.o_not_there,
            (_, Direction::Compensation) => self.o_no_effect,
            (Outcome::Refused, _) => self.o_refused,
            (Outcome::Unknown, _) => self.o_unknown,
        }
    }

    pub(crate) fn finding(&self, finding: Finding) -> &'static str {
        match finding {
            Finding::Ran => self.it_ran,
            Finding::NotRun => self.not_run,
            Finding::Undone => self.undone_by_hand,
        }
    }

    /// `1 attempt`, `72 attempts`.
    pub(crate) fn attempts_counted(&self, count: usize) -> String {
        format!("{count} {}", if count == 1 { self.attempt } else { self.attempts_many })
    }
}
