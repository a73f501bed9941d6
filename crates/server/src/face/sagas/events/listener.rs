//! The client of a stream, by what it presented: an open stream does not keep a key alive.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

use crate::api::Api;
use crate::api::access::{Needs, Role};
use crate::tls::PeerCertificate;

/// The roles that may listen, as beside the handler.
const LISTENERS: [Role; 3] = [Role::Read, Role::Operate, Role::Admin];

/// A client's credential: its header, or its connection's certificate.
pub(super) struct Listener {
    headers: HeaderMap,
    extensions: Extensions,
}

impl Listener {
    pub(super) fn of(request: &Parts) -> Self {
        let given = request.headers.get_all(header::AUTHORIZATION).iter();
        let headers = given.map(|value| (header::AUTHORIZATION, value.clone())).collect();
        let mut extensions = Extensions::new();
        if let Some(certificate) = request.extensions.get::<Arc<PeerCertificate>>() {
            extensions.insert(certificate.clone());
        }
        Self { headers, extensions }
    }

    /// Whether the client would be let in now.
    pub(super) async fn may_listen(&self, api: &Api) -> bool {
        let needs = Needs::AnyOf(LISTENERS.into_iter().collect());
        api.access.would_admit(&self.headers, &self.extensions, needs, api.clock.now()).await
    }
}
