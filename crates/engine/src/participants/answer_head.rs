//! The head of an answer in HTTP/1.1 (RFC 9112), and what it says of the body that follows.

use std::mem::MaybeUninit;
use std::time::Duration;

use http::StatusCode;
use httparse::{Header, Status};

use super::answer::{ANSWER_HEADERS_MAX, Wanted, retry_after};

/// Headers of a head, all in all.
const HEAD_HEADERS_MAX: usize = 100;

/// A head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AnswerHead {
    pub(super) status: u16,
    /// The bytes that it has.
    pub(super) length: usize,
    pub(super) body: BodyForm,
    /// Whether the connection may serve another call behind this answer.
    pub(super) is_kept: bool,
    pub(super) retry_after: Option<Duration>,
    /// Names in lower case, if they are wanted.
    pub(super) headers: Vec<(String, String)>,
}

/// Where an answer's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyForm {
    /// After so many bytes.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the connection.
    UntilClose,
}

impl AnswerHead {
    /// An answer that another one follows: no answer to the request yet.
    pub(super) fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && !is_last(self.status)
    }
}

/// Whether what follows an answer with this status is no HTTP/1.1 any more.
fn is_last(status: u16) -> bool {
    StatusCode::SWITCHING_PROTOCOLS == status
}

/// Reads a head from the beginning of `bytes`; `None`: its end has not come. The error is a text for operators.
pub(super) fn parse(bytes: &[u8], wanted: Wanted) -> Result<Option<AnswerHead>, String> {
    let mut room = [const { MaybeUninit::<Header<'_>>::uninit() }; HEAD_HEADERS_MAX];
    let mut head = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut room);
    let length = match parsed {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(format!("its head has more than {HEAD_HEADERS_MAX} headers"));
        }
        Err(error) => return Err(format!("its head is no HTTP/1.1: {error}")),
    };
    let status = head.code.filter(|status| *status >= 100).ok_or("its status is less than 100")?;
    let is_1_0 = head.version == Some(0);
    let headers = Headers(head.headers);
    let (body, is_framed) = body_form(status, is_1_0, &headers)?;
    let says = |word| headers.has_token("connection", word);
    let stays = if is_1_0 { says("keep-alive") } else { !says("close") };
    Ok(Some(AnswerHead {
        status,
        length,
        body,
        is_kept: stays && is_framed && !is_last(status),
        retry_after: retry_after(|name| {
            headers.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
        }),
        headers: if wanted.headers { headers.told() } else { Vec::new() },
    }))
}

/// The form of the body, as RFC 9112, 6.3 has it, and whether the connection can be used behind it: not where two headers contradict each
/// other, for the next answer would begin where this side thinks it does.
fn body_form(status: u16, is_1_0: bool, headers: &Headers<'_>) -> Result<(BodyForm, bool), String> {
    if status < 200 || status == 204 || status == 304 {
        return Ok((BodyForm::Length(0), true));
    }
    let length = headers.content_length()?;
    if headers.all("transfer-encoding").next().is_none() {
        return Ok(length.map_or((BodyForm::UntilClose, false), |length| (BodyForm::Length(length), true)));
    }
    if is_1_0 {
        return Err("it has a Transfer-Encoding, which HTTP/1.0 does not know".to_owned());
    }
    let codings = headers.all("transfer-encoding").flat_map(|value| value.split(|byte| *byte == b','));
    let is_chunked = codings.last().is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    Ok(if is_chunked { (BodyForm::Chunked, length.is_none()) } else { (BodyForm::UntilClose, false) })
}

