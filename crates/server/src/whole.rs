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

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_console::Hour;
use saga_core::Timestamp;
use saga_engine::Engine;
use saga_journal::{
    Backlog, Histogram, Journal, MinuteFigures, ReplicaStanding, Stats, Unavailable, UnderWay,
};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;

/// The shortest time between two readings.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long a page waits for a reading.
const READING_WAIT: Duration = Duration::from_millis(500);
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
    state: Mutex<ReaderState>,
}

#[derive(Default)]
struct ReaderState {
    last: Arc<WholeRead>,
    asked: Option<Instant>,
    /// Closed when the reading under way is over.
    answer: Option<watch::Receiver<()>>,
    settled: Settled,
    under_way_rests_until: Option<Instant>,
    commits: Option<CommitMarks>,
}

/// One reading. A part that is `None` has never been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct WholeRead {
    /// The last hour.
    pub(crate) hour: Option<Arc<Hour>>,
    /// The sagas that are not over, counted.
    pub(crate) backlog: Option<Arc<Backlog>>,
    /// The oldest of them, and what they wait for.
    pub(crate) under_way: Option<Arc<UnderWay>>,
    /// The replicas.
    pub(crate) replicas: Option<Arc<[ReplicaStanding]>>,
    /// The time that all but a hundredth of this process's commits took, or less.
    pub(crate) commit_p99: Option<Duration>,
    /// When all parts were read last.
    pub(crate) read_at: Option<Timestamp>,
    /// Why they were not read since.
    pub(crate) failure: Option<Arc<str>>,
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
        Self { metrics, state: Mutex::default() }
    }

    /// The last reading, which is made anew if it is old: then this waits for it for a while.
    pub(crate) async fn current(self: &Arc<Self>, engine: &Engine) -> Arc<WholeRead> {
        let answer = {
            let mut state = self.state();
            match &state.answer {
                // One reading at a time: a journal that hangs gets no second one.
                Some(answer) if answer.has_changed().is_ok() => Some(answer.clone()),
                _ if state.asked.is_some_and(|asked| asked.elapsed() < READ_AGAIN_AFTER) => None,
                _ => {
                    let (here, answer) = watch::channel(());
                    (state.asked, state.answer) = (Some(Instant::now()), Some(answer.clone()));
                    let (reader, engine) = (self.clone(), engine.clone());
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the reading outlives a page that does not wait for it"
                    )]
                    tokio::spawn(async move {
                        reader.read(&engine).await;
                        drop(here);
                    });
                    Some(answer)
                }
            }
        };
        // No value is ever sent: dropping the sender signals the answer.
        if let Some(mut answer) = answer
            && timeout(READING_WAIT, answer.changed()).await.is_err()
        {
            let mut late = WholeRead::clone(&self.state().last);
            let slow = || format!("no answer within {} ms so far", READING_WAIT.as_millis()).into();
            late.failure.get_or_insert_with(slow);
            return Arc::new(late);
        }
        self.state().last.clone()
    }

    async fn read(&self, engine: &Engine) {
        let (journal, now) = (engine.journal(), engine.clock().now());
        let (mut settled, rests) = {
            let state = self.state();
            let rests = state.under_way_rests_until.is_some_and(|until| Instant::now() < until);
            (state.settled.clone(), rests)
        };
        let under_way = async {
            if rests {
                return None;
            }
            let begun = Instant::now();
            let answer = journal.under_way().await;
            Some((answer, Instant::now() + begun.elapsed() * REST_SHARE))
        };
        let (hour, under_way, replicas, backlog) = tokio::join!(
            hour(journal, &mut settled, now),
            under_way,
            journal.replicas(),
            self.metrics.backlog()
        );
        let mut state = self.state();
        let mut read = WholeRead::clone(&state.last);
        read.failure = None;
        let failure = &mut read.failure;
        let noted = |error: Unavailable, failure: &mut Option<Arc<str>>| {
            failure.get_or_insert(error.0);
        };
        match hour {
            Ok(hour) => {
                read.hour = Some(Arc::new(hour));
                state.settled = settled;
            }
            Err(error) => noted(error, failure),
        }
        match under_way {
            Some((Ok(under_way), rests_until)) => {
                read.under_way = Some(Arc::new(under_way));
                state.under_way_rests_until = Some(rests_until);
            }
            Some((Err(error), _)) => noted(error, failure),
            None => {}
        }
        match replicas {
            Ok(replicas) => read.replicas = Some(replicas.into()),
            Err(error) => noted(error, failure),
        }
        if let Some((backlog, _)) = backlog {
            read.backlog = Some(Arc::new(backlog));
        }
        let commits = CommitMarks::recent(&mut state.commits, &journal.stats(), Instant::now());
        read.commit_p99 = commits.quantile(0.99).map(Duration::from_micros);
        match &read.failure {
            None => read.read_at = Some(now),
            Some(reason) => {
                tracing::warn!(error = %reason, "cannot read what the console shows; it shows older figures")
            }
        }
        state.last = Arc::new(read);
    }

    fn state(&self) -> MutexGuard<'_, ReaderState> {
        // No code panics while this is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    #[test]
    fn a_minute_begins_at_its_first_microsecond() {
        for (us, expected) in [(0, 0), (59_999_999, 0), (60_000_000, 60_000_000), (-1, -60_000_000)] {
            assert_eq!(minute(Timestamp::from_micros(us)), Timestamp::from_micros(expected));
        }
    }
}
