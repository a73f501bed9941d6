//! What the console shows of all sagas together: read from the journal at most once within [`READ_AGAIN_AFTER`], whoever and however many
//! look at it.
//!
//! ```text
//!   pages ── current ──▶ the last reading, if it is young
//!                   └──▶ one task that reads the journal; the pages wait for it, but not for long
//! ```
//!
//! A part that takes long to read is read less often, so that the journal is busy with it for a small share of the time at most. When the
//! journal does not answer, the last reading stays, with its time.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_console::Hour;
use saga_core::Timestamp;
use saga_engine::Engine;
use saga_journal::{
    Backlog, CAUSES_MAX, Causes, Histogram, Journal, MinuteFigures, ReplicaStanding, Stats, Unavailable,
    UnderWay,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;

/// The shortest time between two readings.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How long a page waits for a reading, when there is none yet.
const FIRST_READING_WAIT: Duration = Duration::from_millis(500);
/// The same when there is an older one, which the page shows if this is not enough.
const READING_WAIT: Duration = Duration::from_millis(30);
/// A reading that is older than this is shown with its time.
const OLD_AFTER: Duration = Duration::from_secs(10);
/// A part is not read again before this many times the time that its reading took.
const REST_SHARE: u32 = 20;
/// The figures of minutes that ended before this are read again less often.
const SETTLED_AFTER: Duration = Duration::from_secs(120);
/// How often they are: an entry may be counted for a minute that is over.
const SETTLED_READ_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Minutes whose figures are read at a time: the journal gives so many rows at most.
const MINUTES_READ: u64 = 15;
/// How far the clocks of processes may be ahead, for their figures to be read.
const CLOCK_AHEAD: Duration = Duration::from_secs(120);
/// The commits of the last one to two of these are shown.
const COMMITS_WINDOW: Duration = Duration::from_secs(300);

/// The ranges of the times that commits take.
type CommitTimes = Histogram<16>;

/// Reads.
pub(crate) struct WholeReader {
    metrics: Arc<Metrics>,
    latest: Arc<Latest<Reading>>,
}

/// What the console shows. A part that is `None` has never been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct WholeRead {
    /// The last hour.
    pub(crate) hour: Option<Arc<Hour>>,
    /// The sagas that are not over, counted.
    pub(crate) backlog: Option<Arc<Backlog>>,
    /// The oldest of them, and what they wait for.
    pub(crate) under_way: Option<Arc<UnderWay>>,
    /// For what sagas need a person.
    pub(crate) causes: Option<Arc<Causes>>,
    /// The replicas.
    pub(crate) replicas: Option<Arc<[ReplicaStanding]>>,
    /// The time that all but a hundredth of this process's commits took, or less.
    pub(crate) commit_p99: Option<Duration>,
    /// When all parts were read last.
    pub(crate) read_at: Option<Timestamp>,
    /// Why they were not read since.
    pub(crate) failure: Option<Arc<str>>,
}

/// One reading, and what the next one needs to know of it.
#[derive(Clone, Default)]
struct Reading {
    shown: Arc<WholeRead>,
    settled: Settled,
    under_way_rests_until: Option<Instant>,
    causes_rest_until: Option<Instant>,
    commits: Option<CommitMarks>,
}

/// The latest value of something that takes a while to read.
struct Latest<T>(Mutex<LatestState<T>>);

struct LatestState<T> {
    last: Arc<T>,
    /// When that came.
    came: Option<Instant>,
    asked: Option<Instant>,
    /// Closed when the reading under way is over.
    answer: Option<watch::Receiver<()>>,
}

impl<T: Default + Send + Sync + 'static> Latest<T> {
    fn new() -> Self {
        Self(Mutex::new(LatestState { last: Arc::default(), came: None, asked: None, answer: None }))
    }

    /// The latest value; if it is old, it is read anew from the one before, and waited for. `false`: it did not come in time, and the
    /// one before is old.
    async fn current<F>(self: &Arc<Self>, read: impl FnOnce(Arc<T>) -> F) -> (Arc<T>, bool)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut answer = {
            let mut state = self.lock();
            match &state.answer {
                // One reading at a time: a journal that hangs gets no second one.
                Some(answer) if answer.has_changed().is_ok() => answer.clone(),
                _ if state.asked.is_some_and(|asked| asked.elapsed() < READ_AGAIN_AFTER) => {
                    return (state.last.clone(), true);
                }
                _ => {
                    let (here, answer) = watch::channel(());
                    (state.asked, state.answer) = (Some(Instant::now()), Some(answer.clone()));
                    let (latest, reading) = (self.clone(), read(state.last.clone()));
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the reading outlives a page that does not wait for it"
                    )]
                    tokio::spawn(async move {
                        let value = Arc::new(reading.await);
                        let mut state = latest.lock();
                        (state.last, state.came) = (value, Some(Instant::now()));
                        drop((state, here));
                    });
                    answer
                }
            }
        };
        // No value is ever sent: dropping the sender signals the answer.
        let wait = self.lock().came.map_or(FIRST_READING_WAIT, |_| READING_WAIT);
        let is_in_time = timeout(wait, answer.changed()).await.is_ok();
        let state = self.lock();
        let is_young = state.came.is_some_and(|came| came.elapsed() < OLD_AFTER);
        (state.last.clone(), is_in_time || is_young)
    }

    fn lock(&self) -> MutexGuard<'_, LatestState<T>> {
        // No code panics while this is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures of minutes that are over.
