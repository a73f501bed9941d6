//! The filters that are not written in jq: those of jaq, with their cost charged by the values that they work on; and
//! replacements for filters of jaq that would read the clock, end the process, panic, or run without a limit.

use jaq_core::box_iter::box_once;
use jaq_core::load::parse::Def;
use jaq_core::native::{Fun, bome, run, unary, v};
use jaq_core::{Bind, Error as JaqError, Exn, RunPtr, ValR, ValXs, load};
use jaq_json::{Num, Val};
use jaq_std::ValT as _;

use super::meter;
use super::numbers;
use super::reading;
use super::regex::{self, KeptMatches};
use super::running::{Expressions, Input};
use super::value::{Error, Metered};
use super::weigh::{self, Compared};

/// jaq's filters about times panic, or give wrong results, on times that are far off; these check their input first.
const TIMES: &str = r#"
def gmtime: timely("") | gmtime_;
def mktime: timely("") | mktime_;
def strftime($format): timely($format) | strftime_($format);
def todateiso8601: timely("") | todateiso8601_;
"#;

/// jaq keeps the keys that it sorts by in internal lists that are not charged; here each is an array.
const SORTS: &str = r#"
def sort_by(f): sort_by_([f]);
def group_by(f): group_by_([f]);
def min_by_or_empty(f): min_by_or_empty_([f]);
def max_by_or_empty(f): max_by_or_empty_([f]);
"#;

/// The definitions of the standard library, and those that wrap filters of it.
pub(super) fn defs() -> Vec<Def<&'static str>> {
    let wrapped = [TIMES, SORTS]
        .into_iter()
        .flat_map(|defs| load::parse(defs, |parser| parser.defs()).expect("the definitions above are jq"));
    // A later definition may use an earlier one.
    wrapped.chain(jaq_core::defs()).chain(jaq_std::defs()).chain(jaq_json::defs()).collect()
}

/// All filters. Of two filters with the same name, the first counts.
pub(super) fn funs() -> impl Iterator<Item = Fun<Expressions>> {
    let library = jaq_core::funs::<Expressions>().chain(jaq_std::funs::<Expressions>());
    let library = library.map(|(name, args, filter)| {
        let name = match name {
            "gmtime" => "gmtime_",
            "mktime" => "mktime_",
            "strftime" => "strftime_",
            "todateiso8601" => "todateiso8601_",
            "sort_by" => "sort_by_",
            "group_by" => "group_by_",
            "min_by_or_empty" => "min_by_or_empty_",
            "max_by_or_empty" => "max_by_or_empty_",
            name => name,
        };
        (name, args, filter)
    });
    own().into_iter().map(|filter| run::<Expressions>(filter)).chain(library)
}

