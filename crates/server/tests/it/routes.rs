//! The API's document and its routes, as tests go through them.

use std::sync::LazyLock;

use serde_json::Value;

/// Every route, in the order of paths, with its methods in lower case.
pub(crate) static ROUTES: LazyLock<Vec<(String, Vec<String>)>> = LazyLock::new(|| {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let methods = |item: &Value| item.as_object().unwrap().keys().cloned().collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
});

/// The route whose answers have no end.
pub(crate) const ENDLESS: &str = "/api/events";

/// The routes whose answers end by themselves.
pub(crate) static ENDING: LazyLock<Vec<(String, Vec<String>)>> =
    LazyLock::new(|| ROUTES.iter().filter(|(path, _)| path != ENDLESS).cloned().collect());

/// The OpenAPI document.
pub(crate) fn document() -> Value {
    serde_json::from_str(orchestrateur::routes::document()).unwrap()
}
