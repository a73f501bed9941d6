//! The labels of the sagas that started last: found in memory, and written in bulk.
//!
//! Sagas are found by a tree that is ordered by the values of labels, so a start would write a page of it for each of its labels, and
//! the next start other ones. Instead, the labels of many starts are written together, in the order of the tree:
//!
//! ```text
//!   committed starts ──▶ fresh ── many ──▶ due, sorted ── a slice with each batch ──▶ saga_label
//! ```
//!
//! `saga_labelled` has the number of the last saga of which all labels are written. Those of later ones are read from their rows when
//! the file is opened, and after a failure.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, params};
use saga_core::definition::{Label, Labels};
use saga_core::{SagaId, Seq, Timestamp};

use super::{id, saga_id};
use crate::columns::text;
use crate::{Cursor, Entry, Filter};

/// Sagas whose labels are kept in memory before they are written; while they are, twice as many.
const FRESH_SAGAS_MAX: usize = 8_192;
/// Labels that are written with one batch, or more where the batch itself brings many: they are written faster than they come.
const LABELS_WRITTEN_AT_ONCE: usize = 512;

/// The labels that are not written yet, or may not be.
pub(super) struct RecentLabels {
    state: RwLock<RecentState>,
    /// See [`FRESH_SAGAS_MAX`].
    sagas_max: usize,
    /// See [`LABELS_WRITTEN_AT_ONCE`].
    slice: usize,
}

#[derive(Default)]
struct RecentState {
    /// In the order of their numbers, behind those that are due.
    fresh: Vec<RecentSaga>,
    due: Vec<RecentSaga>,
    /// The labels of those that are due, in the order of the tree.
    lines: Vec<LabelLine>,
    /// How many of them are written.
    written: usize,
}

struct RecentSaga {
    number: i64,
    saga: SagaId,
    created: Timestamp,
    labels: Labels,
}

/// A row of the tree, in its order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct LabelLine {
    name: Arc<str>,
    value: String,
    created_us: i64,
    saga: SagaId,
}

/// Labels to be written in one transaction.
pub(super) struct LabelSlice {
    lines: Vec<LabelLine>,
    /// All labels up to this saga are written then.
    labelled: Option<i64>,
}

impl RecentLabels {
    /// No labels yet: [`read`](Self::read) reads those of a file.
    pub(super) fn new() -> Self {
        Self::within(FRESH_SAGAS_MAX, LABELS_WRITTEN_AT_ONCE)
    }

    fn within(sagas_max: usize, slice: usize) -> Self {
        Self { state: RwLock::default(), sagas_max, slice }
    }

    /// Reads from the file the sagas whose labels may not be written. Where they are too many, as after another program's work,
    /// writes those of the first ones.
    pub(super) fn read(&self, connection: &Connection) -> rusqlite::Result<()> {
        const UNLABELLED: &str = "SELECT number, saga_id, created_us, labels FROM saga \
             WHERE number > (SELECT number FROM saga_labelled) ORDER BY number LIMIT ?1";
        loop {
            let mut statement = connection.prepare_cached(UNLABELLED)?;
            let sagas = statement.query_map([self.sagas_max as i64], |row| {
                Ok(RecentSaga {
                    number: row.get(0)?,
                    saga: saga_id(row, 1)?,
                    created: Timestamp::from_micros(row.get(2)?),
                    // A saga whose labels are damaged is found by none.
                    labels: serde_json::from_slice(row.get_ref(3)?.as_bytes()?).unwrap_or_default(),
                })
            })?;
            let sagas = sagas.collect::<rusqlite::Result<Vec<_>>>()?;
            if sagas.len() < self.sagas_max {
                *self.changed() = RecentState { fresh: sagas, ..RecentState::default() };
                return Ok(());
            }
            let slice = LabelSlice { labelled: sagas.last().map(|last| last.number), lines: lines(&sagas) };
            let transaction = connection.unchecked_transaction()?;
            slice.write(connection)?;
            transaction.commit()?;
        }
    }

    /// The labels to write together with `batch`, if there are so many that some are to be written.
    pub(super) fn next(&self, batch: &[Entry]) -> Option<LabelSlice> {
        let mut state = self.changed();
        if state.due.is_empty() {
            if state.fresh.len() < self.sagas_max {
                return None;
            }
            state.due = mem::take(&mut state.fresh);
            (state.lines, state.written) = (lines(&state.due), 0);
        }
        let starts = batch.iter().filter(|entry| entry.expected == Seq::NONE);
        let brought: usize = starts.map(|entry| entry.row.labels.iter().count()).sum();
        let upto = state.lines.len().min(state.written + self.slice.max(2 * brought));
        let labelled = state.due.last().filter(|_| upto == state.lines.len()).map(|last| last.number);
        Some(LabelSlice { lines: state.lines[state.written..upto].to_vec(), labelled })
    }

