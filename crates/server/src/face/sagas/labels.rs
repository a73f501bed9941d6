//! `label.NAME=VALUE` in a query.

use std::sync::Arc;

use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Required, Schema};

use crate::api::problem::Problem;

/// Labels that one query can name: as many as a definition can have, and a face can add.
const LABELS_ASKED_MAX: usize = 16;

/// What a parameter that is about a label begins with.
const PREFIX: &str = "label.";

/// A label's name, and its value as text.
pub(super) type AskedLabel = (Arc<str>, Arc<str>);

/// The label that a parameter is about; `None`: it is about none.
pub(super) fn of(name: &str, value: &str) -> Option<Result<AskedLabel, Problem>> {
    let label = name.strip_prefix(PREFIX)?;
    // PostgreSQL cannot even be asked for a text with a NUL in it.
    if label.is_empty() || [label, value].iter().any(|text| text.contains(char::is_control)) {
        let detail =
            format!("`{}` must be a label's name behind `label.`, and its value a text", name.escape_debug());
        return Some(Err(Problem::invalid(detail)));
    }
    Some(Ok((label.into(), value.into())))
}

/// All labels of a query, which has nothing else.
pub(super) fn read(query: &str) -> Result<Vec<AskedLabel>, Problem> {
    let mut labels = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match of(&name, &value) {
            Some(label) => labels.push(label?),
            None => {
                let detail =
                    format!("There is no parameter `{}` here; there is label.NAME", name.escape_debug());
                return Err(Problem::invalid(detail));
            }
        }
    }
    too_many(&labels)?;
    Ok(labels)
}

pub(super) fn too_many(labels: &[AskedLabel]) -> Result<(), Problem> {
    if labels.len() > LABELS_ASKED_MAX {
        let detail = format!("There are more labels than the limit LABELS_ASKED_MAX, {LABELS_ASKED_MAX}");
        return Err(Problem::invalid(detail));
    }
    Ok(())
}

/// The parameter in the document.
pub(super) struct LabelQuery;

impl IntoParams for LabelQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = ParameterBuilder::new()
            .name("label.NAME")
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(
                "A label and its value, such as `label.client_id=7`; several are all demanded.",
            ))
            .schema(Some(Schema::from(
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .pattern(Some(r"^[^\x00-\x1F\x7F-\x9F]*$"))
                    .build(),
            )))
            .example(Some("7".into()));
        vec![parameter.build()]
    }
}
