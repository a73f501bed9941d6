//! Definitions are checked in full when they are loaded, and every mistake says where it is and what to do.

use std::fmt::Write;
use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;
use saga_core::Definition;
use saga_core::definition::Mistakes;

use crate::support::{CHECKOUT, VOISINS, no_env};

fn parse(source: &str) -> Result<Definition, Mistakes> {
    Definition::parse("d.yaml", source, &no_env)
}

/// `checkout.yaml` with the first `from` replaced.
fn with(from: &str, to: &str) -> String {
    assert!(CHECKOUT.contains(from), "checkout.yaml has no `{from}`");
    CHECKOUT.replacen(from, to, 1)
}

/// The mistakes in each of these variations of `checkout.yaml`, one block for each.
fn mistakes(variations: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (from, to) in variations {
        let told = match parse(&with(from, to)) {
            Ok(_) => panic!("`{to}` instead of `{from}` is no mistake"),
            Err(mistakes) => mistakes.to_string(),
        };
        let shown = match to.lines().map(str::trim).collect::<Vec<_>>().join(" / ") {
            nothing if nothing.is_empty() => {
                format!("(without `{}`)", from.trim().lines().next().unwrap_or_default())
            }
            shown => shown,
        };
        writeln!(text, "{shown}\n    {}", told.replace('\n', "\n    ")).expect("strings take what they get");
    }
    text
}

const STOCK_URL: &str = "${STOCK_URL:-http://stock-service:8000}";
const LIBERER: &str =
    "    compensation:\n      post: /api/stock/liberer\n      body: { produits: .panier.produits }\n";
const MONTANT: &str = "\"[.body[] | .quantite * .prix] | add * 100 | round / 100\"";

#[test]
fn the_built_in_checkout_loads_and_can_be_read_at_a_glance() {
    let checkout = parse(CHECKOUT).expect("checkout.yaml");
    assert!(CHECKOUT.lines().count() <= 60, "{} lines", CHECKOUT.lines().count());
    let steps: Vec<_> = checkout.steps.iter().map(|step| &*step.name).collect();
    assert_eq!(steps, ["panier", "stock", "paiement", "vente"]);
    assert!(checkout.steps[0].is_read() && checkout.steps[0].compensation.is_none());
    assert_eq!(checkout.participant(1).base.to_string(), "http://stock-service:8000/");
    assert_eq!(checkout.hash.as_str().len(), 64);
    // Only what later steps read is kept.
    let kept: Vec<_> = checkout.steps.iter().map(|step| step.action.output.is_some()).collect();
    assert_eq!(kept, [true, false, false, false]);
}

#[test]
fn the_neighbours_definition_loads_with_the_same_states() {
    let (checkout, voisins) =
        (parse(CHECKOUT).expect("checkout.yaml"), parse(VOISINS).expect("voisins.yaml"));
    assert_eq!(voisins.states, checkout.states);
    assert_eq!(voisins.input, checkout.input);
    for (mine, theirs) in voisins.steps.iter().zip(&checkout.steps) {
        assert_eq!(
            (&mine.name, &mine.success, &mine.failure),
            (&theirs.name, &theirs.success, &theirs.failure)
        );
    }
    for (mine, theirs) in voisins.participants.iter().zip(&checkout.participants) {
        assert_eq!((&mine.name, &mine.base), (&theirs.name, &theirs.base));
        assert_eq!(mine.safety, saga_core::definition::Safety::None);
    }
}

#[test]
fn any_change_of_the_text_is_another_definition() {
    let hash = |source: &str| parse(source).expect("a definition").hash;
    assert_eq!(hash(CHECKOUT), hash(CHECKOUT));
    assert_ne!(hash(CHECKOUT), hash(&format!("{CHECKOUT}# changed\n")));
}

