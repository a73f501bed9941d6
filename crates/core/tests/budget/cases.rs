//! Programs and answers that ask for too much, each in its own way.

use saga_core::budget::Budget;

use crate::measured::{HELD_BYTES_MAX, alone, evaluate, template};

const MONTANT: &str = "[.body[] | .quantite * .prix] | add * 100 | round / 100";

/// Evaluates with the full budget; nothing may take more than that. Gives the value or the error.
fn run(code: &str, body: &str) -> String {
    let measured = evaluate(&template(code), body, Budget::FULL);
    let shown: String = body.chars().take(60).collect();
    assert!(measured.held <= HELD_BYTES_MAX, "{code} on {shown}: {} bytes at one time", measured.held);
    eprintln!(
        "{:>9} steps {:>9} bytes charged {:>9} held {:>9.1?}  {code}",
        measured.steps, measured.bytes, measured.held, measured.took
    );
    measured.result.map_or_else(|error| error, |json| json.text().to_owned())
}

#[test]
fn what_asks_for_too_much_is_an_error_that_names_the_limit() {
    let _turn = alone();
    let steps = "EXPRESSION_STEPS_MAX";
    let bytes = "EXPRESSION_BYTES_MAX";
    let text = "EXPRESSION_TEXT_BYTES_MAX";
    let mut wrong = Vec::new();
    for (code, body, limit) in [
        (MONTANT, r#"[{"produit_id":1,"quantite":5000000,"prix":"19.99"}]"#, text),
        ("last(range(.body.n))", r#"{"n":400000000}"#, steps),
        ("[range(.body.n)] | length", r#"{"n":400000000}"#, "EXPRESSION_"),
        ("\"x\" * .body", "1000000000000000000", text),
        ("\"x\" * .body", "100000000000000000000000000", text),
        ("reduce range(60) as $i (\"x\"; . + .) | length", "null", text),
        ("reduce range(60) as $i ([1]; . + .) | length", "null", bytes),
        ("reduce range(30) as $i ([1]; [., .]) | tojson | length", "null", "EXPRESSION_"),
        ("reduce range(30) as $i ([1]; [., .])", "null", "EXPRESSION_"),
        ("reduce range(30) as $i ([1]; [., .]) | . == (tojson | fromjson)", "null", "EXPRESSION_"),
        (
            "reduce range(40) as $i ([1]; [., .]) as $a | reduce range(40) as $i ([1]; [., .]) | . == $a",
            "null",
            steps,
        ),
        (
            "reduce range(40) as $i ([1]; [., .]) as $a | reduce range(40) as $i ([1]; [., .]) | . < $a",
            "null",
            steps,
        ),
        ("reduce range(40) as $i ([1]; [., .]) | {(.): 1} | length", "null", steps),
        ("reduce range(40) as $i ([1]; [., .]) | flatten | length", "null", steps),
        ("reduce range(40) as $i ([1]; [., .]) | [..] | length", "null", "EXPRESSION_"),
        ("reduce range(40) as $i ([1]; [., .]) | [[.] | contains([[1]])] | length", "null", ""),
        ("reduce range(40) as $i ([1]; [., .]) | try error(.) catch 1", "null", ""),
        ("reduce range(40) as $i ([1]; [., .]) | .a", "null", ""),
        ("reduce range(40) as $i ([1]; [., .]) | try .a catch length", "null", "EXPRESSION_"),
        ("reduce range(1000) as $i (1; [.])", "null", "EXPRESSION_DEPTH_MAX"),
        ("reduce range(1000000) as $i (1; [.]) | 1", "null", "EXPRESSION_DEPTH_MAX"),
        ("reduce range(1000) as $i (1; {a: .}) | 1", "null", "EXPRESSION_DEPTH_MAX"),
        ("reduce range(1000) as $i ({}; {a: .} | del(.a)) | 1", "null", "1"),
        ("\"[\" * 1000 | fromjson", "null", "EXPRESSION_DEPTH_MAX"),
        ("[limit(1000000000; range(1000000000000))] | length", "null", "EXPRESSION_"),
        ("try last(range(1000000000)) catch 1", "null", steps),
        ("last(range(1000000000)) // 1", "null", steps),
        ("[last(range(1000000000))?] | length", "null", steps),
        ("first(range(1000000000) | select(. < 0))", "null", steps),
        ("[range(100) | range(100) | range(100) | range(100)] | length", "null", "EXPRESSION_"),
        ("reduce range(20000) as $i ({}; . + {(nan | tostring | $i | . / 0): 1}) | length", "null", ""),
        ("[range(50000) | {(nan): 1}] | add | length", "null", steps),
        ("[[range(9)] | [., ., ., ., ., ., ., ., .] | combinations] | length", "null", "EXPRESSION_"),
        ("[combinations(20)] | length", "null", ""),
        ("[[0, 1] | combinations(40)] | length", "null", "EXPRESSION_"),
        ("setpath([1000000000]; 1)", "null", "not JSON"),
        (".body | setpath([1000000000]; 1)", "[]", "out of bounds"),
        (".body | .[1000000000000000000] = 1", "[]", "out of bounds"),
        (".body | .[1e18] = 1", "[]", ""),
        (".body | getpath([1000000000])", "[]", "null"),
        (".body | gsub(\"\"; \"xxxxxxxxxxxxxxxxxxxxxxxxxxxx\") | length", &quoted(100_000), "EXPRESSION_"),
        (".body | gsub(\"a(.*b)?\"; \"x\") | length", &quoted(200_000), steps),
        (".body | [match(\"(a*)*(a*)*(a*)*b\"; \"g\")] | length", &quoted(1_000_000), steps),
        (".body | test(\"((a{1,50}){1,50}){1,50}\")", &quoted(100), "regex"),
        ("\"a\" * 2000 | . as $re | \"a\" | test($re)", "null", "REGEX_BYTES_MAX"),
        (".body / \"\" | length", &quoted(2_000_000), "EXPRESSION_"),
        (".body / \"a\" | length", &quoted(2_000_000), "EXPRESSION_"),
        (".body | explode | implode | length", &quoted(900_000), ""),
        (".body | @uri | @uri | @uri | @uri | length", &quoted(1_000_000).replace('a', "%"), "EXPRESSION_"),
        (".body | @html | @html | @html | length", &quoted(300_000).replace('a', "&"), "EXPRESSION_"),
        (".body | @base64 | @base64 | @base64 | length", &quoted(1_000_000), "EXPRESSION_"),
        (".body | @base64d | length", &quoted(1_000_000), "750000"),
        (".body | length", &"9".repeat(1 << 20), "NUMBER_BYTES_MAX"),
        (".body | tostring | length", &"9".repeat(990), ""),
        ("\"9\" * 100000 | fromjson | length", "null", "cannot parse"),
        ("reduce range(40) as $i (10; . * .) | tostring", "null", "Infinity"),
        ("reduce range(100000) as $i (7; . * 3) | isinfinite", "null", "true"),
        ("[jn(1000000000; 1000000000000)] | length", "null", "cannot be used"),
        (".body | gmtime", "9300000000000", "cannot convert"),
        (".body | todate", "1e300", "cannot convert"),
        (".body | todate", "9223372036854775807", ""),
        ("[2024, 127, 1, 0, 0, 0] | mktime", "null", "cannot convert"),
        ("[2024, 127, 1, 0, 0, 0] | strftime(\"%Y\")", "null", "cannot convert"),
        ("[1e300, -1e300, 1e300, 1e300, 0, 0] | mktime", "null", "cannot convert"),
        ("\"%Y\" * 30000 | . as $f | 0 | strftime($f) | length", "null", "EXPRESSION_"),
        ("[-9223372036854775808] | implode", "null", "cannot use"),
        ("-9223372036854775808 | length | tostring", "null", "9223372036854775808"),
        ("-9223372036854775808 | -. | tostring", "null", "9223372036854775808"),
        ("-9223372036854775808 % -1", "null", "0"),
        ("\"+1.5\" | fromjson | -. | floor", "null", "-2"),
        ("[range(300000)] | sort_by(-.) | length", "null", "EXPRESSION_"),
        ("[range(30000) | tostring] | [., .] | transpose | length", "null", "30000"),
        ("[range(3000)] | [.[] as $x | .[] as $y | $x + $y] | length", "null", "EXPRESSION_"),
        ("reduce range(1000000) as $x (0; (., empty))", "null", "EXPRESSION_"),
        // Its message has the value in it.
        ("reduce range(40) as $i (1; [., .]) | startswith(1)", "null", ""),
        ("reduce range(40) as $i (1; [., .]) | try startswith(1) catch length", "null", text),
        // An update keeps all that it goes over, and where it was.
        ("(if range(1000000000) then empty else . end) = 1", "null", bytes),
        ("(if range(1000000000) then empty else . end) |= 1", "null", bytes),
        ("(if range(1000000000) then empty else . end) += 1", "null", bytes),
        ("(range(1000000000) as $i | empty) = 1", "null", bytes),
        ("(foreach range(1000000000) as $i (.; empty)) = 1", "null", ""),
        ("(reduce range(1000000000) as $i (.; empty)) = 1", "null", ""),
        (
            "[range(1000) as $i | {(($i | tostring) * 100): $i}] | [add, add, add] | unique | length",
            "null",
            "",
        ),
        ("[splits(\"a\"; null)] | length", "null", "cannot use"),
        ("ldexp(1; 2000000000)", "null", "not JSON"),
        ("pow(10; 400)", "null", "not JSON"),
        ("[limit(1000000; \"x\" * 1000 | ascii_upcase)] | length", "null", ""),
        ("[range(100000)] - [range(100000)] | length", "null", "0"),
        ("[range(20000)] | indices([0]) | length", "null", "1"),
        ("[range(20000) | tostring] | join(\",\") | length", "null", "108889"),
        ("[paths] | length", "null", ""),
        ("[range(100000)] | to_entries | from_entries", "null", ""),
        ("[range(99999999999999999999999999; 1e300)] | length", "null", "EXPRESSION_"),
        ("[[1], [2]] | sort_by(range(1000000000)) | length", "null", "EXPRESSION_"),
        ("[[1], [2]] | group_by(range(1000000000)) | length", "null", "EXPRESSION_"),
        ("[[1], [2]] | unique_by(range(1000000000)) | length", "null", "EXPRESSION_"),
        ("[[1], [2]] | min_by(range(1000000000)) | length", "null", "EXPRESSION_"),
        ("[[1], [2]] | max_by(range(1000000000)) | length", "null", "EXPRESSION_"),
        ("[path(reduce range(500) as $i (.; .a))[]] | length", "null", "500"),
        ("path(reduce range(1000000) as $i (.; .a)) | length", "null", "EXPRESSION_PATH_PARTS_MAX"),
        ("path(reduce range(1000000) as $i (.; .[1:])) | length", "null", "null"),
        ("path(.body | reduce range(1000000) as $i (.; .[1:])) | length", "[]", "EXPRESSION_PATH_PARTS_MAX"),
        ("[range(2000)] | [.[] as $x | bsearch($x)] | length", "null", "2000"),
    ] {
        let told = run(code, body);
        if !told.contains(limit) {
            wrong.push(format!("{code}: not `{limit}`, but {told:.300}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn quoted(length: usize) -> String {
    format!("\"{}\"", "a".repeat(length))
}

#[test]
fn functions_that_call_themselves_end_all_the_same() {
    let _turn = alone();
    let mut wrong = Vec::new();
    for code in [
        "def f: f; f",
        "def f: f | f; f",
        "def f: [f]; f",
        "def f: 1 + f; f",
        "def f: f, 1; f",
        "def f: 1, f; [f] | length",
        "def f: if . > 10000000 then . else . + 1 | f end; 0 | f",
        "def f($n): if $n > 10000000 then 1 else f($n + 1) end; f(0)",
        "def f(g): f(g | g); f(.)",
        "def f(g; $n): if $n > 1000000 then 1 else f(g | g; $n + 1) end; f(.; 0)",
        "def f: def g: f; g; f",
        "[def f: .[0] | f; path(f)] | length",
        "def f: reduce f as $x (0; 1); f",
        "def f: try f catch f; f",
        "def f: f // f; f",
        "def f: {a: f}; f",
        "def f: \"\\(f)\"; f",
        "[repeat(1)] | length",
        "last(repeat(1))",
        "[recurse(.)] | length",
        "[recurse(., .)] | length",
        "0 | until(false; . + 1)",
        "[0 | while(true; . + 1)] | length",
        "first(0 | recurse(. + 1; true) | select(. < 0))",
        "0 | until(false; .)",
        "last(label $l | repeat(1))",
        "isempty(repeat(empty))",
        "[limit(0; repeat(1))] | length",
    ] {
        let told = run(code, "null");
        let is_over = told.contains("EXPRESSION_") || told.contains("calls itself");
        if !is_over && told != "0" {
            wrong.push(format!("{code}: {told:.300}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_large_cart_is_summed_within_the_budget() {
    let _turn = alone();
    let lines = vec![r#"{"produit_id":1,"quantite":3,"prix":19.99}"#; 24_000];
    let cart = format!("[{}]", lines.join(","));
    assert!(cart.len() > 1_000_000);
    assert_eq!(run(MONTANT, &cart), "1439280.0");
    assert_eq!(run("[.body[] | {produit_id, quantite}] | length", &cart), "24000");
    assert_eq!(run(".body | map(.quantite) | unique", &cart), "[3]");
    assert_eq!(run(".body | group_by(.produit_id) | map(length)", &cart), "[24000]");
    assert_eq!(run(".body | sort_by(.prix) | .[0].prix", &cart), "19.99");
    assert_eq!(
        run("reduce .body[] as $l ({}; .[$l.produit_id | tostring] += $l.quantite)", &cart),
        r#"{"1":72000}"#
    );
}

#[test]
fn a_usual_cart_stays_on_the_thread_that_asks() {
    let _turn = alone();
    let lines = vec![r#"{"produit_id":1,"quantite":3,"prix":19.99}"#; 50];
    let measured = evaluate(&template(MONTANT), &format!("[{}]", lines.join(",")), Budget::INLINE);
    assert_eq!(measured.result.unwrap().text(), "2998.5");
    assert_eq!(measured.over, None);
}

#[test]
fn hostile_bodies_are_read_within_the_budget() {
    let _turn = alone();
    let mib = 1 << 20;
    for (name, body) in [
        ("empty arrays", format!("[{}[]]", "[],".repeat(mib / 3))),
        ("empty objects", format!("[{}{{}}]", "{},".repeat(mib / 3))),
        ("small objects", format!("[{}0]", "{\"\":0},".repeat(mib / 8))),
        ("small texts", format!("[{}0]", "\"a\",".repeat(mib / 4))),
        ("decimals", format!("[{}0]", "1.5,".repeat(mib / 4))),
        ("one digit", format!("[{}0]", "1,".repeat(mib / 2))),
        ("long integers", format!("[{}0]", "12345678901234567890,".repeat(mib / 21))),
        ("the same key", format!("{{{}\"a\":0}}", "\"a\":1,".repeat(mib / 6))),
        ("other keys", {
            let members: Vec<String> = (0..mib / 10).map(|i| format!("\"{i:x}\":0")).collect();
            format!("{{{}}}", members.join(","))
        }),
        ("deep", format!("{}1{}", "[".repeat(120), "]".repeat(120))),
        ("deep objects", format!("{}1{}", "{\"a\":".repeat(120), "}".repeat(120))),
        ("deep, often", {
            let one = format!("{}{}", "[".repeat(100), "]".repeat(100));
            format!("[{one}{}]", format!(",{one}").repeat(mib / 201))
        }),
        ("a lone surrogate", "\"\\ud800\"".to_owned()),
        ("escapes", format!("\"{}\"", "\\u0041".repeat(mib / 6))),
        ("too deep", "[".repeat(mib)),
        ("digits", "1".repeat(mib)),
    ] {
        let told = run(".body | length | tostring", &body);
        eprintln!("{name}: {}", told.chars().take(100).collect::<String>());
    }
}