    /// A transaction was committed, with these labels and these starts.
    pub(super) fn committed(&self, slice: Option<&LabelSlice>, started: Vec<(i64, &Entry)>) {
        let mut state = self.changed();
        if let Some(slice) = slice {
            state.written += slice.lines.len();
            if slice.labelled.is_some() {
                (state.due, state.lines, state.written) = Default::default();
            }
        }
        state.fresh.extend(started.into_iter().map(|(number, entry)| RecentSaga {
            number,
            saga: entry.saga,
            created: entry.row.created,
            labels: entry.row.labels.clone(),
        }));
    }

    /// These sagas were taken away, and so were their labels that are written.
    pub(super) fn forget(&self, sagas: &HashSet<SagaId>) {
        let mut guard = self.changed();
        let state = &mut *guard;
        state.fresh.retain(|kept| !sagas.contains(&kept.saga));
        state.due.retain(|kept| !sagas.contains(&kept.saga));
        if state.due.is_empty() {
            (state.lines, state.written) = Default::default();
            return;
        }
        let written = state.written;
        state.written -= state.lines[..written].iter().filter(|line| sagas.contains(&line.saga)).count();
        state.lines.retain(|line| !sagas.contains(&line.saga));
    }

    /// The sagas with all of these labels, newest first, that come behind `after` in a list.
    pub(super) fn find(&self, filter: &Filter, after: Option<Cursor>) -> Vec<SagaId> {
        let wanted = |saga: &&RecentSaga| {
            let has = |(name, value): &(Arc<str>, Arc<str>)| {
                saga.labels.get(name).is_some_and(|label| is(label, value))
            };
            after.is_none_or(|after| (saga.created, saga.saga) < (after.created, after.saga))
                && filter.labels.iter().all(has)
        };
        let state = self.looked_at();
        let mut found: Vec<_> = state.due.iter().chain(&state.fresh).filter(wanted).collect();
        found.sort_unstable_by_key(|saga| std::cmp::Reverse((saga.created, saga.saga)));
        found.into_iter().map(|found| found.saga).collect()
    }

