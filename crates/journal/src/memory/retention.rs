//! Sagas that are taken away.

use std::collections::BTreeSet;
use std::sync::Arc;

use saga_core::{SagaId, Timestamp};

use super::{KeptSaga, Memory, Tables};
use crate::columns::page_rows;
use crate::{AgedSaga, Cursor, Forgotten, ReplicaId, Retention, StoreFuture, Unavailable};

impl KeptSaga {
    fn is_settled(&self) -> bool {
        self.row.row.over && self.row.parked.is_none()
    }
}

impl Tables {
    fn aged(&self, definition: &str, until: Timestamp, after: Option<Cursor>, limit: usize) -> Vec<AgedSaga> {
        let after = after.unwrap_or(Cursor::BEFORE_ALL);
        let is_asked_for = |saga: SagaId, kept: &KeptSaga| {
            let created = kept.row.row.created;
            *kept.row.row.definition == *definition
                && created < until
                && (created, saga) > (after.created, after.saga)
        };
        let aged = self.sagas.iter().filter(|(saga, kept)| is_asked_for(**saga, kept));
        let mut aged: Vec<AgedSaga> = aged
            .map(|(saga, kept)| AgedSaga {
                saga: *saga,
                created: kept.row.row.created,
                updated: kept.row.row.updated,
                is_settled: kept.is_settled(),
                has_failed: kept.row.row.failed_step().is_some(),
                labels: kept.row.row.labels.clone(),
            })
            .collect();
        aged.sort_by_key(|aged| (aged.created, aged.saga));
        aged.truncate(page_rows(limit));
        aged
    }

    fn forget(&mut self, forgotten: &[Forgotten]) -> usize {
        let mut gone = 0;
        for Forgotten { saga, .. } in forgotten {
            if self.sagas.get(saga).is_some_and(KeptSaga::is_settled) {
                self.sagas.remove(saga);
                self.deeds.forget(*saga);
                self.commands.retain(|(of, _), _| of != saga);
                gone += 1;
            }
        }
        gone
    }
}

impl Retention for Memory {
    fn definition_names(&self) -> StoreFuture<'_, Result<Vec<Arc<str>>, Unavailable>> {
        Box::pin(async move {
            let names: BTreeSet<Arc<str>> =
                self.tables().definitions.values().map(|kept| kept.name.clone()).collect();
            Ok(names.into_iter().collect())
        })
    }

    fn hold_retention(&self, replica: ReplicaId) -> StoreFuture<'_, Result<bool, Unavailable>> {
        Box::pin(async move {
            let mut tables = self.tables();
            let holder = tables.retention.filter(|holder| tables.is_live(*holder)).unwrap_or(replica);
            tables.retention = Some(holder);
            Ok(holder == replica && tables.is_live(replica))
        })
    }

    fn aged(
        &self,
        definition: Arc<str>,
        until: Timestamp,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Result<Vec<AgedSaga>, Unavailable>> {
        Box::pin(async move { Ok(self.tables().aged(&definition, until, after, limit)) })
    }

    fn forget(&self, sagas: Vec<Forgotten>) -> StoreFuture<'_, Result<usize, Unavailable>> {
        Box::pin(async move { Ok(self.tables().forget(&sagas)) })
    }
}
