//! A client of a running `serve`, for the commands that call one: one request, one answer.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use clap::Args;
use serde_json::Value;
use tokio::time::timeout;

use super::exchange::{self, Destination, ExchangeFailure, exchange};
use super::given;
use super::trust::TrustFlags;

/// How long a whole answer may take, in addition to the wait that the request asks for.
const ANSWER_WAIT: Duration = Duration::from_secs(15);
/// The largest body of an answer, in bytes: several times the size of a page.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a command waits for its result, unless it is said otherwise, in seconds.
pub(super) const WAIT_DEFAULT_S: u64 = 30;
/// The default address of `serve`.
const URL_DEFAULT: &str = "http://127.0.0.1:8023";

/// Which orchestrator is asked.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Where `orchestrateur serve` listens: http://..., or https://... where it has a certificate.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "ORCHESTRATEUR_URL",
        default_value = URL_DEFAULT
    )]
    url: Base,
    /// A file that has the key to present; or the variable ORCHESTRATEUR_KEY has it itself. A key is no argument: whoever is on this
    /// machine can see those.
    #[arg(long, global = true, value_name = "FILE", env = "ORCHESTRATEUR_KEY_FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustFlags,
}

/// The address of an orchestrator.
#[derive(Debug, Clone)]
struct Base(Uri);

impl FromStr for Base {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|error| format!("{error}"))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http" | "https"), Some(authority)) if !authority.as_str().contains('@') => Ok(Self(uri)),
            _ => Err("write an HTTP address without a password, such as http://127.0.0.1:8023 or https://orders.internal:8023".into()),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

/// A request.
pub(super) struct Ask {
    pub(super) method: Method,
    /// The path with its query.
    pub(super) path: String,
    /// The JSON body, as text.
    pub(super) body: Option<String>,
    /// How long the orchestrator should wait for the result.
    pub(super) wait: Option<Duration>,
    /// Whether the orchestrator should not wait at all.
    pub(super) is_async: bool,
    /// The `Idempotency-Key`.
    pub(super) key: Option<String>,
}

impl Ask {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, wait: None, is_async: false, key: None }
    }

    pub(super) fn post(path: impl Into<String>) -> Self {
        Self { method: Method::POST, ..Self::get(path) }
    }
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    // `+` is a space in a form alone.
    form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A successful answer. Its JSON is null where the answer is `202` without a body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) json: Value,
}

impl Server {
    /// The flag that names this server in a further command, with a space before it; empty where the default applies.
    pub(super) fn flag(&self) -> String {
        let url = self.url.to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/%".contains(c);
        match url.as_str() {
            URL_DEFAULT => String::new(),
            plain if plain.chars().all(is_plain) => format!(" --url {plain}"),
            odd => format!(" --url '{}'", odd.replace('\'', "'\\''")),
        }
    }

    /// The `Authorization` header, if there is a key.
    fn presented(&self) -> anyhow::Result<Option<HeaderValue>> {
        let file = self.key_file.as_deref().filter(|file| !file.as_os_str().is_empty());
        let key = match file {
            Some(file) => Some(given::file(file).context("--key-file")?),
            None => std::env::var("ORCHESTRATEUR_KEY").ok(),
        };
        let Some(key) = key.filter(|key| !key.trim().is_empty()) else { return Ok(None) };
        let value = HeaderValue::try_from(format!("Bearer {}", key.trim()));
        let mut value =
            value.map_err(|_| anyhow!("the key is none: a key is one line of plain characters"))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// Sends the request, and returns the answer if it is a success.
    pub(super) async fn ask(&self, ask: &Ask) -> anyhow::Result<Answer> {
        let patience = ANSWER_WAIT + ask.wait.unwrap_or_default();
        let exchange::Answer { status, headers, text } = match timeout(patience, self.exchange(ask)).await {
            Ok(exchanged) => exchanged?,
            Err(_) => bail!("{} does not answer within {} s; try again later", self.url, patience.as_secs()),
        };
        let json = serde_json::from_str::<Value>(&text);
        if !status.is_success() {
            return Err(self.refused(status, &headers, &text, json.ok().as_ref()));
        }
        if status == StatusCode::ACCEPTED && text.is_empty() {
            return Ok(Answer { status, headers, json: Value::Null });
        }
        let json =
            json.map_err(|_| anyhow!("{} does not answer in JSON; is it an orchestrateur?", self.url))?;
        Ok(Answer { status, headers, json })
    }

    fn refused(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        text: &str,
        json: Option<&Value>,
    ) -> anyhow::Error {
        let problem = json.and_then(|problem| Some((problem["code"].as_str()?, problem["detail"].as_str()?)));
        let Some((code, detail)) = problem else {
            let said: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
            return anyhow!("{} answers {status}; is it an orchestrateur? It says: {said}", self.url);
        };
        let again = headers.get(header::RETRY_AFTER).and_then(|seconds| seconds.to_str().ok());
        let again = again.map(|seconds| format!(" (try again in {seconds} s)")).unwrap_or_default();
        anyhow!("{detail} ({} {code}){again}", status.as_u16())
    }

    async fn exchange(&self, ask: &Ask) -> anyhow::Result<exchange::Answer> {
        let url = &self.url;
        let server = Destination::of(&url.0, &self.trust)?;
        let prefix = url.0.path().trim_end_matches('/');
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{prefix}{}", ask.path))
            .header(header::HOST, server.authority().as_str())
            .header(header::ACCEPT, "application/json");
        if let Some(wait) = ask.wait {
            request = request.header("prefer", format!("wait={}", wait.as_secs()));
        }
        if ask.is_async {
            request = request.header("prefer", "respond-async");
        }
        if let Some(key) = &ask.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(presented) = self.presented()? {
            request = request.header(header::AUTHORIZATION, presented);
        }
        let body = match &ask.body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.clone())
            }
            None => Body::empty(),
        };
        let request = request.body(body)?;
        exchange(&server, request, ANSWER_BYTES_MAX).await.map_err(|failure| match failure {
            ExchangeFailure::NotConnected(error) => anyhow!(
                "there is no answer at {url} ({error}); is `orchestrateur serve` running there? Say where it is with --url \
                 or ORCHESTRATEUR_URL"
            ),
            ExchangeFailure::NotSecure(reason) => {
                anyhow!("there is no secure connection to {url}, and nothing was asked: {reason}")
            }
            ExchangeFailure::BrokenOff(error) if error.is_parse() => anyhow::Error::new(error).context(format!(
                "{url} answers something else than HTTP; if it speaks TLS, write https:// in the address"
            )),
            ExchangeFailure::BrokenOff(error) => anyhow::Error::new(error).context(format!(
                "{url} broke the connection off, and whether it has done what was asked is not known; look again"
            )),
            ExchangeFailure::Body(error) => anyhow!(
                "read the answer of {url}, of {ANSWER_BYTES_MAX} bytes at most (ANSWER_BYTES_MAX): {error}"
            ),
        })
    }
}
