//! The steps of a world's definition: calls of every kind, waits and pauses.
//!
//! - `drawn.rs`: steps by chance.
//! - `file.rs`: the definition's file that is made of them.

mod drawn;
mod file;

use std::time::Duration;

use saga_core::definition::{Graph, Safety};

pub(crate) use self::drawn::{deadline, drawn};
pub(crate) use self::file::definition;

/// The kind of a step that calls, as far as its promises go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// A read.
    Read,
    /// No promise at all.
    Plain,
    /// No promise, but it can be asked.
    Probed,
    /// Keys.
    Idempotent,
    /// Keys, null compensations, late actions refused.
    Barrier,
}

impl StepKind {
    /// All that have an effect.
    pub const EFFECTS: [Self; 4] = [Self::Plain, Self::Probed, Self::Idempotent, Self::Barrier];

    pub(crate) fn safety(self) -> Safety {
        match self {
            Self::Read | Self::Plain | Self::Probed => Safety::None,
            Self::Idempotent => Safety::Idempotent,
            Self::Barrier => Safety::Barrier,
        }
    }

    /// Whether its participant knows a call again.
    pub(crate) fn has_keys(self) -> bool {
        self.safety() != Safety::None
    }
}

/// A step of a generated definition; it is called `a`, `b`, ... by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) work: Work,
    /// The earlier steps that it waits for; `None`: the step above.
    pub(crate) after: Option<Vec<usize>>,
    /// Whether its condition holds; `None`: it has none.
    pub(crate) when: Option<bool>,
    pub(crate) weight: Weight,
}

/// How a step is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Work {
    Call(CallSpec),
    Signal(SignalSpec),
    Pause(PauseSpec),
}

/// The consequence of a step's failure, and of its success, for the saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Its failure fails the saga.
    Required,
    /// Its failure is passed over.
    Optional,
    /// Once it has succeeded, there is no way back.
    Pivot,
}

/// A step that calls a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallSpec {
    pub(crate) kind: StepKind,
    /// Whether it is undone; a read never is, nor a step behind a pivot.
    pub(crate) undo: bool,
    /// The earlier steps whose outputs its requests are made of.
    pub(crate) from: Vec<usize>,
    /// Whether it can be asked about, though its participant promises something; see [`CallSpec::is_probed`].
    pub(crate) probe: bool,
    /// Whether its participant keeps its promise for [`HORIZON`] only.
    pub(crate) forgets: bool,
    /// How the saga hears of the end of an action that its participant accepts first; `None`: it accepts none.
    pub(crate) accepts: Option<AcceptanceSpec>,
    /// Whether a participant that refuses may do it when it is asked again: behind a pivot a refusal is no end.
    pub(crate) relents: bool,
}

/// How the saga hears of the end of an accepted action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcceptanceSpec {
    pub(crate) told: Told,
    /// How long the saga waits for it.
    pub(crate) within: Duration,
}

/// The ways in which the end of an accepted action is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The saga asks.
    Poll,
    /// The participant sends a signal, called by [`Spec::signal_name`].
    Signal,
    /// Both, whichever comes first.
    Either,
}

/// A wait for a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SignalSpec {
    /// Several steps may wait for signals of one name: `s0`, `s1`, ...
    pub(crate) name: usize,
    /// How long the step waits.
    pub(crate) within: Duration,
}

/// A wait for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PauseSpec {
    pub(crate) length: Duration,
    /// Whether an expression gives the length.
    pub(crate) is_computed: bool,
}

/// How soon participants that forget may forget.
pub(crate) const HORIZON: Duration = Duration::from_secs(3);

/// How long an accepted action takes at most: at a participant that is asked about it soon, and at any other.
pub(crate) const JOB_MAX: [Duration; 2] = [Duration::from_millis(400), Duration::from_secs(6)];

impl Spec {
    fn of(work: Work) -> Self {
        Self { work, after: None, when: None, weight: Weight::Required }
    }

    /// A call that is undone.
    pub(crate) fn new(kind: StepKind) -> Self {
        Self::of(Work::Call(CallSpec::new(kind)))
    }

    pub(crate) fn signal(name: usize, within: Duration) -> Self {
        Self::of(Work::Signal(SignalSpec { name, within }))
    }

    pub(crate) fn pause(length: Duration, is_computed: bool) -> Self {
        Self::of(Work::Pause(PauseSpec { length, is_computed }))
    }

    pub(crate) fn after(mut self, steps: &[usize]) -> Self {
        self.after = Some(steps.to_vec());
        self
    }

    pub(crate) fn when(mut self, holds: bool) -> Self {
        self.when = Some(holds);
        self
    }

    pub(crate) fn weighs(mut self, weight: Weight) -> Self {
        self.weight = weight;
        self
    }

