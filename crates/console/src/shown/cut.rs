//! Foreign texts that are cut to a limit, visibly.

use std::borrow::Cow;

use super::visible;

/// The text, made visible; of a longer one, the first `chars_max` characters and `…`.
pub fn visible_cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", visible(&text[..end])),
        None => match visible(text) {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => text,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_shows_and_marks_are_shown() {
        assert_eq!(visible_cut("été", 3), "été");
        assert_eq!(visible_cut("étés", 3), "été…");
        assert_eq!(visible_cut("\u{202e}abc", 2), "\\u{202e}a…");
    }
}
