//! Keys, and what stands behind them.

use insta::assert_snapshot;

use super::{LIBERER, STOCK_URL, mistakes, parse, with};
use crate::support::CHECKOUT;

#[test]
fn unknown_missing_and_doubled_keys() {
    assert_snapshot!(mistakes(&[
        ("deadline: 60s", "dealine: 60s"),
        ("cancelled: ANNULEE", "canceled: ANNULEE"),
        ("safety: barrier }", "safty: barrier }"),
        ("    failure: ECHEC_STOCK\n", "    failur: ECHEC_STOCK\n"),
        ("      post: /api/stock/reserver", "      pots: /api/stock/reserver"),
        ("      post: /api/stock/liberer", "      pots: /api/stock/liberer"),
        ("    success: STOCK_RESERVE", "    retry: { attempt: 3 }\n    success: STOCK_RESERVE"),
        ("stock: { url: \"${STOCK_URL:-http://stock-service:8000}\", ", "stock: { "),
        ("deadline: 60s", "deadline: 60s\ndeadline: 30s"),
        ("participants:\n", "participants:\n  stock: { url: http://x }\n"),
        ("body: { produits: .panier.produits }", "body: { produits: .panier.produits, produits: 1 }"),
    ]), @r#"
    dealine: 60s
        d.yaml:6: there is no key `dealine` in the file; did you mean `deadline`?
    canceled: ANNULEE
        d.yaml:5: there is no key `canceled` in `states`; did you mean `cancelled`?
    safty: barrier }
        d.yaml:10: there is no key `safty` in participant `stock`; did you mean `safety`?
    failur: ECHEC_STOCK
        d.yaml:23: there is no key `failur` in step `panier`; did you mean `failure`?
    pots: /api/stock/reserver
        d.yaml:28: there is no key `pots` in `action` of step `stock`; did you mean `post`?
    pots: /api/stock/liberer
        d.yaml:31: there is no key `pots` in `compensation` of step `stock`; did you mean `post`?
    retry: { attempt: 3 } / success: STOCK_RESERVE
        d.yaml:33: there is no key `attempt` in `retry` of step `stock`; did you mean `attempts`?
    stock: {
        d.yaml:10: participant `stock` has no `url`; add it: `url: "http://stock:8000"`
    deadline: 60s / deadline: 30s
        d.yaml:7: the key `deadline` is here twice, first on line 6; remove one
    participants: / stock: { url: http://x }
        d.yaml:11: the key `stock` is here twice, first on line 9; remove one
    body: { produits: .panier.produits, produits: 1 }
        d.yaml:29: the key `produits` is here twice, first on line 29; remove one
    "#);
}

#[test]
fn values_of_the_wrong_type() {
    assert_snapshot!(mistakes(&[
        ("steps:\n", "steps: 3\nx:\n"),
        ("deadline: 60s", "deadline: { seconds: 60 }"),
        ("input: { client_id: integer, magasin_id: integer }", "input: [client_id, magasin_id]"),
        ("safety: barrier }", "safety: barrier, calls_max: -1 }"),
        ("safety: barrier }", "safety: barrier, calls_max: 0 }"),
        ("safety: barrier }", "safety: barrier, answer_bytes_max: many }"),
        (LIBERER, "    compensation: 3\n"),
        (LIBERER, "    compensation: never\n"),
        ("body: { produits: .panier.produits }", "body: [.panier.produits]"),
    ]), @r"
    steps: 3 / x:
        d.yaml:14: `steps` needs a list; begin each step with `- step: NAME`
        d.yaml:15: there is no key `x` in the file; write one of: saga, input, labels, states, deadline, participants, steps, output
    deadline: { seconds: 60 }
        d.yaml:6: `deadline` needs a duration, and this is a mapping; write `deadline: 60s`
    input: [client_id, magasin_id]
        d.yaml:4: `input` needs a mapping, and this is a list; write `input: { customer_id: integer }`, or `key: value` lines below it
    safety: barrier, calls_max: -1 }
        d.yaml:10: `calls_max` needs a whole number from 1 to 4294967295, not `-1`; write e.g. `calls_max: 256`
    safety: barrier, calls_max: 0 }
        d.yaml:10: `0` would let nothing through; write at least 1
    safety: barrier, answer_bytes_max: many }
        d.yaml:10: `answer_bytes_max` needs a whole number from 1 to 4294967295, not `many`; write e.g. `answer_bytes_max: 1048576`
    compensation: 3
        d.yaml:30: `3` is no compensation; write a call, or `none`
    compensation: never
        d.yaml:30: `never` is no compensation; write a call, or `none`
    body: [.panier.produits]
        d.yaml:29: `body` needs an expression, and YAML reads this as a list; put it into quotes: `'[.panier.produits]'`
    ");
}

