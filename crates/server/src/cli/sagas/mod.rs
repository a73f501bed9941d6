//! `orchestrateur sagas`: starts and shows sagas of any definition, and sends operators' commands and signals for them to
//! a running `serve`.

mod list;
mod shown;

use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::StatusCode;
use clap::{Args, Subcommand, ValueEnum};
use saga_core::{Json, SagaId};
use serde::Serialize;
use serde_json::{Value, json};

use self::list::{LabelFlag, ListSagas};
use super::client::{Answer, Ask, Server, WAIT_DEFAULT_S, segment};
use super::given::GivenJson;
use super::pages::pages;
use crate::cli::output::{say, say_json, say_line};

/// Sagas of any definition: start one, list them, look at one, stop one, bring a blocked one on, send one a signal.
#[derive(Debug, Args)]
pub(super) struct SagasCommand {
    #[command(flatten)]
    server: Server,
    /// Print JSON, as the API gives it, for programs.
    #[arg(long, global = true, env = "ORCHESTRATEUR_JSON")]
    json: bool,
    #[command(subcommand)]
    action: SagaAction,
}

#[derive(Debug, Subcommand)]
enum SagaAction {
    /// Start a saga, and wait for its end.
    Start(StartSaga),
    /// Sagas, newest first. `--rollback blocked` shows those that wait for a person, and the call that is pending.
    List(ListSagas),
    /// One saga: its state, what it waits for, and the call that is pending if it is blocked.
    Show {
        /// The saga's id.
        id: SagaId,
        /// Also everything that happened to it, with every call.
        #[arg(long)]
        history: bool,
    },
    /// Stop a saga that still goes forward; what was done is undone.
    Cancel {
        /// The saga's id.
        id: SagaId,
        /// Your name, for the server's log.
        #[arg(long, env = "ORCHESTRATEUR_BY")]
        by: Option<String>,
        /// Why, for the server's log.
        #[arg(long, requires = "by")]
        reason: Option<String>,
        #[command(flatten)]
        wait: SagaWait,
    },
    /// Try now what is to be tried later, or what could not be read.
    Resume {
        /// The saga's id.
        id: SagaId,
        #[command(flatten)]
        who: ByFlag,
        /// Why; it is kept in the saga's history.
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        wait: SagaWait,
    },
    /// Report a finding about the step that a saga is blocked at. The saga goes on from there.
    Resolve(ResolveSaga),
    /// Send a signal to a saga. A step that comes to wait for it later takes it then.
    Signal(SignalSaga),
}

#[derive(Debug, Args)]
struct StartSaga {
    /// The name of a loaded definition; `orchestrateur definitions` lists them.
    name: String,
    /// The saga's input: JSON, a file that has it, or `-` for standard input.
    #[arg(long, value_name = "JSON|FILE|-", default_value = "{}")]
    input: GivenJson,
    #[command(flatten)]
    key: KeyFlag,
    #[command(flatten)]
    wait: SagaWait,
    /// Do not wait: end as soon as the saga is recorded.
    #[arg(long = "async", conflicts_with = "wait")]
    is_async: bool,
}

#[derive(Debug, Args)]
struct ResolveSaga {
    /// The saga's id.
    id: SagaId,
    /// The step that it is blocked at.
    #[arg(long)]
    step: String,
    /// The finding.
    #[arg(long, value_enum, ignore_case = true)]
    finding: FindingFlag,
    /// How you know; it is kept in the saga's history.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    who: ByFlag,
    /// With ran, where undoing the step needs it: what the step's answer would have given, as JSON.
    #[arg(long, value_name = "JSON", value_parser = exact_json)]
    output: Option<Json>,
    #[command(flatten)]
    wait: SagaWait,
}

#[derive(Debug, Args)]
struct SignalSaga {
    /// The saga's id; or the name of its definition, with labels that only one saga under way has.
    saga: String,
    /// The signal's name, as the definition has it.
    name: String,
    /// A label and its value, such as customer=7. May be repeated: all are demanded.
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<LabelFlag>,
    /// What the signal says: JSON, a file that has it, or `-` for standard input. Without it, null.
    #[arg(long, value_name = "JSON|FILE|-")]
    body: Option<GivenJson>,
    #[command(flatten)]
    key: KeyFlag,
}

#[derive(Debug, Args)]
struct ByFlag {
    /// Your name; it is kept in the saga's history.
    #[arg(long, env = "ORCHESTRATEUR_BY")]
    by: String,
}

#[derive(Debug, Args)]
struct KeyFlag {
    /// The `Idempotency-Key`: the same key with the same JSON is the same request, however often it is sent.
    #[arg(long, value_parser = visible)]
    key: Option<String>,
}

#[derive(Debug, Args)]
struct SagaWait {
    /// How long to wait for the result, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = WAIT_DEFAULT_S)]
    wait: u64,
}

impl SagaWait {
    fn asked(&self) -> Option<Duration> {
        Some(Duration::from_secs(self.wait))
    }
}

/// What an operator has found out about a step.
#[derive(Debug, Clone, Copy, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
enum FindingFlag {
    /// The step's effect is there; it is undone now.
    Ran,
    /// The step had no effect.
    NotRun,
    /// The step's effect is gone: it was undone by hand.
    Undone,
}

