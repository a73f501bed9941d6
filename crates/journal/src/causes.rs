//! The sagas that need a person, by cause.
//!
//! Every figure is of the rows themselves, and each question is bounded: in its causes, and in the rows that it looks at for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::{CauseGroup, CauseRange, SagaId, Timestamp};

/// Causes that are told at most; a step with many reasons counts as [`CAUSES_OF_STEP_MAX`] and one.
pub const CAUSES_MAX: usize = 200;
/// Causes of one participant, step and kind that are told one by one; the rest is told as one.
pub const CAUSES_OF_STEP_MAX: usize = 20;
/// Sagas of one cause that are counted: more is more than that.
pub const CAUSE_SAGAS_COUNTED_MAX: usize = 10_000;
/// Sagas that are counted for one answer; once so many were, ...
const SAGAS_COUNTED_MAX: usize = 200_000;
/// ... so many of each further cause are.
const CAUSE_SAGAS_COUNTED_MIN: usize = 1_000;
/// Causes that one statement asks for.
pub(crate) const CAUSES_ASKED_MAX: usize = 25;
/// Minutes of which [`Histories::cause_minutes`](crate::Histories::cause_minutes) tells at most.
pub const CAUSE_MINUTES_MAX: usize = 60;

/// The sagas of one cause, in figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseFigures {
    /// The cause's key; it may stand for several (see [`CauseGroup::others`]).
    pub cause: Arc<str>,
    /// How many there are.
    pub count: u64,
    /// Whether there are more than that: they were not counted.
    pub more: bool,
    /// Since when the one waits that has waited for longest. This and the following are, of a key for several, of those that were counted.
    pub oldest: Timestamp,
    /// Since when the one waits that came last.
    pub newest: Timestamp,
    /// The money at stake in cents, of those that were counted; `None`: of none it is known.
    pub at_stake: Option<i64>,
    /// Those of them that came since the instant that was asked about.
    pub recent: u64,
    /// The one that has waited for longest.
    pub sample: SagaId,
}

/// All causes for which sagas need a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Causes {
    /// Those first that most sagas have.
    pub figures: Vec<CauseFigures>,
    /// Whether there are more causes than were told.
    pub more: bool,
}

/// Which sagas of one cause are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseMembers {
    /// The cause's key.
    pub cause: Arc<str>,
    /// The name of the definition.
    pub definition: Option<Arc<str>>,
}

/// The last saga of a page of those of a cause: the next page begins after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CauseCursor {
    /// Since when it waits.
    pub blocked: Timestamp,
    /// Tells sagas of the same instant apart.
    pub saga: SagaId,
}

/// Sagas of a cause that came within one minute, and still need a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CauseMinute {
    /// The minute's beginning.
    pub minute: Timestamp,
    /// How many.
    pub count: u64,
}

/// A question that a store answers with [`CauseAnswer`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CauseQuestion {
    pub(crate) about: CausesAsked,
    /// Rows of each cause that are looked at.
    pub(crate) rows_max: usize,
    /// From when on a saga is recent.
    pub(crate) recent_us: i64,
}

/// The causes that a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CausesAsked {
    /// The keys behind this one, byte for byte, each for itself: at most [`CAUSES_ASKED_MAX`].
    Behind(Arc<str>),
    /// These keys, as one: no answer, if no saga has one.
    All(CauseRange),
}

/// What a store answers for one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CauseAnswer {
    /// `None`: the question is about several, or about none.
    pub(crate) cause: Option<String>,
    pub(crate) count: i64,
    pub(crate) at_stake: Option<i64>,
    pub(crate) oldest_us: i64,
    pub(crate) newest_us: i64,
    pub(crate) recent: i64,
    pub(crate) sample: SagaId,
}

/// The questions for [`Causes`], one after the other, and their answers.
pub(crate) struct CausesGathered {
    recent_us: i64,
    limit: usize,
    next: Option<(CausesAsked, Arc<str>)>,
    /// Behind this key it goes on, once the question about several keys has been answered.
    behind: Option<Arc<str>>,
    /// How many keys with this beginning were told.
    of_step: (String, usize),
    counted: usize,
    found: Causes,
}

