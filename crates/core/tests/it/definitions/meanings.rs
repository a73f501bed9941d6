//! The meaning of a definition is its author's, or the definition is refused with the spelling that has it.
// Long: one table of spellings and what is said of each.

use insta::assert_snapshot;
use saga_core::Definition;
use saga_core::definition::{Checked, Variables};
use saga_testkit::definition::change;

use super::{ANNULER, STOCK_URL, mistakes, parse, with};
use crate::support::{CHECKOUT, VOISINS, no_env};

/// An environment with variables and files.
struct Machine;

impl Variables for Machine {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "KEY").then(|| "k1".into())
    }

    fn file(&self, path: &str) -> Result<String, String> {
        match path {
            "/run/key" => Ok("s3cret\r\n".into()),
            "/run/url" => Ok("http://stock\n".into()),
            "/run/large" => Ok("x".repeat(20_000)),
            "/run/empty" => Ok("\n".into()),
            "/run/lines" => Ok("a\nb\n".into()),
            _ => Err("No such file or directory".into()),
        }
    }
}

fn check(source: &str) -> Checked {
    Definition::check("d.yaml", source, &Machine).unwrap_or_else(|told| panic!("{told}\n{source}"))
}

pub(super) fn warnings(source: &str) -> String {
    check(source).warnings.iter().map(|warning| warning.line_about("d.yaml") + "\n").collect()
}

#[test]
fn the_examples_have_no_warnings() {
    assert_eq!((warnings(CHECKOUT), warnings(VOISINS)), (String::new(), String::new()));
}

/// The compensation of the last step with this line below its path.
fn undone_with(line: &str) -> String {
    format!("      delete: /x\n      {line}\n")
}

