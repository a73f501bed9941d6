//! The two forms of an address, `postgres://...` and `key=value ...`, as parameters; their meaning is not known here.
//!
//! No error shows a part of the address: any part may belong to a password that was not written as it has to be.

use std::collections::BTreeMap;

/// Parameters by name. The last one of a name counts, and an empty one is none, as in libpq.
pub(super) type Parameters = BTreeMap<String, String>;

/// The error, for the author of the address.
pub(super) type Wrong = String;

pub(super) fn parameters(address: &str) -> Result<Parameters, Wrong> {
    let url = ["postgres://", "postgresql://"].iter().find_map(|scheme| address.strip_prefix(scheme));
    let written = match url {
        Some(rest) => from_url(rest)?,
        None => from_pairs(address)?,
    };
    let mut parameters = Parameters::new();
    for (name, value) in written {
        parameters.insert(name, value);
    }
    parameters.retain(|_, value| !value.is_empty());
    Ok(parameters)
}

type Written = Vec<(String, String)>;

/// `user:password@host:port,host:port/database?name=value&name=value`.
fn from_url(rest: &str) -> Result<Written, Wrong> {
    let (head, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (credentials, places) = match head.matches('@').count() {
        0 if query.contains('@') && !head.contains('/') => {
            return Err("a `?` in the user's name or the password must be written as %3F".to_owned());
        }
        0 => ("", head),
        1 => head.split_once('@').unwrap_or_default(),
        _ => return Err("an `@` in the user's name or the password must be written as %40".to_owned()),
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let mut written = vec![("user".to_owned(), decoded(user)?), ("password".to_owned(), decoded(password)?)];
    let (hosts, database) = places.split_once('/').unwrap_or((places, ""));
    written.push(("dbname".to_owned(), decoded(database)?));
    if !hosts.is_empty() {
        let places = hosts.split(',').map(place).collect::<Result<Vec<_>, _>>()?;
        let join =
            |part: fn(&(String, String)) -> &str| places.iter().map(part).collect::<Vec<_>>().join(",");
        written.push(("host".to_owned(), join(|(host, _)| host)));
        written.push(("port".to_owned(), join(|(_, port)| port)));
    }
    for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("parameter number {} behind the `?` has no `=`", index + 1))?;
        match (decoded(name)?, decoded(value)?) {
            // JDBC's spelling, which libpq takes in URLs.
            (name, value) if name == "ssl" && value == "true" => {
                written.push(("sslmode".to_owned(), "require".to_owned()));
            }
            pair => written.push(pair),
        }
    }
    Ok(written)
}

/// `host`, `host:port`, `[address]:port`.
fn place(text: &str) -> Result<(String, String), Wrong> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("a host's `[` has no `]`")?;
            (host, port.strip_prefix(':').unwrap_or(port))
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    Ok((decoded(host)?, decoded(port)?))
}

/// `%40` is `@`; a `%` that no two hexadecimal digits follow stays.
fn decoded(text: &str) -> Result<String, Wrong> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let code = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "a part of it that is written with % is not UTF-8".to_owned())
}

/// `name=value name='value with spaces'`; `\` takes the next character as it is.
fn from_pairs(text: &str) -> Result<Written, Wrong> {
    let mut written = Written::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let number = written.len() + 1;
        let (name, tail) =
            rest.split_once('=').ok_or_else(|| format!("parameter number {number} has no `=`"))?;
        let name = name.trim_end();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(format!(
                "parameter number {number} has no `=`; a value with spaces is written between quotes: 'like this'"
            ));
        }
        let tail = tail.trim_start();
        let (is_quoted, tail) = match tail.strip_prefix('\'') {
            Some(tail) => (true, tail),
            None => (false, tail),
        };
        let mut value = String::new();
        let mut characters = tail.char_indices();
        let end = loop {
            match characters.next() {
                Some((_, '\\')) => value.extend(characters.next().map(|(_, escaped)| escaped)),
                Some((at, '\'')) if is_quoted => break at + 1,
                Some((at, space)) if !is_quoted && space.is_whitespace() => break at,
                Some((_, character)) => value.push(character),
                None if is_quoted => return Err(format!("parameter number {number} has no closing quote")),
                None => break tail.len(),
            }
        };
        written.push((name.to_owned(), value));
        rest = tail[end..].trim_start();
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str) -> String {
        match parameters(address) {
            Ok(parameters) => parameters
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" | "),
            Err(wrong) => wrong,
        }
    }

    #[test]
    fn both_forms_give_the_same_parameters() {
        for (address, expected) in [
            ("postgres://u:p@h/d", "dbname=d | host=h | password=p | user=u"),
            ("postgresql://h", "host=h"),
            ("postgres://u@a:1,b,[::1]:3/d?x=y", "dbname=d | host=a,b,::1 | port=1,,3 | user=u | x=y"),
            ("postgres://u:a%40b%2Fc%3F@h/d", "dbname=d | host=h | password=a@b/c? | user=u"),
            ("postgres://u:100%@h/d", "dbname=d | host=h | password=100% | user=u"),
            ("postgres://u:a/b@h/d", "dbname=d | host=h | password=a/b | user=u"),
            ("postgres://%2Frun%2Fpg/d", "dbname=d | host=/run/pg"),
            ("postgres:///d?host=/run/pg&port=5", "dbname=d | host=/run/pg | port=5"),
            ("postgres://h:5/d?application_name=a@b", "application_name=a@b | dbname=d | host=h | port=5"),
            ("postgres://h/d?ssl=true", "dbname=d | host=h | sslmode=require"),
            ("host=h port = 5  dbname='a b'", "dbname=a b | host=h | port=5"),
            (r"password='it\'s \\' user=a\ b", r"password=it's \ | user=a b"),
            ("host=a host=b password=''", "host=b"),
            ("user=u%40", "user=u%40"),
        ] {
            assert_eq!(shown(address), expected, "{address}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_without_showing_it() {
        for (address, expected) in [
            ("postgres://u:hunter@2@h/d", "%40"),
            ("postgres://u:hunter?2@h", "%3F"),
            ("postgres://h/d?password=hunter&2", "parameter number 2 behind the `?` has no `=`"),
            ("password=hunter 2 host=h", "written between quotes"),
            ("password='hunter 2 host=h", "no closing quote"),
            ("hunter2", "parameter number 1 has no `=`"),
            ("postgres://u:%ff@h/d", "not UTF-8"),
            ("postgres://[::1/d", "has no `]`"),
        ] {
            let shown = shown(address);
            assert!(shown.contains(expected) && !shown.contains("hunter"), "{address}: {shown}");
        }
    }
}
