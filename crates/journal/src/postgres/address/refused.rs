//! Parameters that libpq knows and this program does not, or only in one way: each is refused with its replacement.

use super::text::{Parameters, Wrong};

/// A parameter, the values that change nothing here, and the advice to an operator who wrote another value.
type Refused = (&'static str, &'static [&'static str], &'static str);

const GSSAPI: &str = "GSSAPI (Kerberos) is not there: leave it out";
const OAUTH: &str = "OAuth is not there: leave it out, and give a password or a client certificate";

const REFUSED: &[Refused] = &[
    (
        "client_encoding",
        &["UTF8", "utf8", "UTF-8", "utf-8", "unicode", "UNICODE"],
        "it is always UTF8: leave it out",
    ),
    ("gssencmode", &["disable", "prefer"], "GSSAPI (Kerberos) is not there: write gssencmode=disable"),
    ("gssdelegation", &["0"], GSSAPI),
    ("gsslib", &[], GSSAPI),
    ("krbsrvname", &["postgres"], GSSAPI),
    (
        "load_balance_hosts",
        &["disable"],
        "hosts are tried in turn until one takes writes: write load_balance_hosts=disable",
    ),
    ("max_protocol_version", &["3.0", "latest"], "the protocol is 3.0: leave it out"),
    ("min_protocol_version", &["3.0"], "the protocol is 3.0: leave it out"),
    ("oauth_client_id", &[], OAUTH),
    ("oauth_client_secret", &[], OAUTH),
    ("oauth_issuer", &[], OAUTH),
    ("oauth_scope", &[], OAUTH),
    ("replication", &["0", "false", "no", "off"], "it is for standbys: leave it out"),
    (
        "require_auth",
        &[],
        "how the server asks for the password is not looked at: write channel_binding=require, which only a SCRAM \
         password over TLS satisfies",
    ),
    (
        "requirepeer",
        &[],
        "who owns the socket is not looked at: put it into a directory that only its owner writes",
    ),
    ("requiressl", &["0"], "write sslmode=require"),
    ("scram_client_key", &[], "write password=..., or passfile=FILE"),
    ("scram_server_key", &[], "write password=..., or passfile=FILE"),
    ("service", &[], "files of services are not read: write the service's settings into the address"),
    ("servicefile", &[], "files of services are not read: write the service's settings into the address"),
    ("sslcompression", &["0"], "TLS is not compressed: write sslcompression=0, or leave it out"),
    ("sslcrldir", &[], "write sslcrl=FILE, with all lists in that file"),
    ("sslkeylogfile", &[], "the keys of connections are not written down: leave it out"),
    (
        "sslpassword",
        &[],
        "a key that is protected by a password cannot be read: write one that is not with `openssl pkey -in KEY -out \
         PLAIN`, for this program's user alone, and name that in sslkey",
    ),
];

/// Parameters that are known and not refused here, for suggestions.
const KNOWN: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "options",
    "passfile",
    "password",
    "port",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Spellings of other programs.
const ELSEWHERE: &[(&str, &str)] = &[
    ("database", "dbname"),
    ("keepalives_retries", "keepalives_count"),
    ("passwd", "password"),
    ("pool_size", ""),
    ("pool_timeout", ""),
    ("schema", "options=-csearch_path%3D..."),
    ("search_path", "options=-csearch_path%3D..."),
    ("ssl", "sslmode"),
    ("ssl_mode", "sslmode"),
    ("statement_timeout", "options=-cstatement_timeout%3D..."),
    ("timeout", "connect_timeout"),
    ("username", "user"),
];

/// Takes away the refused parameters whose values change nothing.
pub(super) fn check(parameters: &mut Parameters) -> Result<(), Wrong> {
    for (name, harmless, instead) in REFUSED {
        match parameters.remove(*name) {
            Some(value) if !harmless.contains(&&*value) => {
                return Err(format!("{name} is not supported as it is written there: {instead}"));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// Why a parameter that is left over is refused. Its name may be a piece of a password that holds a `&` or a space.
pub(super) fn unknown(name: &str, has_password: bool) -> Wrong {
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| *other == name);
    let near = || KNOWN.iter().find(|known| distance(name, known) <= 2).copied();
    match (elsewhere, near()) {
        (Some(&(_, "")), _) => {
            format!("`{name}` is not known: leave it out, the program has a pool of its own")
        }
        (Some(&(_, known)), _) | (None, Some(known)) => format!("`{name}` is not known: write {known}"),
        (None, None) if has_password => {
            "one of its parameters is not known to libpq. Is it a piece of the password? \
            There, `&` must be written as %26 in a URL, and spaces between quotes in the key=value form"
                .to_owned()
        }
        (None, None) => format!("`{name}` is not a parameter that libpq knows: leave it out"),
    }
}

/// How many letters have to be put in, taken out or replaced to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = number + 1;
        for (index, candidate) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *candidate);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index] + 1).min(row[index + 1] + 1);
        }
    }
    row[other.len()]
}
