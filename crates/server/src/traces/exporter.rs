//! The queue of spans that have ended, and the task that sends them to the collector, a batch at a time.
//!
//! The engine only ever puts spans into the queue, which takes no time and has a limit. A collector can only cost spans: one that refuses, is gone, never answers or answers without end delays the next batch, the queue fills, and what has no room is dropped
//! and counted.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use saga_core::Saga;
use saga_core::trace::{SagaSpan, Sampler};
use saga_engine::participants::{Fetcher, NamedFile, SetupError};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::attributes;
use super::counts::{SpanCounts, SpanFate};
use super::otlp::{ExportRequest, OtlpScope, Resource, ResourceSpans, ScopeSpans};
use super::settings::{CERTIFICATE, CLIENT_CERTIFICATE, CLIENT_KEY, ExportSettings, TraceSettings};

/// Bytes of a collector's answer.
const COLLECTOR_ANSWER_BYTES_MAX: usize = 65_536;
/// How long a batch waits before it is sent again, at first and at most.
const SPANS_AGAIN_AFTER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));
/// How long the end of the process waits for the collector.
const SPANS_LAST_WAIT: Duration = Duration::from_secs(3);
/// How often the log tells of spans that were lost, while some are.
const SPANS_LOST_TOLD_AFTER: Duration = Duration::from_secs(60);

/// Takes spans that have ended. A copy of it is another reference to the same queue.
#[derive(Clone)]
pub(crate) struct SpanExporter {
    queue: Arc<SpanQueue>,
    sampler: Sampler,
}

struct SpanQueue {
    spans: Mutex<VecDeque<SagaSpan>>,
    waiting_max: usize,
    batch_max: usize,
    /// Told when there are enough spans for a batch.
    filled: Notify,
    counts: SpanCounts,
    lost: Mutex<Lost>,
}

/// Spans that were lost since the log has told of it.
#[derive(Default)]
struct Lost {
    no_room: u64,
    not_taken: u64,
    why: Option<String>,
}

/// Sends the spans to the collector.
pub(crate) struct ExportTask {
    queue: Arc<SpanQueue>,
    settings: ExportSettings,
    fetcher: Fetcher,
    /// The batch that is being sent. It stays here until it has been taken or given up.
    batch: Vec<SagaSpan>,
    told: Option<Instant>,
}

/// What became of a batch that was sent.
enum BatchSent {
    Taken,
    /// It can be sent again, no sooner than after this.
    Again(Option<Duration>, String),
    Refused(String),
}

impl SpanExporter {
    /// The exporter that these settings ask for, and its task, which has to be run; `None`: nothing is exported.
    pub(crate) fn new(
        settings: &TraceSettings,
        counts: SpanCounts,
    ) -> Result<Option<(Self, ExportTask)>, SetupError> {
        let Some(export) = settings.export.clone() else { return Ok(None) };
        let authorities = export.certificate.as_deref();
        let fetcher = match &export.identity {
            None => Fetcher::trusting(CERTIFICATE, authorities)?,
            Some((certificate, key)) => Fetcher::showing(
                NamedFile { flag: CLIENT_CERTIFICATE, path: certificate },
                NamedFile { flag: CLIENT_KEY, path: key },
                CERTIFICATE,
                authorities,
            )?,
        };
        let queue = Arc::new(SpanQueue {
            spans: Mutex::default(),
            waiting_max: export.waiting_max,
            batch_max: export.batch_max,
            filled: Notify::new(),
            counts,
            lost: Mutex::default(),
        });
        let task =
            ExportTask { queue: queue.clone(), settings: export, fetcher, batch: Vec::new(), told: None };
        Ok(Some((Self { queue, sampler: settings.sampler }, task)))
    }

    /// Whether the spans of this saga are exported.
    pub(crate) fn wants(&self, saga: &Saga) -> bool {
        saga.is_sampled(&self.sampler)
    }

    /// Takes spans, as far as there is room.
    pub(crate) fn take(&self, spans: Vec<SagaSpan>) {
        let (waiting, left_out) = {
            let mut queue = self.queue.spans.lock().unwrap_or_else(PoisonError::into_inner);
            let room = self.queue.waiting_max - queue.len();
            let left_out = spans.len().saturating_sub(room);
            queue.extend(spans.into_iter().take(room));
            (queue.len(), left_out)
        };
        if waiting >= self.queue.batch_max {
            self.queue.filled.notify_one();
        }
        if left_out > 0 {
            self.queue.counts.count(SpanFate::QueueFull, left_out);
            let mut lost = self.queue.lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.no_room += left_out as u64;
        }
    }
}

impl SpanQueue {
    fn next(&self) -> Vec<SagaSpan> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = spans.len().min(self.batch_max);
        spans.drain(..batch).collect()
    }

    fn has_batch(&self) -> bool {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).len() >= self.batch_max
    }
}

impl ExportTask {
    /// Sends batches for as long as the process runs.
    pub(crate) async fn run(&mut self) -> std::convert::Infallible {
        loop {
            if !self.queue.has_batch() {
                tokio::select! {
                    () = self.queue.filled.notified() => {}
                    () = sleep(self.settings.delay) => {}
                }
            }
            self.send_next().await;
            self.tell();
        }
    }

    /// Sends what is there, at the end of the process, and waits no longer than [`SPANS_LAST_WAIT`].
    pub(crate) async fn end(&mut self) {
        let until = Instant::now() + SPANS_LAST_WAIT;
        loop {
            if self.batch.is_empty() {
                self.batch = self.queue.next();
            }
            if self.batch.is_empty() {
                break;
            }
            if timeout_at(until, self.send_batch(until)).await.is_err() {
                let left = self.batch.len() + self.queue.next().len();
                self.lost(left, "the process has ended".to_owned());
                break;
            }
        }
        self.told = None;
        self.tell();
    }

