//! A saga's definition: its participants and steps, as typed data that has been checked in full.
//!
//! Only [`Definition::parse`] and its siblings return a definition that can run, so the rest of the program can rely
//! on it: every expression compiles and reads only names that exist when it runs, every step has a participant, every
//! state has a name.
//!
//! - `yaml`: the form of a file. `check`: its meaning. Both report all mistakes at once; `suggest.rs`: corrections of
//!   names.
//! - `call.rs`: a request and the meaning of its answer; `path.rs`, `headers.rs`, `body.rs`: the request's parts.
//! - `declared.rs`, `schema.rs`: what an input must be; `input.rs`: an input that is; `labels.rs`: by what its saga is found.
//! - `auth.rs`, `tls.rs`: how the orchestrator proves itself to a participant, and whom it trusts; `secret.rs`: the secrets for that.
//! - `effects.rs`: how a participant lists its effects.
//! - `template.rs`, `program.rs`: expressions. `variables.rs`: the environment, and the variables that were read.

mod auth;
mod body;
mod call;
mod check;
mod checked;
mod condition;
mod declared;
mod effects;
mod format;
mod graph;
mod headers;
mod input;
mod labels;
mod path;
mod program;
mod schema;
mod secret;
mod step;
mod suggest;
mod template;
mod tls;
mod variables;
mod yaml;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};
use strum::{Display, EnumString, VariantNames};

pub use self::auth::{Auth, ClientAuth, TokenClient, TokenRequest, UnusableSecret};
pub(crate) use self::auth::{bearer, is_token};
pub use self::body::{Body, BodyTemplate};
pub use self::call::{Absent, Call, PendingAnswer};
pub(crate) use self::check::DEADLINE_MAX;
pub use self::check::parse_duration as duration;
pub use self::checked::{Checked, NamedTls, Warning};
pub use self::condition::Condition;
pub use self::declared::{InputForm, InputMember, InputType};
pub use self::effects::EffectsListing;
pub use self::format::Format;
pub use self::graph::{Graph, StepSet, Steps};
pub use self::headers::{CALL_HEADERS_MAX, CallHeader, HEADER_BYTES_MAX};
pub use self::input::{InputError, NUMBER_CHARS_MAX, SagaInput};
pub use self::labels::{LABEL_BYTES_MAX, Label, LabelError, LabelRule, Labels};
pub use self::path::{PATH_BYTES_MAX, RequestPath};
pub use self::program::EvalError;
pub use self::program::meter as budget;
pub use self::schema::InputSchema;
pub use self::secret::{SecretSource, SecretText};
pub use self::step::{Acceptance, CallStep, PauseEnd, PollCall, Probe, SignalWait, Step, StepWork};
pub use self::suggest::nearest;
pub use self::template::{Interpreted, RENDERED_BYTES_MAX, Scope, Template};
pub use self::tls::{ClientIdentity, ParticipantTls};
use self::variables::Unset;
pub use self::variables::{Origin, SECRET_BYTES_MAX, Variable, Variables};
pub use self::yaml::{Mistake, Mistakes, SOURCE_BYTES_MAX};
use crate::direction::Direction;

/// The name of a state of the order, such as `STOCK_RESERVED`, exactly as the definition has it.
pub type StateName = Arc<str>;

/// The definition of a saga.
#[derive(Debug)]
pub struct Definition {
    /// The saga's name.
    pub name: Arc<str>,
    /// The hash of this exact text and its format; a running saga is pinned to both.
    pub hash: DefinitionHash,
    /// The rules that it was checked with.
    pub format: Format,
    /// The YAML text, as it is stored in the journal.
    pub source: Arc<str>,
    /// What an input must be.
    pub input: InputForm,
    /// By what its sagas are found.
    pub labels: Vec<LabelRule>,
    /// The states that belong to no single step.
    pub states: States,
    /// Time from the start; a saga that still goes forward then is cancelled and rolled back.
    pub deadline: Duration,
    /// The services that steps call.
    pub participants: Vec<Participant>,
    /// In the order of the file.
    pub steps: Vec<Step>,
    /// Which steps each waits for.
    pub graph: Graph,
    /// Whether there is no way back from a step once it is done.
    pub has_pivot: bool,
    /// Whether an action may be accepted and done later.
    pub has_polls: bool,
    /// Whether an expression reads when its saga started: `.created_at`.
    pub reads_created_at: bool,
    /// Whether an expression reads why its saga rolls back: `.failure`.
    pub reads_failure: bool,
    /// Whether an expression reads where its saga is called back: `.callbacks`.
    pub reads_callbacks: bool,
    /// What a completed saga answers; `None`: nothing.
    pub output: Option<Template>,
}

/// The states that belong to no single step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// The state from the start on.
    pub started: StateName,
    /// The state once every step has succeeded.
    pub completed: StateName,
    /// The state of a saga that a caller or its deadline has cancelled.
    pub cancelled: StateName,
}

/// The SHA-256 of a definition's source and format, in lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DefinitionHash(Arc<str>);

