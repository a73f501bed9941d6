//! The kinds of values that a condition can give, as far as its syntax shows it: `ok: 204` is a number whatever the
//! answer, and a number is no condition.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::path::{Opt, Part, Path};
use jaq_json::Val;

use crate::definition::program::constant;

/// A set of JSON's kinds; the empty set belongs to a program that never gives a value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kinds(u8);

impl Kinds {
    const NOTHING: Self = Self(0);
    const NULL: Self = Self(1);
    const BOOLEAN: Self = Self(2);
    const NUMBER: Self = Self(4);
    const STRING: Self = Self(8);
    const ARRAY: Self = Self(16);
    const OBJECT: Self = Self(32);
    const ANY: Self = Self(63);

    const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn name(self) -> &'static str {
        match self {
            Self::NULL => "null",
            Self::NUMBER => "a number",
            Self::STRING => "a text",
            Self::ARRAY => "a list",
            Self::OBJECT => "an object",
            _ if !self.has(Self::BOOLEAN) => "neither true nor false",
            _ => "true or false",
        }
    }
}

/// The input at some place of a condition.
#[derive(Clone, Copy)]
enum Given {
    /// The answer: an object with `.status`, `.headers` and `.body`.
    Answer,
    /// The answer's headers: an object of texts.
    Headers,
    /// A value of these kinds.
    Value(Kinds),
}

impl Given {
    const ANY: Self = Self::Value(Kinds::ANY);

    fn kinds(self) -> Kinds {
        match self {
            Self::Answer | Self::Headers => Kinds::OBJECT,
            Self::Value(kinds) => kinds,
        }
    }

    /// The value at one more part of a path.
    fn at(self, part: &Part<Term<&str>>) -> Self {
        let key = match part {
            Part::Index(key) => constant(key),
            Part::Range(..) => None,
        };
        match (self, part, key) {
            (Self::Answer, _, Some("status")) => Self::Value(Kinds::NUMBER),
            (Self::Answer, _, Some("headers")) => Self::Headers,
            (Self::Answer, ..) => Self::ANY,
            (Self::Headers, ..) => Self::Value(Kinds::STRING.or(Kinds::NULL)),
            // A member of null is null; numbers and booleans have no members.
            (Self::Value(kinds), Part::Index(_), _)
                if !kinds.has(Kinds::OBJECT.or(Kinds::ARRAY).or(Kinds::STRING)) =>
            {
                Self::Value(if kinds.has(Kinds::NULL) { Kinds::NULL } else { Kinds::NOTHING })
            }
            (Self::Value(Kinds::STRING), Part::Index(_), Some(_)) => Self::Value(Kinds::NOTHING),
            (Self::Value(_), ..) => Self::ANY,
        }
    }
}

/// The result of `term` for `input`.
fn given(term: &Term<&str>, input: Given) -> Given {
    let kinds = |term: &Term<&str>| given(term, input).kinds();
    Given::Value(match term {
        Term::Id => return input,
        Term::Num(_) | Term::Neg(_) => Kinds::NUMBER,
        Term::Str(..) => Kinds::STRING,
        Term::Arr(_) => Kinds::ARRAY,
        Term::Obj(_) => Kinds::OBJECT,
        Term::BinOp(left, op, right) => match op {
            BinaryOp::Pipe(None) => return given(right, given(left, input)),
            BinaryOp::Pipe(Some(_)) => return given(right, input),
            BinaryOp::Comma => kinds(left).or(kinds(right)),
            // A left side that is neither null nor false is the result, and the right side is never evaluated.
            BinaryOp::Alt if !kinds(left).has(Kinds::NULL.or(Kinds::BOOLEAN)) && cannot_fail(left) => {
                kinds(left)
            }
            BinaryOp::Alt => kinds(left).without(Kinds::NULL).or(kinds(right)),
            BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => Kinds::BOOLEAN,
            BinaryOp::Math(_) => Kinds::ANY.without(Kinds::BOOLEAN),
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                match input {
                    Given::Answer | Given::Headers => Kinds::OBJECT,
                    Given::Value(_) => Kinds::ANY.without(Kinds::BOOLEAN),
                }
            }
        },
        Term::Label(_, inner) => return given(inner, input),
        Term::Break(_) => Kinds::NOTHING,
        Term::TryCatch(body, catch) => {
            kinds(body).or(catch.as_ref().map_or(Kinds::NOTHING, |catch| given(catch, Given::ANY).kinds()))
        }
        Term::IfThenElse(branches, otherwise) => {
            let otherwise = otherwise.as_ref().map_or(input.kinds(), |otherwise| kinds(otherwise));
            branches.iter().fold(otherwise, |all, (_, then)| all.or(kinds(then)))
        }
        Term::Call(name, args) => called(name, args, input),
        Term::Path(base, Path(parts)) => {
            return parts.iter().fold(given(base, input), |at, (part, _)| at.at(part));
        }
        // The definitions behind names are not followed.
        Term::Recurse | Term::Fold(..) | Term::Def(..) | Term::Var(_) => Kinds::ANY,
    })
}

/// Whether `term` gives a value whatever the answer is.
fn cannot_fail(term: &Term<&str>) -> bool {
    match term {
        Term::Num(_) => true,
        Term::Path(base, Path(parts)) => {
            matches!(**base, Term::Id)
                && matches!(parts.as_slice(), [(Part::Index(key), Opt::Essential | Opt::Optional)] if
                    matches!(constant(key), Some("status" | "headers")))
        }
        _ => false,
    }
}

