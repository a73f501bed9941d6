//! `orchestrateur serve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use saga_engine::participants::signing::Signer;
use saga_engine::participants::{HttpParticipants, Settings, TraceHeaders};
use saga_engine::world::{Machine, World};
use saga_engine::{Clock, Engine};
use saga_journal::postgres::{
    DATABASE_CONNECTIONS_DEFAULT, DATABASE_CONNECTIONS_MAX, DATABASE_CONNECTIONS_MIN,
};
use saga_journal::{Journal, Store};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::access::AccessFlags;
use super::core_dumps;
use super::database::Database;
use super::huge_pages;
use super::listen::{LISTEN_DEFAULT, Listen};
use super::reload::Reloader;
use super::retention::{self, RetentionFlags};
use super::signals::Signals;
use super::signing::SigningFlags;
use super::sources::SourceFlags;
use super::tls::TlsFlags;
use crate::api::access::Access;
use crate::api::problem::Problem;
use crate::api::{self, AllowedHost, Api, Hosts, Reached};
use crate::definitions::{Loaded, PublicUrl, Sources};
use crate::http::CallFiles;
use crate::metrics::Metrics;
use crate::routes;
use crate::store::{self, DatabaseUrl};
use crate::tls::{Renewal, ServerTls};
use crate::traces::{ExportTask, SpanExporter, TraceSettings, TraceUrl, TraceView};
use crate::{definitions, http, logging};

/// Serve the API.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address to listen on: for this machine alone, unless it is said otherwise; 0.0.0.0:8023 is every
    /// network.
    #[arg(long, value_name = "ADDR:PORT", env = "ORCHESTRATEUR_LISTEN", default_value = LISTEN_DEFAULT)]
    listen: Listen,
    /// Another address, for /livez, /readyz and /metrics alone: they are not at --listen then, and need no key.
    #[arg(long, value_name = "ADDR:PORT", env = "ORCHESTRATEUR_OPS_LISTEN")]
    ops_listen: Option<Listen>,
    /// A further name that clients ask for, such as orders.example.com; may be repeated. Addresses, this
    /// machine's name, names without a dot, and names under .localhost, .internal, .svc and
    /// .svc.cluster.local are always answered. *.example.com stands for all names under it, * for any: then
    /// pages elsewhere can have a browser read from here.
    #[arg(
        long = "allowed-host",
        value_name = "NAME",
        env = "ORCHESTRATEUR_ALLOWED_HOST",
        value_delimiter = ','
    )]
    allowed_hosts: Vec<AllowedHost>,
    #[command(flatten)]
    database: Database,
    /// Read the whole SQLite file before anything else, and end if it is damaged. It takes as long as the disk takes to read the file: a second for
    /// some hundred megabytes. Without this, damage is found when a damaged page is used.
    #[arg(long, env = "ORCHESTRATEUR_CHECK")]
    check: bool,
    /// The name of this process among those that share a database; the same when it is started again, so that it goes
    /// on with its orders at once. No two that run at the same time may have the same. Without one, the machine's name
    /// and the port.
    #[arg(long, value_name = "NAME", env = "ORCHESTRATEUR_REPLICA")]
    replica: Option<String>,
    #[command(flatten)]
    definitions: SourceFlags,
    /// A PEM file with certificates of authorities that participants called by https are trusted for, beside those that
    /// the machine trusts.
    #[arg(long, value_name = "FILE", env = "PARTICIPANTS_CA_FILE")]
    participants_ca: Option<PathBuf>,
    #[command(flatten)]
    signing: SigningFlags,
    #[command(flatten)]
    access: AccessFlags,
    #[command(flatten)]
    tls: TlsFlags,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    retention: RetentionFlags,
    /// The address of a trace's page in the tool that shows traces, such as https://traces.example.com/trace/{trace_id}: the
    /// console links to it. The variables OTEL_* say what is exported, and where to (docs/traces.md).
    #[arg(long, value_name = "URL", env = "ORCHESTRATEUR_TRACE_URL")]
    trace_url: Option<TraceUrl>,
    /// The lines to log, in the form of RUST_LOG.
    #[arg(long, value_name = "FILTER", env = "ORCHESTRATEUR_LOG", default_value = "info")]
    log: String,
    /// Log as JSON, one object a line.
    #[arg(long, env = "ORCHESTRATEUR_LOG_JSON")]
    log_json: bool,
}

