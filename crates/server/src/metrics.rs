//! What Prometheus reads. Orders are counted from committed events only.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use saga_core::Direction;
use saga_engine::{CallEnded, Engine, Observer};

/// Seconds: from a quick loopback call to a client's longest wait.
const SECONDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// All metrics. One for each process.
pub struct Metrics {
    registry: Registry,
    states: Family<StateLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<HandlerLabels, Histogram>,
    calls: Family<CallLabels, Counter>,
    call_durations: Family<ParticipantLabels, Histogram>,
    calls_in_flight: Family<ParticipantLabels, Gauge>,
    taken_over: Counter,
    parked: Counter,
    active: Gauge,
    ready: Gauge,
    journal_commits: Gauge,
    journal_entries: Gauge,
    journal_events: Gauge,
    journal_failures: Gauge,
    journal_queued: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    etat: Arc<str>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    handler: &'static str,
    method: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HandlerLabels {
    handler: &'static str,
    method: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    participant: Arc<str>,
    step: Arc<str>,
    direction: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ParticipantLabels {
    participant: Arc<str>,
}

impl Metrics {
    /// Registers everything. `etats` are the states of the definition: each is counted from zero on, so that a
    /// dashboard sees it before its first order.
    pub fn new<'a>(etats: impl IntoIterator<Item = &'a Arc<str>>) -> Self {
        let mut registry = Registry::default();
        let states = Family::<StateLabels, Counter>::default();
        registry.register("commande_etat", "Orders that entered each state", states.clone());
        for etat in etats {
            let _ = states.get_or_create(&StateLabels { etat: etat.clone() });
        }
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("http_requests", "Requests by handler, method and status class", requests.clone());
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let durations = Family::<HandlerLabels, Histogram>::new_with_constructor(histogram);
        registry.register("http_request_duration_seconds", "Time to answer, in seconds", durations.clone());
        let calls = Family::<CallLabels, Counter>::default();
        registry.register("saga_calls", "Calls to participants by outcome", calls.clone());
        let call_durations = Family::<ParticipantLabels, Histogram>::new_with_constructor(histogram);
        registry.register(
            "saga_call_duration_seconds",
            "Time that calls take, in seconds",
            call_durations.clone(),
        );
        let calls_in_flight = Family::<ParticipantLabels, Gauge>::default();
        registry.register("saga_calls_in_flight", "Calls under way", calls_in_flight.clone());
        let (taken_over, parked) = (Counter::default(), Counter::default());
        registry.register("sagas_taken_over", "Unfinished sagas taken over at a start", taken_over.clone());
        registry.register(
            "sagas_parked",
            "Sagas that could not be read and wait for a person",
            parked.clone(),
        );
        let gauge = |registry: &mut Registry, name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let active = gauge(&mut registry, "sagas_active", "Sagas under way in this process");
        let ready = gauge(&mut registry, "orchestrateur_ready", "1 when new orders are accepted");
        let journal_commits =
            gauge(&mut registry, "journal_commits", "Transactions made durable since the start");
        let journal_entries = gauge(&mut registry, "journal_entries", "Entries made durable since the start");
        let journal_events = gauge(&mut registry, "journal_events", "Events made durable since the start");
        let journal_failures =
            gauge(&mut registry, "journal_failures", "Transactions that failed since the start");
        let journal_queued = gauge(&mut registry, "journal_queued", "Entries that wait for the writer");
        Self {
            registry,
            states,
            requests,
            durations,
            calls,
            call_durations,
            calls_in_flight,
            taken_over,
            parked,
            active,
            ready,
            journal_commits,
            journal_entries,
            journal_events,
            journal_failures,
            journal_queued,
        }
    }

    /// Counts an answered request. `handler` is the route, such as `/api/commande/{id}`.
    pub(crate) fn answered(&self, handler: &'static str, method: &http::Method, status: u16, took: Duration) {
        let status = match status {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        // Methods are the client's to choose; unknown ones must not grow the number of series.
        let method = match method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            "HEAD" => "HEAD",
            "OPTIONS" => "OPTIONS",
            _ => "OTHER",
        };
        self.requests.get_or_create(&RequestLabels { handler, method, status }).inc();
        self.durations.get_or_create(&HandlerLabels { handler, method }).observe(took.as_secs_f64());
    }

    /// In the older text format, version 0.0.4, which every version of Prometheus reads.
    pub(crate) fn plain(&self, engine: &Engine) -> Result<String, std::fmt::Error> {
        Ok(plain(&self.openmetrics(engine)?))
    }

    /// In OpenMetrics.
    pub(crate) fn openmetrics(&self, engine: &Engine) -> Result<String, std::fmt::Error> {
        let health = engine.health();
        let journal = engine.journal().stats();
        self.active.set(health.active as i64);
        self.ready.set(i64::from(!health.stopping && health.journal_failing.is_none()));
        self.journal_commits.set(journal.commits as i64);
        self.journal_entries.set(journal.entries as i64);
        self.journal_events.set(journal.events as i64);
        self.journal_failures.set(journal.failures as i64);
        self.journal_queued.set(journal.queued as i64);
        let mut text = String::with_capacity(16 * 1024);
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// OpenMetrics text in the older format: there, a counter's description has the name of its samples, with `_total`,
/// and neither units nor the end are marked.
fn plain(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        match line.split_once(' ').and_then(|(_, rest)| rest.split_once(' ')) {
            Some((_, name_and_help)) if line.starts_with("# HELP ") => {
                let (name, help) = name_and_help.split_once(' ').unwrap_or((name_and_help, ""));
                let counter = lines.peek().is_some_and(|next| *next == format!("# TYPE {name} counter"));
                let total = if counter { "_total" } else { "" };
                text.push_str(&format!("# HELP {name}{total} {help}\n"));
            }
            Some((_, name_and_type)) if line.starts_with("# TYPE ") => {
                let name_and_type = name_and_type.replace(" counter", "_total counter");
                text.push_str(&format!("# TYPE {name_and_type}\n"));
            }
            _ if line.starts_with('#') => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}

impl Observer for Metrics {
    fn committed(&self, etats: &[Arc<str>]) {
        for etat in etats {
            self.states.get_or_create(&StateLabels { etat: etat.clone() }).inc();
        }
    }

    fn call_started(&self, participant: &Arc<str>) {
        self.calls_in_flight.get_or_create(&ParticipantLabels { participant: participant.clone() }).inc();
    }

    fn call_ended(&self, call: &CallEnded<'_>) {
        let participant = ParticipantLabels { participant: call.participant.clone() };
        self.calls_in_flight.get_or_create(&participant).dec();
        self.call_durations.get_or_create(&participant).observe(call.duration.as_secs_f64());
        let labels = CallLabels {
            participant: call.participant.clone(),
            step: call.step.clone(),
            direction: match call.direction {
                Direction::Action => "action",
                Direction::Compensation => "compensation",
                Direction::Probe => "probe",
            },
            outcome: call.outcome.map_or("abandoned", saga_core::Outcome::as_str),
        };
        self.calls.get_or_create(&labels).inc();
    }

    fn taken_over(&self, sagas: usize) {
        self.taken_over.inc_by(sagas as u64);
    }

    fn parked(&self) {
        self.parked.inc();
    }
}
