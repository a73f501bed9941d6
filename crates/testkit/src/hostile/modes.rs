//! The modes of the participant, and the expected outcome of each.

use std::time::Duration;

use super::Part::{self, Flood, HalfClose, Hold, Next, Pause, Reset, Say, Trickle};
use super::bytes::{answer, chunked, gzip_bomb, head, in_chunks_of_one, utf16};

/// One way to answer.
#[derive(Debug)]
pub struct Mode {
    /// Its name, in lower case.
    pub name: &'static str,
    /// The expected outcomes of the call: `ok`, `refused`, `unknown`, `not_sent`; several where the network decides.
    pub outcomes: &'static [&'static str],
    /// The beginning of the reason; empty if there is no reason, or if any reason is right.
    pub reason: &'static str,
    /// Whether it sends before it has read a request.
    pub(super) speaks_first: bool,
    pub(super) parts: fn() -> Vec<Part>,
}

/// The mode called `name`.
pub fn mode(name: &str) -> &'static Mode {
    MODES.iter().find(|mode| mode.name == name).unwrap_or_else(|| panic!("no mode is called {name}"))
}

const OK: &[&str] = &["ok"];
const REFUSED: &[&str] = &["refused"];
const UNKNOWN: &[&str] = &["unknown"];
const NOT_SENT: &[&str] = &["not_sent"];

const GOOD: &[u8] = br#"{"id":1}"#;
const OTHER: &[u8] = br#"{"id":666}"#;
const BROKE_OFF: &str = "the answer broke off";
const TOO_LARGE: &str = "the answer is larger than answer_bytes_max";
const NO_ANSWER: &str = "no answer: ";
const TOO_LATE: &str = "no answer within";
const UNREADABLE: &str = "unreadable answer";
/// The pause between two bytes of a trickle: several bytes arrive within a call's timeout, but not the whole answer.
const TRICKLE: Duration = Duration::from_millis(40);

const fn after(
    name: &'static str,
    outcomes: &'static [&'static str],
    reason: &'static str,
    parts: fn() -> Vec<Part>,
) -> Mode {
    Mode { name, outcomes, reason, speaks_first: false, parts }
}

const fn at_once(
    name: &'static str,
    outcomes: &'static [&'static str],
    reason: &'static str,
    parts: fn() -> Vec<Part>,
) -> Mode {
    Mode { name, outcomes, reason, speaks_first: true, parts }
}

fn good() -> Vec<u8> {
    answer("200 OK", &[], GOOD)
}

fn with_length(length: &str) -> Part {
    Say(head("200 OK", &[&format!("content-length: {length}")], GOOD))
}

fn words(status: &str, body: &[u8]) -> Vec<Part> {
    vec![Say(answer(status, &["content-type: application/json"], body)), Next]
}