/// The limits, as flags. Each one's name is in the error that it causes.
#[derive(Debug, Args)]
struct LimitFlags {
    /// Orders going forward at the same time; further ones get 503.
    #[arg(long, value_name = "N", env = "ORCHESTRATEUR_ACTIVE_SAGAS_MAX", default_value_t = 10_000)]
    active_sagas_max: usize,
    /// Memory for orders, in bytes of their inputs and kept answers; further ones get 503.
    #[arg(long, value_name = "BYTES", env = "ORCHESTRATEUR_ACTIVE_BYTES_MAX", default_value_t = 268_435_456)]
    active_bytes_max: usize,
    /// The part of --active-sagas-max that one caller (an address) gets while there is no other, in percent.
    #[arg(long, value_name = "PERCENT", env = "ORCHESTRATEUR_CALLER_SHARE_PERCENT", default_value_t = 80, value_parser = clap::value_parser!(u8).range(1..=100))]
    caller_share_percent: u8,
    /// Connections of clients at the same time; fewer where the process may open too few files. Beyond them, the one
    /// that has waited longest for a request is closed, or the new one gets 503.
    #[arg(long, value_name = "N", env = "ORCHESTRATEUR_CONNECTIONS_MAX", default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..))]
    connections_max: u32,
    /// Connections to PostgreSQL: one appends, one renews the lease, the others read. The server needs so many for each
    /// process, and the same again while one is started anew.
    #[arg(long, value_name = "N", env = "ORCHESTRATEUR_DATABASE_CONNECTIONS", default_value_t = 6,
        value_parser = clap::value_parser!(u32).range(DATABASE_CONNECTIONS_MIN as i64..=DATABASE_CONNECTIONS_MAX as i64))]
    database_connections: u32,
    /// How long a connection may wait for its next request, in seconds; longer than the load balancer in
    /// front waits.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_IDLE_TIMEOUT_S", default_value_t = 75,
        value_parser = clap::value_parser!(u32).range(1..))]
    idle_timeout_s: u32,
    /// How long the head of a request may take to arrive, and TLS before it, in seconds; then the connection is closed.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_HEAD_TIMEOUT_S", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..))]
    head_timeout_s: u32,
    /// How long the body of a request may take to arrive, in seconds; then it gets 408.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_REQUEST_TIMEOUT_S", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..))]
    request_timeout_s: u32,
    /// How long a client may go without taking any of its answer, in seconds; then the connection is closed.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_STALL_TIMEOUT_S", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..))]
    stall_timeout_s: u32,
    /// A request's body, in bytes; larger ones get 413.
    #[arg(long, value_name = "BYTES", env = "ORCHESTRATEUR_REQUEST_BYTES_MAX", default_value_t = 65_536)]
    request_bytes_max: usize,
    /// How long a checkout waits for its end when the caller does not say, in seconds; then it gets 202.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_WAIT_DEFAULT_S", default_value_t = 30)]
    wait_default_s: u64,
    /// The longest wait that a caller can ask for with `Prefer: wait=N`, in seconds.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_WAIT_MAX_S", default_value_t = 300)]
    wait_max_s: u64,
    /// How long orders under way may go on at a shutdown, in seconds; the next start goes on with the rest.
    #[arg(long, value_name = "SECONDS", env = "ORCHESTRATEUR_DRAIN_S", default_value_t = 20)]
    drain_s: u64,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let logging = logging::start(&self.log, self.log_json)?;
        core_dumps::forbid();
        huge_pages::refuse();
        let signing_key = self.signing.file();
        let sources = Sources { has_signing_key: signing_key.is_some(), ..self.definitions.sources() };
        let reloader = Reloader::new(sources.clone(), signing_key.as_deref())?;
        let loaded = definitions::load(&sources)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let access = self.access.access(self.listen.0)?;
        let tls = self.tls.tls(&access, Machine::new().wall())?;
        let renewal = tls.clone().map(Renewal::new).transpose()?;
        let url = self.database.url()?;
        let retention = self.retention.retention()?;
        if self.check
            && let Some(said) = store::check_before_use(&url)?
        {
            tracing::info!("{said}");
        }
        let listener = http::listen(self.listen.0)?;
        let ops = self.ops_listen.map(|ops| http::listen(ops.0)).transpose()?;
        let drain = Duration::from_secs(self.limits.drain_s);
        let address = listener.local_addr().context("read the listener's address")?;
        let name = self.replica.unwrap_or_else(|| format!("{}:{}", machine_name(), address.port()));
        let env = |name: &str| std::env::var(name).ok();
        // The machine's own name is allowed, too: it belongs to the local network, and no page can choose it.
        // So does the name under which callbacks come.
        let public = sources.public_url.as_ref().and_then(|url| url.host().parse().ok());
        // Something in front of this process may speak TLS.
        let is_public_https = sources.public_url.as_ref().is_some_and(PublicUrl::is_https);
        let reached = Reached { has_ops_address: ops.is_some(), is_https: tls.is_some() || is_public_https };
        let own = machine_name().parse().ok();
        let hosts = Hosts::new(self.allowed_hosts.into_iter().chain(own).chain(public));
        let clock = clock();
        let signer = signing_key.map(|file| Signer::open(&file, clock.clone())).transpose()?.map(Arc::new);
        if let Some(signer) = &signer {
            let id = signer.keys().current().id().to_owned();
            tracing::info!(signing_key = id, "calls to participants with `sign: true` are signed with {id}");
        }
        let traces = TraceSettings::read(&env, &name)?;
        let headers = TraceHeaders { sampler: traces.sampler, propagation: traces.propagation };
        let participants = Settings {
            authorities: self.participants_ca,
            signer: signer.clone(),
            traces: headers,
            ..Settings::default()
        };
        let participants = HttpParticipants::with(participants)?;
        let store = store::open(&url, self.limits.database_connections as usize).await?;
        if retention.is_some() {
            retention::check_rights(&*store).await?;
        }
        let (server, mut exporting) = Orchestrator::start(
            &loaded,
            env,
            store,
            (participants, clock),
            (&self.limits, (hosts, access, signer, reached), (traces, self.trace_url)),
            &name,
        )
        .await?;
        server.api.metrics.count_lost_lines(logging.lost_lines());
        if let Some(retention) = retention {
            server.api.engine.retain_in_background(retention);
        }
        if let Some(ops) = &ops {
            let address = ops.local_addr().context("read the listener's address")?;
            tracing::info!(ops_listen = %address, "for supervisors: http://{address}");
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        tracing::info!(listen = %address, database = ?url, "listening on {scheme}://{address}");
        let mut signals = Signals::of_a_service()?;
        let stop = async {
            signals.next().await;
            tracing::info!("shutting down: orders under way have {} s", drain.as_secs());
        };
        let api = server.api.clone();
        let (tls_counts, clock) = (api.metrics.tls(), api.clock.clone());
        let renewing = async {
            match renewal {
                Some(renewal) => renewal.run(&clock, &tls_counts).await,
                None => std::future::pending().await,
            }
        };
        let export = async {
            match &mut exporting {
                Some(task) => task.run().await,
                None => std::future::pending().await,
            }
        };
        let served = tokio::select! {
            served = server.run(Listeners { api: listener, tls, ops }, stop, drain) => served,
            never = export => match never {},
            never = reloader.run(&api) => match never {},
            never = renewing => match never {},
            never = api.access.keep_issuer_keys(api.metrics.issuer(), &api.clock) => match never {},
        };
        if let Some(task) = &mut exporting {
            task.end().await;
        }
        served
    }
}

