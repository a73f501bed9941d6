//! What the journal believes about its sagas.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::bail;
use saga_core::definition::{Definition, DefinitionHash, Format};
use saga_core::reconcile::BelievedSaga;
use saga_core::{Saga, SagaId, Timestamp};
use saga_journal::{Filter, History, LOADED_TOGETHER_MAX, LoadError, ROWS_MAX, Store};

use crate::definitions::ReadSource;

use super::listings::Listings;

/// Sagas that are compared. Each takes some hundred bytes of memory for each step.
const SAGAS_MAX: usize = 2_000_000;

/// The journal's sagas, as far as they are compared.
pub(super) struct Beliefs<'a> {
    store: &'a dyn Store,
    read: ReadSource,
    /// The listing of each participant, by what reaches it.
    sources: HashMap<Arc<str>, usize>,
    definitions: HashMap<DefinitionHash, Result<Arc<Definition>, String>>,
    sagas: BTreeMap<SagaId, BelievedSaga>,
    unreadable: (usize, Option<String>),
}

impl<'a> Beliefs<'a> {
    pub(super) fn new(store: &'a dyn Store, read: ReadSource, listings: &Listings) -> Self {
        Self {
            store,
            read,
            sources: listings.by_reach(),
            definitions: HashMap::new(),
            sagas: BTreeMap::new(),
            unreadable: (0, None),
        }
    }

    /// Reads the sagas that started `since` then, and those that have effects.
    pub(super) async fn read(
        &mut self,
        with_effects: impl Iterator<Item = SagaId>,
        since: Option<Timestamp>,
    ) -> anyhow::Result<()> {
        let filter = Filter { since, ..Filter::default() };
        let mut after = None;
        loop {
            let page = self.store.list(filter.clone(), after, ROWS_MAX).await?;
            let (over, others): (Vec<_>, Vec<_>) =
                page.rows.into_iter().partition(|kept| kept.row.over && kept.parked.is_none());
            // Sagas that are under way are not read. Should one be over by now, it has effects that were not listed yet.
            self.sagas.extend(others.into_iter().map(|kept| (kept.saga, BelievedSaga::NotOver)));
            self.believe(over.into_iter().map(|kept| kept.saga).collect()).await?;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let rest: Vec<_> = with_effects.filter(|saga| !self.sagas.contains_key(saga)).collect();
        self.believe(rest).await
    }

    async fn believe(&mut self, sagas: Vec<SagaId>) -> anyhow::Result<()> {
        if self.sagas.len() + sagas.len() > SAGAS_MAX {
            bail!(
                "there are more sagas than the limit SAGAS_MAX ({SAGAS_MAX}): compare those of the last days alone, with --since"
            );
        }
        for together in sagas.chunks(LOADED_TOGETHER_MAX) {
            let histories = self.store.histories(together.to_vec()).await?;
            for (saga, history) in together.iter().zip(histories) {
                let believed = match history {
                    Ok(None) => BelievedSaga::Unknown,
                    Ok(Some(history)) => match self.folded(*saga, &history).await? {
                        Ok(folded) => BelievedSaga::of(&folded, &history.records, |step| {
                            self.sources.get(&folded.definition().participant(step)?.reached_by).copied()
                        }),
                        Err(why) => self.unread(*saga, why),
                    },
                    Err(LoadError::Unavailable(error)) => return Err(error.into()),
                    Err(why) => self.unread(*saga, why.to_string()),
                };
                self.sagas.insert(*saga, believed);
            }
        }
        Ok(())
    }

    /// A saga that cannot be read waits for a person.
    fn unread(&mut self, saga: SagaId, why: String) -> BelievedSaga {
        self.unreadable.0 += 1;
        self.unreadable.1.get_or_insert(format!("{saga}: {why}"));
        BelievedSaga::NotOver
    }

    async fn folded(&mut self, saga: SagaId, history: &History) -> anyhow::Result<Result<Saga, String>> {
        let definition = self.definition(&history.definition_hash).await?;
        Ok(definition.and_then(|definition| {
            Saga::fold(saga, definition, &history.records).map_err(|error| error.to_string())
        }))
    }

    async fn definition(&mut self, hash: &DefinitionHash) -> anyhow::Result<Result<Arc<Definition>, String>> {
        if let Some(known) = self.definitions.get(hash) {
            return Ok(known.clone());
        }
        let kept = self.store.definition(hash.clone()).await?;
        let read = match kept {
            None => Err(format!("the journal does not have the definition {hash}")),
            Some(kept) => match Format::numbered(kept.format) {
                None => Err(format!(
                    "its definition has the format {}, which this release does not know",
                    kept.format
                )),
                Some(format) => (self.read)(&kept.source, format).map(Arc::new),
            },
        };
        self.definitions.insert(hash.clone(), read.clone());
        Ok(read)
    }

    /// All sagas, in the order of their ids.
    pub(super) fn sagas(&self) -> impl Iterator<Item = (&SagaId, &BelievedSaga)> {
        self.sagas.iter()
    }

    /// A saga as it is now; `None`: there is none, or it cannot be read.
    pub(super) async fn saga(&mut self, saga: SagaId) -> anyhow::Result<Option<Saga>> {
        match self.store.load(saga).await {
            Ok(Some(history)) => Ok(self.folded(saga, &history).await?.ok()),
            Ok(None) => Ok(None),
            Err(LoadError::Unavailable(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// How many sagas are over, and how many are not.
    pub(super) fn counts(&self) -> (usize, usize) {
        let of = |is: fn(&BelievedSaga) -> bool| self.sagas.values().filter(|it| is(it)).count();
        (of(|it| matches!(it, BelievedSaga::Over(_))), of(|it| *it == BelievedSaga::NotOver))
    }

    /// How many cannot be read, and why the first one.
    pub(super) fn unreadable(&self) -> (usize, Option<String>) {
        self.unreadable.clone()
    }
}
