//! A participant's `tls`: its files, read at the first connection and again when they have changed. A change that cannot be
//! used leaves what was there before.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::RootCertStore;
use saga_core::definition::{ClientIdentity, ParticipantTls};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;

use super::access::{AccessTrouble, LastingTrouble};
use super::files::{FileContent, Files, read_now};
use super::trust;

/// The largest file that a participant's `tls` names, in bytes.
const TLS_FILE_BYTES_MAX: usize = 1024 * 1024;
/// New connections look at most this often whether the files have changed.
const TLS_FILES_LOOK_EVERY: Duration = Duration::from_secs(2);

/// The files of one `tls`, and the certificates that were last read from them.
pub(super) struct OwnTls {
    named: Arc<ParticipantTls>,
    files: Files,
    /// Trusted where the files name no authorities.
    roots: Arc<RootCertStore>,
    state: Mutex<TlsState>,
    /// Held while the files are read: connections that are opened together read them once.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct TlsState {
    usable: Option<TlsConnector>,
    /// Of the contents that were read last, usable or not.
    digest: Option<u64>,
    looked: Option<Instant>,
    trouble: Option<LastingTrouble>,
}

/// The contents of the files, in the order `ca`, `cert`, `key`.
type Contents = [Option<FileContent>; 3];

impl OwnTls {
    pub(super) fn new(named: Arc<ParticipantTls>, files: Files, roots: Arc<RootCertStore>) -> Self {
        Self { named, files, roots, state: Mutex::default(), looking: tokio::sync::Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, TlsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the files could ever be used: connections can be tried.
    pub(super) fn is_usable(&self) -> bool {
        self.lock().usable.is_some()
    }

    /// Waits until the files can be used.
    pub(super) async fn usable(&self) {
        while self.connector().await.is_err() {
            sleep(TLS_FILES_LOOK_EVERY).await;
        }
    }

    pub(super) fn trouble(&self) -> Option<AccessTrouble> {
        let state = self.lock();
        state.trouble.as_ref().map(|trouble| trouble.shown(state.usable.is_none()))
    }

    /// For a new connection. The error says which file is wrong.
    pub(super) async fn connector(&self) -> Result<TlsConnector, String> {
        if let Some(known) = self.fresh() {
            return known;
        }
        let _alone = self.looking.lock().await;
        if let Some(known) = self.fresh() {
            return known;
        }
        let read = self.read().await;
        self.note(read)
    }

    /// The result of the last look, if that was just now.
    fn fresh(&self) -> Option<Result<TlsConnector, String>> {
        let state = self.lock();
        let is_fresh = state.looked.is_some_and(|looked| looked.elapsed() < TLS_FILES_LOOK_EVERY);
        is_fresh.then(|| state.result())
    }

    async fn read(&self) -> Result<Contents, String> {
        let mut contents: Contents = [None, None, None];
        for ((key, path), content) in paths(&self.named).into_iter().zip(&mut contents) {
            let Some(path) = path else { continue };
            let read = self.files.read(path, TLS_FILE_BYTES_MAX).await;
            *content = Some(read.map_err(|reason| unusable(key, path, &reason))?);
        }
        Ok(contents)
    }

    fn note(&self, read: Result<Contents, String>) -> Result<TlsConnector, String> {
        let mut state = self.lock();
        state.looked = Some(Instant::now());
        let made = match read {
            Ok(contents) => {
                let digest = digest(&contents);
                if state.digest == Some(digest) && state.trouble.is_none() {
                    return state.result();
                }
                let is_other = state.digest.replace(digest) != Some(digest);
                made(&self.named, &contents, &self.roots).inspect(|_| {
                    if is_other && state.usable.is_some() {
                        tracing::info!(tls = %self.named, "the files of `tls` have changed; new connections use them");
                    }
                })
            }
            Err(reason) => Err(reason),
        };
        match made {
            Ok(connector) => {
                state.usable = Some(connector);
                if state.trouble.take().is_some() {
                    tracing::info!(tls = %self.named, "the files of `tls` can be used again");
                }
            }
            Err(reason) => {
                let goes_on = match &state.usable {
                    Some(_) => "new connections use what was read before",
                    None => "the calls wait that need them",
                };
                if LastingTrouble::note(&mut state.trouble, &reason) {
                    tracing::warn!(tls = %self.named, reason, "the files of `tls` cannot be used, and {goes_on}: {reason}");
                }
            }
        }
        state.result()
    }
}

impl TlsState {
    fn result(&self) -> Result<TlsConnector, String> {
        match (&self.usable, &self.trouble) {
            (Some(connector), _) => Ok(connector.clone()),
            (None, Some(trouble)) => Err(trouble.shown(true).reason.into()),
            (None, None) => Err("the files of `tls` have not been read".to_owned()),
        }
    }
}

/// Whether the files of a participant's `tls` can be used on this machine now; the error says which one cannot, and why.
pub fn check_tls(named: &ParticipantTls) -> Result<(), String> {
    let mut contents: Contents = [None, None, None];
    for ((key, path), content) in paths(named).into_iter().zip(&mut contents) {
        let Some(path) = path else { continue };
        *content = Some(read_now(path, TLS_FILE_BYTES_MAX).map_err(|reason| unusable(key, path, &reason))?);
    }
    made(named, &contents, &Arc::new(RootCertStore::empty())).map(drop)
}

fn paths(named: &ParticipantTls) -> [(&'static str, Option<&str>); 3] {
    let identity = named.identity.as_ref();
    [
        ("ca", named.ca.as_deref()),
        ("cert", identity.map(|ClientIdentity { cert, .. }| &**cert)),
        ("key", identity.map(|ClientIdentity { key, .. }| &**key)),
    ]
}

fn unusable(key: &str, path: &str, reason: &str) -> String {
    format!("`{key}: {path}` of `tls` cannot be used: {reason}")
}

fn made(
    named: &ParticipantTls,
    contents: &Contents,
    machines: &Arc<RootCertStore>,
) -> Result<TlsConnector, String> {
    let [ca, cert, key] = contents;
    let [(_, ca_path), (_, cert_path), (_, key_path)] =
        paths(named).map(|(key, path)| (key, path.unwrap_or_default()));
    let roots = match ca {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            trust::add(&mut roots, pem).map_err(|reason| unusable("ca", ca_path, &reason))?;
            Arc::new(roots)
        }
        None => machines.clone(),
    };
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((
            trust::certificates(cert).map_err(|reason| unusable("cert", cert_path, &reason))?,
            trust::private_key(key).map_err(|reason| unusable("key", key_path, &reason))?,
        )),
        _ => None,
    };
    let config = trust::config(roots, identity);
    let pair = |error| {
        format!("`cert: {cert_path}` and `key: {key_path}` of `tls` cannot be used together: {error}")
    };
    Ok(TlsConnector::from(config.map_err(pair)?))
}

/// Tells whether the files have changed.
fn digest(contents: &Contents) -> u64 {
    let mut hasher = DefaultHasher::new();
    for content in contents {
        content.as_deref().hash(&mut hasher);
    }
    hasher.finish()
}