#[test]
fn yaml_that_is_none() {
    assert_snapshot!(mistakes(&[
        ("deadline: 60s", "deadline: 60s\n\tx: 1"),
        ("deadline: 60s", "deadline: 60s: 3"),
        ("saga: checkout", "saga: [checkout"),
        ("saga: checkout", "saga: \"checkout"),
        ("saga: checkout", "saga: checkout\n---"),
        ("saga: checkout", "saga: *checkout"),
    ]), @r#"
    deadline: 60s / x: 1
        d.yaml:6: a tab cannot stand here; indent with spaces
    deadline: 60s: 3
        d.yaml:6: a text with `: ` in it needs quotes; write '60s: 3'
    saga: [checkout
        d.yaml:3: the `[` that opens here is not closed, or a text behind it needs quotes: the reading ends on line 4
    saga: "checkout
        d.yaml:3: the quotation mark `"` that opens here is closed only on line 9; add one at the end of the text on this line
    saga: checkout / ---
        d.yaml:4: a second document begins here; write one definition to a file
    saga: *checkout
        d.yaml:3: there is no anchor `&checkout` above; a text that begins with `*` needs quotes
    "#);
}

#[test]
fn names_states_durations_and_attempts() {
    assert_snapshot!(mistakes(&[
        ("saga: checkout", "saga: le checkout"),
        ("- step: vente", "- step: stock"),
        ("- step: vente", "- step: body"),
        ("- step: vente", "- step: ''"),
        ("success: STOCK_RESERVE", "success: STOCK RESERVE"),
        ("participant: ventes", "participant: vente"),
        ("safety: barrier", "safety: exactly-once"),
        ("client_id: integer", "client_id: int"),
        ("deadline: 60s", "deadline: 60"),
        ("deadline: 60s", "deadline: soon"),
        ("deadline: 60s", "deadline: 0s"),
        ("deadline: 60s", "deadline: 3651d"),
        ("deadline: 60s", "deadline: 99999999999999999999h"),
        ("    success: STOCK_RESERVE", "    persist: { attempts: 0, base: 1, cap: 1y }\n    success: STOCK_RESERVE"),
    ]), @r"
    saga: le checkout
        d.yaml:3: the saga's name `le checkout` must be 1 to 64 letters, digits, `_` or `-`
    - step: stock
        d.yaml:47: the step's name `stock` is taken; choose another
    - step: body
        d.yaml:47: the step's name `body` is taken; choose another
    - step: ''
        d.yaml:47: the step's name `` must be 1 to 64 letters, digits, `_` or `-`
    success: STOCK RESERVE
        d.yaml:33: the state's name `STOCK RESERVE` must be 1 to 64 letters, digits, `_` or `-`
    participant: vente
        d.yaml:48: there is no participant `vente`; did you mean `ventes`?
    safety: exactly-once
        d.yaml:10: unknown safety `exactly-once`; write none, idempotent or barrier
    client_id: int
        d.yaml:4: input `client_id` has the unknown type `int`; write integer, number, string, boolean, object or array
    deadline: 60
        d.yaml:6: `60` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    deadline: soon
        d.yaml:6: `soon` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    deadline: 0s
        d.yaml:6: `0s` must be more than zero and at most 3650 days
    deadline: 3651d
        d.yaml:6: `3651d` must be more than zero and at most 3650 days
    deadline: 99999999999999999999h
        d.yaml:6: `99999999999999999999h` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    persist: { attempts: 0, base: 1, cap: 1y } / success: STOCK_RESERVE
        d.yaml:33: there must be at least 1 attempt
        d.yaml:33: `1` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
        d.yaml:33: `1y` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    ");
}

#[test]
fn a_saga_may_take_years_and_a_call_may_not() {
    let days =
        |text: &str| parse(&with("deadline: 60s", text)).expect("a definition").deadline.as_secs() / 86_400;
    assert_eq!((days("deadline: 90d"), days("deadline: 3650d"), days("deadline: 721h")), (90, 3650, 30));
    let horizon = parse(&with("safety: barrier }", "safety: barrier, horizon: 30d }")).expect("a definition");
    assert_eq!(horizon.participant(1).expect("a participant").horizon.as_secs(), 30 * 86_400);
}

#[test]
fn horizons_and_breakers() {
    let with_breaker = |keys| format!("safety: barrier, breaker: {{ {keys} }} }}");
    let breakers = [
        "windw: 1s",
        "window: 1",
        "calls_min: 0, failures_percent: 0",
        "failures_percent: 101",
        "open: 31s",
        "open_max: 999ms",
        "open: 0s",
        "calls_min: -1",
    ]
    .map(with_breaker);
    let mut variations = vec![
        ("safety: barrier }", "safety: barrier, horizon: a day }"),
        ("safety: barrier }", "safety: barrier, horizon: 0h }"),
        ("safety: barrier }", "safety: barrier, horizon: 31d }"),
        ("safety: barrier }", "safety: barrier, breaker: 5 }"),
    ];
    variations.extend(breakers.iter().map(|to| ("safety: barrier }", to.as_str())));
    assert_snapshot!(mistakes(&variations), @r"
    safety: barrier, horizon: a day }
        d.yaml:10: `a day` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    safety: barrier, horizon: 0h }
        d.yaml:10: `0h` must be more than zero and at most 30 days
    safety: barrier, horizon: 31d }
        d.yaml:10: `31d` must be more than zero and at most 30 days
    safety: barrier, breaker: 5 }
        d.yaml:10: `breaker` needs a mapping, and this is `5`; write `breaker: { calls_min: 5 }`, or `key: value` lines below it
    safety: barrier, breaker: { windw: 1s } }
        d.yaml:10: there is no key `windw` in `breaker` of participant `stock`; did you mean `window`?
    safety: barrier, breaker: { window: 1 } }
        d.yaml:10: `1` is not a duration; write a number and ms, s, m, h or d, such as 500ms or 5s
    safety: barrier, breaker: { calls_min: 0, failures_percent: 0 } }
        d.yaml:10: `calls_min: 0` would suspend calls of which none has failed; write at least 1
        d.yaml:10: `failures_percent: 0` would suspend calls of which none has failed; write at least 1
    safety: barrier, breaker: { failures_percent: 101 } }
        d.yaml:10: `101` is more than all; write 1 to 100
    safety: barrier, breaker: { open: 31s } }
        d.yaml:10: it cannot stay open for 31s if `open_max` is 30s; raise `open_max`
    safety: barrier, breaker: { open_max: 999ms } }
        d.yaml:10: it cannot stay open for 1s if `open_max` is 999ms; raise `open_max`
    safety: barrier, breaker: { open: 0s } }
        d.yaml:10: `0s` must be more than zero and at most 30 days
    safety: barrier, breaker: { calls_min: -1 } }
        d.yaml:10: `calls_min` needs a whole number from 1 to 4294967295, not `-1`; write e.g. `calls_min: 20`
    ");
}

