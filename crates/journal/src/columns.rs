//! The row's columns: what is written there, and how a row is read that says something impossible.

use std::borrow::Cow;

use saga_core::definition::DefinitionHash;
use saga_core::saga::Rollback;
use saga_core::{Epoch, SagaId, Timestamp};

use crate::rollback::rollback_named;
use crate::{Cursor, Echec, Page, Projection, ROWS_MAX, ReplicaId, Row};

/// A row as the database has it.
pub(crate) struct RawRow {
    pub(crate) saga: SagaId,
    pub(crate) definition: String,
    pub(crate) definition_hash: String,
    pub(crate) client_id: Option<i64>,
    pub(crate) magasin_id: Option<i64>,
    pub(crate) etat: String,
    pub(crate) rollback: String,
    pub(crate) echec_etape: Option<String>,
    pub(crate) echec_raison: Option<String>,
    pub(crate) epoch: i64,
    pub(crate) over: bool,
    pub(crate) created_us: i64,
    pub(crate) updated_us: i64,
    pub(crate) due_us: Option<i64>,
    pub(crate) blocked_us: Option<i64>,
    pub(crate) owner: ReplicaId,
}

impl RawRow {
    /// The row, if every column makes sense; otherwise the same order as `BLOQUE`, with the reason.
    ///
    /// A person has to look at such a row, so it is shown where they look, rather than skipped, and never fails
    /// the page that it is on.
    pub(crate) fn into_row(self) -> Row {
        let epoch = serde_json::from_value::<Epoch>(self.epoch.into());
        let (rollback, epoch, unreadable) = match (rollback_named(&self.rollback), epoch) {
            (Some(rollback), Ok(epoch)) => (rollback, epoch, None),
            (Some(_), Err(_)) => {
                (Rollback::Blocked, Epoch::FIRST, Some(format!("its epoch is {}", self.epoch)))
            }
            (None, epoch) => (
                Rollback::Blocked,
                epoch.unwrap_or(Epoch::FIRST),
                Some(format!("its rollback is {:?}", self.rollback)),
            ),
        };
        let echec = match unreadable {
            Some(why) => {
                tracing::error!(saga.id = %self.saga, "the saga's row is damaged: {why}");
                Some(Echec { etape: None, raison: format!("the saga's row is damaged: {why}").into() })
            }
            None => self
                .echec_raison
                .map(|raison| Echec { etape: self.echec_etape.map(Into::into), raison: raison.into() }),
        };
        Row {
            saga: self.saga,
            projection: Projection {
                definition: self.definition.into(),
                definition_hash: DefinitionHash::new(&self.definition_hash),
                client_id: self.client_id,
                magasin_id: self.magasin_id,
                etat: self.etat.into(),
                rollback,
                echec,
                epoch,
                blocked_since: self.blocked_us.map(Timestamp::from_micros),
                over: self.over,
                created: Timestamp::from_micros(self.created_us),
                updated: Timestamp::from_micros(self.updated_us),
                due: self.due_us.map(Timestamp::from_micros),
            },
            owner: self.owner,
        }
    }
}

/// The texts of a failure, fit for columns.
pub(crate) fn echec(echec: Option<&Echec>) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    match echec {
        Some(echec) => (echec.etape.as_deref().map(text), Some(text(&echec.raison))),
        None => (None, None),
    }
}

/// `text` without NUL, which a participant may send but PostgreSQL's TEXT cannot hold and SQLite's tools cut at.
/// Events are not concerned: JSON escapes it.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// How many rows a page has when `limit` are asked for: at least one, and at most [`ROWS_MAX`].
pub(crate) fn page_rows(limit: usize) -> usize {
    limit.clamp(1, ROWS_MAX)
}

impl Page {
    /// The first `limit` of `rows`, and where the next page begins if there are more.
    pub(crate) fn cut(mut rows: Vec<Row>, limit: usize) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows
            .last()
            .filter(|_| more)
            .map(|row| Cursor { created: row.projection.created, saga: row.saga });
        Self { rows, next }
    }
}