/// The names that are answered, the callers that are let in, the keys that participants may ask for, and how clients reach the
/// process.
type Doors = (Hosts, Access, Option<Arc<Signer>>, Reached);

/// How traces are exported, and where they can be looked at.
type Traces = (TraceSettings, Option<TraceUrl>);

/// How participants are called, and the time.
type Outside = (HttpParticipants, Arc<Clock>);

fn clock() -> Arc<Clock> {
    let world: Arc<dyn World> = Arc::new(Machine::new());
    Arc::new(Clock::new(world))
}

/// Where requests come in.
pub(super) struct Listeners {
    /// The API's address.
    pub(super) api: TcpListener,
    /// The TLS of that address; `None`: plain HTTP.
    pub(super) tls: Option<Arc<ServerTls>>,
    /// The address of supervisors, which is plain HTTP.
    pub(super) ops: Option<TcpListener>,
}

/// The name of the machine or of the container.
fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "orchestrateur".to_owned() } else { name.to_owned() }
}

/// A vital part of the process has ended. The exit code is [`Died::EXIT_CODE`].
#[derive(Debug, thiserror::Error)]
#[error("{0}: nothing that goes on here is to be believed; start the process again")]
pub struct Died(Arc<str>);

impl Died {
    /// `EX_SOFTWARE` of `sysexits.h`: supervisors start the process again.
    pub const EXIT_CODE: u8 = 70;
}

