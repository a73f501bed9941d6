//! Participants: their addresses, promises and timeouts.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use strum::VariantNames;

use super::super::suggest::write_one_of;
use super::super::variables::{Origin, Unset, Variable};
use super::super::yaml::{BreakerIn, ParticipantIn, Spanned};
use super::super::{BreakerSettings, Format, Participant, SECRET_BYTES_MAX, Safety};
use super::{Checker, address, line};

const TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT_DEFAULT: Duration = Duration::from_secs(1);
const CALLS_MAX_DEFAULT: usize = 256;
const ANSWER_BYTES_MAX_DEFAULT: usize = 1 << 20;
const HORIZON_DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// Stands for a URL that is not known, in checks that make no calls: reserved for names that do not exist (RFC 6761,
/// 6.4).
const NO_ADDRESS: &str = "http://not-set.invalid";

/// A text of the definition with its variables replaced.
pub(super) struct Filled {
    pub(super) text: String,
    /// Whether each value is known.
    pub(super) is_whole: bool,
}

impl Participant {
    /// Whether its URL has a variable that is not set: only
    /// [`Definition::inspect`](super::super::Definition::inspect) returns such a participant.
    pub fn has_no_address(&self) -> bool {
        self.base == Uri::from_static(NO_ADDRESS)
    }
}

