//! The `Prefer` header (RFC 7240): `respond-async` and `wait=N`.

use std::time::Duration;

use axum::http::HeaderMap;
use saga_engine::Wait;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Required, Schema};

use super::ApiLimits;

/// How long a caller waits, and what to tell it of its preference.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Preference {
    pub(crate) wait: Wait,
    /// The value of `Preference-Applied`, where one was.
    pub(crate) applied: Option<String>,
}

impl Preference {
    /// Reads the preferences. Unknown and malformed ones are passed over, as the RFC demands.
    pub(crate) fn of(headers: &HeaderMap, limits: &ApiLimits) -> Self {
        let mut wait = None;
        let mut respond_async = false;
        for value in headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()) {
            for preference in value.split(',') {
                let token = preference.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                if token == "respond-async" {
                    respond_async = true;
                } else if let Some(("wait", seconds)) =
                    token.split_once('=').map(|(k, v)| (k.trim(), v.trim()))
                {
                    // The first one counts (RFC 7240, section 2).
                    wait = wait.or(seconds.trim_matches('"').parse::<u64>().ok());
                }
            }
        }
        match (respond_async, wait) {
            // With both, `wait` says how long an immediate answer is still preferred (RFC 7240, section 4.3).
            (true, None) => Self { wait: Wait::started(), applied: Some("respond-async".into()) },
            (both, Some(seconds)) => {
                let seconds = seconds.min(limits.wait_max.as_secs());
                let applied =
                    if both { format!("respond-async, wait={seconds}") } else { format!("wait={seconds}") };
                Self { wait: Wait::settled(Duration::from_secs(seconds)), applied: Some(applied) }
            }
            (false, None) => Self { wait: Wait::settled(limits.wait_default), applied: None },
        }
    }
}

impl IntoParams for Preference {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = format!(
            "`respond-async`: answer `202` as soon as the order is recorded. `wait=N`: wait at most N seconds (0 to {}). \
             RFC 7240.",
            ApiLimits::default().wait_max.as_secs()
        );
        let header = ParameterBuilder::new()
            .name("Prefer")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(Schema::from(ObjectBuilder::new().schema_type(Type::String).build())))
            .example(Some("wait=10".into()));
        vec![header.build()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preference(values: &[&'static str]) -> (Wait, Option<String>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("prefer", axum::http::HeaderValue::from_static(value));
        }
        let read = Preference::of(&headers, &ApiLimits::default());
        (read.wait, read.applied)
    }

    #[test]
    fn preferences_are_read_as_rfc_7240_says() {
        let settled = |s| Wait::settled(Duration::from_secs(s));
        assert_eq!(preference(&[]), (settled(30), None));
        assert_eq!(preference(&["respond-async"]), (Wait::started(), Some("respond-async".into())));
        assert_eq!(preference(&["Wait=5"]), (settled(5), Some("wait=5".into())));
        assert_eq!(preference(&["wait=5", "wait=9"]), (settled(5), Some("wait=5".into())));
        assert_eq!(
            preference(&["respond-async, wait=2"]),
            (settled(2), Some("respond-async, wait=2".into()))
        );
        assert_eq!(preference(&["wait=99999"]), (settled(300), Some("wait=300".into())));
        assert_eq!(preference(&["wait=soon, handling=lenient"]), (settled(30), None));
    }
}