/// The kinds that jq's own filters give.
fn called(name: &str, args: &[Term<&str>], input: Given) -> Kinds {
    match name {
        "true" | "false" | "not" => Kinds::BOOLEAN,
        "null" => Kinds::NULL,
        "empty" | "error" | "halt" => Kinds::NOTHING,
        "select" | "values" | "nulls" | "booleans" | "numbers" | "strings" | "arrays" | "objects"
        | "scalars" | "iterables" => match name {
            "nulls" => Kinds::NULL,
            "numbers" => Kinds::NUMBER,
            "strings" => Kinds::STRING,
            "arrays" => Kinds::ARRAY,
            "objects" => Kinds::OBJECT,
            _ => input.kinds(),
        },
        "length" | "utf8bytelength" | "tonumber" | "floor" | "round" | "ceil" | "sqrt" | "abs" | "fabs"
        | "pow" | "log" | "exp" | "nan" | "infinite" | "mktime" | "number" | "whole" => Kinds::NUMBER,
        "index" | "rindex" => Kinds::NUMBER.or(Kinds::NULL),
        "type" | "tostring" | "tojson" | "ascii_downcase" | "ascii_upcase" | "join" | "ascii" | "implode"
        | "sub" | "gsub" | "todate" | "@json" | "@text" | "@csv" | "@tsv" | "@html" | "@uri" | "@sh"
        | "@base64" | "@base64d" | "trim" | "ltrim" | "rtrim" => Kinds::STRING,
        "keys" | "keys_unsorted" | "map" | "sort" | "sort_by" | "group_by" | "unique" | "unique_by"
        | "to_entries" | "explode" | "split" | "flatten" | "indices" | "transpose" | "combinations"
        | "paths" => Kinds::ARRAY,
        "splits" => Kinds::STRING,
        "from_entries" | "with_entries" | "capture" | "match" => Kinds::OBJECT,
        "first" | "last" if args.len() == 1 => given(&args[0], input).kinds(),
        // Any other filter may give any kind, as far as this check knows.
        _ => Kinds::ANY,
    }
}

/// Why the program `code` can be neither true nor false, and the correction.
pub(super) fn never_a_condition(code: &str, term: &Term<&str>) -> Option<String> {
    let code = shown(code);
    if let Term::BinOp(_, BinaryOp::Comma, _) = term {
        return Some(format!(
            "`{code}` gives more than one value, and a condition is true or false; combine them with `or`: {}",
            instead(term)
        ));
    }
    if let Term::BinOp(_, BinaryOp::Assign, _) = term {
        return Some(format!("`{code}` sets a value; `==` compares: `{}`", code.replacen('=', "==", 1)));
    }
    let kinds = given(term, Given::Answer).kinds();
    if kinds.has(Kinds::BOOLEAN) {
        return None;
    }
    let what = match kinds {
        Kinds::NOTHING => "never gives a value".to_owned(),
        _ => format!("is {}", kinds.name()),
    };
    Some(format!("`{code}` {what}, and a condition is true or false; write {}", instead(term)))
}

/// The condition that the author probably meant.
fn instead(term: &Term<&str>) -> String {
    let statuses = statuses(term);
    if statuses.is_empty() {
        match term {
            Term::Call(..) | Term::BinOp(..) | Term::Path(..) if !is_status(term) => {
                "a comparison with what it has to be, such as `.status == 200`".into()
            }
            _ => "`.status == 200`".into(),
        }
    } else {
        let all: Vec<_> = statuses.iter().map(|status| format!(".status == {status}")).collect();
        format!("`{}`", all.join(" or "))
    }
}

fn is_status(term: &Term<&str>) -> bool {
    match term {
        Term::Path(base, Path(parts)) => {
            matches!(**base, Term::Id)
                && matches!(parts.as_slice(), [(Part::Index(key), _)] if constant(key) == Some("status"))
        }
        _ => false,
    }
}

/// The HTTP statuses in `term`, as numbers, texts, or lists of them.
fn statuses(term: &Term<&str>) -> Vec<u16> {
    let status = |text: &str| text.parse().ok().filter(|status| (100..600).contains(status));
    match term {
        Term::Num(number) => status(number).into_iter().collect(),
        Term::Str(None, parts) => match parts.as_slice() {
            [StrPart::Str(text)] => {
                let words = text.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
                words.filter_map(status).collect()
            }
            _ => Vec::new(),
        },
        Term::Arr(Some(items)) => statuses(items),
        Term::BinOp(left, BinaryOp::Comma, right) => [statuses(left), statuses(right)].concat(),
        _ => Vec::new(),
    }
}

/// The kind of a value, with its text where that is short.
pub(super) fn kind_of(value: &Val) -> String {
    match value {
        Val::Null => "null".into(),
        Val::Bool(value) => value.to_string(),
        Val::Num(number) => format!("the number {}", shown(&number.to_string())),
        Val::Arr(_) => Kinds::ARRAY.name().into(),
        Val::Obj(_) => Kinds::OBJECT.name().into(),
        _ => Kinds::STRING.name().into(),
    }
}

/// `code` on one line, cut where it is long.
pub(super) fn shown(code: &str) -> String {
    /// Characters of an expression that a message repeats.
    const CODE_CHARS_MAX: usize = 80;
    let line = code.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(CODE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
