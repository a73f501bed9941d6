//! Steps by chance: of any kinds, one after the other or in a graph.

use std::time::Duration;

use saga_testkit::dice::Dice;

use super::{CallSpec, Spec, StepKind, Told, Weight, Work, graph};

/// Steps of a definition. Most have a few.
const STEPS_MAX: usize = 12;
/// Names of signals that steps wait for instead of a call; and steps that wait for one once their action was accepted.
const SIGNAL_NAMES: usize = 3;
const AWAITED_MAX: usize = 3;

/// How often the steps of a world have a trait, out of a thousand. In most worlds, most traits are rare or missing, so that the
/// others are seen alone.
struct Character {
    waits: u32,
    accepts: u32,
    optional: u32,
    conditional: u32,
    in_a_graph: bool,
    reads_outputs: u32,
    has_pivot: bool,
    forgets: bool,
}

impl Character {
    fn drawn(dice: &Dice, forgets: bool) -> Self {
        Self {
            waits: dice.one(&[0, 0, 300, 700]),
            accepts: dice.one(&[0, 0, 0, 300, 800]),
            optional: dice.one(&[0, 0, 0, 150, 500]),
            conditional: dice.one(&[0, 0, 300]),
            in_a_graph: dice.chance(500),
            reads_outputs: dice.one(&[0, 200, 500]),
            has_pivot: dice.chance(200),
            forgets,
        }
    }
}

/// Between one and twelve steps, with conditions here and there, made of any outputs that they can read. Where `forgets`,
/// some participants forget.
pub(crate) fn drawn(dice: &Dice, forgets: bool) -> Vec<Spec> {
    let character = Character::drawn(dice, forgets);
    let mut specs = works(dice, &character);
    if character.has_pivot {
        put_pivot(dice, &mut specs);
    }
    weigh(dice, &character, &mut specs);
    order(dice, &character, &mut specs);
    feed(dice, &character, &mut specs);
    specs
}

/// Calls with effects, and reads, waits and pauses among them.
fn works(dice: &Dice, character: &Character) -> Vec<Spec> {
    let favourite = dice.one(&StepKind::EFFECTS);
    let effects = if dice.chance(40) { 5 + dice.below(6) } else { 1 + dice.below(4) };
    let kind = || if dice.chance(300) { favourite } else { dice.one(&StepKind::EFFECTS) };
    let mut specs: Vec<Spec> = (0..effects).map(|_| Spec::new(kind())).collect();
    let mut insert = |spec: Spec| {
        if specs.len() < STEPS_MAX {
            specs.insert(dice.below(specs.len() + 1), spec);
        }
    };
    if dice.chance(500) {
        insert(Spec::new(StepKind::Read));
    }
    for _ in 0..2 {
        if dice.chance(character.waits) {
            insert(Spec::signal(dice.below(SIGNAL_NAMES), dice.millis(500, 12_000)));
        }
        if dice.chance(character.waits) {
            insert(Spec::pause(dice.millis(200, 6_000), dice.chance(300)));
        }
    }
    let mut awaited = 0;
    for call in specs.iter_mut().filter_map(as_call_mut) {
        describe(dice, character, call);
        if call.kind == StepKind::Read || !dice.chance(character.accepts) {
            continue;
        }
        let told = dice.one(&[Told::Poll, Told::Poll, Told::Signal, Told::Either]);
        awaited += usize::from(told != Told::Poll);
        let told = if awaited > AWAITED_MAX { Told::Poll } else { told };
        call.accepts = Some(super::AcceptanceSpec { told, within: dice.millis(1_000, 15_000) });
    }
    specs
}

fn describe(dice: &Dice, character: &Character, call: &mut CallSpec) {
    call.undo = call.kind != StepKind::Read && !dice.chance(80);
    if call.kind.has_keys() {
        call.forgets = character.forgets && dice.chance(700);
        call.probe = dice.chance(if call.forgets { 400 } else { 100 });
    }
}

/// One of the steps with an effect is the pivot. A pivot can be undone: its call may be under way when the saga is stopped.
fn put_pivot(dice: &Dice, specs: &mut [Spec]) {
    let effects: Vec<usize> = (0..specs.len()).filter(|step| specs[*step].effect().is_some()).collect();
    let pivot = dice.one(&effects);
    specs[pivot].weight = Weight::Pivot;
    for behind in &mut specs[pivot + 1..] {
        *behind = behind.clone().behind_pivot();
        // Nothing behind a pivot may depend on a signal.
        if let Work::Signal(_) = behind.work {
            behind.weight = Weight::Optional;
        }
    }
}

fn weigh(dice: &Dice, character: &Character, specs: &mut [Spec]) {
    for spec in specs.iter_mut().filter(|spec| spec.weight == Weight::Required) {
        if dice.chance(character.optional) {
            spec.weight = Weight::Optional;
        }
    }
}

/// Which steps each waits for, and whether it is done.
fn order(dice: &Dice, character: &Character, specs: &mut [Spec]) {
    let pivot = specs.iter().position(Spec::is_pivot);
    for (step, spec) in specs.iter_mut().enumerate() {
        if character.in_a_graph && dice.chance(700) {
            let behind = pivot.filter(|pivot| *pivot < step);
            let waits_for = |earlier: &usize| Some(*earlier) == behind || dice.chance(450);
            spec.after = Some((0..step).filter(waits_for).collect());
        }
        spec.when = dice.chance(character.conditional).then(|| dice.chance(500));
    }
}

/// The outputs that each call is made of.
fn feed(dice: &Dice, character: &Character, specs: &mut [Spec]) {
    let graph = graph(specs);
    let are_reads: Vec<bool> =
        specs.iter().map(|spec| spec.call().is_some_and(|call| call.kind == StepKind::Read)).collect();
    for (step, spec) in specs.iter_mut().enumerate() {
        if let Some(call) = as_call_mut(spec) {
            let reads = |earlier: &usize| are_reads[*earlier] || dice.chance(character.reads_outputs);
            call.from = graph.before(step).iter().filter(reads).collect();
        }
    }
}

fn as_call_mut(spec: &mut Spec) -> Option<&mut CallSpec> {
    match &mut spec.work {
        Work::Call(call) => Some(call),
        Work::Signal(_) | Work::Pause(_) => None,
    }
}

/// How long a saga of these steps may go forward: its pauses have to fit into that.
pub(crate) fn deadline(dice: &Dice, specs: &[Spec]) -> Duration {
    let deadline = Duration::from_secs(dice.one(&[3, 10, 60]));
    let pauses: Duration = specs.iter().filter_map(Spec::as_pause).map(|pause| pause.length).sum();
    if pauses < deadline { deadline } else { Duration::from_secs(60) }
}