    pub(crate) fn accepts(mut self, told: Told, within: Duration) -> Self {
        if let Work::Call(call) = &mut self.work {
            call.accepts = Some(AcceptanceSpec { told, within });
        }
        self
    }

    /// Behind a pivot: it is not undone, and no failure is an end.
    pub(crate) fn behind_pivot(mut self) -> Self {
        if let Work::Call(call) = &mut self.work {
            (call.undo, call.relents) = (false, true);
        }
        self
    }

    /// The call, if it calls.
    pub(crate) fn call(&self) -> Option<&CallSpec> {
        match &self.work {
            Work::Call(call) => Some(call),
            Work::Signal(_) | Work::Pause(_) => None,
        }
    }

    pub(crate) fn as_pause(&self) -> Option<PauseSpec> {
        match self.work {
            Work::Pause(pause) => Some(pause),
            Work::Call(_) | Work::Signal(_) => None,
        }
    }

    /// The kind of its call, if it has an effect.
    pub(crate) fn effect(&self) -> Option<StepKind> {
        self.call().map(|call| call.kind).filter(|kind| *kind != StepKind::Read)
    }

    /// Whether a rollback undoes it.
    pub(crate) fn is_undone(&self) -> bool {
        self.call().is_some_and(|call| call.undo)
    }

    /// Whether it is skipped when its turn comes.
    pub(crate) fn is_skipped(&self) -> bool {
        self.when == Some(false)
    }

    pub(crate) fn is_optional(&self) -> bool {
        self.weight == Weight::Optional
    }

    pub(crate) fn is_pivot(&self) -> bool {
        self.weight == Weight::Pivot
    }

    pub(crate) fn forgets(&self) -> bool {
        self.call().is_some_and(|call| call.forgets)
    }

    /// The name of the signals that it takes, instead of a call or once its action was accepted; it is the step of this
    /// position.
    pub(crate) fn signal_name(&self, step: usize) -> Option<String> {
        match &self.work {
            Work::Signal(signal) => Some(format!("s{}", signal.name)),
            Work::Call(CallSpec { accepts: Some(AcceptanceSpec { told, .. }), .. })
                if *told != Told::Poll =>
            {
                Some(format!("done-{}", name(step)))
            }
            Work::Call(_) | Work::Pause(_) => None,
        }
    }

    /// Whether the saga waits at it for longer than a call takes: for a time or a signal.
    pub(crate) fn waits(&self) -> bool {
        self.call().is_none_or(|call| call.accepts.is_some())
    }
}

impl CallSpec {
    fn new(kind: StepKind) -> Self {
        Self {
            kind,
            undo: kind != StepKind::Read,
            from: Vec::new(),
            probe: false,
            forgets: false,
            accepts: None,
            relents: false,
        }
    }

    /// Whether it can be asked about.
    pub(crate) fn is_probed(&self) -> bool {
        self.probe || self.kind == StepKind::Probed
    }

    /// Whether what is sent arrives soon or never: a question that comes before its call is answered wrongly, and a
    /// participant that has forgotten takes a late call for a new one.
    pub(crate) fn is_bounded(&self) -> bool {
        self.is_probed() || self.forgets
    }

    /// How long an accepted action takes at most.
    pub(crate) fn job_max(&self) -> Duration {
        JOB_MAX[usize::from(!self.is_bounded())]
    }

    /// Whether its participant may refuse what it has accepted. Not where it may be called again after that and tells of it by a
    /// signal: a signal names no call, so that of the first one may come while the second one is waited for.
    pub(crate) fn may_refuse_later(&self) -> bool {
        let is_told_by_poll = self.accepts.is_some_and(|accepts| accepts.told == Told::Poll);
        is_told_by_poll || !(self.relents || self.is_probed())
    }

    /// Whether only a signal tells how an accepted action ended.
    pub(crate) fn is_told_by_signal_alone(&self) -> bool {
        self.accepts.is_some_and(|accepts| accepts.told == Told::Signal)
    }
}

pub(crate) fn step_name(step: usize) -> String {
    name(step).to_string()
}

fn name(step: usize) -> char {
    char::from(b'a' + step as u8)
}

/// Which steps each waits for.
pub(crate) fn graph(specs: &[Spec]) -> Graph {
    let after = |(step, spec): (usize, &Spec)| match &spec.after {
        Some(after) => after.iter().copied().collect(),
        None => step.checked_sub(1).into_iter().collect(),
    };
    let graph = Graph::new(specs.iter().enumerate().map(after).collect());
    // Nothing that may fail runs beside a pivot.
    let pivots = specs.iter().enumerate().filter(|(_, spec)| spec.is_pivot());
    pivots.fold(graph, |graph, (pivot, _)| graph.waiting_for_all_above(pivot))
}
