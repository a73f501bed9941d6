//! The values of the inbox.

use std::sync::Arc;
use std::time::Duration;

use saga_console::pages::{
    ActionLine, CauseFacts, CauseObstacle, CauseOrder, InboxPage, InboxView, MINUTES_SHOWN, MinuteBars,
    OpenCause, SuspendedParticipant, TypicalTry,
};
use saga_console::{PageFrame, PageName};
use saga_core::{CauseGroup, CauseKind, CommandKind, Saga};
use saga_engine::BULK_ITEMS_AT_ONCE;
use saga_engine::breaker::BreakerKind;
use saga_journal::{BULK_ITEMS_MAX, CauseCursor, CauseFigures, CauseMembers, Cursor, KeptRow};

use super::super::actions;
use super::super::sagas::known_names;
use super::super::visit::Visit;
use super::Beside;
use crate::api::problem::Problem;
use crate::api::{Api, page};

/// Causes that the page shows.
const INBOX_CAUSES_MAX: usize = 60;
/// Sagas of the open cause on a page.
pub(super) const INBOX_MEMBERS_MAX: usize = 50;
/// A saga that came within this time is counted as a recent one.
const RECENT: Duration = Duration::from_secs(5 * 60);

/// The page of a view.
pub(super) async fn page(
    api: &Api,
    visit: &Visit,
    view: InboxView,
    beside: Beside,
) -> Result<InboxPage, Problem> {
    let journal = api.engine.journal();
    let found = journal.causes(visit.now.minus(RECENT), INBOX_CAUSES_MAX).await?;
    let mut causes = Vec::with_capacity(found.figures.len());
    for figures in &found.figures {
        if is_of(api, figures, view.definition.as_deref()).await? {
            let sample = journal.row(figures.sample).await?;
            causes.push(facts(figures, sample.as_ref()));
        }
    }
    sort(&mut causes, view.order);
    let chosen = match &view.group {
        Some(key) => Some(
            causes.iter().find(|facts| facts.key == *key).cloned().unwrap_or_else(|| none_of(key, visit)),
        ),
        None => causes.first().cloned(),
    };
    let open = match chosen {
        Some(facts) => Some(open(api, visit, &view, facts).await?),
        None => None,
    };
    // The navigation says the same as the page.
    let exact =
        (!found.more && view.definition.is_none()).then(|| causes.iter().map(|cause| cause.count).sum());
    let frame = visit.frame(PageName::Inbox);
    Ok(InboxPage {
        frame: PageFrame { person: exact.or(frame.person), ..frame },
        action: shown_action(api, visit, &beside).await?,
        definitions: known_names(api).definitions,
        more_causes: found.more,
        answer: beside.answer,
        typed: beside.typed,
        view,
        causes,
        open,
    })
}

/// Whether a cause has sagas of a definition.
async fn is_of(api: &Api, figures: &CauseFigures, definition: Option<&str>) -> Result<bool, Problem> {
    let Some(definition) = definition else { return Ok(true) };
    let of = CauseMembers { cause: figures.cause.clone(), definition: Some(definition.into()) };
    Ok(!api.engine.journal().cause_members(of, None, 1).await?.is_empty())
}

fn sort(causes: &mut [CauseFacts], order: CauseOrder) {
    match order {
        CauseOrder::Oldest => causes.sort_by_key(|cause| cause.oldest),
        CauseOrder::Money => {
            causes.sort_by_key(|cause| (std::cmp::Reverse(cause.at_stake.unwrap_or(0)), cause.oldest));
        }
        CauseOrder::Sagas => causes.sort_by_key(|cause| (std::cmp::Reverse(cause.count), cause.oldest)),
    }
}

/// A cause's figures, with what its key and its oldest saga tell.
fn facts(figures: &CauseFigures, sample: Option<&KeptRow>) -> CauseFacts {
    let blocked = sample.and_then(|row| row.row.summary.blocked.as_ref()).map(|blocked| &blocked.reason);
    let reason = sample.and_then(|row| row.parked.as_ref()).or(blocked);
    CauseFacts {
        reason: reason.map(|reason| CauseGroup::reason_shown(None, reason)).unwrap_or_default(),
        count: figures.count,
        more: figures.more,
        at_stake: figures.at_stake,
        oldest: figures.oldest,
        newest: figures.newest,
        recent: figures.recent,
        ..named(&figures.cause, figures.oldest)
    }
}

/// A cause of which no saga waits any more.
fn none_of(key: &str, visit: &Visit) -> CauseFacts {
    named(key, visit.now)
}

