//! The parts of a request beside its path: headers, and the body in one of its forms.

use http::{HeaderName, HeaderValue};

use super::super::body::TEXT;
use super::super::yaml::{CallIn, CodeNode, Spanned};
use super::super::{BodyTemplate, CALL_HEADERS_MAX, CallHeader, Template};
use super::calls::{CheckedCall, Readable};
use super::headers::{is_secret, reserved};
use super::{Checker, line};

impl Checker<'_> {
    /// The body of a call. `Err`: it is a mistake, which has been reported.
    pub(super) fn body(
        &mut self,
        call: &CallIn,
        readable: &Readable<'_>,
        checked: &mut CheckedCall,
    ) -> Result<Option<BodyTemplate>, ()> {
        let given = [("body", &call.body), ("form", &call.form), ("text", &call.text)];
        let mut given = given.into_iter().filter_map(|(key, node)| Some((key, node.as_ref()?)));
        let (first, second) = (given.next(), given.next());
        if let (Some((one, _)), Some((other, node))) = (first, second) {
            let message =
                format!("a call has one body, and this is `{one}` and `{other}`; remove one of them");
            self.mistake(line(node), message);
        }
        if let (Some(given), None) = (&call.content_type, &call.text) {
            let message =
                "`content_type` says what a `text` is; a `body` is JSON and a `form` is a form: remove it";
            self.mistake(line(given), message);
        }
        let Some((key, node)) = first else { return Ok(None) };
        let template = self.node((line(node), &node.value), readable, checked).ok_or(())?;
        match key {
            "form" => self.form(node, &template)?,
            "text" => self.text(node, &template)?,
            _ => {}
        }
        let content_type = self.content_type(call.content_type.as_ref())?;
        Ok(Some(match key {
            "form" => BodyTemplate::Form(template),
            "text" => BodyTemplate::Text { template, content_type },
            _ => BodyTemplate::Json(template),
        }))
    }

    /// Checks what can be known of a form before it is made.
    fn form(&mut self, node: &Spanned<CodeNode>, template: &Template) -> Result<(), ()> {
        let lines: Vec<usize> = match &node.value {
            CodeNode::Members(members) => members.iter().map(|(_, member)| line(member)).collect(),
            CodeNode::Code(_) => Vec::new(),
        };
        match template {
            Template::Object(members) => {
                let nested =
                    |(_, (_, member)): &(usize, &(_, Template))| matches!(member, Template::Object(_));
                let Some((at, (name, _))) = members.iter().enumerate().find(nested) else { return Ok(()) };
                let message = format!(
                    "{} is an object, and a form has names with texts, numbers, booleans or lists of them; give its \
                     members names of their own",
                    name.text()
                );
                self.mistake(lines.get(at).copied().unwrap_or(line(node)), message);
                Err(())
            }
            Template::Constant(json) if !json.text().starts_with('{') => {
                self.mistake(
                    line(node),
                    "a form is an object of names and values; write `form: { name: value }`",
                );
                Err(())
            }
            Template::Text(_) => {
                let message = "a form is an object of names and values, and this is a text; write `form: { name: value }`, or `text`";
                self.mistake(line(node), message);
                Err(())
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, node: &Spanned<CodeNode>, template: &Template) -> Result<(), ()> {
        if matches!(template, Template::Object(_)) {
            self.mistake(
                line(node),
                "`text` is a text, and this is an object; write `body` for JSON, or `form`",
            );
            return Err(());
        }
        Ok(())
    }

    fn content_type(&mut self, given: Option<&Spanned<String>>) -> Result<HeaderValue, ()> {
        let Some(given) = given else { return Ok(HeaderValue::from_static(TEXT)) };
        let written = given.value.trim();
        let value = HeaderValue::from_str(written).ok().filter(|_| is_media_type(written));
        value.ok_or_else(|| {
            let written = super::yaml::shown(written);
            self.mistake(line(given), format!("`{written}` is not a content type; write e.g. `text/csv`"));
        })
    }

    /// The headers of one call, which may be computed. `Err`: one is a mistake, which has been reported.
    pub(super) fn call_headers(
        &mut self,
        given: &[(String, Spanned<CodeNode>)],
        has_own_type: bool,
        readable: &Readable<'_>,
        checked: &mut CheckedCall,
    ) -> Result<Vec<CallHeader>, ()> {
        let told = self.mistakes.len();
        if let Some((_, node)) = given.get(CALL_HEADERS_MAX) {
            let (at, there) = (line(node), given.len());
            self.mistake(
                at,
                format!("there are {there} headers; the limit CALL_HEADERS_MAX is {CALL_HEADERS_MAX}"),
            );
        }
        let mut headers: Vec<CallHeader> = Vec::with_capacity(given.len());
        for (written, node) in given {
            let at = line(node);
            let Ok(name) = HeaderName::try_from(written) else {
                self.mistake(
                    at,
                    format!("`{}` is not a header that can be sent", super::yaml::shown(written)),
                );
                continue;
            };
            if let Some(why) = reserved(name.as_str()) {
                self.mistake(at, format!("the header `{written}` cannot be set: {why}; remove it"));
            } else if name == http::header::CONTENT_TYPE && has_own_type {
                let message = "a `form` has a content type of its own, and that of a `text` is `content_type`; remove it";
                self.mistake(at, message);
            } else if headers.iter().any(|there| there.name == name) {
                self.mistake(
                    at,
                    format!("the header `{written}` is here twice, in another spelling; remove one"),
                );
            }
            let Some(value) = self.node((at, &node.value), readable, checked) else { continue };
            let is_secret = is_secret(name.as_str());
            match &value {
                Template::Object(_) => self.mistake(
                    at,
                    format!("the header `{written}` is an object; write an expression that gives a text"),
                ),
                Template::Constant(_) if is_secret => self.warning(
                    at,
                    format!(
                        "the value of the header `{written}` is a part of the file, and is kept in the journal; a \
                         participant's `headers` take it from the environment, `${{NAME}}`, or from a file, `${{file:PATH}}`"
                    ),
                ),
                _ => {}
            }
            headers.push(CallHeader { name, value, is_secret });
        }
        if self.mistakes.len() > told { Err(()) } else { Ok(headers) }
    }
}

/// Whether this is a media type (RFC 9110, 8.3.1), as far as servers depend on it: two tokens, and maybe parameters.
fn is_media_type(text: &str) -> bool {
    let kind = text.split(';').next().unwrap_or_default().trim_end();
    let is_token = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        !part.is_empty() && part.chars().all(plain)
    };
    kind.split_once('/').is_some_and(|(major, minor)| is_token(major) && is_token(minor))
}
