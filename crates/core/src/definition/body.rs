//! The bodies of requests: JSON, a form, or a text.

use std::borrow::Cow;
use std::fmt;

use form_urlencoded::byte_serialize;
use http::HeaderValue;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::program::EvalError;
use super::template::{RENDERED_BYTES_MAX, Scope, Template};
use crate::json::Json;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// The content type of a `text` without `content_type`.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// How a call's body is made.
#[derive(Debug)]
pub enum BodyTemplate {
    /// `body`: JSON.
    Json(Template),
    /// `form`: an object, whose members become `name=value`.
    Form(Template),
    /// `text`: a string, sent as it is.
    Text {
        /// The string.
        template: Template,
        /// What the text is.
        content_type: HeaderValue,
    },
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// JSON.
    Json(Json),
    /// `application/x-www-form-urlencoded`.
    Form(String),
    /// Any other text.
    Text {
        /// The text.
        text: String,
        /// What it is.
        content_type: HeaderValue,
    },
}

impl Body {
    /// The content, as it is sent.
    pub fn text(&self) -> &str {
        match self {
            Self::Json(json) => json.text(),
            Self::Form(text) | Self::Text { text, .. } => text,
        }
    }

    /// The header `Content-Type`.
    pub fn content_type(&self) -> HeaderValue {
        match self {
            Self::Json(_) => JSON,
            Self::Form(_) => FORM,
            Self::Text { content_type, .. } => content_type.clone(),
        }
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Option<&Json> {
        match self {
            Self::Json(json) => Some(json),
            Self::Form(_) | Self::Text { .. } => None,
        }
    }
}

impl BodyTemplate {
    pub(super) fn template(&self) -> &Template {
        match self {
            Self::Json(template) | Self::Form(template) | Self::Text { template, .. } => template,
        }
    }

    /// The body for one request.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Body, EvalError> {
        let value = self.template().render(scope)?;
        Ok(match self {
            Self::Json(_) => Body::Json(value),
            Self::Form(_) => Body::Form(form(&value)?),
            Self::Text { content_type, .. } => {
                let text = scalar(value.text()).map_err(|is| {
                    EvalError(format!("`text` is {is}; only a text, a number, true or false can be sent"))
                })?;
                let text =
                    text.ok_or_else(|| EvalError("`text` is null, and there is nothing to send".into()))?;
                Body::Text { text: text.into_owned(), content_type: content_type.clone() }
            }
        })
    }
}

/// The text of a string, a number, `true` or `false`; `None`: null. Otherwise the error says what it is.
pub(super) fn scalar(json: &str) -> Result<Option<Cow<'_, str>>, &'static str> {
    match json.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<&str>(json) {
            Ok(text) => Ok(Some(text.into())),
            // It has escapes.
            Err(_) => serde_json::from_str(json).map(Some).map_err(|_| "no text that can be written"),
        },
        Some(b'{') => Err("an object"),
        Some(b'[') => Err("a list"),
        Some(b'n') | None => Ok(None),
        Some(_) => Ok(Some(json.into())),
    }
}

/// An object as `application/x-www-form-urlencoded` (WHATWG URL, 5.2): members in their order, the items of a list one by one,
/// null left out.
fn form(value: &Json) -> Result<String, EvalError> {
    let refused = |name: &str, what: &str| {
        let name: String = name.chars().take(NAME_SHOWN_CHARS_MAX).collect();
        EvalError(format!("`{}` in `form` is {what}", name.escape_debug()))
    };
    if !value.text().starts_with('{') {
        return Err(EvalError("`form` is no object of names and values".into()));
    }
    let FormEntries(members) =
        serde_json::from_str(value.text()).map_err(|error| EvalError(format!("`form`: {error}")))?;
    let mut text = String::with_capacity(value.text().len());
    let mut add = |name: &str, json: &str| {
        let Some(value) = scalar(json).map_err(|is| {
            refused(
                name,
                &format!("or has {is}; only texts, numbers, true and false can be sent, and lists of these"),
            )
        })?
        else {
            return Ok(());
        };
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(byte_serialize(name.as_bytes()));
        text.push('=');
        text.extend(byte_serialize(value.as_bytes()));
        match text.len() {
            bytes if bytes > RENDERED_BYTES_MAX => Err(EvalError(format!(
                "the form has more bytes than the limit RENDERED_BYTES_MAX, {RENDERED_BYTES_MAX}"
            ))),
            _ => Ok(()),
        }
    };
    for (name, value) in &members {
        match serde_json::from_str::<Vec<&RawValue>>(value.get()) {
            Ok(items) => items.into_iter().try_for_each(|item| add(name, item.get()))?,
            Err(_) => add(name, value.get())?,
        }
    }
    Ok(text)
}

/// Characters of a name in a reason.
const NAME_SHOWN_CHARS_MAX: usize = 60;

/// The members of an object, in their order.
struct FormEntries<'j>(Vec<(Cow<'j, str>, &'j RawValue)>);

impl<'de> serde::Deserialize<'de> for FormEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = FormEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Name<'_>, _>()? {
                    members.push((member.0.0, member.1));
                }
                Ok(FormEntries(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[derive(serde::Deserialize)]
struct Name<'j>(#[serde(borrow)] Cow<'j, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn form_of(json: &str) -> Result<String, String> {
        form(&Json::parse(json.as_bytes()).expect("JSON")).map_err(|error| error.0)
    }

    #[test]
    fn a_form_is_what_a_browser_sends() {
        for (json, expected) in [
            ("{}", ""),
            (r#"{"b":1,"a":"x"}"#, "b=1&a=x"),
            (r#"{"a":["x",2,null,true],"n":null,"e":[],"s":""}"#, "a=x&a=2&a=true&s="),
            (r#"{"amount":10.00,"id":18446744073709551616}"#, "amount=10.00&id=18446744073709551616"),
            (r#"{"a&b=c":"1 + 1 = 2 & more%"}"#, "a%26b%3Dc=1+%2B+1+%3D+2+%26+more%25"),
            (r#"{"é":"日本\n\r\u0000*-._~"}"#, "%C3%A9=%E6%97%A5%E6%9C%AC%0A%0D%00*-._%7E"),
            (r#"{"\u0061[]":"x"}"#, "a%5B%5D=x"),
        ] {
            assert_eq!(form_of(json).as_deref(), Ok(expected), "{json}");
        }
    }

    #[test]
    fn what_is_no_form_says_which_entry_it_is() {
        for (json, told) in [
            (r#"{"a":1,"who":{"x":1}}"#, "`who` in `form` is or has an object"),
            (r#"{"who":[1,{"x":1}]}"#, "`who` in `form` is or has an object"),
            (r#"{"who":[[1]]}"#, "`who` in `form` is or has a list"),
            ("[1]", "no object"),
            ("\"a=b\"", "no object"),
            ("null", "no object"),
        ] {
            let error = form_of(json).expect_err(json);
            assert!(error.contains(told), "{json}: {error}");
        }
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(RENDERED_BYTES_MAX / 4));
        assert!(form_of(&long).expect_err("too long").contains("RENDERED_BYTES_MAX"));
    }
}
