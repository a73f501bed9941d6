//! The names that a program reads from its input, found in its syntax: only these are passed to it.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::path::{Part, Path};

/// The filters that would make a program depend on more than its input, or end the process.
const IMPURE: &[&str] = &[
    "debug",
    "env",
    "halt",
    "halt_error",
    "input",
    "input_filename",
    "input_line_number",
    "inputs",
    "localtime",
    "mktime_local",
    "now",
    "stderr",
    "strflocaltime",
    "debug_empty",
    "stderr_empty",
    "eprint",
    "repl",
];

/// The names that a program reads from its input.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(in crate::definition) struct References<'s> {
    /// The paths read, at least as far as their constant keys go: `.input.customer_id` is `["input", "customer_id"]`.
    pub paths: Vec<Vec<&'s str>>,
    /// Whether it may read everything, because it handles its input as a whole.
    pub whole: bool,
    pub(super) impure: Option<&'s str>,
}

/// Whether the input at some place of a program is the program's own input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Root,
    /// Inside a call's arguments: depends on the filter called.
    Unsure,
    Elsewhere,
}

impl<'s> References<'s> {
    /// The names that `term` reads.
    pub(in crate::definition) fn of(term: &Term<&'s str>) -> Self {
        let mut references = Self::default();
        references.walk(term, Here::Root);
        references
    }

    fn whole(&mut self, here: Here) {
        self.whole |= here != Here::Elsewhere;
    }

    fn walk(&mut self, term: &Term<&'s str>, here: Here) {
        match term {
            Term::Id | Term::Recurse => self.whole(here),
            Term::Num(_) | Term::Break(_) | Term::Var(_) => {}
            Term::Str(_, parts) => {
                for part in parts {
                    if let StrPart::Term(term) = part {
                        self.walk(term, here);
                    }
                }
            }
            Term::Arr(items) => {
                if let Some(items) = items {
                    self.walk(items, here);
                }
            }
            Term::Obj(entries) => {
                for (key, value) in entries {
                    match (value, constant(key)) {
                        (Some(value), _) => {
                            self.walk(key, here);
                            self.walk(value, here);
                        }
                        // `{a}` stands for `{a: .a}`, `{$a}` for `{a: $a}`.
                        (None, Some(key)) => self.path(vec![key], here),
                        (None, None) => self.walk(key, here),
                    }
                }
            }
            Term::Neg(inner) | Term::Label(_, inner) => self.walk(inner, here),
            Term::BinOp(left, op, right) => {
                self.walk(left, here);
                if let BinaryOp::Pipe(Some(pattern)) = op {
                    self.pattern(pattern);
                }
                match op {
                    BinaryOp::Pipe(None) if !matches!(**left, Term::Id) => self.walk(right, Here::Elsewhere),
                    BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                        self.whole(here);
                        self.walk(right, Here::Unsure);
                    }
                    _ => self.walk(right, here),
                }
            }
            Term::Fold(_, over, pattern, args) => {
                self.walk(over, here);
                self.pattern(pattern);
                for (i, arg) in args.iter().enumerate() {
                    self.walk(arg, if i == 0 { here } else { Here::Elsewhere });
                }
            }
            Term::TryCatch(body, catch) => {
                self.walk(body, here);
                if let Some(catch) = catch {
                    self.walk(catch, Here::Elsewhere);
                }
            }
            Term::IfThenElse(branches, otherwise) => {
                for (condition, then) in branches {
                    self.walk(condition, here);
                    self.walk(then, here);
                }
                match otherwise {
                    Some(otherwise) => self.walk(otherwise, here),
                    None => self.whole(here),
                }
            }
            Term::Def(defs, body) => {
                for def in defs {
                    self.walk(&def.body, Here::Unsure);
                }
                self.walk(body, here);
            }
            Term::Call(name, args) => {
                if IMPURE.contains(name) {
                    self.impure = Some(name);
                }
                let is_constant = matches!(*name, "true" | "false" | "null" | "empty" | "nan" | "infinite");
                // Without an argument, `error` raises its input.
                if !is_constant && (*name != "error" || args.is_empty()) {
                    self.whole(here);
                }
                for arg in args {
                    self.walk(arg, if here == Here::Root { Here::Unsure } else { here });
                }
            }
            Term::Path(base, Path(parts)) => {
                if matches!(**base, Term::Id) {
                    let mut keys = Vec::new();
                    for (part, _) in parts {
                        match part {
                            Part::Index(key) => match constant(key) {
                                Some(key) => keys.push(key),
                                None => break,
                            },
                            Part::Range(..) => break,
                        }
                    }
                    if keys.is_empty() { self.whole(here) } else { self.path(keys, here) }
                } else {
                    self.walk(base, here);
                }
                for (part, _) in parts {
                    match part {
                        Part::Index(key) => self.walk(key, here),
                        Part::Range(from, to) => {
                            [from, to].into_iter().flatten().for_each(|t| self.walk(t, here))
                        }
                    }
                }
            }
        }
    }

    /// A pattern such as `{(key): $x}` has programs for its keys.
    fn pattern(&mut self, pattern: &Pattern<&'s str>) {
        match pattern {
            Pattern::Var(_) => {}
            Pattern::Arr(items) => items.iter().for_each(|item| self.pattern(item)),
            Pattern::Obj(entries) => {
                for (key, value) in entries {
                    self.walk(key, Here::Unsure);
                    self.pattern(value);
                }
            }
        }
    }

    fn path(&mut self, keys: Vec<&'s str>, here: Here) {
        match here {
            Here::Root => self.paths.push(keys),
            Here::Unsure => self.whole = true,
            Here::Elsewhere => {}
        }
    }
}

/// The text of a constant string without escapes, such as the key in `.a` and `."a"`.
pub(in crate::definition) fn constant<'s>(term: &Term<&'s str>) -> Option<&'s str> {
    match term {
        Term::Str(None, parts) => match parts.as_slice() {
            [] => Some(""),
            [StrPart::Str(text)] => Some(text),
            _ => None,
        },
        _ => None,
    }
}
