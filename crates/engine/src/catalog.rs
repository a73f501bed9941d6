//! The definitions that this process knows, and how sagas are read back by them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use saga_core::definition::{DefinitionHash, Format};
use saga_core::{Definition, Saga, SagaId};
use saga_journal::{History, Journal, KeptDefinition, LoadedHistory, Unavailable};

use crate::refusal::Refusal;

/// The definitions that new sagas can run: no two of the same name. They are replaced together.
pub type ServedDefinitions = Arc<[Arc<Definition>]>;

/// The definitions that new sagas can run at first, and how older ones are read back.
pub struct Definitions {
    /// For new sagas: no two of the same name.
    pub served: Vec<Arc<Definition>>,
    /// The name of the definition whose sagas are orders, served or not; `None`: no sagas are.
    pub orders: Option<Arc<str>>,
    /// The address, without a slash at its end, at which this server takes callbacks from outside; `None`: it takes none.
    pub callbacks_at: Option<Arc<str>>,
    /// Reads a source that was kept in the journal, by the rules that it was checked with.
    pub read: ReadSource,
}

/// How a source that was kept in the journal is read.
type ReadSource = Box<dyn Fn(&str, Format) -> Result<Definition, String> + Send + Sync>;

/// The definitions that have been read, and the journal, which keeps all of them.
pub(crate) struct Catalog {
    journal: Journal,
    read_source: ReadSource,
    orders: Option<Arc<str>>,
    callbacks_at: Option<Arc<str>>,
    shelf: RwLock<Shelf>,
}

/// The definitions in memory.
struct Shelf {
    served: ServedDefinitions,
    /// The definitions that sagas are pinned to, the served ones among them.
    known: HashMap<DefinitionHash, Arc<Definition>>,
}

impl Shelf {
    fn new(served: ServedDefinitions) -> Self {
        let known = served.iter().map(|definition| (definition.hash.clone(), definition.clone())).collect();
        Self { served, known }
    }
}

impl Catalog {
    pub(crate) fn new(journal: Journal, definitions: Definitions) -> Self {
        let shelf = Shelf::new(definitions.served.into());
        let Definitions { orders, callbacks_at, read, .. } = definitions;
        Self { journal, read_source: read, orders, callbacks_at, shelf: RwLock::new(shelf) }
    }

    /// The definitions that new sagas can run.
    pub(crate) fn served(&self) -> ServedDefinitions {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner).served.clone()
    }

    /// Keeps definitions in the journal, so that their sagas can be read back when the files have changed.
    pub(crate) async fn keep(&self, definitions: &[Arc<Definition>]) -> Result<(), Unavailable> {
        for definition in definitions {
            let kept = KeptDefinition {
                name: definition.name.clone(),
                source: definition.source.clone(),
                format: definition.format.number(),
                orders: self.orders.as_ref() == Some(&definition.name),
            };
            self.journal.define(definition.hash.clone(), kept).await?;
        }
        Ok(())
    }

    /// Has new sagas run these definitions from now on; the journal keeps them already. Definitions that only older sagas
    /// are pinned to are read again when they are needed, so that their secrets are today's, too.
    pub(crate) fn serve(&self, served: ServedDefinitions) {
        *self.change() = Shelf::new(served);
    }

    /// The address at which this server takes callbacks.
    pub(crate) fn callbacks_at(&self) -> Option<&Arc<str>> {
        self.callbacks_at.as_ref()
    }

    fn change(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A saga as its history tells it, without running it; `None`: there is none.
    pub(crate) async fn load(&self, id: SagaId) -> Result<Option<Saga>, Refusal> {
        Ok(self.read(id).await?.map(|(saga, _)| saga))
    }

    /// The same, with the history.
    pub(crate) async fn read(&self, id: SagaId) -> Result<Option<(Saga, History)>, Refusal> {
        let history = self.journal.load(id).await;
        self.folded(id, history).await
    }

    /// The same for several, at most [`LOADED_TOGETHER_MAX`](saga_journal::LOADED_TOGETHER_MAX): one result for each, in order.
    pub(crate) async fn read_all(&self, ids: &[SagaId]) -> Vec<Result<Option<(Saga, History)>, Refusal>> {
        let histories = match self.journal.histories(ids.to_vec()).await {
            Ok(histories) => histories,
            Err(error) => return ids.iter().map(|_| Err(error.clone().into())).collect(),
        };
        let mut sagas = Vec::with_capacity(ids.len());
        for (id, history) in ids.iter().zip(histories) {
            sagas.push(self.folded(*id, history).await);
        }
        sagas
    }

    /// The saga that a history tells of, and the history.
    async fn folded(&self, id: SagaId, history: LoadedHistory) -> Result<Option<(Saga, History)>, Refusal> {
        let Some(history) = history? else { return Ok(None) };
        let definition = self.pinned(&history.definition_hash).await?;
        let saga = Saga::fold(id, definition, &history.records)
            .map_err(|error| Refusal::Damaged(error.to_string().into()))?;
        Ok(Some((saga, history)))
    }

    /// The definition that a saga is pinned to.
    pub(crate) async fn pinned(&self, hash: &DefinitionHash) -> Result<Arc<Definition>, Refusal> {
        let known = self.shelf.read().unwrap_or_else(PoisonError::into_inner).known.get(hash).cloned();
        if let Some(definition) = known {
            return Ok(definition);
        }
        let damaged = |reason: String| Refusal::Damaged(reason.into());
        let kept = self.journal.definition(hash.clone()).await?.ok_or_else(|| {
            damaged(format!("the definition {hash} that the order is pinned to is not in the journal"))
        })?;
        let format = Format::numbered(kept.format).ok_or_else(|| {
            damaged(format!(
                "the definition {hash} that the order is pinned to has the format {}, which this release does not know; \
                 run the order with the release that started it, or a later one",
                kept.format
            ))
        })?;
        let definition = (self.read_source)(&kept.source, format).map_err(|error| {
            damaged(format!("the definition {hash} that the order is pinned to cannot be read: {error}"))
        })?;
        let mut shelf = self.change();
        // Another reader may have been faster: one definition is one value in memory.
        Ok(shelf.known.entry(hash.clone()).or_insert_with(|| Arc::new(definition)).clone())
    }
}
