//! How many bytes of clients are in memory, over all of them: requests' bodies that are being read, large
//! answers that are being taken, histories that are being read for an answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use saga_core::{Saga, SagaId};
use saga_engine::{Engine, Refusal};
use saga_journal::History;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::ApiLimits;
use super::problem::Problem;

/// Answers of this many bytes or fewer do not count against `answers_bytes_max`: the answer about an order must not
/// wait for a client that reads lists slowly.
const SMALL_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Histories that are read at the same time to answer requests; each is in memory as a whole.
const HISTORY_READS_MAX: usize = 8;
/// How long a request waits for its turn to read one.
const HISTORY_READ_WAIT: Duration = Duration::from_secs(5);

/// The part of each budget that is left.
#[derive(Clone)]
pub(crate) struct Budgets {
    requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    histories: Arc<Semaphore>,
}

impl Budgets {
    /// All of it.
    pub(crate) fn new(limits: &ApiLimits) -> Self {
        let bytes = |bytes: usize| Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)));
        Self {
            requests: bytes(limits.requests_bytes_max),
            answers: bytes(limits.answers_bytes_max),
            histories: Arc::new(Semaphore::new(HISTORY_READS_MAX)),
        }
    }

    /// An empty body that can grow.
    pub(crate) fn body(&self, limits: &ApiLimits) -> Growing<'_> {
        Growing { budgets: self, total_max: limits.requests_bytes_max, bytes: Vec::new(), held: None }
    }

    /// `response`, with its bytes counted until they are written; `503` if there are too many already.
    pub(crate) async fn answer(&self, response: Response, limits: &ApiLimits) -> Response {
        let size = response.body().size_hint().lower() as usize;
        if size <= SMALL_ANSWER_BYTES_MAX {
            return response;
        }
        let Some(held) = take(&self.answers, size) else {
            let max = limits.answers_bytes_max;
            let detail = format!(
                "answers of answers_bytes_max ({max} bytes) are still being read by their clients; try again later"
            );
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "answers_bytes_max", detail)
                .into_response();
        };
        let (head, body) = response.into_parts();
        // The API's answers are made as a whole; this copies nothing and waits for nothing.
        let Ok(body) = body.collect().await else {
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "answer_broke_off", "try again later")
                .into_response();
        };
        // The last holder of the bytes is the connection, which lets go of them when they are written.
        let bytes = Bytes::from_owner(CountedBytes { bytes: body.to_bytes(), _held: held });
        Response::from_parts(head, Body::from(bytes))
    }

    /// Reads an order's history when its turn has come.
    pub(crate) async fn read(
        &self,
        engine: &Engine,
        saga: SagaId,
    ) -> Result<Result<Option<(Saga, History)>, Refusal>, Problem> {
        let _turn = self.turn().await?;
        Ok(engine.read(saga).await)
    }

    /// The same without the saga that it tells: also of one that cannot be read back.
    pub(crate) async fn history(
        &self,
        engine: &Engine,
        saga: SagaId,
    ) -> Result<Result<Option<History>, Refusal>, Problem> {
        let _turn = self.turn().await?;
        Ok(engine.journal().load(saga).await.map_err(Refusal::from))
    }

    /// The right to read a history, for as long as it is held.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let Ok(Ok(turn)) = timeout(HISTORY_READ_WAIT, self.histories.acquire()).await else {
            let detail = format!(
                "HISTORY_READS_MAX ({HISTORY_READS_MAX}) histories are being read, and no turn came within \
                 HISTORY_READ_WAIT ({} s); try again later",
                HISTORY_READ_WAIT.as_secs()
            );
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "history_reads_max", detail));
        };
        Ok(turn)
    }
}

fn take(budget: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    budget.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
}

/// Bytes that count against a budget as long as they are there.
struct CountedBytes {
    bytes: Bytes,
    _held: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A request's body while it arrives.
pub(crate) struct Growing<'a> {
    budgets: &'a Budgets,
    total_max: usize,
    bytes: Vec<u8>,
    held: Option<OwnedSemaphorePermit>,
}

impl Growing<'_> {
    /// Adds what has arrived.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        let Some(more) = take(&self.budgets.requests, bytes.len()) else {
            let detail = format!(
                "bodies of requests_bytes_max ({} bytes) are being read already; nothing was done, try again later",
                self.total_max
            );
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "requests_bytes_max", detail));
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole body, which counts until it is dropped.
    pub(crate) fn whole(self) -> Bytes {
        match self.held {
            Some(held) => Bytes::from_owner(CountedBytes { bytes: self.bytes.into(), _held: held }),
            None => Bytes::new(),
        }
    }
}
