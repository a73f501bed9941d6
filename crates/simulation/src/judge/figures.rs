//! Do the figures of each minute say what the histories say?

use std::collections::BTreeMap;
use std::sync::Arc;

use saga_core::event::Cause;
use saga_core::{FlowOutcome, Saga, Timestamp};
use saga_journal::{Filter, Histories, ROWS_MAX};

use crate::disk::now;
use crate::scene::Scene;

/// How many sagas started and ended, by outcome and by the step that failed.
type Flow = BTreeMap<(FlowOutcome, Option<Arc<str>>), u64>;

/// Every saga is counted once when it starts, and once when it is over.
pub(super) fn judge(scene: &Scene) {
    let (told, happened) = (told(scene), happened(scene));
    if told != happened {
        let text = format_args!("the figures say {told:?}, the histories {happened:?}");
        scene.recorder.violation("figures", text);
    }
}

fn told(scene: &Scene) -> Flow {
    let always = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
    let mut flow = Flow::new();
    for figures in now(scene.disk.memory.figures(always.0, always.1)).unwrap_or_default() {
        *flow.entry((figures.outcome, figures.step)).or_default() += figures.count;
    }
    flow
}

fn happened(scene: &Scene) -> Flow {
    let mut flow = Flow::new();
    let mut after = None;
    loop {
        let page = now(scene.disk.memory.list(Filter::default(), after, ROWS_MAX)).unwrap_or_default();
        for saga in page.rows.iter().filter_map(|kept| scene.saga(kept.saga)) {
            *flow.entry((FlowOutcome::Started, None)).or_default() += 1;
            if saga.is_over() {
                *flow.entry(end(&saga)).or_default() += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            return flow;
        }
    }
}

fn end(saga: &Saga) -> (FlowOutcome, Option<Arc<str>>) {
    match saga.cause() {
        None => (FlowOutcome::Completed, None),
        Some(Cause::StepFailed { step, .. }) => {
            (FlowOutcome::Failed, saga.definition().steps.get(*step).map(|step| step.name.clone()))
        }
        Some(Cause::Cancelled | Cause::CancelledBy { .. }) => (FlowOutcome::Cancelled, None),
        Some(Cause::DeadlinePassed) => (FlowOutcome::DeadlinePassed, None),
    }
}
