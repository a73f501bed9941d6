//! Small worlds, all of them: one saga of up to four steps, in a chain or a graph, one process that is started again
//! whenever it dies, and every single fault at every point where it can happen; for fewer steps every pair of faults, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use saga_core::{Definition, Event, SagaId};
use saga_engine::{Caller, Start, Wait};
use saga_testkit::dice::Dice;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::{Instant, sleep, timeout};

use crate::bugs::Lies;
use crate::definition::{Spec, StepKind, Told, Weight, definition};
use crate::disk::Disk;
use crate::ending::TAIL;
use crate::fate::Fate;
use crate::fleet::Fleet;
use crate::process::run_paused;
use crate::record::{Recorder, RunReport};
use crate::scene::{Order, Scene, is_blocked};
use crate::script::{Crash, Script, ScriptedFault, Seen, may_meet};
use crate::sending::Heard;
use crate::shop::SimulatedShop;
use crate::signal::{Meaning, SimulatedSignal};

/// The key of the one order.
const KEY: &str = "the order";

/// Longer than any wait of a small world.
const DEADLINE: Duration = Duration::from_secs(60);

/// The ways in which one call can go wrong.
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

/// The steps of a small world, and which of them wait for which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOrder {
    /// So many, one after the other.
    Chain(usize),
    /// Two at the same time.
    Pair,
    /// One, then two at the same time, then one that waits for both. The first and the last are of the same kind.
    Diamond,
    /// Three, one after the other; the one in the middle is skipped.
    Skipping,
    /// Three; the one in the middle waits for a signal.
    Signal(Timing),
    /// Three; the one in the middle is a pause.
    Pausing,
    /// Three; the action in the middle is accepted first, and asked about.
    Accepting,
    /// Three; the one in the middle is optional.
    Optional,
    /// Three; the one in the middle is the pivot.
    Pivot,
}

/// When the signal of a small world is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// At once, before its step waits.
    Early,
    /// While its step waits.
    Waiting,
    /// While its step waits, and once more under the same key.
    Twice,
    /// When its step has waited for too long.
    Late,
    /// Never.
    Never,
}

/// How long a step waits for its signal, how long a pause is, and how long an accepted action may take.
const WITHIN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(1);
const ACCEPTED_WITHIN: Duration = Duration::from_secs(6);

impl StepOrder {
    /// The orders of calls alone whose pairs of faults `simulate --pairs` tries.
    pub const OF_CALLS: [Self; 6] =
        [Self::Chain(1), Self::Chain(2), Self::Chain(3), Self::Pair, Self::Skipping, Self::Diamond];

    /// The orders with a step that waits, is accepted, or has another weight: every single fault of theirs is tried by the tests,
    /// and every pair by `simulate --pairs`.
    pub const OF_ALL_KINDS: [Self; 9] = [
        Self::Signal(Timing::Early),
        Self::Signal(Timing::Waiting),
        Self::Signal(Timing::Twice),
        Self::Signal(Timing::Late),
        Self::Signal(Timing::Never),
        Self::Pausing,
        Self::Accepting,
        Self::Optional,
        Self::Pivot,
    ];

    /// How many kinds of calls the steps are drawn from.
    fn kinds(self) -> usize {
        match self {
            Self::Chain(steps) => steps,
            Self::Pair | Self::Signal(_) | Self::Pausing => 2,
            Self::Diamond | Self::Skipping | Self::Accepting | Self::Optional | Self::Pivot => 3,
        }
    }

    /// The steps, of these kinds.
    fn specs(self, kinds: &[StepKind]) -> Vec<Spec> {
        let step = |kind: usize| Spec::new(kinds[kind]);
        match self {
            Self::Chain(steps) => (0..steps).map(step).collect(),
            Self::Pair => vec![step(0), step(1).after(&[])],
            Self::Diamond => vec![step(0), step(1).after(&[0]), step(2).after(&[0]), step(0).after(&[1, 2])],
            Self::Skipping => vec![step(0), step(1).when(false), step(2)],
            Self::Signal(_) => vec![step(0), Spec::signal(0, WITHIN), step(1)],
            Self::Pausing => vec![step(0), Spec::pause(PAUSE, false), step(1)],
            Self::Accepting => vec![step(0), step(1).accepts(Told::Poll, ACCEPTED_WITHIN), step(2)],
            Self::Optional => vec![step(0), step(1).weighs(Weight::Optional), step(2)],
            Self::Pivot => vec![step(0), step(1).weighs(Weight::Pivot), step(2).behind_pivot()],
        }
    }