/// How long a process with a dead vital part still answers, with 503 each time.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// All parts of a running orchestrator but its listener.
pub(super) struct Orchestrator {
    api: Api,
    connections: http::ConnectionLimits,
}

impl Orchestrator {
    pub(super) async fn start_with_defaults(
        loaded: &Loaded,
        env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        url: &DatabaseUrl,
    ) -> anyhow::Result<Self> {
        let engine = saga_engine::Limits::default();
        let limits = (api::ApiLimits::default(), http::ConnectionLimits::default());
        let outside = (HttpParticipants::new()?, clock());
        let doors = (Doors::default(), Traces::default());
        let store = store::open(url, DATABASE_CONNECTIONS_DEFAULT).await?;
        let built = Self::build((loaded, env), store, outside, engine, limits, doors, &machine_name()).await;
        built.map(|(server, _)| server)
    }

    async fn start(
        loaded: &Loaded,
        env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        store: Arc<dyn Store>,
        outside: Outside,
        (flags, doors, traces): (&LimitFlags, Doors, Traces),
        name: &str,
    ) -> anyhow::Result<(Self, Option<ExportTask>)> {
        let engine = saga_engine::Limits {
            active_sagas_max: flags.active_sagas_max,
            active_bytes_max: flags.active_bytes_max,
            caller_share_percent: usize::from(flags.caller_share_percent),
            ..saga_engine::Limits::default()
        };
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let connections = http::ConnectionLimits {
            connections_max: flags.connections_max as usize,
            idle_timeout: seconds(flags.idle_timeout_s),
            handshake_timeout: seconds(flags.head_timeout_s),
            head_timeout: seconds(flags.head_timeout_s),
            stall_timeout: seconds(flags.stall_timeout_s),
            ..http::ConnectionLimits::default()
        };
        let api = api::ApiLimits {
            request_bytes_max: flags.request_bytes_max,
            request_timeout: seconds(flags.request_timeout_s),
            wait_default: Duration::from_secs(flags.wait_default_s),
            wait_max: Duration::from_secs(flags.wait_max_s),
            ..api::ApiLimits::default()
        };
        let limits = (api, connections);
        Self::build((loaded, env), store, outside, engine, limits, (doors, traces), name).await
    }

