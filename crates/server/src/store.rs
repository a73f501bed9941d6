//! Which store `DATABASE_URL` names, and opening it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use saga_core::{Epoch, Incarnation};
use saga_journal::Store;
use saga_journal::postgres::{DATABASE_CONNECTIONS_MIN, DatabaseIdentity};
use saga_journal::sqlite::{BackupContent, CheckDepth, FileChecked};

/// A parsed `DATABASE_URL`. Its text may hold a password, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite://path`: one file, one process.
    Sqlite(PathBuf),
    /// `postgres://...`: any number of processes.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // libpq's other form.
        let key = text.split_once('=').map(|(key, _)| key.trim());
        let is_key =
            |key: &str| !key.is_empty() && key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        if key.is_some_and(is_key) {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.split_once("://") {
            // SQLAlchemy's driver names, as the first system's configuration has them.
            Some((
                "postgres"
                | "postgresql"
                | "postgresql+psycopg2"
                | "postgresql+psycopg"
                | "postgresql+asyncpg",
                rest,
            )) => match rest.split('?').next().unwrap_or_default().matches('@').count() {
                // With two, the end of the password would be taken for the host, and shown.
                2.. => Err("an `@` in the user's name or the password must be written as %40".into()),
                _ => Ok(Self::Postgres(format!("postgresql://{rest}"))),
            },
            Some(("sqlite", "")) => Err("sqlite:// names no file; write sqlite://orchestrateur.db".into()),
            Some(("sqlite", path)) if path.contains('?') => {
                Err("an sqlite:// path takes no parameters: leave out the `?` and what follows".into())
            }
            Some(("sqlite", path)) => Ok(Self::Sqlite(path.into())),
            _ => Err("write postgres://user:password@host:5432/database, or sqlite://path/to/file.db (three slashes \
                     for a path from the root: sqlite:///var/lib/orchestrateur/orders.db)"
                .into()),
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://(not shown)"),
        }
    }
}

/// Opens the store, and brings its tables up to date. A process has at most so many connections to a server; a file has no need for
/// them.
pub async fn open(url: &DatabaseUrl, connections: usize) -> anyhow::Result<Arc<dyn Store>> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let store = saga_journal::sqlite::open(path)
                .with_context(|| format!("open the embedded store {}", path.display()))?;
            Ok(Arc::new(store))
        }
        DatabaseUrl::Postgres(url) => {
            let store = saga_journal::postgres::open_with(url, connections)
                .await
                .context("open the PostgreSQL store")?;
            Ok(Arc::new(store))
        }
    }
}

/// Opens the store to read it. A file may be in use, or be a backup.
pub async fn open_to_read(url: &DatabaseUrl) -> anyhow::Result<Arc<dyn Store>> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let store = saga_journal::sqlite::open_to_read(path)
                .with_context(|| format!("open the embedded store {}", path.display()))?;
            Ok(Arc::new(store))
        }
        DatabaseUrl::Postgres(_) => open(url, DATABASE_CONNECTIONS_MIN).await,
    }
}

/// Brings the store's tables up to date and says what that took, in one sentence.
pub async fn migrate(url: &DatabaseUrl) -> anyhow::Result<String> {
    match url {
        // Opening the file does it, and no other process can have it open.
        DatabaseUrl::Sqlite(path) => saga_journal::sqlite::open(path)
            .with_context(|| format!("open the embedded store {}", path.display()))
            .map(|_| "the file is up to date".to_owned()),
        DatabaseUrl::Postgres(url) => {
            let done = saga_journal::postgres::migrate(url).await.context("migrate the PostgreSQL store")?;
            Ok(match done.steps {
                0 => format!("nothing to do: the database has version {} already", done.version),
                1 => format!("made 1 migration: the database has version {} now", done.version),
                steps => format!("made {steps} migrations: the database has version {} now", done.version),
            })
        }
    }
}

/// Copies the store's file to a new one and says what the copy has, in one sentence.
pub fn back_up(url: &DatabaseUrl, to: &Path) -> anyhow::Result<String> {
    match url {
        DatabaseUrl::Sqlite(path) => {
            let done = saga_journal::sqlite::back_up(path, to)
                .with_context(|| format!("back up {}", path.display()))?;
            let BackupContent { sagas, unfinished, bytes } = done;
            Ok(format!(
                "{} has {sagas} sagas, {unfinished} of them unfinished ({bytes} bytes), and was checked",
                to.display()
            ))
        }
        DatabaseUrl::Postgres(_) => anyhow::bail!(
            "DATABASE_URL names a PostgreSQL database: back it up with its own tools (pg_dump, or a base backup with an archive of \
             the write-ahead log; see \"Backups\" in docs/operations.md)"
        ),
    }
}

