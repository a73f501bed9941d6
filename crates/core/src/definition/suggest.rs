//! "Did you mean": the known name that an unknown one was probably meant to be.

/// The name among `known` from which `word` differs by a typo, if there is one.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    /// Names are short; the cost of comparing two texts is the product of their lengths.
    const WORD_BYTES_MAX: usize = 64;
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let bare = |name: &str| name.replace(['_', '-', ' '], "").to_lowercase();
    let wanted = bare(word);
    // One typo for each three characters; short names that differ in one character are different names.
    let slips_max = (wanted.chars().count() / 3).min(3);
    known
        .into_iter()
        .filter(|name| *name != word && name.len() <= WORD_BYTES_MAX)
        .map(|name| (strsim::damerau_levenshtein(&wanted, &bare(name)), name))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

/// ``; did you mean `name`?``, or nothing.
pub(super) fn did_you_mean<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    nearest(word, known).map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// The correction of `word`, which is none of `known`, for the end of a message: `write a, b or c`, and the probable one.
pub(super) fn write_one_of(word: &str, known: &[&str]) -> String {
    let meant = did_you_mean(word, known.iter().copied());
    match known.split_last() {
        Some((last, [])) => format!("write {last}{meant}"),
        Some((last, rest)) => format!("write {} or {last}{meant}", rest.join(", ")),
        None => meant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_understood_and_another_word_is_not() {
        let known = ["timeout", "url", "calls_max", "safety", "ok"];
        for (word, meant) in [
            ("timout", Some("timeout")),
            ("timeuot", Some("timeout")),
            ("ulr", Some("url")),
            ("callsMax", Some("calls_max")),
            ("Safety", Some("safety")),
            ("calls-max", Some("calls_max")),
            ("key", None),
            ("on", None),
            ("", None),
            ("deadline", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"timeout".repeat(1000), known), None);
    }
}
