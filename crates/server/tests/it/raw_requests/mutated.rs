//! Requests that work, changed at random: some still do, and none may bring the server down.

use saga_testkit::dice::Dice;

use super::{Expect, Sent};
use crate::http::Close;
use crate::routes::ENDING;

/// Bytes that stand in the place of others, or between them.
const NASTY: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\r\n ",
    "\r\n\t",
    "\r\n\r\n",
    "\0",
    "\u{7f}",
    "\u{e9}",
    " ",
    ":",
    ",",
    "%",
    "%00",
    "%2e%2e%2f",
    "%C3%28",
    "..",
    "//",
    "?",
    "#",
    "&",
    ";",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "0",
    "-1",
    "1e999",
    "99999999999999999999",
    "9223372036854775807",
    "-9223372036854775808",
    "null",
    "chunked",
    "0\r\n\r\n",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/2.0",
    "*",
    "http://evil.example/",
    "\u{202e}",
    "\u{feff}",
];

/// Header lines that mean something to a server.
const LINES: &[&str] = &[
    "content-length: 0",
    "content-length: 1",
    "content-length: 35, 35",
    "content-length: +35",
    "content-length: 18446744073709551616",
    "transfer-encoding: chunked",
    "transfer-encoding: identity",
    "Transfer-Encoding : chunked",
    "transfer-encoding: gzip, chunked",
    "transfer-encoding: \u{b}chunked",
    "expect: 100-continue",
    "expect: the unexpected",
    "upgrade: websocket",
    "upgrade: h2c",
    "connection: upgrade, http2-settings",
    "connection: keep-alive",
    "connection: close, content-length",
    "http2-settings: AAMAAABkAAQAAP__",
    "te: trailers",
    "trailer: content-length",
    "host: evil.example",
    "host:",
    "content-type: application/json",
    "content-type: text/plain",
    "content-encoding: gzip",
    "accept: application/openmetrics-text",
    "accept-encoding: gzip, br",
    "range: bytes=0-18446744073709551615",
    "if-none-match: *",
    "idempotency-key: \"k\"",
    "idempotency-key: ",
    "prefer: wait=0",
    "prefer: respond-async, wait=99999999999999999999999",
    "prefer: wait=-1; a=\"b, c\"",
    "cookie: a=b",
    "authorization: Bearer x",
    "x-http-method-override: DELETE",
    "x-forwarded-host: evil.example",
    "forwarded: for=\"[::1]\";host=evil.example",
    "traceparent: 00-00000000000000000000000000000000-0000000000000000-00",
    "origin: http://test",
    "sec-fetch-site: none",
    " folded: line",
    "no colon",
    ": no name",
    "x: \u{e9}",
];

const METHODS: &[&str] =
    &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "QUERY"];

/// A request that the server can read, for any route and with any method.
fn good(dice: &Dice) -> Vec<u8> {
    let (path, methods) = &ENDING[dice.below(ENDING.len())];
    let method =
        if dice.below(4) == 0 { dice.one(METHODS).to_owned() } else { methods[0].to_ascii_uppercase() };
    let id =
        dice.one(&["01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21", "x", "%2F", "01939F2E7C1B7C3E9A520D8A6B1F4E21"]);
    let query =
        dice.one(&["", "", "?limit=2", "?rollback=BLOQUE&cursor=1.2", "?detail=etapes&cursor=1", "?%00=&="]);
    let (path, client) = (path.replace("{id}", id), dice.below(12));
    let body = match path.rsplit('/').next() {
        Some("checkout") => format!("{{\"client_id\": {client}, \"magasin_id\": 1}}"),
        Some("reprendre" | "resoudre") => {
            "{\"par\": \"A\", \"raison\": \"r\", \"etape\": \"stock\"}".to_owned()
        }
        _ => String::new(),
    };
    let target =
        if dice.below(10) == 0 { format!("http://test{path}{query}") } else { format!("{path}{query}") };
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: test\r\n");
    for _ in 0..dice.below(3) {
        request.push_str(&format!("{}\r\n", dice.one(LINES)));
    }
    if method == "POST" && !body.is_empty() {
        request.push_str("content-type: application/json\r\n");
        if dice.below(3) == 0 {
            let half = dice.below(body.len());
            let (left, right) = (&body[..half], &body[half..]);
            request.push_str("transfer-encoding: chunked\r\n\r\n");
            for part in [left, right].into_iter().filter(|part| !part.is_empty()) {
                request.push_str(&format!("{:x};e=x\r\n{part}\r\n", part.len()));
            }
            request.push_str("0\r\ntrailer: x\r\n\r\n");
        } else {
            request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        }
    } else {
        request.push_str("\r\n");
    }
    request.into_bytes()
}

/// Changes a request in one place.
fn mutate(bytes: &mut Vec<u8>, dice: &Dice) {
    if bytes.is_empty() {
        return;
    }
    let (at, to) = (dice.below(bytes.len()), dice.below(bytes.len()));
    let (from, to) = (at.min(to), at.max(to).min(at.min(to) + 40));
    match dice.below(9) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.next() as u8,
        2 => drop(bytes.drain(from..to)),
        3 => {
            let copy = bytes[from..to].repeat(1 + dice.below(50));
            bytes.splice(at..at, copy);
        }
        4 => drop(bytes.splice(from..to, dice.one(NASTY).bytes())),
        5 => drop(bytes.splice(at..at, dice.one(NASTY).bytes())),
        6 => bytes.truncate(at),
        7 => {
            // A further header line where a line ends.
            let ends: Vec<usize> =
                bytes.windows(2).enumerate().filter(|(_, two)| two == b"\r\n").map(|(n, _)| n + 2).collect();
            if !ends.is_empty() {
                let at = ends[dice.below(ends.len())];
                let line = format!("{}\r\n", dice.one(LINES));
                bytes.splice(at..at, line.into_bytes());
            }
        }
        _ => drop(bytes.splice(at..at, dice.bytes(30))),
    }
}

/// One request inside another: what one reader takes for the body, another takes for the next request.
fn smuggled(dice: &Dice) -> Vec<u8> {
    let inner = "DELETE /api/commandes HTTP/1.1\r\nhost: test\r\n\r\n";
    let lengths = dice.one(&[
        "content-length: LEN\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: LEN\r\n",
        "content-length: 5\r\ncontent-length: LEN\r\n",
        "content-length: LEN\r\ncontent-length: LEN\r\n",
        "content-length: 5\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding:\r\n chunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "x: y\r\n content-length: LEN\r\n",
    ]);
    let lengths = lengths.replace("LEN", &(inner.len() + 5).to_string());
    format!(
        "POST /api/commande/checkout HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{lengths}\r\n\
         0\r\n\r\n{inner}"
    )
    .into_bytes()
}

/// The next one.
pub(super) fn make(number: u64, dice: &Dice) -> Sent {
    let (kind, bytes) = match number % 4 {
        0 => {
            let mut bytes = good(dice);
            (0..1 + dice.below(4)).for_each(|_| mutate(&mut bytes, dice));
            ("changed", bytes)
        }
        1 => {
            let mut bytes: Vec<u8> = (0..1 + dice.below(5)).flat_map(|_| good(dice)).collect();
            (0..dice.below(3)).for_each(|_| mutate(&mut bytes, dice));
            ("several", bytes)
        }
        2 => ("unchanged", good(dice)),
        _ => {
            let mut bytes = smuggled(dice);
            (0..dice.below(3)).for_each(|_| mutate(&mut bytes, dice));
            ("smuggled", bytes)
        }
    };
    Sent { kind, bytes, close: Close::AfterAWhile, expect: Expect::Anything }
}
