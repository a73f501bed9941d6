//! Old sagas leave the journal: they are archived, and then taken away.
//!
//! ```text
//!   for each definition, from the oldest saga on:
//!     a page ──▶ those that are due (core) ──▶ histories ──▶ archive, durably ──▶ taken away, in one transaction ──▶ a pause
//! ```
//!
//! A crash between the last two leaves a saga in both places; the next process archives it again, and takes it away. Of the processes that
//! share a journal, one does this. It does it in small steps, and rests for four times as long as a step took, so that
//! orders under way do not feel it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::DefinitionHash;
use saga_core::retention::{KEPT_MIN, KeepRules, SagaEnd};
use saga_journal::{
    AgedSaga, Cursor, FORGOTTEN_TOGETHER_MAX, Forgotten, LOADED_TOGETHER_MAX, LoadError, Unavailable,
};
use tokio::time::Instant;

use super::Engine;
use crate::archive::{Archive, ArchiveError, ArchivedSaga};
use crate::refusal::Refusal;

/// Sagas that are looked at together.
const AGED_PAGE: usize = 256;
/// How often sagas are looked for that have become due.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The shortest pause after a step ...
const STEP_PAUSE_MIN: Duration = Duration::from_millis(5);
/// ... which is this many times as long as the step took, if that is longer; once sagas go later than [`BEHIND_AFTER`], as long as it took.
const STEP_PAUSE_TIMES: u32 = 4;
/// How much later than they might sagas go before this process hurries. Without any delay they go [`KEPT_MIN`] late (see `step`), and up to
/// [`LOOK_EVERY`] more.
const BEHIND_AFTER: Duration = Duration::from_secs(90);
const _: () = assert!(BEHIND_AFTER.as_secs() > KEPT_MIN.as_secs() + LOOK_EVERY.as_secs());
/// How often all sagas of a definition are looked at again, from the oldest one on: those that were not over when it was their turn, and
/// those that are kept for longer than others.
const WALK_AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Which sagas leave the journal, and where they go.
#[derive(Clone)]
pub struct RetentionPlan {
    /// How long they are kept.
    pub rules: KeepRules,
    /// Where they go; `None`: they are gone for good.
    pub archive: Option<Arc<dyn Archive>>,
}

/// How far the sagas of one definition have been looked at.
struct Walk {
    begun: Instant,
    after: Option<Cursor>,
}

/// Why a step was not done.
enum StepFailed {
    Journal(Unavailable),
    Archive(ArchiveError),
}

impl From<Unavailable> for StepFailed {
    fn from(error: Unavailable) -> Self {
        Self::Journal(error)
    }
}

impl From<ArchiveError> for StepFailed {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

/// The sagas that this process takes out of the journal.
struct Sweeper {
    engine: Engine,
    plan: RetentionPlan,
    walks: BTreeMap<Arc<str>, Walk>,
    /// The definitions that the archive has from this process.
    defined: HashSet<DefinitionHash>,
    is_failing: bool,
}

impl Engine {
    /// Takes sagas that are old enough out of the journal from now on, as long as the process runs.
    pub fn retain_in_background(&self, plan: RetentionPlan) {
        let sweeper = Sweeper {
            engine: self.clone(),
            plan,
            walks: BTreeMap::new(),
            defined: HashSet::new(),
            is_failing: false,
        };
        self.parts.lifecycle.spawn_vital("retention", sweeper.run());
    }
}

impl Sweeper {
    async fn run(mut self) {
        let lifecycle = self.engine.parts.lifecycle.clone();
        // Sagas that a crash has left go on first.
        while !lifecycle.is_recovered() {
            if !lifecycle.pause(self.engine.limits().beat).await {
                return;
            }
        }
        loop {
            match self.look().await {
                Ok(()) => self.is_failing = false,
                Err(StepFailed::Journal(error)) => self.engine.journal_health().fails(&error),
                Err(StepFailed::Archive(error)) => {
                    self.engine.observer().archive_failed();
                    if !std::mem::replace(&mut self.is_failing, true) {
                        tracing::error!(error = %error, "old orders stay in the journal: the archive fails: {error}");
                    }
                }
            }
            if !lifecycle.pause(LOOK_EVERY).await {
                return;
            }
        }
    }

    /// Takes away what is due now, if this process is the one to do so.
    async fn look(&mut self) -> Result<(), StepFailed> {
        let Some(replica) = self.engine.membership().id() else { return Ok(()) };
        if !self.engine.journal().hold_retention(replica).await? {
            return Ok(());
        }
        let mut names = self.engine.journal().definition_names().await?;
        for name in &names {
            let is_old = |walk: &Walk| walk.begun.elapsed() >= WALK_AGAIN_AFTER;
            if self.walks.get(name).is_none_or(is_old) {
                self.walks.insert(name.clone(), Walk { begun: Instant::now(), after: None });
            }
        }
        // One step of each in turn: a definition with many old sagas does not hold up the others.
        while !names.is_empty() {
            let mut unfinished = Vec::new();
            for name in names {
                if self.step(&name).await? {
                    unfinished.push(name);
                }
                let holds = self.engine.membership().id() == Some(replica);
                if !holds || self.engine.parts.lifecycle.is_stopping() {
                    return Ok(());
                }
            }
            names = unfinished;
        }
        Ok(())
    }

