//! Reasons without their details: what differs between two sagas that are stuck for the same becomes `*`.
//!
//! | becomes `*` | such as |
//! |---|---|
//! | a UUID | `3fa85f64-5717-4562-b3fc-2c963f66afa6` |
//! | a time | `2026-11-22T14:01:02.5Z`, `2026-11-22`, `14:01`, `Sun, 22 Nov 2026 14:01:02 GMT` |
//! | a length of time | `300ms`, `1.5s`, `1h30m` |
//! | an address | `10.0.0.7`, `10.0.0.7:8080`, `fe80::1`, `[::1]:80`, `db.internal:5432`; the name and port behind `//` or `@` |
//! | a word of hexadecimal digits, eight or more | `deadbeef01`, `0x7fff5a3b1c00` |
//! | a word of letters and digits in turn, twelve or more | `01ARZ3NDEKTSV4RRFFQ69G5FAV` |
//! | a number of two digits or more, with its points and commas | `48213`, `1,204.00`, the digits of `CMD-48213` |
//!
//! One pass over the text: nothing looks ahead but by a fixed number of characters, and within one word. The result is left as
//! it is by a second pass: a word beside a `*` is not taken for the beginning of anything.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};

use crate::printable::printable;

/// Stands for a detail.
const DETAIL: char = '*';
/// Digits from which a word of hexadecimal digits is a detail.
const HEX_DIGITS_MIN: usize = 8;
/// Characters from which a word of letters and digits in turn is a detail.
const MIXED_CHARS_MIN: usize = 12;
/// Digits from which a number is a detail.
const NUMBER_DIGITS_MIN: usize = 2;
/// The longest name of a host, in bytes (RFC 1035).
const HOST_BYTES_MAX: usize = 253;
/// The longest text of an address, in bytes: longer ones are none.
const ADDRESS_BYTES_MAX: usize = 64;
/// Digits of a fraction of a second: more are none.
const FRACTION_DIGITS_MAX: usize = 12;
/// The units of lengths of time.
const UNITS: &[&str] = &["ns", "us", "µs", "μs", "ms", "s", "sec", "secs", "min", "m", "h", "d"];

/// `text` on one line, with one space where it has white space, without its details. What hides, or steers a terminal, is shown as
/// U+FFFD.
pub(super) fn without_details(text: &str) -> String {
    let line = printable(text, usize::MAX);
    let mut kept = String::with_capacity(line.len());
    let mut rest = &*line;
    while let Some(character) = rest.chars().next() {
        let taken = match character {
            ' ' => {
                if !kept.ends_with(' ') {
                    kept.push(' ');
                }
                1
            }
            _ => match detail(&kept, rest) {
                Some(taken) => {
                    kept.push(DETAIL);
                    taken
                }
                None if character.is_alphanumeric() => word(&mut kept, rest),
                None => {
                    kept.push(character);
                    character.len_utf8()
                }
            },
        };
        rest = &rest[taken..];
    }
    kept
}

/// The length of the detail that begins here, if one does that is more than a word. `before` is the text up to here.
fn detail(before: &str, rest: &str) -> Option<usize> {
    let last = before.chars().next_back();
    if last.is_some_and(is_of_word) {
        return None;
    }
    let is_inside = matches!(last, Some('.' | ':' | '-' | '_'));
    uuid(rest)
        .or_else(|| time(rest))
        .or_else(|| length_of_time(rest))
        .or_else(|| address(rest).filter(|_| !is_inside))
        .or_else(|| host_and_port(before, rest).filter(|_| !is_inside))
}

