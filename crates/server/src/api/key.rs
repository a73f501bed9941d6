//! The header `Idempotency-Key`: the same key is the same request.

use axum::http::HeaderMap;
use saga_core::SagaId;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Required, Schema};

use super::Api;
use super::access::Principal;
use super::problem::Problem;

/// Characters of an `Idempotency-Key`.
const KEY_CHARS_MAX: usize = 255;

/// The key, in either of its two forms: a structured-field string in quotes, or bare.
pub(crate) fn of(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = |what: &str| Err(Problem::invalid(format!("Idempotency-Key: {what}")));
    if values.next().is_some() {
        return wrong("the header stands more than once");
    }
    let Ok(text) = value.to_str() else { return wrong("only visible ASCII characters can be used") };
    let bare = text.trim();
    let bare = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(bare);
    match bare.len() {
        0 => wrong("the key is empty"),
        n if n > KEY_CHARS_MAX => {
            wrong(&format!("the key has {n} characters; at most {KEY_CHARS_MAX} are taken"))
        }
        _ => Ok(Some(bare.to_owned())),
    }
}

/// The header in the document.
pub(crate) struct Key;

impl IntoParams for Key {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "The same key and body are one request, however often it is sent. 1 to 255 characters, bare or in double \
                           quotes.";
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            // With the quotes.
            .max_length(Some(KEY_CHARS_MAX + 2))
            // In quotes; or one character; or with no quote at its beginning, or at its end.
            .pattern(Some(r#"^("[\t -~]{1,255}"|[!-~]|[!#-~][\t -~]{0,253}[!-~]|"[\t -~]{0,253}[!#-~])$"#))
            .build();
        let header = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(Schema::from(schema)))
            .example(Some("request-7".into()));
        vec![header.build()]
    }
}

/// The saga that a caller's key belongs to. Orders of callers without names have the ids that they had before there were other
/// sagas.
pub(crate) fn saga_of(api: &Api, saga: &str, principal: &Principal, key: &str) -> SagaId {
    match principal.name() {
        Some(name) => SagaId::of_callers_key(name, saga, key),
        None if *saga == *api.commande_saga => SagaId::from_idempotency_key(key),
        None => SagaId::of_key(saga, key),
    }
}
