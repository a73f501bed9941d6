//! The script of a small world, in which every event is laid down beforehand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::{Direction, SagaId};

use crate::definition::{CallSpec, StepKind};
use crate::fate::{Around, Fate, Fates, JobFate, Poison};

/// How long an accepted action takes: longer than the time between two polls.
const JOB_TAKES: Duration = Duration::from_millis(1_500);

/// One thing that goes wrong, at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScriptedFault {
    /// The call of this number meets this fate.
    Call(u32, Fate),
    /// The process dies before the call of this number leaves, after it has, or when its answer arrives.
    DiesAt(u32, Crash),
    /// The process dies before the append of this number is durable, or after it.
    DiesWriting(u32, Crash),
}

/// Where around something a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Before it.
    Before,
    /// After it.
    After,
    /// When its answer arrives.
    Answer,
}

/// The faults that are to happen, and what has happened so far.
pub(crate) struct Script {
    refused: Vec<usize>,
    faults: Vec<ScriptedFault>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) calls: Vec<StepKind>,
    answers: u32,
    pub(crate) appends: u32,
    /// The steps that have been refused: each is once.
    refused: Vec<usize>,
    /// Which faults have happened: each happens once.
    happened: Vec<ScriptedFault>,
}

impl Seen {
    /// Whether this fault is in the script and has not happened yet; then it has now.
    fn happens(&mut self, script: &[ScriptedFault], fault: ScriptedFault) -> bool {
        let now = script.contains(&fault) && !self.happened.contains(&fault);
        if now {
            self.happened.push(fault);
        }
        now
    }
}

impl Script {
    /// `refused`: the steps that are refused once.
    pub(crate) fn new(refused: &[usize], faults: &[ScriptedFault]) -> Arc<Self> {
        Arc::new(Self { refused: refused.to_vec(), faults: faults.to_vec(), seen: Mutex::default() })
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the step is to be refused now.
    fn refuses(&self, seen: &mut Seen, step: usize) -> bool {
        let now = self.refused.contains(&step) && !seen.refused.contains(&step);
        if now {
            seen.refused.push(step);
        }
        now
    }

    /// Whether the process dies at this append.
    pub(crate) fn dies_writing(&self, crash: Crash) -> bool {
        let mut seen = self.seen();
        let number = seen.appends;
        if crash == Crash::After {
            seen.appends += 1;
        }
        seen.happens(&self.faults, ScriptedFault::DiesWriting(number, crash))
    }
}

impl Fates for Script {
    fn of_call(&self, spec: &CallSpec, direction: Direction, step: usize) -> Fate {
        let kind = spec.kind;
        let mut seen = self.seen();
        let number = seen.calls.len() as u32;
        seen.calls.push(kind);
        let scripted = self.faults.iter().find_map(|fault| match fault {
            // After another fault, the call of this number may go to another participant.
            ScriptedFault::Call(at, fate) if *at == number && may_meet(kind, *fate) => Some(*fate),
            _ => None,
        });
        // An action that is accepted is refused later.
        let may_refuse = direction == Direction::Action && spec.accepts.is_none();
        match scripted {
            Some(fate) => fate,
            None if may_refuse && self.refuses(&mut seen, step) => Fate::Refusal,
            None => Fate::Good,
        }
    }

    fn job(&self, spec: &CallSpec, step: usize) -> Option<JobFate> {
        spec.accepts?;
        Some(JobFate { takes: spec.job_max().min(JOB_TAKES), refused: self.refuses(&mut self.seen(), step) })
    }

    fn poison(&self, _: SagaId, _: usize) -> Option<Poison> {
        None
    }

    fn kills(&self, around: Around) -> bool {
        let mut seen = self.seen();
        let (number, crash) = match around {
            Around::Before => (seen.calls.len() as u32, Crash::Before),
            Around::After => (seen.calls.len() as u32 - 1, Crash::After),
            Around::Answer => {
                seen.answers += 1;
                (seen.answers - 1, Crash::Answer)
            }
        };
        seen.happens(&self.faults, ScriptedFault::DiesAt(number, crash))
    }

    fn travel(&self) -> Duration {
        Duration::from_millis(1)
    }
}

/// Whether a participant of this kind leaves room for that.
pub(crate) fn may_meet(kind: StepKind, fate: Fate) -> bool {
    match fate {
        Fate::Doubled(_) => kind.has_keys(),
        // A probe is asked after two seconds.
        Fate::Late(ms) => kind != StepKind::Probed || ms < 2_000,
        _ => true,
    }
}
