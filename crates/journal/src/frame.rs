//! Frames: each is the records of one append as one JSON array, under the position of the first of them.

use std::fmt::Display;
use std::sync::Arc;

use saga_core::definition::DefinitionHash;
use saga_core::{Record, record_text};

use crate::{Entry, History, LoadError};

/// A frame as it was read.
pub(crate) struct Frame<T> {
    /// The position of its first record.
    pub(crate) first_seq: i64,
    /// A JSON array of records, unless it is damaged.
    pub(crate) events: T,
}

/// A saga's row, as far as it is about its history.
pub(crate) struct Head {
    /// The position of the last event.
    pub(crate) seq: i64,
    pub(crate) definition_hash: DefinitionHash,
}

/// The text of an entry's frame. The same entry always gives the same text: that is how one is recognized that
/// was kept although its answer was lost.
pub(crate) fn encode(entry: &Entry) -> String {
    debug_assert!(!entry.records.is_empty(), "an entry has at least one event");
    record_text::write(&entry.records)
}

/// The position of an entry's first record, as a column has it.
pub(crate) fn first_seq(entry: &Entry) -> i64 {
    position(entry.expected.next().get())
}

/// The position of an entry's last record, as a column has it.
pub(crate) fn last_seq(entry: &Entry) -> i64 {
    position(entry.expected.plus(entry.records.len()).get())
}

/// The position that an entry expects its saga at, as a column has it.
pub(crate) fn expected_seq(entry: &Entry) -> i64 {
    position(entry.expected.get())
}

/// A position, as a column has it.
pub(crate) fn position(seq: u64) -> i64 {
    i64::try_from(seq).expect("a history of 2^63 events does not fit any disk")
}

/// Puts a history together from a saga's row and its frames, which come in the order of their positions.
pub(crate) fn assemble<T: AsRef<[u8]>>(
    head: Option<Head>,
    frames: impl IntoIterator<Item = Frame<T>>,
) -> Result<Option<History>, LoadError> {
    let mut records: Vec<Record> = Vec::new();
    for frame in frames {
        let next_seq = records.len() as i64 + 1;
        if frame.first_seq != next_seq {
            return Err(damaged(format_args!(
                "event {next_seq} is missing: the next frame is first_seq {}",
                frame.first_seq
            )));
        }
        match record_text::read(frame.events.as_ref()) {
            Ok(decoded) => records.extend(decoded),
            Err(error) => {
                return Err(damaged(format_args!("frame first_seq {}: {error}", frame.first_seq)));
            }
        }
    }
    match head {
        None if records.is_empty() => Ok(None),
        None => Err(damaged("there are events, but the saga has no row")),
        Some(head) if head.seq != records.len() as i64 => Err(damaged(format_args!(
            "the row says that the last event is {}, but it is {}",
            head.seq,
            records.len()
        ))),
        Some(head) if records.is_empty() => {
            Err(damaged(format_args!("the row of definition {} has no events", head.definition_hash)))
        }
        Some(head) => Ok(Some(History { definition_hash: head.definition_hash, records })),
    }
}

fn damaged(what: impl Display) -> LoadError {
    LoadError::Damaged(Arc::from(what.to_string()))
}
