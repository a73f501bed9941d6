//! The meaning of an HTTP answer: the table of verdicts.

mod accepted;

use std::time::Duration;

use saga_core::reply::{Answer, REASON_BYTES_MAX, Reply, Verdict, verdict};
use saga_core::saga::{NewSaga, Rollback};
use saga_core::{CommandKind, Definition, Direction, Outcome, Saga};

use crate::support::{VOISINS, at, command, parse, reply, saga_id};

/// A call with these keys besides its method and path.
fn call(method: &str, keys: &str) -> Definition {
    let undo = if method == "get" { "" } else { "\n    compensation: none" };
    let source = format!(
        "saga: s\ndeadline: 1h\nstates: {{ started: A, completed: B, cancelled: C }}\nparticipants: {{ p: {{ url: 'http://p' }} }}\n\
         steps:\n  - step: a\n    participant: p\n    action:\n      {method}: /x\n{keys}{undo}\n    failure: D\n"
    );
    Definition::parse("test.yaml", &source, &|_| None).unwrap_or_else(|m| panic!("{m}\n{source}"))
}

fn answered(status: u16, body: &[u8]) -> Reply {
    Reply::Answered(Answer { status, body: body.to_vec(), ..Answer::default() })
}

fn judge(definition: &Definition, reply: &Reply) -> Verdict {
    verdict(definition.steps[0].action().expect("a call"), reply)
}

fn outcome(definition: &Definition, status: u16, body: &str) -> Outcome {
    judge(definition, &answered(status, body.as_bytes())).outcome
}

fn reason(body: &[u8]) -> String {
    judge(&call("post", ""), &answered(400, body)).reason.expect("a refusal has a reason").into()
}

use Outcome::{NotSent, Ok, Refused, Unknown};

#[test]
fn every_status_has_a_meaning_where_the_definition_says_nothing() {
    let plain = call("post", "");
    for status in 100..=599 {
        let expected = match status {
            200 | 201 | 204 => Ok,
            429 | 503 => NotSent,
            401 | 405 | 406 | 407 | 415 | 421 | 426 | 501 => NotSent,
            400..=499 => Refused,
            _ => Unknown,
        };
        assert_eq!(outcome(&plain, status, "{}"), expected, "{status}");
    }
    // Statuses that no server should send are no success.
    assert_eq!(outcome(&plain, 0, ""), Unknown);
    assert_eq!(outcome(&plain, 999, ""), Unknown);
}

#[test]
fn without_an_answer_the_driver_says_whether_it_was_sent() {
    let plain = call("post", "      ok: 'true'\n");
    let lost = judge(&plain, &Reply::Lost { reason: "timeout".into() });
    assert_eq!((lost.outcome, lost.status, lost.reason.as_deref()), (Unknown, None, Some("timeout")));
    let never = judge(&plain, &Reply::NotSent { reason: "refused connection".into() });
    assert_eq!((never.outcome, never.reason.as_deref()), (NotSent, Some("refused connection")));
    let never = judge(&plain, &Reply::Impossible { reason: "no `n`".into() });
    assert_eq!((never.outcome, never.reason.as_deref()), (Refused, Some("no `n`")));
}

#[test]
fn with_ok_nothing_else_is_a_success() {
    let only_202 = call("post", "      ok: .status == 202\n");
    let table = [(202, Ok), (200, Unknown), (201, Unknown), (404, Refused), (503, NotSent), (500, Unknown)];
    for (status, expected) in table {
        assert_eq!(outcome(&only_202, status, ""), expected, "{status}");
    }
    let not_found_is_fine = call("delete", "      ok: .status == 404 or .status == 200\n");
    assert_eq!(outcome(&not_found_is_fine, 404, ""), Ok, "of an action, its author may say so");
}

