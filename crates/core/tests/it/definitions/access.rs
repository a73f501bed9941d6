//! `auth` and `tls` of a participant: what they mean, and every mistake in them.

use std::fmt::Write;

use insta::assert_snapshot;
use saga_core::Definition;
use saga_core::definition::{Auth, Checked, Format, Variables};

/// A machine with some secrets.
struct Machine;

impl Variables for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "TOKEN" => Some("hunter2".into()),
            "LINES" => Some("hunter2\nhunter3".into()),
            "DIR" => Some("/etc/ours".into()),
            _ => None,
        }
    }

    fn file(&self, path: &str) -> Result<String, String> {
        match path {
            "/run/token" => Ok("hunter2\n".into()),
            "/run/spaced" => Ok("hunter2 hunter3".into()),
            "/run/large" => Ok("x".repeat(20_000)),
            "/run/empty" => Ok("\n".into()),
            _ => Err("No such file or directory".into()),
        }
    }
}

/// Nothing is set, and there are no files.
struct Elsewhere;

impl Variables for Elsewhere {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> Result<String, String> {
        Err("No such file or directory".into())
    }
}

fn source(url: &str, keys: &str, call: &str) -> String {
    format!(
        "saga: s\nparticipants:\n  p:\n    url: '{url}'\n    {keys}\nsteps:\n  - step: a\n    participant: p\n    \
         action: {{ post: /a{call} }}\n    compensation: none\n"
    )
}

fn check(keys: &str) -> Result<Checked, String> {
    let source = source("https://p", keys, "");
    Definition::check("d.yaml", &source, &Machine).map_err(|mistakes| mistakes.to_string())
}

fn warnings(url: &str, keys: &str) -> String {
    let checked = Definition::check("d.yaml", &source(url, keys, ""), &Machine);
    let checked = checked.unwrap_or_else(|told| panic!("{keys}: {told}"));
    checked.warnings.iter().map(|warning| warning.line_about("d.yaml") + "\n").collect()
}

const OAUTH2: &str = "token_url: 'https://idp/token', client_id: shop, client_secret: '${TOKEN}'";

