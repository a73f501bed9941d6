//! How sagas that are not over and replicas stand.

use std::time::Duration;

use saga_core::saga::Rollback;
use tokio::time::Instant;

use super::{KeptSaga, Tables};
use crate::under_way::ReadRow;
use crate::{KeptRow, LeaseStanding, REPLICAS_TOLD_MAX, ReplicaId, ReplicaStanding, UnderWay};

impl Tables {
    pub(super) fn under_way(&self) -> UnderWay {
        let mut rows: Vec<&KeptRow> =
            self.sagas.values().map(|kept| &kept.row).filter(|kept| !kept.row.over).collect();
        rows.sort_by_key(|kept| (kept.row.created, kept.saga));
        let mut found = UnderWay::default();
        for kept in rows {
            let summary = (kept.rollback() != Rollback::Blocked)
                .then(|| serde_json::to_string(&kept.row.summary).unwrap_or_default());
            found.add(&ReadRow {
                definition: &kept.row.definition,
                hash: kept.row.definition_hash.as_str(),
                created_us: kept.row.created.as_micros(),
                summary: summary.as_deref(),
            });
        }
        found
    }

    pub(super) fn replicas(&self) -> Vec<ReplicaStanding> {
        let now = Instant::now();
        let owns = |id, kept: &KeptSaga| kept.row.owner == id && kept.wake_us.is_none() && !kept.row.row.over;
        let standing = |(id, until): (&ReplicaId, &Option<Instant>)| {
            let lease = match until {
                // Since when is not kept.
                None => LeaseStanding::Gone(Duration::ZERO),
                Some(until) if *until >= now => LeaseStanding::For(until.duration_since(now)),
                Some(until) => LeaseStanding::RanOut(now.duration_since(*until)),
            };
            let name = self.names.get(id).cloned().unwrap_or_else(|| "".into());
            let sagas = self.sagas.values().filter(|kept| owns(*id, kept)).count();
            ReplicaStanding::new(*id, name, lease, sagas as u64)
        };
        let mut told: Vec<_> = self.replicas.iter().map(standing).filter(ReplicaStanding::is_told).collect();
        let is_gone = |replica: &ReplicaStanding| matches!(replica.lease, LeaseStanding::Gone(_));
        told.sort_by_key(|replica| (is_gone(replica), replica.name.clone(), replica.id));
        told.truncate(REPLICAS_TOLD_MAX);
        told
    }
}