#[test]
fn the_environment_is_substituted_into_urls_and_headers() {
    let source = with(STOCK_URL, "${STOCK_URL:-http://stock}/${BASE}/").replacen(
        "safety: barrier }",
        "safety: barrier, headers: { Authorization: \"Bearer ${KEY:-none}\" } }",
        1,
    );
    let read = |env: &dyn Fn(&str) -> Option<String>| {
        let definition = Definition::parse("d.yaml", &source, env).expect("a definition");
        let stock = definition.participant(1);
        (stock.base.to_string(), stock.headers[0].1.to_str().expect("text").to_owned(), definition.hash)
    };
    let (base, key, hash) = read(&|name| (name == "BASE").then(|| "v1".into()));
    assert_eq!((base.as_str(), key.as_str()), ("http://stock/v1", "Bearer none"));
    // An empty variable counts as unset, and what is substituted is no part of the hash.
    let (base, key, other_hash) = read(&|name| Some(if name.ends_with("_URL") { "" } else { "x" }.into()));
    assert_eq!((base.as_str(), key.as_str()), ("http://stock/x", "Bearer x"));
    assert_eq!(hash, other_hash);
}

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
        ("    failure: ECHEC_STOCK\n", ""),
        ("stock: { url: \"${STOCK_URL:-http://stock-service:8000}\", ", "stock: { "),
        ("deadline: 60s", "deadline: 60s\ndeadline: 30s"),
        ("participants:\n", "participants:\n  stock: { url: http://x }\n"),
        ("body: { produits: .panier.produits }", "body: { produits: .panier.produits, produits: 1 }"),
    ]), @r"
    dealine: 60s
        d.yaml:6: there is no key `dealine` here; write one of: saga, input, states, deadline, participants, steps
    canceled: ANNULEE
        d.yaml:5: there is no key `canceled` here; write one of: started, completed, cancelled
    safty: barrier }
        d.yaml:10: there is no key `safty` here; write one of: url, safety, timeout, connect_timeout, calls_max, answer_bytes_max, horizon, breaker, headers
    failur: ECHEC_STOCK
        d.yaml:22: there is no key `failur` here; write one of: step, participant, action, compensation, probe, success, failure, retry, persist
    pots: /api/stock/reserver
        d.yaml:27: there is no key `pots` here; write one of: get, post, put, patch, delete, body, ok, refused, not_sent, output
    pots: /api/stock/liberer
        d.yaml:30: there is no key `pots` here; write one of: get, post, put, patch, delete, body, ok, refused, not_sent, output
    retry: { attempt: 3 } / success: STOCK_RESERVE
        d.yaml:32: there is no key `attempt` here; write one of: attempts, base, cap
    (without `failure: ECHEC_STOCK`)
        d.yaml:17: the key `failure` is missing here; add it
    stock: {
        d.yaml:10: the key `url` is missing here; add it
    deadline: 60s / deadline: 30s
        d.yaml:7: the key `deadline` is here twice; remove one
    participants: / stock: { url: http://x }
        d.yaml:11: the key `stock` is here twice; remove one
    body: { produits: .panier.produits, produits: 1 }
        d.yaml:28: the key `produits` is here twice; remove one
    ");
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
        d.yaml:14: a list is needed here, its entries on lines that begin with `-`
    deadline: { seconds: 60 }
        d.yaml:6: a text is needed here, not a list or a mapping
    input: [client_id, magasin_id]
        d.yaml:4: a mapping is needed here: lines of the form `key: value`
    safety: barrier, calls_max: -1 }
        d.yaml:10: a whole number is needed here, from 1 to 4294967295
    safety: barrier, calls_max: 0 }
        d.yaml:10: `0` would let nothing through; write at least 1
    safety: barrier, answer_bytes_max: many }
        d.yaml:10: a whole number is needed here, from 1 to 4294967295
    compensation: 3
        d.yaml:29: invalid type: integer `3`, expected `none`, or a call such as `{ delete: /path }`
    compensation: never
        d.yaml:29: `never` is no compensation; write a call, or `none`
    body: [.panier.produits]
        d.yaml:28: invalid type: sequence, expected a jq program, or a mapping of names to jq programs
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
        d.yaml:6: a `:` cannot stand here; put a text that has one into quotes
    saga: [checkout
        d.yaml:3: a text is needed here, not a list or a mapping
    saga: "checkout
        d.yaml:9: invalid trailing content after double-quoted scalar
    saga: checkout / ---
        d.yaml:3: the key `states` is missing here; add it
    saga: *checkout
        d.yaml:3: alias references unknown anchor
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
        ("deadline: 60s", "deadline: 721h"),
        ("deadline: 60s", "deadline: 99999999999999999999h"),
        ("    success: STOCK_RESERVE", "    persist: { attempts: 0, base: 1, cap: 1y }\n    success: STOCK_RESERVE"),
    ]), @r"
    saga: le checkout
        d.yaml:3: the saga's name `le checkout` must be 1 to 64 letters, digits, `_` or `-`
    - step: stock
        d.yaml:46: the step's name `stock` is taken; choose another
    - step: body
        d.yaml:46: the step's name `body` is taken; choose another
    - step: ''
        d.yaml:46: the step's name `` must be 1 to 64 letters, digits, `_` or `-`
    success: STOCK RESERVE
        d.yaml:32: the state's name `STOCK RESERVE` must be 1 to 64 letters, digits, `_` or `-`
    participant: vente
        d.yaml:47: there is no participant `vente`; add it under `participants`, or use one of: client, panier, stock, ventes
    safety: exactly-once
        d.yaml:10: unknown safety `exactly-once`; write none, idempotent or barrier
    client_id: int
        d.yaml:4: input `client_id` has the unknown type `int`; write integer, number, string or boolean
    deadline: 60
        d.yaml:6: `60` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    deadline: soon
        d.yaml:6: `soon` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    deadline: 0s
        d.yaml:6: `0s` must be more than zero and at most 30 days
    deadline: 721h
        d.yaml:6: `721h` must be more than zero and at most 30 days
    deadline: 99999999999999999999h
        d.yaml:6: `99999999999999999999h` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    persist: { attempts: 0, base: 1, cap: 1y } / success: STOCK_RESERVE
        d.yaml:32: there must be at least 1 attempt
        d.yaml:32: `1` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
        d.yaml:32: `1y` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    ");
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
        d.yaml:10: `a day` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    safety: barrier, horizon: 0h }
        d.yaml:10: `0h` must be more than zero and at most 30 days
    safety: barrier, horizon: 31d }
        d.yaml:10: `31d` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    safety: barrier, breaker: 5 }
        d.yaml:10: a mapping is needed here: lines of the form `key: value`
    safety: barrier, breaker: { windw: 1s } }
        d.yaml:10: there is no key `windw` here; write one of: window, calls_min, failures_percent, open, open_max
    safety: barrier, breaker: { window: 1 } }
        d.yaml:10: `1` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    safety: barrier, breaker: { calls_min: 0, failures_percent: 0 } }
        d.yaml:10: `0` would suspend calls that nobody complains of; write at least 1
        d.yaml:10: `0` would suspend calls that nobody complains of; write at least 1
    safety: barrier, breaker: { failures_percent: 101 } }
        d.yaml:10: `101` is more than all; write 1 to 100
    safety: barrier, breaker: { open: 31s } }
        d.yaml:10: it cannot stay open for 31s if `open_max` is 30s; raise `open_max`
    safety: barrier, breaker: { open_max: 999ms } }
        d.yaml:10: it cannot stay open for 1s if `open_max` is 999ms; raise `open_max`
    safety: barrier, breaker: { open: 0s } }
        d.yaml:10: `0s` must be more than zero and at most 30 days
    safety: barrier, breaker: { calls_min: -1 } }
        d.yaml:10: a whole number is needed here, from 1 to 4294967295
    ");
}