/// All modes. The first one gives a good answer.
pub const MODES: &[Mode] = &[
    after("well", OK, "", || vec![Say(good()), Next]),
    // Lengths.
    after("length_short", UNKNOWN, UNREADABLE, || vec![with_length("4"), Next]),
    after("length_long", UNKNOWN, BROKE_OFF, || vec![with_length("100")]),
    after("length_long_held", UNKNOWN, TOO_LATE, || vec![with_length("100"), Hold]),
    after("length_negative", UNKNOWN, NO_ANSWER, || vec![with_length("-1"), Hold]),
    after("length_signed", UNKNOWN, NO_ANSWER, || vec![with_length("+8"), Hold]),
    after("length_hexadecimal", UNKNOWN, NO_ANSWER, || vec![with_length("0x8"), Hold]),
    after("length_empty", UNKNOWN, NO_ANSWER, || vec![with_length(""), Hold]),
    after("length_huge", UNKNOWN, TOO_LARGE, || vec![with_length("1000000000000000000"), Hold]),
    after("length_beyond_64_bits", UNKNOWN, NO_ANSWER, || vec![with_length("99999999999999999999999"), Hold]),
    after("length_twice", OK, "", || vec![with_length("8\r\ncontent-length: 8"), Next]),
    after("length_twice_differing", UNKNOWN, NO_ANSWER, || vec![with_length("8\r\ncontent-length: 4"), Hold]),
    after("length_and_chunks", OK, "", || {
        let lines = ["content-length: 3", "transfer-encoding: chunked"];
        vec![Say(head("200 OK", &lines, &in_chunks_of_one(GOOD))), Next]
    }),
    after("no_length", OK, "", || vec![Say(head("200 OK", &[], GOOD))]),
    after("no_length_held", UNKNOWN, TOO_LATE, || vec![Say(head("200 OK", &[], GOOD)), Hold]),
    // Chunks.
    after("chunks_of_one", OK, "", || {
        let body = format!(r#"{{"id":"{}"}}"#, "x".repeat(1_000));
        vec![Say(chunked(&in_chunks_of_one(body.as_bytes()))), Next]
    }),
    after("chunk_size_no_number", UNKNOWN, BROKE_OFF, || vec![Say(chunked(b"zz\r\n{}\r\n")), Hold]),
    after("chunk_size_negative", UNKNOWN, BROKE_OFF, || vec![Say(chunked(b"-8\r\n{}\r\n")), Hold]),
    after("chunk_size_huge", UNKNOWN, BROKE_OFF, || vec![Say(chunked(b"fffffffffffffff0\r\n{}\r\n"))]),
    after("chunk_size_beyond_64_bits", UNKNOWN, BROKE_OFF, || {
        vec![Say(chunked(b"fffffffffffffffff0\r\n{}\r\n")), Hold]
    }),
    after("chunk_size_endless", UNKNOWN, BROKE_OFF, || {
        vec![Say(chunked(b"")), Flood(b"0".to_vec()), Say(b"1".to_vec())]
    }),
    after("chunk_longer_than_its_size", UNKNOWN, BROKE_OFF, || {
        vec![Say(chunked(b"2\r\n{\"id\":1}\r\n0\r\n\r\n")), Hold]
    }),
    after("chunk_extension_endless", UNKNOWN, BROKE_OFF, || vec![Say(chunked(b"8;")), Flood(b"x".to_vec())]),
    after("chunk_extensions_forever", UNKNOWN, BROKE_OFF, || {
        vec![Say(chunked(b"")), Flood(b"1;a=bcdefghijklmnopqrstuvwxyz\r\n \r\n".to_vec())]
    }),
    after("chunks_without_end", UNKNOWN, BROKE_OFF, || vec![Say(chunked(b"8\r\n{\"id\":1}\r\n"))]),
    after("chunks_without_end_held", UNKNOWN, TOO_LATE, || vec![Say(chunked(b"8\r\n{\"id\":1}\r\n")), Hold]),
    after("chunks_endless", UNKNOWN, TOO_LARGE, || {
        vec![
            Say(chunked(b"")),
            Flood(b"400\r\n".iter().copied().chain([b' '; 1024]).chain(*b"\r\n").collect()),
        ]
    }),
    after("chunks_of_one_endless", UNKNOWN, "", || vec![Say(chunked(b"")), Flood(b"1\r\n \r\n".to_vec())]),
    after("trailers", OK, "", || vec![Say(chunked(b"8\r\n{\"id\":1}\r\n0\r\nx-check: 1\r\n\r\n")), Next]),
    after("trailers_endless", UNKNOWN, BROKE_OFF, || {
        vec![Say(chunked(b"8\r\n{\"id\":1}\r\n0\r\n")), Flood(b"x: y\r\n".to_vec())]
    }),
    after("trailer_endless", UNKNOWN, BROKE_OFF, || {
        vec![Say(chunked(b"8\r\n{\"id\":1}\r\n0\r\nx: ")), Flood(b"y".to_vec())]
    }),
    after("transfer_encoding_unknown", UNKNOWN, UNREADABLE, || {
        vec![Say(head("200 OK", &["transfer-encoding: chunked, zip"], b"PK"))]
    }),
    // Trickles: the time of a call ends with the answer's last byte.
    after("trickle_in_head", UNKNOWN, TOO_LATE, || {
        vec![Trickle(answer("200 OK", &["x: y"; 40], GOOD), TRICKLE)]
    }),
    after("trickle_in_body", UNKNOWN, TOO_LATE, || {
        vec![Say(head("200 OK", &["content-length: 500"], b"{")), Trickle(vec![b' '; 499], TRICKLE)]
    }),
    after("trickle_of_chunks", UNKNOWN, TOO_LATE, || {
        vec![Say(chunked(b"")), Trickle(in_chunks_of_one(&[b' '; 100]), TRICKLE)]
    }),
    after("in_small_pieces", OK, "", || vec![Trickle(good(), Duration::from_millis(1)), Next]),
    // Floods.
    after("head_endless", UNKNOWN, NO_ANSWER, || {
        vec![Say(b"HTTP/1.1 200 OK\r\n".to_vec()), Flood(b"x: y\r\n".to_vec())]
    }),
    after("headers_100", OK, "", || vec![Say(answer("200 OK", &["x: y"; 99], GOOD)), Next]),
    after("headers_101", UNKNOWN, NO_ANSWER, || vec![Say(answer("200 OK", &["x: y"; 100], GOOD)), Hold]),
    after("headers_100000", UNKNOWN, NO_ANSWER, || {
        vec![Say(answer("200 OK", &["x: y"; 100_000], GOOD)), Hold]
    }),
    after("header_of_10_megabytes", UNKNOWN, NO_ANSWER, || {
        vec![Say(answer("200 OK", &[&format!("x: {}", "y".repeat(10_000_000))], GOOD)), Hold]
    }),
    after("header_of_50_kilobytes", OK, "", || {
        vec![Say(answer("200 OK", &[&format!("x: {}", "y".repeat(50_000))], GOOD)), Next]
    }),
    after("status_text_endless", UNKNOWN, NO_ANSWER, || {
        vec![Say(b"HTTP/1.1 200 ".to_vec()), Flood(b"O".to_vec())]
    }),
    after("line_ends_endless", UNKNOWN, NO_ANSWER, || vec![Flood(b"\r\n".to_vec())]),
    after("body_endless", UNKNOWN, TOO_LARGE, || vec![Say(head("200 OK", &[], b"")), Flood(b" ".to_vec())]),
    after("interim_answers", OK, "", || {
        let interim = head("103 Early Hints", &["link: </x>"], b"");
        vec![Say([head("100 Continue", &[], b""), interim, good()].concat()), Next]
    }),
    after("interim_answers_endless", UNKNOWN, NO_ANSWER, || vec![Flood(head("100 Continue", &[], b""))]),
    after("interim_answers_slow", UNKNOWN, TOO_LATE, || {
        vec![Trickle(head("103 Early Hints", &[], b"").repeat(20), TRICKLE / 4)]
    }),
    after("interim_answer_with_a_length", UNKNOWN, NO_ANSWER, || {
        vec![Say(head("102 Processing", &["content-length: 8"], GOOD)), Hold]
    }),
    // Other protocols.
    after("upgrade", UNKNOWN, "HTTP 101", || {
        vec![
            Say(head(
                "101 Switching Protocols",
                &["upgrade: websocket", "connection: upgrade"],
                b"\x81\x05hello",
            )),
            Hold,
        ]
    }),
    after("http_0_9", UNKNOWN, NO_ANSWER, || vec![Say(GOOD.to_vec())]),
    after("http_1_0", OK, "", || vec![Say(b"HTTP/1.0 200 OK\r\n\r\n{\"id\":1}".to_vec())]),
    after("http_1_0_kept", OK, "", || {
        vec![
            Say(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 8\r\n\r\n{\"id\":1}".to_vec()),
            Next,
        ]
    }),
    after("http_1_0_chunked", UNKNOWN, NO_ANSWER, || {
        vec![Say([b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), in_chunks_of_one(GOOD)]
            .concat())]
    }),
    after("http_2", UNKNOWN, NO_ANSWER, || {
        vec![
            Say(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff".to_vec()),
            Hold,
        ]
    }),
    after("http_9_9", UNKNOWN, NO_ANSWER, || {
        vec![Say(b"HTTP/9.9 200 OK\r\ncontent-length: 8\r\n\r\n{\"id\":1}".to_vec())]
    }),
    after("tls_alert", UNKNOWN, NO_ANSWER, || vec![Say(b"\x15\x03\x01\x00\x02\x02\x28".to_vec())]),
    at_once("tls_alert_at_once", &["not_sent", "unknown"], "", || {
        vec![Say(b"\x15\x03\x01\x00\x02\x02\x28".to_vec())]
    }),
    at_once("banner_at_once", &["not_sent", "unknown"], "", || {
        vec![Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()), Hold]
    }),
    // Bodies in a content coding that was not requested: the client does not decode them, so a bomb has no effect.
    after("gzip", UNKNOWN, UNREADABLE, || {
        vec![Say(answer("200 OK", &["content-encoding: gzip"], &gzip_bomb(1))), Next]
    }),
    after("gzip_bomb", UNKNOWN, UNREADABLE, || {
        vec![Say(answer("200 OK", &["content-encoding: gzip"], &gzip_bomb(18_000))), Next]
    }),
    after("gzip_refusal", REFUSED, "", || {
        vec![Say(answer("400 Bad Request", &["content-encoding: gzip"], &gzip_bomb(1))), Next]
    }),
    after("brotli", UNKNOWN, UNREADABLE, || {
        vec![Say(answer("200 OK", &["content-encoding: br"], b"\x0b\x03\x80{\"id\":1}\x03")), Next]
    }),
    // More than one answer.
    after("second_answer_at_once", OK, "", || {
        vec![Say([good(), answer("200 OK", &[], OTHER)].concat()), Next]
    }),
    after("second_answer_later", OK, "", || {
        vec![Say(good()), Pause(Duration::from_millis(20)), Say(answer("200 OK", &[], OTHER)), Next]
    }),
    after("second_answer_in_the_length", UNKNOWN, UNREADABLE, || {
        vec![Say(answer("200 OK", &[], &[GOOD, &answer("200 OK", &[], OTHER)].concat())), Next]
    }),
    after("garbage_after_the_answer", OK, "", || vec![Say([good(), vec![0; 1000]].concat()), Next]),
    after("body_of_204", OK, "", || vec![Say(head("204 No Content", &["content-length: 10"], OTHER)), Next]),
    after("body_of_304", UNKNOWN, "HTTP 304", || {
        vec![Say(head("304 Not Modified", &["content-length: 10"], OTHER)), Next]
    }),
    at_once("answer_at_once", &["ok", "not_sent", "unknown"], "", || vec![Say(good())]),
    at_once("refusal_at_once", &["refused", "not_sent", "unknown"], "", || {
        vec![Say(answer("413 Content Too Large", &["connection: close"], b""))]
    }),
    // Ends.
    after("nothing", UNKNOWN, NO_ANSWER, Vec::new),
    after("nothing_held", UNKNOWN, TOO_LATE, || vec![Hold]),
    at_once("closed_at_once", &["not_sent", "unknown"], "", Vec::new),
    at_once("reset_at_once", &["not_sent", "unknown"], "", || vec![Reset]),
    after("half_closed", UNKNOWN, NO_ANSWER, || vec![Say(b"HTTP/1.1 200".to_vec()), HalfClose, Hold]),
    after("half_closed_after_the_answer", &["ok", "unknown"], "", || vec![Say(good()), HalfClose, Hold]),
    after("reset", UNKNOWN, NO_ANSWER, || vec![Reset]),
    after("reset_in_the_answer", UNKNOWN, "", || vec![with_length("100"), Reset]),
    after("closed_after_the_head", UNKNOWN, BROKE_OFF, || {
        vec![Say(head("200 OK", &["content-length: 8"], b""))]
    }),
    after("closed_in_the_head", UNKNOWN, NO_ANSWER, || vec![Say(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())]),
    // Text in every encoding.
    after("latin_1", REFUSED, "d\u{fffd}j\u{fffd} vendu", || {
        words("400 Refus\u{e9}", b"{\"detail\":\"d\xe9j\xe0 vendu\"}")
    }),
    after("status_text_in_latin_1", REFUSED, "HTTP 400", || {
        vec![Say(b"HTTP/1.1 400 Refus\xe9\r\ncontent-length: 0\r\n\r\n".to_vec()), Next]
    }),
    after("utf_16", REFUSED, "", || words("400 Bad Request", &utf16(r#"{"detail":"déjà vendu"}"#))),
    after("utf_16_as_success", UNKNOWN, UNREADABLE, || words("200 OK", &utf16(r#"{"id":1}"#))),
    after("byte_order_mark", UNKNOWN, UNREADABLE, || words("200 OK", b"\xef\xbb\xbf{\"id\":1}")),
    after("invalid_utf_8", REFUSED, "", || {
        words("400 Bad Request", b"{\"detail\":\"\xc3\x28\xa0\xff\xfe\"}")
    }),
    after("nul_escaped", REFUSED, "a", || words("400 Bad Request", br#"{"detail":"a\u0000b"}"#)),
    after("nul_raw", REFUSED, "a", || words("400 Bad Request", b"a\0b\0")),
    after("lone_surrogate", REFUSED, "", || words("400 Bad Request", br#"{"detail":"\ud800 \udc00"}"#)),
    after("terminal_escapes", REFUSED, "", || {
        words("400 Bad Request", br#"{"detail":"\u001b[2J\u001b]0;x\u0007ok\u009b31m"}"#)
    }),
    after("bidirectional_overrides", REFUSED, "", || {
        words("400 Bad Request", "{\"detail\":\"\u{202e}dnes\u{2066}\u{200f}\u{feff}\"}".as_bytes())
    }),
    after("line_breaks", REFUSED, "", || {
        words("400 Bad Request", br#"{"detail":"a\r\nlevel=error msg=forged\u2028x\u0085"}"#)
    }),
    after("long_words", REFUSED, "", || {
        words("400 Bad Request", format!(r#"{{"detail":"{}"}}"#, "é".repeat(20_000)).as_bytes())
    }),
    after("header_values_not_utf_8", OK, "", || {
        vec![
            Say([b"HTTP/1.1 200 OK\r\nx: \xe9\xff\r\ncontent-length: 8\r\n\r\n".as_slice(), GOOD].concat()),
            Next,
        ]
    }),
    after("header_with_nul", UNKNOWN, NO_ANSWER, || {
        vec![
            Say([b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 8\r\n\r\n".as_slice(), GOOD].concat()),
            Hold,
        ]
    }),
    after("header_without_a_name", UNKNOWN, NO_ANSWER, || vec![Say(answer("200 OK", &[": y"], GOOD)), Hold]),
    after("header_without_a_colon", UNKNOWN, NO_ANSWER, || {
        vec![Say(answer("200 OK", &["nonsense"], GOOD)), Hold]
    }),
    after("header_with_a_space_before_its_colon", UNKNOWN, NO_ANSWER, || {
        vec![Say(answer("200 OK", &["x : y"], GOOD)), Hold]
    }),
    after("header_folded", UNKNOWN, NO_ANSWER, || vec![Say(answer("200 OK", &["x: y", " z"], GOOD)), Hold]),
    after("line_feeds_alone", &["ok", "unknown"], "", || {
        vec![Say(b"HTTP/1.1 200 OK\ncontent-length: 8\n\n{\"id\":1}".to_vec()), Next]
    }),
    // Statuses.
    after("status_000", UNKNOWN, NO_ANSWER, || vec![Say(answer("000 Zero", &[], GOOD)), Hold]),
    after("status_099", UNKNOWN, NO_ANSWER, || vec![Say(answer("099 Low", &[], GOOD)), Hold]),
    after("status_600", UNKNOWN, "HTTP 600", || vec![Say(answer("600 High", &[], b"")), Next]),
    after("status_999", UNKNOWN, "HTTP 999", || vec![Say(answer("999 Highest", &[], b"")), Next]),
    after("status_of_two_digits", UNKNOWN, NO_ANSWER, || vec![Say(answer("20 OK", &[], GOOD)), Hold]),
    after("status_of_four_digits", UNKNOWN, NO_ANSWER, || vec![Say(answer("2000 OK", &[], GOOD)), Hold]),
    after("status_negative", UNKNOWN, NO_ANSWER, || vec![Say(answer("-20 OK", &[], GOOD)), Hold]),
    after("status_without_text", OK, "", || vec![Say(answer("200", &[], GOOD)), Next]),
    after("redirect", UNKNOWN, "HTTP 307", || {
        vec![Say(answer("307 Temporary Redirect", &["location: http://127.0.0.1:9/"], b"")), Next]
    }),
    after("redirect_to_get", UNKNOWN, "HTTP 303", || {
        vec![Say(answer("303 See Other", &["location: /elsewhere"], b"")), Next]
    }),
    after(
        "token_expired",
        &["not_sent"],
        "HTTP 401: the service does not accept our calls: the token",
        || words("401 Unauthorized", br#"{"detail":"the token has expired"}"#),
    ),
    after("method_not_allowed", &["not_sent"], "HTTP 405", || {
        vec![Say(answer("405 Method Not Allowed", &["allow: GET"], b"")), Next]
    }),
    after("not_implemented", &["not_sent"], "HTTP 501", || {
        vec![Say(answer("501 Not Implemented", &[], b"")), Next]
    }),
    after("retry_after_beyond_64_bits", NOT_SENT, "HTTP 503", || {
        vec![Say(answer("503 Busy", &["retry-after: 100000000000000000000"], b"")), Next]
    }),
    after("retry_after_in_9999", NOT_SENT, "HTTP 503", || {
        let lines = ["retry-after: Fri, 31 Dec 9999 23:59:59 GMT", "date: Fri, 27 Nov 2026 12:00:00 GMT"];
        vec![Say(answer("503 Busy", &lines, b"")), Next]
    }),
    after("retry_after_negative", NOT_SENT, "HTTP 429", || {
        vec![Say(answer("429 Busy", &["retry-after: -5"], b"")), Next]
    }),
    // Bodies.
    after("empty", &["ok", "unknown"], "", || vec![Say(answer("200 OK", &[], b"")), Next]),
    after("html", UNKNOWN, UNREADABLE, || {
        vec![Say(answer("200 OK", &["content-type: text/html"], b"<h1>Welcome</h1>")), Next]
    }),
    after("json_deep", UNKNOWN, UNREADABLE, || {
        words("200 OK", &[vec![b'['; 30_000], vec![b']'; 30_000]].concat())
    }),
    after("json_deep_refusal", REFUSED, "", || words("400 Bad Request", &b"{\"detail\":".repeat(6_000))),
    after("json_digits", &["ok", "unknown"], "", || {
        words("200 OK", format!(r#"{{"id":{}}}"#, "9".repeat(60_000)).as_bytes())
    }),
    after("json_exponent", &["ok", "unknown"], "", || words("200 OK", br#"{"id":1e999999999}"#)),
    after("json_keys_twice", &["ok", "unknown"], "", || words("200 OK", br#"{"id":2,"id":1}"#)),
    after("json_many_keys", OK, "", || {
        let keys: String = (0..4_000).map(|n| format!("\"k{n}\":{n},")).collect();
        words("200 OK", format!("{{{keys}\"id\":1}}").as_bytes())
    }),
    after("json_cut", UNKNOWN, UNREADABLE, || words("200 OK", br#"{"id":"#)),
    after("json_twice", UNKNOWN, UNREADABLE, || words("200 OK", br#"{"id":1}{"id":2}"#)),
    after("json_nan", UNKNOWN, UNREADABLE, || words("200 OK", br#"{"id":NaN}"#)),
];
