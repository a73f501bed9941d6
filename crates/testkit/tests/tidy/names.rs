//! A type's name says which type it is: no two modules of the crates define the same name, but for [`SHARED`].
//!
//! Types inside of functions are not compared, nor are those of modules of tests.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use crate::sources::{below, root};

/// Names that several modules define, and why each may.
const SHARED: &[(&str, &str)] = &[
    ("Answer", "the core's is an answer as rules see it; the command line's is private to its client"),
    ("Body", "the shop's services report a body that does not fit by its type's name, and are alike in that"),
    ("Error", "named by its module, as is usual: `boutique::Error`, `error::Error` of the checkout's face"),
    ("Flags", "the command line of a program, private to its `main.rs`"),
    ("Health", "the command line's commands are named as they are typed"),
    ("Membership", "the journal's contract about leases, and the engine's use of it"),
    ("Participants", "the command line's commands are named as they are typed"),
    ("Rollback", "the core's states, and the words that the checkout's face has for them"),
];

/// Collects the names of types that are defined outside of functions and tests.
#[derive(Default)]
struct Defined(BTreeSet<String>);

impl<'ast> Visit<'ast> for Defined {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.0.insert(item.ident.to_string());
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.0.insert(item.ident.to_string());
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.0.insert(item.ident.to_string());
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            syn::visit::visit_item_mod(self, item);
        }
    }

    /// The body of a function is its own business.
    fn visit_block(&mut self, _: &'ast syn::Block) {}
}

fn defined(text: &str) -> syn::Result<BTreeSet<String>> {
    let mut defined = Defined::default();
    defined.visit_file(&syn::parse_file(text)?);
    Ok(defined.0)
}

#[test]
fn no_two_modules_define_a_type_of_the_same_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for source in below(&root().join("crates"), &["rs"]) {
        if !source.path.contains("/src/") || source.path.split(['/', '.']).any(|part| part == "tests") {
            continue;
        }
        let names = defined(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
        for name in names {
            places.entry(name).or_default().push(source.path.clone());
        }
    }
    let is_shared = |name: &str| SHARED.iter().any(|(shared, _)| *shared == name);
    let mut wrong = Vec::new();
    for (name, files) in &places {
        if files.len() > 1 && !is_shared(name) {
            wrong.push(format!("`{name}` is defined in {}: say in each name what it is", files.join(", ")));
        }
    }
    for (name, _) in SHARED {
        if places.get(*name).is_none_or(|files| files.len() < 2) {
            wrong.push(format!("`{name}` is defined once only: take it out of SHARED"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn types_are_found() {
    let found = defined(
        "struct A; mod inner { enum B {} } fn f() { struct Local; } mod tests { struct Helper; } trait C {}",
    );
    assert_eq!(found.unwrap().into_iter().collect::<Vec<_>>(), ["A", "B", "C"]);
}