#[test]
fn conditions_that_can_be_neither_true_nor_false() {
    let lines = [
        "ok: 204",
        "ok: .status",
        "ok: .status = 200",
        "ok: .body.state = \"done\"",
        "ok: '[200,201]'",
        "ok: 200, 201",
        "ok: '\"204\"'",
        "ok: \"'200'\"",
        "ok: '\"200,204\"'",
        "ok: .status | tostring",
        "ok: .status + 0",
        "ok: -1",
        "ok: .headers.etag",
        "ok: .headers",
        "ok: '{a: 1}'",
        "ok: 'null'",
        "ok: .status.code",
        "ok: .status // false",
        "ok: 'if .status == 200 then 1 else 0 end'",
        "ok: '@base64 \"x\"'",
        "ok: .status | select(. == 200)",
        "ok: '[.status] | inside([200, 201]) | length'",
        "ok: .body | length",
        "ok: .body | .x |= 1",
        "ok: empty",
        "ok: first(.status)",
        "refused: 409",
        "not_sent: .status",
        "unknown: 500",
        "absent: 404",
    ]
    .map(undone_with);
    let variations: Vec<_> = lines.iter().map(|to| (ANNULER, to.as_str())).collect();
    assert_snapshot!(mistakes(&variations), @r#"
    delete: /x / ok: 204
        d.yaml:54: `204` is a number, and a condition is true or false; write `.status == 204`
    delete: /x / ok: .status
        d.yaml:54: `.status` is a number, and a condition is true or false; write `.status == 200`
    delete: /x / ok: .status = 200
        d.yaml:54: `.status = 200` sets a value; `==` compares: `.status == 200`
    delete: /x / ok: .body.state = "done"
        d.yaml:54: `.body.state = "done"` sets a value; `==` compares: `.body.state == "done"`
    delete: /x / ok: '[200,201]'
        d.yaml:54: `[200,201]` is a list, and a condition is true or false; write `.status == 200 or .status == 201`
    delete: /x / ok: 200, 201
        d.yaml:54: `200, 201` gives more than one value, and a condition is true or false; combine them with `or`: `.status == 200 or .status == 201`
    delete: /x / ok: '"204"'
        d.yaml:54: `"204"` is a text, and a condition is true or false; write `.status == 204`
    delete: /x / ok: "'200'"
        d.yaml:54: jq: expected token at `'200'`; jq writes texts with " "
    delete: /x / ok: '"200,204"'
        d.yaml:54: `"200,204"` is a text, and a condition is true or false; write `.status == 200 or .status == 204`
    delete: /x / ok: .status | tostring
        d.yaml:54: `.status | tostring` is a text, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: .status + 0
        d.yaml:54: `.status + 0` is neither true nor false, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: -1
        d.yaml:54: `-1` is a number, and a condition is true or false; write `.status == 200`
    delete: /x / ok: .headers.etag
        d.yaml:54: `.headers.etag` is neither true nor false, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: .headers
        d.yaml:54: `.headers` is an object, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: '{a: 1}'
        d.yaml:54: `{a: 1}` is an object, and a condition is true or false; write `.status == 200`
    delete: /x / ok: 'null'
        d.yaml:54: `null` is null, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: .status.code
        d.yaml:54: `.status.code` never gives a value, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: .status // false
        d.yaml:54: `.status // false` is a number, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: 'if .status == 200 then 1 else 0 end'
        d.yaml:54: `if .status == 200 then 1 else 0 end` is a number, and a condition is true or false; write `.status == 200`
    delete: /x / ok: '@base64 "x"'
        d.yaml:54: `@base64 "x"` is a text, and a condition is true or false; write `.status == 200`
    delete: /x / ok: .status | select(. == 200)
        d.yaml:54: `.status | select(. == 200)` is a number, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: '[.status] | inside([200, 201]) | length'
        d.yaml:54: `[.status] | inside([200, 201]) | length` is a number, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: .body | length
        d.yaml:54: `.body | length` is a number, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: .body | .x |= 1
        d.yaml:54: `.body | .x |= 1` is neither true nor false, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: empty
        d.yaml:54: `empty` never gives a value, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / ok: first(.status)
        d.yaml:54: `first(.status)` is a number, and a condition is true or false; write a comparison with what it has to be, such as `.status == 200`
    delete: /x / refused: 409
        d.yaml:54: `409` is a number, and a condition is true or false; write `.status == 409`
    delete: /x / not_sent: .status
        d.yaml:54: `.status` is a number, and a condition is true or false; write `.status == 200`
    delete: /x / unknown: 500
        d.yaml:54: `500` is a number, and a condition is true or false; write `.status == 500`
    delete: /x / absent: 404
        d.yaml:54: `404` is a number, and a condition is true or false; write `.status == 404`
    "#);
}

#[test]
fn conditions_that_are_true_or_false_or_may_be() {
    for line in [
        "ok: .status == 204",
        "ok: .status == 200 or .status == 201",
        "ok: '[.status] | inside([200, 201])'",
        "ok: 'any([200, 201][] == .status; .)'",
        "ok: .body.ok",
        "ok: .body.ok?",
        "ok: .body.ok // false",
        "ok: .body | has(\"id\")",
        "ok: .status < 300 | not | not",
        "ok: 'if .status == 200 then .body.ok else false end'",
        "ok: .headers.etag == null",
        "ok: '(.headers.\"x-ok\" // \"no\") == \"yes\"'",
        "ok: 'try .body.a.b catch false'",
        "ok: . as $a | $a.body.ok",
        "ok: 'def f: true; f'",
        "ok: true",
        "ok: 'false'",
        "ok: '[.body.x, 1] | all'",
        "ok: .body.detail | test(\"^4\")",
        "ok: reduce .body[] as $x (false; . or $x)",
    ] {
        let source = with("      post: /api/ventes\n", &format!("      post: /api/ventes\n      {line}\n"));
        parse(&source).unwrap_or_else(|told| panic!("{line}: {told}"));
    }
}

#[test]
fn what_would_make_a_wrong_path_count_as_undone() {
    let lines = [
        "ok: .status == 404 or .status == 200 or .status == 204",
        "ok: .status == 200 or .status == 410",
        "ok: .status < 500",
        "ok: true",
    ]
    .map(undone_with);
    let variations: Vec<_> = lines.iter().map(|to| (ANNULER, to.as_str())).collect();
    assert_snapshot!(mistakes(&variations), @r"
    delete: /x / ok: .status == 404 or .status == 200 or .status == 204
        d.yaml:54: `ok` holds for a 404, so a wrong path would count as undone; leave 404 out of it: without a word, 404 and 410 mean that there was nothing to undo, and `absent` says which answers mean it instead
    delete: /x / ok: .status == 200 or .status == 410
        d.yaml:54: `ok` holds for a 410, so a wrong path would count as undone; leave 410 out of it: without a word, 404 and 410 mean that there was nothing to undo, and `absent` says which answers mean it instead
    delete: /x / ok: .status < 500
        d.yaml:54: `ok` holds for a 404, so a wrong path would count as undone; leave 404 out of it: without a word, 404 and 410 mean that there was nothing to undo, and `absent` says which answers mean it instead
    delete: /x / ok: true
        d.yaml:54: `ok` holds for a 404, so a wrong path would count as undone; leave 404 out of it: without a word, 404 and 410 mean that there was nothing to undo, and `absent` says which answers mean it instead
    ");
    let told = undone_with("absent: .status == 410\n      ok: .status == 404 or .status == 200");
    assert_snapshot!(warnings(&with(ANNULER, &told)), @"d.yaml:55: warning: `ok` holds for a 404, where `absent` does not: a wrong path would count as undone; leave it to `absent`");
    for line in
        ["ok: .status == 200", "ok: .status == 404 and .body.code == \"GONE\"", "absent: .status == 404"]
    {
        assert_eq!(warnings(&with(ANNULER, &undone_with(line))), "", "{line}");
    }
}

#[test]
fn absent_and_unknown_have_their_places() {
    let get = "      get: /api/paniers/client/\\(.input.client_id)\n";
    assert_snapshot!(mistakes(&[
        (get, "      get: /api/paniers\n      unknown: .status == 500\n"),
        (get, "      get: /api/paniers\n      absent: .status == 404\n"),
        ("      post: /api/ventes\n", "      post: /api/ventes\n      absent: .status == 404\n"),
        ("    success: STOCK_RESERVE\n", "    probe: { get: /x, unknown: .status == 500 }\n"),
        ("    success: STOCK_RESERVE\n", "    probe: { get: /x, absent: .status == 404 }\n"),
    ]), @r"
    get: /api/paniers / unknown: .status == 500
        d.yaml:19: a get changes nothing, so its outcome cannot be unknown; remove `unknown`, or say `not_sent` of answers after which it is to be asked again
    get: /api/paniers / absent: .status == 404
        d.yaml:19: only a compensation can find that there is nothing to undo; remove `absent`, or say `refused` of answers that mean that nothing was done
    post: /api/ventes / absent: .status == 404
        d.yaml:51: only a compensation can find that there is nothing to undo; remove `absent`, or say `refused` of answers that mean that nothing was done
    probe: { get: /x, unknown: .status == 500 }
        d.yaml:33: there is no key `unknown` in `probe` of step `stock`; it belongs into a step's `action` or `compensation`
    probe: { get: /x, absent: .status == 404 }
        d.yaml:33: there is no key `absent` in `probe` of step `stock`; it belongs into a step's `compensation`
    ");
}

#[test]
fn placeholders_of_other_tools() {
    let paths = [
        "/x/{client_id}/y",
        "/x/{{client_id}}",
        "/x/{{ client_id }}",
        "/x/{}",
        "/x/${CLIENT_ID}",
        "/${PREFIX}/x",
        "/x/:client_id",
        "/x/:client_id/y",
        "/x/\\(.saga_id)-:client_id",
        "/x/<client_id>",
        "/x/<int:client_id>",
        "/x/%s",
        "/x/%(client_id)s",
        "/x/%client_id%",
        "/x/$client_id",
        "/x/[client_id]",
        "/x/.input.client_id",
        "/x/(.input.client_id)",
        "/x/.panier.id",
        "/x/{panier.id}",
        "/x/{saga_id}",
        "/x/{order}",
        "/x?client={client_id}",
        "/x?client=:client_id",
        "/x?client=$client_id",
        "/x?client=%s&a=1",
        "/x?client=<client_id>",
    ];
    let paths = paths.map(|path| format!("post: '{path}'\n"));
    let variations: Vec<_> = paths.iter().map(|to| ("post: /api/ventes\n", to.as_str())).collect();
    assert_snapshot!(mistakes(&variations), @r"
    post: '/x/{client_id}/y'
        d.yaml:50: `{client_id}` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/{{client_id}}'
        d.yaml:50: `{{client_id}}` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/{{ client_id }}'
        d.yaml:50: `{{ client_id }}` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/{}'
        d.yaml:50: `{}` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/${CLIENT_ID}'
        d.yaml:50: `${CLIENT_ID}` would be sent as it stands: variables of the environment are filled in in `url` and `headers` alone, so put it behind the participant's `url`; a value of the saga is inserted with `\(.input.CLIENT_ID)`
    post: '/${PREFIX}/x'
        d.yaml:50: `${PREFIX}` would be sent as it stands: variables of the environment are filled in in `url` and `headers` alone, so put it behind the participant's `url`; a value of the saga is inserted with `\(.input.PREFIX)`
    post: '/x/:client_id'
        d.yaml:50: `:client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a colon is written `%3A`
    post: '/x/:client_id/y'
        d.yaml:50: `:client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a colon is written `%3A`
    post: '/x/\(.saga_id)-:client_id'
        d.yaml:50: `:client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a colon is written `%3A`
    post: '/x/<client_id>'
        d.yaml:50: `<client_id>` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/<int:client_id>'
        d.yaml:50: `<int:client_id>` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/%s'
        d.yaml:50: `%s` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a percent sign is written `%25`
    post: '/x/%(client_id)s'
        d.yaml:50: `%(` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a percent sign is written `%25`
    post: '/x/%client_id%'
        d.yaml:50: `%c` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a percent sign is written `%25`
    post: '/x/$client_id'
        d.yaml:50: `$client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a dollar sign is written `%24`
    post: '/x/[client_id]'
        d.yaml:50: `[client_id]` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/.input.client_id'
        d.yaml:50: `.input.client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/(.input.client_id)'
        d.yaml:50: `.input.client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x/.panier.id'
        d.yaml:50: `.panier.id` would be sent as it stands; a value is inserted with `\(.panier.id)`
    post: '/x/{panier.id}'
        d.yaml:50: `{panier.id}` would be sent as it stands; a value is inserted with `\(.panier.id)`
    post: '/x/{saga_id}'
        d.yaml:50: `{saga_id}` would be sent as it stands; a value is inserted with `\(.saga_id)`
    post: '/x/{order}'
        d.yaml:50: `{order}` would be sent as it stands; a value is inserted with `\(.input.order)`
    post: '/x?client={client_id}'
        d.yaml:50: `{client_id}` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    post: '/x?client=:client_id'
        d.yaml:50: `:client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a colon is written `%3A`
    post: '/x?client=$client_id'
        d.yaml:50: `$client_id` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a dollar sign is written `%24`
    post: '/x?client=%s&a=1'
        d.yaml:50: `%s` would be sent as it stands; a value is inserted with `\(.input.client_id)`; a percent sign is written `%25`
    post: '/x?client=<client_id>'
        d.yaml:50: `<client_id>` would be sent as it stands; a value is inserted with `\(.input.client_id)`
    ");
}

#[test]
fn paths_that_lead_elsewhere() {
    let paths = [
        "//x",
        "/x//y",
        "/x/../y",
        "/x/.",
        "/x/%2e%2E/y",
        "/x/.%2e",
        "/x/..;a/y",
        "/x#y",
        "/x\\\\y",
        "/x|y",
        "/x^y",
        "/x/\\(null)",
        "/x/\\({a: 1})",
    ];
    let paths = paths.map(|path| format!("post: '{path}'\n"));
    let variations: Vec<_> = paths.iter().map(|to| ("post: /api/ventes\n", to.as_str())).collect();
    assert_snapshot!(mistakes(&variations), @r"
    post: '//x'
        d.yaml:50: the path has an empty segment, `//`; remove one `/`
    post: '/x//y'
        d.yaml:50: the path has an empty segment, `//`; remove one `/`
    post: '/x/../y'
        d.yaml:50: the path has the segment `..`, which leads elsewhere; write where it leads
    post: '/x/.'
        d.yaml:50: the path has the segment `.`, which leads elsewhere; write where it leads
    post: '/x/%2e%2E/y'
        d.yaml:50: the path has the segment `%2e%2E`, which leads elsewhere; write where it leads
    post: '/x/.%2e'
        d.yaml:50: the path has the segment `.%2e`, which leads elsewhere; write where it leads
    post: '/x/..;a/y'
        d.yaml:50: the path has the segment `..;a`, which leads elsewhere; write where it leads
    post: '/x#y'
        d.yaml:50: a path cannot have a fragment, `#`: no server would see it; remove it, or write `%23`
    post: '/x\\y'
        d.yaml:50: a path cannot have the character `\\`; percent-encode it: %5C
    post: '/x|y'
        d.yaml:50: a path cannot have the character `|`; percent-encode it: %7C
    post: '/x^y'
        d.yaml:50: a path cannot have the character `^`; percent-encode it: %5E
    post: '/x/\(null)'
        d.yaml:50: `\(null)` can be no part of a path: `\(null)` is null, and a path cannot be made without it
    post: '/x/\({a: 1})'
        d.yaml:50: `\({a: 1})` can be no part of a path: an object
    ");
    for path in [
        "/x/",
        "/x?a[]=1&b=c:d&e=1/2?3",
        "/x/7:cancel",
        "/x/\\(.saga_id):cancel",
        "/x/%24metadata",
        "/x/a;v=1,2/(b)",
        "/x/~user/a.b..c/...",
        "/.well-known/x",
        "/",
    ] {
        parse(&with("post: /api/ventes\n", &format!("post: '{path}'\n")))
            .unwrap_or_else(|told| panic!("{path}: {told}"));
    }
}

#[test]
fn a_state_has_one_meaning() {
    assert_snapshot!(mistakes(&[
        ("failure: ECHEC_PAIEMENT", "failure: CONFIRMEE"),
        ("failure: ECHEC_PAIEMENT", "failure: ANNULEE"),
        ("failure: ECHEC_PAIEMENT", "failure: INITIEE"),
        ("failure: ECHEC_PAIEMENT", "failure: STOCK_RESERVE"),
        ("failure: ECHEC_PAIEMENT", "failure: COMMANDE_ENREGISTREE"),
        ("success: PAIEMENT_EFFECTUE", "success: CONFIRMEE"),
        ("success: PAIEMENT_EFFECTUE", "success: STOCK_RESERVE"),
        ("success: PAIEMENT_EFFECTUE", "success: ECHEC_STOCK"),
        ("cancelled: ANNULEE", "cancelled: CONFIRMEE"),
        ("completed: CONFIRMEE", "completed: INITIEE"),
    ]), @r"
    failure: CONFIRMEE
        d.yaml:45: the state `CONFIRMEE` means `states.completed` already, and cannot be a step's failure as well; give it a name of its own
    failure: ANNULEE
        d.yaml:45: the state `ANNULEE` means `states.cancelled` already, and cannot be a step's failure as well; give it a name of its own
    failure: INITIEE
        d.yaml:45: the state `INITIEE` means `states.started` already, and cannot be a step's failure as well; give it a name of its own
    failure: STOCK_RESERVE
        d.yaml:45: the state `STOCK_RESERVE` means the success of step `stock` already, and cannot be a step's failure as well; give it a name of its own
    failure: COMMANDE_ENREGISTREE
        d.yaml:54: the state `COMMANDE_ENREGISTREE` means a step's failure already, and cannot be the success of step `vente` as well; give it a name of its own
    success: CONFIRMEE
        d.yaml:44: the state `CONFIRMEE` means `states.completed` already, and cannot be the success of step `paiement` as well; give it a name of its own
    success: STOCK_RESERVE
        d.yaml:44: the state `STOCK_RESERVE` means the success of step `stock` already, and cannot be the success of step `paiement` as well; give it a name of its own
    success: ECHEC_STOCK
        d.yaml:44: the state `ECHEC_STOCK` means a step's failure already, and cannot be the success of step `paiement` as well; give it a name of its own
    cancelled: CONFIRMEE
        d.yaml:5: the state `CONFIRMEE` means `states.completed` already, and cannot be `states.cancelled` as well; give it a name of its own
    completed: INITIEE
        d.yaml:5: the state `INITIEE` means `states.started` already, and cannot be `states.completed` as well; give it a name of its own
    ");
    // A failure may belong to several steps.
    parse(&with("failure: ECHEC_PAIEMENT", "failure: ECHEC_STOCK")).expect("a definition");
}

fn with_header(header: &str) -> String {
    with("safety: barrier }", &format!("safety: barrier, headers: {{ {header} }} }}"))
}

#[test]
fn headers_that_are_not_to_be_set() {
    let headers = [
        "Content-Length: \"5\"",
        "Idempotency-Key: fixed",
        "Saga-Id: x",
        "saga-anything: x",
        "SAGA-ATTEMPT: '1'",
        "Traceparent: x",
        "Host: other",
        "Transfer-Encoding: chunked",
        "Connection: close",
        "Keep-Alive: x",
        "TE: trailers",
        "Upgrade: h2c",
        "Trailer: x",
        "Expect: 100-continue",
        "Accept-Encoding: gzip",
        "Content-Encoding: gzip",
        "X-Shop: a, x-shop: b",
    ]
    .map(|header| format!("safety: barrier, headers: {{ {header} }} }}"));
    let variations: Vec<_> = headers.iter().map(|to| ("safety: barrier }", to.as_str())).collect();
    assert_snapshot!(mistakes(&variations), @r#"
    safety: barrier, headers: { Content-Length: "5" } }
        d.yaml:10: the header `Content-Length` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Idempotency-Key: fixed } }
        d.yaml:10: the header `Idempotency-Key` cannot be set: every call carries one of its own; remove it
    safety: barrier, headers: { Saga-Id: x } }
        d.yaml:10: the header `Saga-Id` cannot be set: every call carries one of its own; remove it
    safety: barrier, headers: { saga-anything: x } }
        d.yaml:10: the header `saga-anything` cannot be set: every call carries one of its own; remove it
    safety: barrier, headers: { SAGA-ATTEMPT: '1' } }
        d.yaml:10: the header `SAGA-ATTEMPT` cannot be set: every call carries one of its own; remove it
    safety: barrier, headers: { Traceparent: x } }
        d.yaml:10: the header `Traceparent` cannot be set: every call carries one of its own; remove it
    safety: barrier, headers: { Host: other } }
        d.yaml:10: the header `Host` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Transfer-Encoding: chunked } }
        d.yaml:10: the header `Transfer-Encoding` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Connection: close } }
        d.yaml:10: the header `Connection` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Keep-Alive: x } }
        d.yaml:10: the header `Keep-Alive` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { TE: trailers } }
        d.yaml:10: the header `TE` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Upgrade: h2c } }
        d.yaml:10: the header `Upgrade` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Trailer: x } }
        d.yaml:10: the header `Trailer` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Expect: 100-continue } }
        d.yaml:10: the header `Expect` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { Accept-Encoding: gzip } }
        d.yaml:10: the header `Accept-Encoding` cannot be set: a compressed answer could not be read; remove it
    safety: barrier, headers: { Content-Encoding: gzip } }
        d.yaml:10: the header `Content-Encoding` cannot be set: it says how a message is sent, which is not for a definition to say; remove it
    safety: barrier, headers: { X-Shop: a, x-shop: b } }
        d.yaml:10: the header `x-shop` is here twice, in another spelling; remove one
    "#);
    for header in
        ["Accept: text/plain", "User-Agent: shop", "X-Shop: '1'", "Content-Type: application/x+json"]
    {
        assert_eq!(warnings(&with_header(header)), "", "{header}");
    }
}

