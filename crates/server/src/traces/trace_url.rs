//! Where a trace can be looked at: a page of the tool that shows traces.

use std::str::FromStr;
use std::sync::Arc;

use axum::http::Uri;
use saga_core::trace::TraceId;

/// Bytes of such an address.
const TRACE_URL_BYTES_MAX: usize = 512;
/// The part of it in whose place the trace's id comes.
const PLACE: &str = "{trace_id}";

/// An address such as `https://traces.example.com/trace/{trace_id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceUrl {
    before: Arc<str>,
    after: Arc<str>,
}

impl TraceUrl {
    /// The page of this trace. An id is hex digits alone, so it needs no encoding.
    pub(crate) fn of(&self, trace: TraceId) -> String {
        format!("{}{trace}{}", self.before, self.after)
    }
}

impl FromStr for TraceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            "write the address of a trace's page, such as https://traces.example.com/trace/{trace_id}";
        if text.len() > TRACE_URL_BYTES_MAX {
            return Err(format!("it has {} bytes; TRACE_URL_BYTES_MAX is {TRACE_URL_BYTES_MAX}", text.len()));
        }
        let text = text.trim();
        let Some((before, after)) = text.split_once(PLACE).filter(|(_, after)| !after.contains(PLACE)) else {
            return Err(format!(
                "it has to have {PLACE} once, in whose place the trace's id comes; {wanted}"
            ));
        };
        // The fragment is the browser's alone, and no URI of a request has one.
        let sent = format!("{before}0{after}");
        let sent = sent.split_once('#').map_or(sent.as_str(), |(sent, _)| sent);
        let uri: Uri = sent.parse().map_err(|error| format!("{error}; {wanted}"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(format!("it needs http:// or https://; {wanted}"));
        }
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        if authority.is_empty()
            || authority.contains('@')
            || before.len() < before.find("://").map_or(0, |at| at + 3) + authority.len()
        {
            return Err(format!("it needs a host without a user name, and {PLACE} behind it; {wanted}"));
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'`' | b'\''))
        {
            return Err(format!("it has a character that no address has; {wanted}"));
        }
        Ok(Self { before: before.into(), after: after.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stands_in_its_place() {
        let trace = TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).unwrap();
        for (text, page) in [
            (
                "https://t.example/trace/{trace_id}",
                "https://t.example/trace/4bf92f3577b34da6a3ce929d0e0e4736",
            ),
            (
                "http://127.0.0.1:16686/#/t?id={trace_id}&x=1",
                "http://127.0.0.1:16686/#/t?id=4bf92f3577b34da6a3ce929d0e0e4736&x=1",
            ),
        ] {
            assert_eq!(text.parse::<TraceUrl>().unwrap().of(trace), page);
        }
    }

    #[test]
    fn an_address_that_is_no_page_is_refused_with_its_reason() {
        for (text, why) in [
            ("https://t.example/", "{trace_id} once"),
            ("https://t.example/{trace_id}/{trace_id}", "{trace_id} once"),
            ("javascript:alert('{trace_id}')", "it"),
            ("ftp://t.example/{trace_id}", "http:// or https://"),
            ("/{trace_id}", "http:// or https://"),
            ("https://ana:pw@t.example/{trace_id}", "without a user name"),
            ("https://{trace_id}.example/", "behind it"),
            ("https://t.example/{trace_id}#\"onclick=", "no address has"),
            ("https://t.example/{trace_id}#é", "no address has"),
        ] {
            let error = text.parse::<TraceUrl>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(format!("https://t.example/{}{{trace_id}}", "x".repeat(512)).parse::<TraceUrl>().is_err());
    }
}