fn exact_json(text: &str) -> Result<Json, String> {
    Json::parse(text.as_bytes()).map_err(|error| format!("this is no JSON: {error}"))
}

/// The text of a header.
fn visible(text: &str) -> Result<String, String> {
    match text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("write visible ASCII characters only".to_owned()),
    }
}

impl SagasCommand {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        match &self.action {
            SagaAction::Start(start) => self.start(start).await,
            SagaAction::List(list) => list.run(&self.server, self.json).await,
            SagaAction::Show { id, history } => self.show(*id, *history).await,
            SagaAction::Cancel { id, by, reason, wait } => {
                let body = by.as_ref().map(|by| json!({ "by": by, "reason": reason }).to_string());
                self.send_command(*id, "cancel", body, wait).await
            }
            SagaAction::Resume { id, who, reason, wait } => {
                let body = json!({ "by": who.by, "reason": reason }).to_string();
                self.send_command(*id, "resume", Some(body), wait).await
            }
            SagaAction::Resolve(resolve) => {
                self.send_command(resolve.id, "resolve", Some(resolve.body()?), &resolve.wait).await
            }
            SagaAction::Signal(signal) => self.signal(signal).await,
        }
    }

    async fn start(&self, start: &StartSaga) -> anyhow::Result<()> {
        let body = Some(start.input.read().context("--input")?);
        let wait = start.wait.asked().filter(|_| !start.is_async);
        let (key, is_async) = (start.key.key.clone(), start.is_async);
        let path = format!("/api/sagas/{}", segment(&start.name));
        self.result(&self.server.ask(&Ask { body, wait, is_async, key, ..Ask::post(path) }).await?)
    }

    async fn show(&self, id: SagaId, with_history: bool) -> anyhow::Result<()> {
        let saga = self.server.ask(&Ask::get(format!("/api/sagas/{id}"))).await?.json;
        let path = format!("/api/sagas/{id}/history?detail=steps");
        let history = match with_history {
            true => Some(pages(&self.server, path, true).await.map(|(lines, _)| lines)),
            false => None,
        };
        if self.json {
            return say_json(&match history {
                Some(history) => json!({ "saga": saga, "history": history.unwrap_or(Value::Null) }),
                None => saga,
            });
        }
        say(shown::saga(&saga, &self.server.flag()))?;
        match history {
            Some(Ok(lines)) => say(shown::history(&lines)),
            // A saga that is blocked for this reason shows it.
            Some(Err(error)) => say_line(format_args!("\nhistory\n  {error:#}")),
            None => Ok(()),
        }
    }

    /// Sends an operator's command for a saga, and shows the result.
    async fn send_command(
        &self,
        id: SagaId,
        what: &str,
        body: Option<String>,
        wait: &SagaWait,
    ) -> anyhow::Result<()> {
        let path = format!("/api/sagas/{id}/{what}");
        self.result(&self.server.ask(&Ask { body, wait: wait.asked(), ..Ask::post(path) }).await?)
    }

    /// Shows the saga that an answer has.
    fn result(&self, answer: &Answer) -> anyhow::Result<()> {
        if self.json {
            return say_json(&answer.json);
        }
        let server = self.server.flag();
        say(shown::saga(&answer.json, &server))?;
        if answer.status == StatusCode::ACCEPTED {
            let id = shown::id(&answer.json);
            say_line(format_args!("\nIt goes on. Look again: orchestrateur sagas show {id}{server}"))?;
        }
        Ok(())
    }

    async fn signal(&self, signal: &SignalSaga) -> anyhow::Result<()> {
        match (signal.saga.parse::<SagaId>().is_ok(), signal.label.is_empty()) {
            (true, false) => {
                bail!("--label goes with the name of a definition, and `{}` is an id", signal.saga)
            }
            (false, true) => bail!(
                "`{}` is no saga's id; if it is the name of a definition, say with --label which of its sagas is meant",
                signal.saga
            ),
            _ => {}
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        for label in &signal.label {
            query.append_pair(&label.parameter(), &label.value);
        }
        let (saga, name, query) = (segment(&signal.saga), segment(&signal.name), query.finish());
        let path = format!("/api/sagas/{saga}/signals/{name}?{query}");
        let body = signal.body.as_ref().map(GivenJson::read).transpose().context("--body")?;
        let key = signal.key.key.clone();
        self.server.ask(&Ask { body, key, ..Ask::post(path.trim_end_matches('?')) }).await?;
        if self.json {
            // The API's answer has no body.
            return Ok(());
        }
        say_line(
            "The signal is recorded. A step that waits for it goes on; one that comes to wait later takes it then.",
        )
    }
}

impl ResolveSaga {
    fn body(&self) -> anyhow::Result<String> {
        let Self { step, finding, reason, who, output, .. } = self;
        let by = &*who.by;
        Ok(serde_json::to_string(&ResolveBody {
            step,
            finding: *finding,
            reason,
            by,
            output: output.as_ref(),
        })?)
    }
}

/// The body of `resolve`. The output goes out as it was given: its numbers keep all their digits.
#[derive(Serialize)]
struct ResolveBody<'a> {
    step: &'a str,
    finding: FindingFlag,
    reason: &'a str,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Json>,
}
