//! An entry that is alone in its batch, as most are where few sagas run at once. A statement without arrays has less than half the
//! cost of [`sql::APPEND`] then, which is the same for one entry as for four.

use std::borrow::Cow;

use saga_core::{FlowOutcome, Seq};
use tokio_postgres::types::{ToSql, Type};

use super::cells;
use super::sql::{self, KeptSql};
use crate::columns::{self, COLUMNS, Cell, ColumnKind, text};
use crate::deed_rows::{self, NewDeed};
use crate::figure_rows::{self, NewFigure};
use crate::{Entry, frame};

/// One entry as parameters of its statement.
pub(super) struct LoneEntry<'e> {
    pub(super) sql: &'static KeptSql,
    params: Vec<LoneParam<'e>>,
}

enum LoneParam<'e> {
    Cell(ColumnKind, Cell<'e>),
    Texts(Vec<Cow<'e, str>>),
}

impl<'e> LoneEntry<'e> {
    /// The entry of a batch that has one, unless it needs [`sql::APPEND`]: if several of its events are counted, or several are deeds.
    pub(super) fn of(batch: &'e [Entry]) -> Option<Self> {
        let [entry] = batch else { return None };
        let (mut figures, mut deeds) = (figure_rows::new(entry), deed_rows::new(entry));
        let (figure, deed) = (figures.next(), deeds.next());
        if figures.next().is_some() || deeds.next().is_some() {
            return None;
        }
        match (entry.expected == Seq::NONE, figure, deed) {
            (true, Some(started), deed) if started.outcome == FlowOutcome::Started => {
                Some(Self::start(entry, started, deed))
            }
            (false, figure, None) => Some(Self::later(entry, figure)),
            _ => None,
        }
    }

    fn start(entry: &'e Entry, started: NewFigure<'e>, deed: Option<NewDeed<'e>>) -> Self {
        let labels = &entry.row.labels;
        let mut params: Vec<LoneParam<'e>> = COLUMNS.iter().map(|column| column_of(entry, column)).collect();
        params.extend([
            string(frame::encode(entry)),
            LoneParam::Texts(labels.iter().map(|(name, _)| text(name)).collect()),
            LoneParam::Texts(
                labels.iter().map(|(_, label)| text(&label.to_string()).into_owned().into()).collect(),
            ),
            number(started.minute_us),
            word(started.outcome.into()),
        ]);
        let Some(deed) = deed else { return Self { sql: &sql::LONE_START, params } };
        params.extend([
            LoneParam::Cell(ColumnKind::Text, deed.name.into()),
            number(deed.at_us),
            number(deed.seq),
            word(deed.deed),
        ]);
        Self { sql: &sql::LONE_START_BY, params }
    }

    fn later(entry: &'e Entry, figure: Option<NewFigure<'e>>) -> Self {
        let mut params = vec![
            number(frame::expected_seq(entry)),
            LoneParam::Cell(ColumnKind::Uuid, Cell::Uuid(*entry.saga.as_uuid())),
            LoneParam::Cell(ColumnKind::Uuid, Cell::Uuid(*entry.owner.as_uuid())),
            LoneParam::Cell(ColumnKind::Text, text(&entry.row.definition).into()),
        ];
        params.extend(columns::moved().map(|column| column_of(entry, column)));
        params.push(string(frame::encode(entry)));
        let (minute, outcome, step, range) = match figure {
            Some(NewFigure { minute_us, outcome, step, range }) => {
                let range = range.map_or(Cell::Null, |range| Cell::BigInt(range as i64));
                (Cell::BigInt(minute_us), Cow::Borrowed(outcome.into()).into(), step.into(), range)
            }
            None => (Cell::Null, Cell::Null, Cell::Null, Cell::Null),
        };
        params.extend([
            LoneParam::Cell(ColumnKind::BigInt, minute),
            LoneParam::Cell(ColumnKind::Text, outcome),
            LoneParam::Cell(ColumnKind::Text, step),
            LoneParam::Cell(ColumnKind::BigInt, range),
        ]);
        Self { sql: &sql::LONE_MOVE, params }
    }

    /// As the statement wants them.
    pub(super) fn params(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params.iter().map(LoneParam::bind).collect()
    }
}

impl LoneParam<'_> {
    fn bind(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Cell(kind, cell) => cells::bind_as(*kind, cell),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
        }
    }
}

fn column_of<'e>(entry: &'e Entry, column: &columns::Column) -> LoneParam<'e> {
    LoneParam::Cell(column.kind, (column.write)(entry))
}

fn number(value: i64) -> LoneParam<'static> {
    LoneParam::Cell(ColumnKind::BigInt, Cell::BigInt(value))
}

fn word(value: &'static str) -> LoneParam<'static> {
    LoneParam::Cell(ColumnKind::Text, Cow::Borrowed(value).into())
}

fn string(value: String) -> LoneParam<'static> {
    LoneParam::Cell(ColumnKind::Text, Cow::<str>::Owned(value).into())
}
