//! One participant, one step, and the calls to it.

use std::sync::Arc;
use std::time::Duration;

use saga_core::definition::{Body, Format, Variables};
use saga_core::reply::{Reply, Verdict, verdict};
use saga_core::saga::Request;
use saga_core::trace::{CallTrace, SagaTrace};
use saga_core::{AttemptNumber, Definition, Direction, Epoch, Json, SagaId, Seq};
use saga_engine::participants::{HttpParticipants, Participants, Settings};

/// From sending a request to the end of its answer.
pub const TIMEOUT: Duration = Duration::from_millis(600);

/// A participant at one URL, as a saga with one step calls it.
pub struct Caller {
    pub participants: Arc<HttpParticipants>,
    pub definition: Arc<Definition>,
}

/// The files of this machine, and no variables.
struct FilesAlone;

impl Variables for FilesAlone {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
}

impl Caller {
    pub fn new(url: &str) -> Self {
        Self::with(url, "barrier", Settings::default())
    }

    pub fn with(url: &str, safety: &str, settings: Settings) -> Self {
        let participants = Arc::new(HttpParticipants::with(settings).unwrap());
        Self { participants, definition: definition(url, safety, "timeout: 5s", "") }
    }

    /// With further keys of the participant, and of the call. Secrets may be missing on this machine: calls wait for them.
    pub fn proving(url: &str, safety: &str, keys: &str, call: &str) -> Self {
        let participants = Arc::new(HttpParticipants::with(Settings::default()).unwrap());
        Self { participants, definition: definition(url, safety, keys, call) }
    }

    /// The same connections and names, for another participant.
    pub fn calling(&self, url: &str, safety: &str) -> Self {
        Self {
            participants: self.participants.clone(),
            definition: definition(url, safety, "timeout: 5s", ""),
        }
    }

    pub async fn call(&self) -> Reply {
        let call = (0, Direction::Action, AttemptNumber::FIRST);
        let trace = CallTrace::of(SagaId::new(uuid::Uuid::nil()), &SagaTrace::default(), Seq::NONE, call);
        let request = Request {
            on_origin: false,
            method: http::Method::POST,
            path: "/a".to_owned(),
            headers: Vec::new(),
            body: Some(Body::Json(Json::parse(b"{}").unwrap())),
            saga: SagaId::new(uuid::Uuid::nil()),
            step: "a".into(),
            direction: Direction::Action,
            attempt: AttemptNumber::FIRST,
            epoch: Epoch::FIRST,
            trace,
        };
        self.participants.call(&self.definition, 0, request, TIMEOUT).await
    }

    /// Calls, and says what the reply means.
    pub async fn judged(&self) -> Verdict {
        verdict(self.definition.steps[0].action().expect("a call"), &self.call().await)
    }
}

/// The reason in a reply that is no answer.
pub fn reason(reply: &Reply) -> &str {
    match reply {
        Reply::NotSent { reason } | Reply::Lost { reason } | Reply::Impossible { reason } => reason,
        Reply::Answered(answer) => panic!("{answer:?}"),
    }
}

fn definition(url: &str, safety: &str, keys: &str, call: &str) -> Arc<Definition> {
    let source = format!(
        "saga: s\nstates: {{ started: A, completed: B, cancelled: C }}\nparticipants:\n  p: {{ url: '{url}', safety: {safety}, \
             connect_timeout: 600ms, answer_bytes_max: 65536, {keys} }}\nsteps:\n  - step: a\n    participant: p\n    \
             action: {{ post: /a, body: {{}}, output: {{ id: '.body.id' }}{call} }}\n    compensation: none\n    failure: D\n"
    );
    let definition = Definition::read(&source, Format::CURRENT, &FilesAlone);
    Arc::new(definition.unwrap_or_else(|mistakes| panic!("{mistakes}\n{source}")))
}
