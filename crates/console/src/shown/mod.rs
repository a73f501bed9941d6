//! How times, amounts, numbers and states are written, in both languages.

mod amount;
mod badge;
mod text;
mod when;

pub use self::amount::Amount;
pub use self::badge::{Badge, Family};
pub use self::text::visible;
pub use self::when::{Span, When};

use crate::Lang;

/// A whole number with its thousands apart: `71,204`, `71 204`.
pub fn number(number: u64, lang: Lang) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            // No line breaks inside a French number.
            text.push(if lang == Lang::Fr { '\u{202f}' } else { ',' });
        }
        text.push(digit);
    }
    text
}

/// The end of an id. Ids that are made one after the other begin alike, so the end tells them apart.
pub fn short_id(id: &str) -> &str {
    const SHOWN: usize = 8;
    id.char_indices().rev().nth(SHOWN - 1).map_or(id, |(at, _)| &id[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!(number(0, Lang::En), "0");
        assert_eq!(number(999, Lang::Fr), "999");
        assert_eq!(number(71_204, Lang::En), "71,204");
        assert_eq!(number(1_071_204, Lang::Fr), "1\u{202f}071\u{202f}204");
    }

    #[test]
    fn ids_are_told_apart_by_their_end() {
        assert_eq!(short_id("01a21429-c67b-7752-bde2-a2ed2fefc1d8"), "2fefc1d8");
        assert_eq!(short_id("é"), "é");
    }
}