/// The headers of a head, in their order.
struct Headers<'h>(&'h [Header<'h>]);

impl<'h> Headers<'h> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'h [u8]> {
        let same = move |header: &&Header<'_>| header.name.eq_ignore_ascii_case(name);
        self.0.iter().filter(same).map(|header| header.value)
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        let tokens = self.all(name).flat_map(|value| value.split(|byte| *byte == b','));
        tokens.into_iter().any(|it| it.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The only number that all values of `Content-Length` have.
    fn content_length(&self) -> Result<Option<u64>, String> {
        let mut length = None;
        for text in self.all("content-length").flat_map(|value| value.split(|byte| *byte == b',')) {
            let text = text.trim_ascii();
            let digits =
                std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let number = digits
                .and_then(|digits| digits.parse().ok())
                .ok_or("its Content-Length is no number of bytes")?;
            if length.is_some_and(|length| length != number) {
                return Err("it has two lengths".to_owned());
            }
            length = Some(number);
        }
        Ok(length)
    }

    /// The headers that expressions can read.
    fn told(&self) -> Vec<(String, String)> {
        let told = |header: &Header<'_>| {
            (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned())
        };
        self.0.iter().take(ANSWER_HEADERS_MAX).map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(head: &str) -> Result<Option<AnswerHead>, String> {
        parse(head.as_bytes(), Wanted { bytes_max: 0, headers: true })
    }

    fn form(head: &str) -> (BodyForm, bool) {
        let head = read(head).unwrap().unwrap();
        (head.body, head.is_kept)
    }

    #[test]
    fn a_head_is_read_once_it_is_there() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nX-A: 1\r\nx-a: é\r\n\r\n";
        for cut in 0..whole.len() {
            if whole.is_char_boundary(cut) {
                assert_eq!(read(&whole[..cut]), Ok(None), "{cut}");
            }
        }
        let head = read(&format!("{whole}{{\"id\":1}}")).unwrap().unwrap();
        assert_eq!((head.status, head.length, head.body), (200, whole.len(), BodyForm::Length(8)));
        let told = [("content-length", "8"), ("x-a", "1"), ("x-a", "é")]
            .map(|(name, value)| (name.into(), value.into()));
        assert_eq!(head.headers, told);
        assert!(head.is_kept && !head.is_interim());
    }

    #[test]
    fn where_a_body_ends_is_what_the_rfc_says() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", (BodyForm::UntilClose, false)),
            ("HTTP/1.1 204 No\r\ncontent-length: 5\r\n\r\n", (BodyForm::Length(0), true)),
            ("HTTP/1.1 304 No\r\ntransfer-encoding: chunked\r\n\r\n", (BodyForm::Length(0), true)),
            ("HTTP/1.1 101 Up\r\n\r\n", (BodyForm::Length(0), false)),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\ncontent-length:5\r\n\r\n",
                (BodyForm::Length(5), true),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\n",
                (BodyForm::Length(5), false),
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n", (BodyForm::Length(5), false)),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: Keep-Alive\r\n\r\n",
                (BodyForm::Length(5), true),
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n", (BodyForm::Chunked, true)),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
                (BodyForm::Chunked, true),
            ),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n", (BodyForm::UntilClose, false)),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
                (BodyForm::Chunked, false),
            ),
        ] {
            assert_eq!(form(head), expected, "{head}");
        }
    }

    #[test]
    fn a_head_that_is_none_says_why() {
        for (head, why) in [
            ("HTTP/1.1 099 Low\r\n\r\n", "its status is less than 100"),
            ("HTTP/2 200\r\n\r\n", "its head is no HTTP/1.1: "),
            ("HTTP/1.1 200 OK\r\nx y\r\n\r\n", "its head is no HTTP/1.1: "),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "its Content-Length is no number of bytes"),
            ("HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n", "its Content-Length is no number of bytes"),
            ("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n", "its Content-Length is no number of bytes"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551616\r\n\r\n",
                "its Content-Length is no number of bytes",
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n", "it has two lengths"),
            ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "it has a Transfer-Encoding"),
        ] {
            let error = read(head).unwrap_err();
            assert!(error.starts_with(why), "{head}: {error}");
        }
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(HEAD_HEADERS_MAX + 1));
        assert!(read(&many).unwrap_err().contains("more than 100 headers"));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(
            line in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.0 304\r\n"]),
            names in prop::collection::vec(
                prop::sample::select(vec!["content-length", "transfer-encoding", "connection", "retry-after", "x"]), 0..4),
            value in "[\\PC\r\n,: 0-9]{0,20}",
            behind in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = line.as_bytes().to_vec();
            names.iter().for_each(|name| bytes.extend(format!("{name}: {value}\r\n").into_bytes()));
            bytes.extend(b"\r\n");
            bytes.extend(behind);
            if let Ok(Some(head)) = parse(&bytes, Wanted { bytes_max: 10, headers: true }) {
                prop_assert!(head.length <= bytes.len() && (100..=999).contains(&head.status));
            }
        }
    }
}
