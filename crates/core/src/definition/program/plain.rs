//! A second way to run simple programs: arithmetic, comparisons, conditions, paths, and `reduce` over an array.
//!
//! Most expressions of definitions are of this kind, and the interpreter spends most of its time on iterators, since a jq
//! program may give any number of values. Each program here gives one value. It uses the interpreter's own operations on
//! values, so the value is the same; a test compares both. Where there is an error, this way gives up, and the interpreter runs
//! the program from its beginning and says which: programs change nothing, so that cannot be seen.

use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::{Opt, Part, Path};
use jaq_core::val::ValT as _;
use jaq_json::Val;
use jaq_std::ValT as _;

use super::value::Metered;
use super::{constant, meter, numbers};

/// A program that gives one value, or an error.
#[derive(Debug)]
pub(super) enum Plain {
    /// `.`
    Input,
    /// A number, a text, `true`, `false` or `null`. An integer or a text: nothing that has parts.
    Constant(ConstantValue),
    /// A variable: so many have been bound before it.
    Variable(usize),
    /// `.a.b`: the keys, one by one.
    Path(Box<Plain>, Vec<Plain>),
    Negated(Box<Plain>),
    Math(Math, Box<[Plain; 2]>),
    Compared(Cmp, Box<[Plain; 2]>),
    And(Box<[Plain; 2]>),
    Or(Box<[Plain; 2]>),
    Not(Box<Plain>),
    /// `a | b`
    Piped(Box<[Plain; 2]>),
    /// `a as $x | b`
    Bound(Box<[Plain; 2]>),
    /// Condition, then, else.
    If(Box<[Plain; 3]>),
    /// `reduce list[] as $x (first; next)`: list, first, next.
    Reduced(Box<[Plain; 3]>),
    /// The value, and the ends of its range.
    InRange(RangeKind, Box<[Plain; 3]>),
    Rounded(fn(f64) -> f64, Box<Plain>),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum RangeKind {
    Number,
    Whole,
}

/// A value that can be shared between threads, as programs are; jaq's values cannot.
#[derive(Debug)]
pub(super) enum ConstantValue {
    Null,
    Bool(bool),
    Int(isize),
    /// Any other number, as it was written.
    Number(Box<str>),
    Text(Box<str>),
}

impl ConstantValue {
    fn value(&self) -> Option<Metered> {
        Some(match self {
            Self::Null => Metered::scalar(Val::Null),
            Self::Bool(value) => Metered::from(*value),
            Self::Int(value) => Metered::from(*value),
            Self::Number(text) => return Metered::from_num(text).ok(),
            Self::Text(text) => Metered::from(text.to_string()),
        })
    }
}

impl Plain {
    /// The program, if it is a simple one.
    pub(super) fn of(term: &Term<&str>) -> Option<Self> {
        PlainReader { variables: Vec::new() }.read(term)
    }

    /// The value; `None`: there is an error, which the interpreter finds again.
    pub(super) fn run(&self, input: &Metered) -> Option<Metered> {
        self.eval(input, &mut Vec::new())
    }