    fn looked_at(&self) -> RwLockReadGuard<'_, RecentState> {
        // No code panics while this is locked.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> RwLockWriteGuard<'_, RecentState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a label has this value, as text.
fn is(label: &Label, value: &str) -> bool {
    match label {
        Label::Integer(number) => value.parse() == Ok(*number) && number.to_string() == value,
        Label::Text(text) => **text == *value,
    }
}

fn lines(sagas: &[RecentSaga]) -> Vec<LabelLine> {
    let of = |saga: &RecentSaga| {
        let (id, created_us) = (saga.saga, saga.created.as_micros());
        let line = move |(name, label): (&Arc<str>, &Label)| LabelLine {
            name: name.clone(),
            value: label.to_string(),
            created_us,
            saga: id,
        };
        saga.labels.iter().map(line).collect::<Vec<_>>()
    };
    let mut lines: Vec<_> = sagas.iter().flat_map(of).collect();
    lines.sort_unstable();
    lines
}

impl LabelSlice {
    /// Writes them. Some may be there: they were written before a failure.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        const LABEL: &str = "INSERT INTO saga_label (name, value, created_us, saga_id) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO NOTHING";
        const LABELLED: &str = "UPDATE saga_labelled SET number = ?1";
        let mut statement = connection.prepare_cached(LABEL)?;
        for LabelLine { name, value, created_us, saga } in &self.lines {
            statement.execute(params![text(name), text(value), created_us, id(saga)])?;
        }
        match self.labelled {
            Some(number) => connection.prepare_cached(LABELLED)?.execute([number]).map(drop),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use saga_core::definition::DefinitionHash;
    use saga_core::saga::Rollback;
    use saga_core::{Epoch, Event, Record};
    use uuid::Uuid;

    use super::super::{Sqlite, open_with};
    use super::*;
    use crate::memory::Memory;
    use crate::{Histories, Joining, Membership, ReplicaId, Row, Summary};

    const OWNER: ReplicaId = ReplicaId::new(Uuid::from_u128(100));

    /// The start of a saga. Ids come in no order, times nearly in order, and several sagas start at once.
    fn start(number: u128) -> Entry {
        let created = Timestamp::from_micros(1_000 + number as i64 / 3 - (number as i64 % 7));
        let labels = [
            ("client", Label::Integer(number as i64 % 5)),
            ("shop", Label::Integer(number as i64 % 2)),
            ("name", Label::Text(format!("n{}", number % 11).into())),
        ];
        Entry {
            saga: SagaId::new(Uuid::from_u128(number * 7_919 % 10_007 + 1)),
            owner: OWNER,
            expected: Seq::NONE,
            records: vec![Record {
                at: created,
                state: None,
                command: None,
                by: None,
                event: Event::Completed,
            }],
            row: Row {
                definition: "checkout".into(),
                definition_hash: DefinitionHash::new("x"),
                labels: labels.into_iter().map(|(name, label)| (name.into(), label)).collect(),
                state: "INITIEE".into(),
                rollback: if number.is_multiple_of(4) { Rollback::Running } else { Rollback::None },
                epoch: Epoch::FIRST,
                blocked_since: None,
                cause: None,
                over: false,
                created,
                updated: created,
                due: None,
                summary: Summary::default(),
            },
        }
    }

    async fn open(path: &Path) -> Sqlite {
        let store = open_with(path, RecentLabels::within(8, 5)).unwrap();
        join(&store).await;
        store
    }

    async fn join(store: &impl Membership) {
        let lease = Duration::from_secs(60);
        store.join(OWNER, "owner".into(), Joining::Started, lease).await.unwrap();
    }

    /// Every page of the list is that of the store in memory.
    async fn lists_are_those_of(memory: &Memory, store: &Sqlite) {
        let label = |name: &str, value: &str| (Arc::from(name), Arc::from(value));
        let of = |labels: &[(Arc<str>, Arc<str>)]| Filter { labels: labels.to_vec(), ..Filter::default() };
        let filters = [
            of(&[label("client", "3")]),
            of(&[label("shop", "1")]),
            of(&[label("shop", "1"), label("client", "2"), label("name", "n4")]),
            of(&[label("name", "n0")]),
            of(&[label("client", "03")]),
            of(&[label("nobody", "3")]),
            Filter { rollback: Some(Rollback::Running), ..of(&[label("shop", "0")]) },
            Filter {
                state: Some("INITIEE".into()),
                since: Some(Timestamp::from_micros(1_010)),
                ..of(&[label("client", "1")])
            },
        ];
        for filter in filters {
            let mut after = None;
            loop {
                let ours = store.list(filter.clone(), after, 4).await.unwrap();
                let theirs = memory.list(filter.clone(), after, 4).await.unwrap();
                let sagas = |page: &crate::Page| page.rows.iter().map(|kept| kept.saga).collect::<Vec<_>>();
                assert_eq!(
                    (sagas(&ours), ours.next),
                    (sagas(&theirs), theirs.next),
                    "{filter:?} after {after:?}"
                );
                after = ours.next;
                if after.is_none() {
                    break;
                }
            }
        }
    }

    fn written(path: &Path) -> (i64, i64) {
        let file = Connection::open(path).unwrap();
        let sql = "SELECT (SELECT number FROM saga_labelled), (SELECT count(*) FROM saga_label)";
        file.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    }

    #[tokio::test]
    async fn sagas_are_found_by_their_labels_before_while_and_after_these_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let (memory, mut store) = (Memory::default(), open(&path).await);
        join(&memory).await;
        let mut number = 0;
        for round in 0..60_u128 {
            let batch: Vec<Entry> = (0..=round % 4).map(|at| start(number + at)).collect();
            number += batch.len() as u128;
            if round % 9 == 4 {
                // The transaction fails, and nothing of it is kept: neither its starts nor its labels.
                let file = Connection::open(&path).unwrap();
                file.execute_batch(
                    "CREATE TRIGGER never BEFORE INSERT ON saga_minute BEGIN SELECT RAISE(ROLLBACK, 'never'); END",
                )
                .unwrap();
                store.append(&batch).await.unwrap_err();
                file.execute_batch("DROP TRIGGER never").unwrap();
            }
            if round % 9 == 7 {
                // It is kept, and nobody is told so.
                let away = folder.path().join("away");
                std::fs::rename(&path, &away).unwrap();
                store.append(&batch).await.unwrap_err();
                std::fs::rename(&away, &path).unwrap();
            }
            assert_eq!(store.append(&batch).await.unwrap(), vec![Ok(()); batch.len()]);
            memory.append(&batch).await.unwrap();
            if round % 13 == 12 {
                drop(store);
                store = open(&path).await;
            }
            lists_are_those_of(&memory, &store).await;
        }
        let (labelled, lines) = written(&path);
        assert!(labelled > number as i64 * 3 / 4 && labelled < number as i64, "{labelled} of {number}");
        assert!(lines >= labelled * 3, "{lines}");
    }

    #[tokio::test]
    async fn what_another_program_has_left_unlabelled_is_labelled_when_the_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let (memory, store) = (Memory::default(), open(&path).await);
        join(&memory).await;
        let batch: Vec<Entry> = (0..100).map(start).collect();
        store.append(&batch).await.unwrap();
        memory.append(&batch).await.unwrap();
        drop(store);
        let file = Connection::open(&path).unwrap();
        file.execute_batch("UPDATE saga_labelled SET number = 0; DELETE FROM saga_label").unwrap();
        let store = open(&path).await;
        lists_are_those_of(&memory, &store).await;
        assert_eq!(written(&path), (96, 96 * 3));
    }
}