impl DefinitionHash {
    /// A hash that was stored before.
    pub fn new(hex: &str) -> Self {
        Self(hex.into())
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A service that steps call.
#[derive(Debug)]
pub struct Participant {
    /// Its name in the definition.
    pub name: Arc<str>,
    /// Scheme, host, port, and a path prefix without a slash at its end.
    pub base: Uri,
    /// The same as text.
    pub address: Arc<str>,
    /// The address and the files of `tls`: participants that are reached alike share connections and a breaker.
    pub reached_by: Arc<str>,
    /// Sent with every call, such as an API key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How calls prove who makes them; `None`: they do not, or by `headers`.
    pub auth: Option<Arc<Auth>>,
    /// Whom it is trusted by, and what certificate is shown to it; `None`: as the machine has it, and none.
    pub tls: Option<Arc<ParticipantTls>>,
    /// Whether its calls are signed. The key is the process's, and no part of the definition.
    pub is_signed: bool,
    /// The participant's promise about repeated and undone calls.
    pub safety: Safety,
    /// Time from sending a request to the end of its answer.
    pub timeout: Duration,
    /// Time for opening a connection.
    pub connect_timeout: Duration,
    /// Calls under way at the same time; further calls queue.
    pub calls_max: usize,
    /// The largest body of an answer; a larger answer is unreadable.
    pub answer_bytes_max: usize,
    /// The time for which it keeps its promise for one order: it may have forgotten older keys.
    pub horizon: Duration,
    /// When calls to it are suspended.
    pub breaker: BreakerSettings,
    /// How it lists the effects that it has had; `None`: it does not.
    pub effects: Option<EffectsListing>,
}

/// When calls to a participant are suspended, and when a call is let through again. (M. Nygard, "Release It!", 2007.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Only calls of this last stretch of time count.
    pub window: Duration,
    /// With fewer calls in the window, the breaker stays closed.
    pub calls_min: u32,
    /// The breaker opens when at least this share of the calls failed, in percent.
    pub failures_percent: u32,
    /// How long the breaker stays open before one call is let through; twice as long each time that this call fails.
    pub open: Duration,
    /// The longest `open` after doublings.
    pub open_max: Duration,
}

impl BreakerSettings {
    /// Opens when half of at least twenty calls within ten seconds failed; lets a call through after one second, then
    /// after two, and so on up to thirty.
    pub const DEFAULT: Self = Self {
        window: Duration::from_secs(10),
        calls_min: 20,
        failures_percent: 50,
        open: Duration::from_secs(1),
        open_max: Duration::from_secs(30),
    };
}

/// A participant's promise, which decides how the orchestrator handles a call with an unknown outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Display, EnumString, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum Safety {
    /// Nothing: a call whose outcome is unknown is never repeated.
    None,
    /// The same key has one effect and the same answer.
    Idempotent,
    /// Also: a compensation whose action never arrived does nothing and succeeds, and an action whose compensation is
    /// there is refused, even if it had succeeded before.
    Barrier,
}

impl Definition {
    /// Checks a file by the current rules. `file` is its name in reports of mistakes, `env` gives the values of
    /// `${NAME}` and `${file:PATH}`.
    pub fn check(file: &str, source: &str, env: &dyn Variables) -> Result<Checked, Mistakes> {
        check::read(file, source, Format::CURRENT, (env, Unset::Refused))
    }

    /// Reads a stored definition, by the rules that it was checked with. A secret of a participant's `auth` may be missing
    /// here: calls wait for it.
    pub fn read(source: &str, format: Format, env: &dyn Variables) -> Result<Self, Mistakes> {
        check::read("the journal's definition", source, format, (env, Unset::Awaited))
            .map(|checked| checked.definition)
    }

    /// Checks a file by the current rules, with variables but without files, and ignores warnings.
    pub fn parse(file: &str, source: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Mistakes> {
        Self::check(file, source, &variables::VariablesOnly(env)).map(|checked| checked.definition)
    }

    /// Checks a file without making calls: a variable that is not set, or a file that cannot be used, is recorded
    /// instead of refused, and a URL with such a variable has no address. No call can be made with such a definition.
    pub fn inspect(file: &str, source: &str, env: &dyn Variables) -> Result<Checked, Mistakes> {
        check::read(file, source, Format::CURRENT, (env, Unset::Noted))
    }

    /// The call that does or undoes a step; `None` if the step is never undone, or does not exist.
    pub fn call(&self, step: usize, direction: Direction) -> Option<&Call> {
        let step = self.steps.get(step)?;
        match direction {
            Direction::Action => step.action(),
            Direction::Compensation => step.compensation(),
            Direction::Probe => step.probe().map(|probe| &probe.call),
            Direction::Poll => step.acceptance()?.poll.as_ref().map(|poll| &poll.call),
        }
    }

    /// The names of the signals that steps take, each once.
    pub fn signal_names(&self) -> impl Iterator<Item = &str> {
        let names = || self.steps.iter().filter_map(|step| Some(&*step.signal()?.name));
        names()
            .enumerate()
            .filter(move |(index, name)| !names().take(*index).any(|earlier| earlier == *name))
            .map(|(_, name)| name)
    }

    /// The index of the step called `name`.
    pub fn step_named(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| *step.name == *name)
    }
}