    async fn build(
        (loaded, env): (&Loaded, impl Fn(&str) -> Option<String> + Send + Sync + 'static),
        store: Arc<dyn Store>,
        (participants, clock): Outside,
        engine_limits: saga_engine::Limits,
        (limits, connections): (api::ApiLimits, http::ConnectionLimits),
        (doors, (traces, trace_url)): (Doors, Traces),
        name: &str,
    ) -> anyhow::Result<(Self, Option<ExportTask>)> {
        let called: Vec<_> =
            loaded.definitions.iter().flat_map(|definition| &definition.participants).collect();
        let calls_max = called.iter().fold(0_usize, |sum, each| sum.saturating_add(each.calls_max));
        let connections = http::fit(connections, CallFiles { participants: called.len(), calls_max })?;
        let journal = Journal::new(store);
        let metrics = Arc::new(Metrics::new(
            &loaded.definitions,
            loaded.commande_saga.clone(),
            journal.clone(),
            clock.clone(),
        ));
        let (hosts, access, signer, reached) = doors;
        let export = SpanExporter::new(&traces, metrics.span_counts())?;
        let task = export.map(|(exporter, task)| {
            metrics.export_spans(exporter);
            task
        });
        let view = TraceView { propagation: traces.propagation, url: trace_url };
        let engine = Engine::new(
            clock.clone(),
            journal,
            Arc::new(participants),
            metrics.clone(),
            engine_limits,
            definitions::for_engine(loaded, env),
            name,
        );
        engine.keep_definitions().await;
        // Unfinished orders are taken over while the server accepts new ones.
        engine.recover_in_background();
        let server = Self {
            api: Api::new(
                engine,
                metrics,
                clock,
                limits,
                (hosts, access, signer),
                loaded.commande_saga.clone(),
                (reached, view),
            ),
            connections,
        };
        Ok((server, task))
    }

    /// The API without a listener.
    pub(super) fn router(&self) -> axum::Router {
        routes::router(self.api.clone())
    }

    /// Serves until `stop` ends, then drains.
    ///
    /// Fails with [`Died`] as soon as a vital part has ended.
    pub(super) async fn run(
        self,
        Listeners { api: listener, tls, ops }: Listeners,
        stop: impl Future<Output = ()>,
        drain: Duration,
    ) -> anyhow::Result<()> {
        let (engine, api) = (self.api.engine.clone(), self.api.clone());
        api.whole.begin(&engine);
        let (stopped, watched) = watch::channel(false);
        let counts = self.api.metrics.connections();
        let (limits, router) = (self.connections, routes::router(self.api.clone()));
        let (lanes, here) = (http::Lanes::start()?, http::Lanes::here());
        let without_tls = serde_json::to_string(&Problem::tls_needed())?;
        let handshaker = tls.map(|tls| http::Handshaker::new(tls, self.api.metrics.tls(), &without_tls));
        let supervised = async {
            if let Some(ops) = ops {
                let router = routes::for_supervisors(self.api);
                // Supervisors get their answers also while the lanes are at work.
                http::serve(ops, &here, router, (limits, counts.clone()), None, watched.clone()).await;
            }
        };
        let serving = async {
            let bounds = (limits, counts.clone());
            let served = http::serve(listener, &lanes, router, bounds, handshaker, watched.clone());
            tokio::join!(served, supervised);
        };
        let stopping = async {
            stop.await;
            // Callers still get their answers while their orders are drained; new orders get 503.
            engine.stop(drain).await;
            api.close();
            let _ = stopped.send(true);
        };
        let died = async {
            let what = engine.died().await;
            tracing::error!("{what}: the process ends, and its next start goes on with its orders");
            // Callers see a closed connection, or get the last answers with 503.
            tokio::time::sleep(LAST_WORDS).await;
            Died(what)
        };
        tokio::select! {
            ((), ()) = async { tokio::join!(serving, stopping) } => Ok(()),
            died = died => Err(died.into()),
        }
    }
}
