//! A connection's requests to the API, and the answers back to the client.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use tower::ServiceExt;
use tower::util::Oneshot;

use super::activity::{Activity, ConnectionPhase};
use super::{CallerAddress, Crowded};
use crate::tls::PeerCertificate;

/// The service that hyper calls for each request of one connection.
pub(super) struct RequestService {
    pub(super) router: Router,
    pub(super) caller: CallerAddress,
    /// The caller's certificate, if it showed one in the handshake.
    pub(super) peer: Option<Arc<PeerCertificate>>,
    /// The reason if there is no place for this connection.
    pub(super) crowded: Option<Crowded>,
    pub(super) activity: Arc<Activity>,
}

impl hyper::service::Service<Request<Incoming>> for RequestService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        self.activity.is(ConnectionPhase::Busy);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.caller);
        if let Some(peer) = &self.peer {
            request.extensions_mut().insert(peer.clone());
        }
        if let Some(crowded) = self.crowded {
            request.extensions_mut().insert(crowded);
        }
        let answer = self.router.clone().oneshot(request);
        Answering { answer, activity: Some(self.activity.clone()) }
    }
}

/// An answer that is being made.
pub(super) struct Answering {
    answer: Oneshot<Router, Request<Body>>,
    activity: Option<Arc<Activity>>,
}

impl Future for Answering {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(Ok(response)) = Pin::new(&mut self.answer).poll(context) else {
            return Poll::Pending;
        };
        let activity = self.activity.take();
        Poll::Ready(Ok(response.map(|body| AnswerBody { body, activity })))
    }
}

/// An answer's body. When hyper drops it, the connection is free for the next request.
pub(super) struct AnswerBody {
    body: Body,
    activity: Option<Arc<Activity>>,
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            activity.is(ConnectionPhase::Idle);
        }
    }
}

impl hyper::body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
