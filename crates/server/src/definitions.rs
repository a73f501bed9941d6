//! Which definition new sagas run: the built-in checkout, or a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use saga_core::Definition;
use saga_core::definition::{Checked, SECRET_BYTES_MAX, SOURCE_BYTES_MAX, Variables};
use saga_engine::Definitions;

use crate::face::commande;

/// The shop's checkout, as it is when nothing else is asked for.
pub const CHECKOUT: &str = include_str!("../../../sagas/checkout.yaml");

/// The JSON Schema of definitions, for editors.
pub const SCHEMA: &str = include_str!("../../../sagas/definition.schema.json");

/// A definition that was loaded, and the warnings for its author.
pub struct Loaded {
    /// The definition that new sagas run.
    pub definition: Definition,
    /// One line each.
    pub warnings: Vec<String>,
}

/// The environment of a process: these variables, and the files that it can read.
struct Environment<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables for Environment<F> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn file(&self, path: &str) -> Result<String, String> {
        read_secret(Path::new(path))
    }
}

/// Reads the definition in `file`, or the built-in one, with variables from the environment.
pub fn load(file: Option<&Path>) -> anyhow::Result<Loaded> {
    loaded(file, &Environment(|name: &str| std::env::var(name).ok()))
}

/// The same with variables from elsewhere, and without a word about what is questionable.
pub fn load_with(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Definition> {
    loaded(file, &Environment(env)).map(|loaded| loaded.definition)
}

fn loaded(file: Option<&Path>, env: &dyn Variables) -> anyhow::Result<Loaded> {
    let (name, source) = read(file)?;
    let Checked { definition, warnings, .. } = Definition::check(&name, &source, env)?;
    commande::suits(&name, &definition)?;
    let definition = commande::labelled(definition);
    Ok(Loaded { definition, warnings: warnings.iter().map(|warning| warning.line_about(&name)).collect() })
}

/// Reads a definition to explain it, not to run it, with the name that it is reported under: variables that are not set
/// and files that cannot be used are noted.
pub fn inspect(file: Option<&Path>) -> anyhow::Result<(String, Checked)> {
    let (name, source) = read(file)?;
    let checked = Definition::inspect(&name, &source, &Environment(|name: &str| std::env::var(name).ok()))?;
    commande::suits(&name, &checked.definition)?;
    Ok((name, checked))
}

/// The name and text of the definition in `file`, or of the built-in one.
fn read(file: Option<&Path>) -> anyhow::Result<(String, String)> {
    let Some(file) = file else { return Ok(("checkout.yaml (built in)".to_owned(), CHECKOUT.to_owned())) };
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    // One byte more than there may be, of whatever size the file is.
    File::open(file)
        .and_then(|file| file.take(SOURCE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| format!("read the definition {name}"))?;
    if bytes.len() > SOURCE_BYTES_MAX {
        bail!(
            "{name}: the file has more than {SOURCE_BYTES_MAX} bytes (SOURCE_BYTES_MAX), the most that a definition may have"
        );
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        bail!("{name}:1: the file is not UTF-8 text but UTF-16; save it as UTF-8");
    }
    match String::from_utf8(bytes) {
        Ok(source) => Ok((name, source)),
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            bail!("{name}:{line}: the file is not UTF-8 text: {}; save it as UTF-8", error.utf8_error())
        }
    }
}

/// The definitions that the engine works with. Sources kept in the journal are read by the rules that they were checked
/// with, and with today's environment: a saga is pinned to what it does, not to where its participants are reached.
pub fn for_engine(
    current: Definition,
    env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Definitions {
    let env = Environment(env);
    Definitions {
        orders: Some(current.name.clone()),
        served: vec![current.into()],
        read: Box::new(move |source, format| {
            Definition::read(source, format, &env).map_err(|mistakes| mistakes.to_string())
        }),
    }
}

/// The content of a file that a definition names. Never more than it may have: the file is foreign, too.
fn read_secret(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| error.to_string();
    // Asked before it is opened: opening a pipe waits for its other end.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is not a regular file".into());
    }
    let file = File::open(path).map_err(told)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("it is larger than the limit SECRET_BYTES_MAX, {SECRET_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}
