//! The client of a stream, by what it presented: an open stream does not keep a key alive.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};

use crate::api::Api;
use crate::api::access::session::would_identify;
use crate::api::access::{Needs, Role};
use crate::tls::PeerCertificate;

/// The roles that may listen, as beside the handler.
const LISTENERS: [Role; 3] = [Role::Read, Role::Operate, Role::Admin];

/// A client's credential: its headers, and its connection's certificate.
pub(super) struct Listener {
    headers: HeaderMap,
    extensions: Extensions,
    /// Whether it is a page of the console, which may have a session.
    is_console: bool,
}

impl Listener {
    pub(super) fn of(request: &Parts) -> Self {
        let is_credential =
            |name: &header::HeaderName| [header::AUTHORIZATION, header::COOKIE].contains(name);
        let given = request.headers.iter().filter(|(name, _)| is_credential(name));
        let headers = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        let mut extensions = Extensions::new();
        if let Some(certificate) = request.extensions.get::<Arc<PeerCertificate>>() {
            extensions.insert(certificate.clone());
        }
        Self { headers, extensions, is_console: saga_console::is_at(request.uri.path()) }
    }

    /// Whether the client would be let in now.
    pub(super) async fn may_listen(&self, api: &Api) -> bool {
        let needs = Needs::AnyOf(LISTENERS.into_iter().collect());
        if self.is_console {
            return would_identify(api, &self.headers, &self.extensions, needs).await;
        }
        api.access.would_admit(&self.headers, &self.extensions, needs, api.clock.now()).await
    }
}