#[test]
fn horizons_and_breakers_have_defaults() {
    let stock = |source: &str| {
        let definition = parse(source).expect("a definition");
        let stock = definition.participant(1);
        format!("{:?} {:?}", stock.horizon, stock.breaker)
    };
    assert_snapshot!(stock(CHECKOUT), @"86400s Breaker { window: 10s, calls_min: 20, failures_percent: 50, open: 1s, open_max: 30s }");
    let given = "safety: barrier, horizon: 1h, breaker: { window: 1s, calls_min: 3, failures_percent: 100, open: 2s, open_max: 2s } }";
    assert_snapshot!(stock(&with("safety: barrier }", given)), @"3600s Breaker { window: 1s, calls_min: 3, failures_percent: 100, open: 2s, open_max: 2s }");
    assert_snapshot!(stock(&with("safety: barrier }", "safety: barrier, breaker: { calls_min: 1 } }")), @"86400s Breaker { window: 10s, calls_min: 1, failures_percent: 50, open: 1s, open_max: 30s }");
}

#[test]
fn the_probe_in_the_manual_is_a_good_one() {
    let step: String = include_str!("../../../../docs/definitions.md")
        .lines()
        .skip_while(|line| *line != "    - step: vente")
        .take_while(|line| !line.is_empty())
        .map(|line| format!("{}\n", &line[2..]))
        .collect();
    let (others, _) = VOISINS.split_once("  - step: vente\n").expect("voisins.yaml has that step");
    let definition = parse(&format!("{others}{step}")).unwrap_or_else(|told| panic!("{told}\n{step}"));
    let probe = definition.steps[3].probe.as_ref().expect("a probe");
    assert_eq!(probe.after, Duration::from_secs(30));
}

