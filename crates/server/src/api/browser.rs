//! A browser is not a caller: a page from elsewhere may make a user's browser send requests here, which look as if the
//! user had sent them. The header `Sec-Fetch-Site` (W3C Fetch Metadata), or `Origin` (RFC 6454) where the browser does
//! not send that, decides. Programs send neither.

use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, Method, Request, StatusCode};

use super::hosts::RequestedHost;
use super::problem::Problem;

/// Refuses a request that a page from elsewhere has sent.
pub(crate) fn check<B>(request: &Request<B>, host: Option<&RequestedHost>) -> Result<(), Problem> {
    let headers = request.headers();
    let is_ours = match site(headers) {
        Some(site) => matches!(site, "same-origin" | "none"),
        None => origin_is(headers, host),
    };
    // A link from another page to one of ours is followed; the other page cannot read the answer.
    let path = request.uri().path();
    if is_ours || (is_page(path) || saga_console::is_at(path)) && is_followed_link(request.method(), headers)
    {
        return Ok(());
    }
    Err(cross_site())
}

/// A page of another site has sent the request.
pub(crate) fn cross_site() -> Problem {
    let detail = "The request comes from a page of another site, and nothing was done. Only this server's own pages \
                  may send requests from a browser; programs are free to";
    Problem::new(StatusCode::FORBIDDEN, "cross_site", detail)
}

/// `Sec-Fetch-Site`, which scripts cannot set. Said twice or unreadable, it is said wrongly.
fn site(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("sec-fetch-site").iter();
    let first = values.next()?;
    Some(if values.next().is_some() { "" } else { first.to_str().unwrap_or_default() })
}

/// Whether the origin is the host that was asked, or there is none.
fn origin_is(headers: &HeaderMap, host: Option<&RequestedHost>) -> bool {
    headers.get_all(ORIGIN).iter().all(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        host.is_some_and(|host| host.is_origin(origin))
    })
}

/// The server's pages but for the console's: they show no orders.
pub(crate) fn is_page(path: &str) -> bool {
    path == "/" || path == "/docs" || path.starts_with("/docs/")
}

fn is_followed_link(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|said| said == value);
    matches!(*method, Method::GET | Method::HEAD)
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

#[cfg(test)]
mod tests {
    use super::super::hosts::Hosts;
    use super::*;

    fn passes(method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8023");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let host = Hosts::default().of(&request).unwrap();
        check(&request, host.as_ref()).is_ok()
    }

    #[test]
    fn programs_and_our_own_pages_pass_and_pages_from_elsewhere_do_not() {
        for method in ["GET", "POST", "DELETE", "OPTIONS", "HEAD"] {
            for (headers, expected) in [
                (&[][..], true),
                (&[("sec-fetch-site", "same-origin")], true),
                (&[("sec-fetch-site", "none")], true),
                (&[("sec-fetch-site", "same-site")], false),
                (&[("sec-fetch-site", "cross-site")], false),
                (&[("sec-fetch-site", "")], false),
                (&[("sec-fetch-site", "Same-Origin, none")], false),
                (&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], false),
                (&[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8023")], false),
                (&[("origin", "http://localhost:8023")], true),
                (&[("origin", "http://localhost:8024")], false),
                (&[("origin", "https://evil.example")], false),
                (&[("origin", "null")], false),
                (&[("origin", "http://localhost:8023"), ("origin", "https://evil.example")], false),
            ] {
                assert_eq!(passes(method, "/api/commandes", headers), expected, "{method} {headers:?}");
            }
        }
    }

    #[test]
    fn a_link_from_elsewhere_leads_to_pages_and_not_to_data() {
        let link = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        for path in ["/", "/docs", "/docs/", "/docs/index.html", "/console/", "/console/sagas"] {
            assert!(passes("GET", path, &link), "{path}");
            assert!(!passes("POST", path, &link), "{path}");
            assert!(!passes("GET", path, &[link[0], link[1], ("sec-fetch-dest", "iframe")]), "{path}");
            assert!(!passes("GET", path, &[link[0], ("sec-fetch-mode", "no-cors")]), "{path}");
        }
        for path in ["/api/commandes", "/metrics", "/readyz", "/openapi.json", "/docsx", "/consolex"] {
            assert!(!passes("GET", path, &link), "{path}");
        }
    }
}