#[test]
fn horizons_and_breakers_have_defaults() {
    let stock = |source: &str| {
        let definition = parse(source).expect("a definition");
        let stock = definition.participant(1).expect("a participant");
        format!("{:?} {:?}", stock.horizon, stock.breaker)
    };
    assert_snapshot!(stock(CHECKOUT), @"86400s BreakerSettings { window: 10s, calls_min: 20, failures_percent: 50, open: 1s, open_max: 30s }");
    let given = "safety: barrier, horizon: 1h, breaker: { window: 1s, calls_min: 3, failures_percent: 100, open: 2s, open_max: 2s } }";
    assert_snapshot!(stock(&with("safety: barrier }", given)), @"3600s BreakerSettings { window: 1s, calls_min: 3, failures_percent: 100, open: 2s, open_max: 2s }");
    assert_snapshot!(stock(&with("safety: barrier }", "safety: barrier, breaker: { calls_min: 1 } }")), @"86400s BreakerSettings { window: 10s, calls_min: 1, failures_percent: 50, open: 1s, open_max: 30s }");
}

#[test]
fn urls_headers_and_variables() {
    assert_snapshot!(mistakes(&[
        ("http://stock-service:8000", "stock-service:8000"),
        ("http://stock-service:8000", "ftp://stock-service"),
        ("http://stock-service:8000", "http://stock-service/x?y=1"),
        ("http://stock-service:8000", "http://user:secret@stock-service"),
        ("http://stock-service:8000", ""),
        (STOCK_URL, "${STOCK_URL}"),
        (STOCK_URL, "${STOCK_URL"),
        (STOCK_URL, "${:-http://stock}"),
        ("safety: barrier }", "safety: barrier, headers: { 'x y': a } }"),
        ("safety: barrier }", "safety: barrier, headers: { x: \"a\\nb\" } }"),
        ("safety: barrier }", "safety: barrier, headers: { x: \"${API_KEY}\" } }"),
    ]), @r#"
    stock-service:8000
        d.yaml:10: `stock-service:8000` is not a URL of a service: it has to begin with http:// or https://; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    ftp://stock-service
        d.yaml:10: `ftp://stock-service` is not a URL of a service: it has to begin with http:// or https://; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    http://stock-service/x?y=1
        d.yaml:10: `http://stock-service/x?y=1` is not a URL of a service: it has a query, which belongs into the paths of the calls; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    http://user:secret@stock-service
        d.yaml:10: a URL cannot carry a name or password; put what the service asks for into `headers`
    (without `http://stock-service:8000`)
        d.yaml:10: the URL is empty; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    ${STOCK_URL}
        d.yaml:10: the environment variable `STOCK_URL` is not set; set it, or give a default: ${STOCK_URL:-...}
    ${STOCK_URL
        d.yaml:10: `${` has no closing `}`
    ${:-http://stock}
        d.yaml:10: `` is no name of an environment variable; write ${NAME}, ${NAME:-default} or ${file:PATH}
    safety: barrier, headers: { 'x y': a } }
        d.yaml:10: `x y` is not a header that can be sent
    safety: barrier, headers: { x: "a\nb" } }
        d.yaml:10: `x` is not a header that can be sent
    safety: barrier, headers: { x: "${API_KEY}" } }
        d.yaml:10: the environment variable `API_KEY` is not set; set it, or give a default: ${API_KEY:-...}
    "#);
}

