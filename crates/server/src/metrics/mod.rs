//! Prometheus' metrics. Orders are counted from committed events only; no label names an order.
//!
//! - `sagas.rs`: reports of the engine: states, failures, calls.
//! - `requests.rs`: requests to the API.
//! - `connections.rs`: connections of clients. `issuer.rs`: the keys of the issuer of tokens.
//! - `journal.rs`: the work of the journal's writer. `latency.rs`: the latest calls to each participant.
//! - `tls.rs`: the certificate, and handshakes that failed.
//! - `backlog.rs`: the unfinished orders, as the journal counts them.
//! - `process.rs`: the operating system's figures for this process.
//!
//! `docs/metrics.md` lists every metric; a test compares the list with the program.

mod backlog;
mod connections;
mod issuer;
mod journal;
mod latency;
#[cfg(target_os = "linux")]
mod process;
mod requests;
mod sagas;
mod text;
mod tls;

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use saga_core::trace::SagaSpan;
use saga_core::{Definition, Saga, Timestamp};
use saga_engine::breaker::BreakerKind;
use saga_engine::participants::AccessTrouble;
use saga_engine::{CallEnded, Called, Clock, CommitSummary, Engine, Observer};
use saga_journal::{Backlog, BulkState, Journal, StoreFuture};

use self::backlog::Backlogs;
pub(crate) use self::connections::ConnectionCounts;
pub(crate) use self::issuer::IssuerCounts;
use self::journal::JournalCollector;
pub(crate) use self::latency::RecentCalls;
pub use self::requests::Denied;
use self::requests::Requests;
use self::sagas::Sagas;
pub(crate) use self::tls::{HandshakeFailed, TlsCounts};
use crate::logging::LostLines;
use crate::release::REVISION_SAID;
use crate::traces::{SpanCounts, SpanExporter};

/// The label `saga` of all sagas whose definitions this process does not serve: their number has no limit.
const OTHER: &str = "other";

/// How old the journal's last count of the sagas that need a person may be: pages show an older one no more.
const PERSONS_NEEDED_KEPT: Duration = Duration::from_secs(30);

