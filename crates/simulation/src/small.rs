//! Small worlds, all of them: one saga of up to four steps, one process that is started again whenever it dies, and
//! every single fault at every point where it can happen; for fewer steps every pair of faults, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_core::{Definition, Direction, SagaId};

use crate::bugs::Lies;
use crate::definition::{Kind, Spec, definition};
use crate::record::Report;
use crate::shop::{Around, Fate, Fates, Poison};
use crate::world::World;

/// What can go wrong with one call.
const FATES: [Fate; 12] = [
    Fate::Refusal,
    Fate::ErrorBefore,
    Fate::ErrorAfter,
    Fate::Unready(0),
    Fate::Unready(1),
    Fate::ConnectionRefused,
    Fate::ResetBefore,
    Fate::ResetAfter,
    Fate::SilenceBefore,
    Fate::SilenceAfter,
    // After its compensation, where that does not wait for it.
    Fate::Late(8_000),
    Fate::Doubled(3_000),
];

/// One thing that goes wrong, at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
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

/// One small world.
#[derive(Debug, Clone)]
pub struct Case {
    /// The steps.
    pub kinds: Vec<Kind>,
    /// The step that is refused, so that the saga rolls back; `None`: none is.
    pub refused: Option<usize>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// How many worlds there were, and which broke a promise.
#[derive(Debug, Default)]
pub struct Counted {
    /// By steps and faults.
    pub cases: BTreeMap<(usize, usize), u64>,
    /// With what was broken.
    pub broken: Vec<(Case, Vec<String>)>,
}

/// What is to happen, and what has happened so far.
pub(crate) struct Script {
    refused: Option<usize>,
    faults: Vec<Fault>,
    seen: Mutex<Seen>,
    is_over: AtomicBool,
}

#[derive(Debug, Default, Clone)]
struct Seen {
    calls: Vec<Kind>,
    answers: u32,
    appends: u32,
    refusals: u32,
    /// Which faults have happened: each happens once.
    happened: Vec<Fault>,
}

impl Seen {
    /// Whether this fault is in the script and has not happened yet; then it has now.
    fn happens(&mut self, script: &[Fault], fault: Fault) -> bool {
        let now = script.contains(&fault) && !self.happened.contains(&fault);
        if now {
            self.happened.push(fault);
        }
        now
    }
}

impl Script {
    fn new(case: &Case) -> Arc<Self> {
        Arc::new(Self {
            refused: case.refused,
            faults: case.faults.clone(),
            seen: Mutex::default(),
            is_over: AtomicBool::new(false),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process dies at this append.
    pub(crate) fn dies_writing(&self, crash: Crash) -> bool {
        let mut seen = self.seen();
        let number = seen.appends;
        if crash == Crash::After {
            seen.appends += 1;
        }
        seen.happens(&self.faults, Fault::DiesWriting(number, crash))
    }
}

impl Fates for Script {
    fn of_call(&self, kind: Kind, direction: Direction, step: usize) -> Fate {
        let mut seen = self.seen();
        let number = seen.calls.len() as u32;
        seen.calls.push(kind);
        let scripted = self.faults.iter().find_map(|fault| match fault {
            // After another fault, the call of this number may go to somebody else.
            Fault::Call(at, fate) if *at == number && may_meet(kind, *fate) => Some(*fate),
            _ => None,
        });
        match scripted {
            Some(fate) => fate,
            None if self.refused == Some(step) && direction == Direction::Action && seen.refusals == 0 => {
                seen.refusals += 1;
                Fate::Refusal
            }
            None => Fate::Good,
        }
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
        seen.happens(&self.faults, Fault::DiesAt(number, crash))
    }

    fn travel(&self) -> Duration {
        Duration::from_millis(if self.is_over.load(Ordering::Relaxed) { 0 } else { 1 })
    }
}

/// Runs every world: of exactly `steps` steps, with up to `faults` faults in each; one of the shares of the work.
pub fn small_worlds(steps: usize, faults: usize, share: (usize, usize)) -> Counted {
    let mut counted = Counted::default();
    for (number, (kinds, refused)) in shapes(steps).into_iter().enumerate() {
        if number % share.1 != share.0 {
            continue;
        }
        let specs: Vec<Spec> =
            kinds.iter().map(|kind| Spec { kind: *kind, undo: true, is_read_later: false }).collect();
        let world = (specs.clone(), definition(&specs, 60, 256, Lies::default()));
        explore(&world, &Case { kinds, refused, faults: Vec::new() }, faults, &mut counted);
    }
    counted
}

/// All sagas of this many steps with effects, going well and being refused at the last step.
fn shapes(steps: usize) -> Vec<(Vec<Kind>, Option<usize>)> {
    let mut all = vec![Vec::new()];
    for _ in 0..steps {
        all = all
            .into_iter()
            .flat_map(|kinds: Vec<Kind>| {
                Kind::EFFECTS.map(|kind| kinds.iter().copied().chain([kind]).collect::<Vec<_>>())
            })
            .collect();
    }
    all.into_iter().flat_map(|kinds| [(kinds.clone(), None), (kinds, Some(steps - 1))]).collect()
}

/// Steps, and the definition made of them.
type Shape = (Vec<Spec>, Arc<Definition>);

/// Runs `case`, and then all that have one fault more, each at a place that this run reached after its last fault.
fn explore(world: &Shape, case: &Case, more: usize, counted: &mut Counted) {
    let (report, seen) = run(world, case);
    *counted.cases.entry((case.kinds.len(), case.faults.len())).or_default() += 1;
    if !report.violations.is_empty() {
        counted.broken.push((case.clone(), report.violations));
    }
    if more == 0 {
        return;
    }
    for fault in faults(&seen) {
        // Each set of faults once: in the order in which they are listed.
        if case.faults.last().is_some_and(|last| order(last) >= order(&fault)) {
            continue;
        }
        let mut next = case.clone();
        next.faults.push(fault);
        explore(world, &next, more - 1, counted);
    }
}

/// Everything that can go wrong in a world that went like this.
fn faults(seen: &Seen) -> Vec<Fault> {
    let mut all = Vec::new();
    for (number, kind) in (0..).zip(&seen.calls) {
        all.extend(
            FATES.into_iter().filter(|fate| may_meet(*kind, *fate)).map(|fate| Fault::Call(number, fate)),
        );
        all.extend([Crash::Before, Crash::After, Crash::Answer].map(|crash| Fault::DiesAt(number, crash)));
    }
    for number in 0..seen.appends {
        all.extend([Crash::Before, Crash::After].map(|crash| Fault::DiesWriting(number, crash)));
    }
    all
}

/// Whether a participant of this kind leaves room for that.
fn may_meet(kind: Kind, fate: Fate) -> bool {
    let has_keys = matches!(kind, Kind::Idempotent | Kind::Barrier);
    match fate {
        Fate::Doubled(_) => has_keys,
        // A probe is asked after two seconds.
        Fate::Late(ms) => kind != Kind::Probed || ms < 2_000,
        _ => true,
    }
}

fn order(fault: &Fault) -> (u8, u32, u32) {
    match fault {
        Fault::Call(number, fate) => {
            let place = FATES.iter().position(|known| known == fate).unwrap_or(FATES.len());
            (0, *number, place as u32)
        }
        Fault::DiesAt(number, crash) => (1, *number, *crash as u32),
        Fault::DiesWriting(number, crash) => (2, *number, *crash as u32),
    }
}

fn run((specs, definition): &Shape, case: &Case) -> (Report, Seen) {
    let script = Script::new(case);
    let report = World::small(specs.clone(), definition.clone(), script.clone());
    let seen = script.seen().clone();
    (report, seen)
}

/// The one saga of a small world.
pub(crate) fn the_order() -> SagaId {
    SagaId::from_idempotency_key("the order")
}
