//! What a saga does: its participants and steps, as typed data that has been checked in full.
//!
//! [`Definition::parse`] is the only way to get one that runs, so it can be relied on: every expression compiles and
//! reads only what exists by then, every step has a participant, every state a name.
//!
//! - `yaml`: a file's form. `check`: what it means. Both tell all mistakes at once; `suggest.rs`: what was meant.
//! - `template.rs`, `program.rs`: expressions. `variables.rs`: the environment, and what was read from it.

mod call;
mod check;
mod checked;
mod condition;
mod format;
mod input;
mod labels;
mod path;
mod program;
mod suggest;
mod template;
mod variables;
mod yaml;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

pub use self::call::{Absent, Call};
pub use self::checked::{Checked, Warning};
pub use self::condition::Condition;
pub use self::format::Format;
pub use self::input::{Input, InputError, NUMBER_CHARS_MAX};
pub use self::labels::{Label, Labels};
pub use self::path::{PATH_BYTES_MAX, RequestPath};
pub use self::program::EvalError;
pub use self::program::meter as budget;
pub use self::suggest::nearest;
pub use self::template::{Interpreted, RENDERED_BYTES_MAX, Scope, Template};
use self::variables::Unset;
pub use self::variables::{Origin, SECRET_BYTES_MAX, Variable, Variables};
pub use self::yaml::{Mistake, Mistakes, SOURCE_BYTES_MAX};
use crate::direction::Direction;
use crate::retry::Backoff;

/// The name of a state of the order, such as `STOCK_RESERVE`: the domain's word, exactly as on the wire.
pub type StateName = Arc<str>;

/// A saga's program.
#[derive(Debug)]
pub struct Definition {
    /// What the saga is called.
    pub name: Arc<str>,
    /// Names this exact text and the rules that it is read by: a running saga is pinned to both.
    pub hash: DefinitionHash,
    /// The rules that it was checked with.
    pub format: Format,
    /// The YAML it was read from, as it is kept in the journal.
    pub source: Arc<str>,
    /// The members that an input must have; others are passed over.
    pub input: Vec<(Box<str>, InputType)>,
    /// The members of the input that its sagas are found by.
    pub labels: Vec<Arc<str>>,
    /// The states that belong to the saga as a whole.
    pub states: States,
    /// From the start; a saga that is still going forward by then is stopped and rolled back.
    pub deadline: Duration,
    /// The services called.
    pub participants: Vec<Participant>,
    /// In the order in which they run; undone in reverse.
    pub steps: Vec<Step>,
}

/// The states that belong to the saga as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// From its start.
    pub started: StateName,
    /// Every step has succeeded.
    pub completed: StateName,
    /// Stopped on request or by its deadline.
    pub cancelled: StateName,
}

/// The SHA-256 of a definition's source and format, in lower-case hex.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DefinitionHash(Arc<str>);

impl DefinitionHash {
    /// A hash read back from where it was kept.
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

/// The JSON type of an input's member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    /// A whole number that fits 64 bits with sign.
    Integer,
    /// Any JSON number within the range of a double; its digits are kept.
    Number,
    /// A string.
    String,
    /// `true` or `false`.
    Boolean,
}

impl InputType {
    /// Its name in definitions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::String => "string",
            Self::Boolean => "boolean",
        }
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
    /// Sent with every call, such as an API key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What it promises about repeated and undone calls.
    pub safety: Safety,
    /// From sending a request to the end of its answer.
    pub timeout: Duration,
    /// To open a connection.
    pub connect_timeout: Duration,
    /// Calls under way at the same time; further ones wait for their turn.
    pub calls_max: usize,
    /// An answer's body; a larger one is an unreadable answer.
    pub answer_bytes_max: usize,
    /// How long it keeps its promise for one order: keys older than this may be forgotten.
    pub horizon: Duration,
    /// When calls to it are suspended.
    pub breaker: Breaker,
}

/// When calls to a participant are suspended, and when they are tried again. (M. Nygard, "Release It!", 2007.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Calls of this last stretch of time count.
    pub window: Duration,
    /// Fewer calls within it say nothing.
    pub calls_min: u32,
    /// It opens when at least this share of them failed, in percent.
    pub failures_percent: u32,
    /// How long it stays open before one call is let through; twice as long after each one that fails.
    pub open: Duration,
    /// It never stays open for longer.
    pub open_max: Duration,
}

