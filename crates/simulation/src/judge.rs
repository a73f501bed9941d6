//! Do ledgers, histories and answers agree?
//!
//! - `figures.rs`: the figures of each minute.
//! - `follows.rs`: what was foretold of commands.
//! - `waits.rs`: signals and pauses; what is passed over, and what cannot fail any more.

mod figures;
mod follows;
mod waits;

use saga_core::definition::{StateName, StepSet};
use saga_core::event::Stuck;
use saga_core::saga::Rollback;
use saga_core::{Definition, Direction, Event, Outcome, Record, Saga};

use crate::definition::{CallSpec, StepKind, graph};
use crate::scene::{Order, Scene, is_stuck};

/// P1 (all or nothing), P2 (nothing lost), P3 (nothing doubled), P5 (decisions stand), P7 (histories are complete), when
/// everything is over.
pub(crate) fn judge(scene: &Scene) {
    let orders = scene.orders().clone();
    scene.recorder.report().sagas = orders.len();
    for order in &orders {
        judge_order(scene, order);
    }
    figures::judge(scene);
}

/// P6 (only where nothing is promised is an operator needed for good) and P1 of the orders that are blocked, when
/// nothing is on its way and nothing fails any more.
pub(crate) fn judge_blocked(scene: &Scene) {
    for order in scene.orders().clone() {
        let Some(saga) = scene.saga(order.id) else { continue };
        judge_cause(scene, &saga);
        let Some(blocked) = saga.blocked().filter(|_| !saga.is_parked()) else { continue };
        let spec = &scene.specs[blocked.step];
        let broken = |checker: &str, what: String| {
            scene.recorder.violation(checker, format_args!("{}: {what}", order.id));
        };
        if is_stuck(&saga) {
            let is_fair = match blocked.stuck {
                Stuck::HorizonPassed => spec.forgets(),
                Stuck::ActionUnknown | Stuck::CompensationUnknown => spec.effect() == Some(StepKind::Plain),
                Stuck::NothingToUndo => true,
                Stuck::ActionUnsettled => spec.call().is_some_and(CallSpec::is_told_by_signal_alone),
                Stuck::ActionFailing | Stuck::CompensationFailing | Stuck::TaskFailed => false,
            };
            if !is_fair {
                broken("P6", format!("a person is needed for good: {:?} at {spec:?}", blocked.stuck));
            }
            scene.recorder.hit(match blocked.stuck {
                Stuck::HorizonPassed => "stuck: the promise has ended",
                Stuck::ActionUnknown => "stuck: nobody knows about the action",
                Stuck::CompensationUnknown => "stuck: nobody knows about the compensation",
                Stuck::ActionUnsettled => "stuck: nobody says how an accepted action ended",
                _ => "stuck: nothing to undo, it is said",
            });
        }
        let history = scene.history(order.id).unwrap_or_default();
        for step in graph(&scene.specs).behind(blocked.step).iter() {
            let may_stand = waits::may_stand(&scene.specs[step], step, &history);
            if scene.specs[step].is_undone() && !may_stand && scene.page(order.id, step).open() != 0 {
                broken("P1", format!("it is at step {}, and step {step} is not undone", blocked.step));
            }
        }
    }
}

/// A row has a cause if, and only if, its saga needs a person: the one that its history tells.
fn judge_cause(scene: &Scene, saga: &Saga) {
    let cause = saga.cause_group().map(|cause| cause.key().clone());
    let row = scene.row(saga.id()).and_then(|row| row.row.cause);
    if row != cause || cause.is_some() != (saga.rollback() == Rollback::Blocked) {
        let what = format_args!("{}: its row has the cause {row:?}, its history {cause:?}", saga.id());
        scene.recorder.violation("P7", what);
    }
}

