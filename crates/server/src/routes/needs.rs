//! The roles that each route is for, as its handler says (`security` beside its path), read from the document.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;
use serde_json::{Value, json};
use utoipa::openapi::path::Operation;

use crate::api::access::{Needs, Role};
use crate::face::sagas::LiveFeed;

/// The needs of one path: those of its GET, and those of its POST.
type PathNeeds = [Option<Needs>; 2];

/// By path. Made from the document's parts: its text is made for those alone who ask for it.
static NEEDS: LazyLock<HashMap<String, PathNeeds>> = LazyLock::new(|| {
    let document = super::documented(LiveFeed::new()).into_openapi();
    let needs = |operation: Option<Operation>| operation.map(|it| said(&json!(it.security)));
    document.paths.paths.into_iter().map(|(path, item)| (path, [item.get, item.post].map(needs))).collect()
});

/// The route of the document with this path, if it has one.
pub(super) fn route(path: &str) -> Option<&'static str> {
    NEEDS.get_key_value(path).map(|(route, _)| &**route)
}

/// The needs of a route; `None`: there is no such route or method, so there is nothing to get at.
pub(super) fn of(path: &str, method: &Method) -> Option<Needs> {
    let [get, post] = NEEDS.get(path)?;
    match *method {
        Method::GET | Method::HEAD => *get,
        Method::POST => *post,
        _ => None,
    }
}

/// What an operation's `security` says. An operation that says nothing is for administrators alone.
fn said(security: &Value) -> Needs {
    let requirements = security.as_array().map(Vec::as_slice).unwrap_or_default();
    if requirements.iter().any(|requirement| *requirement == Value::Object(serde_json::Map::new())) {
        return Needs::Nothing;
    }
    let roles = requirements.iter().filter_map(|requirement| requirement["key"].as_array()).flatten();
    let roles: Vec<Role> = roles.filter_map(|role| role.as_str()?.parse().ok()).collect();
    Needs::AnyOf(if roles.is_empty() { Role::Admin.into() } else { roles.into_iter().collect() })
}
