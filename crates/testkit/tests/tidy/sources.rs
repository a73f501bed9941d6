//! The files of the repository.

use std::path::{Path, PathBuf};

/// Folders without files of this project.
const FOREIGN: [&str; 3] = ["target", ".git", "node_modules"];

/// The repository's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository's folder")
}

/// A file's text, and its path from the repository's folder.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All files below `folder` whose names end in one of `extensions`.
pub(crate) fn below(folder: &Path, extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(folder, &root(), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "nothing below {}", folder.display());
    found
}

fn collect(folder: &Path, root: &Path, extensions: &[&str], found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !FOREIGN.contains(&&*name) {
                collect(&path, root, extensions, found);
            }
        } else if path.extension().is_some_and(|is| extensions.iter().any(|wanted| is == *wanted)) {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let path = path.strip_prefix(root).expect("below the repository's folder");
            found.push(Source { path: path.to_string_lossy().into_owned(), text });
        }
    }
}