/// Keeps the word that begins here, without its numbers, or leaves it out if it is a detail. Tells how much that was: a number may go
/// on behind the word's end.
fn word(kept: &mut String, rest: &str) -> usize {
    let length = of_all(rest, char::is_alphanumeric);
    if is_detail(&rest[..length]) {
        kept.push(DETAIL);
        return length;
    }
    let (mut at, mut begun) = (0, 0);
    while at < length {
        match number(&rest[at..]) {
            Some(taken) => {
                part(kept, &rest[begun..at]);
                kept.push(DETAIL);
                at += taken;
                begun = at;
            }
            None => at += rest[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    part(kept, &rest[begun..at]);
    at
}

/// A part of a word, between its numbers.
fn part(kept: &mut String, part: &str) {
    match is_detail(part) {
        true => kept.push(DETAIL),
        false => kept.push_str(part),
    }
}

/// Whether a word is an id by its digits.
fn is_detail(word: &str) -> bool {
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let begins_digits = |(at, byte): (usize, u8)| {
        byte.is_ascii_digit() && (at == 0 || !word.as_bytes()[at - 1].is_ascii_digit())
    };
    let is_mixed = || {
        word.len() >= MIXED_CHARS_MIN
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && word.bytes().enumerate().filter(|byte| begins_digits(*byte)).count() > 1
    };
    digits.len() >= HEX_DIGITS_MIN && is_hex(digits) || is_mixed()
}

/// The length of a number with so many digits that it is a detail.
fn number(rest: &str) -> Option<usize> {
    let (length, digits) = any_number(rest)?;
    (digits >= NUMBER_DIGITS_MIN).then_some(length)
}

/// A number's length, and how many digits it has.
fn any_number(rest: &str) -> Option<(usize, usize)> {
    let bytes = rest.as_bytes();
    let (mut end, mut digits) = (0, 0);
    loop {
        let more = digits_at(bytes, end, usize::MAX);
        if more == 0 {
            return None;
        }
        (end, digits) = (end + more, digits + more);
        let is_separated = matches!(bytes.get(end), Some(b'.' | b',' | b'\'' | b'_'));
        if !is_separated || !bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
            return Some((end, digits));
        }
        end += 1;
    }
}

/// `1.5s`, `1h30m`.
fn length_of_time(rest: &str) -> Option<usize> {
    let mut end = 0;
    for _ in UNITS {
        end += any_number(&rest[end..])?.0;
        let unit = of_all(&rest[end..], char::is_alphabetic);
        if !UNITS.contains(&&rest[end..end + unit]) {
            return None;
        }
        end += unit;
        match rest[end..].chars().next() {
            Some(digit) if digit.is_ascii_digit() => {}
            next if next.is_some_and(is_of_word) => return None,
            _ => return Some(end),
        }
    }
    None
}

fn uuid(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes().get(..36)?;
    let is_fit = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    (bytes.iter().enumerate().all(is_fit) && ends(rest, 36)).then_some(36)
}

/// A date, a time of day, or both, with a zone or without.
fn time(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let is_end = |end: &usize| ends(rest, *end);
    let Some(date) = date(bytes) else {
        return internet_date(bytes).or_else(|| time_of_day(bytes)).filter(is_end);
    };
    let is_joined = matches!(bytes.get(date), Some(b'T' | b't' | b' ' | b'_'));
    let clock = bytes.get(date + 1..).filter(|_| is_joined).and_then(time_of_day);
    clock.map(|clock| date + 1 + clock).filter(is_end).or(Some(date).filter(is_end))
}

/// `2026-11-22`.
fn date(bytes: &[u8]) -> Option<usize> {
    fits(bytes, b"0000-00-00").then_some(10)
}

/// `Sun, 22 Nov 2026 14:01:02 GMT` (RFC 9110).
fn internet_date(bytes: &[u8]) -> Option<usize> {
    fits(bytes, b"aaa, 00 aaa 0000 00:00:00 aaa").then_some(29)
}

/// `9:05`, `14:01:02.5Z`, `14:01:02 +01:00`.
fn time_of_day(bytes: &[u8]) -> Option<usize> {
    let hour = digits_at(bytes, 0, 3);
    let is_hour = (1..=2).contains(&hour) && fits(bytes.get(hour..)?, b":00");
    let mut end = is_hour.then_some(hour + 3)?;
    if fits(&bytes[end..], b":00") {
        end += 3;
        let fraction = digits_at(bytes, end + 1, FRACTION_DIGITS_MAX);
        if matches!(bytes.get(end), Some(b'.' | b',')) && fraction > 0 {
            end += 1 + fraction;
        }
    }
    if matches!(bytes.get(end), Some(b'Z' | b'z')) {
        return Some(end + 1);
    }
    let spaces = usize::from(bytes.get(end) == Some(&b' '));
    let zone = bytes.get(end + spaces..).unwrap_or_default();
    let offset =
        [&b"+00:00"[..], b"-00:00", b"+0000", b"-0000"].into_iter().find(|zone_of| fits(zone, zone_of));
    let named = [&b"UTC"[..], b"GMT"].into_iter().find(|name| zone.starts_with(name));
    Some(offset.or(named).map_or(end, |zone| end + spaces + zone.len()))
}

/// An address of the Internet, with a port or without.
fn address(rest: &str) -> Option<usize> {
    if let Some(inside) = rest.strip_prefix('[') {
        let end = inside.bytes().take(ADDRESS_BYTES_MAX).position(|byte| byte == b']')?;
        inside.get(..end)?.parse::<Ipv6Addr>().ok()?;
        let length = end + 2;
        let port = port(&rest[length..]).unwrap_or(0);
        return Some(length + port);
    }
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'*');
    let length = rest.bytes().take(ADDRESS_BYTES_MAX + 1).take_while(|byte| is_part(byte)).count();
    if length > ADDRESS_BYTES_MAX {
        return None;
    }
    let text = rest[..length].trim_end_matches('.');
    // A colon may end the address, or the sentence before what is said of it.
    let is_address = |text: &&str| {
        text.parse::<Ipv4Addr>().is_ok()
            || text.parse::<SocketAddrV4>().is_ok()
            || text.parse::<Ipv6Addr>().is_ok() && text.bytes().any(|byte| byte.is_ascii_hexdigit())
    };
    let found = Some(text).filter(is_address).or(text.strip_suffix(':').filter(is_address))?;
    ends(rest, found.len()).then_some(found.len())
}

/// A host's name with a port: a name with a point, a name of letters, digits and dashes, or whatever stands where an address must.
fn host_and_port(before: &str, rest: &str) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let length = rest.bytes().take(HOST_BYTES_MAX + 1).take_while(|byte| is_part(byte)).count();
    if length > HOST_BYTES_MAX || !rest.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let host = &rest[..length];
    let is_host = host.contains('.')
        || host.contains('-') && host.bytes().any(|byte| byte.is_ascii_digit())
        || before.ends_with("//")
        || before.ends_with('@')
        || host == "localhost";
    Some(length + port(&rest[length..])?).filter(|_| is_host)
}

