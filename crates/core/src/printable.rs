//! Foreign words in a form that every place can hold: a log, a terminal, a page, PostgreSQL's text (no
//! U+0000).

/// Ends a text that was cut.
pub(crate) const CUT: char = '…';

/// `text` without the white space around it, on one line, cut to so many bytes. White space becomes a space;
/// what steers a terminal, hides, or turns the direction of writing becomes U+FFFD.
pub(crate) fn printable(text: &str, bytes_max: usize) -> Box<str> {
    let mut kept = String::with_capacity(text.len().min(bytes_max));
    // Where it would be cut, if it has to be.
    let mut end = 0;
    for character in text.trim().chars().map(shown) {
        if kept.len() + character.len_utf8() > bytes_max {
            kept.truncate(end);
            kept.push(CUT);
            break;
        }
        kept.push(character);
        if kept.len() + CUT.len_utf8() <= bytes_max {
            end = kept.len();
        }
    }
    kept.into()
}

fn shown(character: char) -> char {
    match character {
        // Line and paragraph separators among it.
        white if white.is_whitespace() => ' ',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        // Zero-width characters, marks and overrides of direction (Unicode, UAX 9), fillers, annotations,
        // tags.
        '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, bytes_max: usize, expected: &str) {
        let kept = printable(text, bytes_max);
        assert_eq!(&*kept, expected, "{text:?}");
        assert!(kept.len() <= bytes_max, "{text:?}");
    }

    #[test]
    fn text_is_kept_cut_and_cleaned() {
        check("", 10, "");
        check("déjà vendu", 12, "déjà vendu");
        check("déjà vendu", 11, "déjà v…");
        check("ééééé", 10, "ééééé");
        check("éééééé", 10, "ééé…");
        check(" a\n", 10, "a");
        check("a\0b", 10, "a\u{fffd}b");
        check("\0\0\0\0", 9, "\u{fffd}\u{fffd}…");
        check("a\r\n\tb\u{2028}c\u{85}d", 20, "a   b c d");
        check("\u{1b}[2Jx\u{9b}31m", 30, "\u{fffd}[2Jx\u{fffd}31m");
        check("\u{202e}dnes\u{2066}\u{200f}\u{feff}", 40, "\u{fffd}dnes\u{fffd}\u{fffd}\u{fffd}");
        check("日本語 🙂 ١٢٣ עברית", 60, "日本語 🙂 ١٢٣ עברית");
    }
}
