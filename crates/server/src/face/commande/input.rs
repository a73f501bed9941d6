//! What an order has to bring for this face.

use anyhow::bail;
use saga_core::Definition;
use saga_core::definition::InputType;

/// The members of the input that orders are listed and shown by.
const REQUIRED: [&str; 2] = ["client_id", "magasin_id"];

/// Whether `definition`, which is called `name`, declares them: this face cannot show its orders otherwise.
pub(crate) fn suits(name: &str, definition: &Definition) -> anyhow::Result<()> {
    for required in REQUIRED {
        let declared = definition.input.iter().find(|(name, _)| **name == *required);
        if !matches!(declared, Some((_, InputType::Integer))) {
            bail!(
                "{name}: the input has no `{required}: integer`, which every order has; \
                 write `input: {{ client_id: integer, magasin_id: integer }}`"
            );
        }
    }
    Ok(())
}

/// `definition`, with the members that orders are found by as labels.
pub(crate) fn labelled(definition: Definition) -> Definition {
    definition.labelled_by(&REQUIRED)
}
