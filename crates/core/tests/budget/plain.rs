//! The same program, run by jaq as it is: what is within the budget must give the same.

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_json::{Val, read, write};

/// A program of plain jaq.
pub(crate) struct Plain(Filter<JustLut<Val>>);

impl Plain {
    pub(crate) fn compile(code: &str) -> Option<Self> {
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let modules = Loader::new(defs).load(&arena, File { code, path: () }).ok()?;
        Compiler::default().with_funs(funs).compile(modules).ok().map(Self)
    }

    /// The one value, as JSON text; `None` where there is an error, or not exactly one value.
    pub(crate) fn run(&self, body: &str) -> Option<String> {
        let input = read::parse_single(format!("{{\"status\":200,\"body\":{body}}}").as_bytes()).ok()?;
        let context = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        let mut values = self.0.id.run((context, input));
        let first = values.next()?.ok()?;
        if values.next().is_some() {
            return None;
        }
        let mut text = Vec::new();
        write::write(&mut text, &write::Pp::default(), 0, &first).ok()?;
        String::from_utf8(text).ok()
    }
}