#[derive(Clone, Default)]
struct Settled {
    figures: Arc<[MinuteFigures]>,
    /// The minutes from here on are read each time; `None`: nothing was read.
    until: Option<Timestamp>,
    read: Option<Instant>,
}

/// The counts of commits at two earlier moments.
#[derive(Clone, Copy)]
struct CommitMarks {
    earlier: CommitTimes,
    later: CommitTimes,
    marked: Instant,
}

impl CommitMarks {
    /// The counts since the earlier mark; the marks move on as time passes.
    fn recent(marks: &mut Option<Self>, stats: &Stats, now: Instant) -> CommitTimes {
        let Some(marks) = marks else {
            *marks = Some(Self { earlier: zero(&stats.commit_us), later: stats.commit_us, marked: now });
            return stats.commit_us;
        };
        if now.duration_since(marks.marked) >= COMMITS_WINDOW {
            *marks = Self { earlier: marks.later, later: stats.commit_us, marked: now };
        }
        stats.commit_us.since(&marks.earlier)
    }
}

fn zero(times: &CommitTimes) -> CommitTimes {
    times.since(times)
}

impl WholeReader {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, latest: Arc::new(Latest::new()) }
    }

    /// Begins to read, so that the first page need not wait.
    pub(crate) fn begin(self: &Arc<Self>, engine: &Engine) {
        let (reader, engine) = (self.clone(), engine.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the reading, for which nobody waits")]
        tokio::spawn(async move { reader.current(&engine).await });
    }

    /// The last reading, which is made anew if it is old: then this waits for it for a while.
    pub(crate) async fn current(&self, engine: &Engine) -> Arc<WholeRead> {
        let read = |before: Arc<Reading>| {
            let (engine, metrics) = (engine.clone(), self.metrics.clone());
            async move { Reading::after(&before, &engine, &metrics).await }
        };
        let (reading, is_in_time) = self.latest.current(read).await;
        if is_in_time {
            return reading.shown.clone();
        }
        let slow = || "the journal has not answered yet".into();
        let mut late = WholeRead::clone(&reading.shown);
        late.failure.get_or_insert_with(slow);
        Arc::new(late)
    }
}

impl Reading {
    async fn after(before: &Self, engine: &Engine, metrics: &Metrics) -> Self {
        let (journal, now) = (engine.journal(), engine.clock().now());
        let mut settled = before.settled.clone();
        // One after the other: together they would take all connections and cores from the sagas, and from the page that waits.
        let replicas = journal.replicas().await;
        let hour = hour(journal, &mut settled, now).await;
        let backlog = metrics.backlog().await;
        let causes = rested(before.causes_rest_until, journal.causes(now, CAUSES_MAX)).await;
        let under_way = rested(before.under_way_rests_until, journal.under_way()).await;
        let mut reading = before.clone();
        let mut shown = WholeRead { failure: None, ..WholeRead::clone(&before.shown) };
        let mut failed = |error: Unavailable| {
            shown.failure.get_or_insert(error.0);
        };
        let hour = hour.map_err(&mut failed).ok();
        let replicas = replicas.map_err(&mut failed).ok();
        let under_way = under_way.and_then(|(answer, rests_until)| {
            reading.under_way_rests_until = Some(rests_until);
            answer.map_err(&mut failed).ok()
        });
        let causes = causes.and_then(|(answer, rests_until)| {
            reading.causes_rest_until = Some(rests_until);
            answer.map_err(&mut failed).ok()
        });
        if let Some(hour) = hour {
            (shown.hour, reading.settled) = (Some(Arc::new(hour)), settled);
        }
        if let Some(under_way) = under_way {
            shown.under_way = Some(Arc::new(under_way));
        }
        if let Some(causes) = causes {
            shown.causes = Some(Arc::new(causes));
        }
        if let Some(replicas) = replicas {
            shown.replicas = Some(replicas.into());
        }
        if let Some((backlog, _)) = backlog {
            shown.backlog = Some(Arc::new(backlog));
        }
        let commits = CommitMarks::recent(&mut reading.commits, &journal.stats(), Instant::now());
        shown.commit_p99 = commits.quantile(0.99).map(Duration::from_micros);
        match &shown.failure {
            None => shown.read_at = Some(now),
            Some(reason) => {
                // The engine says in the log that the journal fails.
                tracing::debug!(error = %reason, "cannot read what the console shows; it shows older figures");
            }
        }
        Self { shown: Arc::new(shown), ..reading }
    }
}

