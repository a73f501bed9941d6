//! Places in texts and arrays, and ranges of them.

use jaq_core::val;
use jaq_json::{Map, Num, Val};
use jaq_std::ValT as _;

use super::{Error, Metered, inside};
use crate::definition::program::meter;

/// A place in a text or an array, counted from the end if it is negative.
#[derive(Clone, Copy)]
pub(super) struct Place {
    from_start: bool,
    at: usize,
}

impl Place {
    /// The place from the start; `None` before it.
    pub(super) fn within(self, len: usize) -> Option<usize> {
        if self.from_start { Some(self.at) } else { len.checked_sub(self.at) }
    }

    pub(super) fn clipped(place: Option<Self>, len: usize, otherwise: usize) -> usize {
        place.map_or(otherwise, |place| place.within(len).unwrap_or(0).min(len))
    }
}

pub(super) fn position(index: &Metered) -> Option<Place> {
    match &index.val {
        Val::Num(Num::Int(i)) => Some(Place { from_start: *i >= 0, at: i.unsigned_abs() }),
        Val::Num(Num::BigInt(i)) => {
            let from_start = index.as_f64().is_some_and(|float| float >= 0.0);
            Some(Place { from_start, at: usize::try_from(i.magnitude()).ok()? })
        }
        _ => None,
    }
}

/// The two ends of a range; `null` means no end.
pub(super) fn range_of(range: val::Range<&Metered>) -> Result<val::Range<Place>, Error> {
    let place = |end: Option<&Metered>| match end {
        None => Ok(None),
        Some(end) if matches!(end.val, Val::Null) => Ok(None),
        Some(end) => position(end).map(Some).ok_or_else(|| end.clone().typ("integer")),
    };
    Ok(place(range.start)?..place(range.end)?)
}

pub(super) fn ends(bounds: &Map, depth: u32) -> (Option<Metered>, Option<Metered>) {
    let end = |name: &'static str| {
        bounds.get(&Val::utf8_str(name.as_bytes())).map(|val| inside(val.clone(), depth))
    };
    (end("start"), end("end"))
}

/// The start and the length of a range.
pub(super) fn clip(range: &val::Range<Place>, len: usize) -> (usize, usize) {
    let from = Place::clipped(range.start, len, 0);
    (from, Place::clipped(range.end, len, len).saturating_sub(from))
}

/// As [`clip`], counted in characters of a text.
pub(super) fn clip_text(range: &val::Range<Place>, text: &[u8]) -> Result<(usize, usize), Error> {
    meter::work(text.len() / 8);
    let text = std::str::from_utf8(text).map_err(Error::str)?;
    let byte = |place: Place| {
        let mut chars = text.char_indices().map(|(at, _)| at);
        match (place.from_start, place.at) {
            (true, at) => chars.nth(at).unwrap_or(text.len()),
            (false, 0) => text.len(),
            (false, at) => chars.nth_back(at - 1).unwrap_or(0),
        }
    };
    let from = range.start.map_or(0, byte);
    Ok((from, range.end.map_or(text.len(), byte).saturating_sub(from)))
}
