//! Definitions that are loaded again while the process runs: at SIGHUP. A change of their files alone is only told. Keys are read again,
//! too; those that sign calls also when their file changes.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use saga_core::Definition;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;

use crate::api::Api;
use crate::definitions::{self, FilesSeen, Loaded, Sources};

/// How often the files are looked at.
const FILES_LOOK_EVERY: Duration = Duration::from_secs(3);

/// Loads definitions again, and tells when their files have changed.
pub(super) struct Reloader {
    sources: Sources,
    hangup: Signal,
    seen: FilesSeen,
    signing_keys_seen: FilesSeen,
}

/// The differences between two sets of definitions, by the sagas' names.
struct Difference {
    new: Vec<Arc<str>>,
    changed: Vec<Arc<str>>,
    gone: Vec<Arc<str>>,
}

impl Reloader {
    /// Listens from its creation on. To be made before the files are read for the first time: no change is missed.
    pub(super) fn new(sources: Sources, signing_keys: Option<&Path>) -> anyhow::Result<Self> {
        let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        let seen = FilesSeen::look(&sources.paths);
        let signing_keys_seen = look_at(signing_keys);
        Ok(Self { sources, hangup, seen, signing_keys_seen })
    }

    /// Serves what the files have at each SIGHUP.
    ///
    /// *Cancel point:* it is dropped at the process's end alone.
    pub(super) async fn run(mut self, api: &Api) -> Infallible {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    reload_keys(api);
                    self.reload_signing_keys(api);
                    self.reload(api).await;
                }
                () = sleep(FILES_LOOK_EVERY) => {
                    self.look_at_signing_keys(api);
                    self.look(api).await;
                }
            }
        }
    }

    /// Reads the keys that sign calls again. With a mistake in the file, the keys from before stay.
    fn reload_signing_keys(&mut self, api: &Api) {
        let Some(signer) = &api.signer else { return };
        self.signing_keys_seen = look_at(Some(signer.file()));
        match signer.reload() {
            Ok(keys) => {
                let (id, announced) = (keys.current().id(), keys.announced().len());
                tracing::info!(
                    signing_key = id,
                    announced,
                    "the signing keys are read again: calls are signed with {id}"
                );
            }
            Err(error) => tracing::error!(
                "the signing keys are not read again, and calls are signed with the one from before: {error}"
            ),
        }
    }

    fn look_at_signing_keys(&mut self, api: &Api) {
        let Some(signer) = &api.signer else { return };
        if look_at(Some(signer.file())) != self.signing_keys_seen {
            self.reload_signing_keys(api);
        }
    }

    async fn reload(&mut self, api: &Api) {
        self.seen = FilesSeen::look(&self.sources.paths);
        let loaded = match self.load().await {
            Ok(loaded) => loaded,
            Err(error) => {
                api.metrics.reloaded(false);
                tracing::error!(
                    "the definitions are not loaded again, and those that were loaded before are used further: {error:#}"
                );
                return;
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let difference = Difference::between(&api.engine.definitions(), &loaded.definitions);
        // A name that is counted has its metrics before it has sagas.
        api.metrics.serve(&loaded.definitions);
        api.engine.serve(loaded.definitions).await;
        api.metrics.reloaded(true);
        tracing::info!("the definitions are loaded again: {}", difference.told());
    }

    /// Tells once of a change that is not loaded, or would not be.
    async fn look(&mut self, api: &Api) {
        let seen = FilesSeen::look(&self.sources.paths);
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        match self.load().await {
            Ok(loaded) => {
                let difference = Difference::between(&api.engine.definitions(), &loaded.definitions);
                if !difference.is_empty() {
                    tracing::info!(
                        "the files of definitions have changed: {}. New sagas run what was loaded before, until SIGHUP has \
                         them loaded again",
                        difference.told()
                    );
                }
            }
            Err(error) => tracing::warn!(
                "the files of definitions have changed, and could not be loaded: {error:#}. New sagas run what was loaded before"
            ),
        }
    }

    /// Reads and checks the files, on a thread that serves nothing else.
    async fn load(&self) -> anyhow::Result<Loaded> {
        let sources = self.sources.clone();
        tokio::task::spawn_blocking(move || definitions::load(&sources))
            .await
            .context("check the definitions")?
    }
}

fn look_at(signing_keys: Option<&Path>) -> FilesSeen {
    FilesSeen::look(signing_keys.map(Path::to_owned).as_slice())
}

/// Reads the keys again. With a mistake in the file, the keys from before stay.
fn reload_keys(api: &Api) {
    match api.access.reload() {
        Ok(None) => {}
        Ok(Some(keys)) => tracing::info!(keys, "the keys are read again"),
        Err(error) => tracing::error!("the keys are not read again, and those from before stay: {error:#}"),
    }
}

impl Difference {
    fn between(before: &[Arc<Definition>], after: &[Arc<Definition>]) -> Self {
        let find = |all: &[Arc<Definition>], name: &str| {
            all.iter().find(|definition| *definition.name == *name).map(|found| found.hash.clone())
        };
        let mut difference = Self { new: Vec::new(), changed: Vec::new(), gone: Vec::new() };
        for Definition { name, hash, .. } in after.iter().map(|definition| &**definition) {
            match find(before, name) {
                None => difference.new.push(name.clone()),
                Some(known) if known != *hash => difference.changed.push(name.clone()),
                Some(_) => {}
            }
        }
        let names = before.iter().map(|definition| &definition.name);
        difference.gone = names.filter(|name| find(after, name).is_none()).cloned().collect();
        difference
    }

    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.gone.is_empty()
    }

    fn told(&self) -> String {
        let parts = [
            ("new", "can be started", &self.new),
            ("changed", "running sagas go on with the definition that they started with", &self.changed),
            ("gone", "cannot be started any more, and running sagas go on", &self.gone),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(_, _, names)| !names.is_empty())
            .map(|(word, meaning, names)| format!("{word}: {} ({meaning})", names.join(", ")))
            .collect();
        if parts.is_empty() { "nothing has changed".to_owned() } else { parts.join("; ") }
    }
}
