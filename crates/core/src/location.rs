//! References to other addresses of a participant, as the header `Location` has them (RFC 9110, 10.2.2; RFC 3986, 5.2).

use http::Uri;

use crate::definition::PATH_BYTES_MAX;

/// Where a reference leads: path and query on the participant's own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocationPath(pub(crate) String);

/// Resolves `reference` against the URL of a call: `base`, the participant's URL, and `path`, the call's path below it. A
/// reference to another origin is refused: the participant's headers, which may be secrets, are not for others.
pub(crate) fn resolve(base: &Uri, path: &str, reference: &str) -> Result<LocationPath, &'static str> {
    if reference.is_empty() || reference.len() > PATH_BYTES_MAX {
        return Err("its Location is empty, or too long");
    }
    if !reference.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its Location is no address");
    }
    let reference = reference.split('#').next().unwrap_or_default();
    let scheme = reference.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
    let rest = match scheme {
        Some(scheme) => {
            if Some(scheme.to_ascii_lowercase().as_str()) != base.scheme_str() {
                return Err("its Location leads to another origin");
            }
            &reference[scheme.len() + 1..]
        }
        None => reference,
    };
    let absolute = match rest.strip_prefix("//") {
        Some(rest) => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            if !is_same_authority(base, authority) {
                return Err("its Location leads to another origin");
            }
            match path.strip_prefix('?') {
                Some(_) => format!("/{path}"),
                None if path.is_empty() => "/".to_owned(),
                None => path.to_owned(),
            }
        }
        None if scheme.is_some() => return Err("its Location is no address"),
        None => relative(base, path, rest),
    };
    let (segments, query) = match absolute.split_once('?') {
        Some((segments, query)) => (segments, Some(query)),
        None => (absolute.as_str(), None),
    };
    let mut target = without_dots(segments);
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    match target.parse::<Uri>() {
        Ok(_) if target.len() <= PATH_BYTES_MAX => Ok(LocationPath(target)),
        _ => Err("its Location is no address"),
    }
}

/// A reference without an origin, as a path on the origin.
fn relative(base: &Uri, path: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let called = format!("{}{}", base.path().trim_end_matches('/'), path);
    let called = called.split('?').next().unwrap_or_default();
    if reference.starts_with('?') || reference.is_empty() {
        return format!("{called}{reference}");
    }
    let folder = called.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{reference}")
}

/// RFC 3986, 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn is_same_authority(base: &Uri, authority: &str) -> bool {
    let default = if base.scheme_str() == Some("https") { 443 } else { 80 };
    let Ok(other) = authority.parse::<http::uri::Authority>() else { return false };
    let Some(own) = base.authority() else { return false };
    !authority.contains('@')
        && own.host().eq_ignore_ascii_case(other.host())
        && own.port_u16().unwrap_or(default) == other.port_u16().unwrap_or(default)
}

/// RFC 3986, 5.2.4: a path without the segments `.` and `..`.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." | "%2e" | "%2E" => {}
            ".." | ".%2e" | ".%2E" | "%2e." | "%2E." | "%2e%2e" | "%2E%2E" | "%2e%2E" | "%2E%2e" => {
                kept.pop();
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(reference: &str) -> Result<String, &'static str> {
        let base = "http://Jobs.example:8000/api".parse().expect("a URL");
        resolve(&base, "/payments?x=1", reference).map(|target| target.0)
    }

    #[test]
    fn references_lead_to_addresses_of_the_participant() {
        for (reference, target) in [
            ("/jobs/7", "/jobs/7"),
            ("/jobs/7?wait=1#part", "/jobs/7?wait=1"),
            ("jobs/7", "/api/jobs/7"),
            ("../jobs/7", "/jobs/7"),
            ("../../../jobs/./7/..", "/jobs/"),
            ("?state=now", "/api/payments?state=now"),
            ("http://jobs.example:8000/jobs/7", "/jobs/7"),
            ("HTTP://JOBS.example:8000", "/"),
            ("http://jobs.example:8000?x", "/?x"),
            ("//jobs.example:8000/jobs/7", "/jobs/7"),
            ("jobs:7/x/../y", "its Location leads to another origin"),
        ] {
            let got = resolved(reference).unwrap_or_else(str::to_owned);
            assert_eq!(got, target, "{reference}");
        }
    }

    #[test]
    fn a_reference_to_another_origin_is_refused() {
        for reference in [
            "https://jobs.example:8000/jobs/7",
            "http://jobs.example/jobs/7",
            "http://jobs.example:8001/jobs/7",
            "http://jobs.example.evil:8000/",
            "http://user@jobs.example:8000/",
            "//evil/jobs/7",
            "ftp://jobs.example:8000/x",
            "http:/jobs/7",
            "http:jobs",
            "http://",
            "",
            "/a b",
            "/a\r\nX: y",
        ] {
            assert!(resolved(reference).is_err(), "{reference}");
        }
        assert!(resolved(&format!("/{}", "x".repeat(PATH_BYTES_MAX))).is_err());
        let plain = "http://h".parse().expect("a URL");
        assert_eq!(resolve(&plain, "/", "http://h:80/x").map(|target| target.0), Ok("/x".to_owned()));
    }
}
