//! Whose saga it is: some callers know of their own sagas alone.

use axum::http::request::Parts;
use saga_core::SagaId;
use saga_journal::Unavailable;

use super::Api;
use super::access::Principal;

/// Whether the caller of a request may know of a saga. The handler tells of a saga that does not exist.
pub(crate) async fn may_see(api: &Api, request: &Parts, saga: SagaId) -> Result<bool, Unavailable> {
    let Some(principal) = request.extensions.get::<Principal>().filter(|principal| principal.sees_own_only())
    else {
        return Ok(true);
    };
    let row = api.engine.journal().row(saga).await?;
    Ok(row.is_none_or(|row| principal.may_see(row.row.summary.started_by.as_ref())))
}
