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

/// The text as [`visible`] has it, on one line, cut where it has more than `chars_max` characters, which shows.
pub fn excerpt(text: &str, chars_max: usize) -> String {
    let (kept, is_cut) = match text.char_indices().nth(chars_max) {
        Some((end, _)) => (&text[..end], true),
        None => (text, false),
    };
    let line = kept.replace(['\n', '\r', '\t'], " ");
    let mut shown = visible(&line).into_owned();
    if is_cut {
        shown.push('…');
    }
    shown
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

    #[test]
    fn an_excerpt_is_one_line_and_shows_its_cut() {
        assert_eq!(excerpt("Échec\n: 503", 40), "Échec : 503");
        assert_eq!(excerpt("été", 3), "été");
        assert_eq!(excerpt("é\u{202e}té", 2), "é\\u{202e}…");
        assert_eq!(excerpt(&"x".repeat(1 << 20), 5), "xxxxx…");
    }
}
