//! Inside a crate, data flows one way: no modules beside each other use each other in a circle.
//!
//! A folder's module counts as one to those beside it. Inside the folder, its own files may use what the folder's
//! `mod.rs` defines, and be used by it.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use crate::sources::{below, root};

/// A module's name from the crate's root: `["engine", "lease"]`.
type Name = Vec<String>;

/// How many modules may hand a name on to the next.
const HANDED_ON_MAX: usize = 8;

#[derive(Default)]
struct Module {
    /// Paths in it that lead to other modules, from the crate's root.
    uses: Vec<Name>,
    /// Names that it hands on from its own modules: where each really is.
    hands_on: BTreeMap<String, Name>,
}

/// Finds the paths in a file, and what it hands on.
struct Paths<'a> {
    here: &'a Name,
    module: Module,
}

impl Paths<'_> {
    /// A path from the crate's root; `None`: it leads out of the crate, or is short for something imported.
    fn absolute(&self, path: &[String]) -> Option<Name> {
        let (first, rest) = path.split_first()?;
        match &**first {
            "crate" => Some(rest.to_vec()),
            "self" => Some([self.here, rest].concat()),
            "super" => {
                let mut base = self.here.clone();
                let mut rest = path;
                while let Some((first, after)) = rest.split_first()
                    && first == "super"
                {
                    base.pop()?;
                    rest = after;
                }
                Some([&*base, rest].concat())
            }
            _ => None,
        }
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree, is_public: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree, is_public),
            syn::UseTree::Name(name) if name.ident == "self" => self.leaf(before, None, is_public),
            syn::UseTree::Name(name) => {
                self.leaf(&with(&name.ident), Some(name.ident.to_string()), is_public)
            }
            syn::UseTree::Rename(rename) => {
                self.leaf(&with(&rename.ident), Some(rename.rename.to_string()), is_public);
            }
            syn::UseTree::Glob(_) => self.leaf(before, None, is_public),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree, is_public));
            }
        }
    }

    fn leaf(&mut self, path: &[String], name: Option<String>, is_public: bool) {
        let Some(path) = self.absolute(path) else { return };
        if let Some(name) = name.filter(|_| is_public) {
            self.module.hands_on.insert(name, path.clone());
        }
        self.module.uses.push(path);
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_public = !matches!(item.vis, syn::Visibility::Inherited);
        self.tree(&[], &item.tree, is_public);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Name = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(path) = self.absolute(&names) {
            self.module.uses.push(path);
        }
        syn::visit::visit_path(self, path);
    }

    /// The modules of tests are no part of the house.
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_none() || item.ident != "tests" {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

/// The modules of the crate in `folder`, by name.
fn modules(folder: &str) -> BTreeMap<Name, Module> {
    let sources = root().join(folder).join("src");
    let mut modules = BTreeMap::new();
    for source in below(&sources, &["rs"]) {
        let path =
            source.path.strip_prefix(folder).and_then(|path| path.strip_prefix("/src/")).expect("below src");
        let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let name: Name = match path {
            "lib" | "main" => Vec::new(),
            path => path.split('/').map(str::to_owned).collect(),
        };
        if name.iter().any(|part| part == "tests") || path == "main" {
            continue;
        }
        let file = syn::parse_file(&source.text).unwrap_or_else(|error| panic!("{}: {error}", source.path));
        let mut paths = Paths { here: &name, module: Module::default() };
        paths.visit_file(&file);
        let module = paths.module;
        modules.insert(name, module);
    }
    modules
}

/// The module that a path really leads to, through what others hand on.
fn target(modules: &BTreeMap<Name, Module>, path: &[String]) -> Name {
    target_within(modules, path, HANDED_ON_MAX)
}

fn target_within(modules: &BTreeMap<Name, Module>, path: &[String], hands: usize) -> Name {
    let mut at = Name::new();
    for part in path {
        let inside = [&*at, std::slice::from_ref(part)].concat();
        if modules.contains_key(&inside) || modules.keys().any(|name| name.starts_with(&inside)) {
            at = inside;
            continue;
        }
        let handed_on = modules.get(&at).and_then(|module| module.hands_on.get(part));
        return match handed_on {
            Some(path_on) if hands > 0 => target_within(modules, path_on, hands - 1),
            _ => at,
        };
    }
    at
}

/// The uses between the modules directly inside `parent`.
fn beside_each_other(
    modules: &BTreeMap<Name, Module>,
    parent: &[String],
) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let child = |name: &[String]| {
        (name.len() > parent.len() && name.starts_with(parent)).then(|| name[parent.len()].clone())
    };
    for (name, module) in modules {
        let Some(from) = child(name) else { continue };
        for path in &module.uses {
            if let Some(to) = child(&target(modules, path)).filter(|to| *to != from) {
                edges.entry(from.clone()).or_default().insert(to);
            }
        }
    }
    edges
}

/// Modules that reach themselves, with all that they reach and that reaches them.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for to in edges.get(&next).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<String, BTreeSet<String>> =
        edges.keys().map(|from| (from.clone(), reach(from))).collect();
    let in_circle = |name: &&String| reached[*name].contains(*name);
    let with = |name: &String| {
        let both = |other: &&String| reached.get(*other).is_some_and(|back| back.contains(name));
        reached[name].iter().filter(both).cloned().collect()
    };
    reached.keys().filter(in_circle).map(with).collect()
}

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let mut wrong = Vec::new();
    for folder in ["core", "journal", "engine", "server", "boutique", "testkit", "simulation", "endurance"] {
        let modules = modules(&format!("crates/{folder}"));
        let parents: BTreeSet<Name> =
            modules.keys().filter_map(|name| Some(name.split_last()?.1.to_vec())).collect();
        for parent in parents {
            for circle in circles(&beside_each_other(&modules, &parent)) {
                let place = format!("{folder}/{}", parent.join("/"));
                wrong.push(format!("{place}: {}", circle.iter().cloned().collect::<Vec<_>>().join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "modules that use each other in a circle:\n{}", wrong.join("\n"));
}

#[test]
fn a_circle_is_seen() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert!(circles(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    let found = circles(&edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]));
    assert_eq!(found, BTreeSet::from([BTreeSet::from(["b".to_owned(), "c".to_owned()])]));
}
