//! Signals and pauses, steps that are passed over, and the pivot: what the history says about them, against what their senders
//! and the clock know.

use std::collections::BTreeMap;
use std::time::Duration;

use saga_core::event::{Cause, Stuck};
use saga_core::{Direction, Event, Outcome, Record, Saga, Timestamp};

use crate::definition::{Spec, Work};
use crate::scene::Scene;
use crate::watch::succeeds;

/// How long after its time a pause may end once there are no faults any more: a lease, the claim, and a turn of the sleepers.
const LATE_MAX: Duration = Duration::from_secs(30);

/// Whether the effect of this step may stand though the order does not: it is optional, and nobody knows whether it ran.
pub(super) fn may_stand(spec: &Spec, step: usize, history: &[Record]) -> bool {
    let rolling_back =
        history.iter().skip_while(|record| !matches!(record.event, Event::RollbackDecided { .. }));
    let is_given_up =
        |record: &Record| matches!(record.event, Event::PassedOver { step: s, .. } if s == step);
    spec.is_optional() && rolling_back.into_iter().any(is_given_up)
}

pub(super) fn judge(scene: &Scene, saga: &Saga, records: &[Record], broken: &dyn Fn(&str, String)) {
    kept(scene, saga, records, broken);
    taken(scene, records, broken);
    pauses(scene, records, broken);
    failures(scene, records, broken);
    count(scene, records);
}

/// Each signal is in the history as often as its senders can tell: under a key once, and never none if it was acknowledged.
fn kept(scene: &Scene, saga: &Saga, records: &[Record], broken: &dyn Fn(&str, String)) {
    let all = scene.signals();
    let of_order = all.iter().filter(|sent| sent.message.saga == saga.id());
    let mut told = 0;
    for sent in of_order {
        let (times, message) = (sent.message.times_in(records), &sent.message);
        let (least, most) = match message.key {
            Some(_) => (sent.acknowledged.min(1), 1),
            None => (sent.acknowledged, sent.sendings),
        };
        told += times;
        if times < least {
            broken(
                "P2",
                format!("{message:?} was acknowledged {} times and is kept {times} times", sent.acknowledged),
            );
        }
        if times > most {
            broken("P3", format!("{message:?} is kept {times} times"));
        }
    }
    let kept = records.iter().filter(|record| matches!(record.event, Event::Signalled { .. })).count();
    if kept != told {
        broken("signals", format!("{kept} signals are kept, of which {told} were sent"));
    }
}

/// Each signal is taken once at most, by a step of its name, for what it means.
fn taken(scene: &Scene, records: &[Record], broken: &dyn Fn(&str, String)) {
    let mut signals: Vec<(&str, bool, bool)> = Vec::new();
    for Record { event, .. } in records {
        match event {
            Event::Signalled { name, body, .. } => {
                signals.push((name, body.text().contains("\"no\":true"), false))
            }
            Event::SignalTaken { step, signal, outcome, .. } => {
                let name = scene.specs[*step].signal_name(*step);
                let Some((of_name, means_failure, is_taken)) =
                    (*signal as usize).checked_sub(1).and_then(|index| signals.get_mut(index))
                else {
                    broken(
                        "signals",
                        format!("step {step} has taken signal {signal}, which nobody has sent"),
                    );
                    continue;
                };
                if *is_taken {
                    broken("P3", format!("signal {signal} is taken twice"));
                }
                if name.as_deref() != Some(of_name) || *means_failure != (*outcome == Outcome::Refused) {
                    broken(
                        "signals",
                        format!("step {step} has taken signal {signal} ({of_name}) for {outcome}"),
                    );
                }
                *is_taken = true;
            }
            Event::RollbackDecided { cause: Cause::StepFailed { step, .. } }
            | Event::PassedOver { step, .. } => late(scene, *step, records, &signals, broken),
            _ => {}
        }
    }
}

/// A step that has failed for want of a signal: then there was none for it.
fn late(
    scene: &Scene,
    step: usize,
    records: &[Record],
    signals: &[(&str, bool, bool)],
    broken: &dyn Fn(&str, String),
) {
    let spec = &scene.specs[step];
    let is_refused =
        |record: &Record| matches!(record.event, Event::SignalTaken { step: s, .. } if s == step);
    let waits = |record: &Record| matches!(record.event, Event::Waits { step: s, .. } if s == step);
    let (Work::Signal(_), Some(name)) = (&spec.work, spec.signal_name(step)) else { return };
    if !records.iter().any(waits) || records.iter().any(is_refused) {
        return;
    }
    scene.recorder.hit("saga: no signal came in time");
    let untaken = signals.iter().filter(|(of_name, _, is_taken)| **of_name == *name && !is_taken).count();
    let others = scene.specs.iter().enumerate();
    let others =
        others.filter(|(other, spec)| *other != step && spec.signal_name(*other) == Some(name.clone()));
    if untaken > others.count() {
        broken("P2", format!("step {step} has failed for want of a signal, and there are {untaken}"));
    }
}