/// The step `stock` of `checkout.yaml` with a probe of these lines.
fn probed(lines: &str) -> String {
    format!("    success: STOCK_RESERVE\n    probe:\n{lines}")
}

#[test]
fn probes() {
    let probes = [
        "      gett: /x\n",
        "      after: 1s\n",
        "      post: /x\n",
        "      get: /x\n      body: {}\n",
        "      get: x\n",
        "      get: /x\n      after: soon\n",
        "      get: /x\n      refused: .input\n",
        "      get: /x/\\(.stock.id)\n",
        "      get: /x/\\(.vente.id)\n",
        "      get: /x\n      ok: now\n",
    ]
    .map(probed);
    let mut variations: Vec<_> =
        probes.iter().map(|to| ("    success: STOCK_RESERVE\n", to.as_str())).collect();
    let of_a_read = "    failure: ECHEC_STOCK\n    probe: { get: /x }\n";
    variations.push(("    failure: ECHEC_STOCK\n", of_a_read));
    variations.push(("    success: STOCK_RESERVE\n", "    probe: none\n"));
    assert_snapshot!(mistakes(&variations), @r"
    success: STOCK_RESERVE / probe: / gett: /x
        d.yaml:34: there is no key `gett` here; write one of: get, ok, refused, not_sent, output, after
    success: STOCK_RESERVE / probe: / after: 1s
        d.yaml:34: the key `get` is missing here; add it
    success: STOCK_RESERVE / probe: / post: /x
        d.yaml:34: there is no key `post` here; write one of: get, ok, refused, not_sent, output, after
    success: STOCK_RESERVE / probe: / get: /x / body: {}
        d.yaml:35: there is no key `body` here; write one of: get, ok, refused, not_sent, output, after
    success: STOCK_RESERVE / probe: / get: x
        d.yaml:34: the path `x` must start with `/`
    success: STOCK_RESERVE / probe: / get: /x / after: soon
        d.yaml:35: `soon` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    success: STOCK_RESERVE / probe: / get: /x / refused: .input
        d.yaml:35: `.input` does not exist here; an answer has .status, .headers and .body
    success: STOCK_RESERVE / probe: / get: /x/\(.stock.id)
        d.yaml:34: `.stock` is the output of a step that has not run by then; only earlier steps' outputs can be read
    success: STOCK_RESERVE / probe: / get: /x/\(.vente.id)
        d.yaml:34: `.vente` is the output of a step that has not run by then; only earlier steps' outputs can be read
    success: STOCK_RESERVE / probe: / get: /x / ok: now
        d.yaml:35: jq: `now` cannot be used: a request must be the same on every attempt
    failure: ECHEC_STOCK / probe: { get: /x }
        d.yaml:23: step `panier` is a get, which has no effect to ask about; remove its probe
    probe: none
        d.yaml:32: a mapping is needed here: lines of the form `key: value`
    ");
}

#[test]
fn what_is_read_of_a_step_has_to_be_given_by_its_probe_too() {
    let probe = "    probe: { get: /api/ventes }\n    success: COMMANDE_ENREGISTREE";
    let by_id = VOISINS.replacen("    success: COMMANDE_ENREGISTREE", probe, 1);
    assert_snapshot!(parse(&by_id).expect_err("a mistake").to_string(), @"d.yaml:75: the output of step `vente` is read elsewhere, so its probe has to give it, too: add an `output` to the probe that has what `.vente` has after the action");
    let given = by_id.replacen("get: /api/ventes }", "get: /api/ventes, output: { id: '.body[0].id' } }", 1);
    let vente = parse(&given).expect("a definition").steps.pop().expect("steps");
    assert!(vente.probe.expect("a probe").call.output.is_some());
    // Nobody reads what the reservation gave, so its probe has nothing to give; nor if it is kept all the same.
    let unread = with("    success: STOCK_RESERVE\n", &probed("      get: /x\n"));
    assert!(parse(&unread).expect("a definition").steps[1].probe.is_some());
    let kept = unread.replacen(
        "      post: /api/stock/reserver\n",
        "      post: /api/stock/reserver\n      output: .body\n",
        1,
    );
    assert!(parse(&kept).expect("a definition").steps[1].action.output.is_some());
}

#[test]
fn a_probe_waits_for_as_long_as_a_call_may_take() {
    let after = |lines| {
        let source = with("    success: STOCK_RESERVE\n", &probed(lines))
            .replace("safety: barrier }", "timeout: 7s }");
        parse(&source).expect("a definition").steps[1].probe.as_ref().expect("a probe").after
    };
    assert_eq!(after("      get: /x\n"), Duration::from_secs(7));
    assert_eq!(after("      get: /x\n      after: 1m\n"), Duration::from_secs(60));
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
        d.yaml:10: `stock-service:8000` is not a URL of a service; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    ftp://stock-service
        d.yaml:10: `ftp://stock-service` is not a URL of a service; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    http://stock-service/x?y=1
        d.yaml:10: `http://stock-service/x?y=1` is not a URL of a service; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    http://user:secret@stock-service
        d.yaml:10: a URL cannot carry a name or password; put what the service asks for into `headers`
    (without `http://stock-service:8000`)
        d.yaml:10: the URL is empty; write http://host:port or https://host, with or without a path, e.g. "${STOCK_URL:-http://stock-service:8000}"
    ${STOCK_URL}
        d.yaml:10: the environment variable `STOCK_URL` is not set; set it, or give a default: ${STOCK_URL:-...}
    ${STOCK_URL
        d.yaml:10: `${` has no closing `}`
    ${:-http://stock}
        d.yaml:10: `` is no name of an environment variable; write ${NAME} or ${NAME:-default}
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
        d.yaml:24: step `stock` changes something but has no compensation; add one, or write `compensation: none` if it is never to be undone
    post: /api/ventes / put: /api/ventes
        d.yaml:49: a call needs exactly one of get, post, put, patch or delete, with its path
    (without `post: /api/ventes`)
        d.yaml:49: a call needs exactly one of get, post, put, patch or delete, with its path
    get: /api/paniers / body: 1
        d.yaml:18: a get has no body; put what it needs into the path
    compensation: { post: /x } / failure: ECHEC_STOCK
        d.yaml:22: step `panier` is a get, which changes nothing; remove its compensation, or call it with post
    post: api/ventes
        d.yaml:49: the path `api/ventes` must start with `/`
    post: /api/les ventes
        d.yaml:49: jq: a path cannot have the character ` `; percent-encode it
    post: /api/été
        d.yaml:49: jq: a path cannot have the character `é`; percent-encode it
    post: '/api/" + "ventes'
        d.yaml:49: jq: a path cannot have the character `"`, but inside of `\( )`
    "#);
}

#[test]
fn expressions_that_do_not_compile() {
    let in_a_block = "|\n          [.body[]\n          | .quantite *\n          ] | add";
    let at_its_end = "|\n          [.body[]\n          | .quantite ] |\n";
    let folded = ">\n          [.body[]\n          | .quantite *\n          ] | add";
    assert_snapshot!(mistakes(&[
        ("clients/\\(.input.client_id)/payer", "clients/\\(.input.client_id/payer"),
        ("clients/\\(.input.client_id)/payer", "clients/\\(.input | nonsense)/payer"),
        ("{ montant: .panier.montant }", "'{montant: .panier.montant'"),
        ("{ montant: .panier.montant }", "{ montant: '.panier.montant |' }"),
        ("{ montant: .panier.montant }", "{ montant: { en: { euros: '.panier.' } } }"),
        ("{ montant: .panier.montant }", "{ montant: '' }"),
        (MONTANT, in_a_block),
        (MONTANT, at_its_end),
        // A folded text is one line to jq: the mistake is reported where it begins.
        (MONTANT, folded),
        (MONTANT, "sum(.body)"),
        (MONTANT, "$montant"),
        (MONTANT, "$ENV.MONTANT"),
        (MONTANT, "import \"x\" as x; 1"),
        ("ok: .status == 404 or", "ok: .status = = 404 or"),
        ("ok: .status == 404 or", "refused: .status ===\n      ok: .status == 404 or"),
        ("ok: .status == 404 or", "not_sent: .status | frob\n      ok: .status == 404 or"),
    ]), @r#"
    clients/\(.input.client_id/payer
        d.yaml:38: jq: expected closing quote at the end
    clients/\(.input | nonsense)/payer
        d.yaml:38: jq: unknown filter `nonsense`
    '{montant: .panier.montant'
        d.yaml:39: jq: expected closing brace at the end
    { montant: '.panier.montant |' }
        d.yaml:39: jq: expected term at the end
    { montant: { en: { euros: '.panier.' } } }
        d.yaml:39: jq: expected key at the end
    { montant: '' }
        d.yaml:39: jq: expected term at the end
    | / [.body[] / | .quantite * / ] | add
        d.yaml:24: jq: expected term at `]`
    | / [.body[] / | .quantite ] |
        d.yaml:23: jq: expected term at the end
    > / [.body[] / | .quantite * / ] | add
        d.yaml:22: jq: expected term at `]`
    sum(.body)
        d.yaml:21: jq: unknown filter `sum`
    $montant
        d.yaml:21: jq: unknown variable `$montant`
    $ENV.MONTANT
        d.yaml:21: jq: unknown variable `$ENV`
    import "x" as x; 1
        d.yaml:21: jq: expected nothing at `"x"`
    ok: .status = = 404 or
        d.yaml:53: jq: expected term at `=`
    refused: .status === / ok: .status == 404 or
        d.yaml:53: jq: expected nothing at `===`
    not_sent: .status | frob / ok: .status == 404 or
        d.yaml:53: jq: unknown filter `frob`
    "#);
}

#[test]
fn expressions_that_depend_on_more_than_their_input() {
    for code in [
        "now",
        "input",
        "[inputs]",
        "env",
        "env.X",
        "debug",
        "halt",
        "halt_error",
        "stderr",
        "input_filename",
        "now | todate",
        "[.body[] | now]",
        "if now > 1 then 1 else 2 end",
        "def f: now; f",
        "reduce .body[] as $x (now; .)",
        "try now catch 1",
        "{(now | tostring): 1}",
        "\"\\(now)\"",
        ".body[now:]",
        "@text \"\\(now)\"",
        "0 | localtime",
        ". as {(now | tostring): $x} | 1",
        "label $l | now",
        "-now",
        "limit(1; now)",
        "now as $x | 1",
    ] {
        let told = parse(&with(MONTANT, &format!("'{code}'"))).map(|_| ()).expect_err(code).to_string();
        assert!(
            told.contains("cannot be used: a request must be the same on every attempt"),
            "{code}: {told}"
        );
        assert!(told.starts_with("d.yaml:21: "), "{code}: {told}");
    }
}

#[test]
fn expressions_that_read_what_is_not_there() {
    assert_snapshot!(mistakes(&[
        (".panier.montant", ".panir.montant"),
        (".panier.montant", ".vente.montant"),
        (".panier.montant", ".paiement.montant"),
        (".input.magasin_id", ".input.magasin"),
        ("/payer", "/\\(.client)/payer"),
        ("commande/\\(.saga_id)", "commande/\\(.vente.id)"),
        ("ok: .status == 404 or", "ok: .panier == 404 or"),
        ("produits: .body\n", "produits: .bodi\n"),
        ("{ montant: .panier.montant }", "{ montant: { en: { euros: .panir } } }"),
    ]), @r"
    .panir.montant
        d.yaml:39: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock
    .vente.montant
        d.yaml:39: `.vente` is the output of a step that has not run by then; only earlier steps' outputs can be read
    .paiement.montant
        d.yaml:39: `.paiement` is the output of a step that has not run by then; only earlier steps' outputs can be read
    .input.magasin
        d.yaml:50: `.input.magasin` does not exist; declare it under `input`
    /\(.client)/payer
        d.yaml:38: `.client` does not exist here; there are .input, .saga_id, .panier, .stock
    commande/\(.vente.id)
        d.yaml:52: a compensation cannot read its own step's output `.vente` here: a barrier step whose outcome is unknown is undone at once, without its answer; undo by `.saga_id` or an earlier output, or declare `safety: idempotent`
    ok: .panier == 404 or
        d.yaml:53: `.panier` does not exist here; an answer has .status, .headers and .body
    produits: .bodi
        d.yaml:20: `.bodi` does not exist here; an answer has .status, .headers and .body
    { montant: { en: { euros: .panir } } }
        d.yaml:39: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock
    ");
    // A service without a barrier is undone only once its answer is known.
    let by_id = CHECKOUT
        .replace("safety: barrier", "safety: idempotent")
        .replace("commande/\\(.saga_id)", "\\(.vente.id)");
    let kept = parse(&by_id).expect("its own output can be read").steps[3].action.output.is_some();
    assert!(kept, "what the compensation reads is kept");
}

#[test]
fn several_mistakes_are_told_together_in_the_order_of_lines() {
    let source = with("- step: vente", "- step: body")
        .replace("deadline: 60s", "deadline: soon")
        .replace(".panier.montant", ".panir")
        .replace("safety: barrier", "safety: maybe")
        .replace("add * 100", "add *");
    assert_snapshot!(parse(&source).expect_err("mistakes").to_string(), @r"
    d.yaml:6: `soon` is not a duration; write a number and ms, s, m or h, such as 500ms or 5s
    d.yaml:10: unknown safety `maybe`; write none, idempotent or barrier
    d.yaml:11: unknown safety `maybe`; write none, idempotent or barrier
    d.yaml:12: unknown safety `maybe`; write none, idempotent or barrier
    d.yaml:21: jq: expected term at `|`
    d.yaml:39: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock
    d.yaml:42: `.panir` does not exist here; there are .input, .saga_id, .panier, .stock, .paiement
    d.yaml:46: the step's name `body` is taken; choose another
    ");
}

#[test]
fn files_that_are_no_definition_at_all() {
    let bomb: String = ('b'..='i').fold("a: &a [x, x, x, x, x, x, x, x, x]\n".into(), |yaml, c| {
        let previous = char::from(c as u8 - 1);
        format!("{yaml}{c}: &{c} [{}]\n", vec![format!("*{previous}"); 9].join(", "))
    });
    let ones: String = ('a'..='i').map(|c| format!("{c}: 1, ")).collect();
    let bomb_in_a_body = ('b'..='i').fold(format!("\n        a: &a {{ {ones} }}\n"), |yaml, c| {
        let previous: String =
            ('a'..='i').map(|key| format!("{key}: *{}, ", char::from(c as u8 - 1))).collect();
        format!("{yaml}        {c}: &{c} {{ {previous} }}\n")
    });
    let deep_body =
        with("{ montant: .panier.montant }", &format!("{}1{}", "{ a: ".repeat(300), " }".repeat(300)));
    let many_steps: String = (0..65)
        .map(|i| {
            format!("  - step: s{i}\n    participant: panier\n    action: {{ get: /x }}\n    failure: X\n")
        })
        .collect();
    let head = CHECKOUT.split("steps:\n").next().expect("a head");
    let cases = [
        ("empty", String::new()),
        ("a comment", "# nothing\n".into()),
        ("null", "~".into()),
        ("a list", "- saga\n".into()),
        ("a word", "checkout".into()),
        ("two documents", format!("{CHECKOUT}\n---\n{CHECKOUT}")),
        ("binary", (0..=255_u8).map(char::from).collect()),
        ("huge", "#".repeat(300_000)),
        ("an alias bomb", format!("{bomb}saga: *i\n")),
        ("a bomb in a body", with("{ montant: .panier.montant }", &bomb_in_a_body)),
        ("deep lists", "[".repeat(100_000)),
        ("deep mappings", "{a: ".repeat(50_000)),
        ("a deep body", deep_body),
        ("a deep expression", with(MONTANT, &format!("'{}1{}'", "(".repeat(1000), ")".repeat(1000)))),
        ("a long expression", with(MONTANT, &format!("'{}1'", " ".repeat(5000)))),
        ("an endless expression", with(MONTANT, &format!("'1{}'", "+1".repeat(101)))),
        ("no steps", format!("{head}steps: []\n")),
        ("too many steps", format!("{head}steps:\n{many_steps}")),
    ];
    let told: String = cases
        .iter()
        .map(|(case, source)| {
            let told = parse(source).map(|_| ()).expect_err(case).to_string();
            format!("{case}\n    {}\n", told.replace('\n', "\n    "))
        })
        .collect();
    assert_snapshot!(told, @r"
    empty
        d.yaml:1: the file ends before the definition is complete
    a comment
        d.yaml:2: the file ends before the definition is complete
    null
        d.yaml:1: a mapping is needed here: lines of the form `key: value`
    a list
        d.yaml:1: a mapping is needed here: lines of the form `key: value`
    a word
        d.yaml:1: a mapping is needed here: lines of the form `key: value`
    two documents
        d.yaml:60: a second document begins here; write one definition to a file
    binary
        d.yaml:1: unexpected character: `\u{0}'
    huge
        d.yaml: the file has 300000 bytes; a definition may have 262144
    an alias bomb
        d.yaml:1: there is no key `a` here; write one of: saga, input, states, deadline, participants, steps
    a bomb in a body
        d.yaml:45: this YAML is more intricate than any definition needs (budget breached: Nodes { nodes: 250001 })
    deep lists
        d.yaml:1: this YAML is more intricate than any definition needs (recursion limit exceeded)
    deep mappings
        d.yaml:1: this YAML is more intricate than any definition needs (recursion limit exceeded)
    a deep body
        d.yaml:39: more than 32 mappings and lists are inside each other here
    a deep expression
        d.yaml:21: jq: more than 64 brackets inside each other
    a long expression
        d.yaml:21: jq: the expression has 5001 bytes; the limit is 4096
    an endless expression
        d.yaml:21: jq: the expression has 101 operators; the limit is 100; split it up
    no steps
        d.yaml:14: there are 0 steps; write 1 to 64
    too many steps
        d.yaml:15: there are 65 steps; write 1 to 64
    ");
}

#[test]
fn what_is_as_intricate_as_the_limits_allow_is_read_within_a_small_stack() {
    // The stack of a thread of the server, and unoptimized code: as tight as it gets.
    let run = || {
        for code in [
            format!("{}1{}", "(".repeat(60), ")".repeat(60)),
            format!("{}1{}", "[".repeat(60), "]".repeat(60)),
            format!("{}1{}", "{a: ".repeat(60), "}".repeat(60)),
            format!("1{}", "+1".repeat(100)),
            format!("{}1", "-".repeat(100)),
            format!("1{}", "|.".repeat(100)),
            format!(".body{}", "[0]".repeat(1300)),
            format!("1{}", " as $x|2".repeat(50)),
            format!("{}1{}", "if 1 then ".repeat(100), " end".repeat(100)),
            format!("{}1", "def f: 1; ".repeat(100)),
            format!("{}1", "try ".repeat(100)),
        ] {
            parse(&with(MONTANT, &format!("'{code}'"))).unwrap_or_else(|told| panic!("{code}: {told}"));
        }
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(run)
        .expect("a thread")
        .join()
        .expect("no overflow");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_definition_is_an_error_or_a_definition_never_a_panic(
        voisins in any::<bool>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..4_usize, ".{0,6}"), 1..4),
        cut in proptest::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let mut chars: Vec<char> = if voisins { VOISINS } else { CHECKOUT }.chars().collect();
        for (at, deleted, inserted) in edits {
            let at = at.index(chars.len());
            let end = (at + deleted).min(chars.len());
            chars.splice(at..end, inserted.chars());
        }
        if let Some(cut) = cut {
            chars.truncate(cut.index(chars.len()));
        }
        let source: String = chars.into_iter().collect();
        if let Err(told) = parse(&source) {
            prop_assert!(!told.mistakes.is_empty());
            let lines = source.lines().count() + 1;
            for mistake in &told.mistakes {
                prop_assert!(mistake.line <= lines && !mistake.message.is_empty(), "{}", told);
            }
            prop_assert!(told.mistakes.is_sorted_by_key(|mistake| mistake.line));
        }
    }

    #[test]
    fn lines_and_words_in_any_order_are_no_panic_either(
        lines in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let all: Vec<&str> = CHECKOUT.lines().chain(VOISINS.lines()).collect();
        let source: String = lines.iter().map(|line| format!("{}\n", line.get(&all))).collect();
        drop(parse(&source));
    }
}
