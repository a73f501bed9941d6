//! The rows of the table `saga_deed` that an entry brings with it.

use std::borrow::Cow;

use crate::Entry;
use crate::columns::text;

/// A deed as it is written.
pub(crate) struct NewDeed<'e> {
    pub(crate) name: Cow<'e, str>,
    pub(crate) at_us: i64,
    pub(crate) seq: i64,
    pub(crate) deed: &'static str,
}

/// The deeds among an entry's events.
pub(crate) fn new(entry: &Entry) -> impl Iterator<Item = NewDeed<'_>> {
    entry.records.iter().enumerate().filter_map(|(index, record)| {
        let (name, deed) = record.deed()?;
        let seq = entry.expected.plus(index + 1).get() as i64;
        Some(NewDeed { name: text(name), at_us: record.at.as_micros(), seq, deed: deed.into() })
    })
}