#[test]
fn secrets_that_stand_in_the_file_are_warned_of() {
    for header in [
        "Authorization: Bearer abc",
        "Cookie: session=1",
        "X-Api-Key: abc",
        "Ocp-Apim-Subscription-Key: abc",
        "X-Token: abc",
        "X-Client-Secret: abc",
        "apikey: abc",
        "X-Key: 'abc${KEY}'",
        "X-Key: '${KEY:-abc}'",
    ] {
        let told = warnings(&with_header(header));
        assert!(told.starts_with("d.yaml:10: warning: the "), "{header}: {told}");
        assert!(told.contains("is kept in the journal"), "{header}: {told}");
        assert!(!told.contains("abc"), "{header}: {told}");
    }
    for header in [
        "Authorization: 'Bearer ${KEY}'",
        "Authorization: 'Basic ${file:/run/key}'",
        "X-Key: '${KEY}'",
        "X-Key: '${KEY:-}'",
        "X-Shop: abc",
    ] {
        assert_eq!(warnings(&with_header(header)), "", "{header}");
    }
    assert_snapshot!(warnings(&with_header("Authorization: Bearer abc")), @"d.yaml:10: warning: the value of the header `Authorization` is a part of the file, and is kept in the journal; take it from the environment, `${NAME}`, or from a file, `${file:PATH}`");
}