/// A cause by its key alone.
fn named(key: &str, at: saga_core::Timestamp) -> CauseFacts {
    let parts = CauseGroup::parts(key);
    let obstacle = match parts.as_ref().map(|parts| parts.kind) {
        Some(CauseKind::Stuck(stuck)) => CauseObstacle::Stuck(stuck),
        Some(CauseKind::Unreadable) => CauseObstacle::Unreadable,
        None => CauseObstacle::BeforeKeys,
    };
    let is_others = parts.as_ref().is_some_and(|parts| parts.is_others);
    let (participant, step) = parts.map_or((None, None), |parts| (parts.participant, parts.step));
    CauseFacts {
        key: key.to_owned(),
        obstacle,
        participant,
        step,
        is_others,
        reason: String::new(),
        count: 0,
        more: false,
        at_stake: None,
        oldest: at,
        newest: at,
        recent: 0,
    }
}

/// The sagas of a cause, from the first one behind a place.
pub(super) fn members_of(view: &InboxView, key: &str) -> CauseMembers {
    CauseMembers { cause: key.into(), definition: view.definition.as_deref().map(Arc::from) }
}

async fn open(api: &Api, visit: &Visit, view: &InboxView, facts: CauseFacts) -> Result<OpenCause, Problem> {
    let (journal, lang) = (api.engine.journal(), visit.lang());
    let of = members_of(view, &facts.key);
    let after = view.after.as_deref().map(|text| {
        let wrong = || Problem::invalid("`after` must come from the link of the page before");
        let Cursor { created, saga } = page::read_cursor(text).ok_or_else(wrong)?;
        Ok::<_, Problem>(CauseCursor { blocked: created, saga })
    });
    let after = after.transpose()?;
    let mut members = journal.cause_members(of.clone(), after, INBOX_MEMBERS_MAX + 1).await?;
    let has_more = members.len() > INBOX_MEMBERS_MAX;
    members.truncate(INBOX_MEMBERS_MAX);
    let next = members.last().filter(|_| has_more).map(|row| page::written(cursor(row)));
    let oldest = match after {
        None => members.first().cloned(),
        Some(_) => journal.cause_members(of, None, 1).await?.into_iter().next(),
    };
    let typical = match &oldest {
        Some(oldest) => typical(api, visit, oldest).await?,
        None => None,
    };
    let since = visit.now.minus(Duration::from_secs(60 * (MINUTES_SHOWN as u64 - 1)));
    let minutes = journal.cause_minutes(facts.key.as_str().into(), since).await?;
    let minutes: Vec<_> = minutes.iter().map(|minute| (minute.minute, minute.count)).collect();
    Ok(OpenCause {
        minutes: MinuteBars::of(&minutes, visit.now, lang),
        typical,
        suspended: facts.participant.as_deref().and_then(|name| suspended(api, visit, name)),
        members,
        next,
        action_max: BULK_ITEMS_MAX as u64,
        key: api.clock.new_command_id().to_string(),
        facts,
    })
}

/// A row's place among the sagas of its cause.
fn cursor(row: &KeptRow) -> Cursor {
    Cursor { created: row.row.blocked_since.unwrap_or(row.row.updated), saga: row.saga }
}

/// What follows from trying a saga; `None`: it cannot be read just now.
async fn typical(api: &Api, visit: &Visit, row: &KeptRow) -> Result<Option<TypicalTry>, Problem> {
    let lang = visit.lang();
    if row.parked.is_some() {
        return Ok(Some(TypicalTry::unreadable(lang)));
    }
    let Ok(Some((saga, _))) = api.budgets.read(&api.engine, row.saga).await? else { return Ok(None) };
    let following = api.engine.what_follows(&saga, resume(visit)).await;
    let following = following.ok().flatten();
    Ok(Some(TypicalTry::of(&saga, following.as_ref(), BULK_ITEMS_AT_ONCE, lang))
        .filter(|_| is_blocked(&saga)))
}

fn is_blocked(saga: &Saga) -> bool {
    saga.blocked().is_some()
}

fn resume(visit: &Visit) -> CommandKind {
    let by = visit.principal.name().map_or_else(|| "-".into(), |name| (**name).into());
    CommandKind::Resume { by, reason: None }
}

/// A participant, if it takes no calls now.
fn suspended(api: &Api, visit: &Visit, name: &str) -> Option<SuspendedParticipant> {
    let participants = api.engine.participants();
    let state =
        participants.iter().find(|state| *state.name == *name && state.breaker.kind == BreakerKind::Open)?;
    let trial = state.breaker.tried_in.map(|wait| visit.now.plus(wait));
    Some(SuspendedParticipant::of(name, trial, visit.now, visit.lang()))
}

/// The action that the address names; else the last one.
async fn shown_action(api: &Api, visit: &Visit, beside: &Beside) -> Result<Option<ActionLine>, Problem> {
    let named = match beside.action {
        Some(id) => api.engine.journal().bulk_action(id).await?,
        None => None,
    };
    let action = match named {
        Some(action) => Some(action),
        None => api.engine.journal().bulk_actions(None, 1).await?.into_iter().next(),
    };
    match action {
        Some(action) => Ok(Some(actions::line(api, visit, &action).await?)),
        None => Ok(None),
    }
}