fn judge_order(scene: &Scene, order: &Order) {
    let id = order.id;
    let broken =
        |checker: &str, what: String| scene.recorder.violation(checker, format_args!("{id}: {what}"));
    let Some(records) = scene.history(id) else {
        if order.acknowledged {
            broken("P2", "it was acknowledged and is not there".into());
        }
        for step in 0..scene.specs.len() {
            if scene.page(id, step).applied > 0 {
                broken("P2", format!("step {step} took effect, and there is no order"));
            }
        }
        return;
    };
    let saga = match Saga::fold(id, scene.definition.clone(), &records) {
        Ok(saga) => saga,
        Err(error) => return broken("P7", format!("its history is illegal: {error}")),
    };
    let Some(row) = scene.row(id) else { return broken("P7", "it has no row".into()) };
    if (row.row.state.clone(), row.rollback(), row.row.over)
        != (saga.state().clone(), saga.rollback(), saga.is_over())
    {
        broken(
            "P7",
            format!("its row says {:?}, its history {} {:?}", row.row, saga.state(), saga.rollback()),
        );
    }
    judge_cause(scene, &saga);
    count(scene, &saga, &records);
    let mut commands: Vec<_> = records.iter().filter_map(|record| record.command).collect();
    let followed = commands.len();
    commands.sort();
    commands.dedup();
    if commands.len() != followed {
        broken(
            "commands",
            format!(
                "of {followed} events that commands brought about, {} have one of their own",
                commands.len()
            ),
        );
    }
    let events: Vec<&Event> = records.iter().map(|record| &record.event).collect();
    ledgers(scene, &saga, &records, &events, &broken);
    states(scene, &saga, &records, &broken);
    waits::judge(scene, &saga, &records, &broken);
    follows::judge(scene, &saga, &records, &broken);
}

/// Counts the events of orders that a world must have seen to prove anything.
fn count(scene: &Scene, saga: &Saga, records: &[Record]) {
    let hit = |point| scene.recorder.hit(point);
    let has = |test: &dyn Fn(&Event) -> bool| records.iter().any(|record| test(&record.event));
    let helped = has(&|event| matches!(event, Event::Resolved { .. } | Event::Resumed { .. }));
    if has(&|event| matches!(event, Event::Blocked { .. })) && !helped && saga.is_over() {
        hit("saga: blocked, then went on by itself");
    }
    if saga.is_over() {
        hit(match saga.rollback() {
            Rollback::None if saga.cause().is_none() => "saga: confirmed",
            Rollback::Done => "saga: rolled back",
            _ => "saga: rolled back, there was nothing to undo",
        });
    }
    for step in 0..scene.specs.len() {
        let started = |wanted| {
            has(&|event| {
                matches!(event, Event::AttemptStarted { step: s, direction, .. }
                    if *s == step && *direction == wanted)
            })
        };
        if started(Direction::Compensation) && !started(Direction::Action) {
            hit("saga: a barrier's step that was lost is undone");
        }
    }
    for pair in records.windows(2) {
        if let (
            Event::AttemptEnded { step, direction, retry_at: Some(retry_at), .. },
            Event::AttemptStarted { step: again, direction: towards, .. },
        ) = (&pair[0].event, &pair[1].event)
            && (step, direction) == (again, towards)
            && pair[1].at < *retry_at
        {
            hit("saga: hurries when its participant is back");
        }
    }
}

