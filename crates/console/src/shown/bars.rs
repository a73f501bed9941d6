//! Bars: a small drawing of counts, made of numbers alone.

use std::fmt::Write;

/// The width of a bar, and of a bar with the gap behind it.
const BAR: (u64, u64) = (4, 6);
/// The height of the highest bar.
const HEIGHT: u64 = 40;

/// The inside of an `<svg>` whose view box is [`bars_box`]: one bar for each count, as high as its share of the highest. A count of
/// zero is a thin line.
pub fn bars(counts: &[u64]) -> String {
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let mut drawing = String::with_capacity(counts.len() * 56);
    for (index, count) in counts.iter().enumerate() {
        let x = index as u64 * BAR.1;
        // In tenths, so that a text of whole numbers is exact.
        let tenths = (u128::from(*count) * u128::from(HEIGHT) * 10 / u128::from(most)) as u64;
        let tenths = if *count == 0 { 6 } else { tenths.max(15) };
        let y = (HEIGHT * 10).saturating_sub(tenths);
        let (width, faint) = (BAR.0, if *count == 0 { " class=\"faint\"" } else { "" });
        let _ = write!(
            drawing,
            "<rect x=\"{x}\" y=\"{}.{}\" width=\"{width}\" height=\"{}.{}\"{faint}/>",
            y / 10,
            y % 10,
            tenths / 10,
            tenths % 10
        );
    }
    drawing
}

/// The view box of so many bars.
pub fn bars_box(count: usize) -> String {
    format!("0 0 {} {HEIGHT}", (count as u64 * BAR.1).saturating_sub(BAR.1 - BAR.0).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_share() {
        assert_eq!(
            bars(&[0, 2, 4]),
            "<rect x=\"0\" y=\"39.4\" width=\"4\" height=\"0.6\" class=\"faint\"/>\
             <rect x=\"6\" y=\"20.0\" width=\"4\" height=\"20.0\"/>\
             <rect x=\"12\" y=\"0.0\" width=\"4\" height=\"40.0\"/>"
        );
        assert_eq!(bars_box(3), "0 0 16 40");
        assert_eq!((bars(&[]), bars_box(0)), (String::new(), "0 0 1 40".to_owned()));
        assert!(bars(&[u64::MAX, 1]).contains("height=\"1.5\""));
    }
}
