//! Every document that is named exists, and each word of the glossary has one entry.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sources::{below, root};

/// The names of documents in a text: `docs/limits.md`, `ARCHITECTURE.md`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-');
    text.split(move |c| !is_part(c))
        .filter_map(|word| word.split_inclusive(".md").next().filter(|name| name.ends_with(".md")))
        .filter(|name| name.len() > ".md".len())
}

#[test]
fn every_document_that_is_named_is_there() {
    let root = root();
    let mut wrong = Vec::new();
    for source in below(&root, &["md", "rs", "sh", "toml", "yaml", "yml", "json"]) {
        let here = root.join(&source.path);
        let beside = here.parent().unwrap_or(&root);
        for name in names(&source.text) {
            let name = name.trim_start_matches("/");
            let is_there =
                [beside, &root, &root.join("docs")].iter().any(|folder: &&Path| folder.join(name).is_file());
            if !is_there {
                wrong.push(format!("{}: there is no `{name}`", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_word_of_the_glossary_has_one_entry() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, glossary) = text.split_once("\n## Glossary\n").expect("a glossary");
    let mut words = BTreeSet::new();
    let mut entries = 0;
    for row in glossary.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let word = row.trim_start_matches("| ").split(" |").next().unwrap_or_default();
        for word in word.split(", ") {
            entries += 1;
            assert!(words.insert(word.to_owned()), "`{word}` has two entries in the glossary");
        }
    }
    assert!(entries > 20, "only {entries} words: the glossary has another form by now");
}
