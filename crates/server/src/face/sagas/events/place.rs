//! A place in the stream, as its events have it for an id.

use saga_core::{SagaId, Seq};
use saga_journal::FeedPlace;

/// The place as [`read`] reads it.
pub(super) fn written(place: FeedPlace) -> String {
    format!("{}.{}.{}", place.commit, place.saga, place.seq)
}

/// `0`, or an id of an event.
pub(super) fn read(text: &str) -> Option<FeedPlace> {
    if text == "0" {
        return Some(FeedPlace::BEGINNING);
    }
    let mut parts = text.splitn(3, '.');
    let commit = parts.next()?.parse().ok().filter(|commit| *commit >= 0)?;
    let saga: SagaId = parts.next()?.parse().ok()?;
    let seq: i64 = parts.next()?.parse().ok()?;
    Some(FeedPlace { commit, saga, seq: Seq::new(u64::try_from(seq).ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let saga: SagaId = "01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21".parse().unwrap();
        let place = FeedPlace { commit: i64::MAX, saga, seq: Seq::new(i64::MAX as u64) };
        assert_eq!(read(&written(place)), Some(place));
        assert_eq!(read("0"), Some(FeedPlace::BEGINNING));
        for wrong in [
            "",
            "1",
            "0.0.0",
            "-1.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21.1",
            "1.01939f2e-7c1b-7c3e-9a52-0d8a6b1f4e21.-1",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
