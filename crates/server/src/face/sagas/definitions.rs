//! `GET /api/definitions` and `GET /api/definitions/{saga}`: what is loaded.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use saga_core::Definition;
use saga_core::definition::{Step, StepWork};
use serde::Serialize;
use utoipa::ToSchema;

use super::examples;
use super::start::{UnknownDefinition, loaded};
use crate::api::Api;
use crate::api::problem::Problem;

/// A definition that new sagas can run.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadedDefinition)]
pub(crate) struct DefinitionAsLoaded {
    name: String,
    /// SHA-256 of its source.
    hash: String,
    /// The JSON Schema (2020-12) of its sagas' input.
    #[schema(value_type = Object)]
    input: serde_json::Value,
    /// The names of the labels that its sagas are found by.
    labels: Vec<String>,
    steps: Vec<StepAsLoaded>,
    /// The file's text. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    source: Option<String>,
}

/// A step of a definition.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadedStep)]
struct StepAsLoaded {
    name: String,
    #[schema(inline)]
    kind: StepForm,
    /// The steps that it waits for.
    after: Vec<String>,
    /// Of a call.
    #[schema(required)]
    participant: Option<String>,
    /// Whether it is undone when the saga is rolled back.
    compensated: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StepForm {
    Call,
    Signal,
    Pause,
}

impl DefinitionAsLoaded {
    fn of(definition: &Definition) -> Self {
        let step = |(index, step): (usize, &Step)| StepAsLoaded {
            name: step.name.to_string(),
            kind: match &step.work {
                StepWork::Call(_) => StepForm::Call,
                StepWork::Signal(_) => StepForm::Signal,
                StepWork::Pause(_) => StepForm::Pause,
            },
            after: definition
                .graph
                .after(index)
                .iter()
                .map(|step| definition.steps[step].name.to_string())
                .collect(),
            participant: definition.participant(index).map(|called| called.name.to_string()),
            compensated: step.compensation().is_some(),
        };
        Self {
            name: definition.name.to_string(),
            hash: definition.hash.to_string(),
            input: definition.input.schema(),
            labels: definition.labels.iter().map(|rule| rule.name.to_string()).collect(),
            steps: definition.steps.iter().enumerate().map(step).collect(),
            source: None,
        }
    }
}

/// The loaded definitions
#[utoipa::path(
    get,
    path = "/api/definitions",
    security(("key" = ["read", "operate", "admin"])),
    tag = "sagas",
    responses((
        status = 200,
        description = "The definitions that new sagas can run.",
        body = Vec<DefinitionAsLoaded>,
        example = json!([examples::definition(false)])
    ))
)]
pub(crate) async fn definitions(State(api): State<Api>) -> Json<Vec<DefinitionAsLoaded>> {
    Json(api.engine.definitions().iter().map(|definition| DefinitionAsLoaded::of(definition)).collect())
}

/// One loaded definition, with its source
#[utoipa::path(
    get,
    path = "/api/definitions/{saga}",
    security(("key" = ["read", "operate", "admin"])),
    tag = "sagas",
    params(("saga" = String, Path, description = "The definition's name.", example = "checkout")),
    responses(
        (status = 200, description = "The definition.", body = DefinitionAsLoaded, example = json!(examples::definition(true))),
        UnknownDefinition
    )
)]
pub(crate) async fn definition(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<DefinitionAsLoaded>, Problem> {
    let name = path.map(|Path(name)| name).unwrap_or_default();
    let definition = loaded(&api, &name)?;
    let source = Some(definition.source.to_string());
    Ok(Json(DefinitionAsLoaded { source, ..DefinitionAsLoaded::of(&definition) }))
}