/// The length of `:8080`.
fn port(rest: &str) -> Option<usize> {
    let digits = rest.starts_with(':').then(|| digits_at(rest.as_bytes(), 1, 6))?;
    ((NUMBER_DIGITS_MIN..=5).contains(&digits) && ends(rest, 1 + digits)).then_some(1 + digits)
}

/// Whether a word that is so long ends there.
fn ends(rest: &str, length: usize) -> bool {
    !rest[length..].chars().next().is_some_and(is_of_word)
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric() || character == DETAIL
}

/// Whether the bytes begin like the pattern: `0` is a digit, `a` is a letter.
fn fits(bytes: &[u8], pattern: &[u8]) -> bool {
    let is_fit = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        b'a' => byte.is_ascii_alphabetic(),
        _ => byte == wanted,
    };
    bytes.len() >= pattern.len() && bytes.iter().zip(pattern).all(is_fit)
}

/// How many digits there are from a place on, at most `most`.
fn digits_at(bytes: &[u8], from: usize, most: usize) -> usize {
    bytes.iter().skip(from).take(most).take_while(|byte| byte.is_ascii_digit()).count()
}

/// How many bytes the characters have that all pass, from the beginning on.
fn of_all(text: &str, passes: impl Fn(char) -> bool) -> usize {
    text.find(|character| !passes(character)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(without_details(text), expected, "{text:?}");
    }

    #[test]
    fn details_are_left_out_and_words_stay() {
        check("Maintenance en cours", "Maintenance en cours");
        check("  two\n lines\t and \u{a0} spaces ", "two lines and spaces");
        check("no article 7 of 12, 1,204.00 $ in 3 orders", "no article 7 of *, * $ in 3 orders");
        check("order CMD-48213 of client48213", "order CMD-* of client*");
        check("saga 3fa85f64-5717-4562-b3fc-2c963f66afa6 is unknown", "saga * is unknown");
        check("order_3fa85f64-5717-4562-b3fc-2c963f66afa6", "order_*");
        check("at 2026-11-22T14:01:02.123456Z or 2026-11-22 14:01:02 +01:00, 9:05", "at * or *, *");
        check("Sun, 22 Nov 2026 14:01:02 GMT: too late", "*: too late");
        check("2026-11-22.", "*.");
        check("no answer within 5s, 300ms, 1.5 s or 1h30m", "no answer within *, *, * s or *");
        check("connect to 10.0.0.7:8080: refused", "connect to *: refused");
        check("10.0.0.7, fe80::1, ::1, [::1]:80 and [fe80::1]", "*, *, *, * and *");
        check("http://client-service:8000/api/clients/48213", "http://*/api/clients/*");
        check("db.internal:5432 pod-7f9c-x2:8000 localhost:80", "* * *");
        check("status:503 and step:7", "status:* and step:7");
        check("key 0x7fff5a3b1c00, deadbeef01, cafe", "key *, *, cafe");
        check("charge ch_3MtwBwLkdIwHu7ix28a3tqPa, 01ARZ3NDEKTSV4RRFFQ69G5FAV", "charge ch_*, *");
        check("std::fmt::Error: utf8, p9, a::b::c", "std::fmt::Error: utf8, p9, a::b::c");
        check("déjà vendu à 12 h", "déjà vendu à * h");
        check("\0\u{202e}x\u{1b}[2J", "\u{fffd}\u{fffd}x\u{fffd}[2J");
        check("", "");
    }

    /// A word of letters that no rule takes for a detail.
    fn plain() -> impl Strategy<Value = String> {
        "[a-zA-ZéàçÉ]{1,10}".prop_filter("a unit or a word of hexadecimal digits", |word| !is_detail(word))
    }

    /// A detail, and another one of the same kind.
    fn details() -> impl Strategy<Value = (String, String)> {
        let of = |pattern: &'static str| (pattern, pattern);
        prop_oneof![
            of("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            of("20[0-9]{2}-1[0-2]-[0-2][0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|\\+01:00)"),
            of("[12]?[0-9]:[0-5][0-9](:[0-5][0-9])?"),
            of("[1-9][0-9]{1,18}"),
            of("[1-9][0-9]{1,3}\\.[0-9]{2}"),
            of("[0-9]{1,3}(\\.[0-9]{1,2})?(s|ms|m)"),
            of("1[0-9]{2}\\.[0-9]{1,2}\\.[0-9]\\.1[0-9](:[1-9][0-9]{2,3})?"),
            of("fe80::[0-9a-f]{1,4}:[0-9a-f]{1,4}"),
            of("[a-z]{3,9}\\.[a-z]{2,9}:[1-9][0-9]{1,3}"),
            of("[0-9a-f]{8,64}"),
            of("0x[0-9a-f]{8,16}"),
            of("[A-Z]{3}[0-9]{2}[A-Z]{4}[0-9]{1}[A-Z]{9}"),
        ]
    }

    /// Text that is near to the rules.
    fn tricky() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            "[0-9a-fx.:*'_-]{0,12}",
            "[0-9]{1,3}[smhd.,]?",
            "[ \\[\\]/@TZ+é%|]{1,2}",
            Just("3fa85f64-5717-4562-b3fc-2c963f66afa6".to_owned()),
            Just("2026-11-22T14:01:02.5Z".to_owned()),
            Just("10.0.0.7:80".to_owned()),
            Just("fe80::1".to_owned()),
            Just("a.b:80".to_owned()),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn reasons_that_differ_in_details_alone_are_the_same(
            parts in prop::collection::vec((plain(), details()), 1..6),
            spaces in "[ \t\n]{1,3}",
        ) {
            let said = |pick: fn(&(String, String)) -> &String, space: &str| {
                let words = parts.iter().map(|(word, details)| format!("{word}{space}{}", pick(details)));
                words.collect::<Vec<_>>().join(space)
            };
            let (one, other) = (said(|details| &details.0, " "), said(|details| &details.1, &spaces));
            prop_assert_eq!(without_details(&one), without_details(&other), "{:?} and {:?}", one, other);
        }

        #[test]
        fn a_word_keeps_reasons_apart(
            words in prop::collection::vec(plain(), 1..6),
            at in any::<prop::sample::Index>(),
            instead in plain(),
            (one, other) in details(),
        ) {
            let at = at.index(words.len());
            prop_assume!(words[at] != instead);
            let mut changed = words.clone();
            changed[at] = instead;
            let said = |words: &[String], detail: &str| without_details(&format!("{}: {detail}", words.join(" ")));
            prop_assert_ne!(said(&words, &one), said(&changed, &other));
        }

        #[test]
        fn a_second_pass_changes_nothing(text in prop_oneof![tricky(), any::<String>()]) {
            let once = without_details(&text);
            prop_assert_eq!(&without_details(&once), &once, "{:?}", text);
            prop_assert!(once.chars().count() <= text.chars().count());
        }
    }

    /// A mebibyte takes as long, byte for byte, as a kibibyte: counted in time, with room for a slow machine.
    #[test]
    fn long_texts_take_no_longer_than_they_are() {
        for pattern in [
            "a",
            "1",
            "1.",
            "1h",
            "1.1h",
            "a12",
            "a1",
            "-",
            "a-",
            "a.",
            "::",
            "1:",
            "[",
            "[[:",
            "2026-11-22 ",
            "12:00:0",
            "3fa85f64-5717-4562-b3fc-2c963f66afa",
            "\0",
            "\u{202e}",
            "*",
            "é",
            " ",
            "x:1",
            "//",
            "@a.",
        ] {
            // So long that this test would not end if the time grew with the square of the length.
            let text = pattern.repeat((1 << 20) / pattern.len());
            let kept = without_details(&text);
            assert!(kept.len() <= 3 * text.len());
        }
    }
}
