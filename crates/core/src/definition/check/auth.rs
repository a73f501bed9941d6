//! A participant's `auth`: one way of proving, with a secret that the file does not have.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use http::header::AUTHORIZATION;
use strum::VariantNames;

use super::super::SECRET_BYTES_MAX;
use super::super::auth::{Auth, ClientAuth, TokenClient, UnusableSecret};
use super::super::secret::{SecretSource, SecretText};
use super::super::suggest::write_one_of;
use super::super::variables::{Origin, Unset, Variable};
use super::super::yaml::{AuthIn, BasicIn, CompensationIn, File, OAuth2In, Spanned};
use super::{Checker, address, line};

/// The longest user's name, client's name, scope, audience or `token_url`, in bytes.
const AUTH_TEXT_BYTES_MAX: usize = 1024;

/// What a secret has to be.
type Suits = fn(&str) -> Result<(), UnusableSecret>;

impl Checker<'_> {
    /// `None`: a mistake has been reported.
    pub(super) fn auth(&mut self, given: &Spanned<AuthIn>) -> Option<Auth> {
        match &given.value {
            AuthIn { bearer: Some(token), basic: None, oauth2: None, .. } => {
                let suits: Suits = |text| Auth::Bearer(SecretSource::File("".into())).suits(text);
                Some(Auth::Bearer(self.secret(token, "bearer", suits)?))
            }
            AuthIn { bearer: None, basic: Some(basic), oauth2: None, .. } => self.basic(&basic.value),
            AuthIn { bearer: None, basic: None, oauth2: Some(oauth2), .. } => self.oauth2(&oauth2.value),
            AuthIn { is_mistaken: true, .. } => None,
            AuthIn { bearer: None, basic: None, oauth2: None, .. } => {
                self.mistake(
                    line(given),
                    "`auth` says no way of proving; write one of `bearer`, `basic` and `oauth2` into it",
                );
                None
            }
            AuthIn { .. } => {
                self.mistake(
                    line(given),
                    "`auth` has several ways of proving, and a request carries one; leave one of `bearer`, `basic` and \
                     `oauth2`",
                );
                None
            }
        }
    }

    fn basic(&mut self, given: &BasicIn) -> Option<Auth> {
        let user = given.user.as_ref().and_then(|user| {
            let text = self.auth_text(user, "user")?;
            let why = if text.contains(':') {
                "a colon, which separates the user's name from the password (RFC 7617)"
            } else if text.chars().any(char::is_control) {
                "a control character, such as a line break"
            } else {
                return Some(text);
            };
            self.mistake(line(user), format!("`user` has {why}; write another name"));
            None
        });
        let password =
            given.password.as_ref().and_then(|password| self.secret(password, "password", is_password));
        Some(Auth::Basic { user: user?.into(), password: password? })
    }

    fn oauth2(&mut self, given: &OAuth2In) -> Option<Auth> {
        let token_url = given.token_url.as_ref().and_then(|url| self.token_url(url));
        let client_id = given.client_id.as_ref().and_then(|id| {
            let text = self.auth_text(id, "client_id")?;
            self.visible(id, "client_id", &text, |c| c == ' ' || c.is_ascii_graphic()).then_some(text)
        });
        let secret = given.client_secret.as_ref();
        let client_secret = secret.and_then(|secret| self.secret(secret, "client_secret", is_password));
        let client_auth = match &given.client_auth {
            None => Some(ClientAuth::ClientSecretBasic),
            Some(way) => way.value.parse().map_or_else(
                |_| {
                    let write = write_one_of(&way.value, ClientAuth::VARIANTS);
                    self.mistake(line(way), format!("unknown `client_auth`; {write}"));
                    None
                },
                Some,
            ),
        };
        let scope = given.scope.as_ref().map(|scope| {
            let text = self.auth_text(scope, "scope")?;
            // RFC 6749, 3.3.
            let is_of_scopes = |c: char| c == ' ' || c.is_ascii_graphic() && c != '"' && c != '\\';
            self.visible(scope, "scope", &text, is_of_scopes).then_some(text)
        });
        let audience = given.audience.as_ref().map(|audience| {
            let text = self.auth_text(audience, "audience")?;
            self.visible(audience, "audience", &text, |c| !c.is_control()).then_some(text)
        });
        let optional = |text: Option<Option<String>>| match text {
            None => Some(None),
            Some(text) => text.map(|text| Some(text.into())),
        };
        Some(Auth::OAuth2(Arc::new(TokenClient {
            token_url: token_url?,
            client_id: client_id?.into(),
            client_secret: client_secret?,
            client_auth: client_auth?,
            scope: optional(scope)?,
            audience: optional(audience)?,
        })))
    }

    /// A text of `auth` that is no secret, with its variables replaced.
    fn auth_text(&mut self, given: &Spanned<String>, key: &str) -> Option<String> {
        if given.value.contains("${file:") {
            self.mistake(
                line(given),
                format!("`{key}` is no secret; write it here, or take it from the environment"),
            );
            return None;
        }
        let filled = self.substitute(given)?;
        let why = match filled.text.len() {
            // It is not set, and that has been noted.
            0 if !filled.is_whole => return Some("not-set".into()),
            0 => "is empty".to_owned(),
            bytes if bytes > AUTH_TEXT_BYTES_MAX => {
                format!("has {bytes} bytes; the limit AUTH_TEXT_BYTES_MAX is {AUTH_TEXT_BYTES_MAX}")
            }
            _ => return Some(filled.text),
        };
        self.mistake(line(given), format!("`{key}` {why}"));
        None
    }

    fn visible(&mut self, given: &Spanned<String>, key: &str, text: &str, is_fine: fn(char) -> bool) -> bool {
        let wrong = text.chars().find(|c| !is_fine(*c));
        if let Some(c) = wrong {
            self.mistake(line(given), format!("`{key}` cannot have the character `{}`", c.escape_debug()));
        }
        wrong.is_none()
    }

    /// The address that access tokens are asked for at. It may have a query (RFC 6749, 3.2).
    fn token_url(&mut self, given: &Spanned<String>) -> Option<Uri> {
        let text = self.auth_text(given, "token_url")?;
        let (place, query) = text.split_once('?').unwrap_or((&text, ""));
        if text == "not-set" {
            return Some(Uri::from_static("http://not-set.invalid"));
        }
        if let Err(message) = address::check(place) {
            self.mistake(line(given), format!("`token_url`: {message}"));
            return None;
        }
        let url = match text.parse::<Uri>() {
            Ok(url) if !query.contains('#') => url,
            _ => {
                self.mistake(
                    line(given),
                    "`token_url` has a query that cannot be sent; write its characters as %XX",
                );
                return None;
            }
        };
        self.warn_of_plain(&url, line(given), "the client's secret");
        Some(url)
    }

    /// Warns of a secret that is sent without TLS to another machine.
    pub(super) fn warn_of_plain(&mut self, to: &Uri, at: usize, what: &str) {
        let host = to.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        if to.scheme_str() == Some("http") && !is_here {
            let message = format!(
                "{what} is sent to `{host}` without TLS, and everybody on the way can read it; write https:// if the service \
                 has it"
            );
            self.warning(at, message);
        }
    }

    /// A secret: one variable, or one file. Not the text itself, which would be stored in the journal with the definition.
    fn secret(&mut self, given: &Spanned<String>, key: &str, suits: Suits) -> Option<SecretSource> {
        let at = line(given);
        let inside = given.value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let Some(inside) = inside.filter(|inside| !inside.contains(['{', '}'])) else {
            self.mistake(
                at,
                format!(
                    "`{key}` is a secret, and the file would be kept in the journal with it; write `{key}: \"${{file:PATH}}\"` or \
                     `{key}: \"${{NAME}}\"`, and nothing beside that"
                ),
            );
            return None;
        };
        if let Some(path) = inside.strip_prefix("file:") {
            return self.secret_file(path, at, suits);
        }
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        if !default.is_empty() {
            self.mistake(
                at,
                format!("the default of `{key}` is a part of the file, and would be kept in the journal; remove it"),
            );
            return None;
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            self.mistake(
                at,
                // Not repeated: it may be the secret itself.
                format!("what `{key}` has between `${{` and `}}` is no name of an environment variable; write ${{NAME}} or ${{file:PATH}}"),
            );
            return None;
        }
        let value = self.env.variable(name).filter(|value| !value.is_empty()).map(SecretText::new);
        let origin = if value.is_some() { Origin::Set } else { Origin::Missing };
        self.variables.push(Variable { name: name.into(), line: at, origin });
        if self.unset == Unset::Refused {
            let why = match value.as_ref().map(|value| suits(value.reveal())) {
                None => Some("is not set; set it".to_owned()),
                Some(Err(why)) => Some(format!("cannot be used: {why}")),
                Some(Ok(())) => None,
            };
            if let Some(why) = why {
                self.mistake(at, format!("the environment variable `{name}` {why}"));
                return None;
            }
        }
        Some(SecretSource::Variable { name: name.into(), value })
    }

    fn secret_file(&mut self, path: &str, at: usize, suits: Suits) -> Option<SecretSource> {
        let usable = self.env.file(path).map(SecretText::new).and_then(|content| {
            let text = content.reveal().trim_end_matches(['\r', '\n']);
            match content.reveal().len() {
                bytes if bytes > SECRET_BYTES_MAX => {
                    Err(format!("it has {bytes} bytes; the limit SECRET_BYTES_MAX is {SECRET_BYTES_MAX}"))
                }
                _ => suits(text).map_err(|why| why.to_string()),
            }
        });
        let origin = match &usable {
            Ok(()) => Origin::File,
            Err(reason) => Origin::NoFile { reason: reason.as_str().into() },
        };
        self.variables.push(Variable { name: format!("file:{path}").into(), line: at, origin });
        match usable {
            Err(reason) if self.unset == Unset::Refused => {
                self.mistake(at, format!("`${{file:{path}}}`: the file `{path}` cannot be used: {reason}"));
                None
            }
            Ok(()) | Err(_) => Some(SecretSource::File(path.into())),
        }
    }

    /// No call has a header `Authorization` beside its participant's `auth`.
    pub(super) fn one_authorization(&mut self, file: &File) {
        let mut lines = Vec::new();
        let proving = |name: &str| {
            let participant = file.participants.as_ref().and_then(|all| all.get(name)?.as_ref());
            participant.is_some_and(|participant| participant.value.auth.is_some())
        };
        let is_ours = |name: &str| name.eq_ignore_ascii_case(AUTHORIZATION.as_str());
        for (name, participant) in file.participants.iter().flatten() {
            let headers = participant.iter().flat_map(|participant| &participant.value.headers);
            lines.extend(
                headers.filter(|(header, _)| proving(name) && is_ours(header)).map(|(_, value)| line(value)),
            );
        }
        for step in file.steps.iter().flat_map(|steps| &steps.value).map(|step| &step.value) {
            if !step.participant.as_ref().is_some_and(|name| proving(&name.value)) {
                continue;
            }
            let action = step.action.as_ref().map(|action| &action.value);
            let poll = action.and_then(|action| action.poll.as_ref()).map(|poll| &poll.value.call);
            let undo = step.compensation.as_ref().and_then(|undo| match &undo.value {
                CompensationIn::Call(call) => Some(&**call),
                CompensationIn::Word(_) | CompensationIn::Mistaken => None,
            });
            let probe = step.probe.as_ref().map(|probe| &probe.value.call);
            let headers = [action, poll, undo, probe].into_iter().flatten().flat_map(|call| &call.headers);
            lines.extend(headers.filter(|(header, _)| is_ours(header)).map(|(_, value)| line(value)));
        }
        for at in lines {
            self.mistake(
                at,
                "the header `Authorization` is what the participant's `auth` makes; remove one of the two",
            );
        }
    }
}

fn is_password(text: &str) -> Result<(), UnusableSecret> {
    Auth::Basic { user: "".into(), password: SecretSource::File("".into()) }.suits(text)
}