#[test]
fn calls_and_compensations() {
    assert_snapshot!(mistakes(&[
        (LIBERER, ""),
        ("      post: /api/ventes\n", "      post: /api/ventes\n      put: /api/ventes\n"),
        ("      post: /api/ventes\n", ""),
        ("      get: /api/paniers/client/\\(.input.client_id)\n", "      get: /api/paniers\n      body: 1\n"),
        ("    failure: ECHEC_STOCK\n", "    compensation: { post: /x }\n    failure: ECHEC_STOCK\n"),
        ("post: /api/ventes", "post: api/ventes"),
        ("post: /api/ventes", "post: /api/les ventes"),
        ("post: /api/ventes", "post: /api/été"),
        ("post: /api/ventes", "post: '/api/\" + \"ventes'"),
    ]), @r#"
    (without `compensation:`)
        d.yaml:25: step `stock` changes something but has no compensation; add one, or write `compensation: none` if it is never to be undone
    post: /api/ventes / put: /api/ventes
        d.yaml:50: a call needs exactly one of get, post, put, patch or delete, with its path
    (without `post: /api/ventes`)
        d.yaml:50: a call needs exactly one of get, post, put, patch or delete, with its path
    get: /api/paniers / body: 1
        d.yaml:18: a get has no body; put what it needs into the path
    compensation: { post: /x } / failure: ECHEC_STOCK
        d.yaml:23: step `panier` is a get, which changes nothing; remove its compensation, or call it with post
    post: api/ventes
        d.yaml:50: the path `api/ventes` must start with `/`
    post: /api/les ventes
        d.yaml:50: a path cannot have the character ` `; percent-encode it: %20
    post: /api/été
        d.yaml:50: a path cannot have the character `é`; percent-encode it: %C3%A9
    post: '/api/" + "ventes'
        d.yaml:50: a path cannot have the character `"`, but inside of `\( )`; percent-encode it: %22
    "#);
}