type Filter = (&'static str, Box<[Bind]>, RunPtr<Expressions>);

fn own() -> Vec<Filter> {
    vec![
        ("fromjson", v(0), |(_, input)| from_json(input)),
        ("tojson", v(0), |(_, input)| bome(Ok(Metered::text(input.json())))),
        ("tobytes", v(0), |(_, input)| bome(to_bytes(&input))),
        ("length", v(0), |(_, input)| bome(length(&input))),
        ("contains", v(1), |cv| {
            unary(cv, |input, other: Metered| Ok(Metered::from(contains(input.val(), other.val()))))
        }),
        ("has", v(1), |cv| unary(cv, |input: Metered, key| Ok(input.find(&key)?.is_some().into()))),
        ("indices", v(1), |cv| unary(cv, |input: Metered, part| input.indices(&part))),
        ("bsearch", v(1), |cv| unary(cv, |input, wanted| search(input, &wanted))),
        ("implode", v(0), |(_, input)| bome(implode(input))),
        ("timely", v(1), |cv| unary(cv, timely)),
        ("number", [const { Bind::Fun(()) }; 3].into(), |cv| in_range(cv, numbers::number)),
        ("whole", [const { Bind::Fun(()) }; 3].into(), |cv| in_range(cv, numbers::whole)),
        ("matches", v(2), |cv| regex_filter(cv, KeptMatches { matches: true, rest: false })),
        ("split_matches", v(2), |cv| regex_filter(cv, KeptMatches { matches: true, rest: true })),
        ("split_", v(2), |cv| regex_filter(cv, KeptMatches { matches: false, rest: true })),
        ("halt", v(1), |_| unusable("halt")),
        ("now", v(0), |_| unusable("now")),
        ("env", v(0), |_| unusable("env")),
        ("localtime", v(0), |_| unusable("localtime")),
        ("strflocaltime", v(1), |_| unusable("strflocaltime")),
        ("debug_empty", v(0), |_| unusable("debug")),
        ("stderr_empty", v(0), |_| unusable("stderr")),
        // They count up to their argument.
        ("jn", v(2), |_| unusable("jn")),
        ("yn", v(2), |_| unusable("yn")),
    ]
}

fn unusable<'a>(name: &str) -> ValXs<'a, Metered> {
    bome(Err(Error::str(format_args!("`{name}` cannot be used here"))))
}

fn from_json<'a>(input: Metered) -> ValXs<'a, Metered> {
    let Some(text) = input.as_utf8_bytes() else { return bome(Err(JaqError::typ(input, "string"))) };
    meter::text(text.len());
    let text = text.to_vec();
    let values: Vec<_> = reading::read_many(&text)
        .map(|value| {
            meter::bytes(size_of::<Metered>() * 4);
            value.map_err(|error| Error::str(format_args!("cannot parse {input} as JSON: {error}")))
        })
        .collect();
    Box::new(values.into_iter().map(|value| value.map_err(Exn::from)))
}

fn to_bytes(input: &Metered) -> ValR<Metered> {
    fn collect(val: &Val, out: &mut Vec<u8>) -> Option<()> {
        meter::work(1);
        match val {
            Val::Num(_) => out.push(u8::try_from(val.as_isize()?).ok()?),
            Val::BStr(text) | Val::TStr(text) => {
                meter::text(text.len() * 2);
                out.extend_from_slice(text);
            }
            Val::Arr(items) => {
                meter::bytes(items.len() * 2);
                items.iter().try_for_each(|item| collect(item, out))?;
            }
            _ => return None,
        }
        Some(())
    }
    let mut out = Vec::new();
    match collect(input.val(), &mut out) {
        Some(()) => Ok(Metered::scalar(Val::byte_str(out))),
        None => Err(Error::str(format_args!("cannot convert {input} to bytes"))),
    }
}

fn length(input: &Metered) -> ValR<Metered> {
    let count = match input.val() {
        Val::Null => 0,
        Val::TStr(text) => {
            meter::work(text.len() / 16);
            String::from_utf8_lossy(text).chars().count()
        }
        Val::BStr(text) => text.len(),
        Val::Arr(items) => items.len(),
        Val::Obj(members) => members.len(),
        Val::Num(Num::Float(float)) => return Ok(float.abs().into()),
        Val::Num(Num::Dec(_)) => return Ok(input.as_f64().unwrap_or(f64::NAN).abs().into()),
        Val::Num(_) if *input < Metered::from(0_isize) => return -input.clone(),
        Val::Num(_) => return Ok(input.clone()),
        Val::Bool(_) => return Err(Error::str(format_args!("{input} has no length"))),
    };
    Ok(count.into())
}

/// As in jq: a part of a text, a subset of an array or object by the same rule, or an equal value.
fn contains(a: &Val, b: &Val) -> bool {
    match (a, b) {
        (Val::TStr(a), Val::TStr(b)) | (Val::BStr(a), Val::BStr(b)) => {
            meter::work(1 + a.len() / 4 + a.len() / 16 * (b.len() / 32));
            match (std::str::from_utf8(a), std::str::from_utf8(b)) {
                (Ok(a), Ok(b)) => a.contains(b),
                _ => {
                    meter::work(a.len() * (1 + b.len() / 16));
                    b.is_empty() || a.windows(b.len()).any(|window| window == &b[..])
                }
            }
        }
        (Val::Arr(a), Val::Arr(b)) => b.iter().all(|b| {
            meter::work(1);
            a.iter().any(|a| contains(a, b))
        }),
        (Val::Obj(a), Val::Obj(b)) => b.iter().all(|(key, b)| {
            weigh::lookup(key, a.len());
            meter::work(1);
            a.get(key).is_some_and(|a| contains(a, b))
        }),
        _ => Compared(a) == Compared(b),
    }
}

fn search(input: Metered, wanted: &Metered) -> ValR<Metered> {
    let Val::Arr(items) = input.val() else { return Err(JaqError::typ(input, "array")) };
    let found = items.binary_search_by(|item| Compared(item).cmp(&Compared(wanted.val())));
    Ok(found.map_or_else(|at| -1 - at as isize, |at| at as isize).into())
}

/// A text from its code points; a negative one is a byte that is no UTF-8.
fn implode(input: Metered) -> ValR<Metered> {
    let Val::Arr(items) = input.val() else { return Err(JaqError::typ(input, "array")) };
    meter::text(items.len().saturating_mul(4));
    meter::work(items.len());
    let mut text = Vec::with_capacity(items.len());
    for item in items.iter() {
        let Some(point) = item.as_isize() else {
            weigh::whole(item);
            return Err(Error::str(format_args!("cannot use {} as integer", Metered::new(item.clone(), 0))));
        };
        if let Some(byte) = point.checked_neg().and_then(|byte| u8::try_from(byte).ok()) {
            text.push(byte);
        } else if let Some(char) = u32::try_from(point).ok().and_then(char::from_u32) {
            text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            return Err(Error::str(format_args!("cannot use {point} as character")));
        }
    }
    Ok(Metered::text(text))
}

/// Accepts a time that jaq can calculate with, to be written in `format`.
fn timely(input: Metered, format: Metered) -> ValR<Metered> {
    /// Seconds before and after 1970: some 30,000 years, the range of dates.
    const SECONDS_MAX: u64 = 1_000_000_000_000;
    /// Bytes that one directive of a format may give, for each of its own bytes.
    const GROWTH: usize = 128;

    meter::text(format.as_bytes().map_or(0, <[u8]>::len).saturating_mul(GROWTH));
    let is_far = match input.val() {
        Val::Num(_) => input.as_f64().is_some_and(|seconds| seconds.abs() > SECONDS_MAX as f64),
        // jaq converts the month, counted from 0, to one counted from 1 by adding to a byte.
        Val::Arr(items) => items.get(1).and_then(Val::as_isize) == Some(i8::MAX.into()),
        _ => false,
    };
    if is_far { Err(Error::str(format_args!("cannot convert {input} to time"))) } else { Ok(input) }
}

type Range = fn(Metered, &Metered, &Metered) -> ValR<Metered>;

/// The values are checked one by one; each of the two ends is the first value of its filter.
fn in_range<'a>((mut context, input): Input<'a>, range: Range) -> ValXs<'a, Metered> {
    let ((to, to_context), (from, from_context)) = (context.pop_fun(), context.pop_fun());
    let (value, value_context) = context.pop_fun();
    let mut ends = from.run((from_context, input.clone())).zip(to.run((to_context, input.clone())));
    match ends.next() {
        Some((Ok(from), Ok(to))) => {
            Box::new(value.run((value_context, input)).map(move |value| Ok(range(value?, &from, &to)?)))
        }
        Some((Err(error), _) | (_, Err(error))) => box_once(Err(error)),
        None => Box::new(std::iter::empty()),
    }
}

fn regex_filter<'a>((mut context, input): Input<'a>, kept: KeptMatches) -> ValXs<'a, Metered> {
    let flags = context.pop_var();
    let pattern = context.pop_var();
    bome(regex::apply(&input, &pattern, &flags, kept))
}