#[test]
fn unknown_is_asked_first_then_refused_not_sent_and_ok() {
    let all = call(
        "post",
        "      unknown: .body.u == 1\n      refused: .body.r == 1\n      not_sent: .body.n == 1\n      ok: .body.o == 1\n",
    );
    for (body, expected) in [
        (r#"{"u":1,"r":1,"n":1,"o":1}"#, Unknown),
        (r#"{"r":1,"n":1,"o":1}"#, Refused),
        (r#"{"r":2,"n":1,"o":1}"#, NotSent),
        (r#"{"n":null,"o":1}"#, Ok),
    ] {
        for status in [200, 401, 404, 409, 500, 503] {
            assert_eq!(outcome(&all, status, body), expected, "{status} {body}");
        }
    }
    // None of them holds: the status decides, but no status is a success any more.
    assert_eq!(outcome(&all, 200, "{}"), Unknown);
    assert_eq!(outcome(&all, 409, "{}"), Refused);
}

#[test]
fn a_refusal_that_had_an_effect_can_be_declared() {
    let half_done = call("post", "      unknown: .status == 409 and .body.taken > 0\n");
    let verdict = judge(&half_done, &answered(409, br#"{"taken":1,"detail":"product 2 is sold out"}"#));
    assert_eq!((verdict.outcome, verdict.reason.as_deref()), (Unknown, Some("product 2 is sold out")));
    assert_eq!(outcome(&half_done, 409, r#"{"taken":0}"#), Refused);
}

#[test]
fn what_is_neither_true_nor_false_is_an_unreadable_answer() {
    for key in ["unknown", "refused", "not_sent", "ok"] {
        for value in ["0", "1", "null", "\"true\"", "[]", "{}", "[true]"] {
            let body = format!(r#"{{"x":{value}}}"#);
            let asked = call("post", &format!("      {key}: .body.x\n"));
            for status in [200, 201, 400, 500] {
                let verdict = judge(&asked, &answered(status, body.as_bytes()));
                assert_eq!(verdict.outcome, Unknown, "{key} {status} {body}");
                let reason = verdict.reason.expect("a reason");
                assert!(reason.starts_with("unreadable answer: `.body.x` gives "), "{reason}");
                assert!(reason.ends_with("and a condition must be true or false"), "{reason}");
            }
        }
    }
    let asked = call("get", "      ok: .body.x\n");
    assert_eq!(outcome(&asked, 200, r#"{"x":1}"#), Refused, "a read gives the same again");
    assert_eq!(outcome(&asked, 500, r#"{"x":1}"#), Unknown, "what a proxy says is asked again");
    assert_eq!(outcome(&asked, 200, r#"{"x":true}"#), Ok);
    assert_eq!(outcome(&asked, 200, r#"{"x":false}"#), Unknown);
    assert_eq!(answer_of(&probed("      ok: .body.x\n"), 200, r#"{"x":1}"#).outcome, Unknown);
}

/// A step whose compensation has these keys besides its path.
fn undone(keys: &str) -> Definition {
    let source = format!(
        "saga: s\nstates: {{ started: A, completed: B, cancelled: C }}\nparticipants: {{ p: {{ url: 'http://p' }} }}\n\
         steps:\n  - step: a\n    participant: p\n    action: {{ post: /x }}\n    compensation:\n      delete: /x\n{keys}    \
         failure: D\n"
    );
    Definition::parse("test.yaml", &source, &|_| None).unwrap_or_else(|m| panic!("{m}\n{source}"))
}

fn undo(definition: &Definition, status: u16, body: &str) -> Verdict {
    let call = definition.call(0, Direction::Compensation).expect("a compensation");
    verdict(call, &answered(status, body.as_bytes()))
}

#[test]
fn of_a_compensation_404_and_410_say_that_there_was_nothing_to_undo() {
    let plain = undone("");
    for status in 100..=599 {
        let (expected, absent) = match status {
            200 | 201 | 204 => (Ok, false),
            404 | 410 => (Ok, true),
            429 | 503 => (NotSent, false),
            401 | 405 | 406 | 407 | 415 | 421 | 426 | 501 => (NotSent, false),
            400..=499 => (Refused, false),
            _ => (Unknown, false),
        };
        let verdict = undo(&plain, status, "{}");
        assert_eq!((verdict.outcome, verdict.absent), (expected, absent), "{status}");
    }
    let gone = undo(&plain, 404, r#"{"detail":"Vente inconnue"}"#);
    assert_eq!(gone.reason.as_deref(), Some("Vente inconnue"), "told where it is no success");
    let action = plain.steps[0].action().expect("a call");
    assert!(!verdict(action, &answered(404, b"")).absent);
}

#[test]
fn absent_says_which_answers_mean_it_and_stands_between_refused_and_not_sent() {
    let told = undone(
        "      refused: .body.r == 1\n      absent: .body.a == 1\n      not_sent: .body.n == 1\n      ok: .status == 200\n",
    );
    let judge = |status, body: &str| {
        let verdict = undo(&told, status, body);
        (verdict.outcome, verdict.absent)
    };
    assert_eq!(judge(200, r#"{"r":1,"a":1,"n":1}"#), (Refused, false));
    assert_eq!(judge(200, r#"{"a":1,"n":1}"#), (Ok, true));
    assert_eq!(judge(401, r#"{"a":1}"#), (Ok, true));
    assert_eq!(judge(200, r#"{"n":1}"#), (NotSent, false));
    assert_eq!(judge(200, "{}"), (Ok, false));
    assert_eq!(judge(404, "{}"), (Refused, false), "where it is said otherwise, 404 says nothing by itself");
    let never = undone("      absent: 'false'\n");
    assert_eq!(undo(&never, 404, "").outcome, Refused);
}

#[test]
fn what_is_not_accepted_says_nothing_about_the_order_and_is_told_as_such() {
    let plain = call("post", "");
    for status in [401, 405, 406, 407, 415, 421, 426, 501] {
        let verdict = judge(&plain, &answered(status, br#"{"detail":"expired"}"#));
        assert_eq!((verdict.outcome, verdict.not_accepted), (NotSent, true), "{status}");
        let told = format!("HTTP {status}: the service does not accept our calls: expired");
        assert_eq!(verdict.reason.as_deref(), Some(told.as_str()));
        for (key, expected) in [("ok", Ok), ("refused", Refused), ("unknown", Unknown), ("not_sent", NotSent)]
        {
            let told = call("post", &format!("      {key}: .status == {status}\n"));
            let verdict = judge(&told, &answered(status, b""));
            assert_eq!((verdict.outcome, verdict.not_accepted), (expected, false), "{key} {status}");
        }
    }
    for status in [200, 403, 404, 429, 500, 503] {
        assert!(!judge(&plain, &answered(status, b"")).not_accepted, "{status}");
    }
    assert!(answer_of(&probed(""), 401, "").not_accepted);
    assert!(undo(&undone(""), 405, "").not_accepted);
}

#[test]
fn an_answer_with_two_members_of_one_name_is_unreadable_where_it_is_read() {
    let kept = call("get", "      output: .body\n");
    assert_eq!(outcome(&kept, 200, r#"{"a":[{"b":1,"b":2}]}"#), Refused);
    assert_eq!(outcome(&call("post", "      output: .body\n"), 200, r#"{"a":1,"a":1}"#), Unknown);
    assert_eq!(outcome(&call("post", ""), 200, r#"{"a":1,"a":1}"#), Ok, "nobody reads it");
}

#[test]
fn refused_alone_leaves_the_other_statuses_as_they_are() {
    let ok_false = call("post", "      refused: .status == 200 and [.body.ok?] == [false]\n");
    assert_eq!(outcome(&ok_false, 200, r#"{"ok":false,"detail":"non"}"#), Refused);
    assert_eq!(outcome(&ok_false, 200, r#"{"ok":true}"#), Ok);
    assert_eq!(outcome(&ok_false, 200, "texte"), Ok);
    assert_eq!(outcome(&ok_false, 503, ""), NotSent);
}

/// A step whose probe has these keys besides its path.
fn probed(keys: &str) -> Definition {
    let source = format!(
        "saga: s\nstates: {{ started: A, completed: B, cancelled: C }}\nparticipants: {{ p: {{ url: 'http://p' }} }}\n\
         steps:\n  - step: a\n    participant: p\n    action: {{ post: /x }}\n    compensation: none\n    \
         probe:\n      get: /x\n{keys}    failure: D\n"
    );
    Definition::parse("test.yaml", &source, &|_| None).unwrap_or_else(|m| panic!("{m}\n{source}"))
}

fn answer_of(definition: &Definition, status: u16, body: &str) -> Verdict {
    let probe = definition.call(0, Direction::Probe).expect("a probe");
    verdict(probe, &answered(status, body.as_bytes()))
}

fn asked(definition: &Definition, status: u16, body: &str) -> Outcome {
    answer_of(definition, status, body).outcome
}

#[test]
fn of_a_probe_only_404_and_410_say_that_the_effect_is_not_there() {
    let plain = probed("");
    for status in 100..=599 {
        let expected = match status {
            200 | 201 | 204 => Ok,
            404 | 410 => Refused,
            429 | 503 => NotSent,
            401 | 405 | 406 | 407 | 415 | 421 | 426 | 501 => NotSent,
            _ => Unknown,
        };
        assert_eq!(asked(&plain, status, "{}"), expected, "{status}");
    }
}

#[test]
fn a_probe_may_read_its_answer() {
    let list = probed("      refused: .status == 200 and .body == []\n      ok: .status == 200\n");
    assert_eq!(asked(&list, 200, "[]"), Refused);
    assert_eq!(asked(&list, 200, "[{}]"), Ok);
    assert_eq!(asked(&list, 204, ""), Unknown);
    assert_eq!(asked(&list, 404, ""), Refused);
    assert_eq!(asked(&probed("      refused: .body.x.y\n"), 200, "[]"), Unknown);
}

#[test]
fn a_probe_that_cannot_be_asked_or_read_says_nothing_about_the_step() {
    let reading = probed("      output: { id: '.body.id | tonumber' }\n");
    assert_eq!(asked(&reading, 200, "{\"id\":\"7\"}"), Ok);
    assert_eq!(asked(&reading, 200, "{}"), Unknown);
    let probe = reading.call(0, Direction::Probe).expect("a probe");
    let judge = |reply| verdict(probe, &reply).outcome;
    assert_eq!(judge(Reply::Impossible { reason: "no id".into() }), Unknown);
    assert_eq!(judge(Reply::Lost { reason: "timeout".into() }), Unknown);
    assert_eq!(judge(Reply::NotSent { reason: "refused connection".into() }), NotSent);
}

#[test]
fn an_expression_that_fails_leaves_the_outcome_unknown() {
    let fragile = call("post", "      refused: .body.detail | test(\"^4\")\n");
    let verdict = judge(&fragile, &answered(200, b"{}"));
    assert_eq!(verdict.outcome, Unknown);
    assert_eq!(verdict.status, Some(200));
    assert!(verdict.reason.expect("a reason").starts_with("unreadable answer: `.body.detail | test"));
}

#[test]
fn conditions_see_headers_and_bodies_that_are_no_json() {
    let seen = call(
        "post",
        "      not_sent: .headers.\"x-maintenance\" == \"1\"\n      refused: (.body | type) == \"string\" and (.body | test(\"plein\"))\n",
    );
    let headers = vec![("x-maintenance".to_owned(), "1".to_owned())];
    let answer = Answer { status: 500, headers, body: b"<h1>".to_vec(), retry_after: None };
    assert_eq!(judge(&seen, &Reply::Answered(answer)).outcome, NotSent);
    assert_eq!(outcome(&seen, 500, "complet: plein"), Refused);
    assert_eq!(judge(&seen, &answered(200, b"\xff\xfe plein")).outcome, Refused, "invalid UTF-8 is replaced");
    let empty = call("post", "      ok: .body == null\n");
    assert_eq!([outcome(&empty, 500, ""), outcome(&empty, 500, "\"\"")], [Ok, Unknown], "no body is null");
}

#[test]
fn the_output_is_taken_from_successes_only() {
    let with_output = call("post", "      output: { id: .body.id, s: .status, who: '.headers.by' }\n");
    let ok = judge(&with_output, &answered(201, br#"{"id": 7, "more": 1}"#));
    assert_eq!(ok.output.expect("an output").text(), r#"{"id":7,"s":201,"who":null}"#);
    assert_eq!(judge(&with_output, &answered(400, br#"{"id": 7}"#)).output, None);
    assert_eq!(judge(&call("post", ""), &answered(200, br#"{"id": 7}"#)).output, None, "nobody reads it");
}

#[test]
fn an_output_that_cannot_be_taken_is_unknown_for_an_effect_and_refused_for_a_read() {
    for (method, expected) in [("post", Unknown), ("get", Refused)] {
        let strict = call(method, "      output: .body.id | if . then . else error(\"no id\") end\n");
        for body in ["{}", "null", "[]", "\"x\""] {
            assert_eq!(outcome(&strict, 200, body), expected, "{method} {body}");
        }
        // A body that is no JSON at all may be a proxy's page: the service's own answer is not known.
        for body in ["<html>", "", "{\"id\":"] {
            let verdict = judge(&strict, &answered(200, body.as_bytes()));
            assert!(verdict.outcome != Ok && verdict.output.is_none(), "{method} {body}");
        }
    }
}

#[test]
fn an_output_is_one_value_within_its_limit() {
    let output =
        |code: &str| judge(&call("get", &format!("      output: '{code}'\n")), &answered(200, b"[1,2]"));
    assert_eq!(output(".body[]").outcome, Refused);
    assert!(output("empty").reason.expect("a reason").contains("no value"));
    let large = output("[range(200000)] | map(tostring)");
    assert!(large.reason.expect("a reason").contains("RENDERED_BYTES_MAX"));
}

#[test]
fn json_that_is_nested_too_deep_is_unreadable_and_harms_nobody() {
    let depth = 200_000;
    let deep = [vec![b'['; depth], vec![b']'; depth]].concat();
    assert_eq!(
        judge(&call("post", "      output: .body | tojson\n"), &answered(200, &deep)).outcome,
        Unknown
    );
    assert_eq!(
        judge(&call("post", "      ok: .body | type == \"array\"\n"), &answered(200, &deep)).outcome,
        Unknown
    );
    assert_eq!(judge(&call("post", ""), &answered(400, &deep)).outcome, Refused);
    let usual = [vec![b'['; 100], vec![b']'; 100]].concat();
    assert_eq!(judge(&call("post", "      output: .body | tojson\n"), &answered(200, &usual)).outcome, Ok);
}

#[test]
fn retry_after_is_passed_on() {
    let answer = Answer { status: 503, retry_after: Some(Duration::from_secs(3)), ..Answer::default() };
    let verdict = judge(&call("post", ""), &Reply::Answered(answer));
    assert_eq!((verdict.outcome, verdict.retry_after), (NotSent, Some(Duration::from_secs(3))));
}

#[test]
fn the_reason_is_in_the_participants_own_words() {
    for (body, expected) in [
        (r#"{"detail":"Stock insuffisant"}"#, "Stock insuffisant"),
        (r#"{"message":"m","detail":"d"}"#, "d"),
        (r#"{"message":"m","error":"e"}"#, "m"),
        (r#"{"error":"e","title":"t"}"#, "e"),
        (r#"{"title":"t"}"#, "t"),
        (r#"{"detail":null,"message":"m"}"#, "m"),
        // FastAPI's validation errors, and other structures: as they stand.
        (
            r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
            r#"[{"loc":["body"],"msg":"field required"}]"#,
        ),
        (r#"{"detail":{"code":7}}"#, r#"{"code":7}"#),
        (r#"{"detail":12}"#, "12"),
        // One line, and nothing that steers a terminal or that PostgreSQL cannot keep.
        (r#"{"detail":"\u00e9\n"}"#, "é"),
        (r#"{"detail":"a\u0000b\nc\u001b[2J\u202ed"}"#, "a\u{fffd}b c\u{fffd}[2J\u{fffd}d"),
        ("plain words ", "plain words"),
        ("[1]", "[1]"),
        ("", "HTTP 400"),
        ("  \n", "HTTP 400"),
        (r#"{"detail":"cut"#, r#"{"detail":"cut"#),
    ] {
        assert_eq!(reason(body.as_bytes()), expected, "{body}");
    }
    assert_eq!(reason(b"\xff!"), "\u{fffd}!");
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    for text in ["é".repeat(400), format!("a{}", "é".repeat(400)), "x".repeat(100_000), "🦀".repeat(200)]
    {
        let reason = reason(text.as_bytes());
        assert!(reason.len() <= REASON_BYTES_MAX && reason.len() > REASON_BYTES_MAX - 8, "{}", reason.len());
        assert!(reason.ends_with('…') && text.starts_with(reason.trim_end_matches('…')));
    }
    assert_eq!(reason("x".repeat(REASON_BYTES_MAX).as_bytes()), "x".repeat(REASON_BYTES_MAX));
}

/// The answers of the real neighbours, as `voisins.yaml` reads them.
#[test]
fn the_real_neighbours_are_understood() {
    let voisins = parse(VOISINS);
    let judge = |step: &str, status, body: &str| {
        let step = &voisins.steps[voisins.step_named(step).expect("a step")];
        verdict(step.action().expect("a call"), &answered(status, body.as_bytes()))
    };
    let cart = r#"{"client_id":4,"articles":[{"id":1,"produit_id":1,"nom":"Café","quantite":3,"prix_unitaire":19.99,"ajoute_le":"x"}]}"#;
    assert_eq!(
        judge("panier", 200, cart).output.expect("an output").text(),
        r#"{"produits":[{"produit_id":1,"quantite":3,"prix":19.99}],"montant":59.97}"#
    );
    assert_eq!(judge("panier", 200, r#"{"client_id":4,"articles":[]}"#).outcome, Refused);
    assert_eq!(judge("panier", 200, "[]").outcome, Refused);

    let refused = judge("stock", 500, r#"{"detail":"400: Stock insuffisant"}"#);
    assert_eq!((refused.outcome, refused.reason.as_deref()), (Refused, Some("400: Stock insuffisant")));
    for body in [r#"{"detail":"database is locked"}"#, r#"{"detail":[1]}"#, "[]", "oops", "", "4"] {
        assert_eq!(judge("stock", 500, body).outcome, Unknown, "{body}");
    }
    assert_eq!(judge("stock", 200, r#"{"ok":true}"#).outcome, Ok);

    let refused = judge("paiement", 200, r#"{"ok":false,"detail":"Solde insuffisant"}"#);
    assert_eq!((refused.outcome, refused.reason.as_deref()), (Refused, Some("Solde insuffisant")));
    for body in [r#"{"ok":true}"#, "{}", "[]", "", "texte"] {
        assert_eq!(judge("paiement", 200, body).outcome, Ok, "{body}");
    }

    assert_eq!(judge("vente", 201, r#"{"id":12}"#).output.expect("an output").text(), r#"{"id":12}"#);
    for body in ["{}", r#"{"id":null}"#, "[]", "", "x"] {
        assert_eq!(judge("vente", 201, body).outcome, Unknown, "{body}");
    }
    assert_eq!(judge("vente", 500, r#"{"detail":"Panne provoquée"}"#).outcome, Refused);
    for (status, body) in
        [(500, "{}"), (500, r#"{"detail":""}"#), (500, "oops"), (500, ""), (502, r#"{"detail":"x"}"#)]
    {
        assert_eq!(judge("vente", status, body).outcome, Unknown, "{status} {body}");
    }
}

/// From answers to requests: the sale is cancelled by the id that only its answer gave.
#[test]
fn the_neighbours_sale_is_cancelled_by_its_own_id() {
    let voisins = parse(VOISINS);
    let input = voisins.read_input(br#"{"client_id":4,"magasin_id":2}"#).expect("an input");
    let (mut saga, _) = Saga::start(NewSaga::of(saga_id(), input), at(0, 0));
    let mut requests = Vec::new();
    let answers = [
        (200, r#"{"articles":[{"produit_id":1,"quantite":3,"prix_unitaire":19.99}]}"#),
        (200, r#"{"ok":true}"#),
        (200, r#"{"ok":true}"#),
        (201, r#"{"id":12}"#),
        (200, "{}"),
        (200, r#"{"ok":true}"#),
        (200, "{}"),
    ];
    for (i, (status, body)) in answers.into_iter().enumerate() {
        let call = saga.effects().first_call().expect("a call");
        let request = saga.request(&call).expect("a request");
        let sent = request.body.map_or(String::new(), |body| body.text().to_owned());
        requests.push(format!("{} {} {sent}", request.method, request.path));
        if i == 3 {
            saga.handle(&command(CommandKind::Cancel, at(0, 0).now), at(0, 0)).expect("it can be cancelled");
        }
        let definition = saga.call(call.step, call.direction).expect("a call");
        let verdict = verdict(definition, &answered(status, body.as_bytes()));
        saga.handle(&reply(&call, verdict), at(0, 0)).expect("the reply is waited for");
    }
    insta::assert_snapshot!(requests.join("\n"), @r#"
    GET /api/panier/4 
    POST /api/stock/reserver {"produits":[{"produit_id":1,"quantite":3,"prix":19.99}]}
    POST /api/clients/4/payer {"montant":59.97}
    POST /api/ventes {"produits":[{"produit_id":1,"quantite":3,"prix":19.99}],"client_id":4,"magasin_id":2}
    DELETE /api/ventes/12 
    POST /api/clients/4/rembourser {"montant":59.97}
    POST /api/stock/liberer {"produits":[{"produit_id":1,"quantite":3,"prix":19.99}]}
    "#);
    assert_eq!((&**saga.state(), saga.rollback()), ("ANNULEE", Rollback::Done));
}
