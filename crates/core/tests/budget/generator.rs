//! Programs and answers by chance: from a seed, so that each one can be run again.

use std::fmt::Write as _;

use saga_testkit::dice::Dice;

/// Terms inside each other in one program.
const TERMS_DEEP_MAX: u32 = 5;
/// Values inside each other in one answer.
const VALUES_DEEP_MAX: u32 = 4;

/// Words by chance.
pub(crate) struct Chance(Dice);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Dice::new(seed))
    }

    fn below(&self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn one_of<'a>(&self, all: &[&'a str]) -> &'a str {
        self.0.one(all)
    }

    fn word<'a>(&self, of: &'a str) -> &'a str {
        let count = of.split_whitespace().count();
        let word = of.split_whitespace().nth(self.below(count)).unwrap_or_default();
        if ENDLESS.contains(&word) && self.below(ENDLESS_LEFT_OUT + 1) > 0 { self.word(of) } else { word }
    }
}

const ATOMS: &str = r#"
    . .body .status .body.a .body.b .a .a.b .[0] .[-1] .[] .[]? .[1:3] .[:-1] .. null true false 0 1 -1 2.5
    1e3 1e18 1e300 100000 1000000000 9223372036854775807 -9223372036854775808 99999999999999999999999999 ""
    "a" "é😀" "a,b,c" "2015-03-05T23:51:47Z" "%Y" "(a*)*" [] {} [1,2,3] [[1],[2,3]] {a:1,b:[2]} empty nan
    infinite range(5) range(1000) range(1000000000) error
"#;

const FILTERS: &str = r#"
    length utf8bytelength not keys keys_unsorted values add any all flatten floor ceil round sqrt fabs abs
    exp10 log2 gamma significand logb trunc sort unique reverse min max group_by(.) transpose tojson fromjson
    tostring tonumber ascii_downcase ascii_upcase explode implode type to_entries from_entries with_entries(.)
    paths first last combinations todate fromdate gmtime mktime trim ltrim rtrim isnan isinfinite isnormal
    @text @json @html @uri @sh @base64 @base64d objects arrays strings numbers scalars booleans nulls
    iterables ltrimstr("a") rtrimstr("a") getpath(["a","b"]) paths(..) del(.[0]?) delpaths([["a"]])
    splits("a") limit(3;.) limit(3;.[]?) error tobytes recurse walk(.) infinite strptime("%Y-%m-%dT%H:%M:%SZ")
    strftime("%A-%B-%d-%Y") frexp modf ldexp(.;3) scalb(.;2) nearbyint drem(.;3) pow(.;20) atan2(.;2)
    getpath([0]) bsearch(1) inside([.]) skip(1;.[]?)
"#;

const WITH_ONE: &str = r#"
    map map_values select sort_by group_by unique_by min_by max_by has in contains inside index rindex indices
    split join test match capture scan startswith endswith ltrimstr rtrimstr flatten range path paths del
    with_entries walk recurse repeat first last isempty any all add error combinations getpath pick splits
    bsearch strftime strptime
"#;

const WITH_TWO: &str = r#"
    limit range setpath sub gsub test match while until recurse pow ldexp any all splits skip nth scan atan2
    split
"#;

/// Programs that hardly ever come to an end by themselves. Each evaluation of one costs as much as ten thousand others,
/// so it is chosen less often.
const ENDLESS: [&str; 5] = ["range(1000000000)", "recurse", "repeat", "while", "until"];
/// How often something else is chosen instead.
const ENDLESS_LEFT_OUT: usize = 9;

const OPERATORS: &str = r#"
    + - * / % == != < <= > >= and or // | , = |= += -= *= /= %= //=
"#;

/// A program by chance. Most can be compiled.
pub(crate) fn program(chance: &Chance) -> String {
    let mut code = String::new();
    // One value of it, so that most programs give exactly one.
    if chance.below(3) > 0 {
        code.push_str("[limit(20; ");
        term(chance, TERMS_DEEP_MAX, &mut code);
        code.push_str(")]");
    } else {
        term(chance, TERMS_DEEP_MAX, &mut code);
    }
    code
}

