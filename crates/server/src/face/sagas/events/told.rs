//! An event of the stream: a CloudEvent (version 1.0 of the specification by the CNCF), as JSON, in a message of server-sent events.

use std::sync::Arc;

use bytes::Bytes;
use saga_core::definition::{Definition, Labels};
use saga_core::{Event, Record};
use saga_engine::Engine;
use saga_journal::{FedFrame, FeedPlace};
use serde::Serialize;
use utoipa::ToSchema;

use super::place;
use crate::face::sagas::line::SagaLine;

/// A CloudEvent.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaEvent)]
pub(crate) struct CloudEvent<'a> {
    #[schema(example = "1.0")]
    specversion: &'static str,
    /// Its place in the stream: `Last-Event-ID` goes on behind it. An event that is told again has it again.
    #[schema(example = "4711.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21.3")]
    id: &'a str,
    #[schema(example = "/api/sagas")]
    source: &'static str,
    /// `orchestrateur.saga.` and the kind of the event.
    #[serde(rename = "type")]
    #[schema(example = "orchestrateur.saga.attempt_ended")]
    kind: String,
    /// The saga's id.
    #[schema(format = "uuid")]
    subject: String,
    #[schema(format = DateTime)]
    time: &'a str,
    #[schema(example = "application/json")]
    datacontenttype: &'static str,
    data: EventData<'a>,
}

/// What happened.
#[derive(Serialize, ToSchema)]
#[schema(as = SagaEventData)]
pub(crate) struct EventData<'a> {
    /// The name of the saga's definition.
    saga: &'a str,
    /// The event's position in the saga's history.
    position: u64,
    #[serde(flatten)]
    line: &'a SagaLine,
}

/// An event that is told, and what it is chosen by.
pub(super) struct ToldEvent {
    pub(super) place: FeedPlace,
    pub(super) line: SagaLine,
    /// The participant of the event's step.
    pub(super) participant: Option<Arc<str>>,
    pub(super) definition: Arc<str>,
    pub(super) labels: Arc<Labels>,
    /// The message.
    pub(super) message: Bytes,
}

/// A frame's events.
pub(super) async fn of(engine: &Engine, frame: FedFrame) -> Vec<ToldEvent> {
    let records = match &frame.records {
        Ok(records) => records,
        Err(error) => {
            tracing::warn!(saga = %frame.saga, "events of a saga cannot be read, and are not told: {error}");
            return Vec::new();
        }
    };
    // Without it, the events say what happened, but not at which step.
    let definition = engine.pinned(&frame.definition_hash).await.ok();
    let labels = Arc::new(frame.labels.clone());
    let told = |(place, record): (FeedPlace, &Record)| {
        let line = SagaLine::of(record, definition.as_deref());
        let message = message(place, &frame.definition, &line)?;
        let participant = step(&record.event).and_then(|step| participant(definition.as_deref()?, step));
        Some(ToldEvent {
            place,
            line,
            participant,
            definition: frame.definition.clone(),
            labels: labels.clone(),
            message,
        })
    };
    frame.places().zip(records).filter_map(told).collect()
}

fn message(at: FeedPlace, definition: &str, line: &SagaLine) -> Option<Bytes> {
    let id = place::written(at);
    let event = CloudEvent {
        specversion: "1.0",
        id: &id,
        source: "/api/sagas",
        kind: format!("orchestrateur.saga.{}", line.event.unwrap_or_default()),
        subject: at.saga.to_string(),
        time: &line.at,
        datacontenttype: "application/json",
        data: EventData { saga: definition, position: at.seq.get(), line },
    };
    // JSON on one line has no line break, which would end the message.
    let json = serde_json::to_string(&event).ok()?;
    Some(format!("id: {id}\ndata: {json}\n\n").into())
}

fn participant(definition: &Definition, step: usize) -> Option<Arc<str>> {
    definition.participant(step).map(|participant| participant.name.clone())
}

/// The step that an event is about.
fn step(event: &Event) -> Option<usize> {
    match event {
        Event::Skipped { step }
        | Event::Waits { step, .. }
        | Event::PauseEnded { step }
        | Event::SignalTaken { step, .. }
        | Event::PassedOver { step, .. }
        | Event::AttemptStarted { step, .. }
        | Event::AttemptEnded { step, .. }
        | Event::Blocked { step, .. }
        | Event::Resolved { step, .. } => Some(*step),
        _ => None,
    }
}
