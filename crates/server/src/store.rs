//! Which store `DATABASE_URL` names, and opening it.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use anyhow::Context;
use saga_journal::Store;
use saga_journal::sqlite::BackupContent;

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

/// Takes the database for the one in which the journal is kept, and says what it was before, in one sentence.
pub async fn accept(url: &DatabaseUrl) -> anyhow::Result<String> {
    let DatabaseUrl::Postgres(url) = url else {
        anyhow::bail!(
            "a file is always accepted: only a PostgreSQL database names the server that it is kept in"
        );
    };
    let accepted = saga_journal::postgres::accept(url).await.context("accept the PostgreSQL store")?;
    Ok(match (accepted.before, accepted.now) {
        (_, None) => "nothing to do: this database does not tell where it is kept".to_owned(),
        (Some(before), Some(now)) if before == now => {
            format!("nothing to do: the journal is kept on {now} already")
        }
        (Some(before), Some(now)) => format!(
            "the journal is kept on {now} from now on; it was on {before}. Start the processes again that have used that one"
        ),
        (None, Some(now)) => format!("the journal is kept on {now}"),
    })
}
