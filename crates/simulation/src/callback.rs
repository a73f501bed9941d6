//! Where participants call back.

use saga_core::CallbackToken;
use saga_core::saga::Request;

/// The address that all processes of a world are reached at.
pub(crate) const CALLED_BACK_AT: &str = "https://sagas.example/api/callbacks";

/// The token of the callback's address in a request.
pub(crate) fn token_in(request: &Request) -> Option<CallbackToken> {
    let (_, rest) = request.body.as_ref()?.text().split_once(CALLED_BACK_AT)?;
    rest.strip_prefix('/')?.split('"').next()?.parse().ok()
}
