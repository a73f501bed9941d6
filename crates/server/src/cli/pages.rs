//! Lists that a running `serve` gives in pages.

use axum::http::header;
use serde_json::Value;

use super::client::{Ask, Server};

/// The lines of one page, and the address of the next page if there is one.
pub(super) async fn page(server: &Server, path: &str) -> anyhow::Result<(Vec<Value>, Option<String>)> {
    let page = server.ask(&Ask::get(path)).await?;
    let link = page.headers.get(header::LINK).and_then(|link| link.to_str().ok());
    let next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
    Ok((page.json.as_array().cloned().unwrap_or_default(), next))
}

/// The lines of a list, and the address of the next page if there is one: of this page, or of all from here on.
pub(super) async fn pages(
    server: &Server,
    mut path: String,
    all: bool,
) -> anyhow::Result<(Value, Option<String>)> {
    let mut rows = Vec::new();
    loop {
        let (lines, next) = page(server, &path).await?;
        rows.extend(lines);
        match next {
            Some(next) if all => path = next,
            next => return Ok((Value::Array(rows), next)),
        }
    }
}

/// The cursor in the address of a page.
pub(super) fn cursor(path: &str) -> Option<String> {
    let (_, query) = path.split_once('?')?;
    let cursor = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "cursor");
    cursor.map(|(_, cursor)| cursor.into_owned())
}
