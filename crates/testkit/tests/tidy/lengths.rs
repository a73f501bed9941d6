//! No file has more than [`LINES_MAX`] lines, unless it gives a reason.

use crate::sources::{below, root};

/// The most lines of a file.
const LINES_MAX: usize = 500;
/// The beginning of the line with a longer file's reason.
const REASON: &str = "// Long: ";

#[test]
fn no_file_is_too_long_without_a_reason() {
    let mut wrong = Vec::new();
    for source in below(&root().join("crates"), &["rs"]) {
        let (lines, has_reason) =
            (source.text.lines().count(), source.text.lines().any(|l| l.starts_with(REASON)));
        if lines > LINES_MAX && !has_reason {
            wrong.push(format!(
                "{}: {lines} lines; divide it, or begin a line with `{REASON}` and say why",
                source.path
            ));
        }
        if lines <= LINES_MAX && has_reason {
            wrong.push(format!("{}: it is not long any more: take `{REASON}` out", source.path));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