/// Reads the whole file, and says that nothing in it is damaged, or fails and says what is, and what to do.
pub fn check(url: &DatabaseUrl, depth: CheckDepth) -> anyhow::Result<String> {
    let DatabaseUrl::Sqlite(path) = url else {
        anyhow::bail!(
            "DATABASE_URL names a PostgreSQL database: check it with its own tools (pg_amcheck, pg_checksums; see \"A damaged file\" in \
             docs/operations.md)"
        );
    };
    let checked =
        saga_journal::sqlite::check(path, depth).with_context(|| format!("check {}", path.display()))?;
    let FileChecked { bytes, findings } = checked;
    if findings.is_empty() {
        return Ok(format!("{} is whole ({bytes} bytes)", path.display()));
    }
    anyhow::bail!(
        "{} is damaged: {}. Leave it as it is, and make a copy of it and its -wal. Restore the newest backup, or save what can be read; \
         \"A damaged file\" in docs/operations.md says how",
        path.display(),
        findings.join("; ")
    )
}

/// The same quickly, before the store is opened; `None`: there is no file yet.
pub fn check_before_use(url: &DatabaseUrl) -> anyhow::Result<Option<String>> {
    match url {
        DatabaseUrl::Sqlite(path) if !path.exists() => Ok(None),
        _ => check(url, CheckDepth::Quick).map(Some),
    }
}

/// Takes the database or the file for the journal from now on, and says what that changed, in sentences. `restored`: the operator says that it
/// was set back, where it does not tell so itself.
pub async fn accept(url: &DatabaseUrl, restored: bool) -> anyhow::Result<String> {
    match url {
        DatabaseUrl::Sqlite(path) => accept_file(path, restored),
        DatabaseUrl::Postgres(url) => accept_database(url, restored).await,
    }
}

fn accept_file(path: &Path, restored: bool) -> anyhow::Result<String> {
    let accepted = saga_journal::sqlite::accept(path, restored)
        .with_context(|| format!("accept the embedded store {}", path.display()))?;
    let file = accepted.path.display();
    if accepted.before == accepted.now {
        return Ok(format!(
            "nothing to do: {file} is no backup that waits for this (incarnation {}). If it was restored in another way (cp, a snapshot \
             of the disk), run this again with --restored",
            accepted.now
        ));
    }
    let what = match accepted.made {
        Some(made) => format!("{file}, a backup that was made at {made}, is the journal from now on"),
        None => format!("{file} is the journal from now on"),
    };
    Ok(format!("{what}. {}", begun(accepted.now)))
}

async fn accept_database(url: &str, restored: bool) -> anyhow::Result<String> {
    let accepted =
        saga_journal::postgres::accept(url, restored).await.context("accept the PostgreSQL store")?;
    let place = |identity: Option<DatabaseIdentity>| {
        identity
            .map_or_else(|| "a database that does not tell where it is kept".to_owned(), |it| it.to_string())
    };
    let now = place(accepted.now);
    if accepted.incarnation_before == accepted.incarnation {
        return Ok(format!(
            "nothing to do: the journal is kept on {now} already (incarnation {}). If it was set back there (recovery to an earlier \
             time, a standby that had less), run this again with --restored",
            accepted.incarnation
        ));
    }
    let moved = if accepted.before == accepted.now || accepted.before.is_none() {
        String::new()
    } else {
        format!("; it was on {}. Start the processes again that have used that one", place(accepted.before))
    };
    Ok(format!("the journal is kept on {now} from now on{moved}. {}", begun(accepted.incarnation)))
}

/// What a new incarnation means, and what to do next.
fn begun(incarnation: Incarnation) -> String {
    format!(
        "Its incarnation is {incarnation}: every call has a Saga-Epoch of {} or more. Releases that know no incarnations refuse it. Now run `orchestrateur reconcile`, which compares it \
         with the services",
        Epoch::first_of(incarnation).get()
    )
}