/// Seconds: from a quick loopback call to a client's longest wait.
const CALL_SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// All metrics. One for each process.
pub struct Metrics {
    registry: Registry,
    sagas: Sagas,
    requests: Requests,
    connections: ConnectionCounts,
    tls: TlsCounts,
    issuer: IssuerCounts,
    backlogs: Arc<Backlogs>,
    active: Gauge,
    slots: Gauge,
    bytes: Gauge,
    lost_lines: OnceLock<LostLines>,
    lines_lost: Gauge,
    ready: Gauge,
    breakers: Family<ParticipantLabels, Gauge>,
    waiting: Family<ParticipantLabels, Gauge>,
    not_accepted: Family<ParticipantLabels, Counter>,
    no_access: Family<ParticipantLabels, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
    span_counts: SpanCounts,
    spans: OnceLock<SpanExporter>,
    forgotten: Counter,
    archive_failures: Counter,
}

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFormat {
    OpenMetrics,
    /// The older format, version 0.0.4, which every version of Prometheus reads.
    Plain,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
    revision: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ParticipantLabels {
    participant: Arc<str>,
    saga: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

impl ReloadLabels {
    const LOADED: Self = Self { result: "loaded" };
    const REFUSED: Self = Self { result: "refused" };
}

/// The source that this binary was built from.
const BUILD: BuildLabels = BuildLabels { version: env!("CARGO_PKG_VERSION"), revision: REVISION_SAID };

impl Metrics {
    /// Registers all metrics. `orders` is the name of the definition whose sagas are orders. The series of the `served` definitions exist from zero on, so that a dashboard shows them before
    /// the first order, and a rate includes their first increase.
    pub fn new(served: &[Arc<Definition>], orders: Arc<str>, journal: Journal, clock: Arc<Clock>) -> Self {
        let mut registry = Registry::default();
        let sagas = Sagas::register(&mut registry, orders);
        let requests = Requests::register(&mut registry);
        let connections = ConnectionCounts::register(&mut registry);
        let tls = TlsCounts::register(&mut registry);
        let issuer = IssuerCounts::register(&mut registry);
        let span_counts = SpanCounts::register(&mut registry);
        let gauge = |registry: &mut Registry, name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let active = gauge(&mut registry, "sagas_active", "Sagas in memory in this process");
        let slots =
            gauge(&mut registry, "sagas_slots_taken", "Sagas that hold one of active_sagas_max slots");
        let bytes = gauge(&mut registry, "sagas_bytes", "Bytes of sagas in memory, out of active_bytes_max");
        let lines_lost =
            gauge(&mut registry, "log_lines_lost", "Lines that the log could not write, since the start");
        let ready = Gauge::default();
        registry.register("orchestrateur_ready", "1 when new orders are accepted", ready.clone());
        let (breakers, waiting) = (Family::default(), Family::default());
        registry.register("saga_breaker_state", "0: closed, 1: half open, 2: open", breakers.clone());
        registry.register(
            "saga_calls_waiting",
            "Calls that have not left: a breaker holds them back, or as many as may are under way",
            waiting.clone(),
        );
        let not_accepted = Family::default();
        registry.register(
            "saga_calls_not_accepted",
            "Calls that the participant answered with 401, 405, 406, 407, 415, 421, 426 or 501",
            not_accepted.clone(),
        );
        let no_access = Family::default();
        registry.register(
            "saga_access_missing",
            "0: calls have what they need; 1: it could not be renewed; 2: calls wait for a credential, or for the files of tls",
            no_access.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BUILD).set(1);
        registry.register("orchestrateur_build_info", "1; what this binary was built from", build);
        registry.register_collector(Box::new(JournalCollector::new(journal.clone())));
        let question = move || -> StoreFuture<'static, _> {
            let journal = journal.clone();
            Box::pin(async move { journal.backlog().await })
        };
        let backlogs = Arc::new(Backlogs::new(Box::new(question), Box::new(move || clock.now())));
        registry.register_collector(Box::new(backlogs.clone()));
        #[cfg(target_os = "linux")]
        registry.register_collector(Box::new(process::ProcessCollector));
        let reloads = Family::<ReloadLabels, Counter>::default();
        for result in [ReloadLabels::LOADED, ReloadLabels::REFUSED] {
            let _ = reloads.get_or_create(&result);
        }
        registry.register("definition_reloads", "Times that definitions were loaded again", reloads.clone());
        let (forgotten, archive_failures) = (Counter::default(), Counter::default());
        registry.register(
            "sagas_forgotten",
            "Old sagas that were taken out of the journal",
            forgotten.clone(),
        );
        registry.register(
            "archive_failures",
            "Times that old sagas could not be archived, and stayed in the journal",
            archive_failures.clone(),
        );
        let metrics = Self {
            registry,
            sagas,
            requests,
            connections,
            tls,
            issuer,
            backlogs,
            active,
            slots,
            bytes,
            lost_lines: OnceLock::new(),
            lines_lost,
            ready,
            breakers,
            waiting,
            not_accepted,
            no_access,
            reloads,
            span_counts,
            spans: OnceLock::new(),
            forgotten,
            archive_failures,
        };
        metrics.serve(served);
        metrics
    }

    /// Counts the sagas of these definitions by their names from now on, and those of all others together.
    pub(crate) fn serve(&self, served: &[Arc<Definition>]) {
        self.sagas.serve(served);
        self.backlogs.serve(served.iter().map(|definition| definition.name.clone()).collect());
    }

    /// The unfinished sagas as the journal has counted them last, and when: a while ago at most, if the journal answers.
    pub(crate) async fn backlog(&self) -> Option<(Backlog, Timestamp)> {
        self.backlogs.refresh().await;
        self.backlogs.last()
    }

    /// How long the latest calls took to the participant that is reached by this; `None`: there were none.
    pub(crate) fn recent_calls(&self, reached_by: &str) -> Option<RecentCalls> {
        self.sagas.recent_calls(reached_by)
    }

    /// Counts that definitions were loaded again, or were not because of a mistake.
    pub(crate) fn reloaded(&self, is_loaded: bool) {
        let labels = if is_loaded { ReloadLabels::LOADED } else { ReloadLabels::REFUSED };
        self.reloads.get_or_create(&labels).inc();
    }

    /// Shows the log's lost lines from now on.
    pub(crate) fn count_lost_lines(&self, lost: LostLines) {
        let _ = self.lost_lines.set(lost);
    }

    /// The counter of spans.
    pub(crate) fn span_counts(&self) -> SpanCounts {
        self.span_counts.clone()
    }

    /// Has spans exported from now on. To be called before the engine starts.
    pub(crate) fn export_spans(&self, exporter: SpanExporter) {
        let _ = self.spans.set(exporter);
    }

    /// Counts an answered request. `handler` is the route, such as `/api/commande/{id}`.
    pub(crate) fn answered(&self, handler: &'static str, method: &http::Method, status: u16, took: Duration) {
        self.requests.answered(handler, method, status, took);
    }

    /// Counts a request that its caller may not make.
    pub(crate) fn denied(&self, why: Denied) {
        self.requests.denied(why);
    }

    /// The counter of connections.
    pub(crate) fn connections(&self) -> ConnectionCounts {
        self.connections.clone()
    }

    /// The counters of TLS.
    pub(crate) fn tls(&self) -> TlsCounts {
        self.tls.clone()
    }

    /// The counter of fetches of the issuer's keys.
    pub(crate) fn issuer(&self) -> &IssuerCounts {
        &self.issuer
    }

    /// How many sagas need a person, as the journal counted them some seconds ago at most; `None`: it does not answer.
    pub(crate) async fn persons_needed(&self, now: Timestamp) -> Option<u64> {
        self.backlogs.refresh().await;
        let (backlog, counted) = self.backlogs.last()?;
        let is_fresh = now.since(counted) <= PERSONS_NEEDED_KEPT;
        is_fresh.then(|| backlog.values().map(|unfinished| unfinished.blocked).sum())
    }

    /// All metrics as of now; figures from the journal may be somewhat older.
    pub(crate) async fn scrape(
        &self,
        engine: &Engine,
        format: TextFormat,
    ) -> Result<String, std::fmt::Error> {
        self.backlogs.refresh().await;
        let health = engine.health();
        self.active.set(health.active as i64);
        self.ready.set(i64::from(health.is_ready()));
        self.slots.set(health.slots as i64);
        self.bytes.set(health.bytes as i64);
        self.lines_lost.set(self.lost_lines.get().map_or(0, LostLines::count) as i64);
        for participant in engine.participants() {
            let (name, breaker) = (
                ParticipantLabels { participant: participant.name, saga: participant.saga },
                participant.breaker,
            );
            self.breakers.get_or_create(&name).set(match breaker.kind {
                BreakerKind::Closed => 0,
                BreakerKind::HalfOpen => 1,
                BreakerKind::Open => 2,
            });
            self.waiting.get_or_create(&name).set(breaker.waiting as i64);
            self.no_access.get_or_create(&name).set(match participant.access {
                None => 0,
                Some(AccessTrouble { holds_calls: false, .. }) => 1,
                Some(AccessTrouble { holds_calls: true, .. }) => 2,
            });
            let not_accepted = self.not_accepted.get_or_create(&name);
            not_accepted.inner().store(participant.standing.not_accepted, Ordering::Relaxed);
        }
        let mut text = String::with_capacity(64 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(match format {
            TextFormat::OpenMetrics => text,
            TextFormat::Plain => text::plain(&text),
        })
    }
}

impl Observer for Metrics {
    fn sagas_forgotten(&self, sagas: usize) {
        self.forgotten.inc_by(sagas as u64);
    }

    fn archive_failed(&self) {
        self.archive_failures.inc();
    }

    fn committed(&self, definition: &Arc<Definition>, news: &CommitSummary) {
        self.sagas.committed(definition, news);
    }

    fn wants_spans(&self, saga: &Saga) -> bool {
        self.spans.get().is_some_and(|exporter| exporter.wants(saga))
    }

    fn spans_ended(&self, spans: Vec<SagaSpan>) {
        if let Some(exporter) = self.spans.get() {
            exporter.take(spans);
        }
    }

    fn call_started(&self, call: &Called<'_>) {
        self.sagas.call_started(call);
    }

    fn call_ended(&self, call: &CallEnded<'_>) {
        let is_traced = self.wants_spans(call.call.saga);
        self.sagas.call_ended(call, is_traced);
    }

    fn taken_over(&self, sagas: usize) {
        self.sagas.taken_over(sagas);
    }

    fn lease_lost(&self, _: usize) {
        self.sagas.lease_lost();
    }

    fn parked(&self) {
        self.sagas.parked();
    }

    fn task_failed(&self) {
        self.sagas.task_failed();
    }

    fn bulk_item_ended(&self, result: BulkState) {
        self.sagas.bulk_item_ended(result);
    }
}