    async fn send_next(&mut self) {
        self.batch = self.queue.next();
        if !self.batch.is_empty() {
            let until = Instant::now() + self.settings.tried_for;
            self.send_batch(until).await;
        }
    }

    /// Sends the batch, again and again until then.
    async fn send_batch(&mut self, until: Instant) {
        let message = Bytes::from(self.message());
        let (mut pause, longest) = SPANS_AGAIN_AFTER;
        loop {
            match self.send(message.clone()).await {
                BatchSent::Taken => {
                    self.queue.counts.count(SpanFate::Exported, self.batch.len());
                    break;
                }
                BatchSent::Again(wait, why) => {
                    let again = Instant::now() + wait.unwrap_or(pause);
                    if again >= until {
                        self.lost(self.batch.len(), why);
                        break;
                    }
                    sleep_until(again).await;
                    pause = (pause * 2).min(longest);
                }
                BatchSent::Refused(why) => {
                    self.lost(self.batch.len(), why);
                    break;
                }
            }
        }
        self.batch = Vec::new();
    }

    async fn send(&self, message: Bytes) -> BatchSent {
        let ExportSettings { endpoint, headers, timeout, .. } = &self.settings;
        match self.fetcher.send(endpoint, headers, message, COLLECTOR_ANSWER_BYTES_MAX, *timeout).await {
            Ok(answer) if (200..300).contains(&answer.status) => BatchSent::Taken,
            // As OTLP has it.
            Ok(answer) if matches!(answer.status, 429 | 502 | 503 | 504) => {
                BatchSent::Again(answer.retry_after, format!("the collector answers {}", answer.status))
            }
            Ok(answer) => BatchSent::Refused(format!("the collector answers {}", answer.status)),
            Err(error) => BatchSent::Again(None, error.to_string()),
        }
    }

    fn message(&self) -> Vec<u8> {
        let scope =
            OtlpScope { name: "orchestrateur".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let spans = self.batch.iter().map(attributes::of).collect();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans }];
        let resource = Some(Resource { attributes: self.settings.resource.clone() });
        let request = ExportRequest { resource_spans: vec![ResourceSpans { resource, scope_spans }] };
        let message = request.encode_to_vec();
        if self.settings.is_compressed { compressed(&message) } else { message }
    }

    fn lost(&self, spans: usize, why: String) {
        self.queue.counts.count(SpanFate::NotTaken, spans);
        let mut lost = self.queue.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.not_taken += spans as u64;
        lost.why = Some(why);
    }

    /// Tells of lost spans, once in a while.
    fn tell(&mut self) {
        if self.told.is_some_and(|told| told.elapsed() < SPANS_LOST_TOLD_AFTER) {
            return;
        }
        let lost = std::mem::take(&mut *self.queue.lost.lock().unwrap_or_else(PoisonError::into_inner));
        let (no_room, not_taken) = (lost.no_room, lost.not_taken);
        if no_room + not_taken > 0 {
            self.told = Some(Instant::now());
            let why = lost.why.unwrap_or_else(|| "the collector is too slow".to_owned());
            tracing::warn!(
                spans.no_room = no_room,
                spans.not_taken = not_taken,
                "{} spans of orders were lost; no order was held up by that: {why}",
                no_room + not_taken
            );
        }
    }
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(message).and_then(|()| encoder.finish());
    written.expect("memory takes every byte")
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use saga_core::definition::{Format, Variables};
    use saga_core::trace::{SpanAbout, SpanId, TraceId};
    use saga_core::{Definition, SagaId, Timestamp};

    use super::*;

    struct NoVariables;

    impl Variables for NoVariables {
        fn variable(&self, _: &str) -> Option<String> {
            None
        }

        fn file(&self, _: &str) -> Result<String, String> {
            Err("there are no files".into())
        }
    }

    fn span() -> SagaSpan {
        let source = "saga: essai\ninput: {}\ndeadline: 30s\nparticipants: { p: { url: 'http://p' } }\nsteps:\n  - { step: a, participant: p, action: { get: /a } }";
        let definition = Arc::new(Definition::read(source, Format::CURRENT, &NoVariables).unwrap());
        let saga = SagaId::from_idempotency_key("k");
        let state = definition.states.started.clone();
        SagaSpan {
            trace: TraceId::of_saga(saga),
            id: SpanId::of_saga(saga, saga_core::Seq::NONE),
            parent: None,
            saga,
            definition,
            context: None,
            begun: Timestamp::from_micros(1),
            ended: Timestamp::from_micros(2),
            about: SpanAbout::Saga { state, completed: None, is_called: false },
            links: Vec::new(),
        }
    }

    #[test]
    fn spans_that_have_no_room_are_dropped_and_counted() {
        let variables = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:9".to_owned()),
            "OTEL_BSP_MAX_QUEUE_SIZE" => Some("16".to_owned()),
            _ => None,
        };
        let settings = TraceSettings::read(&variables, "essai").unwrap();
        let mut registry = Registry::default();
        let counts = SpanCounts::register(&mut registry);
        let (exporter, task) = SpanExporter::new(&settings, counts).unwrap().unwrap();
        let span = span();
        for _ in 0..3 {
            exporter.take(vec![span.clone(); 10]);
        }
        assert_eq!(task.queue.spans.lock().unwrap().len(), 16);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("trace_spans_total{result=\"queue_full\"} 14"), "{text}");
        // Where some are sent, there is room again.
        assert_eq!(task.queue.next().len(), 16);
        exporter.take(vec![span; 10]);
        assert_eq!(task.queue.next().len(), 10);
    }
}
