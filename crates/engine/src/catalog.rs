//! The definitions that this process knows, and how sagas are read back by them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use saga_core::definition::{DefinitionHash, Format};
use saga_core::{Definition, Saga, SagaId};
use saga_journal::{History, Journal, KeptDefinition, Unavailable};

use crate::refusal::Refusal;

/// The definitions that new sagas can run, and how older ones are read back.
pub struct Definitions {
    /// For new sagas: no two of the same name.
    pub served: Vec<Arc<Definition>>,
    /// Reads a source that was kept in the journal, by the rules that it was checked with.
    #[expect(clippy::type_complexity, reason = "named by its field")]
    pub read: Box<dyn Fn(&str, Format) -> Result<Definition, String> + Send + Sync>,
}

/// The definitions that have been read, and the journal, which keeps all of them.
pub(crate) struct Catalog {
    journal: Journal,
    definitions: Definitions,
    known: Mutex<HashMap<DefinitionHash, Arc<Definition>>>,
}

impl Catalog {
    pub(crate) fn new(journal: Journal, definitions: Definitions) -> Self {
        let served = definitions.served.iter();
        let known = served.map(|definition| (definition.hash.clone(), definition.clone())).collect();
        Self { journal, definitions, known: Mutex::new(known) }
    }

    /// The definitions that new sagas can run.
    pub(crate) fn served(&self) -> &[Arc<Definition>] {
        &self.definitions.served
    }

    /// Keeps the served definitions in the journal, so that their sagas can be read back when the files have changed.
    pub(crate) async fn keep_served(&self) -> Result<(), Unavailable> {
        for definition in self.served() {
            let kept = KeptDefinition {
                name: definition.name.clone(),
                source: definition.source.clone(),
                format: definition.format.number(),
            };
            self.journal.define(definition.hash.clone(), kept).await?;
        }
        Ok(())
    }

    /// A saga as its history tells it, without running it; `None`: there is none.
    pub(crate) async fn load(&self, id: SagaId) -> Result<Option<Saga>, Refusal> {
        Ok(self.read(id).await?.map(|(saga, _)| saga))
    }

    /// The same, with the history.
    pub(crate) async fn read(&self, id: SagaId) -> Result<Option<(Saga, History)>, Refusal> {
        let Some(history) = self.journal.load(id).await? else { return Ok(None) };
        let definition = self.pinned(&history.definition_hash).await?;
        let saga = Saga::fold(id, definition, &history.records)
            .map_err(|error| Refusal::Damaged(error.to_string().into()))?;
        Ok(Some((saga, history)))
    }

    /// The definition that a saga is pinned to.
    pub(crate) async fn pinned(&self, hash: &DefinitionHash) -> Result<Arc<Definition>, Refusal> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned();
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
        let definition = (self.definitions.read)(&kept.source, format).map_err(|error| {
            damaged(format!("the definition {hash} that the order is pinned to cannot be read: {error}"))
        })?;
        let definition = Arc::new(definition);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(hash.clone(), definition.clone());
        Ok(definition)
    }
}