impl Breaker {
    /// Opens when half of at least twenty calls within ten seconds failed; asks again after one second, then after
    /// two, and so on up to thirty.
    pub const DEFAULT: Self = Self {
        window: Duration::from_secs(10),
        calls_min: 20,
        failures_percent: 50,
        open: Duration::from_secs(1),
        open_max: Duration::from_secs(30),
    };
}

/// What a participant promises, and so what may be done when nobody knows whether a call took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Safety {
    /// Nothing: a call whose outcome is unknown is never repeated.
    None,
    /// The same key has one effect and the same answer.
    Idempotent,
    /// Also: a compensation whose action never arrived does nothing and succeeds, and an action that arrives
    /// after its compensation is refused.
    Barrier,
}

impl Safety {
    /// Its name in definitions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Idempotent => "idempotent",
            Self::Barrier => "barrier",
        }
    }
}

/// One step of a saga.
#[derive(Debug)]
pub struct Step {
    /// Its name in the definition, in keys and in history.
    pub name: Arc<str>,
    /// Index into [`Definition::participants`].
    pub participant: usize,
    /// What it does.
    pub action: Call,
    /// What undoes it; `None` for reads and for what was declared `compensation: none`.
    pub compensation: Option<Call>,
    /// What asks whether its effect is there, where that may be asked.
    pub probe: Option<Probe>,
    /// The order's state once the action has succeeded; `None`: the state stays.
    pub success: Option<StateName>,
    /// The order's state once the step has failed.
    pub failure: StateName,
    /// Attempts of the action.
    pub retry: Backoff,
    /// Attempts of the compensation, and of finding out whether the action ran.
    pub persist: Backoff,
}

impl Step {
    /// A read has no effect: it may be repeated, forgotten and sent early. (Safe methods, RFC 9110, 9.2.1.)
    pub fn is_read(&self) -> bool {
        self.action.method.is_safe()
    }
}

/// A question about a step: is its effect there?
#[derive(Debug)]
pub struct Probe {
    /// Success means that the effect is there, a refusal that it is not.
    pub call: Call,
    /// Asked this long after the end of the call in doubt: by then, it has taken effect or never will.
    pub after: Duration,
}

impl Definition {
    /// Checks a file by today's rules. `file` is the name that mistakes are reported under, `env` answers for
    /// `${NAME}` and `${file:PATH}`.
    pub fn check(file: &str, source: &str, env: &dyn Variables) -> Result<Checked, Mistakes> {
        check::read(file, source, Format::CURRENT, (env, Unset::Refused))
    }

    /// Reads a definition that was kept, by the rules that it was checked with.
    pub fn read(source: &str, format: Format, env: &dyn Variables) -> Result<Self, Mistakes> {
        check::read("the journal's definition", source, format, (env, Unset::Refused))
            .map(|checked| checked.definition)
    }

    /// Checks a file by today's rules, where there are variables and no files, and warnings do not matter.
    pub fn parse(file: &str, source: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Mistakes> {
        Self::check(file, source, &variables::VariablesOnly(env)).map(|checked| checked.definition)
    }

    /// Checks a file for people who look at it: a variable that is not set, or a file that cannot be used, is noted
    /// instead of refused, and a URL with one in it stands for no address. Nothing can be called with such a definition.
    pub fn inspect(file: &str, source: &str, env: &dyn Variables) -> Result<Checked, Mistakes> {
        check::read(file, source, Format::CURRENT, (env, Unset::Noted))
    }

    /// The participant of a step.
    pub fn participant(&self, step: usize) -> &Participant {
        &self.participants[self.steps[step].participant]
    }

    /// How a step is done or undone; `None` where it is never undone, or there is no such step.
    pub fn call(&self, step: usize, direction: Direction) -> Option<&Call> {
        let step = self.steps.get(step)?;
        match direction {
            Direction::Action => Some(&step.action),
            Direction::Compensation => step.compensation.as_ref(),
            Direction::Probe => step.probe.as_ref().map(|probe| &probe.call),
        }
    }

    /// The index of the step called `name`.
    pub fn step_named(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| *step.name == *name)
    }
}
