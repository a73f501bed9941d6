//! Which definition new sagas run: the built-in checkout, or a file.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use saga_core::Definition;
use saga_core::definition::{Checked, InputType, SECRET_BYTES_MAX, Variables};
use saga_engine::Definitions;

/// The shop's checkout, as it is when nothing else is asked for.
pub const CHECKOUT: &str = include_str!("../../../sagas/checkout.yaml");

/// The JSON Schema of definitions, for editors.
pub const SCHEMA: &str = include_str!("../../../sagas/definition.schema.json");

/// The members of the input that the API of orders is about.
const REQUIRED_INPUTS: [&str; 2] = ["client_id", "magasin_id"];

/// A definition that was loaded, and what its author should know.
pub struct Loaded {
    /// What new sagas run.
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
    let (name, source) = match file {
        Some(file) => {
            let name = file.display().to_string();
            let bytes = std::fs::read(file).with_context(|| format!("read the definition {name}"))?;
            let source = String::from_utf8(bytes)
                .map_err(|error| anyhow::anyhow!("{name}: the file is not UTF-8 text: {error}"))?;
            (name, source)
        }
        None => ("checkout.yaml (built in)".to_owned(), CHECKOUT.to_owned()),
    };
    let Checked { definition, warnings } = Definition::check(&name, &source, env)?;
    for required in REQUIRED_INPUTS {
        let declared = definition.input.iter().find(|(name, _)| **name == *required);
        if !matches!(declared, Some((_, InputType::Integer))) {
            bail!(
                "{name}: the input has no `{required}: integer`, which every order has; \
                 write `input: {{ client_id: integer, magasin_id: integer }}`"
            );
        }
    }
    Ok(Loaded { definition, warnings: warnings.iter().map(|warning| warning.told(&name)).collect() })
}

/// The definitions that the engine works with. Sources kept in the journal are read by the rules that they were checked
/// with, and with today's environment: a saga is pinned to what it does, not to where its participants are reached.
pub fn for_engine(
    current: Definition,
    env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Definitions {
    let env = Environment(env);
    Definitions {
        current: current.into(),
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
    let file = std::fs::File::open(path).map_err(told)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("it is larger than the limit SECRET_BYTES_MAX, {SECRET_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}