    /// The steps that are refused: none, and those whose refusals make a difference.
    fn refusals(self) -> Vec<Vec<usize>> {
        let middle_or_last = || vec![vec![], vec![1], vec![2]];
        match self {
            Self::Chain(steps) => vec![vec![], vec![steps - 1]],
            Self::Pair => vec![vec![], vec![1]],
            Self::Diamond => vec![vec![], vec![3]],
            Self::Skipping | Self::Signal(_) | Self::Pausing => vec![vec![], vec![2]],
            Self::Accepting | Self::Pivot => middle_or_last(),
            Self::Optional => [middle_or_last(), vec![vec![1, 2]]].concat(),
        }
    }

    /// When the signal is sent that the order may wait for.
    fn signal(self) -> Timing {
        match self {
            Self::Signal(timing) => timing,
            _ => Timing::Never,
        }
    }
}

/// One small world.
#[derive(Debug, Clone)]
pub struct Case {
    /// Which steps wait for which.
    pub form: StepOrder,
    /// The kinds of the steps.
    pub kinds: Vec<StepKind>,
    /// The steps that are refused once.
    pub refused: Vec<usize>,
    /// The faults that happen.
    pub faults: Vec<ScriptedFault>,
}

/// How many worlds there were, and which broke a promise.
#[derive(Debug, Default)]
pub struct Counted {
    /// By faults.
    pub cases: BTreeMap<usize, u64>,
    /// With what was broken.
    pub broken: Vec<(Case, Vec<String>)>,
}

/// Runs every world of this form, with up to `faults` faults in each; one of the shares of the work.
pub fn small_worlds(form: StepOrder, faults: usize, share: (usize, usize)) -> Counted {
    let mut counted = Counted::default();
    for (number, (kinds, refused)) in shapes(form).into_iter().enumerate() {
        if number % share.1 != share.0 {
            continue;
        }
        let specs = form.specs(&kinds);
        let world = (specs.clone(), definition(&specs, DEADLINE, 256, Lies::default()));
        explore(&world, &Case { form, kinds, refused, faults: Vec::new() }, faults, &mut counted);
    }
    counted
}

/// All sagas of this form whose steps have effects, going well and being refused.
fn shapes(form: StepOrder) -> Vec<(Vec<StepKind>, Vec<usize>)> {
    let mut all = vec![Vec::new()];
    for _ in 0..form.kinds() {
        all = all
            .into_iter()
            .flat_map(|kinds: Vec<StepKind>| {
                StepKind::EFFECTS.map(|kind| kinds.iter().copied().chain([kind]).collect::<Vec<_>>())
            })
            .collect();
    }
    let with_refusals =
        |kinds: Vec<StepKind>| form.refusals().into_iter().map(move |refused| (kinds.clone(), refused));
    all.into_iter().flat_map(with_refusals).collect()
}

/// Steps, and the definition made of them.
type Shape = (Vec<Spec>, Arc<Definition>);

