//! The headers that one call sets, made for each request.

use http::{HeaderName, HeaderValue};

use super::body::scalar;
use super::program::EvalError;
use super::template::{Scope, Template};

/// The headers that one call may set.
pub const CALL_HEADERS_MAX: usize = 32;
/// The longest value of a header that a call sets, in bytes: common servers take 8 KiB of headers.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;

/// A header of a call.
#[derive(Debug)]
pub struct CallHeader {
    pub(super) name: HeaderName,
    pub(super) value: Template,
    /// Whether reports leave its value out.
    pub(super) is_secret: bool,
}

impl CallHeader {
    /// Its name.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The header for one request; `None`: its value is null, and it is left out.
    pub(super) fn render(&self, scope: &Scope<'_>) -> Result<Option<(HeaderName, HeaderValue)>, EvalError> {
        let refused = |what: &str| EvalError(format!("the header `{}` {what}", self.name));
        let value = self.value.render(scope).map_err(|error| refused(&format!("cannot be made: {error}")))?;
        let text = scalar(value.text())
            .map_err(|is| refused(&format!("is {is}; only a text, a number, true or false can be sent")))?;
        let Some(text) = text else { return Ok(None) };
        if text.len() > HEADER_BYTES_MAX {
            let bytes = text.len();
            return Err(refused(&format!(
                "has {bytes} bytes; the limit HEADER_BYTES_MAX is {HEADER_BYTES_MAX}"
            )));
        }
        if text.chars().any(char::is_control) {
            return Err(refused("has a control character, such as a line break, which no header can have"));
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(refused("begins or ends with a space, which would not arrive"));
        }
        let mut value = HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| refused("has a character that cannot be sent"))?;
        value.set_sensitive(self.is_secret);
        Ok(Some((self.name.clone(), value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(code: &str) -> Result<Option<String>, String> {
        let value = Template::parse(code).expect("jq");
        let header = CallHeader { name: HeaderName::from_static("x-a"), value, is_secret: false };
        let scope = Scope::default().with(
            "input",
            r#"{"n":10.00,"b":false,"s":"caf\u00e9","nl":"a\r\nHost: evil","del":"\u007f","c1":"\u0085","sp":" a","tab":"a\tb","o":{},"l":[1],"e":"","none":null}"#,
        );
        let value = header.render(&scope).map_err(|error| error.0)?;
        Ok(value.map(|(_, value)| String::from_utf8(value.as_bytes().to_vec()).expect("UTF-8")))
    }

    #[test]
    fn scalars_are_sent_and_null_is_left_out() {
        for (code, expected) in [
            (".input.n", Some("10.00")),
            (".input.b", Some("false")),
            (".input.s", Some("café")),
            (".input.e", Some("")),
            (r#""v1/\(.input.n)""#, Some("v1/10.00")),
            (".input.none", None),
            (".input.unknown", None),
            (".sale.id", None),
            ("if .input.b then 1 else null end", None),
        ] {
            assert_eq!(sent(code), Ok(expected.map(str::to_owned)), "{code}");
        }
    }

    #[test]
    fn nothing_else_is_and_the_error_names_the_header() {
        for (code, told) in [
            (".input.nl", "control character"),
            (".input.del", "control character"),
            (".input.c1", "control character"),
            (".input.tab", "control character"),
            (".input.sp", "a space"),
            (".input.o", "an object"),
            (".input.l", "a list"),
            (r#""\(.input.none)""#, "is missing"),
            (".input.s.x", "not an object"),
            ("\"x\" * 5000", "HEADER_BYTES_MAX"),
        ] {
            let error = sent(code).expect_err(code);
            assert!(error.contains(told) && error.starts_with("the header `x-a` "), "{code}: {error}");
        }
    }
}