#[test]
fn files_are_substituted_into_urls_and_headers() {
    let source = change(&with_header("Authorization: 'Bearer ${file:/run/key}'"))
        .swap(STOCK_URL, "${file:/run/url}/${KEY}")
        .text();
    let stock = &check(&source).definition.participants[2];
    assert_eq!(stock.name.as_ref(), "stock");
    assert_eq!(stock.base.to_string(), "http://stock/k1");
    assert_eq!(stock.headers[0].1.to_str().expect("text"), "Bearer s3cret");
    let told = |source: &str| Definition::check("d.yaml", source, &Machine).expect_err(source).to_string();
    let all: String = ["/run/large", "/run/empty", "/run/lines", "/nowhere", ""]
        .map(|path| told(&with_header(&format!("X-Key: '${{file:{path}}}'"))) + "\n")
        .concat();
    assert_snapshot!(all, @r"
    d.yaml:10: `${file:/run/large}`: the file `/run/large` cannot be used: it has 20000 bytes; the limit SECRET_BYTES_MAX is 16384
    d.yaml:10: `${file:/run/empty}`: the file `/run/empty` cannot be used: it is empty
    d.yaml:10: `X-Key` is not a header that can be sent
    d.yaml:10: `${file:/nowhere}`: the file `/nowhere` cannot be used: No such file or directory
    d.yaml:10: `${file:}`: the file `` cannot be used: No such file or directory
    ");
    // Where there are no files, this is said.
    let told = Definition::parse("d.yaml", &with_header("X-Key: '${file:/run/key}'"), &no_env);
    assert!(told.expect_err("a mistake").to_string().contains("no files can be read here"));
}