    fn eval(&self, input: &Metered, variables: &mut Vec<Metered>) -> Option<Metered> {
        meter::step();
        Some(match self {
            Self::Input => input.clone(),
            Self::Constant(value) => value.value()?,
            Self::Variable(at) => variables.get(*at)?.clone(),
            Self::Path(base, keys) => {
                let mut found = base.eval(input, variables)?;
                for key in keys {
                    let key = key.eval(input, variables)?;
                    found = found.index(&key).ok()?;
                }
                found
            }
            Self::Negated(of) => (-of.eval(input, variables)?).ok()?,
            Self::Math(math, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (left.eval(input, variables)?, right.eval(input, variables)?);
                math.run(left, right).ok()?
            }
            Self::Compared(comparison, sides) => {
                let [left, right] = &**sides;
                let (left, right) = (left.eval(input, variables)?, right.eval(input, variables)?);
                comparison.run(&left, &right).into()
            }
            Self::And(sides) => {
                let [left, right] = &**sides;
                (left.eval(input, variables)?.as_bool() && right.eval(input, variables)?.as_bool()).into()
            }
            Self::Or(sides) => {
                let [left, right] = &**sides;
                (left.eval(input, variables)?.as_bool() || right.eval(input, variables)?.as_bool()).into()
            }
            Self::Not(of) => (!of.eval(input, variables)?.as_bool()).into(),
            Self::Piped(parts) => {
                let [first, second] = &**parts;
                let between = first.eval(input, variables)?;
                second.eval(&between, variables)?
            }
            Self::Bound(parts) => {
                let [bound, body] = &**parts;
                let bound = bound.eval(input, variables)?;
                variables.push(bound);
                let value = body.eval(input, variables)?;
                variables.pop();
                value
            }
            Self::If(parts) => {
                let [condition, then, otherwise] = &**parts;
                let branch = if condition.eval(input, variables)?.as_bool() { then } else { otherwise };
                branch.eval(input, variables)?
            }
            Self::Reduced(parts) => {
                let [list, first, next] = &**parts;
                let (list, mut value) = (list.eval(input, variables)?, first.eval(input, variables)?);
                for item in list.items()? {
                    variables.push(item);
                    value = next.eval(&value, variables)?;
                    variables.pop();
                }
                value
            }
            Self::InRange(kind, parts) => {
                let [value, from, to] = &**parts;
                let (from, to) = (from.eval(input, variables)?, to.eval(input, variables)?);
                let value = value.eval(input, variables)?;
                let is_in_range = match kind {
                    RangeKind::Number => numbers::is_number,
                    RangeKind::Whole => numbers::is_whole,
                };
                is_in_range(&value, &from, &to).then_some(value)?
            }
            Self::Rounded(round, of) => {
                let value = of.eval(input, variables)?;
                if value.is_int() {
                    return Some(value);
                }
                let rounded = round(value.as_f64()?);
                // The interpreter writes larger ones as digits.
                let is_small = isize::MIN as f64 <= rounded && rounded <= isize::MAX as f64;
                is_small.then(|| Metered::from(rounded as isize))?
            }
        })
    }
}

/// Reads a program, if it is a simple one.
struct PlainReader<'t> {
    /// The variables that are bound where the reader is.
    variables: Vec<&'t str>,
}

impl<'t> PlainReader<'t> {
    fn read(&mut self, term: &Term<&'t str>) -> Option<Plain> {
        if let Some(text) = constant(term) {
            return Some(Plain::Constant(ConstantValue::Text(text.into())));
        }
        Some(match term {
            Term::Id => Plain::Input,
            Term::Num(text) => Plain::Constant(match text.parse::<isize>() {
                Ok(int) => ConstantValue::Int(int),
                Err(_) => ConstantValue::Number((*text).into()),
            }),
            Term::Var(name) => Plain::Variable(self.variables.iter().rposition(|variable| variable == name)?),
            Term::Neg(of) => Plain::Negated(self.one(of)?),
            Term::BinOp(left, op, right) => return self.operation(left, op, right),
            Term::IfThenElse(branches, otherwise) => {
                let last = otherwise.as_deref().map_or(Some(Plain::Input), |term| self.read(term))?;
                let mut branches = branches.iter().rev();
                return branches.try_fold(last, |otherwise, (condition, then)| {
                    Some(Plain::If(Box::new([self.read(condition)?, self.read(then)?, otherwise])))
                });
            }
            Term::Fold("reduce", over, Pattern::Var(variable), arguments) => {
                let ([first, next], Term::Path(base, Path(parts))) = (arguments.as_slice(), &**over) else {
                    return None;
                };
                let Some(((Part::Range(None, None), Opt::Essential), before)) = parts.split_last() else {
                    return None;
                };
                let (list, first) = (self.path(base, before)?, self.read(first)?);
                Plain::Reduced(Box::new([list, first, self.with(variable, next)?]))
            }
            Term::Path(base, Path(parts)) => return self.path(base, parts),
            Term::Call(name, arguments) => return self.call(name, arguments),
            _ => return None,
        })
    }