/// No pause ends before its time, nor much later once there are no faults any more.
fn pauses(scene: &Scene, records: &[Record], broken: &dyn Fn(&str, String)) {
    let mut waiting: BTreeMap<usize, (Timestamp, bool)> = BTreeMap::new();
    let no_faults = scene.recorder.report().faults_ended;
    // A parked order stands still until an operator has it run again.
    let is_parked =
        records.iter().any(|record| matches!(record.event, Event::Blocked { stuck: Stuck::TaskFailed, .. }));
    for record in records {
        match record.event {
            Event::Waits { step, until } => {
                let Some(pause) = scene.specs[step].as_pause() else { continue };
                waiting.insert(step, (until, false));
                if until != record.at.plus(pause.length) {
                    broken("time", format!("step {step} pauses from {} until {until}: {pause:?}", record.at));
                }
            }
            Event::TakenOver { .. } => {
                waiting.values_mut().for_each(|(_, is_elsewhere)| *is_elsewhere = true)
            }
            Event::PauseEnded { step } => {
                let Some((until, is_elsewhere)) = waiting.remove(&step) else {
                    broken("time", format!("the pause of step {step} has ended, and never began"));
                    continue;
                };
                scene.recorder.hit(match is_elsewhere {
                    true => "pause: ended by another owner",
                    false => "pause: ended by the owner that began it",
                });
                if record.at < until {
                    broken(
                        "time",
                        format!("the pause of step {step} until {until} has ended at {}", record.at),
                    );
                }
                let latest = no_faults.map(|ended| ended.max(until).plus(LATE_MAX));
                if latest.is_some_and(|latest| record.at > latest) && !is_parked {
                    broken(
                        "P6",
                        format!("the pause of step {step} until {until} has ended at {}", record.at),
                    );
                }
            }
            _ => {}
        }
    }
}

/// An optional step fails no order; and behind the pivot no step does.
fn failures(scene: &Scene, records: &[Record], broken: &dyn Fn(&str, String)) {
    for (position, record) in records.iter().enumerate() {
        match &record.event {
            Event::RollbackDecided { cause } => {
                if scene.is_past_pivot(records[..position].iter().map(|record| &record.event)) {
                    broken("pivot", format!("it is rolled back behind the pivot: {cause:?}"));
                }
                if let Cause::StepFailed { step, reason } = cause
                    && scene.specs[*step].is_optional()
                {
                    broken("optional", format!("step {step} has failed it: {reason}"));
                }
            }
            Event::PassedOver { step, .. } if !scene.specs[*step].is_optional() => {
                broken("optional", format!("step {step} is passed over"));
            }
            _ => {}
        }
    }
}

/// Counts the events that a world must have seen to prove anything.
fn count(scene: &Scene, records: &[Record]) {
    let hit = |point| scene.recorder.hit(point);
    let mut is_rolling_back = false;
    for (position, record) in records.iter().enumerate() {
        let before = || records[..position].iter().map(|record| &record.event);
        match &record.event {
            Event::RollbackDecided { .. } => is_rolling_back = true,
            Event::Signalled { name, .. } => {
                let waits = |event: &Event| {
                    matches!(event, Event::Waits { step, .. }
                        if scene.specs[*step].signal_name(*step).as_deref() == Some(name))
                };
                hit(match before().any(waits) {
                    true => "signal: while its step waits",
                    false => "signal: before its step waits",
                });
            }
            Event::SignalTaken { step, outcome, .. } => hit(match (scene.specs[*step].call(), outcome) {
                (None, Outcome::Refused) => "signal: means that the step has failed",
                (None, _) => "signal: is taken",
                (Some(_), Outcome::Refused) => "accepted: refused, by a signal",
                (Some(_), _) => "accepted: done, by a signal",
            }),
            Event::AttemptEnded { direction: Direction::Poll, outcome, .. } => {
                hit(match (is_rolling_back, outcome) {
                    (false, Outcome::Ok) => "accepted: done, by a poll",
                    (false, _) => "accepted: refused, by a poll",
                    (true, Outcome::Ok) => "accepted: done after all, while the order rolls back",
                    (true, _) => "accepted: refused after all, while the order rolls back",
                });
            }
            Event::PassedOver { .. } => hit(match is_rolling_back {
                false => "saga: a step is passed over",
                true => "saga: a step is passed over, and the order rolls back",
            }),
            Event::AttemptStarted { step, direction: Direction::Compensation, .. }
                if before().any(|event| super::is_passed_over(event, *step)) =>
            {
                hit("saga: a step that was passed over is undone");
            }
            Event::Blocked { .. } if !is_rolling_back && scene.is_past_pivot(before()) => {
                hit("saga: blocked behind its pivot");
            }
            Event::Completed => {
                let pivot = scene.specs.iter().position(Spec::is_pivot);
                if pivot.is_some_and(|pivot| before().any(|event| succeeds(event, pivot))) {
                    hit("saga: confirmed behind its pivot");
                }
            }
            _ => {}
        }
    }
}
