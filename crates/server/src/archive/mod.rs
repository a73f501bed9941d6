//! The archive: sagas that were taken out of the journal, as files in one folder.
//!
//! ```text
//!   2026-11-30.jsonl.gz       the sagas that ended on that day (UTC): one JSON object a line, compressed
//!   definitions/<hash>.yaml   the definitions that they ran
//! ```
//!
//! Sagas of one day may come at several times: those that have failed may be kept for longer than others. A line may come twice, if a
//! process ended between writing it and taking the saga out of the journal.

mod blocks;
mod line;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flate2::bufread::MultiGzDecoder;
use saga_core::SagaId;
use saga_core::definition::DefinitionHash;
use saga_engine::{Archive, ArchiveError, ArchiveFuture, ArchivedSaga};
use tokio::task::spawn_blocking;

pub(crate) use self::line::ArchiveLine;

/// The end of the name of a day's file.
const DAY_ENDS: &str = ".jsonl.gz";
/// The longest line that is read back.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// How often the folder's lock is tried, when another process has it ...
const LOCK_ATTEMPTS_MAX: u32 = 50;
/// ... and the pause between two attempts.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A folder of archived sagas, for a process that adds to it.
pub(crate) struct FolderArchive {
    shared: Arc<Folder>,
}

struct Folder {
    path: PathBuf,
    /// How long each day's file was when this process had written to it.
    known: Mutex<HashMap<PathBuf, u64>>,
}

impl FolderArchive {
    /// The folder is made if it is not there; the folder that it is in must be.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let why = || format!("use the folder {} for the archive", path.display());
        make_folder(path).with_context(why)?;
        make_folder(&path.join("definitions")).with_context(why)?;
        let folder = Folder { path: path.to_owned(), known: Mutex::default() };
        drop(folder.lock().with_context(why)?);
        Ok(Self { shared: Arc::new(folder) })
    }
}

impl Archive for FolderArchive {
    fn keep(&self, sagas: Vec<ArchivedSaga>) -> ArchiveFuture<'_> {
        let folder = self.shared.clone();
        blocking(move || folder.keep(sagas))
    }

    fn define(&self, hash: DefinitionHash, source: Arc<str>) -> ArchiveFuture<'_> {
        let folder = self.shared.clone();
        blocking(move || folder.define(&hash, &source))
    }
}

fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> ArchiveFuture<'static> {
    Box::pin(async move {
        let done = spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        done.map_err(|error| ArchiveError(error.to_string().into()))
    })
}

/// For its owner alone: orders have amounts, and names of people.
fn make_folder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}

impl Folder {
    /// Processes that share the folder add to it in turn.
    fn lock(&self) -> io::Result<File> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.path.join(".lock"))?;
        for _ in 0..LOCK_ATTEMPTS_MAX {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other(format!("another process holds {}/.lock", self.path.display())))
    }

    fn keep(&self, sagas: Vec<ArchivedSaga>) -> io::Result<()> {
        let mut days: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        for saga in sagas {
            let ended = saga.ended.to_string();
            let day = ended.get(..10).unwrap_or("undated");
            let lines = days.entry(self.path.join(format!("{day}{DAY_ENDS}"))).or_default();
            serde_json::to_writer(&mut *lines, &ArchiveLine::of(saga))?;
            lines.push(b'\n');
        }
        let _lock = self.lock()?;
        for (path, lines) in days {
            self.add(&path, &lines).map_err(|error| named(&path, &error))?;
        }
        Ok(())
    }

    /// Adds lines to a day's file, durably. After an error, what was written of them is cut off by the next one.
    fn add(&self, path: &Path, lines: &[u8]) -> io::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !path.try_exists()?;
        let mut file = File::options().create(true).append(true).read(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        if known.remove(path) != Some(length) {
            let whole = blocks::whole_bytes(&file)?;
            if whole < length {
                tracing::warn!(
                    file = %path.display(),
                    bytes = length - whole,
                    "the archive's file ends with a line that was not finished, which is cut off: its order is still in the journal"
                );
                file.set_len(whole)?;
            }
        }
        file.write_all(&blocks::write(lines)?)?;
        file.sync_all()?;
        if is_new {
            File::open(&self.path)?.sync_all()?;
        }
        known.insert(path.to_owned(), file.metadata()?.len());
        Ok(())
    }

    fn define(&self, hash: &DefinitionHash, source: &str) -> io::Result<()> {
        let _lock = self.lock()?;
        let folder = self.path.join("definitions");
        let path = folder.join(format!("{hash}.yaml"));
        if path.try_exists()? {
            return Ok(());
        }
        let mut file = tempfile::Builder::new().prefix(".definition-").tempfile_in(&folder)?;
        file.write_all(source.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| named(&path, &error.error))?;
        File::open(&folder)?.sync_all()
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The line of a saga, in a folder that may be added to meanwhile: the last one, where there are several. `day` is that of its end, if it is
/// known; otherwise, the newest days are looked at first.
pub(crate) fn find(folder: &Path, saga: SagaId, day: Option<&str>) -> anyhow::Result<Option<ArchiveLine>> {
    use anyhow::Context;
    let beginning = line::beginning(saga);
    for path in days(folder, day)?.iter().rev() {
        let mut found = None;
        let read = lines(path, |line| {
            if line.starts_with(beginning.as_bytes()) {
                found = Some(serde_json::from_slice(line)?);
            }
            Ok(())
        });
        read.with_context(|| format!("read {}", path.display()))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Those of these sagas that are in the folder and have completed. Reads all of it.
pub(crate) fn completed(folder: &Path, sagas: &HashSet<SagaId>) -> anyhow::Result<HashSet<SagaId>> {
    use anyhow::Context;
    let mut completed = HashSet::new();
    for path in days(folder, None)? {
        let read = lines(&path, |line| {
            let Some(saga) = line::saga_of(line).filter(|saga| sagas.contains(saga)) else { return Ok(()) };
            if !serde_json::from_slice::<ArchiveLine>(line)?.has_failed() {
                completed.insert(saga);
            }
            Ok(())
        });
        read.with_context(|| format!("read {}", path.display()))?;
    }
    Ok(completed)
}

/// The files of all days, or of one, in their order.
fn days(folder: &Path, day: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    use anyhow::Context;
    let mut days = Vec::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("read the archive's folder {}", folder.display()))?;
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| name.ends_with(DAY_ENDS)) else { continue };
        if day.is_none_or(|day| name.strip_suffix(DAY_ENDS) == Some(day)) {
            days.push(folder.join(name));
        }
    }
    days.sort();
    Ok(days)
}

/// Gives each whole line of a file to `each`.
fn lines(path: &Path, mut each: impl FnMut(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let whole = blocks::whole_bytes(&File::open(path)?)?;
    let blocks = io::Read::take(File::open(path)?, whole);
    let mut lines = BufReader::new(MultiGzDecoder::new(BufReader::new(blocks)));
    let mut line = Vec::new();
    while io::Read::take(&mut lines, LINE_BYTES_MAX).read_until(b'\n', &mut line)? > 0 {
        each(&line)?;
        line.clear();
    }
    Ok(())
}
