//! Which definitions new sagas run: those in files, and the built-in checkout unless a file brings its own.
//!
//! `files.rs` reads the files.

mod files;
mod public_url;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use saga_core::Definition;
use saga_core::definition::{Checked, Format, Mistakes, NamedTls, SECRET_BYTES_MAX, Variables};
use saga_engine::Definitions;
use saga_engine::participants::check_tls;

pub use self::files::FilesSeen;
pub use self::public_url::PublicUrl;
use crate::face::commande;

/// The shop's checkout, as it is when nothing else is asked for.
pub const CHECKOUT: &str = include_str!("../../../../sagas/checkout.yaml");

/// The JSON Schema of definitions, for editors.
pub const SCHEMA: &str = include_str!("../../../../sagas/definition.schema.json");

/// The name under which the built-in definition is reported.
const BUILT_IN: &str = "checkout.yaml (built in)";

/// The saga that orders run unless another one is named: that of the built-in definition.
const CHECKOUT_SAGA: &str = "checkout";

/// Where definitions come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Files, and folders of files. None: the built-in definition alone.
    pub paths: Vec<PathBuf>,
    /// The name of the saga that orders run; `None`: `checkout`.
    pub commande_saga: Option<String>,
    /// Where services outside reach this server; `None`: nowhere, so no saga can be called back.
    pub public_url: Option<PublicUrl>,
    /// Whether the process has a key that signs calls. Without one, a definition that wants signed calls is refused.
    pub has_signing_key: bool,
}

impl Sources {
    /// One file, whose saga orders run if it is `checkout`; without one, the built-in definition alone.
    pub fn of(file: Option<&Path>) -> Self {
        Self { paths: file.into_iter().map(Path::to_owned).collect(), ..Self::default() }
    }
}

/// The definitions that were loaded: no two of one name.
#[derive(Debug)]
pub struct Loaded {
    /// The definitions that new sagas run, in the order of their files.
    pub definitions: Vec<Arc<Definition>>,
    /// The name of the one that orders run.
    pub commande_saga: Arc<str>,
    /// Where callbacks are taken, if they are.
    pub callbacks_at: Option<Arc<str>>,
    /// Constructs that were probably not meant: one line each.
    pub warnings: Vec<String>,
}

/// The environment of a process: these variables, and the files that it can read.
struct Environment<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables for Environment<F> {
    fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    fn file(&self, path: &str) -> Result<String, String> {
        read_secret(Path::new(path))
    }
}

/// Reads all definitions, with variables from the environment. The error tells all mistakes of all files.
pub fn load(sources: &Sources) -> anyhow::Result<Loaded> {
    load_with(sources, &|name: &str| std::env::var(name).ok())
}

