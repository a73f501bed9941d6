//! The sagas of a cause that came within each minute, as bars.

use saga_core::Timestamp;

use crate::Lang;
use crate::shown::When;
use crate::words::InboxWords;

/// Minutes that are drawn.
pub const MINUTES_SHOWN: usize = 45;
/// The height of the drawing, in its own units; a minute is 6 wide, 4 of them its bar.
const HEIGHT: u64 = 34;
const MINUTE_US: i64 = 60_000_000;

/// The bars, from the oldest minute to the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MinuteBars {
    pub(crate) bars: Vec<MinuteBar>,
    /// The drawing in words.
    pub(crate) text: String,
    /// The minutes in which some came, with how many.
    pub(crate) told: Vec<String>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MinuteBar {
    pub(crate) x: usize,
    pub(crate) y: u64,
    pub(crate) height: u64,
}

impl MinuteBars {
    /// The minutes up to `now`: those in which some came, with their counts.
    pub fn of(counts: &[(Timestamp, u64)], now: Timestamp, lang: Lang) -> Self {
        let this = now.as_micros().div_euclid(MINUTE_US);
        let minutes = MINUTES_SHOWN as i64;
        let count_of = |minute: i64| {
            let same = counts.iter().filter(|(at, _)| at.as_micros().div_euclid(MINUTE_US) == minute);
            same.map(|(_, count)| count).fold(0u64, |sum, count| sum.saturating_add(*count))
        };
        let all: Vec<(i64, u64)> =
            (this - minutes + 1..=this).map(|minute| (minute, count_of(minute))).collect();
        let most = all.iter().max_by_key(|(_, count)| *count).copied().unwrap_or((this, 0));
        let clock = |minute: i64| {
            let clock = When::of(Timestamp::from_micros(minute.saturating_mul(MINUTE_US)), now, lang).clock;
            clock.get(..5).map(ToOwned::to_owned).unwrap_or(clock)
        };
        let bar = |(x, (_, count)): (usize, &(i64, u64))| {
            // A minute without any has a line of its own, so that the time can be seen.
            let height = (u128::from(*count) * u128::from(HEIGHT - 1) / u128::from(most.1.max(1))) as u64;
            let height = if *count > 0 { height.max(2) } else { 1 };
            MinuteBar { x: x * 6, y: HEIGHT - height, height }
        };
        let some = all.iter().filter(|(_, count)| *count > 0);
        Self {
            bars: all.iter().enumerate().map(bar).collect(),
            text: InboxWords::bars(lang, most.1, &clock(most.0), all.last().map_or(0, |(_, count)| *count)),
            told: some.map(|(minute, count)| format!("{} : {count}", clock(*minute))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_is_the_fullest_minute() {
        let at = |minute: i64| Timestamp::from_micros(minute * MINUTE_US + 5);
        let bars =
            MinuteBars::of(&[(at(100), 17), (at(101), 1), (at(120), 4), (at(1), 99)], at(120), Lang::En);
        assert_eq!(bars.bars.len(), MINUTES_SHOWN);
        assert_eq!(bars.text, "At most 17 a minute, at 01:40; 4 in the last one");
        let highest = bars.bars.iter().max_by_key(|bar| bar.height).unwrap();
        assert_eq!((highest.x / 6, highest.y), (MINUTES_SHOWN - 21, 1));
        assert_eq!(bars.told, ["01:40 : 17", "01:41 : 1", "02:00 : 4"]);
        assert!(bars.bars.iter().all(|bar| bar.y + bar.height == HEIGHT));
        let none = MinuteBars::of(&[], at(120), Lang::Fr);
        assert!(none.told.is_empty() && none.bars.iter().all(|bar| bar.height == 1));
        MinuteBars::of(&[(at(120), u64::MAX), (at(119), u64::MAX)], at(120), Lang::Fr);
        MinuteBars::of(&[(Timestamp::from_micros(i64::MIN), 1)], Timestamp::from_micros(i64::MAX), Lang::Fr);
    }
}
