//! The unfinished orders, counted by the journal: the figures are right after a restart, and the same for all
//! processes on one database.
//!
//! A journal that does not answer must not delay the other metrics. A separate task queries it at intervals; a scrape
//! that has waited long enough shows the last figures, and their age.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use saga_core::Timestamp;
use saga_journal::{Backlog, StoreFuture, Unavailable, Unfinished};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::OTHER;

/// The shortest time between two queries, however often the metrics are read.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// The journal is not queried again before this many times the time that its answer took.
const REST_SHARE: u32 = 10;
/// An answer that takes longer counts as this, so that the figures of a journal that was slow once do not stay old.
const REST_MAX: Duration = Duration::from_secs(1);
/// How long a scrape waits for the journal's answer.
const ANSWER_WAIT: Duration = Duration::from_millis(500);

/// Queries the journal.
type Question = Box<dyn Fn() -> StoreFuture<'static, Result<Backlog, Unavailable>> + Send + Sync>;

/// Returns the current time of the clock that orders use.
type Now = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The instant of a definition's figures whose age a metric shows.
type Since = fn(&Unfinished) -> Option<Timestamp>;

pub(super) struct Backlogs {
    question: Question,
    now: Now,
    /// The names of the definitions that this process serves: each has figures, from zero on.
    served: RwLock<Arc<[Arc<str>]>>,
    known: Mutex<LastCount>,
}

#[derive(Default)]
struct LastCount {
    /// The last answer, and its time.
    last: Option<(Backlog, Timestamp)>,
    asked: Option<Instant>,
    /// How long the last answer took.
    took: Duration,
    /// Closed when the query under way has its answer.
    answer: Option<watch::Receiver<()>>,
    failures: u64,
}

impl LastCount {
    /// The time from one query to the next.
    fn rest(&self) -> Duration {
        ASK_AGAIN_AFTER.max(self.took.min(REST_MAX) * REST_SHARE)
    }
}

impl Backlogs {
    pub(super) fn new(question: Question, now: Now) -> Self {
        Self { question, now, served: RwLock::new(Arc::new([])), known: Mutex::default() }
    }

    /// Counts the sagas of definitions with these names by name from now on.
    pub(super) fn serve(&self, names: Arc<[Arc<str>]>) {
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    fn served(&self) -> Arc<[Arc<str>]> {
        self.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Queries the journal if its last answer is old enough, and waits for a while.
    pub(super) async fn refresh(self: &Arc<Self>) {
        let mut answer = {
            let mut known = self.known();
            match &known.answer {
                // One query at a time: a journal that hangs gets no second one.
                Some(answer) if answer.has_changed().is_ok() => answer.clone(),
                _ if known.asked.is_some_and(|asked| asked.elapsed() < known.rest()) => return,
                _ => {
                    let (here, answer) = watch::channel(());
                    known.asked = Some(Instant::now());
                    known.answer = Some(answer.clone());
                    let backlogs = self.clone();
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "the question outlives a scrape that gives up"
                    )]
                    tokio::spawn(async move {
                        backlogs.ask().await;
                        drop(here);
                    });
                    answer
                }
            }
        };
        // No value is ever sent: dropping the sender signals the answer.
        let _ = timeout(ANSWER_WAIT, answer.changed()).await;
    }

    /// The last answer, and its time; `None`: there has been none.
    pub(super) fn last(&self) -> Option<(Backlog, Timestamp)> {
        self.known().last.clone()
    }

    async fn ask(&self) {
        let begun = Instant::now();
        let answer = (self.question)().await;
        let now = (self.now)();
        let mut known = self.known();
        known.took = begun.elapsed();
        match answer {
            Ok(backlog) => known.last = Some((backlog, now)),
            Err(error) => {
                known.failures += 1;
                drop(known);
                tracing::warn!(error = %error, "cannot count the unfinished orders; the metrics show older figures");
            }
        }
    }

