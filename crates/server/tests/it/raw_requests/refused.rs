//! Requests that no client should send: each gets a 4xx that explains itself, or is cut off by the HTTP layer where it
//! is not even HTTP.

use saga_testkit::dice::Dice;

use super::{Expect, Sent};
use crate::http::{Call, Close};
use crate::routes::ENDING;

const CHECKOUT: &str = "/api/commande/checkout";

fn order(body: impl Into<Vec<u8>>) -> Call {
    Call::post(CHECKOUT).header("content-type", "application/json").body(body)
}

fn good_order() -> Call {
    order("{\"client_id\": 4, \"magasin_id\": 1}")
}

/// A JSON value that is no integer of 64 bits.
fn no_integer(dice: &Dice) -> &'static str {
    dice.one(&[
        "null",
        "true",
        "\"4\"",
        "[]",
        "{}",
        "4.5",
        "4.0",
        "1e3",
        "-0.0",
        "9223372036854775808",
        "[4]",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "\"\"",
        "{\"client_id\":4}",
        "\"\\u0000\"",
    ])
}

/// The next request. Every kind comes up in turn; what it looks like is drawn.
pub(super) fn make(number: u64, dice: &Dice) -> Sent {
    let call =
        |kind, call: Call| Sent { kind, bytes: call.bytes(), close: Close::Never, expect: Expect::Refused };
    let no_http =
        |kind, bytes: Vec<u8>| Sent { kind, bytes, close: Close::AfterSending, expect: Expect::CutOff };
    let head = "host: test\r\nconnection: close\r\n";
    match number % 31 {
        0 => {
            let (left, right) = (no_integer(dice), dice.one(&["1", "\"1\"", "null"]));
            call("wrong type", order(format!("{{\"client_id\": {left}, \"magasin_id\": {right}}}")))
        }
        1 => {
            let body = dice.one(&[
                "{}",
                "{\"client_id\": 4}",
                "{\"magasin_id\": 1}",
                "{\"Client_id\": 4, \"magasin_id\": 1}",
                "[]",
                "null",
                "4",
                "\"{}\"",
                "{\"client_id \": 4, \"magasin_id\": 1}",
            ]);
            call("missing member", order(body))
        }
        2 => {
            let (depth, open) = (1 + dice.below(15_000), dice.one(&["[", "{\"a\":"]));
            let body = format!("{{\"client_id\": {}", open.repeat(depth));
            call(
                "deep nesting",
                order(body.into_bytes()[..].iter().copied().take(65_536).collect::<Vec<u8>>()),
            )
        }
        3 => {
            let depth = 1 + dice.below(10_000);
            let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            call("deep and complete", order(format!("{{\"client_id\": {value}, \"magasin_id\": 1}}")))
        }
        4 => {
            let body = "{\"client_id\": 4, \"magasin_id\": 1}";
            call("truncated JSON", order(&body.as_bytes()[..dice.below(body.len())]))
        }
        5 => {
            let mut body = b"{\"client_id\": 4, \"magasin_id\": \"".to_vec();
            body.extend(dice.bytes(40).iter().map(|byte| byte | 0x80));
            body.extend_from_slice(b"\xff\"}");
            call("not UTF-8", order(body))
        }
        6 => call("noise for a body", order([b"%", &*dice.bytes(2_000)].concat())),
        7 => call("huge body", order(vec![b' '; 65_537 + dice.below(1_000_000)])),
        8 => {
            let number = dice.one(&["1e999", "-1e999", "NaN", "Infinity", "0x10", "01", "+1", ".5", "1_000"]);
            call("no JSON number", order(format!("{{\"client_id\": {number}, \"magasin_id\": 1}}")))
        }
        9 => {
            let id = match dice.below(4) {
                0 => format!("{:08x}-0000-7000-8000-{:012x}", dice.next() as u32, dice.next() >> 16),
                1 => dice.next().to_string(),
                2 => dice.bytes(60).iter().map(|byte| format!("%{byte:02X}")).collect(),
                _ => "z".repeat(1 + dice.below(2_000)),
            };
            let id = id.replace("%2F", "%2E");
            let by = |what: &str| {
                Call::post(&format!("/api/commande/{id}/{what}")).header("content-type", "application/json")
            };
            match dice.below(5) {
                0 => call("unknown id", Call::get(&format!("/api/commande/{id}"))),
                3 => call("unknown id", by("reprendre").body("{\"par\": \"A\"}")),
                4 => {
                    let body = dice.one(&[
                        "",
                        "{}",
                        "[]",
                        "{\"par\"",
                        "{\"par\": [], \"etape\": 1e999}",
                        "{\"\u{0}\": 1}",
                    ]);
                    call("odd finding", by("resoudre").body(body))
                }
                1 => call("unknown id", Call::get(&format!("/api/commande/{id}/historique?detail=etapes"))),
                _ => call("unknown id", Call::post(&format!("/api/commande/{id}/annuler"))),
            }
        }
        10 => {
            let method =
                dice.one(&["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get", "Post", "M-SEARCH"]);
            let (path, _) = &ENDING[dice.below(ENDING.len())];
            call("odd method", Call::new(method, &path.replace("{id}", "7")))
        }
        11 => {
            let path = dice.one(&[
                "//",
                "/../../etc/passwd",
                "/api//commandes",
                "/api/commande/%2e%2e/%2e%2e",
                "/docs/../../x",
                "/%00",
                "/.env",
                "/api/commandes%3Flimit=1",
                "/api/commandes;x",
                "/metrics/",
                "/*",
                "/{id}",
                "/api/%E9",
                "/docs/%2e%2e%2fCargo.toml",
                "/API/COMMANDES",
                "/api/commande/a/b/c",
            ]);
            call("odd path", Call::get(path))
        }
        12 => call("long path", Call::get(&format!("/{}", "a".repeat(1 + dice.below(15_000))))),
        13 => {
            let media = dice.one(&[
                "text/plain",
                "json",
                "application/jsonp",
                "*/*",
                ";",
                "\u{e9}",
                "multipart/json",
            ]);
            let call_it = Call::post(CHECKOUT).header("content-type", media).body("{}");
            call("odd content type", call_it)
        }
        14 => {
            let key = match dice.below(3) {
                0 => "k".repeat(256 + dice.below(5_000)),
                1 => dice.one(&["\"\"", "", "  ", "\u{e9}\u{e9}"]).to_owned(),
                _ => return call("two keys", good_order().key("a").key("b")),
            };
            call("odd key", good_order().key(&key))
        }
        15 => {
            let query = dice.one(&[
                "limit=0",
                "limit=-5",
                "limit=1e2",
                "limit=201",
                "client_id=",
                "client_id=%FF",
                "client_id=4&client_id=4",
                "magasin_id=99999999999999999999",
                "rollback=oui",
                "cursor=%00",
                "cursor=1.2.3",
                "cursor=.",
                "etat=%0A",
                "=",
                "=&=",
                "limit",
                "x=y",
                "%FF=%FF",
                "etat=",
                "LIMIT=1",
                "limit=1&limit=2",
                "limit=%31%30%30%30",
            ]);
            call("bad query", Call::get(&format!("/api/commandes?{query}")))
        }
        16 => {
            let version = dice.one(&[
                "HTTP/2.0",
                "HTTP/0.9",
                "HTTP/1.2",
                "HTTP/11",
                "http/1.1",
                "HTTP/1.1.1",
                "ICY",
                "",
            ]);
            no_http("wrong version", format!("GET /nothing {version}\r\n{head}\r\n").into_bytes())
        }
        17 => {
            let end = dice.one(&["\r", "\n", "\r\r", "\n\r", "\n\n"]);
            no_http(
                "lone CR or LF",
                format!("GET /nothing HTTP/1.1{end}host: t{end}connection: close{end}{end}").into(),
            )
        }
        18 => {
            let header = match dice.below(3) {
                0 => format!("x: {}\r\n", "x".repeat(70_000 + dice.below(100_000))),
                1 => "x: y\r\n".repeat(101 + dice.below(500)),
                _ => format!("{}: y\r\n", "x".repeat(70_000)),
            };
            no_http("oversized head", format!("GET /nothing HTTP/1.1\r\n{head}{header}\r\n").into_bytes())
        }
        19 => {
            let bytes = good_order().bytes();
            let cut = 1 + dice.below(bytes.len() - 1);
            no_http("cut off", bytes[..cut].to_vec())
        }
        20 => {
            let lengths = dice.one(&[
                "content-length: 1\r\ncontent-length: 2\r\n",
                "content-length: -1\r\n",
                "content-length: 1e3\r\n",
                "content-length: 99999999999999999999\r\n",
                "transfer-encoding: gzip\r\n",
                "transfer-encoding: \r\n",
                "content-length: 5\r\ntransfer-encoding: chunked\r\n",
                "transfer-encoding: chunked, chunked\r\n",
            ]);
            no_http(
                "odd length",
                format!("POST {CHECKOUT} HTTP/1.1\r\n{head}{lengths}\r\nzz\r\n").into_bytes(),
            )
        }
        21 => {
            let chunk = dice.one(&[
                "zz\r\n",
                "-1\r\n",
                "ffffffffffffffffff\r\n",
                "5;\u{e9}\r\nab",
                "2\r\nabc\r\n0\r\n\r\n",
            ]);
            let lengths = "transfer-encoding: chunked\r\n";
            no_http(
                "odd chunk",
                format!("POST {CHECKOUT} HTTP/1.1\r\n{head}{lengths}\r\n{chunk}").into_bytes(),
            )
        }
        22 => {
            let line = dice.one(&[
                "GET /no thing HTTP/1.1",
                "GET  /nothing HTTP/1.1",
                " GET /nothing HTTP/1.1",
                "G\u{e9}T /nothing HTTP/1.1",
                "GET nothing HTTP/1.1",
                "GET /\u{0} HTTP/1.1",
                "CONNECT a:1 HTTP/1.1",
                "OPTIONS * HTTP/1.1",
                "GET HTTP/1.1",
                "GET http://[ HTTP/1.1",
                "GET http://elsewhere/nothing HTTP/1.1",
                "PRI * HTTP/2.0",
            ]);
            no_http("odd request line", format!("{line}\r\n{head}\r\n").into_bytes())
        }
        23 => no_http("noise", dice.bytes(3_000)),
        24 => {
            let path = ENDING[dice.below(ENDING.len())].0.replace("{id}", "7");
            let host = dice.one(&[
                "evil.example",
                "evil.example:8023",
                "127.0.0.1.evil.example",
                "user@localhost",
                "a b",
                "localhost:x",
                "localhost:99999",
                "",
                "[::1",
                "\u{e9}.example",
                "evil.example, localhost",
            ]);
            call("wrong host", Call::get(&path).host(host))
        }
        25 => {
            let lines = dice.one(&["", "host: a\r\nhost: a\r\n", "host: a\r\nHOST: b\r\n", "host : a\r\n"]);
            let target = dice.one(&["/livez", "http://evil.example/livez", CHECKOUT]);
            no_http("no host or two", format!("GET {target} HTTP/1.1\r\n{lines}\r\n").into_bytes())
        }
        26 => {
            let (name, value) = [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-site", ""),
                ("origin", "null"),
                ("origin", "https://evil.example"),
                ("origin", "file://"),
            ][dice.below(6)];
            let path = ENDING[1 + dice.below(ENDING.len() - 1)].0.replace("{id}", "7");
            let method = dice.one(&["GET", "POST", "OPTIONS", "DELETE"]);
            call("a page of another site", Call::new(method, &path).header(name, value))
        }
        27 => {
            let what = dice.one(&["checkout", "7/annuler", "7/reprendre", "7/resoudre"]);
            let media = dice.one(&["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"]);
            let call_it = Call::post(&format!("/api/commande/{what}")).header("content-type", media);
            call("a form", call_it.body(dice.one(&["", "a=b", "{\"par\": \"Ana\"}"])))
        }
        28 => {
            let digits = |dice: &Dice, max: usize| -> String {
                (0..1 + dice.below(max)).map(|_| char::from(b'1' + (dice.next() % 9) as u8)).collect()
            };
            // Never an integer of 64 bits: a fraction, an exponent, or more than 19 digits.
            let number = match dice.below(3) {
                0 => format!("{}.{}", digits(dice, 300), digits(dice, 300)),
                1 => format!("{}e{}{}", digits(dice, 30), dice.one(&["", "-", "+"]), digits(dice, 4)),
                _ => format!("{}{}", "9".repeat(20), digits(dice, 5_000)),
            };
            let sign = dice.one(&["", "-"]);
            call("number of any size", order(format!("{{\"client_id\": {sign}{number}, \"magasin_id\": 1}}")))
        }
        29 => {
            // The last one counts, as in every reader of JSON; here it never fits.
            let last = no_integer(dice);
            let copies = "\"client_id\": 4, ".repeat(1 + dice.below(1_000));
            call(
                "member again and again",
                order(format!("{{{copies}\"magasin_id\": 1, \"client_id\": {last}}}")),
            )
        }
        _ => {
            let depth = 1 + dice.below(9_000);
            let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let body = format!(
                "{{\"etape\":\"stock\",\"constat\":\"EXECUTEE\",\"raison\":\"r\",\"par\":\"A\",\"sortie\":{value}}}"
            );
            let path = "/api/commande/01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21/resoudre";
            call("deep finding", Call::post(path).header("content-type", "application/json").body(body))
        }
    }
}
