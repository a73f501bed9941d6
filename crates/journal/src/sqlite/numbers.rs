//! The numbers of the sagas that are under way. Each append would look one up, in an index whose pages are in no order.

use std::collections::HashMap;

use saga_core::SagaId;

use crate::Entry;

/// Sagas whose numbers are remembered. Beyond, all are forgotten, and looked up again.
const NUMBERS_MAX: usize = 16_384;

/// Those that are remembered, of sagas that this process has appended to.
pub(super) struct SagaNumbers {
    numbers: HashMap<SagaId, i64>,
    /// See [`NUMBERS_MAX`].
    max: usize,
}

impl Default for SagaNumbers {
    fn default() -> Self {
        Self { numbers: HashMap::new(), max: NUMBERS_MAX }
    }
}

impl SagaNumbers {
    /// The saga's number; `None`: it has to be looked up.
    pub(super) fn of(&self, saga: SagaId) -> Option<i64> {
        self.numbers.get(&saga).copied()
    }

    /// A transaction was committed that has these entries, of sagas with these numbers.
    pub(super) fn committed(&mut self, kept: &[(i64, &Entry)]) {
        for (number, entry) in kept {
            if entry.row.over {
                self.numbers.remove(&entry.saga);
                continue;
            }
            if self.numbers.len() >= self.max && !self.numbers.contains_key(&entry.saga) {
                self.numbers.clear();
            }
            self.numbers.insert(entry.saga, *number);
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::super::recent::tests::{OWNER, start};
    use super::super::writer::SqliteWriter;
    use super::super::{place::OpenedFile, recent::RecentLabels, replicas::Replicas};
    use super::*;
    use crate::{AppendError, Joining};

    #[test]
    fn sagas_under_way_have_numbers_and_no_more_than_there_is_room_for() {
        let mut numbers = SagaNumbers { max: 3, ..SagaNumbers::default() };
        let entries: Vec<Entry> = (0..5).map(start).collect();
        let of =
            |numbers: &SagaNumbers| entries.iter().map(|entry| numbers.of(entry.saga)).collect::<Vec<_>>();
        let with_numbers =
            |range: std::ops::Range<usize>| range.map(|at| (at as i64, &entries[at])).collect::<Vec<_>>();
        numbers.committed(&with_numbers(0..3));
        numbers.committed(&with_numbers(0..3));
        assert_eq!(of(&numbers), [Some(0), Some(1), Some(2), None, None]);
        let mut end = start(1);
        end.row.over = true;
        numbers.committed(&[(1, &end)]);
        numbers.committed(&with_numbers(3..4));
        assert_eq!(of(&numbers), [Some(0), None, Some(2), Some(3), None]);
        numbers.committed(&with_numbers(4..5));
        assert_eq!(of(&numbers), [None, None, None, None, Some(4)], "the others are looked up again");
    }

    #[test]
    fn a_number_that_is_another_sagas_by_now_moves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        drop(super::super::open(&path).unwrap());
        let replicas = Replicas::default();
        replicas.join(OWNER, "owner".into(), Joining::Started);
        let place = OpenedFile::opened(path.clone()).unwrap();
        let recent = std::sync::Arc::new(RecentLabels::new());
        let mut writer = SqliteWriter::new(place, Connection::open(&path).unwrap(), recent);
        let starts: Vec<Entry> = (1..=3).map(start).collect();
        assert_eq!(writer.append(&starts, &replicas), Ok(vec![Ok(()); 3]));

        let content = || {
            let file = Connection::open(&path).unwrap();
            let sql = "SELECT group_concat(number || ' ' || seq || ' ' || hex(saga_id)), \
                (SELECT group_concat(saga_number || ' ' || first_seq || ' ' || hex(saga_id)) FROM saga_event) FROM saga";
            file.query_row(sql, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap()
        };
        let before = content();
        let next = |number| {
            let first = start(number);
            Entry { expected: first.expected.plus(first.records.len()), ..first }
        };
        writer.numbers().committed(&[(2, &starts[0])]);
        assert_eq!(writer.append(&[next(1)], &replicas), Ok(vec![Err(AppendError::Conflict)]));
        assert_eq!(content(), before);
    }
}
