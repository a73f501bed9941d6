//! A page of a list: as many items as fit.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use saga_core::Timestamp;
use saga_journal::Cursor;
use serde::Serialize;

/// A JSON array that is written until it is full.
pub(crate) struct JsonPage {
    json: Vec<u8>,
    bytes_max: usize,
}

impl JsonPage {
    /// An empty one, of at most `bytes_max` bytes unless the first item alone has more.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { json: vec![b'['], bytes_max }
    }

    /// Adds an item, if there is room for it.
    pub(crate) fn add(&mut self, item: &impl Serialize) -> Result<bool, serde_json::Error> {
        let before = self.json.len();
        let is_first = before == 1;
        if !is_first {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, item)?;
        let fits = is_first || self.json.len() < self.bytes_max;
        if !fits {
            self.json.truncate(before);
        }
        Ok(fits)
    }

    /// The answer, with a link to the page after it.
    pub(crate) fn answer(mut self, next: Option<String>) -> Response {
        self.json.push(b']');
        let mut response =
            ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], self.json)
                .into_response();
        let link = next.and_then(|next| HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).ok());
        if let Some(link) = link {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

/// The address of the page behind `cursor`, of a list at `path` with these parameters.
pub(crate) fn next(path: &str, pairs: &[(String, String)], cursor: &str) -> String {
    let kept = pairs.iter().filter(|(name, _)| name != "cursor");
    let cursor = ("cursor".to_owned(), cursor.to_owned());
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept.chain([&cursor])).finish();
    format!("{path}?{query}")
}

/// The cursor of a list of sagas, as queries have it.
pub(crate) fn written(cursor: Cursor) -> String {
    format!("{}.{}", cursor.created.as_micros(), cursor.saga)
}

/// The cursor in a query, as [`written`] writes it.
pub(crate) fn read_cursor(text: &str) -> Option<Cursor> {
    let (created, saga) = text.split_once('.')?;
    Some(Cursor { created: Timestamp::from_micros(created.parse().ok()?), saga: saga.parse().ok()? })
}

/// `text`, cut where it has more than `chars_max` characters, which shows.
pub(crate) fn cut(text: String, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_as_many_items_as_fit_and_at_least_one() {
        let mut page = JsonPage::new(20);
        assert!(page.add(&"123456789").unwrap());
        assert!(page.add(&7).unwrap());
        assert!(!page.add(&"123456789").unwrap());
        assert!(page.add(&8).unwrap(), "a smaller one still fits");
        assert_eq!(page.json, b"[\"123456789\",7,8");
        assert!(JsonPage::new(3).add(&"too long").unwrap());
    }

    #[test]
    fn a_cut_shows() {
        assert_eq!(cut("été".into(), 3), "été");
        assert_eq!(cut("étés".into(), 3), "été…");
    }
}
