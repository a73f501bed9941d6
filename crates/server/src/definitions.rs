//! Which definition new sagas run: the built-in checkout, or a file.

use std::path::Path;

use anyhow::{Context, bail};
use saga_core::Definition;
use saga_core::definition::InputType;
use saga_engine::Definitions;

/// The shop's checkout, as it is when nothing else is asked for.
pub const CHECKOUT: &str = include_str!("../../../sagas/checkout.yaml");

/// The JSON Schema of definitions, for editors.
pub const SCHEMA: &str = include_str!("../../../sagas/definition.schema.json");

/// The members of the input that the API of orders is about.
const REQUIRED_INPUTS: [&str; 2] = ["client_id", "magasin_id"];

/// Reads the definition in `file`, or the built-in one, with variables from the environment.
pub fn load(file: Option<&Path>) -> anyhow::Result<Definition> {
    load_with(file, &|name| std::env::var(name).ok())
}

/// The same with variables from elsewhere.
pub fn load_with(file: Option<&Path>, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Definition> {
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
    let definition = Definition::parse(&name, &source, env)?;
    for required in REQUIRED_INPUTS {
        let declared = definition.input.iter().find(|(name, _)| **name == *required);
        if !matches!(declared, Some((_, InputType::Integer))) {
            bail!(
                "{name}: the input has no `{required}: integer`, which every order has; \
                 write `input: {{ client_id: integer, magasin_id: integer }}`"
            );
        }
    }
    Ok(definition)
}

/// The definitions that the engine works with. Sources kept in the journal are read with today's environment:
/// a saga is pinned to what it does, not to where its participants are reached.
pub fn for_engine(
    current: Definition,
    env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Definitions {
    Definitions {
        current: current.into(),
        read: Box::new(move |source| {
            Definition::parse("the journal's definition", source, &env)
                .map_err(|mistakes| mistakes.to_string())
        }),
    }
}
