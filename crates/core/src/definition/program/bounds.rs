//! Programs without bounds: definitions do not need them, so they are refused when the definition is loaded.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Part, Path};

/// Filters that run until their input makes them stop, with their number of arguments.
const UNBOUNDED: &[(&str, usize)] =
    &[("repeat", 1), ("recurse", 1), ("recurse", 2), ("while", 2), ("until", 2)];

/// A construct that has no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unbounded<'s> {
    /// The name in the call.
    pub(super) name: &'s str,
    /// Whether it is a function that calls itself.
    pub(super) is_recursion: bool,
}

impl std::fmt::Display for Unbounded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name;
        if self.is_recursion {
            write!(f, "`{name}` calls itself, and nothing bounds how often; use map, reduce or range")
        } else {
            write!(f, "`{name}` cannot be used: nothing bounds how often it runs; use map, reduce or range")
        }
    }
}

/// The first construct in `term` without a bound.
pub(super) fn unbounded<'s>(term: &Term<&'s str>) -> Option<Unbounded<'s>> {
    Search { inside: Vec::new(), only_growing: false }.term(term)
}

/// A function that calls itself and has filters as parameters: each call wraps the previous ones, so that even a
/// small number of them cannot be dropped without a deep stack. It is never run, not even from a stored definition.
pub(super) fn growing<'s>(term: &Term<&'s str>) -> Option<Unbounded<'s>> {
    Search { inside: Vec::new(), only_growing: true }.term(term)
}

struct Search<'s> {
    /// The functions whose bodies contain this place: name and number of parameters.
    inside: Vec<(&'s str, usize)>,
    only_growing: bool,
}

impl<'s> Search<'s> {
    fn term(&mut self, term: &Term<&'s str>) -> Option<Unbounded<'s>> {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => None,
            Term::Str(_, parts) => parts.iter().find_map(|part| match part {
                StrPart::Term(term) => self.term(term),
                _ => None,
            }),
            Term::Arr(items) => items.as_ref().and_then(|items| self.term(items)),
            Term::Obj(entries) => entries
                .iter()
                .find_map(|(key, val)| self.term(key).or_else(|| val.as_ref().and_then(|v| self.term(v)))),
            Term::Neg(inner) | Term::Label(_, inner) => self.term(inner),
            Term::BinOp(left, op, right) => self
                .term(left)
                .or_else(|| match op {
                    BinaryOp::Pipe(Some(pattern)) => self.pattern(pattern),
                    _ => None,
                })
                .or_else(|| self.term(right)),
            Term::Fold(_, over, pattern, args) => self
                .term(over)
                .or_else(|| self.pattern(pattern))
                .or_else(|| args.iter().find_map(|arg| self.term(arg))),
            Term::TryCatch(body, catch) => {
                self.term(body).or_else(|| catch.as_ref().and_then(|catch| self.term(catch)))
            }
            Term::IfThenElse(branches, otherwise) => branches
                .iter()
                .find_map(|(condition, then)| self.term(condition).or_else(|| self.term(then)))
                .or_else(|| otherwise.as_ref().and_then(|otherwise| self.term(otherwise))),
            Term::Def(defs, body) => {
                defs.iter().find_map(|def| self.function(def)).or_else(|| self.term(body))
            }
            Term::Call(name, args) => self.call(name, args),
            Term::Path(base, Path(parts)) => self.term(base).or_else(|| {
                parts.iter().find_map(|(part, _)| match part {
                    Part::Index(key) => self.term(key),
                    Part::Range(from, upto) => [from, upto].into_iter().flatten().find_map(|t| self.term(t)),
                })
            }),
        }
    }

    fn function(&mut self, def: &Def<&'s str>) -> Option<Unbounded<'s>> {
        let grows = def.args.iter().any(|arg| !arg.starts_with('$'));
        let is_watched = grows || !self.only_growing;
        if is_watched {
            self.inside.push((def.name, def.args.len()));
        }
        let found = self.term(&def.body);
        if is_watched {
            self.inside.pop();
        }
        found
    }

    fn call(&mut self, name: &'s str, args: &[Term<&'s str>]) -> Option<Unbounded<'s>> {
        let called = (name, args.len());
        if self.inside.contains(&called) {
            return Some(Unbounded { name, is_recursion: true });
        }
        if !self.only_growing && UNBOUNDED.contains(&called) {
            return Some(Unbounded { name, is_recursion: false });
        }
        args.iter().find_map(|arg| self.term(arg))
    }

    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Option<Unbounded<'s>> {
        match pattern {
            Pattern::Var(_) => None,
            Pattern::Arr(items) => items.iter().find_map(|item| self.pattern(item)),
            Pattern::Obj(entries) => {
                entries.iter().find_map(|(key, val)| self.term(key).or_else(|| self.pattern(val)))
            }
        }
    }
}
