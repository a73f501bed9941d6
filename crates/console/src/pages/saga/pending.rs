//! The call that a saga waits for, as a person needs it who has to settle it.

use saga_core::definition::Safety;
use saga_core::event::{Finding, Stuck};
use saga_core::saga::{Pending, Request, Saga};
use saga_core::{Direction, Timestamp};

use super::SagaSeen;
use crate::Lang;
use crate::history::{AttemptTold, last_of};
use crate::sentence::{Sentence, answer};
use crate::shown::{Span, When, number, visible_cut};
use crate::words::SagaWords;

/// Characters of a body that are shown.
const BODY_CHARS_MAX: usize = 4_000;
/// Characters of an address that are shown.
const ADDRESS_CHARS_MAX: usize = 2_000;

/// The card.
#[derive(Debug)]
pub struct PendingCard {
    /// The step's name.
    pub step: String,
    /// The number of the next attempt.
    pub next_number: u32,
    /// When it is made; `None`: not by itself.
    pub next: Option<When>,
    /// Whether it is under way.
    pub is_under_way: bool,
    /// The call, or why it cannot be made.
    pub call: Result<PendingCallShown, String>,
    /// The last answer, and when it came.
    pub last: Option<(String, When)>,
    /// How many attempts there were, and how often they are made now.
    pub attempts: String,
    /// The step's effect, as far as it is known.
    pub known: &'static str,
    /// What to do, one after the other.
    pub todo: Vec<Sentence>,
    /// Why nothing can be said of the step just now.
    pub note: Option<Sentence>,
    /// Whether its participant holds it back.
    pub is_held_back: bool,
}

/// A call, as it is made.
#[derive(Debug)]
pub struct PendingCallShown {
    /// The method.
    pub method: String,
    /// The address.
    pub url: String,
    /// The body, cut.
    pub body: Option<String>,
    /// How large the whole body is, where it is cut.
    pub body_bytes: Option<String>,
    /// The idempotency key.
    pub key: String,
}

