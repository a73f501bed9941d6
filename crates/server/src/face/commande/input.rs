//! The input that an order needs for this face.

use anyhow::bail;
use saga_core::Definition;
use saga_core::definition::InputType;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The members of the input that orders are listed and shown by.
const REQUIRED: [&str; 2] = ["client_id", "magasin_id"];

/// Whether `definition`, which is called `name`, declares them: this face cannot show its orders otherwise.
pub(crate) fn suits(name: &str, definition: &Definition) -> anyhow::Result<()> {
    for required in REQUIRED {
        let declared = definition.input.member(required);
        if !declared.is_some_and(|member| member.kind == InputType::Integer && !member.optional) {
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

/// The body of `POST /api/commande/checkout`, as the document has it. The definition reads it: it may demand more.
pub(crate) struct Demande;

impl ToSchema for Demande {}

impl PartialSchema for Demande {
    fn schema() -> RefOr<Schema> {
        let integer = || {
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        };
        let body = ObjectBuilder::new()
            .description(Some("What a definition declares as input. Other members are passed over."));
        let body = REQUIRED.iter().fold(body, |body, name| body.property(*name, integer()).required(*name));
        Schema::from(body.build()).into()
    }
}