#[test]
fn each_way_of_proving_is_read_without_its_secret() {
    let mut shown = String::new();
    for keys in [
        "auth: { bearer: '${file:/run/token}' }",
        "auth: { bearer: '${TOKEN}' }",
        "auth: { basic: { user: 'caf\u{e9} ${TOKEN}', password: '${file:/run/spaced}' } }",
        &format!("auth: {{ oauth2: {{ {OAUTH2} }} }}"),
        &format!(
            "auth: {{ oauth2: {{ {OAUTH2}, scope: 'a b', audience: 'x', client_auth: client_secret_post }} }}"
        ),
        "tls: { ca: '${DIR}/ca.pem', cert: c.pem, key: k.pem, server_name: stock.internal }",
        "tls: { server_name: 10.0.0.1 }",
    ] {
        let checked = check(keys).unwrap_or_else(|told| panic!("{keys}: {told}"));
        let participant = &checked.definition.participants[0];
        let auth = participant.auth.as_ref().map(|auth| format!("{auth}, {auth:?}")).unwrap_or_default();
        writeln!(shown, "{auth}{}", participant.reached_by).expect("strings take what they get");
        assert_eq!(
            (warnings("https://p", keys).as_str(), checked.tls.len()),
            ("", usize::from(keys.contains("tls")))
        );
        assert!(!format!("{checked:?}").contains("hunter2") || keys.contains("user"), "{checked:?}");
    }
    assert_snapshot!(shown, @r#"
    the bearer token ${file:/run/token}, Bearer(File("/run/token"))https://p/
    the bearer token ${TOKEN}, Bearer(Variable { name: "TOKEN", value: Some(***) })https://p/
    the password ${file:/run/spaced} of `café hunter2`, Basic { user: "café hunter2", password: File("/run/spaced") }https://p/
    an access token from https://idp/token for `shop`, OAuth2(TokenClient { token_url: https://idp/token, client_id: "shop", client_secret: Variable { name: "TOKEN", value: Some(***) }, client_auth: ClientSecretBasic, scope: None, audience: None })https://p/
    an access token from https://idp/token for `shop`, OAuth2(TokenClient { token_url: https://idp/token, client_id: "shop", client_secret: Variable { name: "TOKEN", value: Some(***) }, client_auth: ClientSecretPost, scope: Some("a b"), audience: Some("x") })https://p/
    https://p/ (ca: /etc/ours/ca.pem, cert: c.pem, key: k.pem, server_name: stock.internal)
    https://p/ (server_name: 10.0.0.1)
    "#);
}

/// The messages say nothing of a secret that stands in the file.
#[test]
fn mistakes_in_auth_and_tls_are_told_with_their_line() {
    let oauth2 = |from: &str, to: &str| format!("auth: {{ oauth2: {{ {} }} }}", OAUTH2.replace(from, to));
    let mut told = String::new();
    for keys in [
        "auth: {}",
        "auth: hunter2hunter2",
        "auth: [hunter2]",
        "auth: { bearer: '${TOKEN}', basic: { user: u, password: '${TOKEN}' } }",
        "auth: { token: hunter2 }",
        "auth: { bearer: hunter2 }",
        "auth: { bearer: 'Bearer ${TOKEN}' }",
        "auth: { bearer: '${TOKEN:-hunter2}' }",
        "auth: { bearer: '${hunter2!}' }",
        "auth: { bearer: '${NOT_SET}' }",
        "auth: { bearer: '${LINES}' }",
        "auth: { bearer: '${file:/nowhere}' }",
        "auth: { bearer: '${file:/run/empty}' }",
        "auth: { bearer: '${file:/run/large}' }",
        "auth: { bearer: '${file:/run/spaced}' }",
        "auth: { basic: hunter2 }",
        "auth: { basic: { user: u } }",
        "auth: { basic: { user: 'a:b', password: '${TOKEN}' } }",
        "auth: { basic: { user: '', password: '${TOKEN}' } }",
        "auth: { basic: { user: '${file:/run/token}', password: '${TOKEN}' } }",
        "auth: { basic: { user: \"a\\nb\", password: '${LINES}' } }",
        &format!("auth: {{ basic: {{ user: '{}', password: '${{TOKEN}}' }} }}", "u".repeat(1025)),
        "auth: { oauth2: { client_id: shop } }",
        &oauth2("'${TOKEN}'", "hunter2"),
        &oauth2("https://idp/token", "idp/token"),
        &oauth2("https://idp/token", "https://u:hunter2@idp/token"),
        &oauth2("https://idp/token", "https://idp/token#x"),
        &oauth2("shop", "'caf\u{e9}'"),
        &oauth2("shop", "shop, client_auth: basic"),
        &oauth2("shop", "shop, scope: 'a\"b'"),
        &oauth2("shop", "shop, grant_type: password"),
        "headers: { authorization: '${TOKEN}' }\n    auth: { bearer: '${TOKEN}' }",
        "tls: {}",
        "tls: true",
        "tls: { cert: c.pem }",
        "tls: { key: k.pem }",
        "tls: { ca: '' }",
        "tls: { ca: \"-----BEGIN CERTIFICATE-----\\nhunter2\" }",
        "tls: { cert: c.pem, key: '${file:/run/token}' }",
        "tls: { server_name: 'a b' }",
        "tls: { verify: false }",
        "bearer: '${TOKEN}'",
    ] {
        let why = check(keys).map(drop).expect_err(keys);
        assert!(keys.contains("{hunter2") || !why.contains("hunter2"), "{keys}: {why}");
        let keys: String = keys.chars().take(90).collect();
        writeln!(told, "{}\n    {}", keys.replace('\n', " / "), why.replace('\n', "\n    "))
            .expect("a string");
    }
    assert_snapshot!(told, @r#"
    auth: {}
        d.yaml:5: `auth` says no way of proving; write one of `bearer`, `basic` and `oauth2` into it
    auth: hunter2hunter2
        d.yaml:5: `auth` needs a mapping, and this is another value; write `auth: { bearer: "${file:/run/secrets/stock-token}" }`, or `key: value` lines below it
    auth: [hunter2]
        d.yaml:5: `auth` needs a mapping, and this is another value; write `auth: { bearer: "${file:/run/secrets/stock-token}" }`, or `key: value` lines below it
    auth: { bearer: '${TOKEN}', basic: { user: u, password: '${TOKEN}' } }
        d.yaml:5: `auth` has several ways of proving, and a request carries one; leave one of `bearer`, `basic` and `oauth2`
    auth: { token: hunter2 }
        d.yaml:5: there is no key `token` in `auth` of participant `p`; write one of: bearer, basic, oauth2
    auth: { bearer: hunter2 }
        d.yaml:5: `bearer` is a secret, and the file would be kept in the journal with it; write `bearer: "${file:PATH}"` or `bearer: "${NAME}"`, and nothing beside that
    auth: { bearer: 'Bearer ${TOKEN}' }
        d.yaml:5: `bearer` is a secret, and the file would be kept in the journal with it; write `bearer: "${file:PATH}"` or `bearer: "${NAME}"`, and nothing beside that
    auth: { bearer: '${TOKEN:-hunter2}' }
        d.yaml:5: the default of `bearer` is a part of the file, and would be kept in the journal; remove it
    auth: { bearer: '${hunter2!}' }
        d.yaml:5: what `bearer` has between `${` and `}` is no name of an environment variable; write ${NAME} or ${file:PATH}
    auth: { bearer: '${NOT_SET}' }
        d.yaml:5: the environment variable `NOT_SET` is not set; set it
    auth: { bearer: '${LINES}' }
        d.yaml:5: the environment variable `LINES` cannot be used: it has a space, a line break or another character that a token cannot have
    auth: { bearer: '${file:/nowhere}' }
        d.yaml:5: `${file:/nowhere}`: the file `/nowhere` cannot be used: No such file or directory
    auth: { bearer: '${file:/run/empty}' }
        d.yaml:5: `${file:/run/empty}`: the file `/run/empty` cannot be used: it is empty
    auth: { bearer: '${file:/run/large}' }
        d.yaml:5: `${file:/run/large}`: the file `/run/large` cannot be used: it has 20000 bytes; the limit SECRET_BYTES_MAX is 16384
    auth: { bearer: '${file:/run/spaced}' }
        d.yaml:5: `${file:/run/spaced}`: the file `/run/spaced` cannot be used: it has a space, a line break or another character that a token cannot have
    auth: { basic: hunter2 }
        d.yaml:5: `basic` needs a mapping, and this is another value; write `basic: { user: shop, password: "${file:/run/secrets/stock-password}" }`, or `key: value` lines below it
    auth: { basic: { user: u } }
        d.yaml:5: `basic` of `auth` of participant `p` has no `password`; add it: `password: "${file:/run/secrets/stock-password}"`
    auth: { basic: { user: 'a:b', password: '${TOKEN}' } }
        d.yaml:5: `user` has a colon, which separates the user's name from the password (RFC 7617); write another name
    auth: { basic: { user: '', password: '${TOKEN}' } }
        d.yaml:5: `user` is empty
    auth: { basic: { user: '${file:/run/token}', password: '${TOKEN}' } }
        d.yaml:5: `user` is no secret; write it here, or take it from the environment
    auth: { basic: { user: "a\nb", password: '${LINES}' } }
        d.yaml:5: `user` has a control character, such as a line break; write another name
        d.yaml:5: the environment variable `LINES` cannot be used: it has a line break or another control character, which a password cannot have
    auth: { basic: { user: 'uuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu
        d.yaml:5: `user` has 1025 bytes; the limit AUTH_TEXT_BYTES_MAX is 1024
    auth: { oauth2: { client_id: shop } }
        d.yaml:5: `oauth2` of `auth` of participant `p` has no `token_url`; add it: `token_url: "https://login.example.com/token"`
        d.yaml:5: `oauth2` of `auth` of participant `p` has no `client_secret`; add it: `client_secret: "${file:/run/secrets/client-secret}"`
    auth: { oauth2: { token_url: 'https://idp/token', client_id: shop, client_secret: hunter2 
        d.yaml:5: `client_secret` is a secret, and the file would be kept in the journal with it; write `client_secret: "${file:PATH}"` or `client_secret: "${NAME}"`, and nothing beside that
    auth: { oauth2: { token_url: 'idp/token', client_id: shop, client_secret: '${TOKEN}' } }
        d.yaml:5: `token_url`: `idp/token` is not a URL of a service: it has to begin with http:// or https://; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    auth: { oauth2: { token_url: 'https://u:hunter2@idp/token', client_id: shop, client_secret
        d.yaml:5: `token_url`: a URL cannot carry a name or password; put what the service asks for into `headers`
    auth: { oauth2: { token_url: 'https://idp/token#x', client_id: shop, client_secret: '${TOK
        d.yaml:5: `token_url`: `https://idp/token#x` is not a URL of a service: it has a fragment, `#`, which no service would see; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    auth: { oauth2: { token_url: 'https://idp/token', client_id: 'café', client_secret: '${TOK
        d.yaml:5: `client_id` cannot have the character `é`
    auth: { oauth2: { token_url: 'https://idp/token', client_id: shop, client_auth: basic, cli
        d.yaml:5: unknown `client_auth`; write client_secret_basic or client_secret_post
    auth: { oauth2: { token_url: 'https://idp/token', client_id: shop, scope: 'a"b', client_se
        d.yaml:5: `scope` cannot have the character `\"`
    auth: { oauth2: { token_url: 'https://idp/token', client_id: shop, grant_type: password, c
        d.yaml:5: there is no key `grant_type` in `oauth2` of `auth` of participant `p`; write one of: token_url, client_id, client_secret, client_auth, scope, audience
    headers: { authorization: '${TOKEN}' } /     auth: { bearer: '${TOKEN}' }
        d.yaml:5: the header `Authorization` is what the participant's `auth` makes; remove one of the two
    tls: {}
        d.yaml:5: `tls` says nothing; write `ca`, `cert` with `key`, or `server_name` into it, or remove it
    tls: true
        d.yaml:5: `tls` needs a mapping, and this is `true`; write `tls: { ca: /etc/orchestrateur/stock-ca.pem }`, or `key: value` lines below it
    tls: { cert: c.pem }
        d.yaml:5: `cert` needs its private key; write `key: FILE` beside it
    tls: { key: k.pem }
        d.yaml:5: `key` needs its certificate; write `cert: FILE` beside it
    tls: { ca: '' }
        d.yaml:5: `ca` is empty; write the file's path, such as `ca: /etc/orchestrateur/ca.pem`
    tls: { ca: "-----BEGIN CERTIFICATE-----\nhunter2" }
        d.yaml:5: `ca` is what stands in a file; write the file's path, such as `ca: /etc/orchestrateur/ca.pem`
    tls: { cert: c.pem, key: '${file:/run/token}' }
        d.yaml:5: `key` would be the content of a file; write the file's path, such as `key: /etc/orchestrateur/key.pem`
    tls: { server_name: 'a b' }
        d.yaml:5: `server_name`: a host cannot have the character ` `; write the name in the service's certificate, such as stock.internal
    tls: { verify: false }
        d.yaml:5: there is no key `verify` in `tls` of participant `p`; write one of: ca, cert, key, server_name
        d.yaml:5: `tls` says nothing; write `ca`, `cert` with `key`, or `server_name` into it, or remove it
    bearer: '${TOKEN}'
        d.yaml:5: there is no key `bearer` in participant `p`; did you mean `breaker`?
    "#);
}

#[test]
fn tls_needs_https_and_a_call_has_one_authorization() {
    let of = |url: &str, keys: &str, call: &str| {
        let checked = Definition::check("d.yaml", &source(url, keys, call), &Machine);
        checked.map(drop).expect_err("a mistake").to_string()
    };
    let auth = "auth: { bearer: '${TOKEN}' }";
    let mut told = String::new();
    for why in [
        of("http://p", "tls: { ca: c.pem }", ""),
        of("https://p", auth, ", headers: { AUTHORIZATION: '\"x\"' }"),
        of(
            "https://p",
            auth,
            " }\n    probe: { get: /a, headers: { Authorization: '\"x\"' }, ok: .status == 200",
        ),
        // The mistakes of a participant are told although its address is one.
        of("ftp://p", "auth: { bearer: x }", ""),
    ] {
        writeln!(told, "{why}").expect("a string");
    }
    assert_snapshot!(told, @r#"
    d.yaml:5: `tls` is for an https:// `url`, and this one is http://; write https:// there, or remove `tls`
    d.yaml:9: the header `Authorization` is what the participant's `auth` makes; remove one of the two
    d.yaml:10: the header `Authorization` is what the participant's `auth` makes; remove one of the two
    d.yaml:4: `ftp://p` is not a URL of a service: it has to begin with http:// or https://; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    d.yaml:5: `bearer` is a secret, and the file would be kept in the journal with it; write `bearer: "${file:PATH}"` or `bearer: "${NAME}"`, and nothing beside that
    "#);
}

#[test]
fn a_secret_that_is_sent_without_tls_is_warned_of_unless_it_stays_here() {
    let oauth2 = format!("auth: {{ oauth2: {{ {} }} }}", OAUTH2.replace("https://idp", "http://idp"));
    let here = oauth2.replace("http://idp", "http://127.0.0.1:1");
    assert_snapshot!(warnings("http://stock", "auth: { bearer: '${TOKEN}' }") + &warnings("https://p", &oauth2), @r#"
    d.yaml:5: warning: `auth` is sent to `stock` without TLS, and everybody on the way can read it; write https:// if the service has it
    d.yaml:5: warning: the client's secret is sent to `idp` without TLS, and everybody on the way can read it; write https:// if the service has it
    "#);
    for url in ["http://localhost:1", "http://127.0.0.1:1", "http://[::1]:1", "https://p"] {
        assert_eq!(warnings(url, &here), "", "{url}");
    }
}

/// An order that is pinned to the definition waits for a secret that its new process does not have; the definition is the same.
#[test]
fn a_stored_definition_is_read_where_its_secrets_are_not() {
    for auth in
        ["auth: { bearer: '${TOKEN}' }", "auth: { basic: { user: u, password: '${file:/run/token}' } }"]
    {
        let source = source("https://p", auth, "");
        let there = Definition::check("d.yaml", &source, &Machine).expect("a definition").definition;
        assert!(Definition::check("d.yaml", &source, &Elsewhere).is_err());
        let read = Definition::read(&source, Format::CURRENT, &Elsewhere).expect("a definition");
        assert_eq!(read.hash, there.hash);
        let (read, there) = (&read.participants[0].auth, &there.participants[0].auth);
        assert_eq!(read, there);
        assert!(!there.as_ref().is_some_and(|auth| matches!(**auth, Auth::OAuth2(_))));
        // A report about the file needs no secrets.
        let noted = Definition::inspect("d.yaml", &source, &Elsewhere).expect("a definition");
        assert!(noted.variables[0].origin.is_nowhere());
    }
}