impl Checker<'_> {
    pub(super) fn participant(&mut self, name: &str, given: &Spanned<ParticipantIn>) -> Option<Participant> {
        let p = &given.value;
        let safety = p.safety.as_ref().map_or(Safety::None, |safety| {
            safety.value.parse().unwrap_or_else(|_| {
                let (other, write) = (&safety.value, write_one_of(&safety.value, Safety::VARIANTS));
                self.mistake(line(safety), format!("unknown safety `{other}`; {write}"));
                Safety::None
            })
        });
        let headers = self.headers(&p.headers);
        let auth = p.auth.as_ref().map(|auth| self.auth(auth));
        let url = p.url.as_ref().and_then(|url| self.url(url));
        let known = url.as_ref().map(|(base, _)| base).filter(|base| **base != Uri::from_static(NO_ADDRESS));
        if let Some(auth) = p.auth.as_ref()
            && let Some(base) = known
        {
            self.warn_of_plain(base, line(auth), "`auth`");
        }
        let tls = p.tls.as_ref().map(|tls| self.tls(tls, known));
        let effects = p.effects.as_ref().and_then(|effects| self.effects(effects));
        // Of each that is there, a mistake has been reported if it is none.
        let (headers, (base, address)) = (headers?, url?);
        let (auth, tls) =
            (auth.map_or(Some(None), |auth| auth.map(Some))?, tls.map_or(Some(None), |tls| tls.map(Some))?);
        let address: Arc<str> = address.into();
        Some(Participant {
            name: name.into(),
            reached_by: match &tls {
                None => address.clone(),
                Some(tls) => format!("{address} ({tls})").into(),
            },
            address,
            base,
            headers,
            auth: auth.map(Arc::new),
            tls,
            is_signed: p.sign.as_ref().is_some_and(|sign| sign.value),
            safety,
            timeout: self.duration(p.timeout.as_ref(), TIMEOUT_DEFAULT),
            connect_timeout: self.duration(p.connect_timeout.as_ref(), CONNECT_TIMEOUT_DEFAULT),
            calls_max: self.at_least_one(p.calls_max.as_ref(), CALLS_MAX_DEFAULT),
            answer_bytes_max: self.at_least_one(p.answer_bytes_max.as_ref(), ANSWER_BYTES_MAX_DEFAULT),
            horizon: self.duration(p.horizon.as_ref(), HORIZON_DEFAULT),
            breaker: self.breaker(p.breaker.as_ref()),
            effects,
        })
    }

    fn breaker(&mut self, given: Option<&BreakerIn>) -> BreakerSettings {
        let default = BreakerSettings::DEFAULT;
        let Some(given) = given else { return default };
        for (key, number) in [("calls_min", &given.calls_min), ("failures_percent", &given.failures_percent)]
        {
            if let Some(zero) = number.as_ref().filter(|number| number.value == 0) {
                let message =
                    format!("`{key}: 0` would suspend calls of which none has failed; write at least 1");
                self.mistake(line(zero), message);
            }
        }
        if let Some(percent) = given.failures_percent.as_ref().filter(|percent| percent.value > 100) {
            self.mistake(line(percent), format!("`{}` is more than all; write 1 to 100", percent.value));
        }
        let open = self.duration(given.open.as_ref(), default.open);
        let open_max = self.duration(given.open_max.as_ref(), default.open_max);
        if let Some(at) = given.open_max.as_ref().or(given.open.as_ref()).filter(|_| open > open_max) {
            let message =
                format!("it cannot stay open for {open:?} if `open_max` is {open_max:?}; raise `open_max`");
            self.mistake(line(at), message);
        }
        let number =
            |given: &Option<Spanned<u32>>, default: u32| given.as_ref().map_or(default, |given| given.value);
        BreakerSettings {
            window: self.duration(given.window.as_ref(), default.window),
            calls_min: number(&given.calls_min, default.calls_min),
            failures_percent: number(&given.failures_percent, default.failures_percent),
            open,
            open_max,
        }
    }

    fn at_least_one(&mut self, given: Option<&Spanned<u32>>, default: usize) -> usize {
        match given {
            Some(number) if number.value == 0 => {
                self.mistake(line(number), "`0` would let nothing through; write at least 1");
                default
            }
            Some(number) => number.value as usize,
            None => default,
        }
    }

    /// The address, and the text that shows it: the text of the definition if the address is not known.
    fn url(&mut self, given: &Spanned<String>) -> Option<(Uri, String)> {
        let filled = self.substitute(given)?;
        if !filled.is_whole {
            return Some((Uri::from_static(NO_ADDRESS), given.value.clone()));
        }
        let text = filled.text;
        if self.format >= Format::Two
            && let Err(message) = address::check(&text)
        {
            self.mistake(line(given), message);
            return None;
        }
        // The remaining checks apply to definitions that were stored before addresses were checked in full.
        match text.trim_end_matches('/').parse::<Uri>() {
            Ok(uri)
                if matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.host().is_some_and(|host| !host.is_empty())
                    && uri.query().is_none()
                    && uri.authority().is_some_and(|a| !a.as_str().contains('@')) =>
            {
                let shown = uri.to_string();
                Some((uri, shown))
            }
            _ => {
                self.mistake(line(given), format!("this is not a URL of a service; {}", address::HELP));
                None
            }
        }
    }

    /// Replaces `${NAME}`, `${NAME:-default}` and `${file:PATH}`; an empty variable counts as unset, as in a shell's
    /// `:-`.
    pub(super) fn substitute(&mut self, given: &Spanned<String>) -> Option<Filled> {
        let looked_up = self.variables.len();
        let mut text = String::new();
        let mut rest = given.value.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            text.push_str(before);
            let Some((variable, after)) = after.split_once('}') else {
                self.mistake(line(given), "`${` has no closing `}`");
                return None;
            };
            if let Some(path) = variable.strip_prefix("file:") {
                text.push_str(&self.content(path, line(given))?);
                rest = after;
                continue;
            }
            let (name, default) = match variable.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (variable, None),
            };
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.mistake(line(given), format!("`{name}` is no name of an environment variable; write ${{NAME}}, ${{NAME:-default}} or ${{file:PATH}}"));
                return None;
            }
            let set = self.env.variable(name).filter(|v| !v.is_empty());
            let origin = match (&set, default) {
                (Some(_), _) => Origin::Set,
                (None, Some(_)) => Origin::Default,
                (None, None) => Origin::Missing,
            };
            self.variables.push(Variable { name: name.into(), line: line(given), origin });
            match (set, default) {
                (Some(value), _) => text.push_str(&value),
                (None, Some(default)) => text.push_str(default),
                (None, None) if self.unset == Unset::Noted => {}
                (None, None) => {
                    self.mistake(
                        line(given),
                        format!("the environment variable `{name}` is not set; set it, or give a default: ${{{name}:-...}}"),
                    );
                    return None;
                }
            }
            rest = after;
        }
        text.push_str(rest);
        let is_whole = !self.variables[looked_up..].iter().any(|variable| variable.origin.is_nowhere());
        Some(Filled { text, is_whole })
    }

    /// The content of a file, without the line breaks at its end.
    fn content(&mut self, path: &str, at: usize) -> Option<String> {
        let content = match self.env.file(path) {
            Ok(content) if content.len() > SECRET_BYTES_MAX => Err(format!(
                "it has {} bytes; the limit SECRET_BYTES_MAX is {SECRET_BYTES_MAX}",
                content.len()
            )),
            other => other,
        };
        let content = content.map(|content| content.trim_end_matches(['\r', '\n']).to_owned());
        let content = content.and_then(|content| match content.is_empty() {
            true => Err("it is empty".to_owned()),
            false => Ok(content),
        });
        let origin = match &content {
            Ok(_) => Origin::File,
            Err(reason) => Origin::NoFile { reason: reason.as_str().into() },
        };
        self.variables.push(Variable { name: format!("file:{path}").into(), line: at, origin });
        let reason = match content {
            Ok(content) => return Some(content),
            Err(_) if self.unset == Unset::Noted => return Some(String::new()),
            Err(reason) => reason,
        };
        self.mistake(at, format!("`${{file:{path}}}`: the file `{path}` cannot be used: {reason}"));
        None
    }
}