/// The participants' books against the order's end.
fn ledgers(scene: &Scene, saga: &Saga, records: &[Record], events: &[&Event], broken: &dyn Fn(&str, String)) {
    let stands = *saga.state() == scene.definition.states.completed;
    for (step, spec) in scene.specs.iter().enumerate() {
        let is_skipped = events.iter().any(|event| **event == Event::Skipped { step });
        if is_skipped {
            scene.recorder.hit("saga: a step is skipped");
        }
        if is_skipped && !spec.is_skipped() {
            broken("conditions", format!("step {step} is skipped, though its condition holds"));
        }
        if spec.effect().is_none() {
            continue;
        }
        let page = scene.page(saga.id(), step);
        let open = page.open();
        if !(0..=1).contains(&open) {
            broken("P3", format!("step {step} stands {open} times"));
        }
        // An operator to whom a step is reported knows of it, too; and a step that is passed over may have run.
        let is_told = events.iter().any(|event| {
            matches!(event,
                Event::AttemptStarted { step: s, .. } | Event::Blocked { step: s, .. } | Event::PassedOver { step: s, .. }
                if *s == step)
        });
        if (page.applied > 0 || page.touched > 0 && spec.is_undone()) && !is_told {
            broken("P7", format!("step {step}'s participant was called, and the history knows of no call"));
        }
        let ended_ok = events.iter().any(|event| {
            matches!(event,
                Event::AttemptEnded { step: s, direction: Direction::Action | Direction::Poll, outcome: Outcome::Ok, .. }
                | Event::SignalTaken { step: s, outcome: Outcome::Ok, .. } if *s == step)
        });
        if ended_ok && page.applied == 0 {
            broken(
                "P7",
                format!("the history says that step {step} was done, its participant that it was not"),
            );
        }
        if !saga.is_over() {
            continue;
        }
        if spec.is_skipped() && page.applied > 0 {
            broken("conditions", format!("step {step} took effect, though its condition does not hold"));
        }
        match (stands, open) {
            (true, 0) if is_skipped => {}
            (true, 1) | (false, 0) => {}
            (true, 0) if events.iter().any(|event| is_passed_over(event, step)) => {}
            (false, 1) if waits::may_stand(spec, step, records) => {
                scene.recorder.hit("saga: nobody knows about an optional step, which may stand");
            }
            (true, _) => broken("P1", format!("it is confirmed, and step {step} stands {open} times")),
            (false, 0..=1) if !spec.is_undone() => {}
            (false, _) => {
                broken("P1", format!("it is {}, and step {step} stands {open} times", saga.state()))
            }
        }
    }
}

fn is_passed_over(event: &Event, wanted: usize) -> bool {
    matches!(event, Event::PassedOver { step, .. } if *step == wanted)
}

/// The states that the order went through, against the ways that the definition lays out.
fn states(scene: &Scene, saga: &Saga, records: &[Record], broken: &dyn Fn(&str, String)) {
    let (Definition { states, steps, .. }, graph) = (&*scene.definition, graph(&scene.specs));
    let is_failure =
        |state: &StateName| *state == states.cancelled || steps.iter().any(|step| step.failure == *state);
    // The steps that have succeeded so far, those that are skipped, and those that are passed over.
    let mut passed = StepSet::NONE;
    let (mut is_failed, mut is_legal) = (false, true);
    for (position, record) in records.iter().enumerate() {
        match record.event {
            Event::Skipped { step } | Event::PassedOver { step, .. } if !is_failed => {
                is_legal &= !passed.contains(step) && graph.before(step).is_within(passed);
                passed = passed.with(StepSet::of(step));
            }
            _ => {}
        }
        let Some(state) = &record.state else { continue };
        let entered = steps.iter().position(|step| step.success.as_ref() == Some(state));
        is_legal &= !is_failed && (position == 0) == (*state == states.started);
        match entered {
            _ if position == 0 => {}
            Some(step) => {
                is_legal &= !passed.contains(step) && graph.before(step).is_within(passed);
                passed = passed.with(StepSet::of(step));
            }
            None if *state == states.completed => is_legal &= passed == StepSet::first(steps.len()),
            None => {
                is_legal &= is_failure(state);
                is_failed = true;
            }
        }
    }
    let seen = || records.iter().filter_map(|record| record.state.as_deref()).collect::<Vec<_>>();
    if !is_legal {
        broken("P7", format!("it went through {:?}", seen()));
    }
    let ends_well = saga.rollback() == Rollback::None && *saga.state() == states.completed;
    if saga.is_over() && ends_well == is_failed {
        broken("P7", format!("it ended as {} after {:?}", saga.state(), seen()));
    }
}
