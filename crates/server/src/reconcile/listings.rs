//! The effects that participants list.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use saga_core::Json;
use saga_core::definition::{Definition, EffectsListing, Participant};
use saga_core::effects_page::ListedEffect;
use saga_core::reconcile::{EffectLedger, Source};
use saga_engine::participants::HttpParticipants;

use super::{Listed, ParticipantListed};
use crate::definitions::Loaded;

/// Effects of all participants together. Each takes some two hundred bytes of memory.
const EFFECTS_MAX: usize = 2_000_000;
/// Pages of one listing. A listing that gives one effect in a page would take too long anyway.
const PAGES_MAX: usize = 100_000;

/// The listings of all definitions, each address once.
pub(super) struct Listings(Vec<ParticipantListing>);

struct ParticipantListing {
    /// The definition that has the participant, and its place there.
    definition: Arc<Definition>,
    index: usize,
    /// The effects of all pages but the last.
    effects: Vec<ListedEffect>,
    of_others: usize,
    /// What the last page begins after: it is asked for again, because it may have grown.
    last_after: Option<Json>,
    last: Vec<ListedEffect>,
    last_of_others: usize,
}

impl Listings {
    pub(super) fn of(loaded: &Loaded) -> Self {
        let mut listings: Vec<ParticipantListing> = Vec::new();
        for definition in &loaded.definitions {
            for (index, participant) in definition.participants.iter().enumerate() {
                let is_there =
                    listings.iter().any(|it| it.participant().reached_by == participant.reached_by);
                if participant.effects.is_some() && !is_there {
                    listings.push(ParticipantListing {
                        definition: definition.clone(),
                        index,
                        effects: Vec::new(),
                        of_others: 0,
                        last_after: None,
                        last: Vec::new(),
                        last_of_others: 0,
                    });
                }
            }
        }
        Self(listings)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn participant(&self, source: Source) -> &Participant {
        self.0[source].participant()
    }

    /// The listing that has a participant's effects, also for a definition of before it had one.
    pub(super) fn source(&self, participant: &Participant) -> Option<Source> {
        self.0.iter().position(|listing| listing.participant().reached_by == participant.reached_by)
    }

    /// The listing of each participant, by what reaches it.
    pub(super) fn by_reach(&self) -> HashMap<Arc<str>, Source> {
        let listings = self.0.iter().enumerate();
        listings.map(|(source, listing)| (listing.participant().reached_by.clone(), source)).collect()
    }

    /// Reads all listings to their ends: the first time from their beginnings, and later from their last pages on.
    pub(super) async fn read_on(&mut self, participants: &HttpParticipants) -> anyhow::Result<()> {
        for place in 0..self.0.len() {
            let room = EFFECTS_MAX.saturating_sub(self.0.iter().map(ParticipantListing::len).sum());
            let listing = &mut self.0[place];
            let name = listing.participant().name.clone();
            listing
                .read_on(participants, room)
                .await
                .with_context(|| format!("list the effects of `{name}`"))?;
        }
        Ok(())
    }

    /// All effects so far.
    pub(super) fn ledger(&self) -> EffectLedger {
        let mut ledger = EffectLedger::default();
        for (source, listing) in self.0.iter().enumerate() {
            for effect in listing.effects.iter().chain(&listing.last) {
                ledger.add(source, effect.clone());
            }
        }
        ledger
    }

    /// All participants, those as well that list nothing.
    pub(super) fn all(&self, loaded: &Loaded) -> Vec<ParticipantListed> {
        let mut all: Vec<ParticipantListed> = Vec::new();
        for participant in loaded.definitions.iter().flat_map(|definition| &definition.participants) {
            if all.iter().any(|it| it.address == participant.address) {
                continue;
            }
            let listed = self.source(participant).map(|source| {
                let listing = &self.0[source];
                Listed { effects: listing.len(), of_others: listing.of_others + listing.last_of_others }
            });
            let (name, address) = (participant.name.clone(), participant.address.clone());
            all.push(ParticipantListed { name, address, listed });
        }
        all
    }
}

impl ParticipantListing {
    fn participant(&self) -> &Participant {
        &self.definition.participants[self.index]
    }

    fn effects_listing(&self) -> Option<&EffectsListing> {
        self.participant().effects.as_ref()
    }

    fn len(&self) -> usize {
        self.effects.len() + self.last.len()
    }

    /// Reads from the last page on, which is read again; at most `room` effects more.
    async fn read_on(&mut self, participants: &HttpParticipants, room: usize) -> anyhow::Result<()> {
        let most = self.len() + room;
        for _ in 0..PAGES_MAX {
            let Some(listing) = self.effects_listing() else { return Ok(()) };
            let after = self.last_after.as_ref();
            let page =
                participants.effects(self.participant(), listing, after).await.map_err(anyhow::Error::msg)?;
            self.last = page.effects;
            self.last_of_others = page.of_others;
            if self.len() > most {
                bail!(
                    "there are more effects than the limit EFFECTS_MAX ({EFFECTS_MAX}): have `get` list those of the last days alone, \
                     such as `get: /effects?since=2026-11-01&after=\\(.after // 0)`"
                );
            }
            let Some(next) = page.next else { return Ok(()) };
            if self.last_after.as_ref().is_some_and(|after| after.same_value(&next)) {
                bail!(
                    "`next` gives {} for the page after {0} as well, so the listing has no end",
                    next.text()
                );
            }
            self.effects.append(&mut self.last);
            self.of_others += std::mem::take(&mut self.last_of_others);
            self.last_after = Some(next);
        }
        bail!("it has more pages than the limit PAGES_MAX ({PAGES_MAX}): have it list more effects in a page")
    }
}