    /// Looks at some sagas more of a definition, takes away those that are due, and rests. Whether there may be more.
    async fn step(&mut self, name: &Arc<str>) -> Result<bool, StepFailed> {
        let (begun, now) = (Instant::now(), self.engine.clock().now());
        // Sagas are looked at once, so a little later: most are over by then.
        let until = self.plan.rules.none_started_since(name, now).map(|until| until.minus(KEPT_MIN));
        let (Some(until), Some(walk)) = (until, self.walks.get(name)) else { return Ok(false) };
        let page = self.engine.journal().aged(name.clone(), until, walk.after, AGED_PAGE).await?;
        let is_due = |aged: &&AgedSaga| {
            aged.is_settled && self.plan.rules.is_due(name, end_of(aged), aged.updated, now)
        };
        let due: Vec<&AgedSaga> = page.iter().filter(is_due).take(FORGOTTEN_TOGETHER_MAX).collect();
        // So far, and no further: what is due behind it comes with the next step.
        let seen = match due.last() {
            Some(last) if due.len() == FORGOTTEN_TOGETHER_MAX => Some(cursor(last)),
            _ => page.last().map(cursor),
        };
        if !due.is_empty() {
            self.take_away(&due).await?;
        }
        let (Some(seen), Some(walk)) = (seen, self.walks.get_mut(name)) else { return Ok(false) };
        walk.after = Some(seen);
        let is_behind = due.iter().any(|aged| {
            let late = now.minus(BEHIND_AFTER);
            self.plan.rules.is_due(name, end_of(aged), aged.updated, late)
        });
        let times = if is_behind { 1 } else { STEP_PAUSE_TIMES };
        let pause = STEP_PAUSE_MIN.max(begun.elapsed() * times);
        let goes_on = self.engine.parts.lifecycle.pause(pause).await;
        Ok(goes_on && (page.len() == AGED_PAGE || due.len() == FORGOTTEN_TOGETHER_MAX))
    }

    /// Archives these sagas, a few at a time, so that few histories are in memory, and then takes all of them away.
    async fn take_away(&mut self, due: &[&AgedSaga]) -> Result<(), StepFailed> {
        let mut forgotten = Vec::new();
        for some in due.chunks(LOADED_TOGETHER_MAX) {
            let kept = self.archived(some).await?;
            forgotten.extend(kept);
        }
        let gone = self.engine.journal().forget(forgotten).await?;
        self.engine.observer().sagas_forgotten(gone);
        Ok(())
    }

    /// Archives these sagas, and tells which can go. The others stay where they are.
    async fn archived(&mut self, due: &[&AgedSaga]) -> Result<Vec<Forgotten>, StepFailed> {
        let histories = self.engine.journal().histories(due.iter().map(|aged| aged.saga).collect()).await?;
        let (mut archived, mut forgotten) = (Vec::new(), Vec::new());
        for (aged, history) in due.iter().zip(histories) {
            let history = match history {
                Ok(Some(history)) => history,
                Ok(None) => continue,
                Err(LoadError::Unavailable(error)) => return Err(error.into()),
                Err(LoadError::Damaged(why)) => {
                    stays(aged, &why);
                    continue;
                }
            };
            let leaving = Forgotten::of(aged, &history.records);
            if self.plan.archive.is_some() {
                let definition = match self.engine.pinned(&history.definition_hash).await {
                    Ok(definition) => definition,
                    Err(Refusal::Unavailable(error)) => return Err(error.into()),
                    Err(refusal) => {
                        stays(aged, &refusal.to_string());
                        continue;
                    }
                };
                archived.push(ArchivedSaga {
                    saga: aged.saga,
                    definition,
                    end: end_of(aged),
                    started: aged.created,
                    ended: aged.updated,
                    labels: aged.labels.clone(),
                    records: history.records,
                });
            }
            forgotten.push(leaving);
        }
        if let Some(archive) = self.plan.archive.clone() {
            self.define(&*archive, &archived).await?;
            archive.keep(archived).await?;
        }
        Ok(forgotten)
    }

    /// Has the archive keep the definitions of these sagas, too.
    async fn define(&mut self, archive: &dyn Archive, sagas: &[ArchivedSaga]) -> Result<(), StepFailed> {
        for saga in sagas {
            let hash = &saga.definition.hash;
            if self.defined.contains(hash) {
                continue;
            }
            if let Some(kept) = self.engine.journal().definition(hash.clone()).await? {
                archive.define(hash.clone(), kept.source).await?;
            }
            self.defined.insert(hash.clone());
        }
        Ok(())
    }
}

fn cursor(aged: &AgedSaga) -> Cursor {
    Cursor { created: aged.created, saga: aged.saga }
}

fn end_of(aged: &AgedSaga) -> SagaEnd {
    if aged.has_failed { SagaEnd::Failed } else { SagaEnd::Completed }
}

fn stays(aged: &AgedSaga, why: &str) {
    tracing::warn!(saga.id = %aged.saga, "an old saga stays in the journal, because it cannot be archived: {why}");
}
