//! Answers in the API's document, where `#[utoipa::path]` has no words for them: headers with an example, and problems, whose
//! examples are made by the code that answers with them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::IntoResponses;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};

use super::problem::{Problem, RETRY_AFTER_SECONDS};

/// Responses by their status.
pub(crate) type Responses = BTreeMap<String, RefOr<Response>>;

/// A header of a text or a number.
pub(crate) fn header(description: &str, example: impl Into<Value>) -> Header {
    let example = example.into();
    let kind = if example.is_number() { Type::Integer } else { Type::String };
    let schema = ObjectBuilder::new().schema_type(kind).build();
    HeaderBuilder::new()
        .schema(Some(Schema::from(schema)))
        .description(Some(description))
        .example(Some(example))
        .build()
}

/// The schema of a list.
pub(crate) fn list_of(item: &str) -> Schema {
    ArrayBuilder::new().items(Ref::from_schema_name(item)).build().into()
}

/// A response with one JSON body.
pub(crate) fn json(
    description: &str,
    schema: impl Into<RefOr<Schema>>,
    example: impl Serialize,
) -> ResponseBuilder {
    with_content("application/json", description, schema.into(), example)
}

/// The response that `problem` is, with itself as the example.
pub(crate) fn problem(description: &str, problem: &Problem) -> ResponseBuilder {
    let schema = Ref::from_schema_name("Problem");
    let response = with_content("application/problem+json", description, schema.into(), problem);
    if problem.is_temporary() { response.header("Retry-After", retry_after("Seconds.")) } else { response }
}

/// The header `Retry-After`.
pub(crate) fn retry_after(description: &str) -> Header {
    header(description, RETRY_AFTER_SECONDS)
}

/// The problems by their statuses.
pub(crate) fn problems<const N: usize>(described: [(&str, Problem); N]) -> Responses {
    let of = |(description, example): (&str, Problem)| {
        (example.status().to_string(), problem(description, &example).build().into())
    };
    described.into_iter().map(of).collect()
}

fn with_content(
    media: &str,
    description: &str,
    schema: RefOr<Schema>,
    example: impl Serialize,
) -> ResponseBuilder {
    let example = serde_json::to_value(example).expect("examples are plain JSON");
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
    ResponseBuilder::new().description(description).content(media, content)
}

/// `503`: what has to read the journal cannot.
pub(crate) struct JournalUnavailable;

impl IntoResponses for JournalUnavailable {
    fn responses() -> Responses {
        problems([(
            "The journal cannot be reached, or a limit is reached. `Retry-After` says when to try again.",
            saga_journal::Unavailable::because("connection refused").into(),
        )])
    }
}
