//! Bodies, outputs and the holes of paths: JSON texts with holes, filled from a [`Scope`].
//!
//! A template is written in jq. Simple forms (constants, references such as `.input.customer_id`, strings with
//! references inside, and mappings of those) are filled by copying text; the jq interpreter runs only the other
//! forms. Both ways give the same values, because the same parser reads the simple forms.

mod paths;

use std::borrow::Cow;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::Term;
use jaq_core::path::{Opt, Part, Path};
use jaq_json::Val;

use super::program::{self, EvalError, Program, References, SyntaxError};
use crate::json::{Json, Picked, pick};

/// The largest rendered body or kept output, in bytes; a larger one is an error of its step.
pub const RENDERED_BYTES_MAX: usize = 1 << 20;

/// The named values that templates are filled from: each a JSON text.
#[derive(Debug, Default)]
pub struct Scope<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Scope<'a> {
    /// Adds a name.
    #[must_use]
    pub fn with(mut self, name: &'a str, json: impl Into<Cow<'a, str>>) -> Self {
        self.0.push((name, json.into()));
        self
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, json)| json.as_ref())
    }
}

/// A text with holes, in its cheapest form.
#[derive(Debug)]
pub enum Template {
    /// The same JSON every time.
    Constant(Json),
    /// A value from the scope, passed on unchanged.
    Reference(Reference),
    /// A string with references inside.
    Text(Vec<Piece>),
    /// An object, member by member.
    Object(Vec<(Json, Template)>),
    /// Any other form.
    Program(Interpreted),
}

/// A name in the scope, and the keys below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    root: Box<str>,
    keys: Vec<Box<str>>,
}

/// A part of a [`Template::Text`].
#[derive(Debug)]
pub enum Piece {
    /// Literal text.
    Literal(Box<str>),
    /// The value of a reference.
    Hole(Reference),
}

/// A program and the names that it reads from its input.
#[derive(Debug)]
pub struct Interpreted {
    program: Program,
    /// The names in the scope that it reads; `None`: all.
    roots: Option<Vec<Box<str>>>,
}

impl Interpreted {
    /// Compiles `code`, whose parsed form is `term`.
    pub fn compile(code: &str, term: &Term<&str>) -> Result<Self, SyntaxError> {
        let references = References::of(term);
        let mut roots: Vec<Box<str>> =
            references.paths.iter().filter_map(|p| p.first()).map(|r| Box::from(*r)).collect();
        roots.sort();
        roots.dedup();
        Ok(Self { program: Program::compile(code)?, roots: (!references.whole).then_some(roots) })
    }

    /// Whether the program reads `name`, or may read it.
    pub fn reads(&self, name: &str) -> bool {
        self.roots.as_ref().is_none_or(|roots| roots.iter().any(|r| **r == *name))
    }

    /// Runs the program on the scope's values, as one object.
    pub fn run(&self, scope: &Scope<'_>) -> Result<Val, EvalError> {
        self.program.run(self.members(scope))
    }

    /// The program's value on the scope's values, as JSON text.
    fn json(&self, scope: &Scope<'_>) -> Result<Vec<u8>, EvalError> {
        self.program.json(self.members(scope))
    }

    fn members<'s>(&'s self, scope: &'s Scope<'_>) -> impl Iterator<Item = (&'s str, &'s str)> {
        let members = scope.0.iter().map(|(name, json)| (*name, json.as_ref()));
        members.filter(|(name, _)| self.reads(name))
    }
}

impl Template {
    /// Reads a template from jq source.
    pub fn parse(code: &str) -> Result<Self, SyntaxError> {
        let term = program::parse(code)?;
        match plain(&term) {
            Some(template) => Ok(template),
            None => Interpreted::compile(code, &term).map(Self::Program),
        }
    }

    /// Whether the template reads `name`, or may read it.
    pub fn reads(&self, name: &str) -> bool {
        match self {
            Self::Constant(_) => false,
            Self::Reference(reference) => *reference.root == *name,
            Self::Text(pieces) => {
                pieces.iter().any(|piece| matches!(piece, Piece::Hole(hole) if *hole.root == *name))
            }
            Self::Object(members) => members.iter().any(|(_, member)| member.reads(name)),
            Self::Program(interpreted) => interpreted.reads(name),
        }
    }

