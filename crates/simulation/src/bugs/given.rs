//! False facts that an engine is given: another definition than the participants know, other limits.

use std::time::Duration;

use saga_core::Definition;
use saga_core::definition::{CallStep, Graph, PauseEnd, Safety, StepWork};
use saga_engine::Limits;

use super::{Bug, Lies};

/// Longer than any world lasts.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest wait that a definition can ask for.
const HARDLY: Duration = Duration::from_millis(1);

impl Lies {
    /// The definition that engines run.
    pub(crate) fn definition(self, mut definition: Definition) -> Definition {
        let promises = |definition: &mut Definition, made: Safety, believed: Safety| {
            for participant in definition.participants.iter_mut().filter(|p| p.safety == made) {
                participant.safety = believed;
            }
        };
        match self.0 {
            Some(Bug::RepeatsWithoutPromise) => promises(&mut definition, Safety::None, Safety::Idempotent),
            Some(Bug::TakesIdempotentForBarrier) => {
                promises(&mut definition, Safety::Idempotent, Safety::Barrier);
            }
            // The breakers would hold the calls back, too.
            Some(Bug::Hammers) => {
                for participant in &mut definition.participants {
                    participant.breaker.calls_min = u32::MAX;
                }
                for call in calls(&mut definition) {
                    (call.persist.base, call.persist.cap) = (HARDLY, HARDLY);
                }
            }
            Some(Bug::AsksTooEarly) => {
                for probe in calls(&mut definition).filter_map(|call| call.probe.as_mut()) {
                    probe.after = Duration::ZERO;
                }
            }
            Some(Bug::JoinsEarly) => {
                let steps = 0..definition.steps.len();
                let first = |step| definition.graph.after(step).least().into_iter().collect();
                definition.graph = Graph::new(steps.map(first).collect());
            }
            Some(Bug::IgnoresConditions) => {
                definition.steps.iter_mut().for_each(|step| step.when = None);
            }
            Some(Bug::EndsPausesEarly) => {
                for step in &mut definition.steps {
                    if let StepWork::Pause(pause) = &mut step.work {
                        *pause = PauseEnd::After(HARDLY);
                    }
                }
            }
            Some(Bug::FailsForOptional) => {
                definition.steps.iter_mut().for_each(|step| step.optional = false);
            }
            Some(Bug::PassesOverFailures) => {
                definition.steps.iter_mut().for_each(|step| step.optional = true);
            }
            Some(Bug::IgnoresPivots) => calls(&mut definition).for_each(|call| call.pivot = false),
            // A definition has a step at least.
            Some(Bug::ConfirmsWithoutSteps) if definition.steps.len() > 1 => _ = definition.steps.pop(),
            _ => {}
        }
        definition
    }

    /// The limits that engines keep.
    pub(crate) fn limits(self, limits: Limits) -> Limits {
        match self.0 {
            Some(Bug::ForgetsToReoffer) => Limits { journal_retry: (FOR_EVER, FOR_EVER), ..limits },
            _ => limits,
        }
    }
}

/// The calls of all steps.
fn calls(definition: &mut Definition) -> impl Iterator<Item = &mut CallStep> {
    definition.steps.iter_mut().filter_map(|step| match &mut step.work {
        StepWork::Call(call) => Some(&mut **call),
        StepWork::Signal(_) | StepWork::Pause(_) => None,
    })
}
