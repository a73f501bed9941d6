//! `orchestrateur health`: for supervisors of containers and for scripts, on machines that have no curl.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use axum::body::Body;
use axum::http::{Request, Uri, header};
use clap::Args;

use super::exchange::{Destination, ExchangeFailure, exchange};
use super::listen::{LISTEN_DEFAULT, Listen};
use super::trust::TrustFlags;
use crate::cli::output::say_line;

/// How long the whole answer may take: less than the 5 s of the containers' health checks.
const ANSWER_WAIT: Duration = Duration::from_secs(3);
/// The largest body of an answer, in bytes; `/readyz` needs a few hundred.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Ask a running `serve` whether it takes orders; fails when it does not.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// The address to request; /readyz where there is no path in it, and where `serve` listens without it.
    #[arg(long, value_name = "URL", env = "ORCHESTRATEUR_HEALTH_URL")]
    url: Option<Uri>,
    /// The address that `serve` listens on; asked on the loopback interface when it is everywhere.
    #[arg(long, value_name = "ADDR:PORT", env = "ORCHESTRATEUR_LISTEN", default_value = LISTEN_DEFAULT)]
    listen: Listen,
    /// The address that `serve` has for supervisors, if it has one.
    #[arg(long, value_name = "ADDR:PORT", env = "ORCHESTRATEUR_OPS_LISTEN")]
    ops_listen: Option<Listen>,
    /// The certificate of `serve`, if it has one: --listen is asked by https then, and must be a name or an address that the
    /// certificate has; write another one with --url.
    #[arg(long, value_name = "FILE", env = "ORCHESTRATEUR_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    #[command(flatten)]
    trust: TrustFlags,
}

impl Health {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let url = match self.url {
            Some(url) => with_path(url)?,
            None => {
                let has_certificate = self.tls_cert.is_some_and(|file| !file.as_os_str().is_empty());
                let (scheme, listen) = match self.ops_listen {
                    Some(ops) => ("http", ops),
                    None if has_certificate => ("https", self.listen),
                    None => ("http", self.listen),
                };
                format!("{scheme}://{}/readyz", reachable(listen.0)).parse()?
            }
        };
        let answer = tokio::time::timeout(ANSWER_WAIT, ask(&url, &self.trust))
            .await
            .unwrap_or_else(|_| bail!("no answer within {} s", ANSWER_WAIT.as_secs()));
        let answer = answer.with_context(|| format!("ask {url}"))?;
        say_line(answer.trim_end())
    }
}

/// A URL without a path requests `/readyz`, because `/` answers whatever the state of the server.
fn with_path(url: Uri) -> anyhow::Result<Uri> {
    let Some(authority) = url.authority().filter(|_| url.path() == "/" && url.query().is_none()) else {
        return Ok(url);
    };
    // Another scheme is refused with a message when the request is sent.
    let scheme = url.scheme_str().unwrap_or("http");
    Ok(format!("{scheme}://{authority}/readyz").parse()?)
}

/// The address that reaches a listener from its own machine: the loopback interface if it listens on all interfaces.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen {
        SocketAddr::V4(address) if address.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(address) if address.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    SocketAddr::new(ip, listen.port())
}

/// The body of a successful answer.
async fn ask(url: &Uri, trust: &TrustFlags) -> anyhow::Result<String> {
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        bail!("this is no HTTP address; write e.g. http://127.0.0.1:8023/readyz");
    };
    let server = Destination::of(url, trust)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path).header(header::HOST, authority.as_str()).body(Body::empty())?;
    let answer = exchange(&server, request, ANSWER_BYTES_MAX).await.map_err(|failure| match failure {
        ExchangeFailure::NotConnected(error) => {
            anyhow::Error::new(error).context("there is no answer; is `serve` running?")
        }
        ExchangeFailure::NotSecure(reason) => anyhow::anyhow!("there is no secure connection: {reason}"),
        ExchangeFailure::BrokenOff(error) => anyhow::Error::new(error).context("the connection broke off"),
        ExchangeFailure::Body(error) => {
            anyhow::anyhow!("read the answer, of {ANSWER_BYTES_MAX} bytes at most: {error}")
        }
    })?;
    if !answer.status.is_success() {
        bail!("it answers {}: {}", answer.status, answer.text.trim_end());
    }
    Ok(answer.text)
}