    /// The value, as JSON text.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Json, EvalError> {
        if let Self::Constant(json) = self {
            return Ok(json.clone());
        }
        let mut text = Vec::with_capacity(256);
        self.render_into(scope, &mut text)?;
        if text.len() > RENDERED_BYTES_MAX {
            return Err(EvalError(format!(
                "the value has {} bytes; the limit RENDERED_BYTES_MAX is {RENDERED_BYTES_MAX}",
                text.len()
            )));
        }
        Json::parse(&text).map_err(|error| EvalError(format!("the value is not JSON: {error}")))
    }

    fn render_into(&self, scope: &Scope<'_>, out: &mut Vec<u8>) -> Result<(), EvalError> {
        match self {
            Self::Constant(json) => out.extend_from_slice(json.text().as_bytes()),
            Self::Reference(reference) => {
                out.extend_from_slice(reference.find(scope)?.unwrap_or("null").as_bytes());
            }
            Self::Text(_) => {
                let text = self.render_text(scope, |value| value.to_owned())?;
                serde_json::to_writer(&mut *out, &text).map_err(|error| EvalError(error.to_string()))?;
            }
            Self::Object(members) => {
                out.push(b'{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.text().as_bytes());
                    out.push(b':');
                    value.render_into(scope, out)?;
                }
                out.push(b'}');
            }
            Self::Program(interpreted) => {
                out.extend_from_slice(&interpreted.json(scope)?);
            }
        }
        Ok(())
    }

    /// The value of a [`Template::Text`], each value put through `encode`.
    pub(super) fn render_text(
        &self,
        scope: &Scope<'_>,
        encode: impl Fn(&str) -> String,
    ) -> Result<String, EvalError> {
        let Self::Text(pieces) = self else { return Err(EvalError("not a string".into())) };
        let mut text = String::with_capacity(64);
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Hole(reference) => {
                    let json = reference.find(scope)?.ok_or_else(|| {
                        EvalError(format!("`{reference}` is missing, and a text cannot be made without it"))
                    })?;
                    match json.as_bytes().first() {
                        Some(b'"') => {
                            let value: Cow<'_, str> =
                                serde_json::from_str(json).map_err(|error| EvalError(error.to_string()))?;
                            text.push_str(&encode(&value));
                        }
                        Some(b'{' | b'[') => {
                            return Err(EvalError(format!("`{reference}` is no string or number")));
                        }
                        _ => text.push_str(&encode(json)),
                    }
                }
            }
        }
        Ok(text)
    }

    /// The paths of all places that read an outside value: `.a.b` gives `["a", "b"]`. The flag says whether the
    /// program may also read others.
    pub fn references(code: &str) -> Result<(Vec<Vec<String>>, bool), SyntaxError> {
        let term = program::parse(code)?;
        let found = References::of(&term);
        let paths = found.paths.iter().map(|p| p.iter().map(|k| (*k).to_owned()).collect()).collect();
        Ok((paths, found.whole))
    }
}

impl Reference {
    pub(super) fn find<'s>(&self, scope: &'s Scope<'_>) -> Result<Option<&'s str>, EvalError> {
        let Some(root) = scope.get(&self.root) else { return Ok(None) };
        match pick(root, &self.keys) {
            Picked::Value(json) => Ok(Some(json)),
            Picked::Missing => Ok(None),
            Picked::NotAnObject => Err(EvalError(format!("`{self}`: something on the way is not an object"))),
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, ".{}", self.root)?;
        self.keys.iter().try_for_each(|key| write!(f, ".{key}"))
    }
}

/// The template of a term that needs no interpreter.
fn plain(term: &Term<&str>) -> Option<Template> {
    match term {
        Term::Num(number) => Json::parse(number.as_bytes()).ok().map(Template::Constant),
        Term::Call(name @ ("true" | "false" | "null"), args) if args.is_empty() => {
            Json::parse(name.as_bytes()).ok().map(Template::Constant)
        }
        Term::Path(..) => reference(term).map(Template::Reference),
        Term::Str(None, parts) => {
            let mut pieces = Vec::new();
            let mut literal = String::new();
            for part in parts {
                match part {
                    StrPart::Str(text) => literal.push_str(text),
                    StrPart::Char(c) => literal.push(*c),
                    StrPart::Term(term) => {
                        let hole = reference(term)?;
                        if !literal.is_empty() {
                            pieces.push(Piece::Literal(std::mem::take(&mut literal).into()));
                        }
                        pieces.push(Piece::Hole(hole));
                    }
                }
            }
            if pieces.is_empty() {
                return Json::of(&literal).ok().map(Template::Constant);
            }
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.into()));
            }
            Some(Template::Text(pieces))
        }
        Term::Obj(entries) => entries
            .iter()
            .map(|(key, value)| {
                let name = program::constant(key)?;
                let value = match value {
                    Some(value) => plain(value)?,
                    None => Template::Reference(Reference { root: name.into(), keys: Vec::new() }),
                };
                Some((Json::of(&name).ok()?, value))
            })
            .collect::<Option<_>>()
            .map(Template::Object),
        _ => None,
    }
}

/// `.a.b.c`, without anything else.
fn reference(term: &Term<&str>) -> Option<Reference> {
    let Term::Path(base, Path(parts)) = term else { return None };
    if !matches!(**base, Term::Id) {
        return None;
    }
    let mut keys = parts.iter().map(|(part, opt)| match (part, opt) {
        (Part::Index(key), Opt::Essential) => program::constant(key).map(Box::from),
        _ => None,
    });
    let root = keys.next()??;
    Some(Reference { root, keys: keys.collect::<Option<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CART: &str = r#"[{"product_id":1,"quantity":3,"price":19.99}]"#;

    fn scope() -> Scope<'static> {
        Scope::default().with("input", r#"{"customer_id":7,"name":"a/b é"}"#).with("cart", CART)
    }

    fn render(code: &str) -> String {
        Template::parse(code).unwrap().render(&scope()).map_or_else(|e| e.0, |json| json.text().to_owned())
    }

    #[test]
    fn plain_templates_need_no_interpreter() {
        for code in ["1.5", "true", "\"x\"", ".cart", "{a: .cart, \"b\": \"c\\(.input.name)\"}", "{input}"] {
            assert!(!matches!(Template::parse(code).unwrap(), Template::Program(_)), "{code}");
        }
    }

    #[test]
    fn plain_and_interpreted_templates_give_the_same_values() {
        for code in [
            ".cart",
            ".input.customer_id",
            "{a: .input.customer_id, b: {c: .cart}}",
            ".input.nothing",
            "{input}",
        ] {
            let plain = render(code);
            let interpreted = render(&format!("{code} | . as $x | $x"));
            let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(&plain), value(&interpreted), "{code}");
        }
    }

    #[test]
    fn amounts_are_exact_to_the_cent() {
        assert_eq!(render("[.cart[] | .quantity * .price] | add * 100 | round / 100"), "59.97");
    }
}
