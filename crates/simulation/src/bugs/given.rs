//! False facts that an engine is given: another definition than the participants know, other limits.

use std::time::Duration;

use saga_core::Definition;
use saga_core::definition::{Graph, Safety};
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
                for step in &mut definition.steps {
                    (step.persist.base, step.persist.cap) = (HARDLY, HARDLY);
                }
            }
            Some(Bug::AsksTooEarly) => {
                for probe in definition.steps.iter_mut().filter_map(|step| step.probe.as_mut()) {
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