impl CausesGathered {
    pub(crate) fn new(recent: Timestamp, limit: usize) -> Self {
        Self {
            recent_us: recent.as_micros(),
            limit: limit.clamp(1, CAUSES_MAX),
            next: Some((CausesAsked::Behind("".into()), "".into())),
            behind: None,
            of_step: (String::new(), 0),
            counted: 0,
            found: Causes::default(),
        }
    }

    /// The next question; `None`: that was all.
    pub(crate) fn question(&self) -> Option<CauseQuestion> {
        let (about, _) = self.next.as_ref()?;
        Some(CauseQuestion { about: about.clone(), rows_max: self.rows_max() + 1, recent_us: self.recent_us })
    }

    fn rows_max(&self) -> usize {
        if self.counted < SAGAS_COUNTED_MAX { CAUSE_SAGAS_COUNTED_MAX } else { CAUSE_SAGAS_COUNTED_MIN }
    }

    /// Takes the answers to it.
    pub(crate) fn take(&mut self, answers: Vec<CauseAnswer>) {
        let rows_max = self.rows_max();
        let Some((about, name)) = self.next.take() else { return };
        match about {
            CausesAsked::All(_) => {
                for answer in answers {
                    self.add(name.clone(), &answer, rows_max);
                }
                self.next = self.behind.take().map(|behind| (CausesAsked::Behind(behind.clone()), behind));
            }
            CausesAsked::Behind(_) => {
                let is_full = answers.len() >= CAUSES_ASKED_MAX;
                let mut last = name;
                for answer in answers {
                    let Some(cause) = answer.cause.as_deref() else { continue };
                    if self.found.figures.len() >= self.limit {
                        self.found.more = true;
                        return;
                    }
                    let beginning = CauseGroup::beginning(cause);
                    if *beginning != *self.of_step.0 {
                        self.of_step = (beginning.to_owned(), 0);
                    }
                    if self.of_step.1 >= CAUSES_OF_STEP_MAX {
                        let others = CauseGroup::others(&last);
                        self.behind = Some(CauseGroup::behind(beginning).into());
                        self.next = Some((CausesAsked::All(CauseGroup::range(&others)), others.into()));
                        return;
                    }
                    self.of_step.1 += 1;
                    last = cause.into();
                    self.add(last.clone(), &answer, rows_max);
                }
                self.next = is_full.then(|| (CausesAsked::Behind(last.clone()), last));
            }
        }
    }

    fn add(&mut self, cause: Arc<str>, answer: &CauseAnswer, rows_max: usize) {
        let counted = usize::try_from(answer.count).unwrap_or(0);
        self.counted += counted;
        let within = |count: usize| count.min(rows_max) as u64;
        self.found.figures.push(CauseFigures {
            cause,
            count: within(counted),
            more: counted > rows_max,
            oldest: Timestamp::from_micros(answer.oldest_us),
            newest: Timestamp::from_micros(answer.newest_us),
            at_stake: answer.at_stake,
            recent: within(usize::try_from(answer.recent).unwrap_or(0)),
            sample: answer.sample,
        });
    }

    pub(crate) fn finish(mut self) -> Causes {
        self.found.figures.sort_by_key(|figures| std::cmp::Reverse((figures.more, figures.count)));
        self.found
    }
}

/// The minutes' beginnings with their counts, in order; as a store has them, in minutes since the epoch.
pub(crate) fn minutes(counts: impl IntoIterator<Item = (i64, i64)>) -> Vec<CauseMinute> {
    let in_order: BTreeMap<i64, i64> = counts.into_iter().collect();
    let minute = |(minute, count): (i64, i64)| CauseMinute {
        minute: Timestamp::from_micros(minute.saturating_mul(MINUTE_US)),
        count: count.unsigned_abs(),
    };
    in_order.into_iter().map(minute).collect()
}

/// A minute, in microseconds.
pub(crate) const MINUTE_US: i64 = 60_000_000;
