//! The roles that each route is for, as its handler says (`security` beside its path).

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use axum::http::Method;
use serde_json::{Value, json};
use utoipa::openapi::HttpMethod;
use utoipa::openapi::path::Operation;

use crate::api::access::{Needs, Role};

/// The needs of one path: those of its GET, and those of its POST.
type PathNeeds = [Option<RouteNeeds>; 2];

/// By path.
static NEEDS: LazyLock<HashMap<String, PathNeeds>> = LazyLock::new(|| {
    let mut needs = HashMap::<String, PathNeeds>::new();
    for route in super::documented().flat_map(|group| group.routes) {
        let [get, post] = needs.entry((route.path)()).or_default();
        for method in (route.methods)() {
            let place = match method {
                HttpMethod::Get => &mut *get,
                HttpMethod::Post => &mut *post,
                // A caller of such a route would be asked for no key.
                _ => unreachable!("{} has a method whose needs are not kept", (route.path)()),
            };
            *place = Some(RouteNeeds { operation: route.operation, said: OnceLock::new() });
        }
    }
    needs
});

/// The needs of one route, read from its part of the document when it is first asked for.
struct RouteNeeds {
    operation: fn() -> Operation,
    said: OnceLock<Needs>,
}

impl RouteNeeds {
    fn said(&self) -> Needs {
        *self.said.get_or_init(|| said(&json!((self.operation)().security)))
    }
}

/// The route of the document with this path, if it has one.
pub(super) fn route(path: &str) -> Option<&'static str> {
    NEEDS.get_key_value(path).map(|(route, _)| &**route)
}

/// The needs of a route; `None`: there is no such route or method, so there is nothing to get at.
pub(super) fn of(path: &str, method: &Method) -> Option<Needs> {
    let [get, post] = NEEDS.get(path)?;
    match *method {
        Method::GET | Method::HEAD => get.as_ref().map(RouteNeeds::said),
        Method::POST => post.as_ref().map(RouteNeeds::said),
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
