//! The faults.

use strum::{Display, EnumString, VariantArray, VariantNames};

/// One kind of fault. Its name on the command line and in reports is in kebab case.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, VariantArray, VariantNames,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = no_fault)]
pub enum Fault {
    /// `kill -9` of a process, which is started again under its name.
    Kill,
    /// `kill -9` of a process; another process is started under another name.
    Replace,
    /// A process of the release before is replaced by one of this release.
    Upgrade,
    /// A process of this release is replaced by one of the release before.
    Downgrade,
    /// `SIGSTOP` for a while.
    Pause,
    /// `SIGTERM`, and a start under the same name.
    Shutdown,
    /// `kill -9` of PostgreSQL's first process; a start some time later.
    DatabaseKill,
    /// PostgreSQL's immediate stop; a start some time later.
    DatabaseStop,
    /// `kill -9` of PostgreSQL's first process, and its standby is promoted. The former primary becomes a standby again; sometimes it
    /// comes back before that, as if nothing had been, and a process is led to it.
    Failover,
    /// All of a process's connections to PostgreSQL are cut.
    Cut,
    /// One connection is cut in the middle of an answer.
    CutAnswer,
    /// One connection is cut in the middle of a request.
    CutRequest,
    /// A process's connections to PostgreSQL carry nothing for a while.
    Stall,
    /// A process's connections to PostgreSQL carry everything later for a while.
    Latency,
    /// A process's connections to PostgreSQL lose packets for a while: they come when they have been sent again.
    Loss,
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
    /// The callers' key is replaced, as the documents say.
    Keys,
    /// The certificate is replaced.
    Certificate,
    /// The issuer is away for a while; then it signs with another key.
    Issuer,
}

impl Fault {
    /// All faults.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;

    /// The faults that need no PostgreSQL.
    pub const WITHOUT_A_SERVER: &'static [Self] = &[
        Self::Kill,
        Self::Pause,
        Self::Shutdown,
        Self::Refusing,
        Self::Slow,
        Self::AnswersLost,
        Self::Reset,
        Self::Down,
    ];

    /// The faults that need keys, tokens and TLS.
    pub const OF_DOORS: &'static [Self] = &[Self::Keys, Self::Certificate, Self::Issuer];

    /// The faults that are not drawn: they come one after the other, in waves.
    pub const OF_RELEASES: &'static [Self] = &[Self::Upgrade, Self::Downgrade];

    /// All faults that are drawn.
    pub fn drawn() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|fault| !Self::OF_RELEASES.contains(fault)).collect()
    }

    /// All faults of an ordeal with one server.
    pub fn without_a_standby(faults: &[Self]) -> Vec<Self> {
        faults.iter().copied().filter(|fault| *fault != Self::Failover).collect()
    }

    /// All faults of an ordeal in which everybody is let in.
    pub fn without_doors(faults: &[Self]) -> Vec<Self> {
        faults.iter().copied().filter(|fault| !Self::OF_DOORS.contains(fault)).collect()
    }
}

fn no_fault(text: &str) -> String {
    format!("« {text} » is no fault; there are {}", <Fault as VariantNames>::VARIANTS.join(", "))
}