/// The same with variables from elsewhere.
pub fn load_with(sources: &Sources, env: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<Loaded> {
    let mut mistakes = Vec::new();
    let env = Environment(env);
    let mut found = found(sources, &mut mistakes, &|name, source| Definition::check(name, source, &env));
    let is_there = |wanted: &str| found.iter().any(|(_, checked)| *checked.definition.name == *wanted);
    if !sources.paths.is_empty() && !is_there(CHECKOUT_SAGA) {
        match Definition::check(BUILT_IN, CHECKOUT, &env) {
            Ok(checked) => found.push((BUILT_IN.to_owned(), checked)),
            Err(why) => mistakes.push(why.to_string()),
        }
    }
    mistakes.extend(found.iter().flat_map(|(name, checked)| unusable_tls(name, checked)));
    if sources.public_url.is_none() {
        mistakes.extend(found.iter().filter_map(|(name, checked)| no_address(name, checked)));
    }
    if !sources.has_signing_key {
        mistakes.extend(found.iter().filter_map(|(name, checked)| no_signing_key(name, checked)));
    }
    let orders = match for_orders(sources, &found, &mut mistakes) {
        Some(orders) if mistakes.is_empty() => orders,
        _ => return Err(anyhow!(mistakes.join("\n"))),
    };
    if let Some(mistake) = sources.commande_saga.is_none().then(|| undecided(&found)).flatten() {
        return Err(anyhow!(mistake));
    }
    let warnings = found
        .iter()
        .flat_map(|(name, checked)| checked.warnings.iter().map(move |warning| warning.line_about(name)));
    let warnings = warnings.collect();
    let commande_saga = found[orders].1.definition.name.clone();
    let definitions = found.into_iter().enumerate().map(|(index, (_, checked))| {
        let definition = checked.definition;
        Arc::new(if index == orders { commande::labelled(definition) } else { definition })
    });
    let callbacks_at = sources.public_url.as_ref().map(PublicUrl::callbacks_at);
    Ok(Loaded { definitions: definitions.collect(), commande_saga, callbacks_at, warnings })
}

/// The mistakes of a definition whose participants' `tls` names files that cannot be used here.
fn unusable_tls(name: &str, checked: &Checked) -> impl Iterator<Item = String> {
    checked.tls.iter().filter_map(move |NamedTls { line, files }| {
        check_tls(files).err().map(|reason| format!("{name}:{line}: {reason}"))
    })
}

/// The mistake of a definition whose sagas are called back by services that do not reach this server.
fn no_address(name: &str, checked: &Checked) -> Option<String> {
    let line = checked.callbacks?;
    Some(format!(
        "{name}:{line}: `.callbacks` is the address of this server as services see it, and it has none; start it with \
         `--public-url` (ORCHESTRATEUR_PUBLIC_URL), such as `--public-url https://sagas.example.com`"
    ))
}

/// The mistake of a definition that wants signed calls from a process without a key.
fn no_signing_key(name: &str, checked: &Checked) -> Option<String> {
    let line = checked.signs?;
    Some(format!(
        "{name}:{line}: `sign: true` has calls signed, and this process has no key for that; make one with `orchestrateur signing-keys new \
         --file FILE`, and start it with `serve --signing-key FILE` (ORCHESTRATEUR_SIGNING_KEY)"
    ))
}

/// Reads definitions to explain them, not to run them, each with the name that it is reported under: variables that are
/// not set and files that cannot be used are noted.
pub fn inspect(sources: &Sources) -> anyhow::Result<Vec<(String, Checked)>> {
    let mut mistakes = Vec::new();
    let env = Environment(|name: &str| std::env::var(name).ok());
    let found = found(sources, &mut mistakes, &|name, source| Definition::inspect(name, source, &env));
    let is_there = |wanted: &str| found.iter().any(|(_, checked)| *checked.definition.name == *wanted);
    let wanted = sources.commande_saga.as_deref().unwrap_or(CHECKOUT_SAGA);
    if is_there(wanted) || wanted != CHECKOUT_SAGA {
        let _ = for_orders(sources, &found, &mut mistakes);
    }
    if !mistakes.is_empty() {
        return Err(anyhow!(mistakes.join("\n")));
    }
    Ok(found)
}

/// Reads one definition.
type ReadOne<'a> = &'a dyn Fn(&str, &str) -> Result<Checked, Mistakes>;

/// The definitions in all files; without a file, the built-in one.
fn found(sources: &Sources, mistakes: &mut Vec<String>, read: ReadOne<'_>) -> Vec<(String, Checked)> {
    let built_in = || files::SourceFile { name: BUILT_IN.to_owned(), text: CHECKOUT.to_owned() };
    let files = match &sources.paths[..] {
        [] => vec![built_in()],
        paths => files::read_all(paths, mistakes),
    };
    let mut found = Vec::new();
    for files::SourceFile { name, text } in files {
        match read(&name, &text) {
            Ok(checked) => found.push((name, checked)),
            Err(why) => mistakes.push(why.to_string()),
        }
    }
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (file, checked) in &found {
        by_name.entry(&checked.definition.name).or_default().push(file);
    }
    for (saga, files) in by_name.into_iter().filter(|(_, files)| files.len() > 1) {
        mistakes.push(format!(
            "{}: all of these have `saga: {saga}`, and a saga has one definition; give each another name, or leave all but \
             one out",
            files.join(", ")
        ));
    }
    found
}

/// Which of the definitions orders run. It has to suit the face that orders come through.
fn for_orders(sources: &Sources, found: &[(String, Checked)], mistakes: &mut Vec<String>) -> Option<usize> {
    let wanted = sources.commande_saga.as_deref().unwrap_or(CHECKOUT_SAGA);
    let Some(index) = found.iter().position(|(_, checked)| *checked.definition.name == *wanted) else {
        let loaded: Vec<_> =
            found.iter().map(|(_, checked)| format!("`{}`", checked.definition.name)).collect();
        mistakes.push(format!(
            "no saga is named `{wanted}`, which `/api/commande` is to run; name one of those that are loaded with \
             `--commande-saga`: {}",
            loaded.join(", ")
        ));
        return None;
    };
    let (name, checked) = &found[index];
    match commande::suits(name, &checked.definition) {
        Ok(()) => Some(index),
        Err(why) => {
            mistakes.push(why.to_string());
            None
        }
    }
}

/// What to do where orders would silently run the built-in checkout, while a file has a saga that was probably meant.
fn undecided(found: &[(String, Checked)]) -> Option<String> {
    if !found.iter().any(|(file, _)| file == BUILT_IN) {
        return None;
    }
    let suits = |(file, checked): &&(String, Checked)| {
        file != BUILT_IN && commande::suits(file, &checked.definition).is_ok()
    };
    let (file, checked) = found.iter().find(suits)?;
    let saga = &checked.definition.name;
    Some(format!(
        "{file}: `/api/commande` could run the saga `{saga}`, and no file has one named `checkout`; write `--commande-saga {saga}` \
         (ORCHESTRATEUR_COMMANDE_SAGA) to have orders run it, or `--commande-saga checkout` to have them run the built-in checkout"
    ))
}

/// The definitions that the engine works with. Sources kept in the journal are read by the rules that they were checked
/// with, and with today's environment: a saga is pinned to what it does, not to where its participants are reached.
pub fn for_engine(
    loaded: &Loaded,
    env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Definitions {
    Definitions {
        orders: Some(loaded.commande_saga.clone()),
        callbacks_at: loaded.callbacks_at.clone(),
        served: loaded.definitions.clone(),
        read: kept_reader(env),
    }
}

/// Reads a definition that was kept in the journal.
pub type ReadSource = Box<dyn Fn(&str, Format) -> Result<Definition, String> + Send + Sync>;

/// Reads definitions that were kept in the journal, with today's environment.
pub fn kept_reader(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> ReadSource {
    let env = Environment(env);
    Box::new(move |source, format| {
        Definition::read(source, format, &env).map_err(|mistakes| mistakes.to_string())
    })
}

/// The content of a file that a definition names. Never more than it may have: the file is foreign, too.
fn read_secret(path: &Path) -> Result<String, String> {
    let told = |error: std::io::Error| error.to_string();
    // Asked before it is opened: opening a pipe waits for its other end.
    if !std::fs::metadata(path).map_err(told)?.is_file() {
        return Err("it is not a regular file".into());
    }
    let file = File::open(path).map_err(told)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("it is larger than the limit SECRET_BYTES_MAX, {SECRET_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}