    /// The figures of each definition that is served, and those of all others together, if there are any.
    fn by_saga<'b>(served: &'b [Arc<str>], backlog: &Backlog) -> Vec<(&'b str, Unfinished)> {
        let of_served = |name: &'b Arc<str>| (&**name, backlog.get(name).copied().unwrap_or_default());
        let others = backlog.iter().filter(|(name, _)| !served.contains(*name));
        let others = others.map(|(_, unfinished)| *unfinished).reduce(Unfinished::and);
        let others = others.map(|unfinished| (OTHER, unfinished));
        served.iter().map(of_served).chain(others).collect()
    }

    fn known(&self) -> MutexGuard<'_, LastCount> {
        // No code panics while this is locked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Backlogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backlogs").finish_non_exhaustive()
    }
}

impl Collector for Backlogs {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (last, failures) = {
            let known = self.known();
            (known.last.clone(), known.failures)
        };
        let descriptor = encoder.encode_descriptor(
            "saga_tally_failures",
            "Times that the journal could not count the unfinished sagas",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(failures).encode(descriptor)?;
        // Before the first answer no figures are known, so none are shown.
        let Some((backlog, answered)) = last else { return Ok(()) };
        let served = self.served();
        let by_saga = Self::by_saga(&served, &backlog);
        let mut family = encoder.encode_descriptor(
            "sagas_unfinished",
            "Sagas in the journal that are not over, by the state of their rollback",
            None,
            MetricType::Gauge,
        )?;
        // The words of the checkout's face, which uses this module through `api`: so it cannot be used here.
        for (saga, unfinished) in &by_saga {
            for (rollback, sagas) in [
                ("AUCUN", unfinished.forward),
                ("EN_COURS", unfinished.rolling_back),
                ("BLOQUE", unfinished.blocked),
            ] {
                let labels = [("rollback", rollback), ("saga", saga)];
                ConstGauge::new(sagas).encode(family.encode_family(&labels)?)?;
            }
        }
        let mut family = encoder.encode_descriptor(
            "sagas_asleep",
            "Sagas in the journal that are in no process's memory, until their time or a command",
            None,
            MetricType::Gauge,
        )?;
        for (saga, unfinished) in &by_saga {
            ConstGauge::new(unfinished.asleep).encode(family.encode_family(&[("saga", *saga)])?)?;
        }
        let now = (self.now)();
        let age = |since: Option<Timestamp>| since.map_or(0.0, |since| now.since(since).as_secs_f64());
        let since: [(&str, &str, Since); 2] = [
            (
                "saga_oldest_due_age_seconds",
                "How long the longest-waiting saga that needs no operator has been due; 0 when there is none",
                |unfinished| unfinished.oldest_due,
            ),
            (
                "saga_blocked_age_seconds",
                "For how long the longest-blocked saga has waited for an operator; 0 when there is none",
                |unfinished| unfinished.blocked_since,
            ),
        ];
        for (name, help, since) in since {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (saga, unfinished) in &by_saga {
                let labels = [("saga", *saga)];
                ConstGauge::new(age(since(unfinished))).encode(family.encode_family(&labels)?)?;
            }
        }
        let descriptor = encoder.encode_descriptor(
            "saga_tally_age_seconds",
            "How old the journal's count of unfinished sagas is",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(age(Some(answered))).encode(descriptor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicI64, Ordering};

    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    enum CountResult {
        Blocked(u64),
        Failure,
        Never,
    }

    /// A journal that gives these answers in turn, and the metrics that are shown of it.
    struct ScriptedStore {
        backlogs: Arc<Backlogs>,
        /// In seconds since the epoch.
        time: Arc<AtomicI64>,
        registry: Registry,
        left: Arc<Mutex<VecDeque<CountResult>>>,
    }

    impl ScriptedStore {
        fn answering(answers: impl IntoIterator<Item = CountResult>) -> Self {
            let left = Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>()));
            let time = Arc::new(AtomicI64::new(1_000));
            let answers = left.clone();
            let question: Question = Box::new(move || match answers.lock().unwrap().pop_front() {
                Some(CountResult::Blocked(blocked)) => {
                    let blocked_since = Some(Timestamp::from_micros(900_000_000));
                    let unfinished = Unfinished { blocked, blocked_since, ..Unfinished::default() };
                    let mut backlog = Backlog::from([("checkout".into(), unfinished)]);
                    for gone in ["travel", "trial"] {
                        let unfinished = Unfinished { forward: 3, ..Unfinished::default() };
                        backlog.insert(gone.into(), unfinished);
                    }
                    Box::pin(ready(Ok(backlog)))
                }
                Some(CountResult::Failure) => Box::pin(ready(Err(Unavailable::because("gone")))),
                Some(CountResult::Never) => Box::pin(pending()),
                None => panic!("it was asked too often"),
            });
            let clock = time.clone();
            let now = Box::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst) * 1_000_000));
            let backlogs = Arc::new(Backlogs::new(question, now));
            backlogs.serve(["checkout".into(), "onboarding".into()].into());
            let mut registry = Registry::default();
            registry.register_collector(Box::new(backlogs.clone()));
            Self { backlogs, time, registry, left }
        }

        async fn pass(&self, seconds: u64) {
            self.time.fetch_add(seconds as i64, Ordering::SeqCst);
            tokio::time::advance(Duration::from_secs(seconds)).await;
        }

        /// The value of a sample after a scrape.
        async fn scrape(&self, sample: &str) -> Option<String> {
            self.backlogs.refresh().await;
            let mut text = String::new();
            encode(&mut text, &self.registry).unwrap();
            let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
            value.map(str::to_owned)
        }
    }

    const BLOCKED: &str = r#"sagas_unfinished{rollback="BLOQUE",saga="checkout"}"#;

    #[tokio::test(start_paused = true)]
    async fn the_journal_is_asked_now_and_then_only() {
        let asked = ScriptedStore::answering([CountResult::Blocked(1), CountResult::Blocked(2)]);
        for _ in 0..10 {
            assert_eq!(asked.scrape(BLOCKED).await.as_deref(), Some("1"));
        }
        asked.pass(ASK_AGAIN_AFTER.as_secs()).await;
        assert_eq!(asked.scrape(BLOCKED).await.as_deref(), Some("2"));
        for (sample, value) in [
            (r#"saga_blocked_age_seconds{saga="checkout"}"#, "102.0"),
            (r#"saga_blocked_age_seconds{saga="onboarding"}"#, "0.0"),
            (r#"saga_oldest_due_age_seconds{saga="checkout"}"#, "0.0"),
            (r#"sagas_unfinished{rollback="AUCUN",saga="onboarding"}"#, "0"),
            (r#"sagas_unfinished{rollback="AUCUN",saga="other"}"#, "6"),
        ] {
            assert_eq!(asked.scrape(sample).await.as_deref(), Some(value), "{sample}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_journal_that_hangs_is_waited_for_shortly_and_asked_once() {
        let asked = ScriptedStore::answering([CountResult::Blocked(3), CountResult::Never]);
        assert_eq!(asked.scrape("saga_tally_age_seconds").await.as_deref(), Some("0.0"));
        asked.pass(5).await;
        for _ in 0..3 {
            let begun = Instant::now();
            assert_eq!(asked.scrape(BLOCKED).await.as_deref(), Some("3"));
            assert_eq!(begun.elapsed(), ANSWER_WAIT);
        }
        asked.pass(60).await;
        assert_eq!(asked.scrape("saga_tally_age_seconds").await.as_deref(), Some("65.0"));
        assert!(asked.left.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_counted_and_nothing_is_made_up() {
        let asked =
            ScriptedStore::answering([CountResult::Failure, CountResult::Blocked(4), CountResult::Failure]);
        assert_eq!(asked.scrape(BLOCKED).await, None);
        asked.pass(2).await;
        assert_eq!(asked.scrape(BLOCKED).await.as_deref(), Some("4"));
        asked.pass(2).await;
        assert_eq!(asked.scrape(BLOCKED).await.as_deref(), Some("4"));
        assert_eq!(asked.scrape("saga_tally_failures_total").await.as_deref(), Some("2"));
        assert_eq!(asked.scrape("saga_tally_age_seconds").await.as_deref(), Some("2.0"));
    }
}
