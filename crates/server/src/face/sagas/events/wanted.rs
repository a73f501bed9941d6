//! Which events a client wants.

use std::sync::Arc;
use std::time::Duration;

use saga_core::SagaId;
use saga_core::definition::StateName;
use saga_journal::FeedPlace;

use super::changes::{EVERY_MAX, EVERY_MIN};
use super::place;
use super::told::ToldEvent;
use crate::api::problem::Problem;
use crate::api::query::{duration, word};
use crate::face::sagas::labels::{self, AskedLabel};

/// The query of the stream, read.
#[derive(Default)]
pub(super) struct EventsAsked {
    pub(super) wanted: WantedEvents,
    /// Behind which event; `None`: the query does not say.
    pub(super) after: Option<FeedPlace>,
    /// Where only changes are wanted: how often at most.
    pub(super) every: Option<Duration>,
}

/// Which events; `None` is any.
#[derive(Default)]
pub(super) struct WantedEvents {
    saga: Option<Arc<str>>,
    id: Option<SagaId>,
    state: Option<StateName>,
    event: Option<Arc<str>>,
    step: Option<Arc<str>>,
    participant: Option<Arc<str>>,
    labels: Vec<AskedLabel>,
}

impl EventsAsked {
    pub(super) fn read(query: &str) -> Result<Self, Problem> {
        let mut asked = Self::default();
        let wanted = &mut asked.wanted;
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        for (index, (name, value)) in pairs.iter().enumerate() {
            let shown = name.escape_debug();
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Problem::invalid(format!("`{shown}` stands more than once")));
            }
            match &**name {
                "saga" => wanted.saga = Some(word(name, value)?),
                "id" => {
                    let id = value.parse().map_err(|_| Problem::invalid("`id` must be a saga's id"));
                    wanted.id = Some(id?);
                }
                "state" => wanted.state = Some(word(name, value)?),
                "event" => wanted.event = Some(word(name, value)?),
                "step" => wanted.step = Some(word(name, value)?),
                "participant" => wanted.participant = Some(word(name, value)?),
                "every" => asked.every = Some(every(value)?),
                "after" => asked.after = Some(read_place("after", value)?),
                _ => match labels::of(name, value) {
                    Some(label) => wanted.labels.push(label?),
                    None => {
                        let detail = format!(
                            "There is no filter `{shown}`; there are saga, id, state, event, step, participant, label.NAME, \
                             every and after"
                        );
                        return Err(Problem::invalid(detail));
                    }
                },
            }
        }
        labels::too_many(&asked.wanted.labels)?;
        if asked.every.is_some() && !asked.wanted.is_by_id_at_most() {
            let detail = "`every` goes with `id` alone, or without a filter: it tells that something has changed, and not what";
            return Err(Problem::invalid(detail));
        }
        Ok(asked)
    }
}

fn every(value: &str) -> Result<Duration, Problem> {
    let every = duration("every", value)?;
    let (min, max) = (EVERY_MIN.as_secs(), EVERY_MAX.as_secs());
    let is_fit = (EVERY_MIN..=EVERY_MAX).contains(&every);
    is_fit.then_some(every).ok_or_else(|| Problem::invalid(format!("`every` must be {min}s to {max}s")))
}

/// A place that a client names.
pub(super) fn read_place(name: &str, text: &str) -> Result<FeedPlace, Problem> {
    place::read(text).ok_or_else(|| Problem::invalid(format!("`{name}` must be the id of an event, or 0")))
}

impl WantedEvents {
    /// The one saga whose events are wanted.
    pub(super) fn id(&self) -> Option<SagaId> {
        self.id
    }

    fn is_by_id_at_most(&self) -> bool {
        let texts = [&self.saga, &self.event, &self.step, &self.participant];
        texts.iter().all(|text| text.is_none()) && self.state.is_none() && self.labels.is_empty()
    }

    pub(super) fn has(&self, event: &ToldEvent) -> bool {
        let is = |wanted: &Option<Arc<str>>, found: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| Some(&**wanted) == found)
        };
        let has_label = |(name, value): &AskedLabel| {
            event.labels.get(name).is_some_and(|label| label.to_string() == **value)
        };
        let line = &event.line;
        is(&self.saga, Some(&event.definition))
            && self.id.is_none_or(|id| id == event.place.saga)
            && self.state.as_ref().is_none_or(|state| line.state.as_deref() == Some(state.as_ref()))
            && is(&self.event, line.event)
            && is(&self.step, line.step.as_deref())
            && is(&self.participant, event.participant.as_deref())
            && self.labels.iter().all(has_label)
    }
}