/// Runs `case`, and then all that have one fault more, each at a place that this run reached after its last fault.
fn explore(world: &Shape, case: &Case, more: usize, counted: &mut Counted) {
    let (report, seen) = run(world, case);
    *counted.cases.entry(case.faults.len()).or_default() += 1;
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
fn faults(seen: &Seen) -> Vec<ScriptedFault> {
    let mut all = Vec::new();
    for (number, kind) in (0..).zip(&seen.calls) {
        all.extend(
            FATES
                .into_iter()
                .filter(|fate| may_meet(*kind, *fate))
                .map(|fate| ScriptedFault::Call(number, fate)),
        );
        all.extend(
            [Crash::Before, Crash::After, Crash::Answer].map(|crash| ScriptedFault::DiesAt(number, crash)),
        );
    }
    for number in 0..seen.appends {
        all.extend([Crash::Before, Crash::After].map(|crash| ScriptedFault::DiesWriting(number, crash)));
    }
    all
}

fn order(fault: &ScriptedFault) -> (u8, u32, u32) {
    match fault {
        ScriptedFault::Call(number, fate) => {
            let place = FATES.iter().position(|known| known == fate).unwrap_or(FATES.len());
            (0, *number, place as u32)
        }
        ScriptedFault::DiesAt(number, crash) => (1, *number, *crash as u32),
        ScriptedFault::DiesWriting(number, crash) => (2, *number, *crash as u32),
    }
}

fn run((specs, definition): &Shape, case: &Case) -> (RunReport, Seen) {
    let script = Script::new(&case.refused, &case.faults);
    let report = run_paused(async {
        let recorder = Arc::new(Recorder::new(0, false));
        let (disk, lies) = (Arc::new(Disk::new(false)), Lies::default());
        let (told, _) = unbounded_channel();
        let shop =
            SimulatedShop::new(specs.clone(), disk.clone(), recorder.clone(), script.clone(), lies, told);
        let (specs, definition) = (specs.clone(), definition.clone());
        let (orders, signals) = Default::default();
        let scene = Scene { specs, lies, definition, disk, shop, recorder, orders, signals };
        let kind = Arc::new(AtomicBool::new(true));
        let fleet = Fleet::new(scene, Dice::new(0), vec![0], kind).scripted(script.clone());
        live(&fleet, case.form.signal()).await;
        fleet.scene.recorder.take()
    });
    let seen = script.seen().clone();
    (report, seen)
}

/// One order and one process, in which what the script says happens and nothing else.
async fn live(fleet: &Fleet, timing: Timing) {
    let scene = &fleet.scene;
    fleet.start_all();
    let id = SagaId::from_idempotency_key(KEY);
    scene.orders().push(Order { id, acknowledged: false });
    let mut sender = Sender { timing, sent: 0, begun: Instant::now() };
    let ends = Instant::now() + TAIL;
    while Instant::now() < ends && !scene.recorder.is_broken() {
        fleet.restart_the_dead();
        if scene.row(id).is_none() {
            let Ok(input) = scene.definition.read_input(b"{\"n\":1}") else { return };
            let request = Start {
                input,
                id: Some(id),
                wait: Wait::started(),
                caller: Caller::Unknown,
                slots_percent_max: None,
                by: None,
                trace: None,
            };
            let answer = fleet.ask(0, move |engine| async move { engine.start(request).await });
            if let Ok(Some(Ok(snapshot))) = timeout(Duration::from_secs(1), answer).await {
                fleet.check_snapshot(id, &snapshot);
            }
        }
        sender.look(fleet, id).await;
        sleep(Duration::from_millis(50)).await;
        let is_settled = scene.row(id).is_some_and(|row| row.row.over || is_blocked(&row));
        let is_alive = !fleet.replica(0).0.is_dead();
        if is_settled && is_alive && sender.is_done() && !scene.shop.is_anything_in_transit() {
            break;
        }
    }
    fleet.end().await;
}

/// Sends the one signal, until it is heard.
struct Sender {
    timing: Timing,
    /// How often a process has said something about it.
    sent: usize,
    begun: Instant,
}

impl Sender {
    fn times(&self) -> usize {
        match self.timing {
            Timing::Never => 0,
            Timing::Early | Timing::Waiting | Timing::Late => 1,
            Timing::Twice => 2,
        }
    }

    fn is_done(&self) -> bool {
        self.sent >= self.times()
    }

    /// Sends it if its time has come.
    async fn look(&mut self, fleet: &Fleet, saga: SagaId) {
        let Some(history) = fleet.scene.history(saga) else { return };
        let waits = || history.iter().any(|record| matches!(record.event, Event::Waits { .. }));
        // The order may never come to its step.
        let is_over = || fleet.scene.row(saga).is_some_and(|row| row.row.over || is_blocked(&row));
        let is_time = match self.timing {
            Timing::Never => false,
            Timing::Early => true,
            Timing::Waiting | Timing::Twice => waits() || is_over(),
            Timing::Late => self.begun.elapsed() > 2 * WITHIN && (waits() || is_over()),
        };
        if !is_time || self.is_done() {
            return;
        }
        let (name, key) = ("s0".into(), Some("the signal".into()));
        let message = SimulatedSignal { saga, name, token: None, key, number: 0, meaning: Meaning::Success };
        if fleet.send(0, &message).await != Heard::Nothing {
            self.sent += 1;
        }
    }
}
