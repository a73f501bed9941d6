//! Foreign texts, made visible.

use std::borrow::Cow;

/// The text with a visible sign for each character that shows nothing itself, or that changes the direction or the order of others
/// (Unicode Standard Annex 9): a reader sees what is there. Escaping for HTML is the templates' matter.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_invisible) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_invisible(character) {
            shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn is_invisible(character: char) -> bool {
    let is_bidi = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_empty = matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}'
    );
    is_bidi || is_empty || character.is_control() && !matches!(character, '\n' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_change_the_order_of_others_are_shown() {
        assert_eq!(visible("paid\u{202e}diap"), "paid\\u{202e}diap");
        assert_eq!(visible("a\0b\u{feff}"), "a\\u{0}b\\u{feff}");
        assert!(matches!(visible("Échec : 503\n"), Cow::Borrowed(_)));
    }
}
