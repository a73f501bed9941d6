//! The faults.

use std::fmt;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// `kill -9` of a process, which is started again under its name.
    Kill,
    /// `kill -9` of a process; another process is started under another name.
    Replace,
    /// `SIGSTOP` for a while.
    Pause,
    /// `SIGTERM`, and a start under the same name.
    Shutdown,
    /// `kill -9` of PostgreSQL's first process; a start some time later.
    DatabaseKill,
    /// PostgreSQL's immediate stop; a start some time later.
    DatabaseStop,
    /// All of a process's connections to PostgreSQL are cut.
    Cut,
    /// One connection is cut in the middle of an answer.
    CutAnswer,
    /// One connection is cut in the middle of a request.
    CutRequest,
    /// A process's connections to PostgreSQL carry nothing for a while.
    Stall,
    /// Services answer half of the calls with 503.
    Refusing,
    /// Services are slow, before or after the effect.
    Slow,
    /// Services carry calls out without an answer.
    AnswersLost,
    /// Services close connections without an effect.
    Reset,
    /// A service is down.
    Down,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 15] = [
        Self::Kill,
        Self::Replace,
        Self::Pause,
        Self::Shutdown,
        Self::DatabaseKill,
        Self::DatabaseStop,
        Self::Cut,
        Self::CutAnswer,
        Self::CutRequest,
        Self::Stall,
        Self::Refusing,
        Self::Slow,
        Self::AnswersLost,
        Self::Reset,
        Self::Down,
    ];

    /// The faults that need no PostgreSQL.
    pub const WITHOUT_A_SERVER: [Self; 8] = [
        Self::Kill,
        Self::Pause,
        Self::Shutdown,
        Self::Refusing,
        Self::Slow,
        Self::AnswersLost,
        Self::Reset,
        Self::Down,
    ];

    /// The fault's name, on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Replace => "replace",
            Self::Pause => "pause",
            Self::Shutdown => "shutdown",
            Self::DatabaseKill => "database-kill",
            Self::DatabaseStop => "database-stop",
            Self::Cut => "cut",
            Self::CutAnswer => "cut-answer",
            Self::CutRequest => "cut-request",
            Self::Stall => "stall",
            Self::Refusing => "refusing",
            Self::Slow => "slow",
            Self::AnswersLost => "answers-lost",
            Self::Reset => "reset",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|fault| fault.name() == text).ok_or_else(|| {
            format!("« {text} » is no fault; there are {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}