/// The answer, and until when this is not to be read again; `None`: it rests still.
async fn rested<T>(rests_until: Option<Instant>, answer: impl Future<Output = T>) -> Option<(T, Instant)> {
    let begun = Instant::now();
    if rests_until.is_some_and(|until| begun < until) {
        return None;
    }
    let answer = answer.await;
    Some((answer, Instant::now() + begun.elapsed() * REST_SHARE))
}

/// The last hour: the settled minutes as they were read last, if that is not long ago, and the others anew.
async fn hour(journal: &Journal, settled: &mut Settled, now: Timestamp) -> Result<Hour, Unavailable> {
    let is_young = settled.read.is_some_and(|read| read.elapsed() < SETTLED_READ_AGAIN_AFTER);
    let until = match settled.until.filter(|until| is_young && *until <= now) {
        Some(until) => until,
        None => {
            let until = minute(now.minus(SETTLED_AFTER));
            settled.figures = figures(journal, Hour::begins(now), until).await?.into();
            (settled.until, settled.read) = (Some(until), Some(Instant::now()));
            until
        }
    };
    let fresh = figures(journal, until, now.plus(CLOCK_AHEAD)).await?;
    Ok(Hour::of(settled.figures.iter().chain(&fresh), now))
}

/// The beginning of a minute.
fn minute(at: Timestamp) -> Timestamp {
    let within = at.as_micros().rem_euclid(60_000_000);
    Timestamp::from_micros(at.as_micros().saturating_sub(within))
}

async fn figures(
    journal: &Journal,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<MinuteFigures>, Unavailable> {
    let (mut all, mut from) = (Vec::new(), since);
    while from < until {
        let to = from.plus(Duration::from_secs(MINUTES_READ * 60)).min(until);
        all.extend(journal.figures(from, to).await?);
        from = to;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(counts: &[(usize, u64)]) -> Stats {
        static BOUNDS: [u64; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, u64::MAX];
        let mut times = Histogram { bounds: &BOUNDS, counts: [0; 16], sum: 0 };
        counts.iter().for_each(|(range, count)| times.counts[*range] = *count);
        let batch_entries = Histogram { bounds: &[u64::MAX; 12], counts: [0; 12], sum: 0 };
        Stats { commits: 0, entries: 0, events: 0, failures: 0, commit_us: times, batch_entries, queued: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn commits_of_long_ago_are_not_shown() {
        let mut marks = None;
        let p99 = |marks: &mut _, stats| CommitMarks::recent(marks, &stats, Instant::now()).quantile(0.99);
        assert_eq!(p99(&mut marks, stats(&[(14, 100)])), Some(14), "all since the process began");
        tokio::time::advance(COMMITS_WINDOW).await;
        assert_eq!(p99(&mut marks, stats(&[(14, 100), (0, 100)])), Some(0), "those since the first look");
        tokio::time::advance(COMMITS_WINDOW).await;
        assert_eq!(p99(&mut marks, stats(&[(14, 100), (0, 100)])), None);
    }

    /// Reads the number of the reading, which takes so long.
    async fn number(latest: &Arc<Latest<u32>>, takes: Duration) -> (u32, bool) {
        let read = |before: Arc<u32>| async move {
            tokio::time::sleep(takes).await;
            *before + 1
        };
        let (number, is_in_time) = latest.current(read).await;
        (*number, is_in_time)
    }

    #[tokio::test(start_paused = true)]
    async fn many_readers_share_one_reading() {
        let latest = Arc::new(Latest::new());
        let short = Duration::from_millis(10);
        let all = futures_util::future::join_all((0..100).map(|_| number(&latest, short))).await;
        assert!(all.iter().all(|read| *read == (1, true)), "{all:?}");
        assert_eq!(number(&latest, short).await, (1, true));
        tokio::time::advance(READ_AGAIN_AFTER).await;
        assert_eq!(number(&latest, short).await, (2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_takes_long_is_not_waited_for_and_not_made_twice() {
        let latest = Arc::new(Latest::new());
        assert_eq!(number(&latest, Duration::ZERO).await, (1, true));
        tokio::time::advance(READ_AGAIN_AFTER).await;
        let begun = Instant::now();
        for _ in 0..3 {
            assert_eq!(number(&latest, Duration::from_secs(60)).await, (1, true), "it is young");
        }
        assert_eq!(begun.elapsed(), READING_WAIT * 3);
        tokio::time::advance(OLD_AFTER).await;
        assert_eq!(number(&latest, Duration::ZERO).await, (1, false), "it is old");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(number(&latest, Duration::ZERO).await, (3, true), "the long one came");
    }

    #[test]
    fn a_minute_begins_at_its_first_microsecond() {
        for (us, expected) in [(0, 0), (59_999_999, 0), (60_000_000, 60_000_000), (-1, -60_000_000)] {
            assert_eq!(minute(Timestamp::from_micros(us)), Timestamp::from_micros(expected));
        }
    }
}