    fn one(&mut self, term: &Term<&'t str>) -> Option<Box<Plain>> {
        self.read(term).map(Box::new)
    }

    fn two(&mut self, left: &Term<&'t str>, right: &Term<&'t str>) -> Option<Box<[Plain; 2]>> {
        Some(Box::new([self.read(left)?, self.read(right)?]))
    }

    /// A program within which `variable` is bound.
    fn with(&mut self, variable: &'t str, term: &Term<&'t str>) -> Option<Plain> {
        self.variables.push(variable);
        let plain = self.read(term);
        self.variables.pop();
        plain
    }

    fn path(&mut self, base: &Term<&'t str>, parts: &[(Part<Term<&'t str>>, Opt)]) -> Option<Plain> {
        let base = self.read(base)?;
        let keys = parts.iter().map(|part| match part {
            (Part::Index(key @ (Term::Str(..) | Term::Num(_))), Opt::Essential) => self.read(key),
            _ => None,
        });
        let keys: Vec<Plain> = keys.collect::<Option<_>>()?;
        Some(if keys.is_empty() { base } else { Plain::Path(Box::new(base), keys) })
    }

    fn operation(
        &mut self,
        left: &Term<&'t str>,
        op: &BinaryOp<&'t str>,
        right: &Term<&'t str>,
    ) -> Option<Plain> {
        Some(match op {
            BinaryOp::Pipe(None) => Plain::Piped(self.two(left, right)?),
            BinaryOp::Pipe(Some(Pattern::Var(variable))) => {
                let bound = self.read(left)?;
                Plain::Bound(Box::new([bound, self.with(variable, right)?]))
            }
            BinaryOp::And => Plain::And(self.two(left, right)?),
            BinaryOp::Or => Plain::Or(self.two(left, right)?),
            BinaryOp::Math(math) => Plain::Math(*math, self.two(left, right)?),
            BinaryOp::Cmp(comparison) => Plain::Compared(*comparison, self.two(left, right)?),
            _ => return None,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Term<&'t str>]) -> Option<Plain> {
        Some(match (name, arguments) {
            ("null", []) => Plain::Constant(ConstantValue::Null),
            ("true", []) => Plain::Constant(ConstantValue::Bool(true)),
            ("false", []) => Plain::Constant(ConstantValue::Bool(false)),
            ("not", []) => Plain::Not(Box::new(Plain::Input)),
            ("round", []) => Plain::Rounded(f64::round, Box::new(Plain::Input)),
            ("floor", []) => Plain::Rounded(f64::floor, Box::new(Plain::Input)),
            ("ceil", []) => Plain::Rounded(f64::ceil, Box::new(Plain::Input)),
            ("number" | "whole", [value, from, to]) => {
                let kind = if name == "number" { RangeKind::Number } else { RangeKind::Whole };
                Plain::InRange(kind, Box::new([self.read(value)?, self.read(from)?, self.read(to)?]))
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::Program;

    /// Programs of the kind that is read here, with values of all kinds in all places. `bound`: variables that may be used.
    fn programs(bound: usize) -> BoxedStrategy<String> {
        let leaves = prop_oneof![
            Just(".".to_owned()),
            Just(".a".to_owned()),
            Just(".a.b".to_owned()),
            Just(".n".to_owned()),
            Just(".f".to_owned()),
            Just(".s".to_owned()),
            Just(".l".to_owned()),
            Just(".l[1]".to_owned()),
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("false".to_owned()),
            Just("\"x\"".to_owned()),
            (0..100_u32).prop_map(|number| number.to_string()),
            (0..100_u32).prop_map(|number| format!("{}.{}", number / 10, number % 10)),
            Just("1e300".to_owned()),
            Just("9223372036854775807".to_owned()),
            Just("100000000000000000000".to_owned()),
            (0..bound.max(1)).prop_map(move |at| if bound == 0 {
                ".n".to_owned()
            } else {
                format!("$v{at}")
            }),
        ];
        let leaves = leaves.boxed();
        let nested = move |inner: BoxedStrategy<String>| {
            let operators = proptest::sample::select(vec![
                "+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!=", "and", "or", "|",
            ]);
            let rounding = proptest::sample::select(vec!["round", "floor", "ceil", "not"]);
            prop_oneof![
                4 => (inner.clone(), operators, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                1 => inner.clone().prop_map(|a| format!("(-{a})")),
                1 => (inner.clone(), rounding).prop_map(|(a, name)| format!("({a} | {name})")),
                1 => (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("(if {a} then {b} else {c} end)")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(if {a} then {b} end)")),
                1 => (inner.clone(), 0..5_u32).prop_map(|(a, to)| format!("number({a}; 0; {to}0)")),
                1 => inner.prop_map(|a| format!("whole({a}; -5; 1000)")),
            ]
        };
        leaves.prop_recursive(4, 24, 3, nested).boxed()
    }

    /// A program with variables that are bound, one of them by a `reduce`.
    fn bound_programs() -> impl Strategy<Value = String> {
        let list = proptest::sample::select(vec![".l[]", ".[]", ".a[]", ".s[]", ".a.b[]"]);
        (programs(0), programs(1), list, programs(0), programs(2), programs(1)).prop_map(
            |(first, other, list, start, next, last)| {
                format!("{first} as $v0 | ({other} + (reduce {list} as $v1 ({start}; {next}))) | {last}")
            },
        )
    }

    fn inputs() -> impl Strategy<Value = Value> {
        let numbers = prop_oneof![
            any::<i64>().prop_map(|number| json!(number)),
            (-100..100_i64).prop_map(|number| json!(number)),
            any::<f64>().prop_map(|number| json!(number)),
            (-1000..1000_i32).prop_map(|number| json!(f64::from(number) / 8.0)),
            Just(Value::Null),
            Just(json!("text")),
        ];
        let list = proptest::collection::vec(numbers.clone(), 0..4);
        (numbers.clone(), numbers, list)
            .prop_map(|(n, f, l)| json!({ "a": { "b": n, "c": 1 }, "n": n, "f": f, "s": "text", "l": l }))
    }

    /// The JSON of the value by this way; and what the whole program gives without it.
    fn both_ways(code: &str, input: &Value) -> (Option<Result<String, String>>, Result<String, String>) {
        let text: Vec<(String, String)> = input
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect();
        let members = || text.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let run = |program: &Program| {
            let json = program.json(members()).map(|json| String::from_utf8(json).unwrap());
            json.map_err(|error| error.0)
        };
        let mut program = Program::compile(code).unwrap();
        let plain = program.plain.is_some().then(|| run(&program));
        program.plain = None;
        (plain, run(&program))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

        #[test]
        fn it_gives_the_interpreters_value(code in prop_oneof![programs(0), bound_programs()], input in inputs()) {
            let (plain, interpreted) = both_ways(&code, &input);
            prop_assert_eq!(plain, Some(interpreted), "{}", code);
        }
    }

    #[test]
    fn an_order_amount_is_computed_without_the_interpreter() {
        let checkout = include_str!("../../../../../sagas/checkout.yaml");
        let code = checkout.split("montant: \"").nth(1).unwrap().split('"').next().unwrap();
        let cart = json!({ "body": [
            { "produit_id": 1, "quantite": 2, "prix": 19.99 },
            { "produit_id": 7, "quantite": 1, "prix": 0.1 },
        ] });
        assert_eq!(both_ways(code, &cart), (Some(Ok("40.08".into())), Ok("40.08".into())));
        let members = [("body", cart["body"].to_string())];
        let program = Program::compile(code).unwrap();
        let input = program.input(members.iter().map(|(name, json)| (*name, json.as_str()))).unwrap();
        assert!(program.plain.unwrap().run(&input).is_some());
    }

    #[test]
    fn programs_of_other_kinds_are_the_interpreters() {
        for code in [
            ".a, .b",
            ".[]",
            "[.a]",
            "{a}",
            ".a?",
            "try .a",
            ".a // 1",
            "reduce .a as $x (0; . + $x)",
            "map(1)",
        ] {
            assert!(Program::compile(code).unwrap().plain.is_none(), "{code}");
        }
    }
}