fn term(chance: &Chance, deep: u32, code: &mut String) {
    let Some(deeper) = deep.checked_sub(1) else {
        code.push_str(chance.word(ATOMS));
        return;
    };
    let inner = |chance: &Chance, code: &mut String, parts: &[&str]| {
        for part in parts {
            match *part {
                "_" => term(chance, deeper, code),
                text => code.push_str(text),
            }
        }
    };
    match chance.below(20) {
        0 | 1 => term(chance, 0, code),
        2..=4 => {
            inner(chance, code, &["(", "_", " | "]);
            code.push_str(chance.word(FILTERS));
            code.push(')');
        }
        5..=7 => {
            let operator = chance.word(OPERATORS);
            inner(chance, code, &["(", "_", " ", operator, " ", "_", ")"]);
        }
        8 | 9 => {
            let name = chance.word(WITH_ONE);
            inner(chance, code, &["(", "_", " | ", name, "(", "_", "))"]);
        }
        10 => {
            let name = chance.word(WITH_TWO);
            inner(chance, code, &["(", "_", " | ", name, "(", "_", "; ", "_", "))"]);
        }
        11 => inner(chance, code, &["[", "_", "]"]),
        12 => inner(chance, code, &["{a: ", "_", ", (\"k\" | ", "_", " | tostring): 1}"]),
        13 => inner(chance, code, &["(if ", "_", " then ", "_", " else ", "_", " end)"]),
        14 => inner(chance, code, &["(try ", "_", " catch ", "_", ")"]),
        15 => inner(chance, code, &["(reduce ", "_", " as $i (", "_", "; ", "_", "))"]),
        16 => inner(chance, code, &["(foreach ", "_", " as $i (", "_", "; ", "_", "))"]),
        17 => inner(chance, code, &["(", "_", " as $y | ", "_", " | [., $y])"]),
        18 => inner(
            chance,
            code,
            &["(reduce range([", "_", " | length, 300] | min) as $i (", "_", "; [., .]))"],
        ),
        _ => inner(chance, code, &["\"x\\(", "_", ")\""]),
    }
}

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3.25",
    "-0.0",
    "1e5",
    "1e308",
    "1e-308",
    "1e400",
    "123456789012345678901234567890",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "0.1",
    "1700000000",
    "1000000",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "19.99",
    "aaaaaaaaaaaaaaaaaaaaaaaa",
    "é😀",
    "\\u0000",
    "\\ud83d\\ude00",
    "a,b;c d",
    "2015-03-05T23:51:47Z",
    "[1,2]",
    "YWJj",
    "%41%",
    "<&>",
    "\\\"",
    "\\n\\t",
];

/// An answer's body by chance: always JSON.
pub(crate) fn body(chance: &Chance) -> String {
    let mut json = String::new();
    value(chance, VALUES_DEEP_MAX, &mut json);
    json
}

fn value(chance: &Chance, deep: u32, json: &mut String) {
    let kind = if deep == 0 { chance.below(5) } else { chance.below(12) };
    match kind {
        0 => json.push_str(chance.one_of(&["null", "true", "false"])),
        1 | 2 => json.push_str(chance.one_of(NUMBERS)),
        3 => {
            _ = write!(json, "\"{}\"", chance.one_of(TEXTS));
        }
        4 => {
            // Long ones are rare: most steps are spent on what is done with them.
            let length = [10, 100, 1_000, 50_000][chance.below(8).min(3)];
            _ = write!(json, "\"{}\"", "ab ".repeat(length / if chance.below(4) == 0 { 1 } else { 10 }));
        }
        5..=7 => items(chance, deep, json, ['[', ']'], |_, _| {}),
        8 | 9 => items(chance, deep, json, ['{', '}'], |chance, json| {
            _ = write!(json, "\"{}\":", chance.one_of(&["a", "b", "c", "quantite", "prix", ""]));
        }),
        10 => {
            let count = chance.below(400);
            let item = r#"{"a":1,"quantite":3,"prix":"19.99"}"#;
            _ = write!(json, "[{}{item}]", format!("{item},").repeat(count));
        }
        _ => {
            let depth = chance.below(100);
            _ = write!(json, "{}1{}", "[".repeat(depth), "]".repeat(depth));
        }
    }
}

fn items(
    chance: &Chance,
    deep: u32,
    json: &mut String,
    [open, close]: [char; 2],
    key: impl Fn(&Chance, &mut String),
) {
    json.push(open);
    for number in 0..chance.below(5) {
        if number > 0 {
            json.push(',');
        }
        key(chance, json);
        value(chance, deep - 1, json);
    }
    json.push(close);
}
