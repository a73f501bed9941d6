//! Calls to participants: a request goes out, a [`Reply`] comes back, always.

mod http;
mod state;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;
use saga_core::reply::Reply;
use saga_core::saga::Request;

pub use self::http::{HttpParticipants, SetupError};
pub use self::state::ParticipantState;

/// A call under way. Dropping it abandons the call: the participant may or may not have seen it.
pub type Calling = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Whoever carries requests to participants.
pub trait Participants: Send + Sync + 'static {
    /// Sends `request` to the participant of `step`. The reply comes within `timeout` of the request's leaving,
    /// plus the participant's connect timeout and the time that it waits for its turn.
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, timeout: Duration)
    -> Calling;
}
