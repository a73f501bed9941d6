//! Calls to participants: for each request there is always a [`Reply`]. [`Fetcher`] reads documents of other servers by the same
//! means.

mod access;
mod address;
mod answer;
mod answer_head;
mod chunks;
mod connect;
mod credentials;
mod exchange;
mod fetch;
mod files;
mod http;
mod message;
mod pool;
mod resolve;
pub mod signing;
mod standing;
mod state;
mod tls_files;
mod tokens;
mod trust;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use saga_core::Definition;
use saga_core::definition::Participant;
use saga_core::reply::Reply;
use saga_core::saga::Request;

pub use self::access::{AccessTrouble, AwaitedAccess};
pub use self::fetch::{DocumentTaken, Fetcher, NotFetched};
pub use self::http::{HttpParticipants, Settings};
pub use self::message::{TraceHeaders, as_sent};
pub use self::resolve::{RESOLUTIONS_MAX, Resolver};
pub use self::standing::{CallTrouble, FailedCall, Standing};
pub(crate) use self::standing::{Change, StandingRecord};
pub use self::state::ParticipantState;
pub use self::tls_files::check_tls;
pub use self::trust::{NamedFile, SetupError, machine_roots};

/// A call under way. Dropping it abandons the call: the participant may or may not have received it.
pub type Calling = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Carries requests to participants.
pub trait Participants: Send + Sync + 'static {
    /// Sends `request` to the participant of `step`. The reply comes within `timeout` after the request was sent,
    /// plus the participant's connect timeout and the time in the queue.
    fn call(&self, definition: &Arc<Definition>, step: usize, request: Request, timeout: Duration)
    -> Calling;

    /// Waits until calls to the participant of `step` can be made at all: its credential is there, and the files of its `tls`.
    /// `None`: they can. A call is asked about just before it leaves.
    fn access(&self, definition: &Arc<Definition>, step: usize) -> Option<AwaitedAccess> {
        let _ = (definition, step);
        None
    }

    /// Why calls to a participant cannot be made, or its credential or files cannot be renewed; `None`: all is well.
    fn access_trouble(&self, participant: &Participant) -> Option<AccessTrouble> {
        let _ = participant;
        None
    }
}
