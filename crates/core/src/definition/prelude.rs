//! Filters that expressions have beside jq's own: they let a value through, or say why not.
//!
//! jq compares values of different kinds without a word (`"19.99" >= 0` is true), and multiplies a text by repeating it.
//! What a participant answers is foreign; a definition says here what it has to be.

use jaq_core::load::parse::{Def, Term};
use jaq_core::load::{self};

/// `number(VALUE; FROM; TO)` is the value if it is a number in that range, `whole(VALUE; FROM; TO)` if it is a whole one.
///
/// What is neither below one number nor above another is a number itself: jq orders all other kinds below or above them.
const DEFS: &str = r#"
def number(value; $from; $to):
  value
  | if $from <= . and . <= $to then . else error("\(tojson) is no number from \($from) to \($to)") end;
def whole(value; $from; $to):
  value
  | if $from <= . and . <= $to and . == floor then .
    else error("\(tojson) is no whole number from \($from) to \($to)") end;
"#;

/// The definitions, for a program's compilation.
pub(super) fn defs() -> impl Iterator<Item = Def<&'static str, Term<&'static str>>> {
    load::parse(DEFS, |parser| parser.defs()).expect("the prelude is jq").into_iter()
}