/// The card of a saga that needs a person.
pub(super) fn pending_card(
    saga: &Saga,
    attempts: &[AttemptTold<'_>],
    seen: &SagaSeen<'_>,
    now: Timestamp,
    lang: Lang,
) -> Option<PendingCard> {
    let pending = saga.pending()?;
    let is_held_back = pending.is_under_way && seen.held_back.iter().any(|step| **step == *pending.step);
    let step = pending.blocked.step;
    let last = last_of(attempts, step, pending.direction).map(|(last, _)| last);
    let words = SagaWords::of(lang);
    let call = match &pending.request {
        Ok(request) => Ok(PendingCallShown::of(&pending, request, lang)),
        Err(error) => Err(visible_cut(&error.to_string(), ADDRESS_CHARS_MAX)),
    };
    let last = last.and_then(|last| Some((answer(&last.end, lang), When::of(last.end.at()?, now, lang))));
    Some(PendingCard {
        step: visible_cut(pending.step, 64),
        next_number: pending.attempts + 1,
        next: pending.next_at.map(|at| When::of(at.max(now), now, lang)),
        is_under_way: pending.is_under_way,
        call,
        last,
        attempts: rate(saga, &pending, words, lang),
        known: known(saga, &pending, words),
        todo: todo(saga, &pending, lang),
        note: note(&pending, is_held_back, seen, lang),
        is_held_back,
    })
}

impl PendingCallShown {
    fn of(pending: &Pending<'_>, request: &Request, lang: Lang) -> Self {
        let base = pending.participant.map(|called| called.base.to_string()).unwrap_or_default();
        let url = format!("{}{}", base.trim_end_matches('/'), request.path);
        let body = request.body.as_ref().map(saga_core::definition::Body::text);
        let is_cut = body.is_some_and(|body| body.chars().nth(BODY_CHARS_MAX).is_some());
        Self {
            method: request.method.to_string(),
            url: visible_cut(&url, ADDRESS_CHARS_MAX),
            body: body.map(|body| visible_cut(body, BODY_CHARS_MAX)),
            body_bytes: body.filter(|_| is_cut).map(|body| number(body.len() as u64, lang)),
            key: visible_cut(&request.idempotency_key(), 200),
        }
    }
}

/// `83 attempts, at most every 30 s`.
fn rate(saga: &Saga, pending: &Pending<'_>, words: &SagaWords, lang: Lang) -> String {
    let attempts = words.attempts_counted(pending.attempts as usize);
    let call = saga.definition().steps.get(pending.blocked.step).and_then(|step| step.as_call());
    match (pending.next_at, call) {
        (Some(_), Some(call)) => {
            let every = Span(call.persist.cap).text(lang);
            match lang {
                Lang::En => format!("{attempts}, at most every {every} now"),
                Lang::Fr => format!("{attempts}, au plus aux {every} maintenant"),
            }
        }
        _ if pending.is_under_way => attempts,
        _ => format!("{attempts}, {}", words.by_itself_not),
    }
}

/// A call that is under way may change what can be said of the step.
fn note(pending: &Pending<'_>, is_held_back: bool, seen: &SagaSeen<'_>, lang: Lang) -> Option<Sentence> {
    if !pending.is_under_way {
        return None;
    }
    let mut said = Sentence::default();
    if is_held_back {
        let name = pending.participant.map(|participant| participant.name.clone()).unwrap_or_default();
        let trial = seen.held.iter().find(|(held, _)| *held == name).and_then(|(_, trial)| *trial);
        let shown = visible_cut(&name, 64);
        match trial {
            Some(trial) => said.say(
                lang,
                (
                    "Calls to [0] are suspended; one is let through in {1}, to see.",
                    "Les appels à [0] sont suspendus; un appel passe dans {1}, pour voir.",
                ),
                &[&shown, &Span(trial).text(lang)],
            ),
            None => said.say(lang, ("[0] holds the call back.", "[0] retient l’appel."), &[&shown]),
        }
    }
    said.say(
        lang,
        (
            "What happened can be said once the call under way has ended.",
            "On pourra dire ce qui s’est passé quand l’appel en cours aura pris fin.",
        ),
        &[],
    );
    Some(said)
}

fn known(saga: &Saga, pending: &Pending<'_>, words: &SagaWords) -> &'static str {
    let safety = saga.definition().safety(pending.blocked.step);
    let has_run = pending.findings == [Finding::Ran, Finding::Undone] && saga.cause().is_some();
    match (pending.blocked.stuck, safety) {
        (Stuck::TaskFailed, _) => words.known_task,
        (Stuck::HorizonPassed, _) => words.known_forgotten,
        _ if saga.cause().is_none() => words.known_forward,
        (_, Safety::Barrier) if has_run => words.known_done_barrier,
        (_, Safety::Idempotent) if has_run => words.known_done_idempotent,
        (_, Safety::None) if has_run => words.known_done_none,
        (_, Safety::Barrier) => words.known_maybe_barrier,
        (_, Safety::Idempotent) => words.known_maybe_idempotent,
        (_, Safety::None) => words.known_maybe_none,
    }
}

fn todo(saga: &Saga, pending: &Pending<'_>, lang: Lang) -> Vec<Sentence> {
    let name = pending.participant.map(|participant| visible_cut(&participant.name, 64)).unwrap_or_default();
    let key = pending.request.as_ref().map(Request::idempotency_key).unwrap_or_default();
    let key = visible_cut(&key, 200);
    let mut all = Vec::new();
    let mut add = |template, values: &[&str]| {
        let mut said = Sentence::default();
        said.say(lang, template, values);
        all.push(said);
    };
    if pending.blocked.stuck == Stuck::TaskFailed {
        add(
            (
                "Read the log of the process that ran it: it says how the task failed.",
                "Lisez le journal du processus qui l’exécutait : il dit comment la tâche a échoué.",
            ),
            &[],
        );
        add(("Mended? Try now. Otherwise cancel it.", "Réparé? Essayez maintenant. Sinon, annulez."), &[]);
        return all;
    }
    let repeats = pending.next_at.is_some() || pending.is_under_way;
    if repeats {
        add(
            (
                "See why [0] answers so. Once that is mended, all goes on by itself.",
                "Voyez pourquoi [0] répond ainsi. Une fois réparé, tout continue de soi-même.",
            ),
            &[&name],
        );
        add(("In a hurry? Try now.", "Pressé? Essayez maintenant."), &[]);
        let is_undo = pending.direction == Direction::Compensation && saga.cause().is_some();
        if is_undo {
            add(
                (
                    "Cannot be mended? Undo it by hand at [0], then say so here.",
                    "Irréparable? Défaites-la à la main chez [0], puis dites-le ici.",
                ),
                &[&name],
            );
        }
        if !is_undo && !pending.findings.is_empty() {
            add(
                ("Done by hand at [0]? Then say so here.", "Faite à la main chez [0]? Dites-le ici."),
                &[&name],
            );
        }
        return all;
    }
    add(
        (
            "Look at [0] for the key {1}: did it take effect?",
            "Cherchez la clé {1} chez [0] : y a-t-il eu un effet?",
        ),
        &[&name, &key],
    );
    add(("Say here what you have found.", "Dites ici ce que vous avez trouvé."), &[]);
    all
}
