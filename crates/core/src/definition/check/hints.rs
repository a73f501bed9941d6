//! Corrections for an expression that does not compile, as far as they can be guessed.

use jaq_core::data::JustLut;
use jaq_json::Val;

use super::super::program::SyntaxError;
use super::super::suggest::nearest;
use super::super::yaml;

/// Forms of jq's texts and operators in other languages, and jq's own forms.
const ELSEWHERE: &[(&str, &str)] = &[
    ("${", "`${NAME}` is read in `url` and `headers` alone; an expression reads `.input.NAME`"),
    ("{{", "nothing is inserted by `{{ }}`; an expression reads `.input.NAME`, a path `\\(.input.NAME)`"),
    ("&&", "jq writes `and`"),
    ("||", "jq writes `or`"),
    ("===", "jq writes `==`"),
    ("= =", "jq writes `==`"),
    ("!==", "jq writes `!=`"),
    ("'", "jq writes texts with \" \""),
];

/// Names of filters in other languages, and jq's names.
const ELSEWHERE_CALLED: &[(&str, &str)] = &[
    ("sum", "add"),
    ("concat", "add"),
    ("len", "length"),
    ("size", "length"),
    ("count", "length"),
    ("filter", "select(...)"),
    ("where", "select(...)"),
    ("lower", "ascii_downcase"),
    ("upper", "ascii_upcase"),
    ("string", "tostring"),
    ("number", "tonumber"),
    ("int", "tonumber"),
    ("exists", "has(...)"),
    ("replace", "sub(...)"),
    ("substr", ".[from:to]"),
    ("date", "todate"),
];

/// The end of a message about `code`: a correction, or nothing.
pub(super) fn instead(code: &str, error: &SyntaxError, cut: Option<&str>, names: &[String]) -> String {
    if let Some(why) = cut {
        return format!("; {why}");
    }
    // An expression that compiles and is refused has its own message.
    if !error.message.starts_with("unknown ") && !error.message.starts_with("expected ") {
        return String::new();
    }
    let unknown = error.message.strip_prefix("unknown filter `").and_then(|rest| rest.strip_suffix('`'));
    let known = |name: &str| names.iter().any(|known| known == name);
    if let Some(name) = unknown.filter(|name| known(name)) {
        return format!("; did you mean `.{name}`?");
    }
    if code.contains(['“', '”', '‘', '’', '«', '»', '„']) {
        return "; only \" is a quotation mark here".into();
    }
    if looks_like_text(code) {
        let near = unknown.filter(|name| code.trim() == *name).and_then(|name| nearest(name, filters()));
        return match near {
            Some(near) => {
                format!("; did you mean `{near}`? A text needs jq's quotes: {}", in_both_quotes(code))
            }
            None => format!("; a text needs jq's quotes: {}", in_both_quotes(code)),
        };
    }
    if let Some((_, hint)) = ELSEWHERE.iter().find(|(sign, _)| code.contains(sign)) {
        return format!("; {hint}");
    }
    if code.trim_start().starts_with('!') {
        return "; jq writes `not` behind what it negates: `.x | not`".into();
    }
    let meant = unknown.and_then(|name| Some(ELSEWHERE_CALLED.iter().find(|(other, _)| *other == name)?.1));
    if let Some(meant) = meant {
        return format!("; jq's is called `{meant}`");
    }
    match unknown.and_then(|name| nearest(name, filters().chain(names.iter().map(String::as_str)))) {
        Some(near) if known(near) => format!("; did you mean `.{near}`?"),
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}

/// Whether `code` consists of words, without any sign of a program.
fn looks_like_text(code: &str) -> bool {
    let code = code.trim();
    !code.is_empty()
        && !code.starts_with('.')
        && code.chars().any(char::is_alphabetic)
        && !code.contains(['|', '(', ')', '[', ']', '{', '}', '$', '=', '"', '\'', '\\', '<', '>', '&', '#'])
        && !code.contains(" .")
}

/// A text as a jq program, in YAML quotes.
fn in_both_quotes(text: &str) -> String {
    yaml::shown(&yaml::in_quotes(&format!("\"{}\"", text.trim())))
}

/// The names of all filters that jq can call.
fn filters<'a>() -> impl Iterator<Item = &'a str> {
    let functions = jaq_core::funs::<JustLut<Val>>().map(|function| function.0);
    let functions = functions.chain(jaq_std::funs::<JustLut<Val>>().map(|function| function.0));
    let functions = functions.chain(jaq_json::funs::<JustLut<Val>>().map(|function| function.0));
    let defined = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    functions.chain(defined.map(|definition| definition.name)).filter(|name: &&str| !name.starts_with('_'))
}
