//! The roles that each route is for, as its handler says (`security` beside its path), read from the document.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;
use serde_json::Value;

use super::TEXT;
use crate::api::access::{Needs, Role};

/// The needs of one path: those of its GET, and those of its POST.
type PathNeeds = [Option<Needs>; 2];

/// By path.
static NEEDS: LazyLock<HashMap<String, PathNeeds>> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(&TEXT).unwrap_or_default();
    let paths = document["paths"].as_object().into_iter().flatten();
    let needs = |item: &Value| ["get", "post"].map(|method| item.get(method).map(|it| said(&it["security"])));
    paths.map(|(path, item)| (path.clone(), needs(item))).collect()
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
