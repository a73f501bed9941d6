//! When everything is over: do ledgers, histories and answers agree?

use std::sync::Arc;

use saga_core::definition::StateName;
use saga_core::saga::Rollback;
use saga_core::{Direction, Event, Outcome, Saga};
use saga_journal::Histories;

use crate::definition::{Kind, step_name};
use crate::shop::now;
use crate::world::{Order, World};

/// P1 (all or nothing), P2 (nothing lost), P3 (nothing doubled), P5 (decisions stand), P7 (histories are complete).
pub(crate) fn judge(world: &Arc<World>) {
    let orders = world.orders().clone();
    world.recorder.report().sagas = orders.len();
    for order in &orders {
        judge_order(world, order);
    }
}

fn judge_order(world: &World, order: &Order) {
    let id = order.id;
    let broken =
        |checker: &str, what: String| world.recorder.violation(checker, format_args!("{id}: {what}"));
    let Ok(Some(history)) = now(world.disk.memory.load(id)) else {
        if order.acknowledged {
            broken("P2", "it was acknowledged and is not there".into());
        }
        for (step, _) in world.specs.iter().enumerate() {
            let page = world.shop.ledger().page(id, &step_name(step));
            if page.applied > 0 {
                broken("P2", format!("step {step} took effect, and there is no order"));
            }
        }
        return;
    };
    let saga = match Saga::fold(id, world.definition.clone(), &history.records) {
        Ok(saga) => saga,
        Err(error) => return broken("P7", format!("its history is illegal: {error}")),
    };
    let Some(row) = world.row(id) else { return broken("P7", "it has no row".into()) };
    if (row.row.state.clone(), row.row.rollback, row.row.over)
        != (saga.state().clone(), saga.rollback(), saga.is_over())
    {
        broken(
            "P7",
            format!("its row says {:?}, its history {} {:?}", row.row, saga.state(), saga.rollback()),
        );
    }
    let events: Vec<&Event> = history.records.iter().map(|record| &record.event).collect();
    if events.iter().any(|event| matches!(event, Event::Blocked { .. }))
        && !events.iter().any(|event| matches!(event, Event::Resolved { .. } | Event::Resumed { .. }))
        && saga.is_over()
    {
        world.recorder.hit("saga: blocked, then went on by itself");
    }
    let mut commands: Vec<_> = history.records.iter().filter_map(|record| record.command).collect();
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
    ledgers(world, &saga, &events, &broken);
    states(
        world,
        &saga,
        &history.records.iter().filter_map(|r| r.state.clone()).collect::<Vec<_>>(),
        &broken,
    );
}

/// The participants' books against the order's end.
fn ledgers(world: &World, saga: &Saga, events: &[&Event], broken: &dyn Fn(&str, String)) {
    let stands = *saga.state() == world.definition.states.completed;
    for (step, spec) in world.specs.iter().enumerate().filter(|(_, spec)| spec.kind != Kind::Read) {
        let page = world.shop.ledger().page(saga.id(), &step_name(step));
        let open = page.open();
        if !(0..=1).contains(&open) {
            broken("P3", format!("step {step} stands {open} times"));
        }
        if !saga.is_over() {
            continue;
        }
        match (stands, open) {
            (true, 1) | (false, 0) => {}
            (true, _) => broken("P1", format!("it is confirmed, and step {step} stands {open} times")),
            (false, _) if !spec.undo => {}
            (false, _) => {
                broken("P1", format!("it is {}, and step {step} stands {open} times", saga.state()))
            }
        }
        let ended_ok = |wanted| {
            events.iter().any(|event| {
                matches!(event, Event::AttemptEnded { step: s, direction, outcome: Outcome::Ok, .. }
                    if *s == step && *direction == wanted)
            })
        };
        if ended_ok(Direction::Action) && page.applied == 0 {
            broken(
                "P7",
                format!("the history says that step {step} was done, its participant that it was not"),
            );
        }
        if page.applied > 0 && page.arrived == 0 {
            broken("P7", format!("step {step} took effect without a call"));
        }
        let called =
            events.iter().any(|event| matches!(event, Event::AttemptStarted { step: s, .. } if *s == step));
        if page.applied > 0 && !called {
            broken("P7", format!("step {step} took effect, and the history knows of no call"));
        }
    }
}

/// The states that the order went through, against the way that the definition lays out.
fn states(world: &World, saga: &Saga, seen: &[StateName], broken: &dyn Fn(&str, String)) {
    let states = &world.definition.states;
    let mut way = vec![states.started.clone()];
    way.extend(world.definition.steps.iter().filter_map(|step| step.success.clone()));
    way.push(states.completed.clone());
    let forward = seen.iter().zip(&way).take_while(|(a, b)| a == b).count();
    let is_failure = |state: &StateName| {
        *state == states.cancelled || world.definition.steps.iter().any(|step| step.failure == *state)
    };
    let rest = &seen[forward..];
    let legal = match rest {
        [] => true,
        [last] => is_failure(last) && forward < way.len(),
        _ => false,
    };
    if !legal {
        broken("P7", format!("it went through {seen:?}"));
    }
    let ends_well = saga.rollback() == Rollback::None && *saga.state() == states.completed;
    if saga.is_over() && ends_well != (forward == way.len()) {
        broken("P7", format!("it ended as {} after {seen:?}", saga.state()));
    }
}
